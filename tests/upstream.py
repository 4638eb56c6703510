"""A supplier row that points at a fake, and what stands in the database of it."""

from decimal import Decimal
from typing import Any

from ringlet.desk import Desk
from ringlet.supplying import enlist, known, sync
from ringlet.supplying.enlist import Enlisted
from ringlet.supplying.sync import Synced
from tests.fakes import supplier as fake

#: an address where nobody answers
NOWHERE = "http://127.0.0.1:9/api"


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


async def offers(desk: Desk) -> dict[tuple[int, str, str], tuple[Decimal, int | None]]:
    """Every offer: price and how many."""
    async with desk.db.connection() as tx:
        cursor = await tx.execute(
            "select country, service, operator, base_price, available from offer order by id"
        )
        return {(a, b, c): (price, count) for a, b, c, price, count in await cursor.fetchall()}
