"""Price tables in the protocol's shapes, kept country by country as long as they are true (compare `web/prices.py`)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ringlet import catalog
from ringlet.activations.quote import ranked
from ringlet.catalog import Offer
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.pricing import View
from ringlet.web.documents import Document
from ringlet.web.handler import spell
from ringlet.web.wire import encode

KEPT_MAX = 64  # big documents, for customers with prices of their own

Priced = Sequence[tuple[Offer, Decimal]]  # offers with their prices, the one that is sold first in front


def plain(priced: Priced) -> dict[str, Any]:
    """getPrices: the price that a buy is shown, and how many there are of all."""
    available = count(priced)
    return {"cost": spell.amount(priced[0][1]), "count": available, "physicalCount": available}


def by_price(priced: Priced) -> dict[str, int]:
    """getPricesV2: price → how many, the lowest first."""
    found: dict[Decimal, int] = {}
    for offer, price in priced:
        found[price] = found.get(price, 0) + spell.count(offer.available)
    return {spell.price_text(price): found[price] for price in sorted(found)}


def by_provider(priced: Priced) -> dict[str, Any]:
    """getPricesV3: whose numbers they are is our business, so all are of provider 1."""
    provider = {"count": count(priced), "price": spell.amount(priced[0][1]), "provider_id": 1}
    return {"1": provider}


def count(priced: Priced) -> int:
    """How many there are of all; where no source says, one."""
    stocks = [offer.available for offer, _ in priced if offer.available is not None]
    return sum(stocks) if stocks else spell.UNTOLD


def priced(desk: Desk, view: View, offers: Iterable[Offer]) -> Priced:
    """These offers at this customer's prices."""
    return ranked(desk, view, offers)


class Table:
    """The table of one shape for customers who pay the same."""

    def __init__(self, desk: Desk, view: View, shape: Callable[[Priced], dict[str, Any]]) -> None:
        self._desk = desk
        self._view = view
        self._shape = shape
        self._countries: dict[int, tuple[object, bytes]] = {}

    async def full(self) -> bytes:
        """Every country."""
        parts = []
        for country in sorted(self._desk.prices.shop.countries):
            parts.append(self._line(country))
            await asyncio.sleep(0)  # others are served between two countries
        return b"{" + b",".join(part for part in parts if part) + b"}"

    def country(self, country: int) -> bytes:
        """One country."""
        return b"{" + self._line(country) + b"}"

    def service(self, service: str, countries: Iterable[int]) -> bytes:
        """One service in these countries."""
        shop = self._desk.prices.shop
        cells = {each: self._cell(shop.cell(each, service)) for each in countries}
        return encode({str(each): {service: cell} for each, cell in cells.items() if cell is not None})

    def _line(self, country: int) -> bytes:
        prices = self._desk.prices
        if country not in prices.shop.countries:
            return b""
        version = (prices.rules_version, prices.ranking_version, prices.shop.versions[country])
        kept = self._countries.get(country)
        if kept is None or kept[0] != version:
            cells = self._cells(prices.shop.countries[country])
            line = b'"%d":%b' % (country, encode(cells)) if cells else b""
            kept = self._countries[country] = (version, line)
        return kept[1]

    def _cells(self, services: Mapping[str, catalog.Cell]) -> dict[str, Any]:
        cells = {service: self._cell(offers.values()) for service, offers in sorted(services.items())}
        return {service: cell for service, cell in cells.items() if cell is not None}

    def _cell(self, offers: Iterable[Offer]) -> dict[str, Any] | None:
        found = priced(self._desk, self._view, offers)
        return self._shape(found) if found else None


class Tables:
    """The tables and the big documents of one process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tables: dict[object, Table] = {}
        self._documents: dict[object, Document] = {}
        self._making: dict[object, asyncio.Task[Document]] = {}

    def of(self, wallet: Wallet, shape: Callable[[Priced], dict[str, Any]]) -> Table:
        """The table of one shape with this customer's prices."""
        view = self._desk.prices.rules.view(wallet.customer_id, wallet.brand_id)
        if (view, shape) not in self._tables:
            _make_room(self._tables)
            self._tables[view, shape] = Table(self._desk, view, shape)
        return self._tables[view, shape]

    async def document(self, key: object, make: Callable[[], Awaitable[bytes]]) -> Document:
        """What was made last under this key; while a newer one is being made the last one is the answer."""
        kept = self._documents.get(key)
        if kept is None or kept.version != self._desk.prices.version:
            if key not in self._making:
                self._making[key] = asyncio.create_task(self._make(key, make))
            if kept is None:
                return await asyncio.shield(self._making[key])
        return kept

    async def _make(self, key: object, make: Callable[[], Awaitable[bytes]]) -> Document:
        version = self._desk.prices.version
        try:
            document = await asyncio.to_thread(Document, await make(), version)
        finally:
            del self._making[key]
        _make_room(self._documents)
        self._documents[key] = document
        return document


def _make_room(kept: dict[object, Any]) -> None:
    if len(kept) >= KEPT_MAX:
        del kept[next(iter(kept))]
