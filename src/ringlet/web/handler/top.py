"""Where to buy a service: getTopCountriesByService, getTopCountriesByServiceRank, getListOfTopCountriesByService."""

import asyncio
from typing import Any

from ringlet.web.handler import spell, tables
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.prices import kept
from ringlet.web.handler.tables import Priced
from ringlet.web.wire import encode

COUNTRIES_OF_EACH = 10  # in the list of all services
PAGE = 10
PAGE_MAX = 100


async def get_top_countries(ask: Ask) -> Answer:
    """Country → price and count, those with most numbers first; without a service: service → country."""
    is_free = ask.given.flag("freePrice")
    if ask.given.text("service"):
        return Answer(_of(ask, ask.service(), is_free=is_free))
    view = ask.office.desk.prices.rules.view(ask.wallet.customer_id, ask.wallet.brand_id)

    async def make() -> bytes:
        return await _of_all(ask, is_free=is_free)

    return Answer(await kept(ask).document(("top", view, is_free), make))


async def get_list_of_top_countries(ask: Ask) -> Answer:
    """Country → its part of the orders for this service in the last day and how many of them brought a code.

    Both in percent. A country with too few orders to tell is not in it.
    """
    service = ask.service(refused_as="WRONG_SERVICE")
    orders: dict[int, int] = {}
    codes: dict[int, int] = {}
    for (_, country, of_service, _), rate in ask.office.desk.prices.rates.items():
        if of_service == service:
            orders[country] = orders.get(country, 0) + rate.orders
            codes[country] = codes.get(country, 0) + rate.codes
    every = sum(orders.values())
    length = ask.given.whole("length", default=PAGE, most=PAGE_MAX)
    page = max(ask.given.whole("page", default=1, most=1_000), 1)
    best = sorted(orders, key=lambda country: -orders[country])[(page - 1) * length : page * length]
    return Answer(
        [
            {
                "country": str(country),
                "share": f"{100 * orders[country] / every:.2f}",
                "rate": f"{100 * codes[country] / orders[country]:.2f}",
            }
            for country in best
        ]
    )


async def _of_all(ask: Ask, *, is_free: bool) -> bytes:
    shop = ask.office.desk.prices.shop.countries
    found = {}
    for service in sorted({service for services in shop.values() for service in services}):
        countries = list(_of(ask, service, is_free=is_free).items())[:COUNTRIES_OF_EACH]
        if countries:
            found[service] = dict(countries)
        await asyncio.sleep(0)  # others are served between two services
    return encode(found)


def _of(ask: Ask, service: str, *, is_free: bool) -> dict[str, Any]:
    desk = ask.office.desk
    view = desk.prices.rules.view(ask.wallet.customer_id, ask.wallet.brand_id)
    shop = desk.prices.shop
    cells = {country: tables.priced(desk, view, shop.cell(country, service)) for country in shop.countries}
    lines = [_line(country, priced, is_free=is_free) for country, priced in cells.items() if priced]
    lines.sort(key=lambda line: (-line["count"], line["price"], line["country"]))
    return {str(line["country"]): line for line in lines}


def _line(country: int, priced: Priced, *, is_free: bool) -> dict[str, Any]:
    by_price = tables.by_price(priced)
    price = priced[0][1]
    shown = spell.amount(price)
    available = tables.count(priced)
    line = {
        "country": country,
        "count": available,
        "price": shown,
        "retail_price": shown,
        "physicalTotalCount": available,
        "physicalCountForDefaultPrice": by_price[spell.price_text(price)],
        "physicalPriceMap": by_price,
    }
    return line | {"freePriceMap": by_price} if is_free else line
