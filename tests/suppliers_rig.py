"""A shop that buys from fake suppliers: each a process-like server in this loop, synced and on sale."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

from aiohttp import web
from psycopg import sql

from ringlet import accounts, ledger, pricing
from ringlet.activations import poll
from ringlet.desk import Desk
from ringlet.suppliers.book import Supplier
from ringlet.supplying import enlist, sync
from tests.fakes.supplier import KEY, make
from tests.fakes.warehouse import Warehouse

PATHS = {"handler-api": "/stubs/handler_api.php", "handler-api-http": "/stubs/handler_api.php",
         "fivesim": "/v1", "ringlet": "", "agent": "/agent"}  # fmt: skip


@contextlib.asynccontextmanager
async def serving(dialect: str, warehouse: Warehouse) -> AsyncIterator[str]:
    """The supplier's address while it serves."""
    runner = web.AppRunner(make(dialect, warehouse), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}{PATHS[dialect]}"
    finally:
        await runner.cleanup()


@dataclass
class Upstream:
    """One supplier from both sides."""

    name: str
    warehouse: Warehouse
    desk: Desk
    watch: poll.Watch | None = None

    @property
    def supplier(self) -> Supplier:
        found = self.desk.book.named(self.name)
        assert found is not None
        return found

    async def sweep(self) -> None:
        """One look of the worker; the same memory from sweep to sweep, as in the worker."""
        if self.watch is None or self.watch.supplier is not self.supplier:
            self.watch = poll.Watch(self.supplier)
        await self.watch.sweep(self.desk)

    async def sync(self) -> None:
        await sync.sync(self.desk, self.supplier)
        await self.desk.refresh_prices()

    def only(self) -> str:
        """The ref of the only allotment."""
        (ref,) = self.warehouse.allotments
        return ref


@contextlib.asynccontextmanager
async def upstream(
    desk: Desk, name: str, *, cost: str = "0.10", stock: int = 10, dialect: str = "handler-api",
    deadline_s: int = 1, **settings: object,
) -> AsyncIterator[Upstream]:  # fmt: skip
    """A supplier that sells ig in Indonesia at `cost`, enlisted and synced."""
    warehouse = Warehouse(seed=7)
    for key, value in settings.items():
        setattr(warehouse, key, value)
    warehouse.stock("6", "ig", cost, stock)
    async with serving(dialect, warehouse) as url:
        await enlist.add(desk, name, dialect, url, KEY, deadline_s=deadline_s, requests_per_s=500)
        await desk.refresh_prices()
        up = Upstream(name, warehouse, desk)
        await up.sync()
        yield up


async def customer(desk: Desk, email: str = "alice@example.org", balance: int = 100_000_000) -> ledger.Wallet:
    """A customer with money, and a markup of 30 % for everybody."""
    made = await accounts.open_account(desk, email, balance, actor="test")
    async with desk.db.transaction() as tx:
        await pricing.set_rule(
            tx, customer_id=None, country=None, service=None, kind="markup", value=Decimal("0.3")
        )
        wallet = await ledger.wallet(tx, await accounts.wallet_id(tx, made.id, "live"))
    await desk.refresh_prices()
    return wallet


_SET_BACK = """
update asking set asked_at = asked_at - make_interval(secs => {s});
update rental set created_at = created_at - make_interval(secs => {s}),
    cancel_after = cancel_after - make_interval(secs => {s}), due_at = due_at - make_interval(secs => {s});
update activation set created_at = created_at - make_interval(secs => {s}),
    expires_at = expires_at - make_interval(secs => {s}), due_at = due_at - make_interval(secs => {s})
"""


async def set_back(desk: Desk, seconds: int) -> None:
    """As if everything had happened so much earlier."""
    async with desk.db.transaction() as tx:
        await tx.execute(sql.SQL(_SET_BACK).format(s=sql.Literal(seconds)))
