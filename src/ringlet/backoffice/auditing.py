"""The audit once an hour, by whichever worker comes first, and what it found.

A worker that dies at it leaves its claim: an hour later another one comes. One that is told to stop gives it up. A
check that takes longer than `CHECK_WITHIN_S` ends it, and that is said; pages only read what is remembered.
"""

import asyncio
import contextlib
import time
from datetime import datetime
from typing import Any, LiteralString

import msgspec
import psycopg
import structlog
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from ringlet import audit
from ringlet.audit import Breach
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Refusal

EVERY_S = 3_600
LOOK_AGAIN_S = 60
CHECK_WITHIN_S = 300
SHOWN_MAX = 20
#: who began an audit so long ago and has not ended it has died at it
GIVEN_UP_S = 1_800


log = structlog.get_logger("ringlet.auditing")


class Audited(msgspec.Struct, frozen=True):
    """The last audit; `breaches` are (invariant, promise, what) each, none of them while the books balance."""

    began_at: datetime | None
    ended_at: datetime | None
    took_ms: int | None
    breaches: list[dict[str, Any]] | None
    error: str | None
    broken_since: datetime | None


async def last(tx: Tx) -> Audited:
    """What is remembered."""
    cursor = tx.cursor(row_factory=args_row(Audited))
    found = await (await cursor.execute(_LAST)).fetchone()
    assert found is not None
    return found


_LAST: LiteralString = "select began_at, ended_at, took_ms, breaches, error, broken_since from audit_made"


async def run(desk: Desk, stop: asyncio.Event) -> None:
    """Audit hour by hour until the worker stops, which waits for no audit."""
    auditing = asyncio.create_task(_hour_by_hour(desk))
    await stop.wait()
    auditing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await auditing


async def _hour_by_hour(desk: Desk) -> None:
    while True:
        try:
            await audit_hourly(desk)
        except Refusal as refusal:
            log.warning("no_audit", code=refusal.code)
        except Exception:
            log.exception("no_audit")
        await asyncio.sleep(LOOK_AGAIN_S)


async def audit_hourly(desk: Desk) -> bool:
    """Audit when the last one began an hour ago; false when it is not time. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        if not (await tx.execute(_CLAIM, [EVERY_S])).rowcount:
            return False
    await _audit(desk)
    return True


async def audit_now(desk: Desk) -> bool:
    """Audit because somebody asks for it; false when one is at it already. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        if not (await tx.execute(_CLAIM_NOW, [GIVEN_UP_S])).rowcount:
            return False
    await _audit(desk)
    return True


async def _audit(desk: Desk) -> None:
    began_s = time.monotonic()
    breaches, error = None, None
    try:
        breaches = await _breaches(desk.db.conninfo)
    except psycopg.Error as failed:
        error = (str(failed).splitlines() or [type(failed).__name__])[0]
    except asyncio.CancelledError:
        async with desk.db.connection() as tx:
            await tx.execute("update audit_made set began_at = null")
        raise
    took_ms = int(1000 * (time.monotonic() - began_s))
    found = None if breaches is None else Jsonb(msgspec.to_builtins(breaches))
    async with desk.db.connection() as tx:
        await tx.execute(_NOTE, {"took_ms": took_ms, "breaches": found, "error": error})


async def _breaches(conninfo: str) -> list[Breach]:
    """As `audit.run`, on one snapshot and on a connection of its own, whose plans may read whole tables."""
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await connection.execute("set transaction isolation level repeatable read read only")
        await connection.execute("select set_config('statement_timeout', %s, true)", [f"{CHECK_WITHIN_S}s"])
        return [
            Breach(check.invariant, check.promise, row[0])
            for check in audit.CHECKS
            for row in await (await connection.execute(check.statement)).fetchmany(SHOWN_MAX)
        ]


_CLAIM: LiteralString = """
update audit_made set began_at = now() where coalesce(began_at <= now() - make_interval(secs => %s), true)
"""

_CLAIM_NOW: LiteralString = """
update audit_made set began_at = now()
where began_at is null or ended_at >= began_at or began_at <= now() - make_interval(secs => %s)
"""

_NOTE: LiteralString = """
update audit_made set ended_at = now(), took_ms = %(took_ms)s, error = %(error)s, breaches = %(breaches)s,
    broken_since = case when %(error)s::text is not null then broken_since
        when jsonb_array_length(%(breaches)s) > 0 then coalesce(broken_since, now()) end
"""
