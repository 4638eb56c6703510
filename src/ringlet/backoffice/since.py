"""Where a moment lies among ids that are drawn in the order of time: found by halving, by a few looks at an index. And
lists that are read by their ids, batch after batch.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import LiteralString, TypeVar

import msgspec

from ringlet.db import Tx

ID_MAX = 2**63 - 1
#: ids are drawn in the order of time, but for transactions that ran side by side
MARGIN = timedelta(minutes=1)


class Span(msgspec.Struct, frozen=True):
    """Ids from `low` on and below `high`."""

    low: int = 0
    high: int = ID_MAX


async def activations(tx: Tx, since: datetime | None, until: datetime | None) -> Span:
    """The ids that have every activation of this time, and few others."""
    return await _span(tx, _ACTIVATION, since, until)


async def postings(tx: Tx, since: datetime | None, until: datetime | None) -> Span:
    """The ids that have every posting of this time, and few others."""
    return await _span(tx, _POSTING, since, until)


async def topups(tx: Tx, since: datetime | None, until: datetime | None) -> Span:
    """The ids that have every top-up of this time, and few others."""
    return await _span(tx, _TOPUP, since, until)


async def _span(tx: Tx, statement: LiteralString, since: datetime | None, until: datetime | None) -> Span:
    low = 0 if since is None else await _first(tx, statement, since - MARGIN)
    high = ID_MAX if until is None else await _first(tx, statement, until + MARGIN)
    return Span(low, high)


async def _first(tx: Tx, statement: LiteralString, at: datetime) -> int:
    row = await (await tx.execute(statement, {"at": at})).fetchone()
    return 0 if row is None else int(row[0])


async def edge(tx: Tx, ground: LiteralString, values: Mapping[str, object]) -> int | None:
    """The last id that `ground` has looked at when there may be more behind it: it stopped at %(looked_at)s rows."""
    row = await (await tx.execute(f"{_EDGE_HEAD}{ground}{_EDGE_TAIL}", values)).fetchone()
    return None if row is None else int(row[0])


_EDGE_HEAD: LiteralString = "select min(id) from (select id from ("
_EDGE_TAIL: LiteralString = ") as ground) as looked_at having count(*) = %(looked_at)s"


_HALVES: LiteralString = """
with recursive halves (low, high) as (
    select (select min(id) from history), (select max(id) + 1 from history)
    union all
    select case when probe.created_at < %(at)s then probe.id + 1 else halves.low end,
        case when probe.created_at < %(at)s then halves.high else (halves.low + halves.high) / 2 end
    from halves left join lateral (
        select id, created_at from history where id >= (halves.low + halves.high) / 2 order by id limit 1
    ) probe on true
    where halves.low < halves.high
)
select low from halves where low >= high
"""
_ACTIVATION: LiteralString = _HALVES.replace("history", "activation")
_POSTING: LiteralString = _HALVES.replace("history", "posting")
_TOPUP: LiteralString = _HALVES.replace("history", "topup")


T = TypeVar("T")


async def in_batches(
    below: Callable[[int | None], Awaitable[tuple[Sequence[T], int | None]]],
) -> AsyncIterator[Sequence[T]]:
    """All of a list, part after part: `below` gives those below an id, and the id to go on below; None at the end."""
    before = None
    while True:
        lines, before = await below(before)
        if lines:
            yield lines
        if before is None:
            return
