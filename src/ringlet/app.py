"""Composition: settings → database → desk → the program that uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from ringlet.db import Database
from ringlet.desk import Desk
from ringlet.embedded import EmbeddedServer, acquire
from ringlet.feed import Feed
from ringlet.settings import Settings


class Base:
    """Where the database is: an outside one, or the embedded one that this process keeps alive."""

    def __init__(self, settings: Settings) -> None:
        self.embedded: EmbeddedServer | None = None
        if settings.database_url is None:
            self.embedded = acquire(settings.home)
            self.conninfo = self.embedded.dsn
        else:
            self.conninfo = settings.database_url

    def tend(self) -> None:
        """Start the embedded server again when it has died. Raises EmbeddedError when it cannot be."""
        if self.embedded is not None:
            self.embedded.ensure()

    def release(self) -> None:
        """Let the embedded server stop when nobody else uses it."""
        if self.embedded is not None:
            self.embedded.release()


@contextlib.asynccontextmanager
async def open_desk(settings: Settings, conninfo: str) -> AsyncIterator[Desk]:
    """A desk with its pool open and its feed listening; both end with the block."""
    desk = Desk(settings=settings, db=Database(conninfo, size=settings.db_pool), feed=Feed(conninfo))
    await desk.db.open()
    listening = asyncio.create_task(desk.feed.run(), name="feed")
    try:
        yield desk
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await desk.db.close()
