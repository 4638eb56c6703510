"""The real database under every test: embedded, or the one of RINGLET_TEST_DATABASE_URL."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest

from ringlet import audit, demo, embedded, ledger, migrations
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.settings import Settings, load
from tests.databases import DemoHome, Filled, copyable, fresh_database, in_memory
from tests.site import Shop, Site, fill_shop

pytest_plugins = ("tests.browser", "tests.pages_rig", "tests.live")
#: minutes of browsers, of faults and of generated input: `make test-long`, which CI runs too
LONG = frozenset({
    "test_pages_axe", "test_pages_journeys", "test_pages_docs_samples", "test_pages_live_browser", "test_model",
    "test_schemathesis", "test_failpoints", "test_supplier_faults", "test_webhook_faults", "test_kill", "test_database_down",
    "test_admin_wizard", "test_admin_axe", "test_topup_faults", "test_pages_topup_browser", "test_brands_browser",
    "test_gateway_localstripe", "test_races_http", "test_serve_life", "test_client", "test_buy_command",
    "test_bad_input", "test_bad_requests",
})  # fmt: skip
#: of this worker, when several share a server
TEMPLATE = "ringlet_test_template" + os.environ.get("PYTEST_XDIST_WORKER", "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is marked in one place: whole files, and whatever opens a browser."""
    for item in items:
        if item.path.stem in LONG or "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("long")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of which nothing is wanted is not even read."""
    return True if collection_path.stem in LONG and "not long" in config.option.markexpr else None


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server on which databases may be made: "{}" stands for the name."""
    outside = os.environ.get("RINGLET_TEST_DATABASE_URL")
    if outside:
        yield urlunsplit(urlsplit(outside)._replace(path="/{}"))
        return
    with in_memory(tmp_path_factory) as folder:
        server = embedded.acquire(folder)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            # These databases live for a test. Those that must outlive a crash have a server of their own.
            for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '256MB'"):
                connection.execute(f"alter system set {setting}")
            connection.execute("select pg_reload_conf()")
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


@pytest.fixture(scope="session")
def filled(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A database with a small shop to copy, and whose it is."""
    with fresh_database(cluster, template) as url:
        shop = asyncio.run(_at_desk(settings_of(tmp_path_factory.mktemp("filled"), url), fill_shop))
        yield Filled(copyable(cluster, url), shop)


@pytest.fixture(scope="session")
def demo_home(cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoHome]:
    """What the first start of a demo makes, to copy: its database, and its home with the secret and the keys."""
    home = tmp_path_factory.mktemp("demo") / "home"
    with fresh_database(cluster, template) as url:
        made = load({"RINGLET_HOME": str(home), "DATABASE_URL": url})
        asyncio.run(_at_desk(made, lambda desk: demo.prepare(desk, home / "demo.json", "http://127.0.0.1")))
        yield DemoHome(copyable(cluster, url), home)


T = TypeVar("T")


async def _at_desk(settings: Settings, work: Callable[[Desk], Awaitable[T]]) -> T:
    assert settings.database_url is not None
    async with open_desk(settings, settings.database_url) as desk:
        await desk.refresh_prices()
        return await work(desk)


@pytest.fixture
def database_url(cluster: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database of this test's own: with a shop in it when the test asks for one."""
    if "shop" in request.fixturenames:
        name = request.getfixturevalue("filled").database
    else:
        name = request.getfixturevalue("template")
    with fresh_database(cluster, name) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_of(tmp_path, database_url)


def settings_of(home: Path, url: str) -> Settings:
    return Settings(home=home, database_url=url, secret=b"s" * 32, rate_limit=0, proof_of_work=False)


@pytest.fixture
async def desk(settings: Settings, database_url: str) -> AsyncIterator[Desk]:
    """A desk on a fresh, empty database."""
    async with open_desk(settings, database_url) as opened:
        yield opened


@pytest.fixture
async def shop(desk: Desk, filled: Filled) -> Shop:
    """A small shop: alice with 100.00, bob with 100.00, and 50 numbers of country 6 for ig, wa, tg and go."""
    await desk.refresh_prices()
    return dataclasses.replace(filled.shop)


@pytest.fixture
async def alice(shop: Shop) -> ledger.Wallet:
    return shop.alice


@pytest.fixture
def site(tmp_path: Path, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """A whole installation as its own processes, with the demo's account and stock."""
    with demo_home.site(tmp_path, cluster) as running:
        running.start()
        yield running


@pytest.fixture
def breaches(database_url: str) -> Iterator[None]:
    """Every test that moves money ends with a clean audit."""
    yield
    assert audit.run(database_url) == []
