"""Buying a number."""

from collections.abc import Sequence
from itertools import groupby

from psycopg.errors import UniqueViolation

from ringlet import money
from ringlet.activations import order as upstream
from ringlet.activations import rehearse, resale, sale
from ringlet.activations.admit import admit, settled
from ringlet.activations.choose import Choice, Order, choices
from ringlet.activations.order import Bought
from ringlet.catalog import Offer
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import IdempotencyInProgress, MaxPriceExceeded, NoNumbers, RateLimited, ServiceNotAllowed
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers import stock
from ringlet.velocity import NOWHERE, Origin

ATTEMPTS_MAX = 3


async def buy(
    desk: Desk, wallet: Wallet, order: Order, once: Once | None = None, origin: Origin = NOWHERE
) -> Bought:
    """Lease a number and hold its price; the same `once` buys once.

    Refuses: ServiceNotAllowed, RateLimited, NoNumbers, MaxPriceExceeded, InsufficientBalance, IdempotencyMismatch,
    IdempotencyInProgress, ServiceUnavailable. An activation that is 'ordering' is one whose outcome at the supplier
    is not known yet.
    """
    try:
        ticket = await admit(desk, wallet, [order], origin)
    except RateLimited:
        # What was bought stays bought.
        bought = await upstream.known(desk, wallet, once)
        if bought is None:
            raise
        return bought
    return await settled(
        ticket, _sell(desk, wallet, order, once),
        lambda bought: [] if bought.replayed else [bought.activation.amount_micros],
    )  # fmt: skip


async def _sell(desk: Desk, wallet: Wallet, order: Order, once: Once | None) -> Bought:
    for _ in range(ATTEMPTS_MAX):
        try:
            if wallet.mode == "test":
                return await _rehearse(desk, wallet, order, once)
            return await _buy(desk, wallet, order, once)
        except UniqueViolation:
            # Another request with this key was first (ask again: it is known now), or a public id came twice.
            continue
    raise IdempotencyInProgress


async def _buy(desk: Desk, wallet: Wallet, order: Order, once: Once | None) -> Bought:
    """Try the offers in order; neighbours that are tried in the same way share a transaction or an activation."""
    clock = upstream.Patience.begin()
    try:
        found = choices(desk, wallet, order)
    except (ServiceNotAllowed, NoNumbers, MaxPriceExceeded):
        # Nothing is on offer now; the key may have bought when there was.
        known = await upstream.known(desk, wallet, once)
        if known is None:
            raise
        return known
    for run in _runs(found):
        if run[0].supplier is None:
            bought = await _from_stock(desk, wallet, order, run, once)
        else:
            bought = await upstream.from_suppliers(desk, wallet, order, run, once, clock)
        if bought is not None:
            return bought
    raise NoNumbers


def _runs(found: Sequence[Choice]) -> list[list[Choice]]:
    """Own stock in a row, or suppliers in a row at one price, which shares in the same way."""
    grouped = groupby(found, key=lambda each: None if each.supplier is None else (each.price, each.wholesale))
    return [list(group) for _, group in grouped]


async def _from_stock(
    desk: Desk, wallet: Wallet, order: Order, run: Sequence[Choice], once: Once | None
) -> Bought | None:
    for choice in run:
        await _open_shelf(desk, choice.offer)
        sold = await sale.sell(desk, wallet, _terms(desk, wallet, order, choice), once)
        if sold is None:
            continue
        if sold.activation is not None:
            return Bought(sold.activation, sold.posting_id)
        async with desk.db.connection() as tx:
            return await _bought(tx, wallet, sold)
    return None


async def _rehearse(desk: Desk, wallet: Wallet, order: Order, once: Once | None) -> Bought:
    epoch = await desk.flush.epoch()
    async with desk.sales.connection() as tx:
        sold = await rehearse.sell(tx, desk, wallet, order.service, order.country, order.reference, once)
        bought = await _bought(tx, wallet, sold)
    await desk.flush.flushed(epoch)
    return bought


async def _bought(tx: Tx, wallet: Wallet, sold: sale.Sold) -> Bought:
    if sold.known_id is not None:
        return await upstream.replay(tx, wallet, sold.known_id)
    assert sold.activation is not None
    return Bought(sold.activation, sold.posting_id)


async def _open_shelf(desk: Desk, offer: Offer) -> None:
    if not desk.shelves.is_open(offer):
        async with desk.db.transaction() as tx:
            await stock.open_shelf(tx, offer.id)
        desk.shelves.opened(offer.id)


def _terms(desk: Desk, wallet: Wallet, order: Order, choice: Choice) -> sale.Terms:
    return sale.Terms(
        offer_id=choice.offer.id,
        amount_micros=money.charge_micros(choice.price),
        base_price=choice.offer.base_price,
        lease_s=desk.settings.lease_s(choice.offer.service),
        excluded_prefixes=order.exclude_prefixes,
        reference=order.reference,
        share=resale.share(desk, wallet, choice.price, choice.wholesale),
    )
