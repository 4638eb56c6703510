"""The catalogue: what is on offer now.

Offers live in the database; every process keeps a copy in memory (`Shop`), brought up to date by what has
changed, because prices are read a thousand times for each number that is sold.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx

TAKEN_AT_ONCE = 500  # offers, some milliseconds


class Offer(msgspec.Struct, frozen=True):
    """One cell of one source's price list; `available` is None when the source does not say."""

    id: int
    source_id: int
    country: int
    service: str
    operator: str
    base_price: Decimal
    available: int | None
    opened_at: datetime | None
    changed_at: datetime


Cell = dict[int, Offer]  # the offers for one service in one country, by their id


class Shop:
    """The offers as this process knows them. Only `refresh` changes it, on the event loop."""

    def __init__(self) -> None:
        self.countries: dict[int, dict[str, Cell]] = {}
        #: rises with every change in that country, so that what was made from it can be kept
        self.versions: dict[int, int] = {}
        self._changed_at: datetime | None = None
        #: every transaction before this one had ended when the last look began
        self._seen_to: str | None = None

    def cell(self, country: int, service: str) -> Iterable[Offer]:
        """All offers for one service in one country."""
        return self.countries.get(country, {}).get(service, {}).values()

    async def refresh(self, tx: Tx) -> bool:
        """Take over what has changed; True when anything had.

        Looks a minute further back than the newest change it has seen, for a transaction that began earlier and
        committed later, but only at rows that no earlier look can have seen: after a load of a whole price list
        everything is a minute old, and reading it again and again would stop the event loop each time.
        """
        row = await (await tx.execute("select pg_snapshot_xmin(pg_current_snapshot())::text")).fetchone()
        assert row is not None
        cursor = tx.cursor(row_factory=args_row(Offer))
        await cursor.execute(_CHANGED, {"changed_at": self._changed_at, "seen": self._seen_to})
        anything = False
        while offers := await cursor.fetchmany(TAKEN_AT_ONCE):
            for offer in offers:
                anything |= self._take(offer)
            await asyncio.sleep(0)  # others are served between two batches
        self._seen_to = str(row[0])
        return anything

    def _take(self, offer: Offer) -> bool:
        if self._changed_at is None or offer.changed_at > self._changed_at:
            self._changed_at = offer.changed_at
        cell = self.countries.setdefault(offer.country, {}).setdefault(offer.service, {})
        if cell.get(offer.id) == offer:
            return False
        cell[offer.id] = offer
        self.versions[offer.country] = self.versions.get(offer.country, 0) + 1
        return True


_CHANGED: LiteralString = """
select id, source_id, country, service, operator, base_price, available, opened_at, changed_at from offer
where changed_at > coalesce(%(changed_at)s::timestamptz - interval '1 minute', '-infinity')
    and (%(seen)s::xid8 is null or age(xmin) <= age(%(seen)s::xid8::xid))
"""
