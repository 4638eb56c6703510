"""Figures by service, country and source, and reports as files."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet import money
from ringlet.backoffice import overview, periods
from ringlet.backoffice.figures import CUSTOMER, DIMENSIONS, Figures
from ringlet.backoffice.overview import REPORT_MAX
from ringlet.backoffice.periods import DAYS_MAX, PERIODS
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.figures_words import COUNT, HEADLINE, KINDS, MONEY, REST, Spelled
from ringlet.web.admin.gate import wants
from ringlet.web.pages import export, render
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Req, Visit

COLUMNS = (*HEADLINE, *REST)
#: what a table of a page has room for
SHOWN = ("revenue", "margin", "sales", "success", "seconds_to_code")
BY = ("day", *DIMENSIONS, CUSTOMER)
LINES_AT_ONCE = 500
DAYS_USUAL = 30


class Line(msgspec.Struct, frozen=True):
    """One service, country or source: how it is called, and its figures in words."""

    name: str
    cells: Sequence[str]


@get("/admin/figures", include_in_schema=False, opt=wants(Right.SEE))
async def get_figures(request: Req) -> Response[str]:
    """A period by service, country or source: the fifty that earned most, and the rest."""
    seen = gate.begin(request)
    zone = ZoneInfo(seen.signed_in().time_zone)
    by = _one_of(request.query_params.get("by", ""), DIMENSIONS)
    period = _one_of(request.query_params.get("period", ""), tuple(PERIODS))
    edges = PERIODS[period](datetime.now(UTC), zone).edges
    found = await overview.split(seen.desk, by, edges[0], edges[-1])
    spelled, called = Spelled(seen.words, seen.desk.settings.currency), _called(seen, by, found.names)
    today = datetime.now(zone).date()
    return await render.page(
        request, seen, "admin/figures.html", by=by, period=period, periods=tuple(PERIODS), dimensions=DIMENSIONS,
        columns=SHOWN, lines=[_line(called(part.key), part.figures, spelled) for part in found.parts],
        rest=None if found.rest is None else _line("", found.rest, spelled), rest_count=found.rest_count,
        reports=BY, first=today - timedelta(days=DAYS_USUAL - 1), last=today,
    )  # fmt: skip


def _one_of(asked: str, known: Sequence[str]) -> str:
    return asked if asked in known else known[0]


def _called(seen: Visit, by: str, names: Mapping[str, str]) -> Any:
    """What stands for a key in the reader's language."""
    known = Names(seen.words)
    if by == "service":
        return known.service
    if by == "country":
        return lambda key: known.country(int(key))
    return lambda key: names.get(key, key)


def _line(name: str, figures: Figures, spelled: Spelled) -> Line:
    return Line(name, [spelled.exact(column, figures) for column in SHOWN])


@get("/admin/figures.csv", include_in_schema=False, opt=wants(Right.MONEY))
async def get_figures_csv(request: Req) -> Stream:
    """The figures of some days: each day of them, or each service, country, source or customer.

    `by`, `from` and `to` (days in the reader's time zone, both with; for customers of UTC), `figure` once for each
    column that is wanted. Refuses: ValidationFailed.
    """
    seen = gate.begin(request)
    zone = ZoneInfo(seen.signed_in().time_zone)
    by = _one_of(request.query_params.get("by", ""), BY)
    first, last = _days(request, zone)
    asked = [name for name in request.query_params.getall("figure", []) if name in KINDS]
    columns = asked or list(COLUMNS)
    await overview.note_report(seen.desk, gate.actor(request, seen), by, first, last)
    rows = await _report(seen, by, first, last, zone)
    currency = seen.desk.settings.currency

    async def text() -> AsyncIterator[str]:
        head = [by] if by == "day" else [by, "name"]
        yield export.MARK + export.lines([[*head, "currency", *columns]])
        for place in range(0, len(rows), LINES_AT_ONCE):
            part = rows[place : place + LINES_AT_ONCE]
            yield export.lines([*keys, currency, *_values(columns, each)] for keys, each in part)

    file = f"figures-by-{by}-{first}-{last}.csv"
    headers = {**render.HEADERS, "Content-Disposition": f'attachment; filename="{file}"'}
    return Stream(text(), media_type=export.CSV, headers=headers)


async def _report(
    seen: Visit, by: str, first: date, last: date, zone: ZoneInfo
) -> list[tuple[list[str], Figures]]:
    """What stands before the figures of each line, and the figures. Refuses: ServiceUnavailable."""
    desk: Desk = seen.desk
    if by == "day":
        found = await overview.by_day(desk, first, last, zone)
        return [([str(each.day)], each.figures) for each in found]
    edges = periods.span(first, last, ZoneInfo("UTC") if by == CUSTOMER else zone)
    split = await overview.split(desk, by, edges[0], edges[-1], REPORT_MAX)
    called = _called(seen, by, split.names)
    rows = [([export.safe(part.key), export.safe(called(part.key))], part.figures) for part in split.parts]
    return rows if split.rest is None else [*rows, (["", "others"], split.rest)]


def _values(columns: Iterable[str], figures: Figures) -> list[object]:
    """Plain figures: amounts in the currency, shares of 1, seconds; empty where there is none."""
    return [_value(name, getattr(figures, name)) for name in columns]


def _value(name: str, value: float | None) -> object:
    if value is None:
        return ""
    match KINDS[name][0]:
        case kind if kind == MONEY:
            return money.to_amount(int(value))
        case kind if kind == COUNT:
            return value
        case _:
            return f"{value:.6f}"


def _days(request: Req, zone: ZoneInfo) -> tuple[date, date]:
    """From and to; the last thirty days without them. Refuses: ValidationFailed."""
    today = datetime.now(zone).date()
    last = _day(request, "to", today)
    first = _day(request, "from", min(last, today) - timedelta(days=DAYS_USUAL - 1))
    if not timedelta(0) <= last - first < timedelta(days=DAYS_MAX):
        raise ValidationFailed(
            "The last day is not before the first one, and at most two years after it", field="to"
        )
    return first, last


def _day(request: Req, name: str, usual: date) -> date:
    text = request.query_params.get(name, "")
    if not text:
        return usual
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise ValidationFailed("This is no day", field=name) from error
    if not date(2000, 1, 1) <= found <= date(2200, 1, 1):
        raise ValidationFailed("This is no day", field=name)
    return found


HANDLERS: list[ControllerRouterHandler] = [get_figures, get_figures_csv]
