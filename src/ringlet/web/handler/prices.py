"""Prices and stock: getPrices and its later shapes, getNumbersStatus."""

from collections.abc import Callable, Iterable
from typing import Any

from ringlet import canon
from ringlet.catalog import Offer
from ringlet.web import bodies
from ringlet.web.documents import Document
from ringlet.web.handler import tables
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import ANY, Ask, read_country
from ringlet.web.handler.tables import Priced, Tables
from ringlet.web.handler.words import No

#: services of which vendors also tell how many can forward calls; none of ours can
FORWARDING = ("av", "ot", "ya", "ym")


async def get_prices(ask: Ask) -> Answer:
    """Country → service → cost and count."""
    return await _prices(ask, tables.plain)


async def get_prices_v2(ask: Ask) -> Answer:
    """Country → service → price → count."""
    return await _prices(ask, tables.by_price)


async def get_prices_v3(ask: Ask) -> Answer:
    """Country → service → provider → price and count."""
    return await _prices(ask, tables.by_provider)


async def get_numbers_status(ask: Ask) -> Answer:
    """How many numbers there are for each service of one country; `_0` says that calls are not forwarded."""
    country = ask.country()
    desk, shop = ask.office.desk, ask.office.desk.prices.shop.countries
    places = sorted(shop) if country is None else [country]
    operators = bodies.operators(ask.given.text("operator"))
    view = desk.prices.rules.view(ask.wallet.customer_id, ask.wallet.brand_id)
    counts = dict.fromkeys((f"{code}_0" for code in canon.services()), 0)
    counts |= dict.fromkeys((f"{code}_1" for code in FORWARDING), 0)
    for place in places:
        for service, offers in shop.get(place, {}).items():
            found = tables.priced(desk, view, _of(offers.values(), operators))
            if found:
                counts[f"{service}_0"] = counts.get(f"{service}_0", 0) + tables.count(found)
    return Answer(counts)


def kept(ask: Ask) -> Tables:
    """This process's tables."""
    found: Tables = ask.request.app.state.handler_tables
    return found


async def _prices(ask: Ask, shape: Callable[[Priced], dict[str, Any]]) -> Answer:
    service, country = _service(ask), _country(ask)
    found = kept(ask)
    table = found.of(ask.wallet, shape)
    if service is not None:
        shop = ask.office.desk.prices.shop.countries
        return Answer(Document(table.service(service, sorted(shop) if country is None else [country]), 0))
    if country is not None:
        return Answer(Document(table.country(country), 0))
    return Answer(await found.document(table, table.full))


def _service(ask: Ask) -> str | None:
    text = ask.given.text("service")
    if text and text not in canon.services():
        raise _incorrect("BAD_SERVICE", "service is incorrect")
    return text or None


def _country(ask: Ask) -> int | None:
    text = ask.given.text("country")
    if not text or text.lower() == ANY:
        return None
    try:
        return read_country(text)
    except No:
        raise _incorrect("BAD_COUNTRY", "country is incorrect") from None


def _incorrect(word: str, sentence: str) -> No:
    return No(word, details=sentence, classic={"status": "false", "msg": sentence})


def _of(offers: Iterable[Offer], operators: tuple[str, ...]) -> list[Offer]:
    return [each for each in offers if not operators or each.operator in operators or each.operator == ANY]
