"""The way back: a backup into an empty installation, in one transaction.

Killed at any moment before its commit, it has changed nothing. The secret takes its place in the last step before the
commit: between the two lies one fsync, and whoever dies there begins again with the same command.
"""

import os
import secrets
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from psycopg import sql

from ringlet import migrations
from ringlet.backoffice import archive
from ringlet.backoffice.archive import Damaged
from ringlet.backoffice.backup import END, FORMAT, HEAD, LEFT_OUT, SECRET, End, Head, Tell, identifiers
from ringlet.errors import StartupError
from ringlet.migrations import Connection
from ringlet.settings import Settings

#: What was numbered between the backup and the disaster must not be numbered again: suppliers and customers have seen
#: those numbers. So every sequence goes on from so much higher.
NUMBERS_LEFT_OUT = 1_000_000
#: A process that has just ended may still have a connection that closes.
GOING_S = 3.0
Members = Generator[tuple[str, bytes], None, None]


class Restored(msgspec.Struct, frozen=True):
    """What came back; `migrated`: what was applied to it since."""

    head: Head
    rows: int
    migrated: list[str]


def restore(
    conninfo: str, settings: Settings, file: Path, passphrase: str | None, *, replace: bool, tell: Tell
) -> Restored:
    """Put a backup in the place of an empty database, or with `replace` of whatever is there.

    Raises Damaged, and StartupError: not empty, in use, of a newer version, or RINGLET_SECRET is set to another one.
    """
    try:
        with file.open("rb") as opened, psycopg.connect(conninfo, autocommit=True) as connection:
            _alone(connection)
            with connection.transaction():
                if not replace:
                    _check_empty(connection)
                for _ in archive.members(opened, passphrase):
                    pass  # the whole is sound, before anything of it is believed
                opened.seek(0)
                with closing(archive.members(opened, passphrase)) as members:
                    return _load(connection, settings, members, tell)
    except OSError as error:
        raise StartupError(f"the backup cannot be read: {error.strerror or error}: {file}") from error


def _alone(connection: Connection) -> None:
    """Nobody migrates, and no process of ours is there; who has just gone is given time to. Raises StartupError."""
    until = time.monotonic() + GOING_S
    while not _is_alone(connection):
        if time.monotonic() >= until:
            raise StartupError(
                "the database is in use: stop every web and worker process first (ringlet serve too)"
            )
        time.sleep(0.1)


def _is_alone(connection: Connection) -> bool:
    return connection.execute(_ALONE, [migrations.LOCK_ID]).fetchone() == (True,)


# The lock is taken anew each time, which is harmless: it goes with the connection.
_ALONE: LiteralString = """
select pg_try_advisory_lock(%s) and not exists (
    select from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
)
"""


def _check_empty(connection: Connection) -> None:
    """Raises StartupError when somebody is in the books."""
    if connection.execute("select to_regclass('customer')").fetchone() == (None,):
        return
    if connection.execute(_IN_USE).fetchone() == (True,):
        raise StartupError(
            "this installation is not empty: restore into an empty one (another RINGLET_HOME or DATABASE_URL),"
            " or give up what is here with --replace"
        )


_IN_USE: LiteralString = """
select exists (select from customer) or exists (select from source where kind <> 'simulator')
"""


def _load(connection: Connection, settings: Settings, members: Members, tell: Tell) -> Restored:
    head = _head(members)
    secret = _secret(settings, members)
    _clear(connection)
    migrations.apply(connection, up_to=head.migration)
    _check_tables(connection, head)
    end = _fill(connection, head, members, tell)
    _go_on_numbering(connection, end)
    migrated = migrations.apply(connection)
    connection.execute(_END_SESSIONS)
    connection.execute(_ACT, [f"backup of {head.made_at:%Y-%m-%d %H:%M:%S} UTC"])
    if secret is not None:
        _keep_secret(settings.home / "secret.key", secret)
    return Restored(head, sum(end.rows.values()), migrated)


# A session that its owner has ended since would be good again.
_END_SESSIONS: LiteralString = "update person_session set ended_at = now() where ended_at is null"
_ACT: LiteralString = """
insert into staff_act (actor, role, act, about) values ('cli', 'owner', 'backup.restored', %s)
"""


def _member(members: Members, name: str) -> bytes:
    found, body = next(members, ("nothing", b""))
    if found != name:
        raise Damaged(f"this file is no backup of Ringlet: {name} was expected, {found[:64]!r} came")
    return body


def _head(members: Members) -> Head:
    """Raises Damaged, StartupError for the backup of a newer version."""
    body = _member(members, HEAD)
    try:
        head = msgspec.json.decode(body, type=Head)
    except msgspec.MsgspecError as error:
        raise Damaged(f"this file is no backup of Ringlet: {error}") from error
    known = [name for name, _ in migrations.known().values()]
    if head.format > FORMAT or head.migrations[-1:] > known[-1:]:
        raise StartupError(
            f"this backup was made by a newer Ringlet ({head.version}): install that one first"
        )
    if not head.migrations or head.migrations != known[: len(head.migrations)]:
        raise StartupError(f"this backup was made by a Ringlet with another schema ({head.version})")
    return head


def _secret(settings: Settings, members: Members) -> str | None:
    """The secret to keep in the home; None when it is the one in force. Raises StartupError when another one is set."""
    text = _member(members, SECRET).decode("ascii", "replace")
    if text == settings.secret.hex():
        return None
    file = settings.home / "secret.key"
    if not file.exists() or file.read_text(encoding="ascii").strip() != settings.secret.hex():
        raise StartupError(
            "RINGLET_SECRET is set to another secret than the backup's: unset it here (the backup's will be kept in"
            f" {file}), or set it to that one"
        )
    return text


def _keep_secret(file: Path, text: str) -> None:
    """In the place of the one that was made for the empty installation, which stays beside it."""
    made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    owner = file.stat()
    if os.geteuid() == 0:
        os.chown(made, owner.st_uid, owner.st_gid)
    kept = file.with_name(f"{file.name}.before-restore")
    kept.unlink(missing_ok=True)
    kept.hardlink_to(file)
    made.replace(file)


def _clear(connection: Connection) -> None:
    """Everything in our schema goes, but what belongs to an extension."""
    for (statement,) in connection.execute(_DROPS).fetchall():
        connection.execute(statement)


_DROPS: LiteralString = """
select format('drop %s if exists %s cascade', what, name) from (
    select 1 as turn, 'table' as what, c.oid::regclass::text as name, c.oid from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
    union all
    select 2, 'routine', p.oid::regprocedure::text, p.oid from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
    union all
    select 3, 'type', t.oid::regtype::text, t.oid from pg_type t
    where t.typnamespace = current_schema()::regnamespace and t.typtype in ('e', 'd')
) found
where not exists (select from pg_depend d where d.objid = found.oid and d.deptype = 'e')
order by turn
"""


def _check_tables(connection: Connection, head: Head) -> None:
    here = {row[0] for row in connection.execute(_TABLES)}
    if strange := set(head.tables) - here | here - set(head.tables) - set(LEFT_OUT):
        raise StartupError(f"this backup and its schema do not fit: {', '.join(sorted(strange))}")


_TABLES: LiteralString = """
select relname::text from pg_class where relnamespace = current_schema()::regnamespace and relkind = 'r'
"""


def _fill(connection: Connection, head: Head, members: Members, tell: Tell) -> End:
    """Every row as it was: no trigger runs, and what rows say of each other is checked when all are there."""
    relations = connection.execute(_RELATIONS).fetchall()
    tables = sql.SQL(", ").join(map(sql.Identifier, head.tables))
    for each in relations:
        connection.execute(
            sql.SQL("alter table {} drop constraint {}").format(*map(sql.Identifier, each[:2]))
        )
    _switch_triggers(connection, head, "disable")
    connection.execute(sql.SQL("truncate {}").format(tables))
    end = _copy(connection, head, members, tell)
    _switch_triggers(connection, head, "enable")
    for table, name, definition in relations:
        connection.execute(sql.SQL("alter table {} add constraint {} {}").format(
            sql.Identifier(table), sql.Identifier(name), sql.SQL(definition),
        ))  # fmt: skip
    return end


_RELATIONS: LiteralString = """
select c.relname::text, f.conname::text, pg_get_constraintdef(f.oid)
from pg_constraint f join pg_class c on c.oid = f.conrelid
where f.contype = 'f' and c.relnamespace = current_schema()::regnamespace
"""


def _switch_triggers(connection: Connection, head: Head, to: LiteralString) -> None:
    for table in head.tables:
        connection.execute(
            sql.SQL("alter table {} {} trigger user").format(sql.Identifier(table), sql.SQL(to))
        )


def _copy(connection: Connection, head: Head, members: Members, tell: Tell) -> End:
    """The lines of every table. Raises Damaged."""
    rows = dict.fromkeys(head.tables, 0)
    for name, body in members:
        if name == END:
            end = msgspec.json.decode(body, type=End)
            if rows != end.rows or next(members, None) is not None:
                raise Damaged("this backup lacks rows")
            return end
        table = name.partition("/")[0]
        if table not in rows:
            raise Damaged(f"{name[:64]!r} is no part of a backup")
        rows[table] += _copy_part(connection, table, head.tables[table], body)
        tell(table, rows[table])
    raise Damaged("this backup has no end")


def _copy_part(connection: Connection, table: str, columns: list[str], body: bytes) -> int:
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), identifiers(columns))
    with connection.cursor() as cursor:
        try:
            with cursor.copy(statement) as lines:
                lines.write(body)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise Damaged(f"rows of {table} do not fit: {error.diag.message_primary}") from error
        return cursor.rowcount


def _go_on_numbering(connection: Connection, end: End) -> None:
    """Also where nothing was numbered before the backup."""
    for (name,) in connection.execute(_SEQUENCES).fetchall():
        last = end.sequences.get(name, 0)
        connection.execute("select setval(%s::regclass, %s)", [f'"{name}"', last + NUMBERS_LEFT_OUT])


_SEQUENCES: LiteralString = "select sequencename::text from pg_sequences where schemaname = current_schema()"
