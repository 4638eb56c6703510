"""Our money at suppliers: what was paid in lies with them until a rental is charged.

    outside ──deposit──▶ prepaid ──charge──▶ cost
                                ◀─refund──
            suspense ◀──correction──▶ prepaid      what differs from the supplier's own figure, once an operator says so

A rental is charged once and refunded at most once (the schema holds that); a posting touches no row that another
sale needs, the balances are summed up behind a mark.
"""

from decimal import Decimal
from typing import LiteralString

import msgspec

from ringlet import money
from ringlet.db import Tx


class Purse(msgspec.Struct, frozen=True):
    """What our books say, in micro-units of our money: `prepaid` should be the supplier's own figure."""

    prepaid_micros: int
    cost_micros: int
    suspense_micros: int


async def charge(tx: Tx, source_id: int, supplier_ref: str, cost: Decimal) -> None:
    """A rental costs this much, in our money. Fails with UniqueViolation when it was charged before."""
    await _post(tx, source_id, "charge", ("prepaid", "cost"), money.charge_micros(cost), supplier_ref)


async def refund(tx: Tx, source_id: int, supplier_ref: str) -> None:
    """The supplier gave back what the rental had cost; nothing happens when it was never charged."""
    await tx.execute(_REFUND, [source_id, supplier_ref])


_REFUND: LiteralString = """
insert into supplier_posting (source_id, kind, giver, taker, amount_micros, supplier_ref)
select source_id, 'refund', taker, giver, amount_micros, supplier_ref from supplier_posting
where source_id = %s and supplier_ref = %s and kind = 'charge'
on conflict do nothing
"""


async def deposit(tx: Tx, source_id: int, amount_micros: int, *, actor: str, reason: str) -> None:
    """We paid money in (or, below zero, took it out)."""
    sides = ("outside", "prepaid") if amount_micros > 0 else ("prepaid", "outside")
    await _post(tx, source_id, "deposit", sides, abs(amount_micros), None, actor, reason)


async def correct(tx: Tx, source_id: int, amount_micros: int, *, actor: str, reason: str) -> None:
    """Accept that the supplier has so much more (or, below zero, less) of ours than our books say."""
    sides = ("suspense", "prepaid") if amount_micros > 0 else ("prepaid", "suspense")
    await _post(tx, source_id, "correction", sides, abs(amount_micros), None, actor, reason)


async def _post(
    tx: Tx, source_id: int, kind: str, sides: tuple[str, str], amount_micros: int, supplier_ref: str | None,
    actor: str | None = None, reason: str | None = None,
) -> None:  # fmt: skip
    if amount_micros:
        await tx.execute(_POST, [source_id, kind, *sides, amount_micros, supplier_ref, actor, reason])


_POST: LiteralString = """
insert into supplier_posting (source_id, kind, giver, taker, amount_micros, supplier_ref, actor, reason)
values (%s, %s, %s, %s, %s, %s, %s, %s)
"""


async def purse(tx: Tx, source_id: int) -> Purse:
    """The balances: what was summed up, and what came since."""
    row = await (await tx.execute(_PURSE, [source_id, source_id])).fetchone()
    assert row is not None
    return Purse(*(int(each) for each in row))


_PURSE: LiteralString = """
with mark as (
    select coalesce(max(up_to_id), 0) as up_to, coalesce(max(prepaid_micros), 0) as prepaid,
        coalesce(max(cost_micros), 0) as cost, coalesce(max(suspense_micros), 0) as suspense
    from supplier_tally where source_id = %s
)
select mark.prepaid + coalesce(sum(amount_micros * ((taker = 'prepaid')::int - (giver = 'prepaid')::int)), 0),
    mark.cost + coalesce(sum(amount_micros * ((taker = 'cost')::int - (giver = 'cost')::int)), 0),
    mark.suspense + coalesce(sum(amount_micros * ((taker = 'suspense')::int - (giver = 'suspense')::int)), 0)
from mark left join supplier_posting p on p.source_id = %s and p.id > mark.up_to
group by mark.prepaid, mark.cost, mark.suspense
"""


FOLDED_AT_ONCE = 50_000


async def fold(tx: Tx, at_once: int = FOLDED_AT_ONCE) -> int:
    """Move the marks behind the oldest posting of the last minute: an id drawn earlier may commit later, but no
    transaction of ours lives that long. At most so many postings for each supplier; returns how many have more.
    """
    row = await (await tx.execute(_FOLD, {"at_once": at_once})).fetchone()
    assert row is not None
    return int(row[0])


_FOLD: LiteralString = """
with part as (
    select s.source_id, p.id, p.giver, p.taker, p.amount_micros, p.created_at
    from supplier s left join supplier_tally t on t.source_id = s.source_id
    cross join lateral (
        select * from supplier_posting where source_id = s.source_id and id > coalesce(t.up_to_id, 0)
        order by source_id, id limit %(at_once)s
    ) p
), young as (
    select source_id, min(id) as id from part where created_at >= now() - interval '1 minute' group by source_id
), moved as (
    insert into supplier_tally (source_id, up_to_id, prepaid_micros, cost_micros, suspense_micros)
    select part.source_id, max(part.id),
        sum(amount_micros * ((taker = 'prepaid')::int - (giver = 'prepaid')::int)),
        sum(amount_micros * ((taker = 'cost')::int - (giver = 'cost')::int)),
        sum(amount_micros * ((taker = 'suspense')::int - (giver = 'suspense')::int))
    from part left join young on young.source_id = part.source_id
    where young.id is null or part.id < young.id
    group by part.source_id
    on conflict (source_id) do update set up_to_id = excluded.up_to_id,
        prepaid_micros = supplier_tally.prepaid_micros + excluded.prepaid_micros,
        cost_micros = supplier_tally.cost_micros + excluded.cost_micros,
        suspense_micros = supplier_tally.suspense_micros + excluded.suspense_micros
    where supplier_tally.up_to_id < excluded.up_to_id
)
select count(*) from (
    select from part left join young on young.source_id = part.source_id
    group by part.source_id having count(*) >= %(at_once)s and count(young.id) = 0
) as full_ones
"""
