"""The full price table: what it costs to make, to answer, and others while it is made."""

import gzip
import statistics
import time

from bench import fill, load
from bench.ground import Ground, Running, connect, settle
from bench.load import Part, Plan, VoidRunError
from bench.rates import CONNECTIONS, CUSTOMERS, open_some, status_scripts
from bench.table import Line, told
from ringlet.desk import Desk
from ringlet.suppliers import stock

COUNTRIES, SERVICES = 205, 800
PATH = "/api/v1/prices"
GZIP = {"Accept-Encoding": "gzip"}
REBUILDS = 3
#: the worker has counted what was sold, and nothing changes any more
SETTLED_AFTER_S = 8.0


def measure(ground: Ground, seconds: float) -> list[Line]:
    """The part `prices`."""
    url = ground.database("prices")
    people = fill.customers(ground, url, CUSTOMERS)
    cells = fill.price_list(url, COUNTRIES, SERVICES)
    fill.shelf(url, "tg", 3_000, first=20_000_000_000)
    settle(url)
    key = people.keys[0]
    with ground.site(url) as site:
        loaded_mib = site.memory_mib()
        open_some(site, people)
        time.sleep(SETTLED_AFTER_S)
        first_s, plain, zipped, etag = _first(site, key)
        built_mib = site.memory_mib()
        got = load.run(Plan(site.port, [[_get(key, GZIP)]], 4, seconds)).whole
        known = _get(key, {**GZIP, "If-None-Match": etag})
        alone = _unchanged(Plan(site.port, [[known]], 1, seconds))
        many = _unchanged(Plan(site.port, [[known]], CONNECTIONS, seconds))
        scripts = status_scripts(url, people, "state = 'waiting'", 4)
        quiet, busy, rebuilt_s = _while_rebuilding(url, site, scripts)
        counting_ms = _counting_ms(ground, url)
        end_mib = site.memory_mib()
    ground.drop(url)
    part = "prices"
    return [
        told(part, "cells", f"{cells:,}: {plain / 1e6:.1f} MB, gzip {zipped / 1e6:.2f} MB"),
        told(part, "web process ready after", f"{site.started_in_s:.1f} s"),
        told(part, "first answer (built and compressed)", f"{first_s:.2f} s"),
        told(part, "memory of the web process",
             f"{loaded_mib:.0f} MiB loaded, {built_mib:.0f} built, {end_mib:.0f} at the end"),
        Line(part, "gzip from memory, 4 connections", _spelled(got), "p50 < 50 ms", holds=got.p50_ms < 50),
        Line(part, "304, one connection", _spelled(alone), "p50 < 1 ms", holds=alone.p50_ms < 1),
        told(part, f"304, {CONNECTIONS} connections", _spelled(many)),
        told(part, "a change in every country answered after", f"{rebuilt_s:.2f} s"),
        told(part, "status of 4 connections, prices at rest", _spelled(quiet)),
        Line(part, "the same while the table is rebuilt", _spelled(busy), "p99 < 50 ms, max < 100 ms",
             holds=busy.p99_ms < 50 and busy.max_ms < 100),
        told(part, "the worker's stock count, every 5 s", f"{counting_ms:.0f} ms"),
    ]  # fmt: skip


def _get(key: str, headers: dict[str, str]) -> str:
    return load.request("GET", PATH, key, headers=headers)


def _unchanged(plan: Plan) -> Part:
    """A run of 304 and nothing else."""
    result = load.run(plan)
    if result.statuses.keys() != {"304"}:
        raise VoidRunError(f"answers by status: {result.statuses}")
    return result.whole


def _first(site: Running, key: str) -> tuple[float, int, int, str]:
    began = time.monotonic()
    status, body, headers = site.call(PATH, key, headers=GZIP)
    took_s = time.monotonic() - began
    assert status == 200, body[:200]
    assert headers["Content-Encoding"] == "gzip"
    return took_s, len(gzip.decompress(body)), len(body), headers["ETag"]


def _while_rebuilding(url: str, site: Running, scripts: list[list[str]]) -> tuple[Part, Part, float]:
    """Status answers at rest and while every country's prices change again and again."""
    key = scripts[0][0].split("Bearer ")[1].split("\r\n")[0]
    quiet = load.run(Plan(site.port, scripts, 4, 4.0)).whole
    took = []
    with load.started(Plan(site.port, scripts, 4, 4.0 * REBUILDS)) as process:
        for _ in range(REBUILDS):
            before = site.call(PATH, key, headers=GZIP)[2]["ETag"]
            began = time.monotonic()
            with connect(url) as connection:
                connection.execute(_CHANGE_ALL)
                connection.execute("select pg_notify('ringlet', 'catalogue')")
            while site.call(PATH, key, headers={**GZIP, "If-None-Match": before})[0] == 304:
                assert time.monotonic() - began < 60, "the price table does not change"
                time.sleep(0.05)
            took.append(time.monotonic() - began)
        busy = load.finished(process).whole
    return quiet, busy, statistics.median(took)


_CHANGE_ALL = """
update offer set base_price = base_price + 0.0001, changed_at = clock_timestamp() where service = 's001'
"""


def _counting_ms(ground: Ground, url: str) -> float:
    """`stock.count` as the worker runs it."""

    async def count(desk: Desk) -> float:
        took = []
        for _ in range(3):
            began = time.monotonic()
            async with desk.db.transaction() as tx:
                await stock.count(tx)
            took.append(1000 * (time.monotonic() - began))
        return statistics.median(took)

    return ground.at_desk(url, count)


def _spelled(part: Part) -> str:
    return (
        f"{part.per_s:,.0f}/s, p50 {part.p50_ms:.2f} ms, p99 {part.p99_ms:.2f} ms, max {part.max_ms:.0f} ms"
    )
