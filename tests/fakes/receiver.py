"""A customer's program that takes webhooks: a real HTTP server with seeded faults and a log of all that it heard.

    async with Receiver(seed=7) as receiver:
        receiver.behave("/bad", "hang")                  # every time
        receiver.behave("/moody", "500", "reset", "ok")  # one of these, by the seed
        url = receiver.url("/good")

What was heard is written down before it is answered, so that a lost answer is a heard webhook all the same.
"""

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

HUGE = 1_000_000
DRIP_S = 0.25
FAULTS = ("500", "hang", "410", "301", "huge", "reset", "drip", "429")


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    path: str
    fault: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def webhook_id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def payload(self) -> Any:
        return json.loads(self.body)

    @property
    def is_acknowledged(self) -> bool:
        """A 2xx was begun; the 1 MB answer is one too."""
        return self.fault in {"ok", "huge"}

    def is_signed_by(self, secret: str) -> bool:
        """By the library that receivers use, with its tolerance of five minutes."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """On a port of its own, plain HTTP."""

    seed: int = 1
    heard: list[Heard] = field(default_factory=list)
    #: where 301 leads, in vain
    elsewhere: str = "http://127.0.0.1:1/private"
    retry_after_s: int = 3
    port: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._behaviour: dict[str, tuple[str, ...]] = {}
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.down()

    async def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Nobody listens, and what was open is cut."""
        assert self._server is not None
        self._server.close()
        for task in list(self._talks):
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def behave(self, path: str, *faults: str) -> None:
        """Answer this path with one of these from now on; without one: well."""
        self._behaviour[path] = faults or ("ok",)

    def at(self, path: str) -> list[Heard]:
        return [each for each in self.heard if each.path == path]

    def ids(self, path: str, *, acknowledged: bool = True) -> set[str]:
        """The webhook-ids that came to this path."""
        return {each.webhook_id for each in self.at(path) if each.is_acknowledged or not acknowledged}

    async def wait_for(self, path: str, count: int, within_s: float = 20) -> list[Heard]:
        """Until so many different ones were acknowledged at this path."""
        until = time.monotonic() + within_s
        while len(self.ids(path)) < count:
            assert time.monotonic() < until, f"{len(self.ids(path))} of {count} at {path}"
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 0.5)
        return self.at(path)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._talks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = head[0].split(" ")[1]
        fault = self._random.choice(self._behaviour.get(path, ("ok",)))
        self.heard.append(Heard(path, fault, headers, body, time.time()))
        self._news.set()
        await self._answer(fault, writer)

    async def _answer(self, fault: str, writer: asyncio.StreamWriter) -> None:
        match fault:
            case "hang":
                await asyncio.sleep(60)
            case "reset":
                writer.transport.abort()
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(1_000):
                    writer.write(b".")
                    await writer.drain()
                    await asyncio.sleep(DRIP_S)
            case "huge":
                await self._say(writer, "200 OK", b"x" * HUGE)
            case "301":
                await self._say(writer, "301 Moved", b"", f"Location: {self.elsewhere}\r\n")
            case "429":
                await self._say(writer, "429 Slow down", b"", f"Retry-After: {self.retry_after_s}\r\n")
            case "ok":
                await self._say(writer, "200 OK", b"thanks\0")
            case status:
                await self._say(writer, f"{status} As asked", b"no")

    @staticmethod
    async def _say(writer: asyncio.StreamWriter, status: str, body: bytes, more: str = "") -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)
        await writer.drain()
