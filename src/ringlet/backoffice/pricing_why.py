"""What somebody would pay for this, and why: the rules that fit, with the price up to each of them."""

from decimal import Decimal
from typing import LiteralString

import msgspec

from ringlet import canon
from ringlet.activations import quote
from ringlet.backoffice.pricing_rules import Account, Asked, Line, account, lines_of
from ringlet.brands import HOUSE
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.pricing import Step, View

CASES_MAX = 50


class Case(msgspec.Struct, frozen=True):
    """What a number of this cost is sold for, and how that came about; the offers that cost this."""

    offers: list[str]
    cost: Decimal
    base_price: Decimal
    sell_price: Decimal
    steps: list[Step]


class Why(msgspec.Struct, frozen=True):
    """`quote` is what a buy would charge now (or what the cost that was given sells for), None when nobody offers it.
    `lines` are the rules of the steps with their names, by id.
    """

    account: Account | None
    quote: quote.Quote | None
    cases: list[Case]
    fitting: list[Step]
    lines: dict[int, Line]


async def why(
    desk: Desk, country: int, service: str, account_text: str | None = None, cost: Decimal | None = None
) -> Why:
    """For an account (its address, or # and its number) or for anybody in the house's shop; for what is on offer, or
    as if a number cost `cost`. Refuses: NotFound, ValidationFailed, ServiceUnavailable.
    """
    _check_cell(country, service)
    async with desk.db.connection() as tx:
        who = None if account_text is None else await account(tx, account_text)
        sources = dict(await (await tx.execute(_SOURCES)).fetchall())
    rules = desk.prices.rules
    view = rules.view(who.id if who else 0, who.brand_id if who else HOUSE)
    by_cost: dict[Decimal, list[str]] = {} if cost is None else {cost: []}
    offers = desk.prices.shop.cell(country, service)
    for offer in sorted(offers, key=lambda offer: (offer.base_price, offer.id)) if cost is None else ():
        by_cost.setdefault(offer.base_price, []).append(f"{sources.get(offer.source_id)}/{offer.operator}")
    cases = [_case(desk, view, country, service, *each) for each in list(by_cost.items())[:CASES_MAX]]
    found = quote.best(desk, view, offers)
    if cost is not None:
        found = quote.Quote(cases[0].base_price, cases[0].sell_price, cost, None)
    fitting = rules.explain(view, country, service)
    return Why(who, found, cases, fitting, await _names(desk, fitting))


_SOURCES: LiteralString = "select id, name from source"


def _check_cell(country: int, service: str) -> None:
    if country not in canon.countries():
        raise NotFound(f"{country} is no country of the code table")
    if service not in canon.services():
        raise NotFound(f"{service!r} is no service of the code table")


def _case(desk: Desk, view: View, country: int, service: str, cost: Decimal, offers: list[str]) -> Case:
    prices = desk.prices.rules
    return Case(
        offers=offers,
        cost=cost,
        base_price=prices.shown_base_price(view, country, service, cost),
        sell_price=prices.sell_price(view, country, service, cost),
        steps=prices.explain(view, country, service, cost),
    )


async def _names(desk: Desk, steps: list[Step]) -> dict[int, Line]:
    """The rules of these steps as the database has them; one that has just gone is missing."""
    ids = [step.rule.id for step in steps if step.rule is not None]
    async with desk.db.connection() as tx:
        found = [await lines_of(tx, Asked(rule_id=each), 1) for each in ids]
    return {line.id: line for lines in found for line in lines}
