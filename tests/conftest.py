"""The real database under every test: embedded, or the one of RINGLET_TEST_DATABASE_URL."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from ringlet import audit, embedded, ledger, migrations
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.settings import Settings
from tests.site import Shop, Site, fill_shop

pytest_plugins = ("tests.browser",)
#: minutes of browsers, of faults and of generated input: `make test-long`, which CI runs too
LONG = frozenset({
    "test_pages_axe", "test_pages_journeys", "test_pages_docs_samples", "test_pages_live_browser", "test_model",
    "test_schemathesis", "test_failpoints", "test_supplier_faults", "test_webhook_faults", "test_kill",
})  # fmt: skip
#: of this worker, when several share a server
TEMPLATE = "ringlet_test_template" + os.environ.get("PYTEST_XDIST_WORKER", "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is marked in one place."""
    for item in items:
        if item.path.stem in LONG:
            item.add_marker("long")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server on which databases may be made: "{}" stands for the name."""
    outside = os.environ.get("RINGLET_TEST_DATABASE_URL")
    if outside:
        yield urlunsplit(urlsplit(outside)._replace(path="/{}"))
        return
    server = embedded.acquire(tmp_path_factory.mktemp("cluster"))
    info = psycopg.conninfo.conninfo_to_dict(server.dsn)
    yield f"postgresql://{info['user']}@/{{}}?host={quote(str(info['host']), safe='')}"
    server.release()


@pytest.fixture(scope="session")
def template(cluster: str) -> Iterator[str]:
    """A migrated, empty database to copy."""
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database if exists {TEMPLATE} (force)")
        connection.execute(f"create database {TEMPLATE}")
        migrations.migrate(cluster.format(TEMPLATE))
        yield TEMPLATE
        connection.execute(f"drop database {TEMPLATE} (force)")


@pytest.fixture
def database_url(cluster: str, template: str) -> Iterator[str]:
    """A fresh database of this test's own."""
    with fresh_database(cluster, template) as url:
        yield url


@contextlib.contextmanager
def fresh_database(cluster: str, template: str) -> Iterator[str]:
    """A copy of the template for as long as the block runs."""
    name = f"ringlet_test_{secrets.token_hex(6)}"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        names = (sql.Identifier(name), sql.Identifier(template))
        connection.execute(sql.SQL("create database {} template {}").format(*names))
        yield cluster.format(name)
        connection.execute(sql.SQL("drop database {} (force)").format(names[0]))


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(home=tmp_path, database_url=database_url, secret=b"s" * 32, rate_limit=0)


@pytest.fixture
async def desk(settings: Settings, database_url: str) -> AsyncIterator[Desk]:
    """A desk on a fresh, empty database."""
    async with open_desk(settings, database_url) as opened:
        yield opened


@pytest.fixture
async def shop(desk: Desk) -> Shop:
    """A small shop: alice with 100.00, bob with 100.00, and 50 numbers of country 6 for ig, wa, tg and go."""
    return await fill_shop(desk)


@pytest.fixture
async def alice(shop: Shop) -> ledger.Wallet:
    return shop.alice


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    """A whole installation as its own processes, with the demo's account and stock."""
    running = Site(tmp_path / "home", database_url)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def breaches(database_url: str) -> Iterator[None]:
    """Every test that moves money ends with a clean audit."""
    yield
    assert audit.run(database_url) == []
