"""Price lists in the protocol's shape: country → product → operator → cost, count and rate.

Made country by country when something changed, as `web/prices.py` does, and for the same reasons.
"""

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType

from ringlet import canon
from ringlet.activations.quote import ranked
from ringlet.catalog import Cell, Offer
from ringlet.desk import Desk
from ringlet.pricing import View
from ringlet.web.documents import Document
from ringlet.web.fivesim import words
from ringlet.web.fivesim.words import ANY
from ringlet.web.wire import encode

VIEWS_MAX = 16
PRODUCTS_KEPT_MAX = 500
UNKNOWN_STOCK = 1  # a source that does not say has perhaps one: programs look for a count above zero
RATE_MIN = 20
PERCENT = Decimal("0.01")


class Line(Struct):
    """What a number of one operator costs, how many there are, and how many of a hundred orders brought a code."""

    cost: Decimal
    count: int
    rate: Decimal | UnsetType = UNSET


class Product(Struct, rename="pascal"):
    category: str
    qty: int
    price: Decimal


class Table:
    """The lists of one view (all customers who pay the same)."""

    def __init__(self, desk: Desk, view: View) -> None:
        self._desk = desk
        self._view = view
        self._countries: dict[int, tuple[object, bytes]] = {}
        self._full: Document | None = None
        self._building: asyncio.Task[Document] | None = None
        self._products: dict[tuple[int | None, str], Document] = {}

    async def full(self) -> Document:
        """Everything. While a newer list is being made the last one is the answer."""
        if self._full is None or self._full.version != self._desk.prices.version:
            if self._building is None or self._building.done():
                self._building = asyncio.create_task(self._build())
            if self._full is None:
                return await asyncio.shield(self._building)
        return self._full

    async def _build(self) -> Document:
        version = self._desk.prices.version
        parts = []
        for country in sorted(self._desk.prices.shop.countries):
            if (body := self._country(country)) != b"{}":
                parts.append(b'"%b":%b' % (words.country_word(country).encode(), body))
            await asyncio.sleep(0)  # others are served between two countries
        body = b"{%b}" % b",".join(parts) if parts else b"null"
        self._full = Document(body, version)
        return self._full

    def country(self, country: int) -> Document:
        """Country → product → operator, of one country."""
        body = self._country(country) if country in self._desk.prices.shop.countries else b"{}"
        if body == b"{}":
            return Document(b"null", 0)
        return Document(b'{"%b":%b}' % (words.country_word(country).encode(), body), 0)

    def _country(self, country: int) -> bytes:
        prices = self._desk.prices
        version = (prices.rules_version, prices.ranking_version, prices.shop.versions[country])
        kept = self._countries.get(country)
        if kept is None or kept[0] != version:
            cells = {
                words.product_word(service): lines
                for service, cell in sorted(prices.shop.countries[country].items())
                if (lines := self._lines(cell))
            }
            kept = self._countries[country] = (version, encode(cells))
        return kept[1]

    def cell(self, country: int, service: str) -> Document:
        """Country → product → operator, of one cell."""
        lines = self._lines(self._desk.prices.shop.countries.get(country, {}).get(service, {}))
        if not lines:
            return Document(b"null", 0)
        return Document(encode({words.country_word(country): {words.product_word(service): lines}}), 0)

    def service(self, service: str) -> Document:
        """Product → country → operator, of one product."""
        found = {
            words.country_word(country): lines
            for country, services in sorted(self._desk.prices.shop.countries.items())
            if (lines := self._lines(services.get(service, {})))
        }
        return Document(encode({words.product_word(service): found} if found else None), 0)

    def _lines(self, cell: Cell) -> dict[str, Line]:
        """The price of an operator is that of the offer which a buy of this operator tries first."""
        own: dict[str, list[Offer]] = {}
        prices: dict[str, Decimal] = {}
        before: Decimal | None = None  # the price of an offer that is tried whatever operator is wanted
        for offer, price in ranked(self._desk, self._view, cell.values()):
            if before is None and _is_asked_for_any(self._desk, offer):
                before = price
            prices.setdefault(ANY, price)
            prices.setdefault(offer.operator, price if before is None else before)
            own.setdefault(offer.operator, []).append(offer)
        return {each: Line(prices[each], _stock(own[each]), self._rate(own[each])) for each in sorted(own)}

    def _rate(self, offers: Iterable[Offer]) -> Decimal | UnsetType:
        keys = [(each.source_id, each.country, each.service, each.operator) for each in offers]
        rates = [rate for key in keys if (rate := self._desk.prices.rates.get(key)) is not None]
        orders, codes = sum(each.orders for each in rates), sum(each.codes for each in rates)
        percent = (Decimal(100 * codes) / orders).quantize(PERCENT) if orders else Decimal(0)
        return min(percent, Decimal(100)) if percent >= RATE_MIN else UNSET

    async def products(self, country: int | None, operator: str) -> Document:
        """Product → quantity and the lowest price, of one country or of all, of one operator or of any."""
        version = self._desk.prices.version
        kept = self._products.get((country, operator))
        if kept is None or kept.version != version:
            if len(self._products) >= PRODUCTS_KEPT_MAX:
                self._products.clear()
            kept = Document(encode(await self._list_products(country, operator)), version)
            self._products[country, operator] = kept
        return kept

    async def _list_products(self, country: int | None, operator: str) -> dict[str, Product]:
        found: dict[str, Product] = {}
        shop = self._desk.prices.shop.countries
        for each in sorted(shop) if country is None else [country]:
            for service, cell in shop.get(each, {}).items():
                if (product := self._product(cell, operator)) is not None:
                    word = words.product_word(service)
                    found[word] = product if word not in found else _together(found[word], product)
            await asyncio.sleep(0)
        return dict(sorted(found.items()))

    def _product(self, cell: Cell, operator: str) -> Product | None:
        fitting = [
            offer
            for offer in cell.values()
            if operator in {ANY, offer.operator} or _is_asked_for_any(self._desk, offer)
        ]
        priced = ranked(self._desk, self._view, fitting)
        return Product("activation", _stock(offer for offer, _ in priced), priced[0][1]) if priced else None


def _is_asked_for_any(desk: Desk, offer: Offer) -> bool:
    """Whether it is tried whatever operator is wanted, as a supplier's that names none; `choose` says the same."""
    return offer.operator == ANY and desk.book.get(offer.source_id) is not None


def _stock(offers: Iterable[Offer]) -> int:
    stocks = [each.available for each in offers]
    known = [each for each in stocks if each is not None]
    return sum(known) if len(known) == len(stocks) else max(sum(known), UNKNOWN_STOCK)


def _together(one: Product, other: Product) -> Product:
    """Of two countries: all the numbers, from the lower price on; what has no stock sets no price."""
    priced = [each for each in (one, other) if each.qty] or [one, other]
    return Product(one.category, one.qty + other.qty, min(each.price for each in priced))


class Tables:
    """The lists that guests see, one set per view, and the countries."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tables: dict[View, Table] = {}
        self._countries = Document(b"", None)

    def of(self, view: View) -> Table:
        """The lists with the prices of this view."""
        if view not in self._tables:
            if len(self._tables) >= VIEWS_MAX:
                self._tables = {each: table for each, table in self._tables.items() if each is None}
            self._tables[view] = Table(self._desk, view)
        return self._tables[view]

    def countries(self) -> Document:
        """Every country of the code table with its operators."""
        version = self._desk.prices.version
        if self._countries.version != version:
            found = {words.country_word(each.id): self._describe(each) for each in canon.countries().values()}
            self._countries = Document(encode(found), version)
        return self._countries

    def _describe(self, country: canon.Country) -> Mapping[str, object]:
        """Programs read the operators by their place: after the four fields that every country has."""
        cells = self._desk.prices.shop.countries.get(country.id, {}).values()
        operators = sorted({offer.operator for cell in cells for offer in cell.values()})
        return {
            "iso": {country.iso.lower(): 1},
            "prefix": {f"+{country.prefix}": 1},
            "text_en": country.name,
            "text_ru": country.name,
            **{operator: {"activation": 1} for operator in operators},
        }
