"""The desk: what every use case works with. Made once per process by `app.py`, frozen."""

from dataclasses import dataclass, field

from ringlet import pricing
from ringlet.catalog import Offer, Shop
from ringlet.db import Database, GroupFlush
from ringlet.feed import Feed
from ringlet.pricing import PriceList
from ringlet.settings import Settings


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
    #: rises with every change of an offer or a rule
    version: int = 0
    #: rises with every change of the rules
    rules_version: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """Database, news, settings, and the copy of the price list."""

    settings: Settings
    db: Database
    #: for sales alone: what is committed there counts when `flush` says so
    sales: Database
    flush: GroupFlush
    feed: Feed
    prices: Prices = field(default_factory=Prices)
    shelves: Shelves = field(default_factory=Shelves)

    async def refresh_prices(self) -> None:
        """Bring the copy up to date. Refuses: ServiceUnavailable (then the old copy stands)."""
        async with self.db.connection() as tx:
            fresh = await self.prices.shop.refresh(tx)
            rules = await pricing.load(tx)
        if rules.rules != self.prices.rules.rules:
            self.prices.rules = rules
            self.prices.rules_version += 1
            fresh = True
        self.prices.version += fresh
