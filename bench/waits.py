"""A thousand who wait, in each of the three ways: how soon after its push a message is with them."""

import asyncio
import contextlib
import json
import random
import re
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench import fill
from bench.ground import Ground, Running, settle
from bench.streams import _cpu_s as cpu_s
from bench.streams import _cuts
from bench.table import Line, told
from ringlet import stocktaking
from ringlet.desk import Desk

CUSTOMERS = 20
POLLS, STREAMS = 900, 100
PUSHES_PER_S = 20
#: so many before those that count, for the plans of the first statements
WARMING = 20
WAIT_S = 60
PUSHING_CONNECTIONS = 8
HEARD_WITHIN_S = 10.0
P50_MAX_MS, P99_MAX_MS = 20, 100
SEED = 7
#: webhooks may go to this machine
ALLOWED = {"RINGLET_WEBHOOK_HTTP": "1", "RINGLET_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TOLD = re.compile(rb'event: activation\.(message|completed)\ndata: [^\n]*?"activation_id":"(\d+)"')
POSTED = re.compile(rb'"type":"activation\.(message|completed)".*?"activation_id":"(\d+)"')


@dataclass(frozen=True)
class Bought:
    """An activation that waits for its code."""

    id: str
    phone: str
    key: str


@dataclass
class Log:
    """When what came, all on the clock of this process; by activation."""

    pushed: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    polled: dict[str, float] = field(default_factory=dict)
    #: activation and event → each of its customer's streams
    streamed: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    posted: dict[tuple[str, str], float] = field(default_factory=dict)
    renewed: int = 0
    opened: int = 0


class Http(asyncio.Protocol):
    """Whole requests or answers with a length, one after the other."""

    transport: asyncio.Transport
    _got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Kept for writing."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own are none by class

    def data_received(self, data: bytes) -> None:
        """Hand on what is whole."""
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self._got, 0, end)
            begins = end + 4
            ends = begins + (int(found[1]) if found else 0)
            if len(self._got) < ends:
                return
            head, body, self._got = self._got[:end], self._got[begins:ends], self._got[ends:]
            self.came(head, body, time.perf_counter())

    def came(self, head: bytes, body: bytes, at: float) -> None:
        """One request or answer."""
        raise NotImplementedError


class Poller(Http):
    """Asks about one activation until its code is there, then about another one."""

    def __init__(self, log: Log, crowd: "Crowd") -> None:
        self._log, self._crowd = log, crowd
        self._about: Bought | None = None

    def ask(self, about: Bought, wait_s: int) -> None:
        """Hold the line."""
        self._about = about
        self._crowd.polled[about.id] = about
        self.transport.write(
            f"GET /api/v1/resell/virtual/{about.id}/status?wait={wait_s} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {about.key}\r\n\r\n".encode()
        )

    def came(self, head: bytes, body: bytes, at: float) -> None:
        """The code, or nothing yet."""
        assert head.startswith(b"HTTP/1.1 200"), head + body
        assert self._about is not None
        if json.loads(body)["code"] is None:
            self._log.renewed += 1
            self.ask(self._about, WAIT_S)
            return
        self._log.polled[self._about.id] = at
        self.ask(self._crowd.spare.pop(), WAIT_S)


class Listener(asyncio.Protocol):
    """One event stream."""

    def __init__(self, log: Log, key: str) -> None:
        self._log, self._key, self._got = log, key, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for it."""
        cast("asyncio.Transport", transport).write(
            f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Blocks; the first one says how soon to come again."""
        at = time.perf_counter()
        whole, end, self._got = (self._got + data).rpartition(b"\n\n")
        if not end:
            return
        self._log.opened += b"retry: 2000" in whole
        for type_, activation in TOLD.findall(whole):
            self._log.streamed.setdefault((activation.decode(), type_.decode()), []).append(at)


class Receiver(Http):
    """A customer's program: it takes the webhook and says so."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def came(self, head: bytes, body: bytes, at: float) -> None:  # noqa: ARG002
        """Written down before it is answered."""
        if found := POSTED.search(body):
            self._log.posted.setdefault((found[2].decode(), found[1].decode()), at)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Owner(Http):
    """Pushes messages, one after the other."""

    def __init__(self, log: Log, idle: "asyncio.Queue[Owner]") -> None:
        self._log, self._idle = log, idle
        self._about = ""

    def push(self, agent_key: str, number: int, to: Bought) -> None:
        """The clock begins."""
        text = f"Your Instagram code is {100_000 + number}"
        body = json.dumps({"action": "PUSH_SMS", "key": agent_key, "smsId": number, "phone": int(to.phone),
                           "phoneFrom": "Instagram", "text": text}).encode()  # fmt: skip
        self._about = to.id
        self._log.pushed[to.id] = time.perf_counter()
        self.transport.write(
            b"POST /agent/api/sms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def came(self, head: bytes, body: bytes, at: float) -> None:
        """It is in the database."""
        assert b"SUCCESS" in body, head + body
        self._log.answered[self._about] = at
        self._idle.put_nowait(self)


@dataclass
class Crowd:
    """Those who wait, those who push and those who are posted to: all in this process, in one loop."""

    port: int
    agent_key: str
    #: activations that nobody asks about yet
    spare: list[Bought]
    #: those that somebody asks about
    polled: dict[str, Bought] = field(default_factory=dict)
    log: Log = field(default_factory=Log)

    async def wait(self, keys: Sequence[str], listener: socket.socket) -> None:
        """Open all; returns when the last one stands."""
        loop, chance = asyncio.get_running_loop(), random.Random(SEED)
        await loop.create_server(lambda: Receiver(self.log), sock=listener)
        for index in range(STREAMS):
            key = keys[index % len(keys)]
            await loop.create_connection(lambda key=key: Listener(self.log, key), "127.0.0.1", self.port)  # type: ignore[misc]
        for _ in range(POLLS):
            _, poller = await loop.create_connection(lambda: Poller(self.log, self), "127.0.0.1", self.port)
            # They end one by one from now on and are opened again, as of clients that came at different times.
            poller.ask(self.spare.pop(), chance.randint(3, WAIT_S))
        while self.log.opened < STREAMS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(2)

    async def push(self, count: int, first: int) -> list[str]:
        """To so many who wait for a code, at a gentle and uneven pace; returns to whom."""
        chance = random.Random(SEED + first)
        loop = asyncio.get_running_loop()
        idle: asyncio.Queue[Owner] = asyncio.Queue()
        owners = []
        for _ in range(PUSHING_CONNECTIONS):
            transport, owner = await loop.create_connection(
                lambda: Owner(self.log, idle), "127.0.0.1", self.port
            )
            idle.put_nowait(owner)
            owners.append(transport)
        reached, next_at = [], time.perf_counter()
        for number in range(first, first + count):
            next_at += chance.uniform(0.5, 1.5) / PUSHES_PER_S
            await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
            owner = await idle.get()
            to = self.polled.pop(chance.choice(list(self.polled)))
            owner.push(self.agent_key, number, to)
            reached.append(to.id)
        until = time.perf_counter() + HEARD_WITHIN_S
        while not self._is_heard(reached) and time.perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for transport in owners:
            transport.close()
        return reached

    def _is_heard(self, reached: Sequence[str]) -> bool:
        log = self.log
        return all(
            each in log.polled and (each, "completed") in log.posted
            and len(log.streamed.get((each, "completed"), ())) == STREAMS // CUSTOMERS
            for each in reached
        )  # fmt: skip


def measure(ground: Ground, pushes: int) -> list[Line]:
    """The part `waits`."""
    url = ground.database("waits")
    people = fill.customers(ground, url, CUSTOMERS)
    needed = POLLS + WARMING + pushes
    fill.shelf(url, "ig", needed, first=40_000_000_000)

    async def agent_key(desk: Desk) -> str:
        return await stocktaking.issue_agent_key(desk, "bench")

    owner_key = ground.at_desk(url, agent_key)
    settle(url)
    with (
        _allowed(ground),
        ground.site(url, with_worker=False) as web,
        ground.worker(url) as worker,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        crowd = Crowd(web.port, owner_key, _buy(web, people.keys, needed))
        for key in people.keys:
            hook = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
            status, body, _ = web.call("/api/v1/webhooks", key, json.dumps({"url": hook}).encode())
            assert status == 200, body
        lines = uvloop.run(_run(crowd, people.keys, listener, pushes, (web.pid, worker.pid)))
    ground.drop(url)
    return lines


@contextlib.contextmanager
def _allowed(ground: Ground) -> Iterator[None]:
    before = dict(ground.environment)
    ground.environment.update(ALLOWED)
    try:
        yield
    finally:
        ground.environment = before


def _buy(web: Running, keys: Sequence[str], count: int) -> list[Bought]:
    def one(index: int) -> Bought:
        key = keys[index % len(keys)]
        status, body, _ = web.call("/api/v1/resell/virtual/buy", key, b'{"service":"ig","country":6}')
        assert status == 200, body
        found = json.loads(body)["activation"]
        return Bought(found["activation_id"], str(found["phone"]).lstrip("+"), key)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(count)))


async def _run(
    crowd: Crowd, keys: Sequence[str], listener: socket.socket, pushes: int, pids: tuple[int, int]
) -> list[Line]:
    log = crowd.log
    await crowd.wait(keys, listener)
    await crowd.push(WARMING, first=1)
    renewed, before, own, began = (
        log.renewed,
        [cpu_s(pid) for pid in pids],
        time.process_time(),
        time.perf_counter(),
    )
    reached = await crowd.push(pushes, first=1 + WARMING)
    took_s = time.perf_counter() - began
    web, worker = ((cpu_s(pid) - was) / took_s for pid, was in zip(pids, before, strict=True))
    client = (time.process_time() - own) / took_s
    streamed = [(each, at) for each in reached for at in log.streamed.get((each, "message"), ())]
    each_to = STREAMS // CUSTOMERS
    heard = (
        f"{sum(each in log.polled for each in reached)} + {len(streamed):,}"
        f" + {sum((each, 'message') in log.posted for each in reached)}"
    )
    wanted = f"{pushes} + {pushes * each_to:,} + {pushes}"
    ms = _Since(log.pushed)
    return [
        told("waits", "open meanwhile", f"{POLLS} long polls, {STREAMS} event streams; "
             f"{(log.renewed - renewed) / took_s:.0f} polls/s ended empty and were opened again"),
        told("waits", f"{PUSHES_PER_S} pushes/s, the owner's answer",
             _cuts(ms.of((each, log.answered[each]) for each in reached if each in log.answered))),
        _line("in the long poll's answer", ms.of((e, log.polled[e]) for e in reached if e in log.polled)),
        _line(f"in each of {each_to} event streams", ms.of(iter(streamed))),
        _line("at the webhook's receiver", ms.of(_posted(log, reached, "message"))),
        told("waits", "the second webhook, activation.completed", _cuts(ms.of(_posted(log, reached, "completed")))),
        Line("waits", "told", f"{heard} of {wanted}", "all", holds=heard == wanted),
        told("waits", "meanwhile", f"web {web:.0%} of a core, worker {worker:.0%}, this client {client:.0%}"),
    ]  # fmt: skip


def _posted(log: Log, reached: Sequence[str], type_: str) -> Iterator[tuple[str, float]]:
    return ((each, log.posted[each, type_]) for each in reached if (each, type_) in log.posted)


@dataclass(frozen=True)
class _Since:
    pushed: dict[str, float]

    def of(self, came: Iterator[tuple[str, float]]) -> list[float]:
        """Milliseconds since the push."""
        return [(at - self.pushed[each]) * 1000 for each, at in came]


def _line(what: str, found_ms: Sequence[float]) -> Line:
    cuts = statistics.quantiles(found_ms, n=100)
    return Line("waits", what, _cuts(found_ms), f"p50 < {P50_MAX_MS} ms, p99 < {P99_MAX_MS} ms",
                holds=cuts[49] < P50_MAX_MS and cuts[98] < P99_MAX_MS)  # fmt: skip
