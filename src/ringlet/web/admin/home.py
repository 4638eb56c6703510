"""The admin's home: how the shop does, and what wants attention."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from ringlet.backoffice import attention, overview
from ringlet.backoffice.figures import Figures
from ringlet.backoffice.overview import Overview
from ringlet.backoffice.periods import PERIODS
from ringlet.people.roles import Right
from ringlet.web.admin import charts, gate
from ringlet.web.admin.charts import Bar
from ringlet.web.admin.figures_words import HEADLINE, KINDS, MONEY, REST, Change, Spelled
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Req

MILLION = 1_000_000


class Cell(msgspec.Struct, frozen=True):
    """One figure as it is shown."""

    name: str
    short: str
    exact: str
    before: str
    change: Change | None


@get("/admin", include_in_schema=False, opt=wants(Right.SEE))
async def get_home(request: Req) -> Response[str]:
    """How the shop does, by hour, day or month, against the time before."""
    seen = gate.begin(request)
    zone = ZoneInfo(seen.signed_in().time_zone)
    period = request.query_params.get("period", "")
    period = period if period in PERIODS else "hours"
    figure = request.query_params.get("figure", "")
    figure = figure if figure in KINDS else "revenue"
    found = await overview.overview(seen.desk, PERIODS[period](datetime.now(UTC), zone))
    lines = await attention.lines(seen.desk)
    spelled = Spelled(seen.words, seen.desk.settings.currency)
    return await render.page(
        request, seen, "admin/home.html", period=period, periods=tuple(PERIODS), figure=figure, lines=lines,
        looked_at=attention.LOOKED_AT, head=[_cell(name, found, spelled) for name in HEADLINE],
        rest=[_cell(name, found, spelled) for name in (*HEADLINE, *REST)], drawn=lambda label: _drawn(figure, found, spelled, zone, label),
        rows=_rows(figure, found, spelled, zone),
        is_empty=found.total == Figures() and found.before == Figures(), is_behind=found.behind.is_too_far,
    )  # fmt: skip


def _cell(name: str, found: Overview, spelled: Spelled) -> Cell:
    return Cell(
        name, spelled.short(name, found.total), spelled.exact(name, found.total), spelled.exact(name, found.before),
        spelled.change(name, found.total, found.before),
    )  # fmt: skip


def _drawn(figure: str, found: Overview, spelled: Spelled, zone: ZoneInfo, label: str) -> Markup:
    """The chart twice: for a wide page and for a phone, where one of them would be too small to read."""
    period, last = found.period, len(found.each) - 1
    bars = [
        Bar(
            label=spelled.label(period.name, period.edges[place], zone),
            title=f"{spelled.when(period.name, period.edges[place], zone)}: {spelled.exact(figure, each)}",
            value=_value(figure, each),
            is_open=place == last,
        )
        for place, each in enumerate(found.each)
    ]
    frames = (charts.WIDE, charts.NARROW)
    return Markup("").join(
        charts.bars(bars, label, lambda value: spelled.axis(figure, value), frame) for frame in frames
    )


def _value(name: str, figures: Figures) -> float | None:
    value = getattr(figures, name)
    return None if value is None else value / MILLION if KINDS[name][0] == MONEY else float(value)


def _rows(figure: str, found: Overview, spelled: Spelled, zone: ZoneInfo) -> list[tuple[str, str]]:
    """The same as the chart, the newest first."""
    period = found.period
    return [
        (spelled.when(period.name, period.edges[place], zone), spelled.exact(figure, found.each[place]))
        for place in reversed(range(len(found.each)))
    ]


HANDLERS: list[ControllerRouterHandler] = [get_home]
