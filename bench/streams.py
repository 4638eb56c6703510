"""Event streams: five thousand open ones at one web process, what they cost and how soon they tell."""

import os
import re
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import fill
from bench.ground import Ground, Running, connect, settle
from bench.table import Line, told

STREAMS, CUSTOMERS = 5_000, 50
OPENED_AT_ONCE = 100
EVENTS_PER_S = 20
IDLE_S = 16.0  # a heartbeat for each
SEQUENCE = re.compile(rb'"sequence":(\d+)')
P99_MAX_MS = 250


@dataclass
class Crowd:
    """The clients, all in this process: plain sockets in one loop."""

    port: int
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    sockets: list[socket.socket] = field(default_factory=list)
    #: event → when its transaction began to commit, and when it had
    committed: dict[int, tuple[float, float]] = field(default_factory=dict)
    #: event and when a client had it
    came: list[tuple[int, float]] = field(default_factory=list)

    def open(self, keys: Sequence[str]) -> None:
        """One stream for each key."""
        for key in keys:
            one = socket.create_connection(("127.0.0.1", self.port))
            one.sendall(
                f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
            )
            self.sockets.append(one)
        for one in self.sockets[-len(keys) :]:
            got = one.recv(4096)
            while b"retry: 2000" not in got:
                got += one.recv(4096)
            one.settimeout(0)
            self.selector.register(one, selectors.EVENT_READ)

    def read(self, seconds: float, until: int | None = None) -> None:
        """Read what comes, for so long or until so many times an event has come."""
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end and (until is None or len(self.came) < until):
            for ready, _ in self.selector.select(min(0.1, end - now)):
                got = ready.fileobj.recv(65536)  # type: ignore[union-attr]
                assert got, "a stream has ended"
                now = time.perf_counter()
                self.came += [(int(found), now) for found in SEQUENCE.findall(got)]

    def close(self) -> None:
        """Hang up."""
        for one in self.sockets:
            one.close()
        self.selector.close()


def measure(ground: Ground, seconds: float) -> list[Line]:
    """The part `streams`."""
    url = ground.database("streams")
    people = fill.customers(ground, url, CUSTOMERS)
    fill.shelf(url, "ig", 1_000, first=30_000_000_000)
    settle(url)
    with ground.site(url, with_worker=False) as web:
        for key in people.keys:
            web.call("/api/v1/resell/virtual/buy", key, b'{"service":"ig","country":6}')
        crowd = Crowd(web.port)
        try:
            lines = [*_open(web, crowd, people.keys), _idle(web, crowd)]
            lines += _tell(url, web, crowd, people.wallet_ids, max(10.0, seconds))
            lines.append(told("streams", "memory at the end", f"{web.memory_mib():.0f} MiB"))
        finally:
            crowd.close()
    ground.drop(url)
    return lines


def _open(web: Running, crowd: Crowd, keys: Sequence[str]) -> list[Line]:
    before = web.memory_mib()
    began = time.perf_counter()
    for _ in range(STREAMS // OPENED_AT_ONCE):
        crowd.open([keys[index % len(keys)] for index in range(OPENED_AT_ONCE)])
    took_s = time.perf_counter() - began
    after = web.memory_mib()
    each = (after - before) * 1024 / STREAMS
    return [
        told("streams", f"{STREAMS:,} opened", f"{took_s:.1f} s, {STREAMS / took_s:,.0f}/s"),
        Line("streams", "memory", f"{before:.0f} → {after:.0f} MiB, {each:.0f} KiB each", "≤ 64 KiB each",
             holds=each <= 64),
    ]  # fmt: skip


def _idle(web: Running, crowd: Crowd) -> Line:
    before = _cpu_s(web.pid)
    crowd.read(IDLE_S)
    share = (_cpu_s(web.pid) - before) / IDLE_S
    return Line("streams", "idle, with heartbeats", f"{share:.1%} of a core", "≤ 25 %", holds=share <= 0.25)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tell(url: str, web: Running, crowd: Crowd, wallets: Sequence[int], seconds: float) -> list[Line]:
    """Events of all customers in turn; each is for a fiftieth of the streams."""
    count = int(seconds * EVENTS_PER_S)
    writer = threading.Thread(target=_write, args=(url, crowd, wallets, count), daemon=True)
    before, began = _cpu_s(web.pid), time.perf_counter()
    writer.start()
    wanted = count * STREAMS // len(wallets)
    crowd.read(seconds * 2 + 5, until=wanted)
    took_s = time.perf_counter() - began
    writer.join()
    told_ms = [(at - crowd.committed[event][1]) * 1000 for event, at in crowd.came]
    last_ms = {event: ms for (event, _), ms in zip(crowd.came, told_ms, strict=True)}
    commits_ms = [(done - begun) * 1000 for begun, done in crowd.committed.values()]
    p99_ms = statistics.quantiles(told_ms, n=100)[98]
    return [
        told("streams", "the commit of an event", _cuts(commits_ms)),
        Line("streams", f"{EVENTS_PER_S} events/s, each told to {STREAMS // len(wallets)}", _cuts(told_ms),
             f"p99 < {P99_MAX_MS} ms", holds=p99_ms < P99_MAX_MS),
        told("streams", "the last of them has it after", _cuts(list(last_ms.values()))),
        Line("streams", "told", f"{len(told_ms):,} of {wanted:,}", "all", holds=len(told_ms) == wanted),
        told("streams", "meanwhile", f"{(_cpu_s(web.pid) - before) / took_s:.0%} of a core,"
             f" {len(told_ms) / took_s:,.0f}/s"),
    ]  # fmt: skip


def _cuts(found_ms: Sequence[float]) -> str:
    cuts = statistics.quantiles(found_ms, n=100)
    return f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(found_ms):.0f} ms"


def _write(url: str, crowd: Crowd, wallets: Sequence[int], count: int) -> None:
    began = time.perf_counter()
    with connect(url) as connection:
        for index in range(count):
            time.sleep(max(0.0, began + index / EVENTS_PER_S - time.perf_counter()))
            wallet = wallets[index % len(wallets)]
            with connection.transaction():
                row = connection.execute(_EVENT, [wallet]).fetchone()
                assert row is not None
                connection.execute("select pg_notify('ringlet', %s)", [f"event {wallet}"])
                begins = time.perf_counter()
            crowd.committed[row[0]] = (begins, time.perf_counter())


_EVENT = """
insert into event (wallet_id, type, activation_id, state)
select wallet_id, 'activation.message', id, state from activation where wallet_id = %s order by id desc limit 1
returning id
"""
