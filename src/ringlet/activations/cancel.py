"""The customer gives an activation back.

An own number is back on its shelf in the same transaction. A rented one is the supplier's to take back: the wish is
written down, the supplier is asked, and his answer decides. What dies in between is carried on by `give_back.py`.
"""

import math
from datetime import UTC, datetime

import msgspec

from ringlet import failpoints, idempotency
from ringlet.activations import close, give_back, rentals, store
from ringlet.activations.rentals import Rental
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import CancelRejected, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.suppliers.port import NotSent, OutcomeUnknown, Reason, Refused

ORDERING_RETRY_S = 5
IN_OUR_HANDS_S = 30.0  # nobody else asks the supplier meanwhile


class Cancelled(msgspec.Struct, frozen=True):
    """The money is back; or, with `in_s`, it will be as soon as the supplier allows it. `replayed`: the idempotency
    key had already done it.
    """

    replayed: bool = False
    in_s: int | None = None


async def cancel(
    desk: Desk, wallet_id: int, public_id: int, once: Once | None = None, *, when_allowed: bool = False
) -> Cancelled:
    """Give an activation back; the price is on the balance again before this returns.

    `when_allowed` accepts that the supplier refuses at first, and cancels as soon as he does not. Refuses: NotFound,
    CancelRejected (a code came, or it is over; with `retry_after` when it is only too early), IdempotencyMismatch,
    ServiceUnavailable (the supplier gave no answer; the cancel is carried on).
    """
    async with desk.db.transaction() as tx:
        known_id = await idempotency.recall(tx, once)
        activation = await store.lock(tx, (await store.by_public_id(tx, wallet_id, public_id)).id)
        if known_id is not None and activation.state != State.WAITING:
            return Cancelled(replayed=True)
        if activation.state == State.ORDERING:
            raise CancelRejected("The outcome of this order is not known yet", retry_after=ORDERING_RETRY_S)
        if activation.state != State.WAITING:
            raise CancelRejected
        if known_id is None:
            await idempotency.remember(tx, once, activation.id)
        rental = await rentals.of_activation(tx, activation.id) if activation.is_rented else None
        if rental is None:
            await close.refund(tx, desk, activation, State.CANCELLED)
            return Cancelled()
        too_early_s = await _wish(tx, rental, when_allowed=when_allowed)
    if too_early_s is not None:
        return Cancelled(in_s=too_early_s)
    failpoints.reach("cancel_wished")
    return await _at_the_supplier(desk, activation, rental, once, when_allowed=when_allowed)


async def _wish(tx: Tx, rental: Rental, *, when_allowed: bool) -> int | None:
    """Write the customer's wish down; seconds to wait when we know that the supplier would refuse."""
    left_s = 0.0
    if rental.cancel_after is not None:
        left_s = (rental.cancel_after - datetime.now(UTC)).total_seconds()
    if left_s > 0 and not when_allowed:
        raise CancelRejected(TOO_EARLY, retry_after=math.ceil(left_s))
    await rentals.wish_cancel(tx, rental, is_customers=True, in_s=0 if left_s > 0 else IN_OUR_HANDS_S)
    return math.ceil(left_s) if left_s > 0 else None


TOO_EARLY = "Cancellation rejected — the supplier does not take this number back yet"


async def _at_the_supplier(
    desk: Desk, activation: Activation, rental: Rental, once: Once | None, *, when_allowed: bool
) -> Cancelled:
    supplier = desk.book.get(rental.source_id)
    if supplier is None:
        raise ServiceUnavailable(PASSED_ON)
    try:
        await give_back.cancel(desk, supplier, rental)
    except (NotSent, OutcomeUnknown, TimeoutError):
        raise ServiceUnavailable(PASSED_ON) from None
    except Refused as refusal:
        in_s = math.ceil(refusal.retry_after_s or give_back.TOO_EARLY_S)
        if refusal.reason == Reason.TOO_EARLY and when_allowed:
            return Cancelled(in_s=in_s)
        if refusal.reason not in {Reason.TOO_EARLY, Reason.HAS_CODE}:
            raise ServiceUnavailable(PASSED_ON) from None
        await _take_back(desk, activation, rental, once)
        if refusal.reason == Reason.TOO_EARLY:
            raise CancelRejected(TOO_EARLY, retry_after=in_s) from None
    return await _settled(desk, activation)


PASSED_ON = "The supplier has not answered; the cancellation is carried on, ask for the status"


async def _take_back(desk: Desk, activation: Activation, rental: Rental, once: Once | None) -> None:
    """The supplier refuses: the wish falls, and the key did nothing."""
    async with desk.db.transaction() as tx:
        current = await store.lock(tx, activation.id)
        if current.state == State.WAITING:
            await rentals.drop_wish(tx, rental)
        if current.state != State.CANCELLED:
            await idempotency.forget(tx, once, activation.id)


async def _settled(desk: Desk, activation: Activation) -> Cancelled:
    async with desk.db.connection() as tx:
        current = await store.by_id(tx, activation.wallet_id, activation.id)
    if current.state != State.CANCELLED:
        raise CancelRejected
    return Cancelled()
