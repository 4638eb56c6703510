"""What the operator sees first: the figures of a period, beside those of the one before."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from ringlet import acts
from ringlet.acts import Actor
from ringlet.backoffice import figures, periods
from ringlet.backoffice.figures import Behind, Figures, Part
from ringlet.backoffice.periods import Period
from ringlet.desk import Desk

SHOWN_MAX = 50
#: a report has so many lines; the rest is one more
REPORT_MAX = 20_000


class Overview(msgspec.Struct, frozen=True):
    """The figures of each time of a period, of all of it, and of the one before."""

    period: Period
    each: Sequence[Figures]
    total: Figures
    before: Figures
    behind: Behind


async def overview(desk: Desk, period: Period) -> Overview:
    """One look at the shop. Refuses: ServiceUnavailable."""
    # The time before is one more time in front; a gap behind it is one that nobody looks at.
    start, end = period.before[0], period.before[-1]
    edges = [start, end, *(edge for edge in period.edges if edge > end)]
    async with desk.db.connection() as tx:
        found = await figures.series(tx, desk.settings.currency, edges)
        behind = await figures.behind(tx)
    each = found[1 - len(period.edges) :]
    return Overview(period, each, sum(each, Figures()), found[0], behind)


class Split(msgspec.Struct, frozen=True):
    """A period by service, country, source or customer; `rest` is what has no line of its own."""

    parts: Sequence[Part]
    rest: Figures | None
    rest_count: int
    names: dict[str, str]


async def split(
    desk: Desk, dimension: str, since: datetime, until: datetime, shown_max: int = SHOWN_MAX
) -> Split:
    """What each brought, what earned most first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        found = await figures.parts(tx, desk.settings.currency, dimension, since, until)
        shown, others = found[:shown_max], found[shown_max:]
        names = await figures.names(tx, dimension, [part.key for part in shown])
    rest = sum((part.figures for part in others), Figures()) if others else None
    return Split(shown, rest, len(others), names)


class Day(msgspec.Struct, frozen=True):
    """One day of a report, as its reader counts days."""

    day: date
    figures: Figures


async def by_day(desk: Desk, first: date, last: date, zone: ZoneInfo) -> list[Day]:
    """Every day from the first to the last one. Refuses: ServiceUnavailable."""
    edges = periods.span(first, last, zone)
    async with desk.db.connection() as tx:
        found = await figures.series(tx, desk.settings.currency, edges)
    return [Day(edge.astimezone(zone).date(), each) for edge, each in zip(edges, found, strict=False)]


async def note_report(desk: Desk, actor: Actor, by: str, first: date, last: date) -> None:
    """Somebody takes figures away as a file. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await acts.write(
            tx, actor, "report.exported", f"figures by {by}", after={"from": str(first), "to": str(last)}
        )
