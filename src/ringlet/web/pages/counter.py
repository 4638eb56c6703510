"""The shop as one visitor sees it: what his words mean, at his own prices, with what is there right now."""

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache, cached_property
from itertools import groupby, islice
from typing import Any

import msgspec

from ringlet import canon, finding, ledger, money
from ringlet.activations import quote
from ringlet.activations.choose import fits
from ringlet.activations.quote import Quote
from ringlet.favourites import Cell
from ringlet.finding import Names, Pair
from ringlet.success import ORDERS_MIN, Span
from ringlet.suppliers import simulator
from ringlet.web.pages import words
from ringlet.web.pages.asked import Asked
from ringlet.web.pages.visit import Visit
from ringlet.web.pages.words import Words

ROWS_MAX = 40
QUOTED_MAX = 300
ALTERNATIVES_MAX = 5
POPULAR_MAX = 30
CHEAPEST_MAX = 3
#: however empty the shop is, no more of the best known services are gone through
KNOWN_MAX = 60
ANY_OTHER = "ot"
ANYWHERE = -1
NEVER = Decimal("Infinity")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table; `stock` is None when no source says how many it has."""

    service: str
    country: int
    name: str
    place: str
    iso: str
    price: Decimal
    stock: int | None
    rate: float | None = None
    seconds: float | None = None
    is_starred: bool = False

    @property
    def key(self) -> str:
        """What the row is called in the page and in addresses: wa-6."""
        return f"{self.service}-{self.country}"

    @property
    def micros(self) -> int:
        """What one number takes from the balance."""
        return money.charge_micros(self.price)

    @property
    def amount(self) -> Decimal:
        """The same as a number: what is shown of a price that has a seventh place."""
        return money.to_amount(self.micros)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The table, and what there is to say about it.

    `missing` is a pair that was clearly meant and has no numbers; then the first `others` rows are alternatives.
    `more` does not count everything when the list `is_cut`. When `is_refused` the shop does not sell what is missing.
    """

    rows: Sequence[Row]
    more: int = 0
    unknown: Sequence[str] = ()
    missing: tuple[str, str] | None = None
    others: int = 0
    is_cut: bool = False
    is_refused: bool = False


class Label(msgspec.Struct, frozen=True):
    """A pair of service and country by its names."""

    key: str
    name: str
    place: str
    iso: str


@cache
def names(language: str) -> Names:
    """The index of a language; a sixth of a second when it is first asked for."""
    spoken = words.words(language)
    local = {each.id: [place(spoken, each.id)] for each in canon.countries().values()}
    return Names(local, {code: code.replace("_", " ") for code in simulator.MAGIC})


@cache
def place(spoken: Words, country: int) -> str:
    """A country's name in the visitor's language; two of one country are told apart."""
    known = canon.countries().get(country)
    if known is None:
        return str(country)
    local = spoken.country(known.iso, known.name)
    if known.name.endswith("(virtual)"):
        return spoken.gettext("%(country)s (virtual)") % {"country": local}
    return local


@cache
def service_name(spoken: Words, service: str) -> str:
    """A service's name; those of test mode say what happens."""
    _ = spoken.gettext
    if service not in simulator.MAGIC:
        return finding.service_name(service)
    magic = {
        "test_no_numbers": _("Test: no numbers"),
        "test_never": _("Test: the code never comes"),
        "test_slow": _("Test: the code comes late"),
        "test_two_codes": _("Test: two codes"),
        "test_late": _("Test: the code comes after the end"),
        "test_no_code": _("Test: a message without a code"),
        "test_unavailable": _("Test: the shop is away"),
        "test_timeout": _("Test: the outcome is not known at once"),
        "test_insufficient_balance": _("Test: not enough balance"),
    }
    return magic.get(service, service)


@cache
def _everything() -> frozenset[str]:
    return frozenset(canon.services()) | frozenset(simulator.MAGIC)


class Counter:
    """The shop as one visitor sees it: what is on offer, at his prices, with his stars."""

    def __init__(
        self, seen: Visit, wallet: ledger.Wallet, purse: ledger.Balance, starred: Sequence[Cell],
        recent: Sequence[Cell], days: Mapping[Cell, Span],
    ) -> None:  # fmt: skip
        self.seen = seen
        self.wallet = wallet
        self.purse = purse
        self.starred = starred
        self.recent = recent
        self._days = days
        self._stars = frozenset(starred)
        self._view = seen.desk.prices.rules.view(wallet.customer_id, wallet.brand_id)

    @cached_property
    def offered(self) -> Mapping[int, Container[str]]:
        """Country → services; in test mode everything is sold."""
        if self.wallet.mode == "test":
            return dict.fromkeys(canon.countries(), _everything())
        return self.seen.desk.prices.shop.countries

    def quote(self, service: str, country: int, operator: str = "") -> Quote | None:
        """What the API says that this visitor pays, and how many there are; None when nobody offers it."""
        desk = self.seen.desk
        if not self.is_sold(service, country):
            return None
        if self.wallet.mode == "test":
            return quote.simulated(desk, self.wallet, country, service)
        offers = desk.prices.shop.cell(country, service)
        if operator:
            offers = [each for each in offers if fits(each, (operator,), desk)]
        return quote.best(desk, self._view, offers)

    def is_sold(self, service: str, country: int) -> bool:
        """Whether the shop sells this at all to this visitor."""
        return self.seen.desk.policy.now.sells(self.wallet.customer_id, service, country)

    def has_stock(self, service: str, country: int) -> bool:
        """Whether some source has numbers, or does not say."""
        if self.wallet.mode == "test":
            return True
        return any(offer.available != 0 for offer in self.seen.desk.prices.shop.cell(country, service))

    def row(self, service: str, country: int, operator: str = "") -> Row | None:
        """The line of one pair, of one operator if he has it; None when nobody offers it."""
        found = (operator and self.quote(service, country, operator)) or self.quote(service, country)
        if found is None:
            return None
        rate, seconds = self._figures(service, country)
        return Row(
            service=service, country=country, name=service_name(self.seen.words, service),
            place=place(self.seen.words, country), iso=canon.countries()[country].iso, price=found.sell_price,
            stock=None if self.wallet.mode == "test" else found.available, rate=rate, seconds=seconds,
            is_starred=(service, country) in self._stars,
        )  # fmt: skip

    def rows(self, cells: Iterable[Cell]) -> list[Row]:
        """The lines of those that are on offer."""
        return [row for each in cells if (row := self.row(*each)) is not None]

    def _figures(self, service: str, country: int) -> tuple[float | None, float | None]:
        day = self._days.get((service, country))
        if self.wallet.mode == "test" or day is None or day.orders < ORDERS_MIN:
            return None, None
        return day.codes / day.orders, day.code_seconds / day.codes if day.codes else None

    def operators(self, service: str, country: int) -> list[str]:
        """The operators that can be asked for."""
        if self.wallet.mode == "test":
            return []
        shut = self.seen.desk.book.shut()
        offers = self.seen.desk.prices.shop.cell(country, service)
        return sorted(
            {each.operator for each in offers if each.operator != "any" and each.source_id not in shut}
        )

    async def find(self, asked: Asked) -> Shown:
        """The table for what was asked."""
        if not asked.q:
            return self._arrange(asked, [Pair(*each, 1.0) for each in self._pleasing()])
        index = await asyncio.to_thread(names, self.seen.words.language)
        reading = index.read(asked.q)
        if reading.unknown:
            known = index.read(" ".join(word for word in reading.words if word not in reading.unknown))
            shown = self._arrange(asked, known.pairs(self.offered) if known.words else [])
            return msgspec.structs.replace(shown, unknown=reading.unknown)
        shown = self._arrange(asked, reading.pairs(self.offered))
        service, country = reading.best_service(), reading.best_country()
        is_there = bool(shown.rows) and (shown.rows[0].stock != 0 or service is None or country is None)
        return shown if is_there or service is None else self._instead(shown, service, country)

    def _pleasing(self) -> list[Cell]:
        """Without a word: favourites, what was bought, what is bought most, and the best known services."""
        found = dict.fromkeys([*self.starred, *self.recent])
        if self.wallet.mode == "test":
            home = self.recent[0][1] if self.recent else min(self.seen.desk.prices.shop.countries, default=6)
            found |= dict.fromkeys((code, home) for code in [*simulator.MAGIC, *finding.ranked_services()])
            return list(found)[:ROWS_MAX]
        found |= dict.fromkeys([each for each in self._days if each[0] in canon.services()][:POPULAR_MAX])
        for service in islice(finding.ranked_services(), KNOWN_MAX):
            found |= dict.fromkeys(self._cheapest(service))
            if len(found) >= ROWS_MAX:
                break
        return list(found)

    def _cheapest(self, service: str) -> list[Cell]:
        """A few countries that have numbers for it at a low cost."""
        costs = [
            (offer.base_price, country)
            for country, services in self.seen.desk.prices.shop.countries.items()
            for offer in services.get(service, {}).values()
            if offer.available != 0
        ]
        countries = dict.fromkeys(country for _, country in sorted(costs))
        return [(service, country) for country in islice(countries, CHEAPEST_MAX)]

    def _arrange(self, asked: Asked, pairs: Sequence[Pair]) -> Shown:
        scores = {(pair.service, pair.country): round(pair.score, 1) for pair in self._first(pairs)}
        rows = self.rows(scores)
        if asked.most is not None:
            rows = [row for row in rows if row.price <= asked.most]
        rows.sort(key=_sort_key(asked.sort, scores))
        hidden = len(pairs) - len(scores) if asked.q and asked.most is None else 0
        more = max(0, len(rows) - ROWS_MAX) + hidden
        return Shown(rows=rows[:ROWS_MAX], more=more, is_cut=len(pairs) >= finding.PAIRS_MAX)

    def _first(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Those that may stand at the top: favourites, and of what fits equally well what is there."""
        found = [pair for pair in pairs if (pair.service, pair.country) in self._stars] if self._stars else []
        for _, equal in groupby(pairs, key=lambda pair: round(pair.score, 1)):
            gone: list[Pair] = []
            for pair in equal:
                if len(found) >= QUOTED_MAX:
                    return found
                if (pair.service, pair.country) in self._stars:
                    continue
                (found if self.has_stock(pair.service, pair.country) else gone).append(pair)
            found += gone[: QUOTED_MAX - len(found)]
        return found

    def _instead(self, shown: Shown, service: str, country: int | None) -> Shown:
        """Nothing, or nothing left, of what was meant: what there is instead, above it."""
        others = self.elsewhere(service, country)[:ALTERNATIVES_MAX]
        meant = (
            service_name(self.seen.words, service),
            "" if country is None else place(self.seen.words, country),
        )
        known = {row.key for row in others}
        kept = [row for row in shown.rows if row.key not in known]
        return Shown(
            rows=[*others, *kept][:ROWS_MAX], missing=meant, others=len(others),
            is_refused=not self.is_sold(service, ANYWHERE if country is None else country),
        )  # fmt: skip

    def elsewhere(self, service: str, country: int | None) -> list[Row]:
        """The same service in other countries that have numbers; where there is none, numbers for any service."""
        found = [(service, each) for each in self.offered if each != country]
        there = [each for each in found if each[0] in self.offered[each[1]] and self.has_stock(*each)]
        if not there and service != ANY_OTHER:
            found = [(ANY_OTHER, each) for each in ([country] if country is not None else self.offered)]
            there = [
                each for each in found if each[0] in self.offered.get(each[1], ()) and self.has_stock(*each)
            ]
        return sorted(self.rows(there[:QUOTED_MAX]), key=_sort_key("best", {}))

    def labels(self, cells: Iterable[Cell]) -> list[Label]:
        """How cells are called, whether they are on offer or not."""
        spoken, countries = self.seen.words, canon.countries()
        return [
            Label(
                f"{service}-{country}",
                service_name(spoken, service),
                place(spoken, country),
                countries[country].iso,
            )
            for service, country in cells
            if country in countries
        ]


def _sort_key(sort: str, scores: Mapping[Cell, float]) -> Callable[[Row], Any]:
    """Best: what fits, favourites, what is there, what is asked for, what is cheap."""

    def best(row: Row) -> tuple[object, ...]:
        score = scores.get((row.service, row.country), 0.0)
        return (
            -score,
            not row.is_starred,
            row.stock == 0,
            finding.rank(row.service),
            row.price,
            -(row.stock or 0),
        )

    keys: dict[str, Callable[[Row], object]] = {
        "best": lambda _: 0,
        "price": lambda row: (row.stock == 0, row.price),
        "stock": lambda row: -(row.stock if row.stock is not None else 1),
        "success": lambda row: -(row.rate if row.rate is not None else -1),
        "time": lambda row: row.seconds if row.seconds is not None else NEVER,
    }
    return lambda row: (keys[sort](row), best(row))
