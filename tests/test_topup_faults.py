"""Gateways whose notices are doubled, late, forged, out of order or lost, and `kill -9` meanwhile: each payment once."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringlet import settings
from ringlet.app import open_desk
from ringlet.payments.kinds import KINDS
from tests.crowd import chance
from tests.site import Site
from tests.till_site import FakeGateway, Payers, agreed, credits_of, open_gateway, quiet

#: what gateways do to us, and their payers
FAULTS: dict[str, Any] = {
    "plans": {"exact": 0.5, "less": 0.08, "more": 0.08, "late": 0.08, "fails": 0.08, "leaves": 0.08, "takes_back": 0.1},
    "copies": 20, "delay_s": [0, 2], "silent_share": 0.2, "forged_share": 0.3, "error_share": 0.03, "drop_share": 0.03,
}  # fmt: skip
#: those that have somebody to ask
GATEWAYS = sorted(
    kind for kind, each in KINDS.items() if each.can.fetches and kind not in {"demo", "voucher"}
)


@contextlib.contextmanager
def paid_site(
    tmp_path: Path, database_url: str, kind: str, seed: int, faults: dict[str, Any], **environment: str
) -> Iterator[tuple[Site, FakeGateway]]:
    """A site, and a gateway beside it with every fault."""
    gateway = FakeGateway(kind, seed=seed, **faults)
    site = Site(tmp_path / "home", database_url, **environment)
    site.environment["RINGLET_PUBLIC_URL"] = site.url  # where gateways are told to tell
    try:
        site.start()
        yield site, gateway
    finally:
        site.stop()
        gateway.stop()


async def pay_and_kill(
    site: Site,
    database_url: str,
    gateway: FakeGateway,
    rng: random.Random,
    count: int,
    kills: int,
    per_s: float,
) -> None:
    """Payments all the time; the whole process group is killed and started again meanwhile."""
    # With the site's own settings: what this process asks for is looked at by the site's worker.
    mine = settings.load({**site.environment, "RINGLET_RATE_LIMIT": "0"})
    async with open_desk(mine, database_url) as desk:
        gateway_id = await open_gateway(desk, gateway, site.url)
    payers = Payers(mine, gateway_id, rng)
    load = asyncio.create_task(payers.come(count, per_s))
    for at in sorted(rng.sample(range(count // 20, count - count // 20), kills)):
        while payers.began < at and not load.done():
            await asyncio.sleep(0.01)
        await asyncio.to_thread(site.kill)
        await asyncio.to_thread(site.start)
    await load
    assert payers.began == count


async def settles(
    tmp_path: Path, database_url: str, kind: str, count: int, kills: int, within_s: float, per_s: float, **more: Any
) -> None:  # fmt: skip
    """All of it, and the promise: the till's settled total is credited, each payment once, in time."""
    rng = chance(f"topup faults {kind}")
    environment = {"RINGLET_TOPUP_LOOK_S": str(more.pop("look_s"))}
    with paid_site(tmp_path, database_url, kind, rng.randrange(10**6), FAULTS | more, **environment) as (
        site,
        gateway,
    ):
        await pay_and_kill(site, database_url, gateway, rng, count, kills, per_s)
        took_s, differing = await agreed(database_url, gateway, within_s)
        truth = gateway.truth()
        paid = sum(payment["settled"] != "0" for payment in truth["payments"])
        print(
            f"{kind}: {len(truth['payments'])} payments, {paid} paid, {truth['told']}, {kills} kills, {took_s:.1f} s"
        )
        assert differing == []
        await quiet(gateway)
        assert (await agreed(database_url, gateway, 10))[1] == []
        truth = gateway.truth()
        assert truth["believed"] == 0
        assert truth["told"]["accepted"] > 0
        assert truth["told"]["refused"] == 0
        assert paid >= count // 2
        assert max(credits_of(database_url).values()) == 1
        site.stop()
        assert site.audit() == ""


@pytest.mark.parametrize("kind", GATEWAYS)
async def test_faults_and_kills_credit_each_payment_once(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    """40 top-ups, every fault, a kill: what was lost is found by asking."""
    await settles(tmp_path, database_url, kind, 40, 1, within_s=30, per_s=8, look_s=5)


@pytest.mark.soak
@pytest.mark.parametrize("kind", GATEWAYS)
async def test_five_hundred_topups_are_credited_once(tmp_path: Path, database_url: str, kind: str) -> None:
    """500 top-ups, 20 kills, replays after five minutes: within 5 minutes and 10 seconds all agree, and stay so."""
    await settles(
        tmp_path, database_url, kind, 500, 20, within_s=310, per_s=10, look_s=240, replayed_share=0.1, replay_after_s=301,
    )  # fmt: skip
