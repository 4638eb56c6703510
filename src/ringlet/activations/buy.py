"""Buying a number."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from psycopg.errors import UniqueViolation

from ringlet import money
from ringlet.activations import rehearse, sale, store
from ringlet.activations.quote import ranked
from ringlet.activations.store import Activation
from ringlet.catalog import Offer
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import IdempotencyInProgress, MaxPriceExceeded, NoNumbers
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers import stock

OFFERS_TRIED_MAX = 20
ATTEMPTS_MAX = 3


class Order(msgspec.Struct, frozen=True):
    """What a customer asks for; service and country are canonical, prefixes are digits."""

    service: str
    country: int
    max_price: Decimal | None = None
    operators: Sequence[str] = ()
    exclude_prefixes: Sequence[str] = ()
    reference: str | None = None


class Bought(msgspec.Struct, frozen=True):
    """The activation, the posting that holds its price, and whether an idempotency key had already made it."""

    activation: Activation
    posting_id: int
    replayed: bool = False


async def buy(desk: Desk, wallet: Wallet, order: Order, once: Once | None = None) -> Bought:
    """Lease a number and hold its price; the same `once` buys once.

    Refuses: NoNumbers, MaxPriceExceeded, InsufficientBalance, IdempotencyMismatch, IdempotencyInProgress,
    ServiceUnavailable (in test mode with the activation whose outcome is unknown).
    """
    for _ in range(ATTEMPTS_MAX):
        epoch = await desk.flush.epoch()
        try:
            bought = await _attempt(desk, wallet, order, once)
        except UniqueViolation:
            # Another request with this key was first (ask again: it is known now), or a public id came twice.
            continue
        # Also for a repetition: the first request may not have been answered yet.
        await desk.flush.flushed(epoch)
        return bought
    raise IdempotencyInProgress


async def _attempt(desk: Desk, wallet: Wallet, order: Order, once: Once | None) -> Bought:
    async with desk.sales.connection() as tx:
        if wallet.mode == "test":
            sold = await rehearse.sell(tx, desk, wallet, order.service, order.country, order.reference, once)
        else:
            sold = await _sell_best(tx, desk, wallet, order, once)
        return await _bought(tx, wallet, sold)


async def _bought(tx: Tx, wallet: Wallet, sold: sale.Sold) -> Bought:
    if sold.known_id is not None:
        activation = await store.by_id(tx, wallet.id, sold.known_id)
        return Bought(activation, await store.hold_posting(tx, sold.known_id), replayed=True)
    assert sold.activation is not None
    return Bought(sold.activation, sold.posting_id)


async def _sell_best(tx: Tx, desk: Desk, wallet: Wallet, order: Order, once: Once | None) -> sale.Sold:
    for offer, price in affordable(desk, wallet, order)[:OFFERS_TRIED_MAX]:
        if not desk.shelves.is_open(offer):
            async with tx.transaction():
                await stock.open_shelf(tx, offer.id)
            desk.shelves.opened(offer.id)
        terms = sale.Terms(
            offer_id=offer.id,
            amount_micros=money.charge_micros(price),
            base_price=offer.base_price,
            lease_s=desk.settings.lease_s(offer.service),
            excluded_prefixes=order.exclude_prefixes,
            reference=order.reference,
        )
        sold = await sale.sell(tx, wallet, terms, desk.shelves.after(offer.id), once)
        if sold is not None:
            if sold.activation is not None and sold.activation.number_id is not None:
                desk.shelves.sold(offer.id, sold.activation.number_id)
            return sold
    raise NoNumbers


def affordable(desk: Desk, wallet: Wallet, order: Order) -> list[tuple[Offer, Decimal]]:
    """The offers within `max_price` with what this customer pays, in the order in which they are tried.

    Refuses: NoNumbers, MaxPriceExceeded.
    """
    rules = desk.prices.rules
    offers = desk.prices.shop.cell(order.country, order.service)
    wanted = [offer for offer in offers if not order.operators or offer.operator in order.operators]
    priced = ranked(rules, rules.view(wallet.customer_id), wanted)
    if not priced:
        raise NoNumbers
    within = [each for each in priced if order.max_price is None or each[1] <= order.max_price]
    if not within:
        raise MaxPriceExceeded(min_price=min(price for _, price in priced))
    return within
