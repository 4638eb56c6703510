"""Databases to test on: copies of one that is migrated, of one with a small shop, and of a demo after its first start."""

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.site import Shop, Site

#: a file system in memory, and what a worker's server may take of it
MEMORY = Path("/dev/shm")
ROOM = 2 * 2**30


@contextlib.contextmanager
def in_memory(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for a server that nobody will miss: making and dropping a thousand databases is work for a disk."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield factory.mktemp("cluster")
        return
    with tempfile.TemporaryDirectory(prefix="ringlet-test-", dir=MEMORY) as folder:
        yield Path(folder)


@contextlib.contextmanager
def fresh_database(cluster: str, template: str) -> Iterator[str]:
    """A copy of the template for as long as the block runs."""
    name = f"ringlet_test_{secrets.token_hex(6)}"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        names = (sql.Identifier(name), sql.Identifier(template))
        # Its pages are copied as files: through the log, which is the default, takes half as long again.
        connection.execute(sql.SQL("create database {} template {} strategy file_copy").format(*names))
        yield cluster.format(name)
        connection.execute(sql.SQL("drop database {} (force)").format(names[0]))


def copyable(cluster: str, url: str) -> str:
    """The name of this database, to which nobody is connected from now on: only such a one can be copied."""
    name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("alter database {} with allow_connections false").format(sql.Identifier(name))
        )
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
        )
    return name


@dataclass(frozen=True)
class Filled:
    """A database to copy, and the shop that every copy has in it."""

    database: str
    shop: Shop


@dataclass(frozen=True)
class DemoHome:
    """What the first start of a demo has made."""

    database: str
    home: Path

    @contextlib.contextmanager
    def site(self, folder: Path, cluster: str, **environment: str) -> Iterator[Site]:
        """A demo of the block's own, not started yet, with everything in it."""
        shutil.copytree(self.home, folder / "home")
        with fresh_database(cluster, self.database) as url:
            site = Site(folder / "home", url, **environment)
            try:
                yield site
            finally:
                site.stop()
