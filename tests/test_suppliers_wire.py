"""The line to suppliers: a request is sent once, and every failure is the right kind of failure."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from ringlet.suppliers import wire
from ringlet.suppliers.port import NotSent, OutcomeUnknown
from ringlet.suppliers.wire import Line, Pace

KEY = "very-secret-key"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
Turn = Callable[[asyncio.StreamWriter], Awaitable[bool]]


@dataclass
class Server:
    """Answers request number n with the nth turn; a turn that returns False breaks the connection."""

    url: str
    turns: list[Turn]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


async def ok(writer: asyncio.StreamWriter) -> bool:
    writer.write(OK)
    return True


async def drop(writer: asyncio.StreamWriter) -> bool:
    writer.transport.abort()
    return False


async def half(writer: asyncio.StreamWriter) -> bool:
    writer.write(OK[:-1])
    await writer.drain()
    return False


async def silence(writer: asyncio.StreamWriter) -> bool:
    await asyncio.sleep(30)
    return False


async def trickle(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()
    return False


async def bomb(writer: asyncio.StreamWriter) -> bool:
    body = gzip.compress(b"\0" * 30_000_000)
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    await writer.drain()
    return True


async def nonsense(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"\x16\x03\x01 what is HTTP\r\n\r\n")
    await writer.drain()
    return False


async def redirect(writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    return True


@asynccontextmanager
async def serve(*turns: Turn) -> AsyncIterator[Server]:
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        served.connections += 1
        try:
            while True:
                served.requests.append(await reader.readuntil(b"\r\n\r\n"))
                if not await served.turns[len(served.requests) - 1](writer):
                    break
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    served = Server(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api.php", list(turns))
    yield served
    server.close()
    for task in conversations:
        task.cancel()
    await asyncio.gather(*conversations)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with wire.open_session() as opened:
        yield opened


def line_to(session: aiohttp.ClientSession, url: str, *, deadline_s: float = 5) -> Line:
    return Line(session, url, deadline_s=deadline_s, per_s=10_000)


async def ask(line: Line, **terms) -> wire.Answer:
    return await line.ask("GET", query={"api_key": KEY, "action": "getNumber"}, **terms)


@pytest.mark.parametrize("end", [drop, half, nonsense])
async def test_a_broken_request_is_sent_once(session: aiohttp.ClientSession, end: Turn) -> None:
    """A GET that rents a number is not repeated when its first connection breaks."""
    async with serve(end, ok) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            await ask(line_to(session, server.url))
        await asyncio.sleep(0.05)
        assert (len(server.requests), server.connections) == (1, 1)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("end", [drop, half])
async def test_a_kept_connection_that_breaks_is_not_tried_again(
    session: aiohttp.ClientSession, end: Turn
) -> None:
    """On a reused connection the library would send a GET twice by itself; ours goes once."""
    async with serve(ok, end, ok) as server:
        line = line_to(session, server.url)
        assert (await ask(line)).text == "ok"
        with pytest.raises(OutcomeUnknown):
            await ask(line)
        await asyncio.sleep(0.05)
        assert (len(server.requests), server.connections) == (2, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{closed}", "http://no-such-host.invalid", "http://"])
async def test_no_connection_is_not_sent(
    session: aiohttp.ClientSession, url: str, unused_tcp_port: int
) -> None:
    """Nobody there, no such name, no such address: nothing left this house."""
    with pytest.raises(NotSent) as caught:
        await ask(line_to(session, url.format(closed=unused_tcp_port)))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("turn", [silence, trickle])
async def test_a_slow_answer_ends_at_the_deadline(session: aiohttp.ClientSession, turn: Turn) -> None:
    """Silence and single bytes both end when our time is over, as an unknown outcome."""
    async with serve(turn) as server:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            await ask(line_to(session, server.url, deadline_s=0.3))
        assert 0.2 < time.monotonic() - began < 1.5
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("turn", [flood, bomb])
async def test_a_huge_answer_is_cut_off(session: aiohttp.ClientSession, turn: Turn) -> None:
    """No supplier fills our memory, packed or unpacked."""
    async with serve(turn) as server:
        with pytest.raises(OutcomeUnknown, match="longer than"):
            await ask(line_to(session, server.url))


async def test_redirects_are_not_followed(session: aiohttp.ClientSession) -> None:
    """A redirect would send the key elsewhere, or the rent twice."""
    async with serve(redirect, ok) as server:
        answer = await ask(line_to(session, server.url))
        assert (answer.status, len(server.requests)) == (302, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"a": 1',
        b"<html>",
        b'"\xff"',
    ],
)
def test_unreadable_json_is_an_unknown_outcome(body: bytes) -> None:
    """Bytes that are no JSON, and JSON too deep to read, are never another kind of error."""
    with pytest.raises(OutcomeUnknown):
        wire.Answer(200, is_json=True, body=body).json()


async def test_the_pace_keeps_its_rate() -> None:
    """After a second's worth at once, requests go at the rate and no faster."""
    pace, began = Pace(50), time.monotonic()
    for _ in range(65):
        await pace.turn()
    took_s = time.monotonic() - began
    assert 0.2 <= took_s < 1.5


async def test_the_pace_holds_back_who_would_wait_too_long() -> None:
    """A customer does not queue behind a rate limit: the request is not sent."""
    pace = Pace(0.5)
    await pace.turn()
    with pytest.raises(NotSent):
        await pace.turn(longest_s=0.1)


async def test_a_log_names_the_host_only() -> None:
    """Neither keys nor passwords of an address are in what may be logged."""
    assert wire.host_of(f"https://user:{KEY}@sms.example:8443/x?api_key={KEY}") == "sms.example:8443"
