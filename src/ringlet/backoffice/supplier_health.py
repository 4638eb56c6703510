"""How suppliers do: a word for each, and the figures behind it. Everything is read by the hour or from the last so many
rows; nothing is counted from the history.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.suppliers.calls import ANSWERED, NOT_SENT, UNKNOWN
from ringlet.suppliers.wire import host_of

POSTINGS_LOOKED_AT = 1_000
DAY_S = 86_400.0
HOUR_S = 3_600.0
FAILING_SHARE = 0.5
FAILING_CALLS_MIN = 5
RENT = "rent"
SILENT = "no usable answers"  # what offers.note_silence says


class Row(msgspec.Struct, frozen=True):
    """A supplier as the database knows it; amounts in micro-units of our money."""

    id: int
    name: str
    protocol: str
    url: str
    is_paused: bool
    is_stale: bool
    is_refusing: bool
    refused_until: datetime | None
    refused_why: str | None
    weight: float
    balance_micros: int | None
    books_micros: int | None
    balance_age_s: int | None
    alert_micros: int | None
    exposure_micros: int
    cap_micros: int | None
    rentals_open: int
    #: only of one supplier that is asked for by itself: some have a hundred thousand
    cells_on_offer: int | None
    unmapped: int
    sync_age_s: int | None
    sync_error: str | None
    orders: int
    codes: int
    #: what its numbers cost a day, at the pace of the last of them
    spent_a_day_micros: int


class Pace(msgspec.Struct, frozen=True):
    """How quickly one question is answered: half within the first figure, all but one in twenty within the second."""

    question: str
    calls: int
    failed: int
    p50_ms: int
    p95_ms: int


class Health(msgspec.Struct, frozen=True):
    """One supplier at a glance. `state` is paused, new, failing, stale, refusing, capped, low or working."""

    row: Row
    state: str
    #: half of the codes of the last day came within so many seconds
    code_p50_s: int | None
    #: failures and refusals of the last day by kind, most first
    mix: Sequence[tuple[str, int]]
    paces: Sequence[Pace]

    @property
    def host(self) -> str:
        """The part of its address that may be shown anywhere."""
        return host_of(self.row.url)

    @property
    def success(self) -> float | None:
        """Of the orders that ended within a day, how many brought a code."""
        return self.row.codes / self.row.orders if self.row.orders else None

    @property
    def rent(self) -> Pace | None:
        """How quickly a number is had."""
        return next((each for each in self.paces if each.question == RENT), None)

    @property
    def days_left(self) -> float | None:
        """How long the balance lasts at the present use; None when nothing is used or the balance is unknown."""
        if self.row.balance_micros is None or self.row.spent_a_day_micros <= 0:
            return None
        return max(0.0, self.row.balance_micros / self.row.spent_a_day_micros)

    @property
    def exposure_share(self) -> float | None:
        """Exposure against its cap; None without a cap."""
        return self.row.exposure_micros / self.row.cap_micros if self.row.cap_micros else None


async def everybody(desk: Desk) -> list[Health]:
    """Every supplier, by name. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await _rows(tx, None)
        return await _judge(tx, rows)


async def one(desk: Desk, source_id: int) -> Health:
    """One supplier. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await _rows(tx, source_id)
        if not rows:
            raise NotFound
        return (await _judge(tx, rows))[0]


async def _rows(tx: Tx, source_id: int | None) -> list[Row]:
    cursor = tx.cursor(row_factory=args_row(Row))
    values = {"source": source_id, "looked_at": POSTINGS_LOOKED_AT}
    return await (await cursor.execute(_ROWS, values)).fetchall()


_ROWS: LiteralString = """
select s.source_id, source.name, s.protocol, s.url, s.paused_at is not null,
    coalesce(s.synced_at <= now() - make_interval(secs => s.stale_after_s), false),
    coalesce(s.refused_until >= now(), false), s.refused_until, s.refused_why, s.weight::float8,
    s.balance_micros, s.books_micros, extract(epoch from now() - s.balance_at)::int, s.balance_alert_micros,
    s.exposure_micros, s.exposure_cap_micros, s.rentals_open,
    case when %(source)s::bigint is not null then
        (select count(*) from offer o where o.source_id = s.source_id and coalesce(o.available, 1) > 0)::int end,
    (select count(*) from code_map m where m.source_id = s.source_id and m.ours is null and not m.is_decided)::int,
    extract(epoch from now() - s.synced_at)::int, s.sync_error,
    coalesce(done.orders, 0)::int, coalesce(done.codes, 0)::int, coalesce(spent.a_day, 0)::bigint
from supplier s join source on source.id = s.source_id
left join lateral (
    select sum(orders) as orders, sum(codes) as codes from success_tally t
    where t.source_id = s.source_id and t.hour > now() - interval '24 hours'
) done on true
left join lateral (
    -- At the pace of the last postings of a week; of less than an hour nobody can tell a pace.
    select sum(case kind when 'charge' then amount_micros else -amount_micros end)
        / greatest(extract(epoch from now() - min(created_at)), 3600) * 86400 as a_day
    from (select kind, amount_micros, created_at from supplier_posting p
        where p.source_id = s.source_id order by p.id desc limit %(looked_at)s) last
    where kind in ('charge', 'refund') and created_at > now() - interval '7 days'
) spent on true
where %(source)s::bigint is null or s.source_id = %(source)s
order by source.name
"""


class Call(msgspec.Struct, frozen=True):
    """So many questions ended so within so many milliseconds, in the last day; `recent` of them in the last hour."""

    source_id: int
    question: str
    outcome: str
    under_ms: int
    calls: int
    recent: int


async def _judge(tx: Tx, rows: Sequence[Row]) -> list[Health]:
    ids = [row.id for row in rows]
    cursor = tx.cursor(row_factory=args_row(Call))
    calls = await (await cursor.execute(_CALLS, [ids])).fetchall()
    paces: dict[int, int] = dict(await (await tx.execute(_CODE_PACE, [ids])).fetchall())
    by_source: dict[int, list[Call]] = {each: [] for each in ids}
    for call in calls:
        by_source[call.source_id].append(call)
    return [
        Health(
            row,
            state(row, by_source[row.id]),
            paces.get(row.id),
            mix(by_source[row.id]),
            pace(by_source[row.id]),
        )
        for row in rows
    ]


_CALLS: LiteralString = """
select source_id, question, outcome, under_ms, sum(calls)::int,
    coalesce(sum(calls) filter (where hour > now() - interval '2 hours'), 0)::int
from supplier_call where source_id = any (%s::bigint[]) and hour > now() - interval '24 hours'
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""

_CODE_PACE: LiteralString = """
select source_id, min(under_s) from (
    select source_id, under_s, sum(sum(codes)) over (partition by source_id order by under_s) as so_far,
        sum(sum(codes)) over (partition by source_id) as all_codes
    from code_pace where source_id = any (%s::bigint[]) and hour > now() - interval '24 hours'
    group by source_id, under_s
) steps where 2 * so_far >= all_codes group by source_id
"""


def state(row: Row, calls: Iterable[Call]) -> str:
    """The word for it, the gravest first. Pure."""
    refused_why = row.refused_why if row.is_refusing else None
    found = {
        "paused": row.is_paused,
        "failing": refused_why == SILENT
        or _is_failing(calls)
        or (row.sync_age_s is None and bool(row.sync_error)),
        "refusing": row.is_refusing,
        "new": row.sync_age_s is None,
        "stale": row.is_stale,
        "capped": row.cap_micros is not None and row.exposure_micros >= row.cap_micros,
        "low": None not in {row.balance_micros, row.alert_micros}
        and (row.balance_micros or 0) < (row.alert_micros or 0),
    }
    return next((word for word, holds in found.items() if holds), "working")


def _is_failing(calls: Iterable[Call]) -> bool:
    """Whether half of what was asked in the last hours brought no answer that can be read."""
    recent: dict[bool, int] = {True: 0, False: 0}
    for call in calls:
        recent[call.outcome in {NOT_SENT, UNKNOWN}] += call.recent
    asked = sum(recent.values())
    return asked >= FAILING_CALLS_MIN and recent[True] >= FAILING_SHARE * asked


def mix(calls: Iterable[Call]) -> list[tuple[str, int]]:
    """How often what went wrong, most first; a balance that a protocol does not have is nothing wrong. Pure."""
    found: dict[str, int] = {}
    for call in calls:
        if call.outcome not in {ANSWERED, "unsupported"}:
            found[call.outcome] = found.get(call.outcome, 0) + call.calls
    return sorted(found.items(), key=lambda each: (-each[1], each[0]))


def pace(calls: Iterable[Call]) -> list[Pace]:
    """How quickly each question is answered. Pure."""
    steps: dict[str, dict[int, int]] = {}
    failed: dict[str, int] = {}
    for call in calls:
        at = steps.setdefault(call.question, {})
        at[call.under_ms] = at.get(call.under_ms, 0) + call.calls
        failed[call.question] = failed.get(call.question, 0) + call.calls * (
            call.outcome in {NOT_SENT, UNKNOWN}
        )
    return [
        Pace(question, sum(at.values()), failed[question], quantile(at, 0.5), quantile(at, 0.95))
        for question, at in steps.items()
    ]


def quantile(steps: Mapping[int, int], share: float) -> int:
    """The step within which this share of all falls. Pure; `steps` is not empty."""
    order = sorted(steps)
    reached = accumulate(steps[step] for step in order)
    wanted = share * sum(steps.values())
    return next(step for step, so_far in zip(order, reached, strict=True) if so_far >= wanted)


class Failure(msgspec.Struct, frozen=True):
    """The last words of one kind of failure."""

    question: str
    outcome: str
    said: str
    at: datetime


async def failures(desk: Desk, source_id: int) -> list[Failure]:
    """The last failure of each kind, newest first: a few dozen kinds at most. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Failure))
        return await (await cursor.execute(_FAILURES, [source_id])).fetchall()


_FAILURES: LiteralString = """
select question, outcome, said, at from supplier_error where source_id = %s order by at desc limit 40
"""
