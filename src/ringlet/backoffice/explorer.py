"""The ledger as staff look through it: postings, newest first, each with its wallet's owner and its order.

What an index can find (a wallet's statement, an order's postings, one posting) is found by it; everything else is looked
for among the newest `LOOKED_AT_MAX` rows of a time, and the part says where to look on.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.backoffice import since
from ringlet.backoffice.since import Span
from ringlet.db import Tx
from ringlet.desk import Desk

PART = 50
BATCH = 1_000
LOOKED_AT_MAX = 5_000
KINDS = (
    "credit", "debit", "hold", "capture", "release", "refund", "fee", "bonus", "referral", "referral_return",
    "chargeback", "debt", "debt_paid", "resale_share", "resale_return",
)  # fmt: skip
#: what a wallet has
HAS = frozenset({"available", "held"})
ACCOUNTS = ("funding", "available", "held", "revenue", "resale", "fees", "bonus", "referral", "debt")


class Sought(msgspec.Struct, frozen=True):
    """Which postings. `order` is a public id; an amount is exact. A wallet's holds stand with their orders, not in its
    statement.
    """

    wallet_id: int | None = None
    order: int | None = None
    kind: str | None = None
    account: str | None = None
    amount_micros: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_statement(self) -> bool:
        """Whether it is a whole wallet, whose lines can say what was left after each."""
        return self == Sought(wallet_id=self.wallet_id) and self.wallet_id is not None


class Row(msgspec.Struct, frozen=True):
    """One posting, whose it is and what for. `left_micros`: what the wallet had after it, available and held, where known."""

    id: int
    created_at: datetime
    wallet_id: int
    customer_id: int
    email: str
    mode: str
    currency: str
    kind: str
    giver: str
    taker: str
    amount_micros: int
    order_id: int | None
    actor: str | None
    reason: str | None
    left_micros: int | None = None

    @property
    def change_micros(self) -> int:
        """What it did to what the wallet has."""
        return ((self.taker in HAS) - (self.giver in HAS)) * self.amount_micros


class Part(msgspec.Struct, frozen=True):
    """Postings, newest first; `older` is the id to go on below, `left_micros` what the wallet had before these."""

    rows: Sequence[Row]
    older: int | None = None
    left_micros: int | None = None


async def part(
    desk: Desk, sought: Sought, before: int | None = None, *, left_micros: int | None = None
) -> Part:
    """The newest postings below an id that fit; for a statement with what was left, of which the part before tells
    where it begins. Refuses: ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        # The balance and the lines are of one moment.
        await tx.execute("set transaction isolation level repeatable read read only")
        span = await since.postings(tx, sought.since, sought.until)
        found = await _part(tx, sought, span, before, PART)
        if sought.is_statement and before is None:
            left_micros = await _has(tx, sought.wallet_id)
    return found if left_micros is None else _with_left(found, left_micros)


async def _has(tx: Tx, wallet_id: int | None) -> int:
    row = await (await tx.execute(_HAS, [wallet_id])).fetchone()
    assert row is not None
    return int(row[0])


_HAS: LiteralString = """
select coalesce(sum(balance_micros), 0)::bigint from ledger_account
where wallet_id = %s and kind in ('available', 'held')
"""


def _with_left(found: Part, left_micros: int) -> Part:
    rows = []
    for row in found.rows:
        rows.append(msgspec.structs.replace(row, left_micros=left_micros))
        left_micros -= row.change_micros
    return Part(rows, found.older, left_micros)


async def batches(desk: Desk, sought: Sought) -> AsyncIterator[Sequence[Row]]:
    """All of them, newest first, in batches; no connection is held between two. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        span = await since.postings(tx, sought.since, sought.until)

    async def below(before: int | None) -> tuple[Sequence[Row], int | None]:
        async with desk.db.connection() as tx:
            found = await _part(tx, sought, span, before, BATCH)
        return found.rows, found.older

    async for rows in since.in_batches(below):
        yield rows


async def _part(tx: Tx, sought: Sought, span: Span, before: int | None, limit: int) -> Part:
    high = span.high if before is None else min(before, span.high)
    ground = _ground(sought)
    filtered, more = _conditions(sought)
    values = {"low": span.low, "high": high, "looked_at": LOOKED_AT_MAX, "wallet": sought.wallet_id,
              "order": sought.order, "kinds": _kinds(sought), **more}  # fmt: skip
    cursor = tx.cursor(row_factory=args_row(Row))
    statement = f"{_HEAD}{ground}{_MIDDLE}{filtered}{_TAIL}"
    rows = await (await cursor.execute(statement, {**values, "limit": limit + 1})).fetchall()
    if len(rows) > limit:
        return Part(rows[:limit], rows[limit - 1].id)
    return Part(rows, await since.edge(tx, ground, values))


def _kinds(sought: Sought) -> list[str]:
    return [sought.kind] if sought.kind else [kind for kind in KINDS if kind != "hold"]


def _ground(sought: Sought) -> LiteralString:
    if sought.order is not None:
        return _OF_ORDER
    if sought.wallet_id is not None and sought.kind != "hold":
        return _OF_WALLET
    return _ALL


# The columns of its index in the order of each, so that no other one will do (see `orders.py`).
_ALL: LiteralString = """
select * from posting where id >= %(low)s and id < %(high)s order by id desc limit %(looked_at)s
"""
_OF_WALLET: LiteralString = """
select of_wallet.* from unnest(%(kinds)s::posting_kind[]) as wanted (kind) cross join lateral (
    select * from posting where posting.kind <> 'hold'
        and (wallet_id, posting.kind, id) >= (%(wallet)s, wanted.kind, %(low)s)
        and (wallet_id, posting.kind, id) < (%(wallet)s, wanted.kind, %(high)s)
    order by wallet_id desc, posting.kind desc, id desc limit %(looked_at)s
) of_wallet order by of_wallet.id desc limit %(looked_at)s
"""
_OF_ORDER: LiteralString = """
select * from (
    select p.* from activation a join posting p on p.activation_id = a.id and p.kind = 'hold' where a.public_id = %(order)s
    union all
    select p.* from activation a join posting p on p.activation_id = a.id and p.kind in ('capture', 'release')
    where a.public_id = %(order)s
    union all
    select p.* from activation a join posting p on p.wallet_id = a.wallet_id and p.kind = 'refund'
        and p.reference = a.id::text where a.public_id = %(order)s
) as of_order where id >= %(low)s and id < %(high)s order by id desc limit %(looked_at)s
"""
_HEAD: LiteralString = """
select p.id, p.created_at, p.wallet_id, c.id, c.email, w.mode, w.currency, p.kind::text, p.giver::text, p.taker::text,
    p.amount_micros, a.public_id, p.actor, p.reason
from (select * from (
"""
_MIDDLE: LiteralString = ") as ground where "
_TAIL: LiteralString = """ order by id desc limit %(limit)s) as p
join wallet w on w.id = p.wallet_id join customer c on c.id = w.customer_id
left join activation a on a.id = p.activation_id
order by p.id desc
"""


def _conditions(sought: Sought) -> tuple[LiteralString, dict[str, Any]]:
    possible: list[tuple[LiteralString, str, object]] = [
        ("wallet_id = %(of_wallet)s", "of_wallet", sought.wallet_id),
        ("kind = %(kind)s::posting_kind", "kind", sought.kind),
        ("%(account)s::account_kind in (giver, taker)", "account", sought.account),
        ("amount_micros = %(amount)s", "amount", sought.amount_micros),
        ("created_at >= %(since)s", "since", sought.since),
        ("created_at < %(until)s", "until", sought.until),
    ]
    used = [each for each in possible if each[2] is not None]
    where: LiteralString = " and ".join(["true", *(each[0] for each in used)])
    return where, {each[1]: each[2] for each in used}
