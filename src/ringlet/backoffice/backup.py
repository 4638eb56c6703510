"""A backup: the data of every table as one moment saw it, and the installation's secret, in one file.

The schema is not in it: our migrations make it. So a backup of any PostgreSQL is restored to any other, and an older
one is migrated when it comes back (decision 33).
"""

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, LiteralString

import msgspec
import psycopg
from psycopg import sql

from ringlet import __version__, migrations
from ringlet.backoffice.archive import Writer
from ringlet.errors import StartupError
from ringlet.migrations import Connection
from ringlet.settings import Settings

FORMAT = 1
HEAD, SECRET, END = "backup.json", "secret.key", "end.json"
PART_BYTES = 4 << 20
#: What is made anew: the migrations' own table, and who is alive.
LEFT_OUT = ["schema_migration", "process_seen"]

Tell = Callable[[str, int], None]


class Head(msgspec.Struct, frozen=True):
    """The first member. `tables`: name → the columns that stand in its lines, in order."""

    format: int
    made_at: datetime
    version: str
    migrations: list[str]
    host: str
    tables: dict[str, list[str]]

    @property
    def migration(self) -> int:
        """The number of the newest."""
        return int(self.migrations[-1][:4])


class End(msgspec.Struct, frozen=True):
    """The last member but the sums: how many rows each table has, and the last number that each sequence gave."""

    rows: dict[str, int]
    sequences: dict[str, int]


class Made(msgspec.Struct, frozen=True):
    """A backup that lies there whole."""

    file: Path
    bytes: int
    rows: int
    tables: int
    migration: int
    is_sealed: bool


def make(conninfo: str, settings: Settings, to: Path, passphrase: str | None, tell: Tell) -> Made:
    """Write everything to a new file, or to one named by the moment in the folder `to`; `tell` hears of each table.

    Sales go on meanwhile. Raises StartupError: the file is there already, cannot be written, or the schema is not ours.
    """
    file = to / f"ringlet-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup" if to.is_dir() else to
    try:
        with _new_file(file) as out, psycopg.connect(conninfo) as connection:
            connection.execute(_ONE_MOMENT)
            head, end = _write(connection, settings, Writer(out, passphrase), tell)
    except OSError as error:
        raise StartupError(f"the backup cannot be written to {file}: {error.strerror or error}") from error
    made = Made(
        file, file.stat().st_size, sum(end.rows.values()), len(head.tables), head.migration,
        passphrase is not None,
    )  # fmt: skip
    with psycopg.connect(conninfo) as connection:
        _note(connection, made)
    return made


_ONE_MOMENT: LiteralString = "set transaction isolation level repeatable read read only"


@contextlib.contextmanager
def _new_file(file: Path) -> Iterator[BinaryIO]:
    """A file for us alone that gets its name when it is whole and on disk; killed before, it never does."""
    if file.exists():
        raise StartupError(f"{file} is there already: name another file")
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        ) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.link(part, file)  # unlike a rename it fails when somebody has made one meanwhile
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
    finally:
        part.unlink(missing_ok=True)


def _write(connection: Connection, settings: Settings, out: Writer, tell: Tell) -> tuple[Head, End]:
    head = Head(
        FORMAT, datetime.now(UTC), __version__, _migrations(connection), socket.gethostname(),
        dict(connection.execute(_TABLES, [LEFT_OUT]).fetchall()),
    )  # fmt: skip
    out.add(HEAD, msgspec.json.encode(head))
    out.add(SECRET, settings.secret.hex().encode())
    rows = {}
    for table, columns in head.tables.items():
        rows[table] = _copy(connection, out, table, columns)
        tell(table, rows[table])
    # Sequences are of no moment: theirs is now, and what they gave meanwhile is given twice to nobody.
    end = End(rows, dict(connection.execute(_SEQUENCES).fetchall()))
    out.add(END, msgspec.json.encode(end))
    out.close()
    return head, end


def _migrations(connection: Connection) -> list[str]:
    """What this database has had. Raises StartupError unless it is what this version knows."""
    known = [name for name, _ in migrations.known().values()]
    applied = [row[0] for row in connection.execute("select name from schema_migration order by number")]
    if applied != known:
        raise StartupError("the schema is not of this version: ringlet migrate, or a newer Ringlet")
    return applied


# What is computed by the table itself is left out.
_TABLES: LiteralString = """
select c.relname, array_agg(a.attname::text order by a.attnum)
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' and c.relname <> all (%s)
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
group by c.relname order by c.relname
"""
_SEQUENCES: LiteralString = """
select sequencename::text, last_value from pg_sequences
where schemaname = current_schema() and last_value is not null order by 1
"""


def _copy(connection: Connection, out: Writer, table: str, columns: list[str]) -> int:
    """The lines of one table as COPY writes them, in members of some megabytes; returns how many."""
    statement = sql.SQL("copy {} ({}) to stdout").format(sql.Identifier(table), identifiers(columns))
    rows, number, held = 0, 0, bytearray()
    with connection.cursor() as cursor, cursor.copy(statement) as lines:
        for line in lines:
            held += line
            rows += 1
            if len(held) >= PART_BYTES:
                out.add(f"{table}/{number:06}", bytes(held))
                number, held = number + 1, bytearray()
    if held:
        out.add(f"{table}/{number:06}", bytes(held))
    return rows


def identifiers(columns: list[str]) -> sql.Composed:
    """Names of columns, with commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _note(connection: Connection, made: Made) -> None:
    connection.execute(_NOTE, [
        made.file.name, made.bytes, made.rows, made.migration, __version__, made.is_sealed,
    ])  # fmt: skip
    connection.execute(_ACT, [f"file {made.file.name}"])


_NOTE: LiteralString = """
insert into backup_made (file, bytes, row_count, migration, version, is_sealed) values (%s, %s, %s, %s, %s, %s)
"""
_ACT: LiteralString = """
insert into staff_act (actor, role, act, about) values ('cli', 'owner', 'backup.made', %s)
"""
