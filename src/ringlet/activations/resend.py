"""Another message on the same number: a new activation takes the old one's place.

No code yet: the old one closes and its hold moves over. A code came and the lease still runs: free of charge.
The lease is over: the number is leased again at today's price, if nobody else has it.
A lease that goes on is not prolonged.
"""

import asyncio
from decimal import Decimal

import msgspec
from psycopg.errors import UniqueViolation

from ringlet import idempotency, ledger, money
from ringlet.activations import close, rehearse, rentals, resale, store
from ringlet.activations.states import State
from ringlet.activations.store import Activation, NewActivation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import IdempotencyInProgress, ResendRejected, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers import stock
from ringlet.suppliers.port import NotSent, OutcomeUnknown, Refused

ATTEMPTS_MAX = 3


class Resent(msgspec.Struct, frozen=True):
    """The new activation, and whether an idempotency key had already made it."""

    activation: Activation
    replayed: bool = False


async def resend(desk: Desk, wallet: Wallet, public_id: int, once: Once | None = None) -> Resent:
    """Wait for another message on the number of this activation.

    Refuses: NotFound, ServiceNotAllowed, ResendRejected (cancelled, expired, failed, or somebody else has the number),
    InsufficientBalance, IdempotencyMismatch, IdempotencyInProgress, ServiceUnavailable.
    """
    await desk.policy.fresh()
    await _ask_supplier(desk, wallet, public_id, once)
    for _ in range(ATTEMPTS_MAX):
        try:
            async with desk.db.transaction() as tx:
                known_id = await idempotency.recall(tx, once)
                if known_id is not None:
                    return Resent(await store.by_id(tx, wallet.id, known_id), replayed=True)
                old = await store.by_public_id(tx, wallet.id, public_id)
                fresh = await _follow(tx, desk, wallet, await store.lock(tx, old.id))
                await idempotency.remember(tx, once, fresh.id)
                return Resent(fresh)
        except UniqueViolation:
            continue  # the same key was in use: it is known now; or a public id was drawn twice
    raise IdempotencyInProgress


async def _ask_supplier(desk: Desk, wallet: Wallet, public_id: int, once: Once | None) -> None:
    """Some suppliers deliver another message only when they are told to; they are before anything is promised.

    Told twice, or told and then refused here, does no harm.
    """
    async with desk.db.connection() as tx:
        if await idempotency.recall(tx, once) is not None:
            return
        old = await store.by_public_id(tx, wallet.id, public_id)
        desk.policy.now.check(wallet.customer_id, old.service, old.country)
        rental = await rentals.of_activation(tx, old.id) if old.is_rented else None
    supplier = None if rental is None else desk.book.get(rental.source_id)
    if rental is None or supplier is None or old.state != State.RECEIVED:
        return
    try:
        async with asyncio.timeout(supplier.terms.deadline_s):
            await supplier.port.again(rental.supplier_ref)
    except Refused as refusal:
        raise ResendRejected from refusal
    except (NotSent, OutcomeUnknown, TimeoutError):
        raise ServiceUnavailable("The supplier has not answered; try again") from None


async def _follow(tx: Tx, desk: Desk, wallet: Wallet, old: Activation) -> Activation:
    left_s = await store.lease_left_s(tx, old)
    rental = await rentals.of_activation(tx, old.id) if old.is_rented else None
    if old.is_rented and (rental is None or rental.wish is not None):
        raise ResendRejected
    fresh = await _succeed(tx, desk, wallet, old, left_s)
    if rental is not None:
        await rentals.hand_over(tx, rental, fresh.id)
    return fresh


async def _succeed(tx: Tx, desk: Desk, wallet: Wallet, old: Activation, left_s: float) -> Activation:
    match old.state:
        case State.WAITING if left_s > 0:
            await store.move(tx, old, State.CANCELLED)
            await ledger.release(tx, wallet, old.amount_micros, old.id)
            fresh = await _open(tx, wallet, old, old.amount_micros, left_s)
            await resale.carry_over(tx, wallet, old.id, fresh.id)
            return fresh
        case State.RECEIVED if left_s > 0:
            await store.move(tx, old, State.FINISHED)
            return await _open(tx, wallet, old, 0, left_s)
        case State.RECEIVED:
            closed = await close.finish(tx, desk, old)
            assert closed is not None, "the row is locked"
            return await _lease_again(tx, desk, wallet, closed)
        case State.FINISHED:
            return await _lease_again(tx, desk, wallet, old)
        case _:
            raise ResendRejected


async def _lease_again(tx: Tx, desk: Desk, wallet: Wallet, old: Activation) -> Activation:
    if old.is_masked:
        raise ResendRejected("Resend rejected — this number is no longer kept")
    if old.offer_id is not None and old.number_id is not None:
        if not await stock.take_again(tx, old.offer_id, old.number_id):
            raise ResendRejected("Resend rejected — the number is leased to somebody else")
    elif old.source_id != 0:
        raise ResendRejected
    paid = price(desk, wallet, old)
    fresh = await _open(tx, wallet, old, money.charge_micros(paid), desk.settings.lease_s(old.service))
    await resale.note(tx, fresh.id, resale.share(desk, wallet, paid, _wholesale(desk, wallet, old)))
    return fresh


async def _open(tx: Tx, wallet: Wallet, old: Activation, amount_micros: int, lease_s: float) -> Activation:
    new = NewActivation(
        wallet_id=wallet.id,
        source_id=old.source_id,
        offer_id=old.offer_id,
        number_id=old.number_id,
        country=old.country,
        service=old.service,
        operator=old.operator,
        phone=old.phone,
        state=State.WAITING,
        amount_micros=amount_micros,
        base_price=old.base_price,
        reference=old.reference,
        resent_from=old.public_id,
        number_used=old.number_used or old.code is not None,
    )
    fresh = await store.add(tx, new, lease_s=lease_s)
    await ledger.hold(tx, wallet, amount_micros, fresh.id)
    if wallet.mode == "test":
        await rehearse.plan_messages(tx, fresh)
    return fresh


def price(desk: Desk, wallet: Wallet, old: Activation) -> Decimal:
    """What leasing this number once more costs after its lease is over."""
    rules = desk.prices.rules
    view = rules.view(wallet.customer_id, wallet.brand_id)
    return rules.sell_price(view, old.country, old.service, old.base_price)


def _wholesale(desk: Desk, wallet: Wallet, old: Activation) -> Decimal | None:
    rules = desk.prices.rules
    view = rules.view(wallet.customer_id, wallet.brand_id)
    return rules.wholesale(view, old.country, old.service, old.base_price)


def resend_price(desk: Desk, wallet: Wallet, old: Activation) -> Decimal | None:
    """What asking for another message would cost now; None when it would be refused."""
    if not desk.policy.now.sells(wallet.customer_id, old.service, old.country):
        return None
    match old.state:
        case State.WAITING | State.RECEIVED:
            return Decimal(0)
        case State.FINISHED if not (old.is_rented or old.is_masked):
            return money.to_amount(money.charge_micros(price(desk, wallet, old)))
        case _:
            return None
