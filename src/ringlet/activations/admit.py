"""Whether an account may buy now: how fast, how much at once, how much in its first day, and how well it used what it had.

Asked from memory. An account that the operator vouches for costs one look; see `limits.py` for whom the limits hold.
"""

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from ringlet import money, velocity
from ringlet import standing as standings
from ringlet.activations.choose import Order, choices
from ringlet.desk import Desk
from ringlet.errors import Forbidden, Refusal, ServiceUnavailable
from ringlet.ledger import Wallet
from ringlet.limits import NONE
from ringlet.velocity import Origin, Ticket

T = TypeVar("T")


async def admit(desk: Desk, wallet: Wallet, orders: Sequence[Order], origin: Origin) -> Ticket | None:
    """Count these purchases before they are made; None when nothing limits this account.

    Refuses: RateLimited (with the seconds to wait), ServiceUnavailable.
    """
    policy = await desk.policy.fresh()
    if wallet.mode == "test":
        return None
    standing = await desk.standings.of(wallet.customer_id)
    now = datetime.now(UTC)
    standing.check(now)
    limits = policy.limits(wallet.customer_id, standing.is_vouched)
    if limits == NONE:
        return None
    if limits.open_most is not None:
        await desk.velocity.check_open(wallet.id, limits.open_most, len(orders), now)
    place = origin.place(desk.settings.secret)
    measured = velocity.gauges(limits, wallet.customer_id, standing.opened_at, origin.key_id, place, now)
    is_money_counted = any(gauge.most_micros is not None for gauge in measured)
    micros = _most(desk, wallet, orders) if is_money_counted else 0
    return await desk.velocity.take(measured, len(orders), micros, now)


async def settled(
    ticket: Ticket | None, sale: Coroutine[Any, Any, T], prices: Callable[[T], Sequence[int]]
) -> T:
    """What the sale returns, with what was counted for it made true: `prices` in micro-units, one for each purchase.

    What became of a sale that could not be finished is not known: that stays counted.
    """
    if ticket is None:
        return await sale
    try:
        bought = await sale
    except ServiceUnavailable:
        raise
    except Refusal:
        ticket.settle(0, 0)
        raise
    paid = prices(bought)
    ticket.settle(len(paid), sum(paid))
    return bought


def _most(desk: Desk, wallet: Wallet, orders: Sequence[Order]) -> int:
    """What they may cost; 0 when they cannot be bought, which the sale will say better."""
    try:
        return most(desk, wallet, orders)
    except Refusal:
        return 0


def most(desk: Desk, wallet: Wallet, orders: Sequence[Order]) -> int:
    """The most that these may cost together, in micro-units. Refuses: NoNumbers, MaxPriceExceeded, ServiceNotAllowed."""
    return sum(
        max(money.charge_micros(choice.price) for choice in choices(desk, wallet, order)) for order in orders
    )


async def lift(desk: Desk, customer_id: int) -> None:
    """The account's owner ends its rest himself, as often as the limits let him.

    Refuses: Forbidden (too often), ServiceUnavailable.
    """
    policy = await desk.policy.fresh()
    async with desk.db.transaction() as tx:
        known = await standings.read(tx, customer_id)
        most = policy.limits(customer_id, known.is_vouched).floor_lifts
        if not await standings.lift(tx, customer_id, most) and known.rest_left_s(datetime.now(UTC)):
            raise Forbidden("You have ended a rest as often as you may: write to the shop, or wait")
