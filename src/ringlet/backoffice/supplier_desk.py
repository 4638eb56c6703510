"""One supplier on the desk of whoever looks after it: its terms, what is rented there, and our money there."""

from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.acts import Actor
from ringlet.desk import Desk
from ringlet.errors import NotFound, RingletError, ValidationFailed
from ringlet.suppliers import purse
from ringlet.suppliers.purse import Purse
from ringlet.supplying import known, sync
from ringlet.supplying import money as purses
from ringlet.supplying.known import TROUBLE
from ringlet.supplying.money import Compared
from ringlet.supplying.sync import Synced

PAGE = 30
ID_MAX = 2**63 - 1


class Conditions(msgspec.Struct, frozen=True):
    """The terms as they are changed on the page; amounts in our money, the key is not among them."""

    name: str
    protocol: str
    url: str
    currency_rate: Decimal
    weight: Decimal
    deadline_s: int
    requests_per_s: int
    sync_every_s: int
    stale_after_s: int
    unit_cost: Decimal | None
    exposure_cap_micros: int | None
    balance_alert_micros: int | None


async def conditions(desk: Desk, source_id: int) -> Conditions:
    """The terms of now. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Conditions))
        found = await (await cursor.execute(_CONDITIONS, [source_id])).fetchone()
    if found is None:
        raise NotFound
    return found


_CONDITIONS: LiteralString = """
select source.name, s.protocol, s.url, s.currency_rate, s.weight, s.deadline_s, s.requests_per_s, s.sync_every_s,
    s.stale_after_s, s.unit_cost, s.exposure_cap_micros, s.balance_alert_micros
from supplier s join source on source.id = s.source_id where s.source_id = %s
"""


class Rented(msgspec.Struct, frozen=True):
    """A number that is ours there now; of the number itself only its beginning."""

    supplier_ref: str
    activation_id: int | None
    country: int
    service: str
    begins: str
    cost: Decimal
    state: str
    wish: str | None
    tries: int
    last_error: str | None
    created_at: datetime


async def rented(desk: Desk, source_id: int, after: str = "") -> list[Rented]:
    """A page of what is rented now and one more, in the order of the supplier's own ids. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Rented))
        return await (await cursor.execute(_RENTED, [source_id, after, PAGE + 1])).fetchall()


_RENTED: LiteralString = """
select r.supplier_ref, a.public_id, r.country, r.service, left(r.phone, 4), r.cost, r.state::text, r.wish::text,
    r.tries, r.last_error, r.created_at
from rental r left join activation a on a.id = r.activation_id
where r.source_id = %s and r.supplier_ref > %s and r.state in ('stray', 'open', 'closing')
order by r.supplier_ref limit %s
"""


class Posting(msgspec.Struct, frozen=True):
    """One movement of our money there. `change_micros` is what it did to what lies there."""

    id: int
    kind: str
    change_micros: int
    supplier_ref: str | None
    actor: str | None
    reason: str | None
    created_at: datetime


async def statement(desk: Desk, source_id: int, before: int | None = None) -> tuple[Purse, list[Posting]]:
    """What our books say, and a page of movements and one more, newest first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        balances = await purse.purse(tx, source_id)
        cursor = tx.cursor(row_factory=args_row(Posting))
        await cursor.execute(_STATEMENT, [source_id, before or ID_MAX, PAGE + 1])
        return balances, await cursor.fetchall()


_STATEMENT: LiteralString = """
select id, kind::text, amount_micros * ((taker = 'prepaid')::int - (giver = 'prepaid')::int), supplier_ref, actor, reason,
    created_at
from supplier_posting where source_id = %s and id < %s order by id desc limit %s
"""


async def sync_now(desk: Desk, name: str) -> Synced | None:
    """Take over its price list; None when a worker does at this moment. Refuses: NotFound, ValidationFailed (what went
    wrong there, in a sentence).
    """
    supplier = await known.reach(desk, name)
    try:
        return await sync.sync(desk, supplier)
    except TROUBLE as error:
        raise await _said(desk, name, error) from None


async def compare(desk: Desk, name: str) -> Compared:
    """Its figure of our money beside ours, asked now. Refuses: as `sync_now`."""
    try:
        return await purses.compare(desk, name)
    except TROUBLE as error:
        raise await _said(desk, name, error) from None


async def settle(desk: Desk, name: str, reason: str, by: Actor) -> int:
    """Accept its figure; what nothing explains is booked, and returned. Refuses: as `sync_now`."""
    try:
        return await purses.settle(desk, name, reason, by)
    except TROUBLE as error:
        raise await _said(desk, name, error) from None


async def _said(desk: Desk, name: str, error: RingletError) -> ValidationFailed:
    async with desk.db.connection() as tx:
        row = await known.terms(tx, name)
    return ValidationFailed(known.sentence(desk, row, error))
