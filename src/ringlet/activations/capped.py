"""Buying within a key's daily spending cap.

The most that an order may cost is counted first, and what was not spent is given back. Who dies in between leaves the
cap tighter than it should be until midnight, never looser. Test keys spend play money and have no cap to reach.
"""

from collections.abc import Sequence

from ringlet import customers, money
from ringlet.activations import buy as uncapped
from ringlet.activations import order as upstream
from ringlet.activations import several as together
from ringlet.activations.choose import Order, choices
from ringlet.activations.order import Bought
from ringlet.activations.several import Bought as Several
from ringlet.customers import ApiKey
from ringlet.desk import Desk
from ringlet.errors import InsufficientBalance, Refusal, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.ledger import Wallet


async def buy(desk: Desk, wallet: Wallet, order: Order, once: Once | None, key: ApiKey) -> Bought:
    """Lease a number as `buy.buy` does, unless this key has spent its day. Refuses: as that.

    A cap that is reached is an InsufficientBalance, which every door has a word for.
    """
    if not is_capped(key, wallet):
        return await uncapped.buy(desk, wallet, order, once)
    bought = await upstream.known(desk, wallet, once)
    if bought is not None:
        return bought
    most_micros = most(desk, wallet, [order])
    await reserve(desk, key, most_micros)
    try:
        bought = await uncapped.buy(desk, wallet, order, once)
    except ServiceUnavailable:
        raise  # what became of it is not known: it stays counted
    except Refusal:
        await give_back(desk, key, most_micros)
        raise
    await give_back(desk, key, most_micros - (0 if bought.replayed else bought.activation.amount_micros))
    return bought


async def several(
    desk: Desk, wallet: Wallet, orders: Sequence[Order], once: Once | None, key: ApiKey
) -> Several:
    """One number for all these orders as `several.buy` does, within the cap. Refuses: as that."""
    if not is_capped(key, wallet):
        return await together.buy(desk, wallet, orders, once)
    most_micros = most(desk, wallet, orders)
    await reserve(desk, key, most_micros)
    try:
        bought = await together.buy(desk, wallet, orders, once)
    except ServiceUnavailable:
        raise
    except Refusal:
        await give_back(desk, key, most_micros)
        raise
    spent_micros = 0 if bought.replayed else sum(each.amount_micros for each in bought.activations)
    await give_back(desk, key, most_micros - spent_micros)
    return bought


def is_capped(key: ApiKey, wallet: Wallet) -> bool:
    """Whether purchases with this key are counted."""
    return key.daily_cap_micros is not None and wallet.mode == "live"


def most(desk: Desk, wallet: Wallet, orders: Sequence[Order]) -> int:
    """The most that these may cost together, in micro-units. Refuses: NoNumbers, MaxPriceExceeded."""
    return sum(
        max(money.charge_micros(choice.price) for choice in choices(desk, wallet, order)) for order in orders
    )


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
