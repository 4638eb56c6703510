"""The gateways of this installation, each with its keys and its adapter."""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import LiteralString

import aiohttp
import msgspec
from psycopg.rows import args_row

from ringlet import sealed
from ringlet.db import Database, Tx
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Gateway

PURPOSE = "gateway keys"
Config = Mapping[str, str]


class Terms(msgspec.Struct, frozen=True):
    """A gateway's row: what payers see of it, and what becomes of payments that are not as asked."""

    id: int
    kind: str
    label: str
    mode: str
    is_on: bool
    place: int
    sealed_config: bytes | None
    min_micros: int
    max_micros: int
    surcharge_percent: Decimal
    surcharge_micros: int
    on_over: str
    on_under: str
    on_late: str
    changed_at: datetime

    def charge_micros(self, amount_micros: int) -> int:
        """What is to be paid for so much credit: whole cents, rounded up."""
        surcharge = amount_micros * self.surcharge_percent / 100 + self.surcharge_micros
        cents = ((amount_micros + surcharge) / 10_000).quantize(Decimal(1), rounding=ROUND_UP)
        return int(cents) * 10_000


class Tools(msgspec.Struct, frozen=True):
    """What adapters work with: the session for HTTP, and the database of the demo's own gateway."""

    http: aiohttp.ClientSession
    db: Database


class Gateways:
    """Adapters by row, as this process has made them; a row that was changed gets a new one."""

    def __init__(self, secret: bytes, db: Database) -> None:
        self._secret = secret
        self._db = db
        self._tools: Tools | None = None
        self._made: dict[int, tuple[datetime, Gateway]] = {}

    def use(self, session: aiohttp.ClientSession) -> None:
        """From now on adapters speak through this session."""
        self._tools = Tools(session, self._db)

    def adapter(self, terms: Terms) -> Gateway:
        """The one for this row. Raises StartupError when its keys were sealed with another secret."""
        known = self._made.get(terms.id)
        if known is not None and known[0] == terms.changed_at:
            return known[1]
        made = self.make(terms.kind, terms.mode, self.config(terms))
        self._made[terms.id] = (terms.changed_at, made)
        return made

    def make(self, kind: str, mode: str, config: Config) -> Gateway:
        """An adapter for keys that need not be stored yet. Raises Refused when they cannot be right."""
        assert self._tools is not None, "opened with the desk"
        return KINDS[kind](config, mode, self._tools.http, self._tools.db)

    def config(self, terms: Terms) -> Config:
        """What the operator entered, unsealed."""
        return unseal(self._secret, terms.sealed_config)


def seal(secret: bytes, config: Config) -> bytes:
    """What the operator entered, for storing."""
    return sealed.seal(secret, PURPOSE, msgspec.json.encode(dict(config)).decode())


def unseal(secret: bytes, content: bytes | None) -> Config:
    """What was sealed, {} when nothing was. Raises StartupError when another secret did it."""
    if content is None:
        return {}
    return msgspec.json.decode(sealed.unseal(secret, PURPOSE, content), type=dict[str, str])


COLUMNS: LiteralString = """
    g.id, g.kind, g.label, g.mode, g.is_on, g.place, g.sealed_config, g.min_micros, g.max_micros, g.surcharge_percent,
    g.surcharge_micros, g.on_over, g.on_under, g.on_late, g.changed_at
"""


async def load(tx: Tx, gateway_id: int) -> Terms | None:
    """One gateway, whether it is on or not: payments that were made by it go on."""
    cursor = tx.cursor(row_factory=args_row(Terms))
    return await (await cursor.execute(_ONE, [gateway_id])).fetchone()


_ONE: LiteralString = f"select {COLUMNS} from gateway g where g.id = %s"


async def on_offer(tx: Tx, mode: str) -> list[Terms]:
    """The ways to pay that wallets of this mode see, in the operator's order."""
    cursor = tx.cursor(row_factory=args_row(Terms))
    found = await (await cursor.execute(_ON_OFFER, [mode])).fetchall()
    return [each for each in found if KINDS[each.kind].can.asks]


_ON_OFFER: LiteralString = (
    f"select {COLUMNS} from gateway g where g.mode = %s and g.is_on order by g.place, g.id"
)


async def everyone(tx: Tx) -> list[Terms]:
    """Every gateway, for the operator."""
    cursor = tx.cursor(row_factory=args_row(Terms))
    return await (await cursor.execute(_ALL)).fetchall()


_ALL: LiteralString = f"select {COLUMNS} from gateway g order by g.place, g.id"


class New(msgspec.Struct, frozen=True):
    """A way to pay, as it is first set up."""

    kind: str
    label: str
    mode: str
    config: Config
    min_micros: int
    max_micros: int
    is_on: bool = False


async def add(tx: Tx, secret: bytes, new: New) -> int:
    """Another gateway, the last in order; returns its id. The caller notes the act."""
    sealed_config = seal(secret, new.config) if new.config else None
    values = [new.kind, new.label, new.mode, new.is_on, sealed_config, new.min_micros, new.max_micros]
    row = await (await tx.execute(_ADD, values)).fetchone()
    assert row is not None
    return int(row[0])


_ADD: LiteralString = """
insert into gateway (kind, label, mode, is_on, sealed_config, min_micros, max_micros, place)
values (%s, %s, %s, %s, %s, %s, %s, (select coalesce(max(place), 0) + 1 from gateway)) returning id
"""
