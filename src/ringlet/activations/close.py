"""How an activation ends: cancelled, expired, finished. Each settles the money and the number with the state."""

from ringlet import idempotency, ledger
from ringlet.activations import store
from ringlet.activations.states import REFUNDED, State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import CancelRejected
from ringlet.idempotency import Once
from ringlet.suppliers import stock

ORDERING_RETRY_S = 5


async def cancel(desk: Desk, wallet_id: int, public_id: int, once: Once | None = None) -> bool:
    """Give an activation back; the price is on the balance again before this returns.

    True when the idempotency key had already done it. Refuses: NotFound, CancelRejected (a code came, or it is
    over; with `retry_after` while the outcome at the supplier is unknown), IdempotencyMismatch.
    """
    async with desk.db.transaction() as tx:
        if await idempotency.recall(tx, once) is not None:
            return True
        activation = await store.by_public_id(tx, wallet_id, public_id)
        if activation.state == State.ORDERING:
            raise CancelRejected("The outcome of this order is not known yet", retry_after=ORDERING_RETRY_S)
        if activation.state != State.WAITING or await refund(tx, desk, activation, State.CANCELLED) is None:
            raise CancelRejected
        await idempotency.remember(tx, once, activation.id)
    return False


async def refund(tx: Tx, desk: Desk, activation: Activation, to: State) -> Activation | None:
    """Close without a code: the money goes back and the number is free. None when somebody was first."""
    assert to in REFUNDED
    moved = await store.move(tx, activation, to)
    if moved is not None:
        # The number before the money, as a sale locks them: two that lock in one order never wait in a circle.
        await return_number(tx, desk, moved)
        wallet = await ledger.wallet(tx, moved.wallet_id)
        await ledger.release(tx, wallet, moved.amount_micros, moved.id)
    return moved


async def finish(tx: Tx, desk: Desk, activation: Activation) -> Activation | None:
    """The lease of an activation that has its code is over. None when somebody was first."""
    moved = await store.move(tx, activation, State.FINISHED)
    if moved is not None:
        await return_number(tx, desk, moved)
    return moved


async def return_number(tx: Tx, desk: Desk, closed: Activation) -> None:
    """An own number goes back on its shelf: to rest when a code came to it, free otherwise."""
    if closed.offer_id is None or closed.number_id is None:
        return
    if closed.state == State.FINISHED or closed.number_used:
        await stock.rest(tx, closed.offer_id, closed.number_id, desk.settings.rest_days)
    else:
        await stock.give_back(tx, closed.offer_id, closed.number_id)
