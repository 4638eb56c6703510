"""The desk: what every use case works with. Made once per process by `app.py`, frozen."""

import time
from dataclasses import dataclass, field, replace

from ringlet import brands, pricing, success
from ringlet.brands import HOUSE, Brand, Brands
from ringlet.catalog import Offer, Shop
from ringlet.db import Database, GroupFlush, Tx
from ringlet.feed import Feed
from ringlet.payments.book import Gateways
from ringlet.policy import Copy, Policy
from ringlet.pricing import PriceList
from ringlet.settings import Settings
from ringlet.standing import Standings
from ringlet.suppliers import book
from ringlet.suppliers.book import Book
from ringlet.together import Together
from ringlet.velocity import Velocity

RATES_PAUSE_S = 60.0


class Shelves:
    """What this process remembers of shelves: which are open, and where its next search for a free number begins.

    Hints: lost or old, they cost a statement more and never a wrong sale.
    """

    def __init__(self) -> None:
        self._last_sold: dict[int, int] = {}
        self._opened: set[int] = set()

    def is_open(self, offer: Offer) -> bool:
        """Whether the offer's shelf is known to be open, from the price list or because we opened it."""
        return offer.opened_at is not None or offer.id in self._opened

    def opened(self, offer_id: int) -> None:
        """We have opened it; the price list will say so with its next refresh."""
        self._opened.add(offer_id)

    def after(self, offer_id: int) -> int:
        """The number that was sold last."""
        return self._last_sold.get(offer_id, 0)

    def sold(self, offer_id: int, number_id: int) -> None:
        """Go on behind this one."""
        self._last_sold[offer_id] = number_id


@dataclass(slots=True)
class Prices:
    """What is on sale and for how much, as this process knows it; `Desk.refresh_prices` keeps it true."""

    shop: Shop = field(default_factory=Shop)
    rules: PriceList = field(default_factory=lambda: PriceList([]))
    #: the one that tables were made by
    policy: Policy = field(default_factory=Policy)
    #: rises with every change of an offer or a rule
    version: int = 0
    #: rises with every change of the rules
    rules_version: int = 0
    #: rises when offers may have changed places: rates, suppliers that came or went
    ranking_version: int = 0
    #: how well the sources do, cell by cell; orders offers
    rates: dict[success.Cell, success.Rate] = field(default_factory=dict)
    rates_at: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Desk:
    """Database, news, settings, suppliers, and the copy of the price list."""

    settings: Settings
    db: Database
    #: for sales alone: what is committed there counts when `flush` says so
    sales: Database
    #: for what `till` gathers, committed as there; nobody waits long for a lock
    tills: Database
    flush: GroupFlush
    feed: Feed
    book: Book
    #: what may be sold, where accounts stand, and how fast they buy
    policy: Copy
    standings: Standings
    velocity: Velocity
    brands: Brands
    gateways: Gateways
    #: whose shop this is; the settings are in its words
    brand_id: int = HOUSE
    prices: Prices = field(default_factory=Prices)
    shelves: Shelves = field(default_factory=Shelves)
    #: gathers the sales of one moment
    till: Together = field(default_factory=Together)

    async def refresh_prices(self) -> None:
        """Bring the copy up to date. Refuses: ServiceUnavailable (then the old copy stands)."""
        policy = await self.policy.fresh()
        async with self.db.connection() as tx:
            fresh = await self.prices.shop.refresh(tx)
            rules = await pricing.load(tx, policy.apart)
            reranked = await self._refresh_rates(tx)
        if rules != self.prices.rules or policy is not self.prices.policy:
            self.prices.rules, self.prices.policy = rules, policy
            self.prices.rules_version += 1
            fresh = True
        reranked |= await self.refresh_suppliers()
        self.prices.ranking_version += reranked
        self.prices.version += fresh or reranked

    async def _refresh_rates(self, tx: Tx) -> bool:
        if time.monotonic() - self.prices.rates_at < RATES_PAUSE_S:
            return False
        before, self.prices.rates = self.prices.rates, await success.load(tx)
        self.prices.rates_at = time.monotonic()
        return before != self.prices.rates

    async def refresh_brands(self) -> None:
        """Bring the copy of the brands up to date. Refuses: ServiceUnavailable (then the old copy stands)."""
        async with self.db.connection() as tx:
            self.brands.take(await brands.load(tx, self.settings))

    def wearing(self, brand: Brand) -> "Desk":
        """The same desk in a brand's words: everything that it shares with this one it goes on sharing."""
        return replace(self, settings=brand.worn, brand_id=brand.id)

    async def refresh_suppliers(self) -> bool:
        """Bring the address book up to date; True when the offers of one came or went."""
        async with self.db.connection() as tx:
            suppliers, words = await book.load(tx), await book.load_words(tx)
        return self.book.take(suppliers, words)
