"""How well each source does: of its orders how many brought a code, and how soon.

The end of an activation is noted by one insert in the transaction of its cause; a worker adds the notes up by hour
(`fold`), so that no two sales share a row and no figure is made by counting the history.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

import msgspec

from ringlet.db import Database, Tx

KEPT_DAYS = 8
ORDERS_MIN = 20  # below this a rate says nothing
FOLDED_AT_ONCE = 5_000
PRIOR_ORDERS = 20.0
PRIOR_RATE = 0.6
PATIENCE_S = 600.0
FIGURES_KEPT_S = 15.0
#: how soon codes come is kept in steps
WITHIN_S = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1_200, 3_600)

Cell = tuple[int, int, str, str]  # source, country, service, operator


class Rate(msgspec.Struct, frozen=True):
    """Orders of the last 24 hours, how many brought a code, and the seconds to it on average."""

    orders: int
    codes: int
    seconds_to_code: float

    def penalty(self) -> float:
        """What a price is multiplied by to compare offers: the expected price of a code, dearer when it is slow.

        A rate is drawn to a common one until enough orders speak for it; 1.0 is a source of which nothing is known.
        """
        share = (self.codes + PRIOR_ORDERS * PRIOR_RATE) / (self.orders + PRIOR_ORDERS)
        return PRIOR_RATE / share * (1 + self.seconds_to_code / PATIENCE_S)


async def note(
    tx: Tx, *, source_id: int, country: int, service: str, operator: str, since: datetime, has_code: bool,
    wallet_id: int | None = None, is_fair: bool = True,
) -> None:  # fmt: skip
    """An activation has ended, or its first code has come; `since` is when it was bought, and unless it `is_fair` says
    its end nothing about the source.
    """
    await tx.execute(_NOTE, [source_id, country, service, operator, wallet_id, is_fair, has_code, since])


_NOTE: LiteralString = """
insert into outcome (source_id, country, service, operator, wallet_id, is_fair, seconds_to_code)
values (%s, %s, %s, %s, %s, %s, case when %s then extract(epoch from now() - %s) end)
"""


class Folded(msgspec.Struct, frozen=True):
    """How many notes were added up, and the customers who had bought those numbers."""

    notes: int
    customers: Sequence[int]


async def fold(tx: Tx) -> Folded:
    """Add what was noted to the hours, of sources and of customers, and forget it."""
    row = await (await tx.execute(_FOLD, [FOLDED_AT_ONCE, list(WITHIN_S), WITHIN_S[-1]])).fetchone()
    return Folded(0, ()) if row is None else Folded(row[0], row[1])


_FOLD: LiteralString = """
with noted as (
    delete from outcome where id in (select id from outcome order by id limit %s for update skip locked)
    returning source_id, country, service, operator, seconds_to_code, date_trunc('hour', closed_at) as hour,
        wallet_id, is_fair
), added as (
    insert into success_tally (source_id, country, service, operator, hour, orders, codes, code_seconds)
    select source_id, country, service, operator, hour, count(*), count(seconds_to_code),
        coalesce(sum(seconds_to_code), 0)
    from noted where is_fair group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
    on conflict (source_id, country, service, operator, hour) do update
    set orders = success_tally.orders + excluded.orders, codes = success_tally.codes + excluded.codes,
        code_seconds = success_tally.code_seconds + excluded.code_seconds
), paced as (
    insert into code_pace (source_id, hour, under_s, codes)
    select source_id, hour, coalesce((select min(bound) from unnest(%s::int[]) bound where bound >= seconds_to_code), %s),
        count(*)
    from noted where seconds_to_code is not null group by 1, 2, 3 order by 1, 2, 3
    on conflict (source_id, hour, under_s) do update set codes = code_pace.codes + excluded.codes
), used as (
    insert into use_tally (customer_id, hour, orders, codes)
    select w.customer_id, hour, count(*), count(seconds_to_code)
    from noted join wallet w on w.id = noted.wallet_id group by 1, 2 order by 1, 2
    on conflict (customer_id, hour) do update
    set orders = use_tally.orders + excluded.orders, codes = use_tally.codes + excluded.codes
    returning customer_id
)
select (select count(*) from noted), array(select distinct customer_id from used)
"""


async def forget_old(tx: Tx) -> int:
    """Delete hours that nobody asks for any more."""
    return (await tx.execute(_FORGET, [KEPT_DAYS])).rowcount


_FORGET: LiteralString = "delete from success_tally where hour < now() - make_interval(days => %s)"


async def load(tx: Tx) -> dict[Cell, Rate]:
    """The rates of the last 24 hours, of cells with enough orders."""
    rows = await (await tx.execute(_LOAD, [ORDERS_MIN])).fetchall()
    return {(row[0], row[1], row[2], row[3]): Rate(row[4], row[5], row[6]) for row in rows}


_LOAD: LiteralString = """
select source_id, country, service, operator, sum(orders)::int, sum(codes)::int,
    coalesce(sum(code_seconds) / nullif(sum(codes), 0), 0)::float8
from success_tally where hour > now() - interval '24 hours'
group by 1, 2, 3, 4 having sum(orders) >= %s
"""


class Span(msgspec.Struct, frozen=True):
    """Orders of some time, how many brought a code, and the seconds to all those codes together."""

    orders: int
    codes: int
    code_seconds: float


class Line(msgspec.Struct, frozen=True):
    """One service of one operator, whoever the sources are."""

    service: str
    country: int
    operator: str
    day: Span
    week: Span


async def lines(tx: Tx) -> list[Line]:
    """How well everything did that was ordered within seven days, what was ordered most first; bounded."""
    rows = await (await tx.execute(_LINES, [LINES_MAX])).fetchall()
    return [Line(row[0], row[1], row[2], Span(*row[3:6]), Span(*row[6:9])) for row in rows]


LINES_MAX = 20_000

_LINES: LiteralString = """
select service, country, operator,
    coalesce(sum(orders) filter (where hour > now() - interval '24 hours'), 0)::int,
    coalesce(sum(codes) filter (where hour > now() - interval '24 hours'), 0)::int,
    coalesce(sum(code_seconds) filter (where hour > now() - interval '24 hours'), 0)::float8,
    sum(orders)::int, sum(codes)::int, sum(code_seconds)::float8
from success_tally where hour > now() - interval '7 days'
group by service, country, operator order by sum(orders) desc, service, country, operator limit %s
"""


def _by_cell(found: Sequence[Line]) -> dict[tuple[str, int], Span]:
    days: dict[tuple[str, int], Span] = {}
    for line in found:
        cell, day = (line.service, line.country), line.day
        if cell in days:
            seen = days[cell]
            day = Span(seen.orders + day.orders, seen.codes + day.codes, seen.code_seconds + day.code_seconds)
        days[cell] = day
    return days


class Figures:
    """The lines as this process knows them, read again when somebody asks after some seconds."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lines: list[Line] = []
        self._days: dict[tuple[str, int], Span] = {}
        self._read_at_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def of(self, service: str | None, country: int | None) -> list[Line]:
        """The lines of this service and this country, what was ordered most first. Refuses: ServiceUnavailable."""
        await self._freshen()
        return [
            line
            for line in self._lines
            if service in {None, line.service} and country in {None, line.country}
        ]

    async def days(self) -> Mapping[tuple[str, int], Span]:
        """The last 24 hours of each service and country, whoever the operators are. Refuses: ServiceUnavailable."""
        await self._freshen()
        return self._days

    async def _freshen(self) -> None:
        if time.monotonic() - self._read_at_s > FIGURES_KEPT_S:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            await asyncio.shield(self._reading)

    async def _read(self) -> None:
        async with self._db.connection() as tx:
            self._lines = await lines(tx)
        self._days = _by_cell(self._lines)
        self._read_at_s = time.monotonic()
