"""The database: a pool of connections, transactions, and one place where its failures become a refusal."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
import psycopg_pool
from psycopg.rows import TupleRow

from ringlet.errors import ServiceUnavailable

Tx = psycopg.AsyncConnection[TupleRow]

#: What a server that is down, restarting, full or overloaded looks like from here. A statement that met one of
#: these may or may not have happened; the idempotency key and the activation's state tell.
OUT_OF_REACH = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.PoolClosed,
    psycopg_pool.TooManyRequests,
)

#: Everything that is not a report asks by index. A plan made while a table was still empty must not be kept as
#: a full scan when it has grown, and planning anew for each buy would cost more than the buy.
_BY_INDEX = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_bitmapscan = off;"
_LIMITS = (
    "set statement_timeout = '15s'; set idle_in_transaction_session_timeout = '15s'; set timezone = 'UTC';"
)
_SOON_ON_DISK = "set synchronous_commit = off;"

WAIT_FOR_CONNECTION_S = 3.0
WAITING_MAX = 2_000
FLUSH_WITHIN_S = 15.0
# The pool waits ever longer between attempts; after this it begins anew with the next request, so that a server
# which is back is found within about a second.
RECONNECT_GIVE_UP_S = 1.5


class Database:
    """One process's connections. `connection()` for single statements, `transaction()` for several."""

    def __init__(
        self, conninfo: str, *, size: int = 8, flushed_together: bool = False, lock_wait_ms: int = 0
    ) -> None:
        """`flushed_together`: commits return before they are on disk, and `GroupFlush` says when they are.

        `lock_wait_ms`: a lock that is not to be had within this time fails the statement; 0 waits for it.
        """
        self.conninfo = conninfo
        self._turns = asyncio.Semaphore(size)
        self._waiting = 0
        self.pool = psycopg_pool.AsyncConnectionPool[Tx](
            conninfo,
            min_size=min(2, size),
            max_size=size,
            reconnect_timeout=RECONNECT_GIVE_UP_S,
            open=False,
            configure=_configured(
                f"{_SOON_ON_DISK if flushed_together else ''}set lock_timeout = {lock_wait_ms};"
            ),
            kwargs={"autocommit": True, "connect_timeout": 5, "prepare_threshold": 2},
        )

    async def open(self) -> None:
        """Start the pool; returns at once, connections follow."""
        await self.pool.open()

    async def close(self) -> None:
        """End all connections."""
        await self.pool.close(timeout=5)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A connection on which each statement is its own transaction. Refuses: ServiceUnavailable."""
        left_s = await self._turn()
        try:
            async with self.pool.connection(left_s) as connection:
                yield connection
        except OUT_OF_REACH as error:
            raise ServiceUnavailable from error
        finally:
            self._turns.release()

    async def _turn(self) -> float:
        """Wait for one of as many turns as there are connections; returns how long the pool may still take.

        The pool has a queue of its own, which makes a task for each that waits: a tenth of what a sale costs.
        """
        if not self._turns.locked():
            await self._turns.acquire()
            return WAIT_FOR_CONNECTION_S
        if self._waiting >= WAITING_MAX:
            raise ServiceUnavailable
        until = time.monotonic() + WAIT_FOR_CONNECTION_S
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_FOR_CONNECTION_S):
                await self._turns.acquire()
        except TimeoutError as error:
            raise ServiceUnavailable from error
        finally:
            self._waiting -= 1
        return max(0.1, until - time.monotonic())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """All or nothing; nothing that waits for the outside may run inside. Refuses: ServiceUnavailable."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def drop_stale(self) -> None:
        """Replace the connections that a restart of the server has cut."""
        await self.pool.check()


def _configured(more: str) -> Callable[[Tx], Awaitable[None]]:
    async def configure(connection: Tx) -> None:
        await connection.execute((_LIMITS + _BY_INDEX + more).encode())

    return configure


class GroupFlush:
    """Many commits, one flush: what was committed before `flushed` was called is on disk when it returns.

    A commit that waits for the disk holds its row locks meanwhile, so that one customer's sales would follow each
    other at the pace of the disk. Commits of a `flushed_together` database give their locks back at once; nobody
    is told of them before the flush, which writes everything up to its own record.

    A server that crashed in between has lost the commit, and a flush after its restart would prove nothing. So
    the flush runs on one connection that was there before the commit: a crash ends every connection. `epoch`
    names it; ask for it before, and give it back after.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: Tx | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._epoch = 0
        self._running: asyncio.Task[int] | None = None
        self._gathering: asyncio.Task[int] | None = None

    async def epoch(self) -> int:
        """The connection that will flush, made now when there is none. Refuses: ServiceUnavailable."""
        if self._connection is None or self._connection.closed:
            if self._connecting is None or self._connecting.done():
                self._connecting = asyncio.create_task(self._connect())
            # Who comes while one attempt runs shares its outcome: a server that swallows packets keeps nobody
            # waiting behind anybody.
            await asyncio.shield(self._connecting)
        return self._epoch

    async def _connect(self) -> None:
        try:
            self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, connect_timeout=5, application_name="ringlet flush"
            )
        except OUT_OF_REACH as error:
            raise ServiceUnavailable from error
        self._epoch += 1

    async def flushed(self, epoch: int) -> None:
        """Wait for a flush that began after this call. Refuses: ServiceUnavailable (the outcome is unknown)."""
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._flush_after(self._running))
        if await asyncio.shield(self._gathering) != epoch:
            raise ServiceUnavailable

    async def _flush_after(self, running: asyncio.Task[int] | None) -> int:
        if running is not None:
            await asyncio.wait([running])
        # Who comes from now on has committed perhaps too late for this flush and gathers for the next.
        self._running, self._gathering = self._gathering, None
        connection, epoch = self._connection, self._epoch
        if connection is None or connection.closed:
            raise ServiceUnavailable
        try:
            # A record of its own makes this transaction one that must be flushed; nothing reads it.
            async with asyncio.timeout(FLUSH_WITHIN_S):
                await connection.execute("select pg_logical_emit_message(true, 'ringlet', '')")
        except (*OUT_OF_REACH, TimeoutError) as error:
            await connection.close()
            raise ServiceUnavailable from error
        return epoch

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            await self._connection.close()
