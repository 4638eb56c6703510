"""The demo's own gateway: a page with buttons instead of money, so that a newcomer can top up within a minute.

Its truth is a table of its own, which the payer changes on `/demo-pay/{external_id}`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, LiteralString

import aiohttp
import msgspec
from psycopg.rows import args_row

from ringlet.db import Database, Tx
from ringlet.payments.port import (
    Capabilities,
    Field,
    Made,
    Notice,
    NoticeRefused,
    Order,
    PaymentState,
    Refused,
    Settled,
    Truth,
)


class Payment(msgspec.Struct, frozen=True):
    """A payment as the demo's page shows it."""

    external_id: str
    reference: str
    amount_micros: int
    currency: str
    state: str
    settled_micros: int
    refunded_micros: int
    return_url: str


class Demo:
    """Play money, or a demo's live money."""

    kind: ClassVar[str] = "demo"
    name: ClassVar[str] = "Demo"
    fields: ClassVar[Sequence[Field]] = ()
    can: ClassVar[Capabilities] = Capabilities(lists=True, lives_s=3600)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        self._mode = mode
        self._db = db

    async def create(self, order: Order) -> Made:
        """The same order is the same payment."""
        external_id = f"demo_{order.id}"
        values = [external_id, order.id, order.charge_micros, order.currency, order.return_url]
        async with self._db.connection() as tx:
            await tx.execute(_CREATE, values)
        return Made(external_id, url=f"/demo-pay/{external_id}")

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """It has no need to write to us: whoever does is somebody else."""
        raise NoticeRefused("the demo gateway sends no notices")

    async def fetch(self, external_id: str) -> Truth:
        """What its page says."""
        async with self._db.connection() as tx:
            found = await payment(tx, external_id)
        if found is None:
            raise Refused(f"no payment {external_id}")
        return Truth(
            external_id, found.reference, PaymentState(found.state), self._mode, found.currency, found.amount_micros,
            settled_micros=found.settled_micros, refunded_micros=found.refunded_micros,
        )  # fmt: skip

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """The payer takes it back himself, on its page."""
        raise Refused("the demo gateway gives nothing back by itself")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """What was paid on its page."""
        async with self._db.connection() as tx:
            rows = await (await tx.execute(_SETTLED, [since, until])).fetchall()
        return [Settled(*row) for row in rows]

    async def check(self) -> str:
        """Always there."""
        return self.name


async def payment(tx: Tx, external_id: str) -> Payment | None:
    """One payment, for its page."""
    cursor = tx.cursor(row_factory=args_row(Payment))
    return await (await cursor.execute(_FETCH, [external_id])).fetchone()


async def pay(tx: Tx, external_id: str, amount_micros: int) -> None:
    """The payer has paid so much."""
    await tx.execute(_PAY, [amount_micros, external_id])


async def fail(tx: Tx, external_id: str) -> None:
    """The payer has turned away."""
    await tx.execute(_FAIL, [external_id])


async def take_back(tx: Tx, external_id: str) -> None:
    """The payer has got all of it back, as from a bank that he told of a fraud."""
    await tx.execute(_TAKE_BACK, [external_id])


_CREATE: LiteralString = """
insert into demo_payment (external_id, reference, amount_micros, currency, return_url)
values (%s, %s, %s, %s, %s) on conflict (external_id) do nothing
"""
_FETCH: LiteralString = """
select external_id, reference, amount_micros, currency, state, settled_micros, refunded_micros, return_url
from demo_payment where external_id = %s
"""
_PAY: LiteralString = """
update demo_payment set state = 'settled', settled_micros = %s where external_id = %s and state = 'open'
"""
_FAIL: LiteralString = "update demo_payment set state = 'failed' where external_id = %s and state = 'open'"
_TAKE_BACK: LiteralString = """
update demo_payment set refunded_micros = settled_micros where external_id = %s and state = 'settled'
"""
_SETTLED: LiteralString = """
select external_id, reference, settled_micros, refunded_micros, currency from demo_payment
where state = 'settled' and created_at >= %s and created_at < %s order by created_at
"""
