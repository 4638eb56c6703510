"""Telling suppliers that a rental is over: the outbox. Every rental with a `due_at` is asked about again and again
until the supplier confirms, whatever dies in between; his answer decides about the money of both sides.
"""

import asyncio

import structlog

from ringlet import failpoints
from ringlet.activations import follow, rentals, store
from ringlet.activations.rentals import Rental
from ringlet.activations.states import State
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import Held, NotSent, OutcomeUnknown, Port, Reason, Refused

AT_ONCE = 20
HOLD_S = 20.0  # longer than a call lasts: nobody else asks meanwhile
TOO_EARLY_S = 30.0
OVER_TRIES = 2

log = structlog.get_logger("ringlet.give_back")


async def give_back_due(desk: Desk) -> int:
    """Ask every supplier to cancel or finish what is due; returns how many rentals were taken up."""
    return sum(await asyncio.gather(*(to_supplier(desk, each) for each in desk.book.all())))


async def to_supplier(desk: Desk, supplier: Supplier) -> int:
    """Ask one supplier; no more at once than can be answered before somebody else would ask again."""
    async with desk.db.transaction() as tx:
        due = await rentals.claim_due(tx, supplier.terms.source_id, AT_ONCE, HOLD_S)
    if due:
        failpoints.reach("return_claimed")
    await asyncio.gather(*(_give_back(desk, supplier, rental) for rental in due))
    return len(due)


async def _give_back(desk: Desk, supplier: Supplier, rental: Rental) -> None:
    try:
        await (cancel if rental.wish == "cancel" else _finish)(desk, supplier, rental)
    except Refusal:
        raise
    except (NotSent, OutcomeUnknown, TimeoutError) as error:
        await _later(desk, rental, min(300.0, 2.0**rental.tries), str(error) or "no answer in time")
    except Refused as refusal:
        await _later(desk, rental, refusal.retry_after_s or min(300.0, 5.0 * rental.tries), str(refusal))
    except Exception:
        log.exception("cannot_give_back", supplier=supplier.name, supplier_ref=rental.supplier_ref)
        await _later(desk, rental, 60.0, "adapter failed")


async def _later(desk: Desk, rental: Rental, in_s: float, why: str) -> None:
    async with desk.db.transaction() as tx:
        await rentals.try_again(tx, rental, in_s, why)


async def cancel(desk: Desk, supplier: Supplier, rental: Rental) -> None:
    """Have the supplier cancel the rental and follow his answer.

    Raises NotSent, OutcomeUnknown and TimeoutError when there was none, Refused when he will not do it now
    (TOO_EARLY, LIMITED, ACCOUNT) or not any more (HAS_CODE: the code has been delivered).
    """
    port = supplier.port
    try:
        async with asyncio.timeout(supplier.terms.deadline_s):
            await port.cancel(rental.supplier_ref)
    except Refused as refusal:
        if refusal.reason == Reason.TOO_EARLY:
            await _not_yet(desk, rental, refusal.retry_after_s or TOO_EARLY_S)
        elif refusal.reason == Reason.HAS_CODE:
            await _goes_on(desk, port, rental)
        elif refusal.reason in {Reason.OVER, Reason.UNSUPPORTED} and rental.tries >= OVER_TRIES:
            await _ended(desk, rental, is_refunded=False)
            return
        raise
    failpoints.reach("return_answered" if rental.state == "closing" else "cancel_answered")
    held = await _look(port, rental)
    await _ended(desk, rental, is_refunded=True)
    if held is not None and held.messages:
        # It came while we cancelled: his answer to the cancel stands, the text is shown and not charged.
        await follow.take(desk, rental.source_id, held)


async def _look(port: Port, rental: Rental) -> Held | None:
    """Once more after the cancel was accepted; what cannot be read now tells nothing."""
    try:
        async with asyncio.timeout(5):
            return await port.look(rental.supplier_ref)
    except (Refused, NotSent, OutcomeUnknown, TimeoutError):
        return None


async def _ended(desk: Desk, rental: Rental, *, is_refunded: bool) -> None:
    async with desk.db.transaction() as tx:
        current = await _lock(tx, rental)
        await follow.over(tx, desk, current, is_refunded=is_refunded)


async def _lock(tx: Tx, rental: Rental) -> Rental:
    """The rental as it is now, locked behind its activation."""
    if rental.activation_id is not None:
        await store.lock(tx, rental.activation_id)
    current = await rentals.by_ref(tx, rental.source_id, rental.supplier_ref, locked=True)
    assert current is not None, "rentals are never deleted"
    return current


async def _not_yet(desk: Desk, rental: Rental, lock_s: float) -> None:
    async with desk.db.transaction() as tx:
        await rentals.set_cancel_lock(tx, rental, lock_s)


async def _goes_on(desk: Desk, port: Port, rental: Rental) -> None:
    """A message has come, so the supplier keeps the money. With a code in it the activation goes on; without one
    the customer owes nothing, and gets his money back.
    """
    await follow.take(desk, rental.source_id, await port.look(rental.supplier_ref))
    async with desk.db.transaction() as tx:
        current = await _lock(tx, rental)
        has_code = (
            current.activation_id is not None
            and (await store.lock(tx, current.activation_id)).state == State.RECEIVED
        )
        if current.state == "open" and has_code:
            await rentals.drop_wish(tx, current)
        else:
            await follow.over(tx, desk, current, is_refunded=False)


async def _finish(desk: Desk, supplier: Supplier, rental: Rental) -> None:
    """A courtesy that some protocols reward: the cost stands either way."""
    try:
        async with asyncio.timeout(supplier.terms.deadline_s):
            await supplier.port.finish(rental.supplier_ref)
    except Refused as refusal:
        if refusal.reason not in {Reason.OVER, Reason.UNSUPPORTED, Reason.HAS_CODE}:
            raise
    failpoints.reach("return_answered")
    await _ended(desk, rental, is_refunded=False)
