"""The demo gateway's page: what a payer does there, and that the payment is looked at right after it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import LiteralString

from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.payments import demo
from ringlet.payments.demo import Payment

CENT_MICROS = 10_000


async def find(desk: Desk, wallet_id: int, external_id: str) -> Payment:
    """The demo's payment of this wallet's own top-up. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await _find(tx, wallet_id, external_id)


async def act(desk: Desk, wallet_id: int, external_id: str, deed: str) -> Payment:
    """Do one of `DEEDS`, and have a worker look at once; returns the payment as it is then.

    Refuses: NotFound, ValidationFailed (another deed), ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        found = await _find(tx, wallet_id, external_id)
        if deed not in DEEDS:
            raise ValidationFailed(f"one of {', '.join(DEEDS)}", field="do")
        await DEEDS[deed](tx, found)
        await tx.execute(_LOOK, [wallet_id, external_id])
        return await _find(tx, wallet_id, external_id)


async def _find(tx: Tx, wallet_id: int, external_id: str) -> Payment:
    row = await (await tx.execute(_IS_OURS, [wallet_id, external_id])).fetchone()
    found = None if row is None else await demo.payment(tx, external_id)
    if found is None:
        raise NotFound
    return found


_IS_OURS: LiteralString = """
select from topup t join gateway g on g.id = t.gateway_id
where t.wallet_id = %s and t.external_id = %s and g.kind = 'demo'
"""
_LOOK: LiteralString = "update topup set due_at = now() where wallet_id = %s and external_id = %s"


def less(micros: int) -> int:
    """About half of it, in whole cents."""
    return max(CENT_MICROS, micros // 2 // CENT_MICROS * CENT_MICROS)


def more(micros: int) -> int:
    """Half as much again."""
    return micros + less(micros)


async def _pay(tx: Tx, found: Payment) -> None:
    await demo.pay(tx, found.external_id, found.amount_micros)


async def _pay_less(tx: Tx, found: Payment) -> None:
    await demo.pay(tx, found.external_id, less(found.amount_micros))


async def _pay_more(tx: Tx, found: Payment) -> None:
    await demo.pay(tx, found.external_id, more(found.amount_micros))


async def _fail(tx: Tx, found: Payment) -> None:
    await demo.fail(tx, found.external_id)


async def _take_back(tx: Tx, found: Payment) -> None:
    await demo.take_back(tx, found.external_id)


DEEDS: Mapping[str, Callable[[Tx, Payment], Awaitable[None]]] = {
    "pay": _pay, "less": _pay_less, "more": _pay_more, "fail": _fail, "take_back": _take_back,
}  # fmt: skip
