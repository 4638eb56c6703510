"""GET /statistics: from the tallies, bounded, and silent where there is too little to tell."""

import asyncio
from typing import Any

import psycopg
import pytest

from ringlet import success
from ringlet.db import Database
from ringlet.desk import Desk
from ringlet.success import Figures
from ringlet.web import statistics
from tests.contract import account, execute, refused
from tests.site import Site

PATH = "/api/v1/statistics"


def tally(
    conninfo: str, *, source: int = 1, country: int = 6, service: str = "ig", operator: str = "any",
    hours_ago: int = 1, orders: int = 20, codes: int = 10, seconds: float = 100,
) -> None:  # fmt: skip
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "insert into success_tally (source_id, country, service, operator, hour, orders, codes, code_seconds)"
            " values (%s, %s, %s, %s, now() - make_interval(hours => %s), %s, %s, %s)",
            [source, country, service, operator, hours_ago, orders, codes, seconds],
        )


async def ask(desk: Desk, service: str | None = None, country: int | None = None) -> list[Any]:
    lines = await Figures(desk.db).of(service, country)
    return [statistics.spell(each) for each in lines]


async def test_sources_are_added_up_and_hours_fall_in_their_spans(desk: Desk) -> None:
    """Of a day and of a week, whoever the source is; what is older than a week does not count."""
    tally(desk.db.conninfo, source=1, orders=30, codes=30, seconds=300)
    tally(desk.db.conninfo, source=2, orders=10, codes=0, seconds=0)
    tally(desk.db.conninfo, source=1, hours_ago=48, orders=40, codes=10, seconds=500)
    tally(desk.db.conninfo, source=1, hours_ago=24 * 7 + 2, orders=1_000, codes=0, seconds=0)
    (line,) = await ask(desk)
    assert (line.service, line.country, line.operator) == ("ig", 6, "any")
    assert (line.last_24h.success_rate, line.last_24h.seconds_to_code) == (0.75, 10.0)
    assert (line.last_7d.success_rate, line.last_7d.seconds_to_code) == (0.5, 20.0)


async def test_under_twenty_orders_nothing_is_said(desk: Desk) -> None:
    """A rate of few orders says nothing and tells competitors how little is sold; no code has no time."""
    tally(desk.db.conninfo, orders=19, codes=19)
    tally(desk.db.conninfo, hours_ago=30, orders=1, codes=0, seconds=0)
    tally(desk.db.conninfo, service="wa", orders=20, codes=0, seconds=0)
    instagram, whatsapp = sorted(await ask(desk), key=lambda line: line.service)
    assert (instagram.last_24h.success_rate, instagram.last_24h.seconds_to_code) == (None, None)
    assert instagram.last_7d.success_rate == 0.95
    assert (whatsapp.last_24h.success_rate, whatsapp.last_24h.seconds_to_code) == (0, None)


async def test_filters_and_order(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By service, by country, by both; most ordered first; never more than so many lines."""
    tally(desk.db.conninfo, service="ig", country=6, orders=20)
    tally(desk.db.conninfo, service="ig", country=7, orders=30)
    tally(desk.db.conninfo, service="wa", country=6, orders=40)
    assert [(each.service, each.country) for each in await ask(desk)] == [("wa", 6), ("ig", 7), ("ig", 6)]
    assert [each.country for each in await ask(desk, "ig")] == [7, 6]
    assert [each.service for each in await ask(desk, country=6)] == ["wa", "ig"]
    assert [each.service for each in await ask(desk, "wa", 6)] == ["wa"]
    assert await ask(desk, "wa", 0) == []
    monkeypatch.setattr(success, "LINES_MAX", 2)
    assert [each.service for each in await ask(desk)] == ["wa", "ig"]


async def test_who_asks_together_is_answered_by_one_look(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tallies are read once for all who ask within some seconds, and again afterwards."""
    looks = 0
    connection = Database.connection

    def counted(self: Database) -> Any:
        nonlocal looks
        looks += 1
        return connection(self)

    monkeypatch.setattr(Database, "connection", counted)
    figures = Figures(desk.db)
    await asyncio.gather(*(figures.of("ig", 6) for _ in range(20)))
    await figures.of(None, None)
    assert looks == 1
    monkeypatch.setattr(success, "FIGURES_KEPT_S", 0)
    tally(desk.db.conninfo)
    assert len(await figures.of(None, None)) == 1


def test_the_answer_of_an_installation(site: Site) -> None:
    """In the contract's form, with its refusals."""
    for orders in (20, 40):
        tally(site.environment["DATABASE_URL"], operator=f"o{orders}", orders=orders, codes=10, seconds=55.55)
    status, body, _ = site.call("GET", f"{PATH}?service=ig&country=6")
    assert status == 200
    assert body == {
        "success": True,
        "data": [
            {"service": "ig", "country": 6, "operator": f"o{orders}", "last_24h": span, "last_7d": span}
            for orders in (40, 20)
            for span in [{"success_rate": 10 / orders, "seconds_to_code": 5.6}]
        ],
    }
    assert site.call("GET", f"{PATH}?country=0")[1] == {"success": True, "data": []}
    refused(site.call("GET", f"{PATH}?country=six"), 422, "validation_failed")
    refused(site.call("GET", f"{PATH}?service=%27"), 422, "validation_failed")
    refused(site.call("GET", PATH, key=None), 401, "unauthorized")
    key = account(site, "narrow@example.org")["api_key"]
    execute(site, "update api_key set scopes = '{balance:read}'")
    refused(site.call("GET", PATH, key=key), 403, "forbidden")
