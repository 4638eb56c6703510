"""A wallet's history as people look through it: filtered, newest first, in parts that are found by their ids.

No statement looks at more than `LOOKED_AT_MAX` rows, however long the history and however rare what is asked for: a
part may come back with few rows or none, and says where to look on. Dates are found by halving, not by counting.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.activations.states import State
from ringlet.activations.store import COLUMNS, Activation
from ringlet.db import Tx
from ringlet.desk import Desk

PART = 25
BATCH = 1_000
LOOKED_AT_MAX = 5_000
#: the newest so many tell which services and countries a person chooses among, and how many are open
RECENT = 2_000
ID_MAX = 2**63 - 1
#: ids are drawn in the order of time, but for transactions that ran side by side
MARGIN = timedelta(minutes=1)


class Filter(msgspec.Struct, frozen=True):
    """Which activations. `text`: part of a reference or of a phone number, or an activation's whole id."""

    states: Sequence[State] = ()
    service: str | None = None
    country: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


class Part(msgspec.Struct, frozen=True):
    """Rows, newest first. `older` and `newer` are the edges to go on from; None: nothing there."""

    rows: Sequence[Activation]
    older: int | None = None
    newer: int | None = None


class Span(msgspec.Struct, frozen=True):
    """Ids from `low` on and below `high`."""

    low: int = 0
    high: int = ID_MAX


async def part(
    desk: Desk, wallet_id: int, wanted: Filter, *, before: int | None = None, after: int | None = None
) -> Part:
    """The rows below an id, above an id, or the newest. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        span = await _span(tx, wallet_id, wanted)
        if after is not None:
            found = await _newer(tx, wallet_id, wanted, Span(max(span.low, after + 1), span.high))
            if found.newer is not None or len(found.rows) == PART:
                return found
        high = span.high if before is None else min(span.high, before)
        found = await _older(tx, wallet_id, wanted, Span(span.low, high), PART)
    newer = None if before is None else found.rows[0].id if found.rows else before - 1
    return msgspec.structs.replace(found, newer=newer)


async def batches(desk: Desk, wallet_id: int, wanted: Filter) -> AsyncIterator[Sequence[Activation]]:
    """All of it, newest first, in batches; no connection is held between two. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        span = await _span(tx, wallet_id, wanted)
    while True:
        async with desk.db.connection() as tx:
            found = await _older(tx, wallet_id, wanted, span, BATCH)
        if found.rows:
            yield found.rows
        if found.older is None:
            return
        span = Span(span.low, found.older)


async def _older(tx: Tx, wallet_id: int, wanted: Filter, span: Span, limit: int) -> Part:
    """The newest of the span."""
    where, values = _condition(wallet_id, wanted, span)
    rows = await _rows(tx, f"{_LOOK_BACK} where {where} order by id desc limit %(limit)s", values, limit + 1)
    if len(rows) > limit:
        return Part(rows[:limit], older=rows[limit - 1].id)
    return Part(rows, older=await _edge(tx, _END_BACK, values))


async def _newer(tx: Tx, wallet_id: int, wanted: Filter, span: Span) -> Part:
    """The oldest of the span, which are the next newer ones."""
    where, values = _condition(wallet_id, wanted, span)
    rows = await _rows(tx, f"{_LOOK_ON} where {where} order by id limit %(limit)s", values, PART + 1)
    if len(rows) > PART:
        edge: int | None = rows[PART - 1].id
    else:
        edge = await _edge(tx, _END_ON, values)
    kept = rows[PART - 1 :: -1] if len(rows) > PART else rows[::-1]
    return Part(kept, older=kept[-1].id if kept else span.low, newer=edge)


async def _rows(tx: Tx, statement: LiteralString, values: Mapping[str, Any], limit: int) -> list[Activation]:
    cursor = tx.cursor(row_factory=args_row(Activation))
    return await (await cursor.execute(statement, {**values, "limit": limit})).fetchall()


# Both ends name the wallet, and the order begins with it: no other index than the wallet's own will do, whatever the
# planner thinks of how many wallets there are.
_LOOK_BACK: LiteralString = f"""
select {COLUMNS} from (select * from activation
    where (wallet_id, id) >= (%(wallet)s, %(low)s) and (wallet_id, id) < (%(wallet)s, %(high)s)
    order by wallet_id desc, id desc limit %(looked_at)s) as looked_at
"""
_LOOK_ON: LiteralString = f"""
select {COLUMNS} from (select * from activation
    where (wallet_id, id) >= (%(wallet)s, %(low)s) and (wallet_id, id) < (%(wallet)s, %(high)s)
    order by wallet_id, id limit %(looked_at)s) as looked_at
"""


async def _edge(tx: Tx, statement: LiteralString, values: Mapping[str, Any]) -> int | None:
    """The last row that was looked at, when there may be more behind it."""
    row = await (await tx.execute(statement, {**values, "skipped": LOOKED_AT_MAX - 1})).fetchone()
    return None if row is None else int(row[0])


_END_BACK: LiteralString = """
select id from activation where (wallet_id, id) >= (%(wallet)s, %(low)s) and (wallet_id, id) < (%(wallet)s, %(high)s)
order by wallet_id desc, id desc offset %(skipped)s limit 1
"""
_END_ON: LiteralString = """
select id from activation where (wallet_id, id) >= (%(wallet)s, %(low)s) and (wallet_id, id) < (%(wallet)s, %(high)s)
order by wallet_id, id offset %(skipped)s limit 1
"""


def _condition(wallet_id: int, wanted: Filter, span: Span) -> tuple[LiteralString, dict[str, Any]]:
    text = wanted.text or None
    possible: list[tuple[LiteralString, str, object]] = [
        ("service = %(service)s", "service", wanted.service),
        ("country = %(country)s", "country", wanted.country),
        ("state = any(%(states)s::activation_state[])", "states", list(wanted.states) or None),
        ("created_at >= %(since)s", "since", wanted.since),
        ("created_at < %(until)s", "until", wanted.until),
        (_TEXT, "text", text),
    ]
    used = [each for each in possible if each[2] is not None]
    values = {"wallet": wallet_id, "low": span.low, "high": span.high, "looked_at": LOOKED_AT_MAX,
              "digits": _digits(text or "")}  # fmt: skip
    where: LiteralString = " and ".join(["wallet_id = %(wallet)s", *(each[0] for each in used)])
    return where, {**values, **{each[1]: each[2] for each in used}}


_TEXT: LiteralString = """(position(lower(%(text)s) in lower(reference)) > 0
    or (%(digits)s <> '' and (position(%(digits)s in phone) > 0 or public_id::text = %(digits)s)))"""


def _digits(text: str) -> str:
    """The digits of what looks like a number, as people write one: +62 895-4062 (03)."""
    bare = text.translate(str.maketrans("", "", " +-().\u00a0"))
    return bare if bare.isascii() and bare.isdigit() else ""


async def _span(tx: Tx, wallet_id: int, wanted: Filter) -> Span:
    """Where the days that are asked for lie among the ids."""
    low = 0 if wanted.since is None else await _first_id(tx, wallet_id, wanted.since - MARGIN)
    high = ID_MAX if wanted.until is None else await _first_id(tx, wallet_id, wanted.until + MARGIN)
    return Span(low, high)


async def _first_id(tx: Tx, wallet_id: int, at: datetime) -> int:
    """An id with which the wallet's rows of that moment and later begin, found by halving."""
    row = await (await tx.execute(_FIRST_ID, {"wallet": wallet_id, "at": at})).fetchone()
    return 0 if row is None else int(row[0])


_FIRST_ID: LiteralString = """
with recursive halves (low, high) as (
    select (select id from activation where (wallet_id, id) >= (%(wallet)s, 0)
            and (wallet_id, id) < (%(wallet)s, 9223372036854775807) order by wallet_id, id limit 1),
        (select id + 1 from activation where (wallet_id, id) >= (%(wallet)s, 0)
            and (wallet_id, id) < (%(wallet)s, 9223372036854775807) order by wallet_id desc, id desc limit 1)
    union all
    select case when probe.created_at < %(at)s then probe.id + 1 else halves.low end,
        case when probe.created_at < %(at)s then halves.high else (halves.low + halves.high) / 2 end
    from halves left join lateral (
        select id, created_at from activation
        where (wallet_id, id) >= (%(wallet)s, (halves.low + halves.high) / 2)
            and (wallet_id, id) < (%(wallet)s, 9223372036854775807)
        order by wallet_id, id limit 1
    ) probe on true
    where halves.low < halves.high
)
select low from halves where low >= high
"""


class Choices(msgspec.Struct, frozen=True):
    """What a filter offers: of the newest rows, most used first."""

    services: Sequence[str]
    countries: Sequence[int]


async def choices(desk: Desk, wallet_id: int) -> Choices:
    """The services and countries of late. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_CHOICES, {"wallet": wallet_id, "recent": RECENT})).fetchall()
    services = dict.fromkeys(row[0] for row in rows)
    return Choices(list(services), list(dict.fromkeys(row[1] for row in rows)))


_CHOICES: LiteralString = """
select service, country from (
    select service, country from activation where (wallet_id, id) >= (%(wallet)s, 0)
        and (wallet_id, id) < (%(wallet)s, 9223372036854775807)
    order by wallet_id desc, id desc limit %(recent)s
) as recent group by service, country order by count(*) desc, service, country
"""


async def count_open(tx: Tx, wallet_id: int) -> int:
    """How many of the newest have their price on hold."""
    row = await (await tx.execute(_OPEN, {"wallet": wallet_id, "recent": RECENT})).fetchone()
    return 0 if row is None else int(row[0])


_OPEN: LiteralString = """
select count(*) from (
    select state from activation where (wallet_id, id) >= (%(wallet)s, 0)
        and (wallet_id, id) < (%(wallet)s, 9223372036854775807)
    order by wallet_id desc, id desc limit %(recent)s
) as recent
where state in ('ordering', 'waiting')
"""
