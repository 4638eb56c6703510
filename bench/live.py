"""A thousand people watch their live numbers at one web process: how soon after its push a code is in their card."""

import asyncio
import random
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench import fill
from bench.ground import Ground, Running, settle
from bench.load import VoidRunError
from bench.streams import _cpu_s as cpu_s
from bench.streams import _cuts
from bench.table import Line, told
from bench.waits import PUSHING_CONNECTIONS, SEED, WARMING, Bought, Http, Log, Owner, _buy
from ringlet import stocktaking
from ringlet.desk import Desk
from ringlet.people import persons, sign_in
from ringlet.web.pages.visit import SESSION

PEOPLE = 1_000
PUSHES_PER_S = 20
#: the page's script waits so long for further news of the same moment
SCRIPT_S = 0.01
IDLE_S = 16.0
OPENED_AT_ONCE = 50
OPENED_WITHIN_S = 60.0
SEEN_WITHIN_S = 10.0
P99_MAX_MS = 1_000
CHANGED = re.compile(rb"event: activation\ndata: (\d+)\n")
CODE = re.compile(rb'data-code="(\d+)"')


@dataclass
class Screen:
    """What the thousand browsers have shown."""

    pushes: Log = field(default_factory=Log)
    opened: int = 0
    loaded: int = 0
    #: by activation
    heard: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    failed: list[bytes] = field(default_factory=list)
    #: how long each card took from the request
    fetched_ms: list[float] = field(default_factory=list)


class Page(Http):
    """One request of a browser, on a connection of its own: the panel at first, or a card that has changed."""

    def __init__(self, screen: Screen, session: str, activation: str) -> None:
        self._screen, self._session, self._activation = screen, session, activation
        self._asked_at = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask, as the page's script does."""
        super().connection_made(transport)
        path = f"/live/{self._activation}" if self._activation else "/live?seen=live-0"
        self.transport.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nHX-Request: true\r\nCookie: {SESSION}={self._session}\r\n\r\n".encode()
        )

    def came(self, head: bytes, body: bytes, at: float) -> None:
        """A card, with its code or without."""
        if not head.startswith(b"HTTP/1.1 200"):
            self._screen.failed.append(head[:100] + body[:300])
        self.transport.close()
        if not self._activation:
            self._screen.loaded += 1
            return
        self._screen.fetched_ms.append((at - self._asked_at) * 1000)
        if CODE.search(body):
            self._screen.shown.setdefault(self._activation, at)


class Ear(asyncio.Protocol):
    """The same browser's event stream."""

    def __init__(self, screen: Screen, session: str, port: int) -> None:
        self._screen, self._session, self._port, self._got = screen, session, port, b""
        self._wanted: set[str] = set()
        self._asking: set[asyncio.Task[object]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for it."""
        cast("asyncio.Transport", transport).write(
            f"GET /live/events HTTP/1.1\r\nHost: x\r\nCookie: {SESSION}={self._session}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Blocks; the first one says how soon to come again."""
        whole, end, self._got = (self._got + data).rpartition(b"\n\n")
        if end and b"retry: 2000" in whole:
            self._screen.opened += 1
            self._fetch("")
        for found in CHANGED.findall(whole + b"\n"):
            activation = found.decode()
            self._screen.heard.setdefault(activation, time.perf_counter())
            if activation not in self._wanted:
                self._wanted.add(activation)
                asyncio.get_running_loop().call_later(SCRIPT_S, self._fetch, activation)

    def _fetch(self, activation: str) -> None:
        self._wanted.discard(activation)
        made = asyncio.get_running_loop().create_connection(
            lambda: Page(self._screen, self._session, activation), "127.0.0.1", self._port
        )
        self._asking.add(task := asyncio.create_task(made))  # type: ignore[arg-type]
        task.add_done_callback(self._asking.discard)


def measure(ground: Ground, pushes: int) -> list[Line]:
    """The part `live`."""
    url = ground.database("live")
    people = fill.customers(ground, url, PEOPLE)
    fill.shelf(url, "ig", PEOPLE + 100, first=50_000_000_000)

    async def agent_key(desk: Desk) -> str:
        return await stocktaking.issue_agent_key(desk, "bench")

    owner_key = ground.at_desk(url, agent_key)
    sessions = ground.at_desk(url, _sign_in_all)
    settle(url)
    with ground.site(url, with_worker=False) as web:
        bought = _buy(web, people.keys, PEOPLE)
        lines = uvloop.run(_run(web, sessions, bought, owner_key, pushes))
    ground.drop(url)
    return lines


async def _sign_in_all(desk: Desk) -> list[str]:
    """A session for each customer, in the order of their wallets."""
    found = []
    async with desk.db.transaction() as tx:
        for (customer_id,) in await (await tx.execute("select id from customer order by id")).fetchall():
            person = await persons.by_id(tx, await persons.add(tx, customer_id, None))
            found.append((await sign_in.open_session(tx, desk, person, None, "bench")).token)
    return found


async def _run(
    web: Running, sessions: Sequence[str], bought: Sequence[Bought], owner_key: str, pushes: int
) -> list[Line]:
    screen, before_mib = Screen(), web.memory_mib()
    began = time.perf_counter()
    await _open(screen, web.port, sessions)
    opened_s = time.perf_counter() - began
    memory = f"{before_mib:.0f} → {web.memory_mib():.0f} MiB"
    idle_began = cpu_s(web.pid)
    await asyncio.sleep(IDLE_S)
    idle = (cpu_s(web.pid) - idle_began) / IDLE_S
    chance = random.Random(SEED)
    chosen = chance.sample(list(bought), WARMING + pushes)
    await _push(screen, web.port, owner_key, chosen[:WARMING], first=1)
    cpu, began = cpu_s(web.pid), time.perf_counter()
    screen.fetched_ms.clear()
    await _push(screen, web.port, owner_key, chosen[WARMING:], first=1 + WARMING)
    busy = (cpu_s(web.pid) - cpu) / (time.perf_counter() - began)
    reached = [each.id for each in chosen[WARMING:]]
    log = screen.pushes
    shown_ms = [(screen.shown[each] - log.pushed[each]) * 1000 for each in reached if each in screen.shown]
    heard_ms = [(screen.heard[each] - log.pushed[each]) * 1000 for each in reached if each in screen.heard]
    stored_ms = [(screen.shown[each] - log.answered[each]) * 1000 for each in reached if each in screen.shown]
    if screen.failed:
        raise VoidRunError(f"{len(screen.failed)} refused: {screen.failed[0].decode()}")
    if len(shown_ms) < 2:
        raise VoidRunError(f"{len(shown_ms)} of {pushes} codes were shown")
    p99_ms = statistics.quantiles(shown_ms, n=100)[98]
    return [
        told("live", f"{len(sessions):,} pages opened", f"{opened_s:.1f} s; {memory}"),
        told("live", "idle, with heartbeats and the look after sessions", f"{idle:.1%} of a core"),
        told("live", f"{PUSHES_PER_S} pushes/s: the page hears", _cuts(heard_ms)),
        told("live", "a card fetched in", _cuts(screen.fetched_ms)),
        Line("live", "the code is in its card, after the push", _cuts(shown_ms), f"p99 < {P99_MAX_MS} ms",
             holds=p99_ms < P99_MAX_MS),
        told("live", "the same, after it was stored", _cuts(stored_ms)),
        Line("live", "shown", f"{len(shown_ms)} of {pushes}", "all", holds=len(shown_ms) == pushes),
        told("live", "meanwhile", f"{busy:.0%} of a core"),
    ]  # fmt: skip


async def _open(screen: Screen, port: int, sessions: Sequence[str]) -> None:
    loop = asyncio.get_running_loop()
    for number, session in enumerate(sessions, 1):
        await loop.create_connection(lambda: Ear(screen, session, port), "127.0.0.1", port)  # noqa: B023
        if number % OPENED_AT_ONCE == 0:
            async with asyncio.timeout(OPENED_WITHIN_S):
                while screen.loaded < number:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)


async def _push(screen: Screen, port: int, owner_key: str, chosen: Sequence[Bought], first: int) -> None:
    """To each of these, at a gentle and uneven pace; returns when all have it on their screens, or it is too late."""
    loop, chance = asyncio.get_running_loop(), random.Random(SEED + first)
    idle: asyncio.Queue[Owner] = asyncio.Queue()
    for _ in range(PUSHING_CONNECTIONS):
        _, owner = await loop.create_connection(lambda: Owner(screen.pushes, idle), "127.0.0.1", port)
        idle.put_nowait(owner)
    next_at = time.perf_counter()
    for number, to in enumerate(chosen, first):
        next_at += chance.uniform(0.5, 1.5) / PUSHES_PER_S
        await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
        (await idle.get()).push(owner_key, number, to)
    until = time.perf_counter() + SEEN_WITHIN_S
    while any(each.id not in screen.shown for each in chosen) and time.perf_counter() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
