"""The address book: every supplier of this installation with its adapter, as this process knows them.

Loaded from the database with the prices. What only this process has seen (a row of failures) is kept here
too: a hint that steers the next buy, lost at a restart without harm.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import aiohttp
import msgspec
import structlog
from psycopg.rows import args_row

from ringlet import sealed
from ringlet.db import Tx
from ringlet.errors import StartupError
from ringlet.settings import Settings
from ringlet.suppliers.calls import Calls, Counted
from ringlet.suppliers.port import Account, Port
from ringlet.suppliers.protocols import PROTOCOLS
from ringlet.suppliers.wire import Line

FAILURES_MAX = 8  # in a row, then the circuit opens
REST_S = 30.0
KEY_PURPOSE = "supplier key"

log = structlog.get_logger("ringlet.suppliers")


class Terms(msgspec.Struct, frozen=True):
    """A supplier's row: how to reach it, on what terms, and what the workers last learned (`is_offered`)."""

    source_id: int
    name: str
    protocol: str
    url: str
    sealed_key: bytes
    currency_rate: Decimal
    weight: Decimal
    deadline_s: int
    requests_per_s: int
    sync_every_s: int
    stale_after_s: int
    exposure_cap_micros: int | None
    balance_alert_micros: int | None
    unit_cost: Decimal | None
    paused_at: datetime | None
    balance_micros: int | None
    exposure_micros: int
    synced_at: datetime | None
    refused_until: datetime | None
    #: by the database's clock: not paused, prices not stale, not refusing us, not at its cap
    is_offered: bool


async def refuse(tx: Tx, source_id: int, why: str, for_s: float) -> None:
    """No process offers this supplier for a while."""
    await tx.execute(
        "update supplier set refused_until = now() + make_interval(secs => %s), refused_why = %s"
        " where source_id = %s",
        [for_s, why[:200], source_id],
    )


async def source_by_hint(tx: Tx, fingerprint: bytes) -> int | None:
    """The supplier that was given this address for its hints."""
    row = await (
        await tx.execute("select source_id from supplier where hint_fingerprint = %s", [fingerprint])
    ).fetchone()
    return None if row is None else int(row[0])


async def claim_watch(tx: Tx, worker: str, for_s: float) -> set[int]:
    """The suppliers that this worker watches from now on, or still: each has one watcher at a time."""
    await tx.execute(_CLAIM_WATCH, [worker, for_s, worker])
    # Also those whose row somebody else has locked this moment: our last claim still stands.
    rows = await (await tx.execute(_WATCHED, [worker])).fetchall()
    return {row[0] for row in rows}


_CLAIM_WATCH: LiteralString = """
update supplier set watched_by = %s, watched_until = now() + make_interval(secs => %s)
where source_id in (select source_id from supplier
    where watched_by = %s or coalesce(watched_until < now(), true) for update skip locked)
"""
_WATCHED: LiteralString = "select source_id from supplier where watched_by = %s and watched_until > now()"


async def end_watch(tx: Tx, worker: str) -> None:
    """This worker watches no more."""
    await tx.execute("update supplier set watched_until = now() where watched_by = %s", [worker])


COLUMNS: LiteralString = """
    s.source_id, source.name, s.protocol, s.url, s.sealed_key, s.currency_rate, s.weight, s.deadline_s,
    s.requests_per_s, s.sync_every_s, s.stale_after_s, s.exposure_cap_micros, s.balance_alert_micros, s.unit_cost,
    s.paused_at, s.balance_micros, s.exposure_micros, s.synced_at, s.refused_until,
    s.paused_at is null and coalesce(s.synced_at > now() - make_interval(secs => s.stale_after_s), false)
        and coalesce(s.refused_until < now(), true)
        and coalesce(s.exposure_micros < s.exposure_cap_micros, true) as is_offered
"""


async def load(tx: Tx) -> list[Terms]:
    """Every supplier."""
    cursor = tx.cursor(row_factory=args_row(Terms))
    await cursor.execute(_LOAD)
    return await cursor.fetchall()


_LOAD: LiteralString = f"""
select {COLUMNS} from supplier s join source on source.id = s.source_id order by s.source_id
"""


class Words(msgspec.Struct, frozen=True):
    """A supplier's words for the canonical codes, and back."""

    countries: Mapping[int, str]
    services: Mapping[str, str]
    our_countries: Mapping[str, int]
    our_services: Mapping[str, str]


async def load_words(tx: Tx) -> dict[int, Words]:
    """The code maps of every supplier, by source."""
    pairs: dict[int, dict[str, list[tuple[str, str]]]] = {}
    for source_id, kind, theirs, ours in await (await tx.execute(_WORDS)).fetchall():
        pairs.setdefault(source_id, {"country": [], "service": []})[kind].append((theirs, ours))
    return {source_id: words(each["country"], each["service"]) for source_id, each in pairs.items()}


_WORDS: LiteralString = "select source_id, kind, theirs, ours from code_map where ours is not null"


def words(countries: Iterable[tuple[str, str]], services: Iterable[tuple[str, str]]) -> Words:
    """Words from pairs of theirs and ours."""
    country_pairs = [(theirs, int(ours)) for theirs, ours in countries]
    service_pairs = list(services)
    return Words(
        countries={ours: theirs for theirs, ours in country_pairs},
        services={ours: theirs for theirs, ours in service_pairs},
        our_countries=dict(country_pairs),
        our_services=dict(service_pairs),
    )


NO_WORDS = words((), ())


class Supplier:
    """One supplier as this process deals with it."""

    def __init__(self, terms: Terms, port: Port) -> None:
        self.terms = terms
        self.port = port
        self.words = NO_WORDS
        self._failures = 0
        self._closed_until = 0.0

    @property
    def name(self) -> str:
        """What the operator calls it."""
        return self.terms.name

    def is_offered(self) -> bool:
        """Whether numbers of this supplier may be sold now."""
        return self.terms.is_offered and not self.is_broken()

    def is_broken(self) -> bool:
        """Whether its circuit is open: it failed too often in a row, and gets a rest."""
        return time.monotonic() < self._closed_until

    def failed(self) -> bool:
        """It could not be reached or gave no answer that can be read; True when that opens its circuit."""
        self._failures += 1
        if self._failures < FAILURES_MAX or self.is_broken():
            return False
        # After the rest one more failure opens it again: the row of failures is only broken by an answer.
        self._closed_until = time.monotonic() + REST_S
        log.warning("supplier_circuit_open", supplier=self.name, failures=self._failures, rest_s=REST_S)
        return True

    def answered(self) -> None:
        """It gave an answer that can be read, be it yes or no."""
        self._failures = 0
        self._closed_until = 0.0


class Book:
    """The suppliers of this process. `take` brings it up to date; an adapter is made anew when its terms change."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._suppliers: dict[int, Supplier] = {}
        #: what became of every question of this process
        self.calls = Calls()

    def use(self, session: aiohttp.ClientSession) -> None:
        """The HTTP session of this process."""
        self._session = session

    def get(self, source_id: int) -> Supplier | None:
        """The supplier behind a source; None for own stock and the simulator."""
        return self._suppliers.get(source_id)

    def all(self) -> list[Supplier]:
        """Every supplier."""
        return list(self._suppliers.values())

    def shut(self) -> frozenset[int]:
        """The sources that are not offered now."""
        return frozenset(source_id for source_id, each in self._suppliers.items() if not each.is_offered())

    def named(self, name: str) -> Supplier | None:
        """By the operator's name for it."""
        return next((each for each in self._suppliers.values() if each.name == name), None)

    def take(self, rows: Iterable[Terms], maps: Mapping[int, Words]) -> bool:
        """Take over what the database says; True when a supplier came, went, or is now offered or no longer."""
        before = {each.terms.source_id: each.terms.is_offered for each in self.all()}
        fresh: dict[int, Supplier] = {}
        for terms in rows:
            supplier = self._suppliers.get(terms.source_id)
            if supplier is None or _line_of(supplier.terms) != _line_of(terms):
                supplier = self._make(terms)
            if supplier is not None:
                supplier.terms = terms
                supplier.words = maps.get(terms.source_id, NO_WORDS)
                fresh[terms.source_id] = supplier
        self._suppliers = fresh
        return before != {each.terms.source_id: each.terms.is_offered for each in self.all()}

    def _make(self, terms: Terms) -> Supplier | None:
        try:
            return Supplier(terms, self.port(terms))
        except (StartupError, KeyError) as error:
            log.warning("supplier_unusable", supplier=terms.name, why=str(error))
            return None

    def port(self, terms: Terms) -> Port:
        """A new adapter on these terms. Raises StartupError when its key cannot be opened, KeyError for a protocol
        that this version does not know.
        """
        assert self._session is not None, "the desk is open"
        key = sealed.unseal(self._settings.secret, KEY_PURPOSE, terms.sealed_key)
        line = Line(self._session, terms.url, deadline_s=terms.deadline_s, per_s=terms.requests_per_s)
        adapter = PROTOCOLS[terms.protocol](line, Account(key, terms.unit_cost))
        return Counted(adapter, self.calls, terms.source_id, key)


def _line_of(terms: Terms) -> tuple[object, ...]:
    return (
        terms.protocol,
        terms.url,
        terms.sealed_key,
        terms.deadline_s,
        terms.requests_per_s,
        terms.unit_cost,
    )
