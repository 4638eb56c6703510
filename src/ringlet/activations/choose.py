"""Which offers a buy tries, in which order, and what the customer pays: the price that he was shown.

The first offer makes the price. Another one is tried when the first has no number, if it can be sold at that price
without falling below what the operator's rules allow. A customer who names a `max_price` agrees to any price up to
it: then a dearer offer is tried at its own price.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from ringlet.activations.quote import by_worth
from ringlet.catalog import Offer
from ringlet.desk import Desk
from ringlet.errors import MaxPriceExceeded, NoNumbers
from ringlet.ledger import Wallet
from ringlet.pricing import View
from ringlet.suppliers.book import Supplier

OFFERS_TRIED_MAX = 20


class Order(msgspec.Struct, frozen=True):
    """What a customer asks for; service and country are canonical, prefixes are digits."""

    service: str
    country: int
    max_price: Decimal | None = None
    operators: tuple[str, ...] = ()
    exclude_prefixes: tuple[str, ...] = ()
    reference: str | None = None
    #: only from this source: staff who try a supplier
    source_id: int | None = None


class Choice(msgspec.Struct, frozen=True):
    """One offer to try: what the customer pays for it, what it may cost us, and whose it is (None: own stock).

    `wholesale` is what the reseller pays for it, in whose shop the customer buys; None in the operator's own.
    """

    offer: Offer
    price: Decimal
    cost_max: Decimal
    supplier: Supplier | None
    wholesale: Decimal | None = None


def choices(desk: Desk, wallet: Wallet, order: Order) -> list[Choice]:
    """The offers that this order may be sold from, the best first.

    Refuses: ServiceNotAllowed, NoNumbers, MaxPriceExceeded.
    """
    desk.policy.now.check(wallet.customer_id, order.service, order.country)
    rules = desk.prices.rules
    view = rules.view(wallet.customer_id, wallet.brand_id)
    offers = desk.prices.shop.cell(order.country, order.service)
    wanted = [
        offer
        for offer in offers
        if fits(offer, order.operators, desk) and order.source_id in {None, offer.source_id}
    ]
    priced = by_worth(desk, view, wanted)
    if not priced:
        raise NoNumbers
    within = [each for each in priced if order.max_price is None or each[1] <= order.max_price]
    if not within:
        raise MaxPriceExceeded(min_price=min(price for _, price in priced))
    shown = within[0][1]
    found = []
    for offer, own_price in within[:OFFERS_TRIED_MAX]:
        choice = _at(desk, view, offer, shown)
        if choice is None and order.max_price is not None:
            choice = _at(desk, view, offer, own_price)
        if choice is not None:
            found.append(choice)
    return found


def _at(desk: Desk, view: View, offer: Offer, price: Decimal) -> Choice | None:
    """The offer at this price; None when that falls below what the rules allow."""
    rules, cell = desk.prices.rules, (offer.country, offer.service)
    wholesale = rules.wholesale(view, *cell, offer.base_price)
    earned, cost_max = price, rules.cost_max(view, *cell, price)
    if (offer.base_price if wholesale is None else wholesale) > cost_max:
        return None
    if wholesale is not None:
        earned, cost_max = wholesale, rules.cost_max(rules.reseller_view(view), *cell, wholesale)
    # Where the rules allow a loss it is the one on the price list, not any that a supplier may think of.
    bearable = max(offer.base_price, min(cost_max, earned))
    return Choice(offer, price, bearable, desk.book.get(offer.source_id), wholesale)


def fits(offer: Offer, operators: Sequence[str], desk: Desk) -> bool:
    """An operator is promised by own stock and by cells of that operator; suppliers that name none are asked for it."""
    if not operators or offer.operator in operators:
        return True
    return offer.operator == "any" and desk.book.get(offer.source_id) is not None
