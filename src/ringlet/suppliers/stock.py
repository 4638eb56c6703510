"""Own stock: numbers on shelves. A shelf is an offer; a number stands on it once and is free, leased or resting.

The search for a free number is part of the sale (`activations/sale.py`).
"""

from typing import LiteralString

from ringlet.db import Tx


async def add_source(tx: Tx, name: str, kind: str = "stock") -> int:
    """The source of this name, made when it is new."""
    row = await (await tx.execute(_ADD_SOURCE, [name, kind])).fetchone()
    assert row is not None
    return int(row[0])


_ADD_SOURCE: LiteralString = """
insert into source (name, kind) values (%s, %s)
on conflict (name) do update set name = excluded.name returning id
"""


async def set_agent_key(tx: Tx, source_id: int, fingerprint: bytes) -> None:
    """The owner of this source pushes messages with that key from now on."""
    await tx.execute("update source set agent_key_fingerprint = %s where id = %s", [fingerprint, source_id])


async def source_by_agent_key(tx: Tx, fingerprint: bytes) -> int | None:
    """The source whose owner holds this key."""
    row = await (
        await tx.execute("select id from source where agent_key_fingerprint = %s", [fingerprint])
    ).fetchone()
    return None if row is None else int(row[0])


async def open_shelf(tx: Tx, offer_id: int) -> None:
    """Put the numbers that serve every service on this shelf, once, when the first of them is wanted.

    A number that serves two thousand services would otherwise be two thousand rows that nobody ever buys.
    """
    await tx.execute(_LOCK_SOURCE_OF_OFFER, [offer_id])
    opened = await tx.execute(
        "update offer set opened_at = now(), changed_at = now() where id = %s and opened_at is null",
        [offer_id],
    )
    if opened.rowcount:
        await tx.execute(_FILL_SHELF, [offer_id])


# Opening a shelf and loading numbers exclude each other, or a number that arrives meanwhile would be missed.
_LOCK_SOURCE_OF_OFFER: LiteralString = """
select from source where id = (select source_id from offer where id = %s) for no key update
"""

_FILL_SHELF: LiteralString = """
insert into stock (offer_id, number_id, phone)
select o.id, n.id, n.phone
from offer o
join number n on n.source_id = o.source_id and n.country = o.country and n.operator = o.operator
    and n.every_service
where o.id = %s
on conflict do nothing
"""


async def give_back(tx: Tx, offer_id: int, number_id: int) -> None:
    """A lease ended without a code: the number is free again at once."""
    await tx.execute(
        "update stock set state = 'free', due_at = null where offer_id = %s and number_id = %s",
        [offer_id, number_id],
    )


async def rest(tx: Tx, offer_id: int, number_id: int, days: int) -> None:
    """A lease brought a code: the service knows this number now, so it rests."""
    if days == 0:
        await give_back(tx, offer_id, number_id)
    else:
        await tx.execute(_REST, [days, offer_id, number_id])


_REST: LiteralString = """
update stock set state = 'resting', due_at = now() + make_interval(days => %s)
where offer_id = %s and number_id = %s
"""


async def take_again(tx: Tx, offer_id: int, number_id: int) -> bool:
    """Lease one certain number once more, while it rests or is free; False when somebody has it."""
    taken = await tx.execute(
        "update stock set state = 'leased', due_at = null"
        " where offer_id = %s and number_id = %s and state <> 'leased'"
        " and not exists (select from blocked_number b where b.phone = stock.phone)",
        [offer_id, number_id],
    )
    return taken.rowcount == 1


async def wake_rested(tx: Tx, limit: int = 1_000) -> int:
    """Numbers whose rest is over are free again; returns how many."""
    return (await tx.execute(_WAKE, [limit])).rowcount


_WAKE: LiteralString = """
update stock set state = 'free', due_at = null where (offer_id, number_id) in (
    select offer_id, number_id from stock where state = 'resting' and due_at <= now()
    order by due_at limit %s for update skip locked)
"""


async def count(tx: Tx) -> int:
    """Bring the stock figure of every shelf up to date; returns how many have changed.

    A shelf that was never opened holds the numbers that serve every service besides those of its own.
    """
    return (await tx.execute(_COUNT)).rowcount


_COUNT: LiteralString = """
with free as (
    select offer_id, count(*)::int as numbers from stock where free_id is not null group by offer_id
), broad as (
    select source_id, country, operator, count(*)::int as numbers from number where every_service
    group by source_id, country, operator
), counted as (
    select o.id, coalesce(f.numbers, 0) + case when o.opened_at is null then coalesce(b.numbers, 0) else 0 end
        as available
    from offer o join source s on s.id = o.source_id and s.kind = 'stock'
    left join free f on f.offer_id = o.id
    left join broad b on b.source_id = o.source_id and b.country = o.country and b.operator = o.operator
)
update offer set available = counted.available, changed_at = clock_timestamp()
from counted where counted.id = offer.id and offer.available is distinct from counted.available
"""
