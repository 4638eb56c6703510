"""A supplier that takes ten seconds for an answer: who waits for it keeps nobody else waiting."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringlet import audit
from tests.crowd import Answer, Crowd
from tests.supplier_site import SERVICE, FakeSupplier, SupplierSite

pytestmark = pytest.mark.alone

BUYS = 200
SLOW_S = 10.0
DEADLINE_S = 15
POOL = 5
MEASURED_S = 8.0
#: of each kind, in that time
ASKED = 400
P99_S = 1.0


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[SupplierSite]:
    """A site with five connections to its database, and one supplier that is slow from now on."""
    slow = FakeSupplier("slow", dialect="handler-api")
    made = SupplierSite(tmp_path / "home", database_url, [slow], RINGLET_DB_POOL=str(POOL))
    try:
        made.open(deadline_s=DEADLINE_S)
        slow.set(slow_s=SLOW_S)
        yield made
        made.stop()
    finally:
        made.end()


async def open_own(crowd: Crowd, count: int) -> list[str]:
    """Activations of own stock that nobody has asked about yet: their first status comes from the database."""
    bought = await asyncio.gather(*(crowd.buy(service="ig") for _ in range(count)))
    assert all(each.is_ok for each in bought)
    return [each.body["activation"]["activation_id"] for each in bought]


async def ask(crowd: Crowd, paths: Iterator[str], count: int, gap_s: float) -> list[float]:
    """Ask for so many, one after each gap whether or not the last has its answer; returns how long each took."""

    async def one(path: str) -> float:
        began = time.monotonic()
        answer = await crowd.call("GET", path)
        assert answer.is_ok, answer
        return time.monotonic() - began

    asked, start = [], time.monotonic()
    for index in range(count):
        asked.append(asyncio.create_task(one(next(paths))))
        await asyncio.sleep(start + (index + 1) * gap_s - time.monotonic())
    return await asyncio.gather(*asked)


def told(name: str, took: list[float]) -> float:
    """Prints the figures; returns the p99."""
    ordered = sorted(took)
    p50, p99 = (ordered[int(share * len(ordered))] for share in (0.50, 0.99))
    print(f"{name}: {len(took)} answers, p50 {p50:.3f} s, p99 {p99:.3f} s, longest {ordered[-1]:.3f} s")
    return p99


async def test_two_hundred_buys_that_wait_slow_nobody_else_down(
    site: SupplierSite, database_url: str
) -> None:
    """200 buys at a supplier of 10 s, 5 connections: p99 of prices and status below 1 s; then all 200 have a number."""
    async with Crowd(site.url, site.demo["api_key"], connections=BUYS + 100) as crowd:
        ids = await open_own(crowd, ASKED)
        statuses = (f"/api/v1/resell/virtual/{each}/status" for each in ids)
        prices = itertools.cycle(("/api/v1/prices", f"/api/v1/prices?service={SERVICE}"))
        began = time.monotonic()
        buys = [asyncio.create_task(crowd.buy(f"slow-{index}", SERVICE)) for index in range(BUYS)]
        gap_s = MEASURED_S / ASKED
        took = await asyncio.gather(*(ask(crowd, paths, ASKED, gap_s) for paths in (statuses, prices)))
        assert time.monotonic() < began + SLOW_S, "the machine is too busy: the buys waited no more"
        bought: list[Answer] = await asyncio.gather(*buys)
    print(f"all {BUYS} bought after {time.monotonic() - began:.1f} s")
    assert [each.status for each in bought] == [200] * BUYS
    assert len({each.body["activation"]["phone"] for each in bought}) == BUYS
    assert max(told("status", took[0]), told("prices", took[1])) < P99_S
    assert audit.run(database_url) == []
