"""Price tables and code lists as documents, rebuilt country by country when something changed.

The full table of 205 countries × 800 services is some ten megabytes: it is never made inside a request that
could have been answered with the one of a moment ago, and never in one piece that would stop the event loop.
"""

import asyncio
from collections.abc import Callable, Iterable

from ringlet import canon, catalog
from ringlet.activations.quote import best
from ringlet.catalog import Offer
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.pricing import View
from ringlet.web import wire
from ringlet.web.documents import Document
from ringlet.web.wire import encode

VIEWS_MAX = 32  # price tables kept for customers with prices of their own


class PriceTable:
    """The price table of one view (all customers who pay the same)."""

    def __init__(self, desk: Desk, view: View) -> None:
        self._desk = desk
        self._view = view
        self._countries: dict[int, tuple[object, bytes]] = {}
        self._full: Document | None = None
        self._building: asyncio.Task[Document] | None = None

    async def full(self) -> Document:
        """Every country. While a newer one is being built the last one is the answer."""
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
            parts.append(b'"%d":%b' % (country, self._country(country)))
            await asyncio.sleep(0)  # others are served between two countries
        document = await asyncio.to_thread(_join, parts, version)
        self._full = document
        return document

    def country(self, country: int) -> Document:
        """One country."""
        if country not in self._desk.prices.shop.countries:
            return _join([], 0)
        return _join([b'"%d":%b' % (country, self._country(country))], 0)

    def service(self, service: str, country: int | None) -> Document:
        """One service, in one country or in all that have it."""
        countries = self._desk.prices.shop.countries
        wanted = sorted(countries) if country is None else [country]
        prices = {}
        for each in wanted:
            cell = self._cell(countries.get(each, {}).get(service, {}).values())
            if cell is not None:
                prices[str(each)] = {service: cell}
        return Document(encode({"success": True, "prices": prices}), 0)

    def _country(self, country: int) -> bytes:
        prices = self._desk.prices
        version = (prices.rules_version, prices.ranking_version, prices.shop.versions[country])
        kept = self._countries.get(country)
        if kept is None or kept[0] != version:
            cells = {
                service: cell
                for service, offers in sorted(prices.shop.countries[country].items())
                if (cell := self._cell(offers.values())) is not None
            }
            kept = self._countries[country] = (version, encode(cells))
        return kept[1]

    def _cell(self, offers: Iterable[Offer]) -> wire.PriceCell | None:
        found = best(self._desk, self._view, offers)
        return None if found is None else wire.PriceCell(found.base_price, found.sell_price, found.available)


def _join(parts: list[bytes], version: object) -> Document:
    return Document(b'{"success":true,"prices":{%b}}' % b",".join(parts), version)


class PriceTables:
    """One table per view; customers without rules of their own share one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tables: dict[View, PriceTable] = {}

    def of(self, wallet: Wallet) -> PriceTable:
        """The table with this customer's prices."""
        view = self._desk.prices.rules.view(wallet.customer_id, wallet.brand_id)
        if view not in self._tables:
            if len(self._tables) >= VIEWS_MAX:
                self._tables = {None: self._tables[None]} if None in self._tables else {}
            self._tables[view] = PriceTable(self._desk, view)
        return self._tables[view]


class CodeLists:
    """The canonical countries and services with what is available of each to everybody."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[str, Document] = {}

    def countries(self) -> Document:
        """Every country of the code table."""
        return self._get("countries", self._make_countries)

    def services(self) -> Document:
        """Every service that can be bought."""
        return self._get("services", self._make_services)

    def operators(self, country: int) -> Document:
        """The operators with numbers on offer in a country."""
        stock: dict[str, list[int | None]] = {}
        for cell in self._sold(country).values():
            for offer in cell.values():
                stock.setdefault(offer.operator, []).append(offer.available)
        lines = [wire.OperatorLine(name, _total(stock[name])) for name in sorted(stock)]
        return Document(encode(wire.OperatorsAnswer(lines)), 0)

    def _get(self, name: str, make: Callable[[], bytes]) -> Document:
        version = self._desk.prices.version
        if name not in self._kept or self._kept[name].version != version:
            self._kept[name] = Document(make(), version)
        return self._kept[name]

    def _sold(self, country: int) -> dict[str, catalog.Cell]:
        """What anybody may buy in a country."""
        policy, cells = self._desk.policy.now, self._desk.prices.shop.countries.get(country, {})
        return {service: cell for service, cell in cells.items() if policy.sells(None, service, country)}

    def _make_countries(self) -> bytes:
        lines = [
            wire.CountryLine(
                id=each.id,
                name=each.name,
                iso=each.iso,
                prefix=each.prefix,
                available=_total(_stock(self._sold(each.id).values())),
            )
            for each in canon.countries().values()
        ]
        return encode(wire.CountriesAnswer(lines))

    def _make_services(self) -> bytes:
        stock: dict[str, list[int | None]] = {}
        for country in self._desk.prices.shop.countries:
            for service, cell in self._sold(country).items():
                stock.setdefault(service, []).extend(_stock([cell]))
        lines = [
            wire.ServiceLine(code=each.code, name=each.name, available=_total(stock.get(each.code, [])))
            for each in canon.services().values()
        ]
        return encode(wire.ServicesAnswer(lines))


def _stock(cells: Iterable[catalog.Cell]) -> list[int | None]:
    return [offer.available for cell in cells for offer in cell.values()]


def _total(stocks: list[int | None]) -> int | None:
    """What is available altogether: 0 when nobody offers it, null when no source says how many it has."""
    known = [each for each in stocks if each is not None]
    return sum(known) if known or not stocks else None
