"""Buying within a key's daily spending cap.

The most that an order may cost is counted first, and what was not spent is given back. Who dies in between leaves the
cap tighter than it should be until midnight, never looser. Test keys spend play money and have no cap to reach.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ringlet import customers
from ringlet.activations import buy as uncapped
from ringlet.activations import order as upstream
from ringlet.activations import several as together
from ringlet.activations.admit import most
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.several import Bought as Several
from ringlet.customers import ApiKey
from ringlet.desk import Desk
from ringlet.errors import InsufficientBalance, Refusal, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.velocity import Origin

T = TypeVar("T")


async def buy(
    desk: Desk, wallet: Wallet, order: Order, once: Once | None, key: ApiKey, address: str | None = None
) -> Bought:
    """Lease a number as `buy.buy` does, unless this key has spent its day; `address` is the buyer's. Refuses: as that.

    A cap that is reached is an InsufficientBalance, which every door has a word for.
    """
    origin = Origin(key.id, address)
    if not is_capped(key, wallet):
        return await uncapped.buy(desk, wallet, order, once, origin)
    bought = await upstream.known(desk, wallet, once)
    if bought is not None:
        return bought
    return await _counted(
        desk, key, most(desk, wallet, [order]), lambda: uncapped.buy(desk, wallet, order, once, origin),
        lambda bought: 0 if bought.replayed else bought.activation.amount_micros,
    )  # fmt: skip


async def several(
    desk: Desk, wallet: Wallet, orders: Sequence[Order], once: Once | None, key: ApiKey,
    address: str | None = None,
) -> Several:  # fmt: skip
    """One number for all these orders as `several.buy` does, within the cap. Refuses: as that."""
    origin = Origin(key.id, address)
    if not is_capped(key, wallet):
        return await together.buy(desk, wallet, orders, once, origin)
    bought = await together.known(desk, wallet, once)
    if bought is not None:
        return bought
    return await _counted(
        desk, key, most(desk, wallet, orders), lambda: together.buy(desk, wallet, orders, once, origin),
        lambda bought: 0 if bought.replayed else sum(each.amount_micros for each in bought.activations),
    )  # fmt: skip


async def _counted(
    desk: Desk,
    key: ApiKey,
    most_micros: int,
    sell: Callable[[], Awaitable[T]],
    spent_micros: Callable[[T], int],
) -> T:
    """Sell with the most that it may cost counted meanwhile, and what it did cost afterwards."""
    await reserve(desk, key, most_micros)
    try:
        bought = await sell()
    except ServiceUnavailable:
        raise  # what became of it is not known: it stays counted
    except Refusal:
        await give_back(desk, key, most_micros)
        raise
    await give_back(desk, key, most_micros - spent_micros(bought))
    return bought


def is_capped(key: ApiKey, wallet: Wallet) -> bool:
    """Whether purchases with this key are counted."""
    return key.daily_cap_micros is not None and wallet.mode == "live"


async def reserve(desk: Desk, key: ApiKey, amount_micros: int) -> None:
    """Count it. Refuses: InsufficientBalance, when the cap does not allow it; ServiceUnavailable."""
    async with desk.db.connection() as tx:
        if not await customers.reserve_spending(tx, key.id, amount_micros):
            raise InsufficientBalance("This API key has reached its daily spending cap")


async def give_back(desk: Desk, key: ApiKey, amount_micros: int) -> None:
    """It was not spent."""
    if amount_micros > 0:
        async with desk.db.connection() as tx:
            await customers.return_spending(tx, key.id, amount_micros)
