"""Forward-only migrations: numbered `.sql` files, each once, under one advisory lock."""

from importlib.resources import files
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from ringlet.db import Tx
from ringlet.errors import StartupError

LOCK_ID = 7_263_945_061  # any number that nobody else locks; the same in every version

Connection = psycopg.Connection[TupleRow]


def known() -> dict[int, tuple[str, str]]:
    """Every migration of this version: number → (name, SQL)."""
    found = sorted(
        (path for path in files("ringlet.sql").iterdir() if path.name.endswith(".sql")),
        key=lambda path: path.name,
    )
    return {int(path.name[:4]): (path.name, path.read_text(encoding="utf-8")) for path in found}


def migrate(conninfo: str) -> list[str]:
    """Bring the database to this version's schema; returns the names of what was applied.

    Safe to call from several processes at once and again after a crash: each file is one transaction.
    Raises StartupError for a server that is too old or a database that a newer version has migrated.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.info.server_version < 150_000:  # noqa: PLR2004 - 15.0 as PostgreSQL writes it
            raise StartupError("PostgreSQL 15 or newer is needed")
        connection.execute("select pg_advisory_lock(%s)", [LOCK_ID])
        return apply(connection)


def pending(connection: Connection) -> list[str]:
    """Names of the migrations that this database still lacks."""
    return [name for number, (name, _) in known().items() if number not in _applied(connection)]


def apply(connection: Connection, up_to: int | None = None) -> list[str]:
    """The same on a connection that holds the lock; `up_to`: the schema of an older version, for its backup."""
    connection.execute(
        "create table if not exists schema_migration"
        " (number int primary key, name text not null, applied_at timestamptz not null default now())"
    )
    applied = _applied(connection)
    if newer := applied - set(known()):
        raise StartupError(f"this database was migrated by a newer Ringlet (migration {max(newer)})")
    done = []
    for number, (name, statements) in known().items():
        if number not in applied and (up_to is None or number <= up_to):
            with connection.transaction():
                connection.execute(statements)
                connection.execute(
                    "insert into schema_migration (number, name) values (%s, %s)", [number, name]
                )
            done.append(name)
    return done


def _applied(connection: Connection) -> set[int]:
    if connection.execute("select to_regclass('schema_migration')").fetchone() == (None,):
        return set()
    return {row[0] for row in connection.execute("select number from schema_migration")}


async def newest_applied(tx: Tx) -> int:
    """The number of the newest migration that this database has had."""
    row = await (await tx.execute("select coalesce(max(number), 0) from schema_migration")).fetchone()
    assert row is not None
    return int(row[0])


def describe(connection: Connection) -> str:
    """The schema as sorted lines, the same on every PostgreSQL version: tables, indexes, checks, triggers."""
    return "\n".join(row[0] for row in connection.execute(_DESCRIBE)) + "\n"


_DESCRIBE: LiteralString = """
select line from (
    select format('column %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then ' not null' else '' end,
        case when d.adbin is null then '' else ' default ' || pg_get_expr(d.adbin, d.adrelid) end) as line
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relnamespace = current_schema()::regnamespace and a.attnum > 0 and not a.attisdropped
    union all
    select format('index %s', indexdef) from pg_indexes where schemaname = current_schema()
    union all
    select format('constraint %s.%s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    from pg_constraint
    where connamespace = current_schema()::regnamespace and contype in ('c', 'f', 'u', 'p') and conrelid <> 0
    union all
    select format('trigger %s', pg_get_triggerdef(t.oid))
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = current_schema()::regnamespace and not t.tgisinternal
    union all
    select format('type %s enum (%s)', t.typname, string_agg(e.enumlabel, ', ' order by e.enumsortorder))
    from pg_type t join pg_enum e on e.enumtypid = t.oid
    where t.typnamespace = current_schema()::regnamespace group by t.typname
    union all
    select format('function %s %s', p.proname, p.prosrc) from pg_proc p
    where p.pronamespace = current_schema()::regnamespace
) as lines order by line collate "C"
"""
