"""Killed between any two steps of a purchase, again and again: what is left over is found out and put right."""

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ringlet.failpoints import PLACES
from tests.crowd import Crowd, chance
from tests.shoppers import Shoppers
from tests.supplier_site import FakeSupplier, SupplierSite, seeds, settled

VARIABLE = "RINGLET_TEST_FAIL_AT"
DEADLINE_S = 1
PER_S = 8.0
PATIENCE_S = 60.0  # for two deaths; a worker that dies is followed by one that waits for its claim to end


@dataclass(frozen=True)
class Scene:
    """A load that surely comes by a place, and how often the place is deadly."""

    share: float
    faults: dict[str, float] = field(default_factory=dict)
    code_share: float = 0.5
    plans: tuple[str, ...] = ("keep", "code", "cancel_later")


#: payments are killed in `test_topup_faults.py` and `test_topup_refunds.py`
PURCHASE = tuple(each for each in PLACES if not each.startswith(("topup_", "refund_")))
BUYING = Scene(0.15)
REFUSING = Scene(0.3, {"other_price": 0.7})
SCENES = {
    "order_opened": BUYING,
    "order_answered": BUYING,
    "order_retargeted": REFUSING,
    "order_leased": BUYING,
    "order_refused": REFUSING,
    "strays_found": Scene(1.0, {"drop": 0.5}),
    "order_recovered": Scene(0.5, {"drop": 0.3, "timeout": 0.1}),
    "message_seen": Scene(0.3, code_share=1.0),
    "cancel_wished": Scene(0.3, code_share=0.2, plans=("cancel",)),
    "cancel_answered": Scene(0.3, code_share=0.2, plans=("cancel",)),
    "return_claimed": Scene(0.5, {"other_price": 0.5}),
    "return_answered": Scene(0.5, {"other_price": 0.5}),
}


@contextlib.contextmanager
def two_suppliers(tmp_path: Path, database_url: str, chosen: Sequence[int]) -> Iterator[SupplierSite]:
    """A site with two suppliers at nearly one price, open and at rest."""
    suppliers = [
        FakeSupplier(name, seed=seed, cost=cost, code_after_s=[0.2, 1.0])
        for name, cost, seed in zip(("first", "second"), ("0.10", "0.11"), chosen, strict=True)
    ]
    site = SupplierSite(tmp_path / "home", database_url, suppliers)
    try:
        site.open(deadline_s=DEADLINE_S)
        yield site
    finally:
        site.end()


async def die_at(site: SupplierSite, shoppers: Shoppers, place: str, times: int) -> None:
    """The scene is played until a process has died at this place so often."""
    scene = SCENES[place]
    for each in site.suppliers:
        each.set(faults=scene.faults, code_share=scene.code_share)
    site.environment[VARIABLE] = f"{place}:{scene.share}"
    site.kill()
    await asyncio.to_thread(site.start)
    before = site.deaths()
    shoppers.plans = scene.plans
    shoppers.stop.clear()
    load = asyncio.create_task(shoppers.come(1_000_000, PER_S))
    try:
        async with asyncio.timeout(PATIENCE_S * max(1, times / 2)):
            while site.deaths() - before < times:
                assert not load.done(), load.exception()
                await asyncio.sleep(0.1)
    finally:
        shoppers.stop.set()
        await load
        print(f"{place}: {site.deaths() - before} deaths, {shoppers.summary()}")


async def die_and_settle(
    site: SupplierSite, rng: random.Random, places: Sequence[str], times: int
) -> list[str]:
    """All of these places, one after the other; what is wrong when everything had time to settle."""
    async with Crowd(site.url, site.demo["api_key"], connections=200) as crowd:
        shoppers = Shoppers(crowd, rng, at_once=15)
        shoppers.is_up.set()
        for place in places:
            await die_at(site, shoppers, place, times)
        del site.environment[VARIABLE]
        for each in site.suppliers:
            each.set(faults={})
        site.kill()
        await asyncio.to_thread(site.start)
        await shoppers.settle()
        assert sum(each.bought == "ok" for each in shoppers.purchases.values()) >= times * len(places)
        return await settled(site, shoppers)


def test_every_place_has_its_scene() -> None:
    """A place that is added to a purchase is visited here."""
    assert tuple(SCENES) == PURCHASE


async def test_a_death_between_two_steps_loses_nothing(tmp_path: Path, database_url: str) -> None:
    """Two deaths each at places of the buy, the failover, the cancel and the return; then all agree."""
    places = ("order_answered", "order_retargeted", "cancel_answered", "return_claimed")
    rng = chance("failpoints")
    with two_suppliers(tmp_path, database_url, seeds(rng, 2)) as site:
        assert await die_and_settle(site, rng, places, 2) == []


@pytest.mark.soak
@pytest.mark.parametrize("place", PURCHASE)
async def test_twenty_five_deaths_lose_nothing(tmp_path: Path, database_url: str, place: str) -> None:
    """25 deaths at one place; within 90 s all agree."""
    rng = chance(f"failpoint {place}")
    with two_suppliers(tmp_path, database_url, seeds(rng, 2)) as site:
        assert await die_and_settle(site, rng, [place], 25) == []
