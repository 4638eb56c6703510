"""Following the supplier: what he tells about one rental, messages that came and that it is over."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ringlet import failpoints
from ringlet.activations import close, rentals, store
from ringlet.activations.receive import IncomingMessage, deliver, deliver_late, keep_clean
from ringlet.activations.rentals import Rental
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.suppliers.port import Held, News, Standing

OPEN = (State.WAITING, State.RECEIVED)
SMS_ID_MASK = 2**63 - 1
#: a supplier that ends a rental by itself so near to the end of our lease has let it expire
NEAR_END = timedelta(seconds=60)


async def take(desk: Desk, source_id: int, held: Held) -> Activation | None:
    """Deliver what is new, and follow the supplier when he has ended the rental; the same again changes nothing.

    Returns the activation that has the rental, as it stands now; None when none has it.
    """
    async with desk.db.transaction() as tx:
        rental = await rentals.by_ref(tx, source_id, held.ref)
        if rental is None or rental.activation_id is None:
            return None
        await store.lock(tx, rental.activation_id)
        rental = await rentals.by_ref(tx, source_id, held.ref, locked=True)
        if rental is None or rental.activation_id is None:
            return None
        for news in held.messages:
            await _deliver(tx, rental, news)
        failpoints.reach("message_seen")
        if held.standing != Standing.ACTIVE:
            await over(tx, desk, rental, is_refunded=held.standing == Standing.CANCELLED)
        return await store.lock(tx, rental.activation_id)


async def _deliver(tx: Tx, rental: Rental, news: News) -> None:
    assert rental.activation_id is not None
    text = news.text or news.code or ""
    incoming = IncomingMessage(_sms_id(rental.supplier_ref, news.key), rental.phone, news.sender, text)
    message_id = await keep_clean(tx, rental.source_id, incoming)
    if message_id is None:
        return
    activation = await store.lock(tx, rental.activation_id)
    give = deliver if activation.state in OPEN else deliver_late
    await give(tx, activation, message_id, incoming.sender, text, told_code=news.code)


def _sms_id(supplier_ref: str, key: str) -> int:
    """A message's own number at its source: the same message always has the same."""
    digest = hashlib.sha256(f"{supplier_ref}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") & SMS_ID_MASK


async def over(tx: Tx, desk: Desk, rental: Rental, *, is_refunded: bool) -> None:
    """The supplier has ended the rental: the money of both sides follows. Its activation, if any, is locked."""
    if not await rentals.ended(tx, rental, is_refunded=is_refunded) or rental.activation_id is None:
        return
    activation = await store.lock(tx, rental.activation_id)
    if activation.state == State.WAITING:
        await close.refund(tx, desk, activation, ending(activation, rental))


def ending(activation: Activation, rental: Rental) -> State:
    """How a lease without a code has ended: by the customer's wish, by time, or by the supplier."""
    if rental.is_customers_wish:
        return State.CANCELLED
    near_end = datetime.now(UTC) > activation.expires_at - NEAR_END
    return State.EXPIRED if near_end or rental.wish == "cancel" else State.CANCELLED


def seen_as(messages: Sequence[News], standing: Standing) -> tuple[object, ...]:
    """What tells whether a rental has changed since it was last looked at."""
    return (standing, *(news.key for news in messages))
