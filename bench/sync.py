"""A supplier's full price list: how fast it is taken over, and what sales lose while it is."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from itertools import count, product
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.supplier import KEY
from tests.site import free_port

from bench import fill, load
from bench.ground import Ground, query, settle
from bench.load import Part, Plan
from bench.rates import CONNECTIONS, CUSTOMERS, buy_scripts
from bench.table import Line, alternate, at_least, rate, ratio, told
from ringlet import canon
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.settings import load as load_settings
from ringlet.supplying import enlist, known, sync
from ringlet.supplying.sync import Synced

COUNTRIES, SERVICES = 205, 800
NAME = "upstream"
#: one line in a hundred has another price in the second list
CHANGED_EVERY = 100
#: the shortest interval that a supplier can be given
EVERY_S = 5


def measure(ground: Ground, seconds: float, rounds: int, *, with_sales: bool) -> list[Line]:
    """The part `sync`; `with_sales` also sells from own stock while lists are taken over again and again."""
    url = ground.database("sync")
    people = fill.customers(ground, url, CUSTOMERS)
    fill.shelf(url, "ig", int(20_000 + 8_000 * seconds * rounds), first=30_000_000_000)
    settle(url)
    with fake() as steer:
        steer(cells=price_list(0))
        ground.at_desk(url, lambda desk: _enlist(desk, steer.url))
        first = _sync(ground, url)
        steer(cells=price_list(1))
        second = _sync(ground, url)
        third = _sync(ground, url)
        rows = query(url, "select count(*) from offer where source_id <> 0")[0][0]
        lines = [
            told("sync", "offers", f"{rows:,}"),
            Line("sync", "first list", _spelled(first), "< 10 s", holds=first.seconds < 10),
            Line("sync", "one line in a hundred changed", _spelled(second),
                 "writes 1 %, faster than the first",
                 holds=second.new == 0 and second.changed == second.cells // CHANGED_EVERY
                 and second.seconds < first.seconds),
            told("sync", "the same list again", _spelled(third)),
        ]  # fmt: skip
        if with_sales:
            lines += _beside_sales(ground, url, people, steer, seconds, rounds)
    ground.drop(url)
    return lines


async def _enlist(desk: Desk, address: str) -> None:
    await enlist.add(desk, NAME, "handler-api", address, KEY, requests_per_s=1_000)


def _sync(ground: Ground, url: str) -> Synced:
    async def once(desk: Desk) -> Synced:
        done = await sync.sync(desk, await known.reach(desk, NAME))
        assert done is not None
        return done

    return ground.at_desk(url, once)


def _spelled(done: Synced) -> str:
    return f"{done.seconds:.2f} s, {done.new:,} new, {done.changed:,} changed"


def price_list(turn: int) -> list[list[object]]:
    """Every canonical country and the first services; another turn changes one price in a hundred."""
    countries = list(canon.countries())[:COUNTRIES]
    services = list(canon.services())[:SERVICES]
    return [
        [str(country), service, "any", _cost(index, turn), 1 + index % 500]
        for index, (country, service) in enumerate(product(countries, services))
    ]


def _cost(index: int, turn: int) -> str:
    # Dearer than own stock, so that all sales of this bench are from there.
    changed = turn if index % CHANGED_EVERY == 0 else 0
    return f"{1 + index * 7919 % 65_536 / 65_536 + changed / 1_000:.4f}"


class Fake:
    """The supplier's process, steered by its `/_set`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/stubs/handler_api.php"
        self._set = f"http://127.0.0.1:{port}/_set"

    def __call__(self, **values: object) -> None:
        request = urllib.request.Request(self._set, json.dumps(values).encode(), method="POST")
        urllib.request.urlopen(request, timeout=60).close()


@contextlib.contextmanager
def fake() -> Iterator[Fake]:
    """A fake supplier in a process of its own, ended with the block."""
    port = free_port()
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "tests.fakes.supplier", "--dialect", "handler-api", "--port", str(port)]
    process = subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    steer, until = Fake(port), time.monotonic() + 30
    try:
        while True:
            try:
                steer()
                break
            except OSError:
                assert time.monotonic() < until, "the fake supplier does not answer"
                time.sleep(0.05)
        yield steer
    finally:
        process.terminate()
        process.wait()


def _beside_sales(
    ground: Ground, url: str, people: fill.Customers, steer: Fake, seconds: float, rounds: int
) -> list[Line]:
    """Sales from own stock at rest, and while a process takes over one list after the other."""
    # The worker of the installation would sync by itself; here the process beside it does.
    query(url, "update supplier set sync_every_s = 80000, stale_after_s = 90000 returning 1")
    run_s = max(seconds, 2 * EVERY_S)

    def sell() -> Part:
        return load.run(Plan(site.port, buy_scripts(people), CONNECTIONS, run_s)).whole

    def sell_beside() -> Part:
        with _syncing(ground, url, steer):
            return sell()

    with ground.site(url) as site:
        time.sleep(3)  # its worker has counted the shelves
        found = alternate(rounds, {"rest": sell, "sync": sell_beside})
    return [
        told("sync", "buy from own stock, no sync", rate(found, "rest")),
        told("sync", f"buy while a list is taken over every {EVERY_S} s", rate(found, "sync")),
        at_least("sync", "buy with / without", ratio(found, "sync", "rest"), 0.80),
    ]


@contextlib.contextmanager
def _syncing(ground: Ground, url: str, steer: Fake) -> Iterator[None]:
    """A process that takes over the list again and again, as a worker does, as long as the block runs."""
    command = [sys.executable, "-m", "bench.sync", steer.url]
    environment = {**ground.environment, "DATABASE_URL": url}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline(), "the syncing process ended"
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(60)


async def keep_syncing(address: str) -> None:
    """`python -m bench.sync ADDRESS`: one list every few seconds, another hundredth changed each time."""
    settings = load_settings()
    assert settings.database_url is not None
    stop = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    steer = Fake(urlsplit(address).port or 0)
    async with open_desk(settings, settings.database_url) as desk:
        supplier = await known.reach(desk, NAME)
        print("ready", flush=True)
        for turn in count(2):
            await asyncio.to_thread(steer, cells=price_list(turn)[::CHANGED_EVERY])
            await sync.sync(desk, supplier)
            await asyncio.wait([stop], timeout=EVERY_S)
            if stop.done():
                return


if __name__ == "__main__":
    asyncio.run(keep_syncing(sys.argv[1]))
