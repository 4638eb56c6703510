"""A fake supplier over real HTTP in the test's own process, and the supplier row that points at it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from ringlet.desk import Desk
from ringlet.supplying import enlist, known, sync
from ringlet.supplying.enlist import Enlisted
from ringlet.supplying.sync import Synced
from tests.fakes import supplier as fake
from tests.fakes.warehouse import Warehouse

PATHS = {
    "handler-api": "/stubs/handler_api.php",
    "handler-api-http": "/stubs/handler_api.php",
    "fivesim": "/v1",
}


@contextlib.asynccontextmanager
async def serving(dialect: str, warehouse: Warehouse) -> AsyncIterator[str]:
    """The address of this warehouse, for as long as the block runs."""
    runner = web.AppRunner(fake.make(dialect, warehouse), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}{PATHS.get(dialect, '')}"
    finally:
        await runner.cleanup()


async def add(
    desk: Desk, url: str, name: str = "up", protocol: str = "handler-api", **conditions: Any
) -> Enlisted:
    """A supplier of that name; this process knows it."""
    made = await enlist.add(desk, name, protocol, url, fake.KEY, **conditions)
    await desk.refresh_prices()
    return made


async def take_over(desk: Desk, name: str = "up") -> Synced:
    """A sync that nobody else does at the same time; this process knows the prices."""
    synced = await sync.sync(desk, await known.reach(desk, name))
    assert synced is not None
    await desk.refresh_prices()
    return synced


async def row(desk: Desk, statement: Any, *values: Any) -> tuple[Any, ...]:
    """One row."""
    async with desk.db.connection() as tx:
        found = await (await tx.execute(statement, values)).fetchone()
    assert found is not None
    return found
