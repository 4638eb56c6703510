"""Which processes are alive, and how the jobs of the workers do, told to the database every quarter of a minute.

For the operator's eyes only: nothing is decided by it, and what a process did not come to tell is lost without harm.
"""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString

from ringlet import __version__, migrations
from ringlet.desk import Desk

TOLD_EVERY_S = 15.0
ERROR_LENGTH_MAX = 300


@dataclass(slots=True)
class Round:
    """The last round of a job in this process."""

    ended_at: datetime
    took_ms: int
    taken: int
    failed_at: datetime | None = None
    error: str | None = None


@dataclass(slots=True)
class Presence:
    """One process of ours, from its start to its end."""

    room: str
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
    rounds: dict[str, Round] = field(default_factory=dict)

    def note(self, job: str, began: float, taken: int, error: str | None = None) -> None:
        """A round has ended; `began` by the monotonic clock. A later good round keeps what went wrong before it."""
        now, before = datetime.now(UTC), self.rounds.get(job)
        made = Round(now, round(1000 * (time.monotonic() - began)), taken)
        if error is not None:
            made.failed_at, made.error = now, error[:ERROR_LENGTH_MAX].replace("\0", "")
        elif before is not None:
            made.failed_at, made.error = before.failed_at, before.error
        self.rounds[job] = made

    async def tell(self, desk: Desk) -> int:
        """We are there; who has not said so for an hour is forgotten. Always 0. Refuses: ServiceUnavailable."""
        values = {
            "name": self.name, "room": self.room, "host": socket.gethostname(), "pid": os.getpid(),
            "version": __version__, "migration": max(migrations.known()), "started_at": self.started_at,
        }  # fmt: skip
        told, self.rounds = self.rounds, {}
        async with desk.db.transaction() as tx:
            await tx.execute(_HERE, values)
            await tx.execute(_FORGET)
            # In one order, so that two workers never wait for each other crosswise.
            for job in sorted(told):
                await tx.execute(_ROUND, _row(job, told[job]))
        return 0

    async def leave(self, desk: Desk) -> None:
        """We end in good order. Refuses: ServiceUnavailable."""
        async with desk.db.connection() as tx:
            await tx.execute("delete from process_seen where name = %s", [self.name])


def _row(job: str, done: Round) -> Mapping[str, object]:
    return {
        "job": job, "ended_at": done.ended_at, "took_ms": done.took_ms, "taken": done.taken,
        "failed_at": done.failed_at, "error": done.error,
    }  # fmt: skip


_HERE: LiteralString = """
insert into process_seen (name, room, host, pid, version, migration, started_at)
values (%(name)s, %(room)s, %(host)s, %(pid)s, %(version)s, %(migration)s, %(started_at)s)
on conflict (name) do update set seen_at = now()
"""
_FORGET: LiteralString = "delete from process_seen where seen_at < now() - interval '1 hour'"
_ROUND: LiteralString = """
insert into job_seen as j (job, ended_at, took_ms, taken, failed_at, error)
values (%(job)s, %(ended_at)s, %(took_ms)s, %(taken)s, %(failed_at)s, %(error)s)
on conflict (job) do update set ended_at = excluded.ended_at, took_ms = excluded.took_ms, taken = excluded.taken,
    failed_at = coalesce(excluded.failed_at, j.failed_at), error = coalesce(excluded.error, j.error)
where j.ended_at <= excluded.ended_at
"""
