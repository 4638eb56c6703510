"""The load: a process of its own that keeps N connections busy, one request after the other on each.

It is a bare epoll loop over sockets, because the client must cost less than the server that it measures: the
requests are made before, and of an answer only the status and the length are read.
"""

import contextlib
import gc
import json
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter_ns

READ_BYTES = 1 << 18
SILENCE_S = 30.0


@dataclass
class Plan:
    """What to send: connection i repeats `scripts[i % len(scripts)]`, each a list of whole requests."""

    port: int
    scripts: Sequence[Sequence[str]]
    connections: int = 64
    #: how long, or how many requests altogether
    seconds: float = 3.0
    count: int = 0
    #: not counted, at the beginning
    warm_up_s: float = 0.5
    #: besides the whole, the first and the last so many answers
    window: int = 0


@dataclass
class Part:
    """A run of answers: how many, how fast, and how long they took in milliseconds."""

    answers: int
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass
class Result:
    whole: Part
    first: Part | None = None
    last: Part | None = None
    #: answers by status code; anything but 2xx and 304 makes the run void
    statuses: dict[str, int] = field(default_factory=dict)
    bytes_per_answer: float = 0.0

    @property
    def faults(self) -> dict[str, int]:
        return {status: n for status, n in self.statuses.items() if status[0] != "2" and status != "304"}


class VoidRunError(Exception):
    """Some answers were errors: what was measured is not what was meant."""


def request(
    method: str, path: str, key: str, body: str = "", headers: Mapping[str, str] | None = None
) -> str:
    """One request as it goes over the line."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "Accept: application/json"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", body])


def run(plan: Plan) -> Result:
    """Carry out the plan in a process of its own. Raises VoidRunError."""
    with started(plan) as process:
        return finished(process)


@contextlib.contextmanager
def started(plan: Plan) -> Iterator[subprocess.Popen[str]]:
    """The plan under way, to do something else meanwhile; `finished` waits for its result."""
    command = [sys.executable, "-m", "bench.load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(plan)))
        process.stdin.close()
        process.stdin = None
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def finished(process: subprocess.Popen[str]) -> Result:
    out, _ = process.communicate(timeout=900)
    if process.returncode:
        raise VoidRunError(f"the load process ended with {process.returncode}")
    found = json.loads(out)
    parts = {name: Part(**found[name]) if found[name] else None for name in ("whole", "first", "last")}
    result = Result(**{**found, **parts})
    if result.faults:
        raise VoidRunError(f"answers by status: {result.statuses}")
    return result


class Line:
    """One connection: what it sends next, and how much of the answer is still to come."""

    __slots__ = ("at", "head", "left", "requests", "sent_ns", "socket")

    def __init__(self, port: int, requests: list[bytes], at: int) -> None:
        self.requests = requests
        self.at = at % len(requests)
        self.left = -1  # the head is not complete yet
        self.head = b""
        self.sent_ns = 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        data = self.requests[self.at]
        self.at = self.at + 1 if self.at + 1 < len(self.requests) else 0
        self.left = -1
        self.sent_ns = perf_counter_ns()
        self.socket.sendall(data)


def _read_head(line: Line, data: bytes) -> bytes | None:
    """The status once the head is there; sets what is left of the body."""
    if line.head:
        data = line.head + data
    end = data.find(b"\r\n\r\n")
    if end < 0:
        line.head = data
        return None
    line.head = b""
    status = data[9:12]
    at = data.find(b"content-length: ", 0, end)
    length = int(data[at + 16 : data.find(b"\r", at)]) if at >= 0 and status != b"304" else 0
    line.left = length - (len(data) - end - 4)
    return status


def _lines(plan: Plan, epoll: select.epoll) -> dict[int, Line]:
    """All connections by their descriptors. Those that share a script begin at different places of it."""
    scripts = [[each.encode() for each in script] for script in plan.scripts]
    lines = {}
    for index in range(plan.connections):
        script = scripts[index % len(scripts)]
        line = Line(plan.port, script, (index // len(scripts)) * 7919)
        lines[line.socket.fileno()] = line
        epoll.register(line.socket.fileno(), select.EPOLLIN)
    return lines


def _loop(plan: Plan) -> tuple[list[int], list[int], Counter[bytes], int, int]:
    """The moments of all answers, what each took, their statuses, bytes read, and when it began."""
    epoll = select.epoll()
    lines = _lines(plan, epoll)
    done: list[int] = []
    took: list[int] = []
    statuses: Counter[bytes] = Counter()
    read, issued = 0, len(lines)
    began_ns = perf_counter_ns()
    end_ns = began_ns + int((plan.warm_up_s + plan.seconds) * 1e9) if not plan.count else 1 << 62
    for line in lines.values():
        line.send()
    busy = len(lines)
    while busy:
        ready = epoll.poll(SILENCE_S)
        if not ready:
            raise VoidRunError(f"no answer for {SILENCE_S:.0f} seconds")
        for descriptor, _ in ready:
            line = lines[descriptor]
            data = line.socket.recv(READ_BYTES)
            if not data:
                raise VoidRunError("the server closed a connection")
            read += len(data)
            if line.left < 0:
                status = _read_head(line, data)
                if status is None:
                    continue
                statuses[status] += 1
            else:
                line.left -= len(data)
            if line.left:
                continue
            now = perf_counter_ns()
            done.append(now)
            took.append(now - line.sent_ns)
            if now < end_ns and (not plan.count or issued < plan.count):
                issued += 1
                line.send()
            else:
                busy -= 1
    return done, took, statuses, read, began_ns


def _part(done: Sequence[int], took: Sequence[int], began_ns: int) -> Part:
    if not done:
        raise VoidRunError("no answers")
    ordered = sorted(took)
    n = len(ordered)
    return Part(
        answers=n,
        per_s=n / ((done[-1] - began_ns) / 1e9),
        p50_ms=ordered[n // 2] / 1e6,
        p99_ms=ordered[min(n - 1, n * 99 // 100)] / 1e6,
        max_ms=ordered[-1] / 1e6,
    )


def main() -> None:
    plan = Plan(**json.load(sys.stdin))
    gc.disable()
    done, took, statuses, read, began_ns = _loop(plan)
    bytes_per_answer = read / len(done)
    warm_ns = began_ns + int(plan.warm_up_s * 1e9)
    warm = 0 if plan.count else sum(1 for each in done if each < warm_ns)
    whole = _part(done[warm:], took[warm:], warm_ns if warm else began_ns)
    first = last = None
    if plan.window:
        size = plan.window
        first = _part(done[:size], took[:size], began_ns)
        last = _part(done[-size:], took[-size:], done[-size - 1] if len(done) > size else began_ns)
    result = Result(whole, first, last, {key.decode(): n for key, n in statuses.items()}, bytes_per_answer)
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
