"""News from the database: one LISTEN connection per process, handed on to whoever subscribed.

What is written in a transaction is announced by the same transaction (`announce`), so news never lies and is
never lost while the connection stands. When it breaks, `sound` turns false and every subscriber is told to
forget what it believed; copies kept true by news fail safe that way.
"""

import asyncio
import contextlib
from collections.abc import Callable

import psycopg
import structlog

from ringlet.db import Tx

CHANNEL = "ringlet"
HEARTBEAT_S = 2.0
PATIENCE_S = 3.0
RECONNECT_PAUSE_S = 0.3
LOST = (psycopg.Error, OSError, TimeoutError)

log = structlog.get_logger("ringlet.feed")


async def announce(tx: Tx, topic: str, subject: str | int = "") -> None:
    """Tell every process at commit that something about `topic` changed, such as ("activation", 4390520873)."""
    await tx.execute("select pg_notify('ringlet', %s)", [f"{topic} {subject}"])


class Feed:
    """Subscribe before `run`. `on_news(topic, subject)`; `on_doubt()` when news may have been missed."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.sound = False
        self._on_news: list[Callable[[str, str], None]] = []
        self._on_doubt: list[Callable[[], None]] = []

    def subscribe(self, on_news: Callable[[str, str], None], on_doubt: Callable[[], None]) -> None:
        """Both callbacks run on the event loop and must return at once."""
        self._on_news.append(on_news)
        self._on_doubt.append(on_doubt)

    async def run(self) -> None:
        """Listen until cancelled; connects again by itself."""
        while True:
            with contextlib.suppress(*LOST):
                connection = await psycopg.AsyncConnection.connect(
                    self.conninfo, autocommit=True, connect_timeout=5, application_name="ringlet feed"
                )
                try:
                    await self._listen(connection)
                finally:
                    await connection.close()
            await asyncio.sleep(RECONNECT_PAUSE_S)

    async def _listen(self, connection: Tx) -> None:
        try:
            await connection.execute("listen ringlet")
            # What was read before this moment may be older than the first news: everybody starts afresh.
            self._doubt()
            self.sound = True
            log.info("feed_sound")
            while True:
                async for note in connection.notifies(timeout=HEARTBEAT_S):
                    self._hand_on(note.payload)
                # A dead peer is silent; only an answer shows that the line still stands.
                await asyncio.wait_for(connection.execute("select 1"), PATIENCE_S)
        except LOST as error:
            log.warning("feed_lost", error=str(error).strip())
            raise
        finally:
            self._doubt()

    def _hand_on(self, payload: str) -> None:
        topic, _, subject = payload.partition(" ")
        for on_news in self._on_news:
            on_news(topic, subject)

    def _doubt(self) -> None:
        self.sound = False
        for on_doubt in self._on_doubt:
            on_doubt()
