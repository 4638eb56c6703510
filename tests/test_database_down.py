"""PostgreSQL stopped hard in the middle of buys: an honest 503, ready again soon, no sale lost."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from ringlet import audit, demo, embedded
from ringlet.embedded import EmbeddedServer, locks
from tests.crowd import Answer, Crowd, chance
from tests.load import Load, check
from tests.site import Site
from tests.test_kill import end

PER_S = 40
READY_AGAIN_S = 15.0  # generous: the machine has other things to do; the soak measures the promise
PROMISED_S = 5.0
#: "immediate" shutdown, and the postmaster killed so that its children are left to find out
CRASHES = (signal.SIGQUIT, signal.SIGKILL)


@dataclass(slots=True)
class Rig:
    """A site on a database server of its own, which can be crashed without disturbing other tests."""

    home: Path
    server: EmbeddedServer
    url: str
    site: Site

    def crash(self, how: signal.Signals) -> None:
        """Return when no process of the server is left."""
        pid_file = self.home / "postgres" / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split("\n", 1)[0]), how)
        until = time.monotonic() + 10
        while locks.server_runs(self.server._layout):
            assert time.monotonic() < until, "PostgreSQL does not stop"
            time.sleep(0.01)

    def wait_until_ready(self, within_s: float) -> float:
        """Seconds from now until the site says that it is ready."""
        began = time.monotonic()
        while not self.site.is_ready():
            assert time.monotonic() - began < within_s, "not ready again"
            time.sleep(0.02)
        return time.monotonic() - began


@pytest.fixture
def rig(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    # A short name: a socket whose path is too long is reached by a way that only this process knows.
    home = tmp_path_factory.mktemp("pg")
    server = embedded.acquire(home)
    info = psycopg.conninfo.conninfo_to_dict(server.dsn)
    url = f"postgresql://{info['user']}@/{info['dbname']}?host={quote(str(info['host']), safe='')}"
    made = Rig(home, server, url, Site(tmp_path / "home", url))
    try:
        made.site.start()
        yield made
    finally:
        made.site.stop()
        server.ensure()
        server.release()


async def crash_under_load(
    rig: Rig, rng: random.Random, crashes: int, *, down_s: float, ready_within_s: float
) -> Load:
    """Crash the database in the middle of buys, look at what the site says meanwhile, start it again."""
    site, took = rig.site, []
    async with Crowd(site.url, site.demo["api_key"], site.demo["agent_key"], connections=100) as crowd:
        load = Load(crowd, rng, PER_S)
        async with load.running():
            for number in range(crashes):
                await asyncio.sleep(rng.uniform(0.3, 1.0))
                await asyncio.to_thread(rig.crash, CRASHES[number % len(CRASHES)])
                await _check_answers_while_down(crowd)
                await asyncio.sleep(down_s)
                await asyncio.to_thread(rig.server.ensure)
                took.append(await asyncio.to_thread(rig.wait_until_ready, ready_within_s))
            await asyncio.sleep(1)
        await load.settle()
    print(f"{crashes} crashes, {load.summary()}, ready {max(took):.2f} s after PostgreSQL at the slowest")
    return load


async def _check_answers_while_down(crowd: Crowd) -> None:
    health, ready, bought, balance, push = await asyncio.gather(
        crowd.call("GET", "/healthz"),
        crowd.call("GET", "/readyz"),
        crowd.buy(),
        crowd.call("GET", "/api/v1/balance"),
        crowd.push("6281234567890", "Your code is 1234", 2**60),
    )
    assert health.status == 200
    assert ready.status == 503
    for answer in (bought, balance):
        _assert_unavailable(answer)
    assert (push.status, push.body["status"]) == (503, "ERROR")


def _assert_unavailable(answer: Answer) -> None:
    """503 with a time to come back, in the contract's form and with nothing of ours in it."""
    assert (answer.status, answer.code) == (503, "service_unavailable"), answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.body.keys() == {"success", "code", "message", "request_id"}
    assert not any(word in str(answer.body).lower() for word in ("traceback", "psycopg", "postgres"))


def check_books(rig: Rig, load: Load) -> None:
    rig.site.stop()
    check(rig.url, load, demo.BALANCE_MICROS)
    assert audit.run(rig.url) == []


async def test_crashes_of_the_database_lose_no_sale(rig: Rig) -> None:
    """Five crashes in the middle of buys: 503 with Retry-After, then everything as it was told."""
    load = await crash_under_load(rig, chance("database"), 5, down_s=0.3, ready_within_s=READY_AGAIN_S)
    check_books(rig, load)
    assert load.statuses[503] > 0
    assert sum(each.bought == "ok" for each in load.purchases) >= 50


@pytest.mark.soak
async def test_twenty_crashes_lose_no_sale(rig: Rig) -> None:
    """20 crashes; ready within 5 s after PostgreSQL."""
    load = await crash_under_load(rig, chance("20 crashes"), 20, down_s=0.5, ready_within_s=PROMISED_S)
    check_books(rig, load)
    assert load.statuses[503] > 0


@pytest.mark.soak
async def test_a_long_outage_heals_by_itself(rig: Rig) -> None:
    """Longer than the pool keeps trying: a minute later the site is back without anybody's help."""
    load = await crash_under_load(rig, chance("outage"), 1, down_s=60, ready_within_s=PROMISED_S)
    check_books(rig, load)
    assert sum(each.bought == "ok" for each in load.purchases) >= 10


async def test_the_embedded_server_is_started_again(tmp_path: Path) -> None:
    """`serve` looks after its own PostgreSQL: killed, it is back by itself."""
    site = Site(tmp_path / "home")
    try:
        await asyncio.to_thread(site.start)
        async with Crowd(site.url, site.demo["api_key"]) as crowd:
            bought = await crowd.buy("before")
            pid_file = site.home / "postgres" / "data" / "postmaster.pid"
            os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGKILL)
            until = time.monotonic() + READY_AGAIN_S
            while not (again := await crowd.buy("before")).is_ok:
                assert again.is_unknown, again
                assert time.monotonic() < until, "nobody started PostgreSQL again"
                await asyncio.sleep(0.1)
            assert again.body["activation"]["activation_id"] == bought.body["activation"]["activation_id"]
        assert site.audit() == ""
    finally:
        end(site)
