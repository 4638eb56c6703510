"""How an activation ends: cancelled, expired, finished. Each settles the money and the number with the state."""

from datetime import UTC, datetime, timedelta

from ringlet import ledger
from ringlet.activations import rentals, store
from ringlet.activations.states import REFUNDED, State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.suppliers import stock

#: who gives a number back sooner has not waited for its code: that says nothing about the source
FAIR_TRIAL = timedelta(seconds=120)


async def refund(tx: Tx, desk: Desk, activation: Activation, to: State) -> Activation | None:
    """Close without a code: the money goes back and the number is free. None when somebody was first."""
    assert to in REFUNDED
    moved = await store.move(tx, activation, to)
    if moved is not None:
        # The number before the money, as a sale locks them: two that lock in one order never wait in a circle.
        await return_number(tx, desk, moved)
        wallet = await ledger.wallet(tx, moved.wallet_id)
        await ledger.release(tx, wallet, moved.amount_micros, moved.id)
        if not moved.number_used:
            is_fair = datetime.now(UTC) - moved.created_at > FAIR_TRIAL
            await store.note_outcome(tx, moved, has_code=False, is_fair=is_fair)
    return moved


async def finish(tx: Tx, desk: Desk, activation: Activation) -> Activation | None:
    """The lease of an activation that has its code is over. None when somebody was first."""
    moved = await store.move(tx, activation, State.FINISHED)
    if moved is not None:
        await return_number(tx, desk, moved)
    return moved


async def return_number(tx: Tx, desk: Desk, closed: Activation) -> None:
    """An own number goes back on its shelf, to rest when a code came to it, free otherwise; a rented one goes back
    to its supplier.
    """
    if closed.is_rented:
        await rentals.let_go(tx, closed.id, "finish" if closed.state == State.FINISHED else "cancel")
    if closed.offer_id is None or closed.number_id is None:
        return
    if closed.state == State.FINISHED or closed.number_used:
        await stock.rest(tx, closed.offer_id, closed.number_id, desk.settings.rest_days)
    else:
        await stock.give_back(tx, closed.offer_id, closed.number_id)
