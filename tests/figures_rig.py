"""A shop that trades at random through its use cases, moves through time, and a count of its ledger that is written
on its own: rows are read whole and added up in Python.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from ringlet import accounts
from ringlet.activations import cancel, give_back, resend, watch
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.store import Activation
from ringlet.backoffice.figures import Figures
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.ledger import Wallet
from tests.site import SERVICES, Shop
from tests.suppliers_rig import Upstream

SUPPLIED = "fb"
CODES = ("your code is 481 516", "use 2342 to sign in", "108-108")


@dataclass
class Trade:
    """Random operations at one desk; `open` are the activations that may still be waiting."""

    desk: Desk
    shop: Shop
    up: Upstream
    random: random.Random
    open: list[tuple[Wallet, Activation]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def some(self, count: int) -> None:
        """So many operations, eight at once, and what the worker does after them."""
        for _ in range(0, count, 8):
            await asyncio.gather(*(self.one() for _ in range(8)))
        await self.up.sweep()
        await give_back.give_back_due(self.desk)
        while await watch.close_due(self.desk):
            pass

    async def one(self) -> None:
        """One operation; a refusal is an outcome like any other."""
        kinds = (self._buy, self._code, self._cancel, self._expire, self._credit, self._debit, self._resend)
        work = self.random.choices(kinds, weights=(44, 24, 8, 6, 6, 4, 8))[0]
        with suppress(Refusal):
            await work()
            self.done[work.__name__.strip("_")] += 1

    def _taken(self) -> tuple[Wallet, Activation] | None:
        """One of the open ones, which nobody else takes at the same time."""
        return self.open.pop(self.random.randrange(len(self.open))) if self.open else None

    async def _buy(self) -> None:
        wallet = self.random.choice((self.shop.alice, self.shop.bob, self.shop.rehearsal))
        service = self.random.choice((*SERVICES, SUPPLIED, SUPPLIED))
        if wallet.mode == "test":
            service = "go"
        bought = await buy(self.desk, wallet, Order(service=service, country=6))
        self.open.append((wallet, bought.activation))
        self.done["supplied"] += service == SUPPLIED

    async def _code(self) -> None:
        if found := self._taken():
            wallet, activation = found
            if activation.service == SUPPLIED and wallet.mode == "live":
                self._supplier_gets(activation)
            elif wallet.mode == "live":
                await self.shop.push(self.desk, activation, self.random.choice(CODES))
            if self.random.random() < 0.3:
                self.open.append((wallet, activation))

    def _supplier_gets(self, activation: Activation) -> None:
        refs = [each.ref for each in self.up.warehouse.active() if each.phone == activation.phone]
        for ref in refs:
            self.up.warehouse.sms(ref, "your code is 481516", "481516")

    async def _cancel(self) -> None:
        if found := self._taken():
            await cancel.cancel(self.desk, found[0].id, found[1].public_id)

    async def _expire(self) -> None:
        if found := self._taken():
            async with self.desk.db.connection() as tx:
                await tx.execute(
                    "update activation set expires_at = now() - interval '1 second', due_at = now() - interval '1 second'"
                    " where id = %s and due_at is not null",
                    [found[1].id],
                )

    async def _credit(self) -> None:
        await self._adjust(self.random.randrange(1, 5_000_000))

    async def _debit(self) -> None:
        await self._adjust(-self.random.randrange(1, 900_000))

    async def _adjust(self, micros: int) -> None:
        email = self.random.choice(("alice@example.org", "bob@example.org"))
        await accounts.adjust(self.desk, email, micros, actor="test", reason="random")

    async def _resend(self) -> None:
        if found := self._taken():
            again = await resend.resend(self.desk, found[0], found[1].public_id)
            self.open.append((found[0], again.activation))


async def move_back(desk: Desk, marks: dict[str, int], by: timedelta) -> None:
    """Everything that was written since the last time happened so much earlier."""
    async with desk.db.transaction() as tx:
        for table in ("posting", "supplier_posting", "activation"):
            await tx.execute(f"alter table {table} disable trigger user".encode())
            moved = await tx.execute(
                f"update {table} set created_at = created_at - %s where id > %s".encode(),
                [by, marks.get(table, 0)],
            )
            assert moved is not None
            await tx.execute(f"alter table {table} enable trigger user".encode())
            row = await (await tx.execute(f"select coalesce(max(id), 0) from {table}".encode())).fetchone()
            assert row is not None
            marks[table] = row[0]


@dataclass
class Ledger:
    """Every row that figures are made of, read whole."""

    postings: list[Any]
    supplied: list[Any]

    def sums(self, since: datetime, until: datetime, dimension: str = "", key: str = "") -> Figures:
        """The figures of a time, of everything or of one service, country, source or customer."""
        found: dict[str, int] = defaultdict(int)
        for row in self.postings:
            if since <= row["hour"] < until and key in ("", str(row.get(dimension))):
                _count(found, row, by_customer=dimension == "customer")
        for row in self.supplied if dimension != "customer" else ():
            if since <= row["hour"] < until and key in ("", str(row.get(dimension))):
                found["cost_micros"] += row["micros"] if row["kind"] == "charge" else -row["micros"]
        return Figures(**found)

    def keys(self, since: datetime, until: datetime, dimension: str) -> set[str]:
        """Whatever had something to count."""
        rows = [*self.postings, *(self.supplied if dimension != "customer" else ())]
        return {
            str(row[dimension])
            for row in rows
            if since <= row["hour"] < until and row[dimension] is not None and row["kind"] != "hold"
        }


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _count(found: dict[str, int], row: Any, *, by_customer: bool) -> None:
    micros, share = row["micros"], row["share"] or 0
    match row["kind"]:
        case "capture":
            found["sales"] += 1
            found["revenue_micros"] += micros - share
            found["share_micros"] += share
            found["code_micros"] += (row["at"] - row["bought_at"]) // timedelta(microseconds=1)
            if by_customer or row["is_own"]:
                exact = row["base_price"] * 1_000_000
                found["cost_micros"] += int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        case "refund":
            found["revenue_micros"] -= micros - share
            found["share_micros"] -= share
            found["refund_micros"] += micros
        case "release":
            found["releases"] += 1
            found["refund_micros"] += micros
        case "credit":
            found["top_up_micros"] += micros
        case "debit":
            found["debit_micros"] += micros


POSTINGS = """
select p.kind::text as kind, p.amount_micros as micros, p.created_at as at, w.customer_id as customer, a.service,
    a.country, a.source_id as source, a.base_price, a.number_id is not null as is_own, a.created_at as bought_at,
    (select share_micros from resale r where r.activation_id = p.activation_id) as share
from posting p left join wallet w on w.id = p.wallet_id left join activation a on a.id = p.activation_id
where w.mode = 'live' and w.currency = %s
"""
SUPPLIED_ROWS = """
select p.kind::text as kind, p.amount_micros as micros, p.created_at as at, p.source_id as source, r.service, r.country
from supplier_posting p left join rental r on r.source_id = p.source_id and r.supplier_ref = p.supplier_ref
where p.kind in ('charge', 'refund')
"""


async def ledger(desk: Desk) -> Ledger:
    """All of it, on one snapshot."""
    async with desk.db.transaction() as tx:
        await tx.execute("set transaction isolation level repeatable read")
        return Ledger(await _rows(tx, POSTINGS, [desk.settings.currency]), await _rows(tx, SUPPLIED_ROWS, []))


async def _rows(tx: Any, statement: str, values: Sequence[object]) -> list[Any]:
    cursor = await tx.execute(statement.encode(), values)
    names = [each.name for each in cursor.description]
    found = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
    return [{**row, "hour": _hour(row["at"])} for row in found]
