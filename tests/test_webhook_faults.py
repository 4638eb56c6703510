"""Receivers that misbehave and workers that die: every healthy endpoint hears everything, and soon."""

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from ringlet import audit
from ringlet.activations.buy import buy
from ringlet.desk import Desk
from ringlet.settings import Settings
from tests.crowd import Crowd, chance, seed_of
from tests.fakes.receiver import FAULTS, Receiver
from tests.hooks import ALLOWED, IG, complete, courier_of, fetch, listen, settings_for
from tests.site import Shop, Site, fill_shop

GOOD = ("/good/a", "/good/b", "/good/c")
SLOW = ("hang", "drip")


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path, database_url)


async def test_bad_receivers_delay_nobody(desk: Desk) -> None:
    """One endpoint for each fault, thousands of webhooks piled up for the slow ones: good ones hear within 2 s."""
    shop = await fill_shop(desk, numbers=400)
    async with Receiver(seed_of("bad receivers")) as receiver:
        for fault in FAULTS:
            receiver.behave(f"/{fault}", fault)
            await listen(
                desk, shop.alice, receiver, f"/{fault}", types=("activation.completed", "activation.created")
            )
        await _pile_up(desk, shop, 5_000)
        for path in GOOD:
            await listen(desk, shop.alice, receiver, path, types=("activation.completed",))
        async with courier_of(desk) as courier:
            stop = asyncio.Event()
            running = asyncio.create_task(courier.run(stop))
            await asyncio.sleep(1.5)  # the slow ones are being waited for
            began = {}
            for _ in range(60):
                activation = await complete(desk, shop)
                began[str(activation.public_id)] = time.time()
                await asyncio.sleep(0.02)
            for path in GOOD:
                await receiver.wait_for(path, 60)
            stop.set()
            await running
        took = sorted(
            each.at - began[each.payload["data"]["activation"]["activation_id"]]
            for path in GOOD for each in receiver.at(path)
        )  # fmt: skip
        assert len(took) == 180  # nothing twice, when nobody dies
        print(
            f"good among bad: p50 {took[90] * 1000:.0f} ms, p95 {took[171] * 1000:.0f} ms, worst {took[-1]:.2f} s"
        )
        assert took[171] < 2
        assert await _why_disabled(desk) == {"/410": "it answered 410 Gone"}


async def _pile_up(desk: Desk, shop: Shop, count: int) -> None:
    """As many webhooks due for each endpoint that there is, older than everything else."""
    await buy(desk, shop.alice, IG)
    async with desk.db.connection() as tx:
        await tx.execute(
            "insert into delivery (event_id, endpoint_id, due_at) select e.id, w.id, now() - interval '1 hour'"
            " from event e, webhook_endpoint w, generate_series(1, %s)"
            " where e.type = 'activation.created' and w.url like any (array['%%/hang', '%%/drip'])",
            [count],
        )


async def _why_disabled(desk: Desk) -> dict[str, str]:
    rows = await fetch(desk, "select url, disabled_why from webhook_endpoint where disabled_at is not null")
    return {"/" + url.rpartition("/")[2]: why for url, why in rows}


async def test_outcomes_of_every_fault(desk: Desk, shop: Shop) -> None:
    """What the customer's log says of each, and that only a 2xx within time counts."""
    async with Receiver() as receiver:
        quick = [fault for fault in FAULTS if fault not in SLOW]
        for fault in [*quick, "ok"]:
            receiver.behave(f"/{fault}", fault)
            await listen(desk, shop.alice, receiver, f"/{fault}", types=("activation.created",))
        await buy(desk, shop.alice, IG)
        async with courier_of(desk) as courier:
            await courier.settle()
        await receiver.down()
        await receiver.up()
        rows = await fetch(
            desk,
            "select e.url, a.status, a.error, length(a.answer), d.delivered_at is not null from delivery_attempt a"
            " join delivery d on d.id = a.delivery_id join webhook_endpoint e on e.id = d.endpoint_id",
        )
        found = {
            url.rpartition("/")[2]: (status, error, length, ok) for url, status, error, length, ok in rows
        }
        assert found == {
            "500": (500, None, 2, False),
            "410": (410, None, 2, False),
            "301": (301, None, 0, False),
            "429": (429, None, 0, False),
            "huge": (200, None, 2_048, True),
            "reset": (None, "the connection broke before the answer was whole", None, False),
            "ok": (200, None, 6, True),
        }


async def test_several_couriers_send_nothing_twice(desk: Desk) -> None:
    """Four workers on one queue: 200 completed activations, each webhook sent once."""
    shop = await fill_shop(desk, numbers=250)
    async with Receiver() as receiver, contextlib.AsyncExitStack() as stack:
        for path in GOOD:
            await listen(desk, shop.alice, receiver, path)
        couriers = [await stack.enter_async_context(courier_of(desk)) for _ in range(4)]
        for _ in range(200):
            await complete(desk, shop)
        await asyncio.gather(*(courier.settle() for courier in couriers))
        counts = Counter((each.path, each.webhook_id) for each in receiver.heard)
        assert len(counts) == 3 * 600
        assert set(counts.values()) == {1}


async def test_a_receiver_that_was_down_gets_everything(desk: Desk, shop: Shop) -> None:
    """What was due meanwhile is tried again; nobody needs to ask for it."""
    async with Receiver() as receiver, courier_of(desk) as courier:
        await listen(desk, shop.alice, receiver)
        await receiver.down()
        stop = asyncio.Event()
        running = asyncio.create_task(courier.run(stop))
        for _ in range(5):
            await complete(desk, shop)
        await asyncio.sleep(0.7)
        await receiver.up()
        await receiver.wait_for("/hook", 15, within_s=30)
        stop.set()
        await running
        assert receiver.ids("/hook") == await _sent(desk, "/hook")


async def _sent(desk: Desk, path: str) -> set[str]:
    rows = await fetch(
        desk,
        "select 'evt_' || d.event_id || '_' || e.public_id from delivery d"
        " join webhook_endpoint e on e.id = d.endpoint_id where e.url like %s",
        f"%{path}",
    )
    return {row[0] for row in rows}


class Story:
    """Activations bought and completed at a site while it is killed, and what the receiver heard of them."""

    def __init__(self, site: Site, receiver: Receiver, rng: Random) -> None:
        self._site = site
        self._receiver = receiver
        self._rng = rng
        self.completed: set[str] = set()
        self._sms_ids = iter(range(1, 10**9))

    async def prepare(self) -> None:
        """Endpoints: the good ones, a moody one, and one for each fault that does not end it."""
        bad = [fault for fault in FAULTS if fault != "410"]
        for fault in bad:
            self._receiver.behave(f"/{fault}", fault)
        self._receiver.behave("/moody", "500", "reset", "429", *["ok"] * 9)
        for path in (*GOOD, "/moody", *(f"/{fault}" for fault in bad)):
            made = await asyncio.to_thread(
                self._site.call, "POST", "/api/v1/webhooks", {"url": self._receiver.url(path)}
            )
            assert made[0] == 200, made[1]

    async def shop(self, count: int, at_once: int = 8) -> None:
        """Complete so many activations, whatever happens to the site meanwhile."""
        left = iter(range(count))
        demo = self._site.demo
        async with Crowd(self._site.url, demo["api_key"], demo["agent_key"]) as crowd:

            async def customer() -> None:
                for _ in left:
                    await self._complete_one(crowd)
                    await asyncio.sleep(self._rng.uniform(0, 0.05))

            await asyncio.gather(*(customer() for _ in range(at_once)))

    async def _complete_one(self, crowd: Crowd) -> None:
        key = secrets.token_hex(8)
        activation = (await _until_ok(lambda: crowd.buy(key)))["activation"]
        sms_id = next(self._sms_ids)
        await _until_ok(lambda: crowd.push(activation["phone"], "Your code is 4711", sms_id))
        self.completed.add(activation["activation_id"])

    async def check(self, dsn: str) -> None:
        """At every good endpoint, and at the moody one: all that was sent, nothing else, and every activation."""
        for path in (*GOOD, "/moody"):
            sent = await asyncio.to_thread(_sent_to, dsn, path)
            assert len(sent) == 3 * len(self.completed)
            async with _hurrying(dsn):
                await self._receiver.wait_for(path, len(sent), within_s=120)
            assert self._receiver.ids(path, acknowledged=False) == sent
            told = {
                each.payload["data"]["activation"]["activation_id"]
                for each in self._receiver.at(path)
                if each.payload["type"] == "activation.completed"
            }
            assert told == self.completed


async def _until_ok(act: Any) -> Any:
    """Again with the same key, as a careful customer does."""
    until = time.monotonic() + 60
    while not (answer := await act()).is_ok:
        assert answer.is_unknown or answer.status < 0, answer
        assert time.monotonic() < until
        await asyncio.sleep(0.2)
    return answer.body


@contextlib.asynccontextmanager
async def _hurrying(dsn: str) -> AsyncIterator[None]:
    """The pauses of retries go by in a second."""

    async def hurry() -> None:
        while True:
            await asyncio.to_thread(_hurry, dsn)
            await asyncio.sleep(1)

    hurrying = asyncio.create_task(hurry())
    yield
    hurrying.cancel()
    await asyncio.gather(hurrying, return_exceptions=True)


def _hurry(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update delivery set due_at = now() where due_at > now() and endpoint_id ="
            " (select id from webhook_endpoint where url like '%/moody')"
        )


def _sent_to(dsn: str, path: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select 'evt_' || d.event_id || '_' || e.public_id from delivery d"
            " join webhook_endpoint e on e.id = d.endpoint_id where e.url like %s",
            [f"%{path}"],
        ).fetchall()
    return {row[0] for row in rows}


async def kill_while_shopping(site: Site, activations: int, kills: int) -> None:
    """The group killed again and again while activations complete and receivers misbehave."""
    rng = chance("webhooks and kills")
    await asyncio.to_thread(site.start)
    async with Receiver(rng.randrange(2**32)) as receiver:
        story = Story(site, receiver, rng)
        await story.prepare()
        shopping = asyncio.create_task(story.shop(activations))
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(1.0, 2.5))
            await asyncio.to_thread(site.kill)
            await asyncio.to_thread(site.start)
        await shopping
        await story.check(site.environment["DATABASE_URL"])
        repeated = Counter((each.path, each.webhook_id) for each in receiver.heard if each.path in GOOD)
        print(
            f"{len(story.completed)} activations, {kills} kills: {len(repeated)} webhooks to good endpoints,"
            f" {sum(repeated.values()) - len(repeated)} of them repeated"
        )


@pytest.fixture
def killed_site(tmp_path: Path, database_url: str) -> Any:
    """A site whose webhooks may go to this machine."""
    running = Site(tmp_path / "home", database_url, **ALLOWED)
    yield running
    running.stop()
    assert audit.run(database_url) == []


async def test_kills_lose_no_webhook(killed_site: Site) -> None:
    """60 activations, 3 kills: the set of webhooks heard is the set that was sent."""
    await kill_while_shopping(killed_site, 60, 3)


@pytest.mark.soak
async def test_twenty_kills_lose_no_webhook(killed_site: Site) -> None:
    """1,000 activations, 20 kills."""
    await kill_while_shopping(killed_site, 1_000, 20)
