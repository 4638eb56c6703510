"""Composition: settings → database → desk → the program that uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from ringlet import together
from ringlet.brands import Brands
from ringlet.db import Database, GroupFlush
from ringlet.desk import Desk
from ringlet.embedded import EmbeddedServer, acquire
from ringlet.feed import Feed
from ringlet.payments.book import Gateways
from ringlet.policy import Copy
from ringlet.settings import Settings
from ringlet.standing import Standings
from ringlet.suppliers import wire
from ringlet.suppliers.book import Book
from ringlet.velocity import Velocity

#: More sales at once only wait for each other in the database (decision 26).
SALES_AT_ONCE = 5
#: One customer's row that somebody holds may stop the others' sales no longer than this (decision 28).
TILL_LOCK_MS = 200
#: ... and then only its owner's, refused when it takes longer.
SALE_LOCK_MS = 3_000


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
    db, feed = Database(conninfo, size=settings.db_pool), Feed(conninfo)
    desk = Desk(
        settings=settings,
        db=db,
        sales=Database(
            conninfo,
            size=min(settings.db_pool, SALES_AT_ONCE),
            flushed_together=True,
            lock_wait_ms=SALE_LOCK_MS,
        ),
        tills=Database(
            conninfo,
            size=min(settings.db_pool, together.AT_ONCE),
            flushed_together=True,
            lock_wait_ms=TILL_LOCK_MS,
        ),
        flush=GroupFlush(conninfo),
        feed=feed,
        book=Book(settings),
        brands=Brands(settings),
        gateways=Gateways(settings.secret, db),
        policy=Copy(db, feed),
        standings=Standings(db, feed),
        velocity=Velocity(db),
    )
    session = wire.open_session()
    desk.book.use(session)
    desk.gateways.use(session)
    await db.open()
    await desk.sales.open()
    await desk.tills.open()
    checks: set[asyncio.Task[None]] = set()

    def look_at_pool() -> None:
        """What cut the news has cut the pool's connections too: replace them before a customer meets one."""
        for pool in (desk.db, desk.sales, desk.tills):
            check = asyncio.create_task(pool.drop_stale(), name="pool check")
            checks.add(check)
            check.add_done_callback(checks.discard)

    desk.feed.subscribe(lambda *_: None, look_at_pool)
    listening = asyncio.create_task(desk.feed.run(), name="feed")
    counting = asyncio.create_task(desk.book.calls.keep(desk.db), name="supplier calls")
    try:
        yield desk
    finally:
        for task in (listening, counting, *checks):
            task.cancel()
        await asyncio.gather(listening, counting, *checks, return_exceptions=True)
        await session.close()
        await desk.velocity.close()
        await desk.flush.close()
        await desk.tills.close()
        await desk.sales.close()
        await db.close()
