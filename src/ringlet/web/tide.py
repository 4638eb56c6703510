"""How far events have settled: up to which id nothing can come any more.

An event's id is drawn before its transaction commits, so a lower id may appear after a higher one. Whoever writes
events holds the table's lock from before the draw to the end of his transaction. So: read the last id drawn, then
who holds the lock; when all of those have ended, every id up to that one is visible or will never be.

A sale commits before it is on disk, and nobody is told of what a crash may undo (decision 14): a flush ends the look.
"""

import asyncio
from typing import LiteralString

from ringlet.db import Tx
from ringlet.desk import Desk

LOOK_AGAIN_S = 0.005
#: who writes longer than this is not waited for: what he tells will come after what was written later
PATIENCE_S = 0.25


class Tide:
    """One per process; every wallet's events settle together."""

    def __init__(self, desk: Desk) -> None:
        self._db, self._flush = desk.db, desk.flush
        #: every id up to here is visible or will never be
        self.settled = 0
        self._stuck: set[str] = set()
        self._running: asyncio.Task[bool] | None = None
        self._gathering: asyncio.Task[bool] | None = None

    async def settle(self) -> bool:
        """Look now and wait for those who write; False when one is stuck, and then `settled` stays where it was.

        Whoever asks while a look is under way shares the next one. Refuses: ServiceUnavailable.
        """
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._settle_after(self._running))
            # Who asked may be gone when it fails.
            self._gathering.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._gathering)

    async def _settle_after(self, running: asyncio.Task[bool] | None) -> bool:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._gathering = self._gathering, None
        epoch = await self._flush.epoch()
        async with self._db.connection() as tx:
            last = await _last_id(tx)
            writers = await _writers(tx)
            if not self.settled:
                self.settled = await _long_settled(tx)
        self._stuck &= writers
        until_s = asyncio.get_running_loop().time() + PATIENCE_S
        while writers - self._stuck and asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(LOOK_AGAIN_S)
            async with self._db.connection() as tx:
                writers &= await _writers(tx)
        self._stuck |= writers
        await self._flush.flushed(epoch)
        if not writers:
            self.settled = max(self.settled, last)
        return not writers


async def _last_id(tx: Tx) -> int:
    row = await (await tx.execute(_LAST_ID)).fetchone()
    assert row is not None
    return int(row[0])


_LAST_ID: LiteralString = "select case when is_called then last_value else 0 end from event_id_seq"


async def _writers(tx: Tx) -> set[str]:
    """The transactions that have written events, or may have."""
    return {row[0] for row in await (await tx.execute(_WRITERS)).fetchall()}


_WRITERS: LiteralString = """
select virtualtransaction from pg_locks
where locktype = 'relation' and relation = 'event'::regclass and mode = 'RowExclusiveLock' and granted
    and database = (select oid from pg_database where datname = current_database())
"""


async def _long_settled(tx: Tx) -> int:
    """A place to begin from: no transaction of ours lives for two minutes."""
    row = await (await tx.execute(_LONG_SETTLED)).fetchone()
    return 0 if row is None else int(row[0])


_LONG_SETTLED: LiteralString = """
select id from event where created_at < now() - interval '2 minutes' order by created_at desc limit 1
"""
