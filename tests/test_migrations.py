"""The schema: from zero, in step with the committed one, safe to apply from several processes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ringlet import migrations
from ringlet.errors import StartupError
from tests.conftest import TEMPLATE

COMMITTED = Path(__file__).parent.parent / "src" / "ringlet" / "sql" / "schema.txt"


@pytest.fixture
def empty_url(cluster: str) -> str:
    name = f"{TEMPLATE}_empty"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} (force)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return cluster.format(name)


def test_migrations_from_zero_equal_the_committed_schema(empty_url: str) -> None:
    """Whoever changes the schema shows the whole of it: `python -m tests.test_migrations` writes it anew."""
    migrations.migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        assert migrations.describe(connection) == COMMITTED.read_text(encoding="utf-8")


def test_several_processes_migrate_at_once(empty_url: str) -> None:
    """The first applies, the others find it done."""
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrations.migrate, [empty_url] * 4))
    assert sorted(len(each) for each in applied) == [0, 0, 0, len(migrations.known())]


def test_a_newer_database_is_refused(empty_url: str) -> None:
    """An old program does not write into a schema that it does not know."""
    migrations.migrate(empty_url)
    with psycopg.connect(empty_url) as connection:
        connection.execute("insert into schema_migration (number, name) values (9999, 'from the future')")
    with pytest.raises(StartupError, match="newer"):
        migrations.migrate(empty_url)


def test_postings_are_immutable(database_url: str) -> None:
    """The database itself refuses to change, delete or truncate a posting."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in (
            "update posting set amount_micros = 1",
            "delete from posting",
            "truncate posting cascade",
        ):
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(statement)


if __name__ == "__main__":
    import sys

    with psycopg.connect(sys.argv[1]) as connection:
        COMMITTED.write_text(migrations.describe(connection), encoding="utf-8")
