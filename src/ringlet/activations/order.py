"""Ordering a number from suppliers: the saga.

    1  tx    the activation ('ordering'), its hold, the idempotency key, what is asked    ── committed
    2  call  the supplier is asked, with a deadline; no transaction and no connection is held
    3  tx    his answer: the number is leased │ the next supplier is written down │ everybody refused

A process may die between any two of these. What it leaves is the row of `asking`, and `recover.py` finds out what
became of it. A supplier that gives no answer that can be read may have allotted a number: the activation stays
'ordering', nobody else is asked, and the customer is told that the outcome is not known yet.
"""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import structlog
from psycopg.errors import UniqueViolation

from ringlet import blocked, failpoints, idempotency, ledger, money
from ringlet.activations import asking, offers, rentals, resale, store
from ringlet.activations.choose import Choice, Order
from ringlet.activations.rentals import NewRental
from ringlet.activations.states import State
from ringlet.activations.store import Activation, NewActivation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import IdempotencyInProgress
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import NotSent, OutcomeUnknown, Reason, Refused, Rented, Wanted

TOTAL_S = 25.0  # for all suppliers together
WORTH_ASKING_S = 2.0
IN_FLIGHT_S = 30.0

log = structlog.get_logger("ringlet.order")


class Bought(msgspec.Struct, frozen=True):
    """The activation, the posting that holds its price, and whether an idempotency key had already made it."""

    activation: Activation
    posting_id: int
    replayed: bool = False


class Patience(msgspec.Struct, frozen=True):
    """How long a customer waits for all suppliers together."""

    until: float

    @classmethod
    def begin(cls) -> "Patience":
        """From now on."""
        return cls(time.monotonic() + TOTAL_S)

    def left_s(self) -> float:
        """Seconds that are left."""
        return self.until - time.monotonic()


class _Repeated(Exception):  # noqa: N818 - not an error: the supplier told us of a rental that we know
    """Rolls the transaction back that would have leased it."""


async def from_suppliers(
    desk: Desk, wallet: Wallet, order: Order, run: Sequence[Choice], once: Once | None, patience: Patience
) -> Bought | None:
    """Order from the first of these suppliers that has a number, all at one price; None when all refuse.

    Refuses: InsufficientBalance, IdempotencyMismatch, IdempotencyInProgress, ServiceUnavailable. Fails with
    UniqueViolation when another request with the same key commits first.
    """
    bought = await _open(desk, wallet, order, run[0], once)
    if bought.replayed:
        return bought
    failpoints.reach("order_opened")
    activation = bought.activation
    for attempt, choice in enumerate(run, start=1):
        if attempt > 1:
            if patience.left_s() < WORTH_ASKING_S:
                break
            if not await _go_on(desk, activation, attempt - 1, choice):
                return await _as_it_stands(desk, wallet, bought)
        outcome = await _ask(choice, order, activation, patience)
        failpoints.reach("order_answered")
        if isinstance(outcome, Rented):
            leased = await _lease(desk, wallet, activation, order, choice, outcome)
            if leased is not None:
                failpoints.reach("order_leased")
                return Bought(leased, bought.posting_id)
        elif outcome is None:
            assert choice.supplier is not None
            await offers.note_silence(desk, choice.supplier)
            return bought
        else:
            await offers.note_refusal(desk, choice, outcome)
    failpoints.reach("order_refused")
    if await _abandon(desk, wallet, activation, once):
        return None
    return await _as_it_stands(desk, wallet, bought)


async def replay(tx: Tx, wallet: Wallet, row_id: int) -> Bought:
    """What an idempotency key had made, as it stands now. Refuses: IdempotencyInProgress while it is being asked."""
    activation = await store.by_id(tx, wallet.id, row_id)
    if activation.state == State.ORDERING and await asking.is_out(tx, row_id, IN_FLIGHT_S):
        raise IdempotencyInProgress
    return Bought(activation, await store.hold_posting(tx, row_id), replayed=True)


async def known(desk: Desk, wallet: Wallet, once: Once | None) -> Bought | None:
    """What the key has made before, if anything. Refuses: as `replay`, IdempotencyMismatch, ServiceUnavailable."""
    if once is None:
        return None
    epoch = await desk.flush.epoch()
    async with desk.sales.connection() as tx:
        known_id = await idempotency.recall(tx, once)
        bought = None if known_id is None else await replay(tx, wallet, known_id)
    await desk.flush.flushed(epoch)
    return bought


async def _open(desk: Desk, wallet: Wallet, order: Order, choice: Choice, once: Once | None) -> Bought:
    """The intention, before anything happens outside."""
    offer = choice.offer
    new = NewActivation(
        wallet_id=wallet.id,
        source_id=offer.source_id,
        offer_id=offer.id,
        number_id=None,
        country=offer.country,
        service=offer.service,
        operator=offer.operator,
        phone=None,
        state=State.ORDERING,
        amount_micros=money.charge_micros(choice.price),
        base_price=offer.base_price,
        reference=order.reference,
    )
    epoch = await desk.flush.epoch()
    # Commits that wait for the disk one by one would line up behind one customer's balance, connection in hand.
    async with desk.sales.transaction() as tx:
        known_id = await idempotency.recall(tx, once)
        if known_id is None:
            activation = await store.add(tx, new, lease_s=desk.settings.lease_s(offer.service))
            posting_id = await ledger.hold(tx, wallet, activation.amount_micros, activation.id)
            await resale.note(tx, activation.id, resale.share(desk, wallet, choice.price, choice.wholesale))
            await asking.ask(tx, activation.id, offer.source_id, offer.id, choice.cost_max, order.operators,
                             order.exclude_prefixes)  # fmt: skip
            await idempotency.remember(tx, once, activation.id)
            bought = Bought(activation, posting_id)
        else:
            bought = await replay(tx, wallet, known_id)
    await desk.flush.flushed(epoch)
    return bought


async def _go_on(desk: Desk, activation: Activation, failed_attempt: int, choice: Choice) -> bool:
    """The last supplier refused for certain: the next one is written down before he is asked."""
    offer = choice.offer
    async with desk.db.transaction() as tx:
        moved = await asking.ask_next(
            tx, activation.id, failed_attempt, offer.source_id, offer.id, choice.cost_max
        )
    failpoints.reach("order_retargeted")
    return moved


async def _ask(
    choice: Choice, order: Order, activation: Activation, patience: Patience
) -> Rented | Refused | NotSent | None:
    """The call. None: the outcome is not known."""
    supplier = choice.supplier
    assert supplier is not None
    wanted = _wanted(supplier, choice, order, activation)
    if wanted is None:
        return Refused(Reason.NOT_SOLD, "no word of this supplier for it")
    try:
        async with asyncio.timeout(max(0.1, min(supplier.terms.deadline_s, patience.left_s()))):
            rented = await supplier.port.rent(wanted)
    except (Refused, NotSent) as refusal:
        return refusal
    except (OutcomeUnknown, TimeoutError) as error:
        return _unknown(supplier, activation, str(error) or "no answer in time")
    except Exception:
        log.exception("adapter_failed", supplier=supplier.name, activation=activation.public_id)
        return _unknown(supplier, activation, "adapter failed")
    supplier.answered()
    return rented


def _unknown(supplier: Supplier, activation: Activation, why: str) -> Refused | None:
    log.warning("outcome_unknown", supplier=supplier.name, activation=str(activation.public_id), why=why)
    if supplier.port.traits.charges_on_rent:
        return None
    # An owner of SIM cards is paid when we say that the number was sold: what he may have set aside costs nothing.
    return Refused(Reason.NO_NUMBERS, "no answer in time")


def _wanted(supplier: Supplier, choice: Choice, order: Order, activation: Activation) -> Wanted | None:
    words, offer = supplier.words, choice.offer
    country, service = words.countries.get(offer.country), words.services.get(offer.service)
    if country is None or service is None:
        return None
    # What the price list says and not what we could still bear: a dearer number is the operator's decision.
    return Wanted(
        country=country,
        service=service,
        cost_max=_in_their_money(offer.base_price, supplier),
        reference=str(activation.public_id),
        operators=order.operators or (() if offer.operator == "any" else (offer.operator,)),
        excluded_prefixes=order.exclude_prefixes,
    )


def _in_their_money(price: Decimal, supplier: Supplier) -> Decimal:
    """Rounded in our favour when it was converted: the price list's own price must not fall short of itself."""
    rate = supplier.terms.currency_rate
    return price if rate == 1 else (price + money.PRICE_STEP) / rate


async def _lease(
    desk: Desk, wallet: Wallet, activation: Activation, order: Order, choice: Choice, rented: Rented
) -> Activation | None:
    """Write the number down. None: it is of no use and goes back; the next supplier may be asked."""
    rental = _rental(choice, rented)
    why_not = _unusable(rental, order, choice)
    try:
        try:
            return await _write_down(desk, wallet, activation, rental, rented, why_not)
        except UniqueViolation:
            # Most likely another answer with this very number was first: it is leased now, and that can be seen.
            return await _write_down(desk, wallet, activation, rental, rented, why_not)
    except (_Repeated, UniqueViolation):
        # He told us of a rental that is somebody else's: what he did for this order is not known.
        log.warning("rental_repeated", source=rental.source_id, supplier_ref=rental.supplier_ref)
        return activation


async def _write_down(
    desk: Desk, wallet: Wallet, activation: Activation, rental: NewRental, rented: Rented, why_not: str | None
) -> Activation | None:
    async with desk.db.transaction() as tx:
        if why_not is None and await rentals.is_leased(tx, rental.source_id, rental.phone, rental.service):
            why_not = "leased already"
        if why_not is None and await blocked.is_blocked(tx, rental.phone):
            why_not = "blocked"
        if why_not is not None:
            log.warning("number_sent_back", source=rental.source_id, supplier_ref=rented.ref, why=why_not)
            await _send_back(tx, rental)
            return None
        return await _take(tx, wallet, activation, rental, rented)


async def _send_back(tx: Tx, rental: NewRental) -> None:
    if not await rentals.refuse(tx, rental):
        raise _Repeated


async def _take(
    tx: Tx, wallet: Wallet, activation: Activation, rental: NewRental, rented: Rented
) -> Activation:
    leased = await store.move(
        tx, activation, State.WAITING,
        phone=rental.phone, operator=rental.operator, lease_s=rented.lease_s,
    )  # fmt: skip
    if leased is None:
        # Recovery was first: with this very number, or with another one and this one goes back.
        await rentals.refuse(tx, rental)
        return await store.by_id(tx, wallet.id, activation.id)
    if not await rentals.take(tx, rental, activation.id, rented.cancel_lock_s):
        raise _Repeated
    await asking.asked(tx, activation.id)
    return leased


def _rental(choice: Choice, rented: Rented) -> NewRental:
    supplier, offer = choice.supplier, choice.offer
    assert supplier is not None
    cost = (
        offer.base_price if rented.cost is None else money.price(rented.cost * supplier.terms.currency_rate)
    )
    operator = rented.operator or offer.operator
    return NewRental(
        offer.source_id, rented.ref, offer.country, offer.service, operator[:32], rented.phone, cost
    )


def _unusable(rental: NewRental, order: Order, choice: Choice) -> str | None:
    if rental.phone.startswith(tuple(order.exclude_prefixes) or ("none",)):
        return "prefix excluded by the customer"
    if rental.cost > choice.cost_max:
        return f"costs {rental.cost}, at most {choice.cost_max} is allowed"
    return None


async def _abandon(desk: Desk, wallet: Wallet, activation: Activation, once: Once | None) -> bool:
    """Everybody refused: the money goes back, and the key may be tried again. False when recovery was first."""
    async with desk.db.transaction() as tx:
        if await store.move(tx, activation, State.FAILED, is_news=False) is None:
            return False
        await ledger.release(tx, wallet, activation.amount_micros, activation.id)
        await asking.asked(tx, activation.id)
        await idempotency.forget(tx, once, activation.id)
    return True


async def _as_it_stands(desk: Desk, wallet: Wallet, bought: Bought) -> Bought:
    async with desk.db.connection() as tx:
        return Bought(await store.by_id(tx, wallet.id, bought.activation.id), bought.posting_id)
