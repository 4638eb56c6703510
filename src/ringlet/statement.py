"""A wallet's statement: the postings that came to something, newest first, with what was left after each.

Holds are no lines of it: each ends as a capture (the purchase) or a release (returned). What is left is what the
wallet has, available and held together, so it changes with money in, corrections and purchases only. What never was the
wallet's is no line of it either: what a gateway kept ('fee'), and what came to be owed ('debt').
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec

from ringlet.db import Tx

KINDS = (
    "credit", "debit", "capture", "release", "refund", "bonus", "referral", "referral_return", "chargeback", "debt_paid",
    "resale_share", "resale_return",
)  # fmt: skip
#: what most wallets never see
RARE_KINDS = ("bonus", "referral", "referral_return", "chargeback", "debt_paid")
#: only in the wallet of a reseller
RESALE_KINDS = ("resale_share", "resale_return")
PART = 50
#: what has been spent is exact up to so many purchases
COUNTED_MAX = 5_000
ID_MAX = 2**63 - 1
#: what each kind does to what the wallet has
SIGNS = {
    "credit": 1,
    "debit": -1,
    "capture": -1,
    "release": 0,
    "refund": 1,
    "bonus": 1,
    "referral": 1,
    "referral_return": -1,
    "chargeback": -1,
    "debt_paid": -1,
    "resale_share": 1,
    "resale_return": -1,
}


class Line(msgspec.Struct, frozen=True):
    """One posting. `left_micros` is what the wallet had after it; None where the lines before it are unknown."""

    id: int
    kind: str
    amount_micros: int
    reference: str | None
    reason: str | None
    created_at: datetime
    activation_id: int | None
    service: str | None
    country: int | None
    left_micros: int | None = None

    @property
    def change_micros(self) -> int:
        """What it changed, with its sign."""
        return SIGNS[self.kind] * self.amount_micros


class Part(msgspec.Struct, frozen=True):
    """Lines, newest first; `older` tells whether there are more, `left_micros` what the wallet had before these."""

    lines: Sequence[Line]
    older: int | None
    left_micros: int | None


async def part(
    tx: Tx,
    wallet_id: int,
    kinds: Sequence[str] = KINDS,
    *,
    before: int | None = None,
    left_micros: int | None = None,
    limit: int = PART,
) -> Part:
    """The newest lines, or those before an id, with what was left then (`left_micros` of the part before)."""
    values = {"wallet": wallet_id, "kinds": list(kinds), "before": before or ID_MAX, "limit": limit + 1}
    rows = await (await tx.execute(_LINES, values)).fetchall()
    if before is None and rows and set(kinds) == set(KINDS):
        left_micros = int(rows[0][-1])
    lines = []
    for row in rows[:limit]:
        line = msgspec.structs.replace(Line(*row[:-1]), left_micros=left_micros)
        lines.append(line)
        left_micros = None if left_micros is None else left_micros - line.change_micros
    return Part(lines, lines[-1].id if len(rows) > limit else None, left_micros)


# One statement: the lines and what the wallet has are of the same moment. Whole rows are compared, so that only the
# statement's own index will do; and each line looks its activation up by itself: how many lines there will be, the
# planner cannot know, and would rather read all activations that there are.
_LINES: LiteralString = """
select p.id, p.kind::text, p.amount_micros, p.reference, p.reason, p.created_at, a.public_id, a.service, a.country,
    (select sum(balance_micros)::bigint from ledger_account
        where wallet_id = %(wallet)s and kind in ('available', 'held'))
from unnest(%(kinds)s::posting_kind[]) as wanted (kind)
cross join lateral (
    select * from posting where posting.kind <> 'hold'
        and (wallet_id, posting.kind, id) >= (%(wallet)s, wanted.kind, 0)
        and (wallet_id, posting.kind, id) < (%(wallet)s, wanted.kind, %(before)s)
    order by wallet_id desc, posting.kind desc, id desc limit %(limit)s
) p
left join lateral (
    select public_id, service, country from activation where activation.id = p.activation_id limit 1
) a on true
order by p.id desc limit %(limit)s
"""


class Spent(msgspec.Struct, frozen=True):
    """What codes have cost; not exact when there were more than `COUNTED_MAX`."""

    micros: int
    count: int

    @property
    def is_exact(self) -> bool:
        """Whether every purchase of the time was counted."""
        return self.count < COUNTED_MAX


async def spent(tx: Tx, wallet_id: int, since: datetime) -> Spent:
    """What was spent since then."""
    row = await (
        await tx.execute(_SPENT, {"wallet": wallet_id, "counted": COUNTED_MAX, "since": since})
    ).fetchone()
    assert row is not None
    return Spent(int(row[0]), int(row[1]))


_SPENT: LiteralString = """
select coalesce(sum(amount_micros), 0)::bigint, count(*) from (
    select amount_micros, created_at from posting where kind <> 'hold'
        and (wallet_id, kind, id) >= (%(wallet)s, 'capture', 0)
        and (wallet_id, kind, id) < (%(wallet)s, 'capture', 9223372036854775807)
    order by wallet_id desc, kind desc, id desc limit %(counted)s
) as newest where created_at >= %(since)s
"""


async def owed(tx: Tx, wallet_id: int) -> int:
    """What the wallet's owner owes since a payment of his was taken back, in micro-units."""
    row = await (await tx.execute(_OWED, [wallet_id])).fetchone()
    return 0 if row is None else int(row[0])


_OWED: LiteralString = "select -balance_micros from ledger_account where wallet_id = %s and kind = 'debt'"
