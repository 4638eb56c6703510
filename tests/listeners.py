"""Clients of the event stream: one that calls the application in this process, and many over TCP."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from ringlet.desk import Desk
from ringlet.web.door import Door
from tests.applications import application


@contextlib.asynccontextmanager
async def open_door(desk: Desk) -> AsyncIterator[Door]:
    """The application with what feeds its streams, and the news sound."""
    door = application(desk)
    running = asyncio.create_task(door._office.streams.run())
    async with asyncio.timeout(10):
        while not desk.feed.sound:
            await asyncio.sleep(0.01)
    try:
        yield door
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Told(dict[str, Any]):
    """The JSON of one event; `id` is the stream's, None when the block has none."""

    id: int | None
    event: str


class Listener:
    """One client. `reads` stops its reading: the application's `send` then waits as for a full socket."""

    def __init__(self, door: Door, key: str, last_id: int | None = None, query: str = "") -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.is_over = False
        self.reads = asyncio.Event()
        self.reads.set()
        self._came = asyncio.Event()
        self._gone = asyncio.Event()
        headers = [(b"authorization", f"Bearer {key}".encode())]
        if last_id is not None:
            headers.append((b"last-event-id", str(last_id).encode()))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/api/v1/events", "raw_path": b"/api/v1/events", "query_string": query.encode(),
            "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        self.task = asyncio.create_task(door(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.is_over = not message["more_body"]
        self._came.set()

    async def opened(self) -> "Listener":
        """Wait for the first bytes."""
        await self.until(lambda: bool(self.text))
        return self

    async def until(self, condition: Any, within_s: float = 10) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def events(self, count: int, within_s: float = 10) -> list[Told]:
        """The first so many events."""
        await self.until(lambda: len(self.told) >= count, within_s)
        return self.told

    @property
    def told(self) -> list[Told]:
        """What was told until now."""
        return parse(self.text)

    async def leave(self) -> None:
        """Hang up and wait for the application to notice."""
        self._gone.set()
        await asyncio.wait_for(self.task, 10)


def parse(text: str) -> list[Told]:
    """The events of a stream, by its rules."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            each = Told(json.loads(fields["data"]))
            each.id, each.event = int(fields["id"]) if "id" in fields else None, fields["event"]
            found.append(each)
    return found


async def connect(port: int, key: str, last_id: int | None = None) -> tuple[asyncio.StreamReader, Any]:
    """A stream over TCP, its head read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    more = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
    head = f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{more}\r\n"
    writer.write(head.encode())
    got = await reader.readuntil(b"retry: 2000\n\n")
    assert got.startswith(b"HTTP/1.1 200"), got
    return reader, writer
