"""What the tests of webhooks share: endpoints at a receiver, couriers, and time that passes by statement."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ringlet import ledger
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.settings import Settings
from ringlet.webhooks import deliver, endpoints
from ringlet.webhooks.addresses import Guard
from ringlet.webhooks.endpoints import Made, NewEndpoint
from tests.fakes.receiver import Receiver
from tests.site import Shop

IG = Order(service="ig", country=6)
#: what a site needs so that its webhooks reach the receivers of tests
ALLOWED = {"RINGLET_WEBHOOK_HTTP": "1", "RINGLET_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}


def settings_for(home: Path, database_url: str) -> Settings:
    """Webhooks may go to this machine."""
    return Settings(
        home=home, database_url=database_url, secret=b"s" * 32, rate_limit=0, webhook_http=True,
        webhook_allowed_networks="127.0.0.0/8",
    )  # fmt: skip


@contextlib.asynccontextmanager
async def courier_of(desk: Desk) -> AsyncIterator[deliver.Courier]:
    """A courier that does nothing by itself."""
    guard = Guard(desk.settings)
    async with guard.session() as session:
        yield deliver.Courier(desk, guard, session)


async def settle(desk: Desk) -> None:
    """All that is due is tried."""
    async with courier_of(desk) as courier:
        await courier.settle()


async def listen(
    desk: Desk, wallet: ledger.Wallet, receiver: Receiver, path: str = "/hook", **more: Any
) -> Made:
    """A new endpoint of this wallet."""
    return await endpoints.create(desk, wallet.id, NewEndpoint(receiver.url(path), **more))


async def complete(
    desk: Desk, shop: Shop, wallet: ledger.Wallet | None = None, code: str = "1234"
) -> Activation:
    """Buy a number, and its code comes."""
    activation = (await buy(desk, wallet or shop.alice, IG)).activation
    await shop.push(desk, activation, f"Your Instagram code is {code}", "Instagram")
    return activation


async def pass_time(desk: Desk, **spans: int) -> None:
    """`days=1` and the like: what is planned comes so much nearer, what has been lies so much further back."""
    span = dataclasses.asdict(_Span(**spans))
    async with desk.db.connection() as tx:
        for statement in _EARLIER:
            await tx.execute(statement, span)


_SPAN = "make_interval(days => %(days)s, secs => %(seconds)s)"
_EARLIER: tuple[Any, ...] = (
    f"update delivery set due_at = due_at - {_SPAN}, claimed_until = claimed_until - {_SPAN} where due_at is not null",
    f"update webhook_endpoint set failing_since = failing_since - {_SPAN}",
    f"update webhook_secret set good_until = good_until - {_SPAN}",
)


@dataclasses.dataclass
class _Span:
    days: int = 0
    seconds: int = 0


async def fetch(desk: Desk, statement: Any, *values: object) -> list[Any]:
    """Rows of the database."""
    async with desk.db.connection() as tx:
        return await (await tx.execute(statement, values)).fetchall()
