"""What a number would cost: the answer that a dry run gets, and the one that a buy will charge."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from ringlet.catalog import Offer
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.ledger import Wallet
from ringlet.pricing import View
from ringlet.suppliers import simulator


class Quote(msgspec.Struct, frozen=True):
    """Prices at seven places: what this customer is shown as base price, what he pays, what it costs us.

    `available` is None when no source says how many it has.
    """

    base_price: Decimal
    sell_price: Decimal
    cost: Decimal
    available: int | None


def quote(desk: Desk, wallet: Wallet, country: int, service: str) -> Quote:
    """The price of one service in one country for this customer.

    Refuses: ServiceNotAllowed; NotFound when nobody offers it.
    """
    desk.policy.now.check(wallet.customer_id, service, country)
    view = desk.prices.rules.view(wallet.customer_id, wallet.brand_id)
    found = best(desk, view, desk.prices.shop.cell(country, service))
    if found is None and wallet.mode == "test":
        return simulated(desk, wallet, country, service)
    if found is None:
        raise NotFound("No price for this service in this country")
    return found


def simulated(desk: Desk, wallet: Wallet, country: int, service: str) -> Quote:
    """Test mode sells everything: as live where the cell is offered, at the simulator's price otherwise."""
    rules = desk.prices.rules
    view = rules.view(wallet.customer_id, wallet.brand_id)
    found = best(desk, view, desk.prices.shop.cell(country, service))
    sell_price = rules.sell_price(view, country, service, simulator.BASE_PRICE)
    return found or Quote(simulator.BASE_PRICE, sell_price, simulator.BASE_PRICE, None)


def best(desk: Desk, view: View, offers: Iterable[Offer]) -> Quote | None:
    """The offer that a buy would try first, with the stock of all of them together."""
    priced = ranked(desk, view, offers)
    if not priced:
        return None
    offer, sell_price = priced[0]
    shown = desk.prices.rules.shown_base_price(view, offer.country, offer.service, offer.base_price)
    stocks = [each.available for each, _ in priced if each.available is not None]
    return Quote(shown, sell_price, offer.base_price, sum(stocks) if stocks else None)


def ranked(desk: Desk, view: View, offers: Iterable[Offer]) -> list[tuple[Offer, Decimal]]:
    """Offers with what this customer pays: those with stock first, then by score.

    The stock figure is a few seconds old, so an offer that shows none is tried last instead of never. What is not
    offered at all (a supplier that is paused, silent, or at its limits; what may not be sold) does not appear.
    """
    policy, customer_id = desk.policy.now, None if view is None else view.customer_id
    return by_worth(
        desk, view, (each for each in offers if policy.sells(customer_id, each.service, each.country))
    )


def by_worth(desk: Desk, view: View, offers: Iterable[Offer]) -> list[tuple[Offer, Decimal]]:
    """The same for offers of what may be sold."""
    rules, shut = desk.prices.rules, desk.book.shut()
    priced = [
        (offer, rules.sell_price(view, offer.country, offer.service, offer.base_price))
        for offer in offers
        if offer.source_id not in shut
    ]
    if len(priced) > 1:
        priced.sort(key=lambda each: (each[0].available == 0, score(desk, *each), each[0].id))
    return priced


def score(desk: Desk, offer: Offer, price: Decimal) -> float:
    """What a code from this offer is expected to cost: the price, dearer where few codes come or late ones, cheaper
    by the operator's weight. It orders offers and is never charged.
    """
    rate = desk.prices.rates.get((offer.source_id, offer.country, offer.service, offer.operator))
    supplier = desk.book.get(offer.source_id)
    weight = 1.0 if supplier is None else float(supplier.terms.weight)
    return float(price) * (1.0 if rate is None else rate.penalty()) / weight
