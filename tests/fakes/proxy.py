"""A network that misbehaves: a TCP proxy with toxics, seeded, on a port of its own.

    async with Proxy("127.0.0.1", port, Toxic(latency_s=0.05, jitter_s=0.05), seed=7) as proxy:
        Line(session, f"http://127.0.0.1:{proxy.port}/…")

The toxics act on what flows back; the request reaches the server whole, unless the proxy is down.
"""

import asyncio
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CHUNK = 1 << 16


@dataclass(frozen=True)
class Toxic:
    """What is wrong. They combine."""

    latency_s: float = 0
    jitter_s: float = 0
    #: nothing ever comes back, and the connection stays open
    is_black_hole: bool = False
    #: the connection is reset when the answer begins
    is_reset: bool = False
    #: the answer comes in pieces of at most so many bytes
    slice_bytes: int | None = None
    #: the connection ends after so many bytes of the answer
    cut_after_bytes: int | None = None
    #: nobody listens
    is_down: bool = False


class Proxy:
    """Between a client and a server at `host`:`port`."""

    def __init__(self, host: str, port: int, toxic: Toxic = Toxic(), *, seed: int = 1) -> None:
        self.toxic = toxic
        self.port = 0
        self._target = (host, port)
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.toxic.is_down:
            self._server.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            there, thither = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pumps = [
            asyncio.create_task(self._forth(reader, thither)),
            asyncio.create_task(self._back(there, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # the proxy ends
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            thither.close()
            writer.close()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(CHUNK):
            writer.write(part)
            await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while part := await reader.read(CHUNK):
            toxic = self.toxic
            if toxic.is_black_hole:
                continue
            if toxic.is_reset:
                writer.transport.abort()
                return
            left = len(part) if toxic.cut_after_bytes is None else toxic.cut_after_bytes - passed
            await self._pass(part[:left], writer)
            passed += len(part)
            if left < len(part):
                return

    async def _pass(self, part: bytes, writer: asyncio.StreamWriter) -> None:
        """Late, and in slices: each slice is as late as the toxic says."""
        size = self.toxic.slice_bytes or CHUNK
        for start in range(0, len(part), size):
            if delay_s := self.toxic.latency_s + self._random.uniform(0, self.toxic.jitter_s):
                await asyncio.sleep(delay_s)
            writer.write(part[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)
