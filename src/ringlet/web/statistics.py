"""GET /statistics: how often a code comes, and how soon, by service, country and operator.

Every customer sees the same figures. They come from the tallies, never from the activations.
"""

from typing import Annotated

from litestar import Response, Router, get
from msgspec import Meta, Struct

from ringlet.success import ORDERS_MIN, Line, Span
from ringlet.web import wire
from ringlet.web.api import CountryFilter, Req, ServiceFilter, caller, number_of, office

ROWS_MAX = 1_000

Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0)]


class StatisticsSpan(Struct):
    """`success_rate` is the share of orders that brought a code, `seconds_to_code` the average time to it."""

    success_rate: Share | None
    seconds_to_code: Seconds | None


class StatisticsLine(Struct):
    """Null where there were fewer than 20 orders."""

    service: str
    country: int
    operator: str
    last_24h: StatisticsSpan
    last_7d: StatisticsSpan


class StatisticsAnswer(Struct):
    """What is ordered most comes first; at most 1,000 lines."""

    data: list[StatisticsLine]
    success: bool = True


@get("/statistics", operation_id="getStatistics", summary="How often a code comes", tags=["Prices"])
async def get_statistics(
    request: Req, service: ServiceFilter = None, country: CountryFilter = None
) -> Response[StatisticsAnswer]:
    """Success rate and time to code of the last 24 hours and 7 days; null under 20 orders."""
    caller(request, "prices:read")
    lines = await office(request).figures.of(service, number_of(country))
    return wire.answer(StatisticsAnswer([spell(each) for each in lines[:ROWS_MAX]]))


def spell(line: Line) -> StatisticsLine:
    """A line as customers see it."""
    return StatisticsLine(line.service, line.country, line.operator, _span(line.day), _span(line.week))


def _span(span: Span) -> StatisticsSpan:
    if span.orders < ORDERS_MIN:
        return StatisticsSpan(None, None)
    seconds = round(span.code_seconds / span.codes, 1) if span.codes else None
    return StatisticsSpan(round(span.codes / span.orders, 4), seconds)


router = Router("/api/v1", route_handlers=[get_statistics])
