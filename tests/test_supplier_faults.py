"""Suppliers that fail in every way, customers who cancel, and `kill -9` meanwhile: no number and no cent is lost."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crowd import Crowd, chance
from tests.shoppers import Shoppers
from tests.supplier_site import FakeSupplier, SupplierSite, compare, read_books, seeds, settled

#: share of the rents that meet each fault; the number is allotted and paid all the same
FAULTS = {
    "timeout": 0.05, "drop": 0.04, "garbage": 0.02, "html": 0.01, "error_sql": 0.02, "half": 0.02,
    "other_price": 0.02, "same_number": 0.02, "server_error": 0.01,
}  # fmt: skip


@contextlib.contextmanager
def faulty_site(tmp_path: Path, database_url: str, seed: int, **environment: str) -> Iterator[SupplierSite]:
    """A site whose only supplier has every fault."""
    supplier = FakeSupplier("up", seed=seed, faults=FAULTS, code_share=0.6, code_after_s=[0.5, 2.0])
    site = SupplierSite(tmp_path / "home", database_url, [supplier], **environment)
    try:
        site.open(deadline_s=2)
        yield site
    finally:
        site.end()


async def buy_and_kill(
    site: SupplierSite, rng: random.Random, buys: int, kills: int, per_s: float
) -> Shoppers:
    """Buy all the time; at random purchases the whole process group is killed and started again."""
    async with Crowd(site.url, site.demo["api_key"], connections=200) as crowd:
        shoppers = Shoppers(crowd, rng)
        shoppers.is_up.set()
        load = asyncio.create_task(shoppers.come(buys, per_s))
        for at in sorted(rng.sample(range(buys // 20, buys - buys // 20), kills)):
            while len(shoppers.purchases) < at and not load.done():
                await asyncio.sleep(0.01)
            await asyncio.sleep(rng.uniform(0, 0.3))
            shoppers.is_up.clear()
            await asyncio.to_thread(site.kill)
            await asyncio.to_thread(site.start)
            shoppers.is_up.set()
        await load
        await shoppers.settle()
    print(f"{kills} kills, {shoppers.summary()}")
    return shoppers


def assert_load_was_real(site: SupplierSite, shoppers: Shoppers, buys: int) -> None:
    """A run in which nothing was sold or nothing went wrong would show nothing."""
    bought = Counter(each.bought for each in shoppers.purchases.values())
    assert bought["ok"] >= buys // 2, bought
    assert shoppers.statuses[503], "no outcome was unknown"
    assert shoppers.statuses[0], "no kill broke a request"
    (supplier,) = site.suppliers
    met = Counter(row["fault"] for row in supplier.truth()["allotments"])
    print(f"allotments by fault: {dict(met)}")
    assert met.keys() >= {"timeout", "drop"}


async def test_faults_and_kills_lose_nothing(tmp_path: Path, database_url: str) -> None:
    """300 buys, every fault of a supplier, cancels, two kills: books, supplier and customers agree."""
    rng = chance("supplier faults")
    with faulty_site(tmp_path, database_url, *seeds(rng, 1)) as site:
        shoppers = await buy_and_kill(site, rng, 300, 2, per_s=60)
        assert await settled(site, shoppers) == []
        assert_load_was_real(site, shoppers, 300)
        site.stop()
        assert site.audit() == ""


@pytest.mark.soak
async def test_five_thousand_buys_lose_nothing(tmp_path: Path, database_url: str) -> None:
    """5,000 buys, 20 kills, leases of a minute: within 90 s all agree, and still when every lease has ended."""
    rng = chance("supplier faults soak")
    with faulty_site(tmp_path, database_url, *seeds(rng, 1), RINGLET_LEASE_MINUTES="1") as site:
        shoppers = await buy_and_kill(site, rng, 5_000, 20, per_s=25)
        assert await settled(site, shoppers) == []
        assert_load_was_real(site, shoppers, 5_000)
        await asyncio.sleep(75)
        assert compare(site, shoppers) == []
        over = {each.state for each in read_books(site.database_url).rentals["up"].values()}
        assert over == {"returned", "spent"}
        site.stop()
        assert site.audit() == ""
