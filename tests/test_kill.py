"""Everything killed with -9 under load, again and again: what was acknowledged is in the books, once."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringlet import audit, demo, embedded
from tests.crowd import Crowd, chance
from tests.load import Load, check
from tests.site import Site

PER_S = 40
GENEROUS_S = 60.0
PROMISED_S = 5.0
WITH_RECOVERY_S = 15.0  # PostgreSQL replays its log and waits for what is left of the old server


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """An installation with its embedded database, whatever the other tests stand on."""
    running = Site(tmp_path / "home")
    yield running
    end(running)


def end(site: Site) -> None:
    """Nothing of it is left, however the test went."""
    if site.process is not None and site.process.poll() is None:
        site.kill()
    if (site.home / "postgres").exists():
        embedded.acquire(site.home).release()  # the last user stops the database


def postmaster_of(site: Site) -> int:
    pid_file = site.home / "postgres" / "data" / "postmaster.pid"
    return int(pid_file.read_text().split("\n", 1)[0])


def kill(site: Site, *, database: bool) -> None:
    """As a power cut would: our whole group, and PostgreSQL too when `database`."""
    postmaster = postmaster_of(site)
    site.kill()
    if database:
        os.kill(postmaster, signal.SIGKILL)


async def kill_under_load(
    site: Site, rng: random.Random, kills: int, *, database: bool, ready_within_s: float
) -> Load:
    """Load all the time, a kill about every second; returns the load with all that its customers saw."""
    starts = [await asyncio.to_thread(site.start, ready_within_s=GENEROUS_S)]
    async with Crowd(site.url, site.demo["api_key"], site.demo["agent_key"], connections=100) as crowd:
        load = Load(crowd, rng, PER_S)
        async with load.running():
            for _ in range(kills):
                await asyncio.sleep(rng.uniform(0.3, 1.7))
                await asyncio.to_thread(kill, site, database=database)
                starts.append(await asyncio.to_thread(site.start, ready_within_s=ready_within_s))
            await asyncio.sleep(0.5)
        await load.settle()
    slowest = max(starts[1:])
    print(f"{kills} kills, {load.summary()}, ready again after {slowest:.2f} s at the slowest")
    return load


def check_books(site: Site, load: Load) -> None:
    """With the site ended in good order, on its own database."""
    site.stop()
    server = embedded.acquire(site.home)
    try:
        check(server.dsn, load, demo.BALANCE_MICROS)
        assert audit.run(server.dsn) == []
    finally:
        server.release()


def assert_load_was_real(load: Load, kills: int) -> None:
    """A run in which nothing was sold or nothing was cut short would show nothing."""
    assert sum(each.bought == "ok" for each in load.purchases) >= 5 * kills
    assert load.statuses[0] + load.statuses[-1] > 0


async def test_kills_under_load_lose_nothing(own_site: Site) -> None:
    """The process group killed under load: every acknowledged sale is there, nothing is charged twice."""
    load = await kill_under_load(own_site, chance("kill"), 8, database=False, ready_within_s=GENEROUS_S)
    check_books(own_site, load)
    assert_load_was_real(load, 8)


async def test_kills_with_the_database_lose_nothing(own_site: Site) -> None:
    """The same with PostgreSQL killed in the same moment."""
    load = await kill_under_load(own_site, chance("kill all"), 2, database=True, ready_within_s=GENEROUS_S)
    check_books(own_site, load)
    assert_load_was_real(load, 2)


@pytest.mark.soak
@pytest.mark.parametrize("database", [False, True], ids=["processes", "with the database"])
async def test_sixty_kills_lose_nothing(tmp_path: Path, database: bool) -> None:
    """60 kills with leases of a minute that end meanwhile; ready again within 5 s each time."""
    site = Site(tmp_path / "home", RINGLET_LEASE_MINUTES="1")
    try:
        load = await kill_under_load(
            site,
            chance("sixty kills"),
            60,
            database=database,
            ready_within_s=WITH_RECOVERY_S if database else PROMISED_S,
        )
        check_books(site, load)
        assert_load_was_real(load, 60)
    finally:
        end(site)


@pytest.mark.parametrize("room", ["web", "worker"])
async def test_a_dead_process_is_replaced(own_site: Site, room: str) -> None:
    """`serve` starts a killed child again; customers saw a broken connection at the worst."""
    await asyncio.to_thread(own_site.start)
    async with Crowd(own_site.url, own_site.demo["api_key"], own_site.demo["agent_key"]) as crowd:
        load = Load(crowd, chance(f"kill {room}"), PER_S)
        async with load.running():
            await asyncio.sleep(0.5)
            dead = child_of(own_site, room)
            assert dead is not None
            os.kill(dead, signal.SIGKILL)
            await asyncio.to_thread(wait_for_another, own_site, room, dead)
        await load.settle()
    print(load.summary())
    check_books(own_site, load)


def child_of(site: Site, room: str) -> int | None:
    """The pid of the child that runs `ringlet ROOM`."""
    assert site.process is not None
    pid = site.process.pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if room.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    return None


def wait_for_another(site: Site, room: str, dead: int) -> None:
    until = time.monotonic() + GENEROUS_S
    while child_of(site, room) in {None, dead} or not site.is_ready():
        assert time.monotonic() < until, f"no new {room} process"
        time.sleep(0.05)
