"""Times that figures are asked for: the last hours, days and months as their reader counts them, and those before."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

HOUR = timedelta(hours=1)
#: of a report
DAYS_MAX = 731


class Period(msgspec.Struct, frozen=True):
    """Times between edges, all in UTC: those that are shown, and as many before them to compare with.

    The last time shown is not over. So the last one before is cut where that one stands now: what is compared is as
    long. Only an hour is not cut, figures know nothing smaller.
    """

    name: str
    edges: Sequence[datetime]
    before: Sequence[datetime]


def hours(now: datetime, _zone: ZoneInfo) -> Period:
    """The last 24 hours, with the one that runs."""
    end = _hour(now) + HOUR
    edges = [end - HOUR * back for back in range(24, -1, -1)]
    return Period("hours", edges, [edge - HOUR * 24 for edge in edges])


def days(now: datetime, zone: ZoneInfo) -> Period:
    """The last 30 days, with today."""
    today = now.astimezone(zone).date()
    edges = [_midnight(today + timedelta(days=1 - back), zone) for back in range(60, -1, -1)]
    return _cut("days", edges, now)


def months(now: datetime, zone: ZoneInfo) -> Period:
    """The last 12 months, with this one."""
    today = now.astimezone(zone).date()
    month = today.year * 12 + today.month - 1
    edges = [_midnight(_first_of(month + 1 - back), zone) for back in range(24, -1, -1)]
    return _cut("months", edges, now)


PERIODS: Mapping[str, Callable[[datetime, ZoneInfo], Period]] = {
    "hours": hours,
    "days": days,
    "months": months,
}


def span(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """The edges of the days from the first to the last one, both with."""
    return [_midnight(first + timedelta(days=passed), zone) for passed in range((last - first).days + 2)]


def _first_of(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _cut(name: str, edges: Sequence[datetime], now: datetime) -> Period:
    half = len(edges) // 2
    before, shown = list(edges[: half + 1]), list(edges[half:])
    before[-1] = min(before[-1], before[-2] + (_hour(now) + HOUR - shown[-2]))
    return Period(name, shown, before)
