"""The machine room: version and schema, who is alive, what waits, the database, backups."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import __version__, migrations
from ringlet.db import Tx
from ringlet.desk import Desk

#: more than so many due rows are not counted
COUNTED_MAX = 10_000
#: who has not told for so long is no longer alive
SILENT_S = 45


class Process(msgspec.Struct, frozen=True):
    """A process of ours that has told within the hour."""

    room: str
    host: str
    pid: int
    version: str
    migration: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool


class Job(msgspec.Struct, frozen=True):
    """A worker's job: its last round by any worker, and its last failure."""

    job: str
    ended_at: datetime
    took_ms: int
    taken: int
    failed_at: datetime | None
    error: str | None


class Queue(msgspec.Struct, frozen=True):
    """What is due and not done: how many (`COUNTED_MAX` + 1 stands for more), and since when the oldest."""

    name: str
    due: int
    oldest: datetime | None


class Backup(msgspec.Struct, frozen=True):
    """One that was made."""

    made_at: datetime
    file: str
    bytes: int
    row_count: int
    version: str
    is_sealed: bool


class Server(msgspec.Struct, frozen=True):
    """The database server."""

    version: str
    database_bytes: int
    connections: int
    connections_max: int


class System(msgspec.Struct, frozen=True):
    """All of it, as one page shows it. `missing` and `newer`: migrations that only the code or the database has."""

    version: str
    migration: int
    missing: Sequence[str]
    newer: int | None
    processes: Sequence[Process]
    jobs: Sequence[Job]
    queues: Sequence[Queue]
    server: Server
    backups: Sequence[Backup]


async def look(desk: Desk) -> System:
    """What is so now. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        applied = {int(row[0]) for row in await (await tx.execute(_APPLIED)).fetchall()}
        known = migrations.known()
        return System(
            version=__version__,
            migration=max(known),
            missing=[name for number, (name, _) in known.items() if number not in applied],
            newer=max(applied - set(known), default=None),
            processes=await (await tx.cursor(row_factory=args_row(Process)).execute(_PROCESSES, [SILENT_S])).fetchall(),
            jobs=await (await tx.cursor(row_factory=args_row(Job)).execute(_JOBS)).fetchall(),
            queues=[await _queue(tx, name, statement) for name, statement in QUEUES.items()],
            server=await _server(tx),
            backups=await (await tx.cursor(row_factory=args_row(Backup)).execute(_BACKUPS)).fetchall(),
        )  # fmt: skip


_APPLIED: LiteralString = "select number from schema_migration"
_PROCESSES: LiteralString = """
select room, host, pid, version, migration, started_at, seen_at, seen_at > now() - make_interval(secs => %s)
from process_seen order by room, host, pid
"""
_JOBS: LiteralString = "select job, ended_at, took_ms, taken, failed_at, error from job_seen order by job"
_BACKUPS: LiteralString = """
select made_at, file, bytes, row_count, version, is_sealed from backup_made order by id desc limit 5
"""


async def _queue(tx: Tx, name: str, statement: LiteralString) -> Queue:
    row = await (await tx.execute(statement, [COUNTED_MAX + 1])).fetchone()
    assert row is not None
    return Queue(name, row[0], row[1])


async def _server(tx: Tx) -> Server:
    row = await (await tx.execute(_SERVER)).fetchone()
    assert row is not None
    return Server(*row)


_SERVER: LiteralString = """
select current_setting('server_version'), pg_database_size(current_database()),
    (select count(*)::int from pg_stat_activity where datname = current_database()),
    current_setting('max_connections')::int
"""

# By index, and never further than the limit: what is over is in none of these indexes.
QUEUES: Mapping[str, LiteralString] = {
    "activations": """
        select count(*)::int, min(due_at) from (
            select due_at from activation where due_at <= now() order by due_at limit %s) as due
    """,
    "orders": """
        select count(*)::int, min(asked_at) from (select asked_at from asking limit %s) as due
    """,
    "returns": """
        select count(*)::int, min(due_at) from supplier s cross join lateral (
            select due_at from rental where source_id = s.source_id and due_at <= now() order by due_at limit %s) as due
    """,
    "resting": """
        select count(*)::int, min(due_at) from (
            select due_at from stock where state = 'resting' and due_at <= now() order by due_at limit %s) as due
    """,
    "letters": """
        select count(*)::int, min(due_at) from (
            select due_at from letter where due_at <= now() order by due_at limit %s) as due
    """,
    "deliveries": """
        select count(*)::int, min(due_at) from webhook_endpoint e cross join lateral (
            select due_at from delivery where endpoint_id = e.id and due_at <= now() order by due_at limit %s) as due
        where e.disabled_at is null
    """,
    "rehearsals": """
        select count(*)::int, min(due_at) from (
            select due_at from simulated_message where due_at <= now() order by due_at limit %s) as due
    """,
}


async def last_backup(tx: Tx) -> datetime | None:
    """When the newest backup was made."""
    row = await (await tx.execute("select made_at from backup_made order by id desc limit 1")).fetchone()
    return None if row is None else row[0]
