"""How suppliers stand: all of them from the database, and one of them asked now."""

import time
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import money
from ringlet.desk import Desk
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import Reason, Refused, Traits
from ringlet.suppliers.wire import host_of
from ringlet.supplying.known import TROUBLE, reach, sentence


class SupplierLine(msgspec.Struct, frozen=True):
    """What the operator sees of one supplier; amounts in our money."""

    name: str
    protocol: str
    url: str
    state: str
    balance_micros: int | None
    books_micros: int | None
    exposure_micros: int
    exposure_cap_micros: int | None
    rentals_open: int
    cells_on_offer: int
    unmapped: int
    sync_age_s: int | None
    sync_error: str | None

    @property
    def host(self) -> str:
        """The part of its address that may be shown anywhere."""
        return host_of(self.url)


async def lines(desk: Desk) -> list[SupplierLine]:
    """Every supplier with its state in a word."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(SupplierLine))
        await cursor.execute(_LINES)
        return await cursor.fetchall()


_LINES: LiteralString = """
select source.name, s.protocol, s.url,
    case when s.paused_at is not null then 'paused'
        when s.synced_at is null then 'never synced'
        when s.synced_at <= now() - make_interval(secs => s.stale_after_s) then 'stale'
        when s.refused_until >= now() then 'refusing until ' || to_char(s.refused_until, 'HH24:MI:SS')
            || coalesce(' (' || left(s.refused_why, 40) || ')', '')
        when s.exposure_micros >= s.exposure_cap_micros then 'at its exposure cap'
        when s.balance_micros < s.balance_alert_micros then 'low balance'
        else 'offered' end,
    s.balance_micros, s.books_micros, s.exposure_micros, s.exposure_cap_micros, s.rentals_open,
    (select count(*) from offer o where o.source_id = s.source_id and coalesce(o.available, 1) > 0)::int,
    (select count(*) from code_map m where m.source_id = s.source_id and m.ours is null)::int,
    extract(epoch from now() - s.synced_at)::int, s.sync_error
from supplier s join source on source.id = s.source_id order by source.name
"""


class Checked(msgspec.Struct, frozen=True):
    """What a supplier answered just now. `balance` in its money; no `problems` means that it can be sold."""

    name: str
    protocol: str
    host: str
    latency_ms: float | None
    balance: str | None
    cells: int | None
    can: tuple[str, ...]
    problems: tuple[str, ...]


async def check(desk: Desk, name: str) -> Checked:
    """Ask the supplier for our balance and its price list. Refuses: NotFound."""
    supplier = await reach(desk, name)
    began = time.monotonic()
    balance, wrong = await _balance(desk, supplier)
    latency_ms = None if wrong else round(1000 * (time.monotonic() - began), 1)
    problems, cells = [wrong] if wrong else [], None
    if not wrong:
        try:
            cells = len(await supplier.port.cells())
        except TROUBLE as error:
            problems.append("price list: " + sentence(desk, supplier.terms, error))
        if cells == 0 and not supplier.port.traits.is_pushed:
            problems.append("price list: it is empty")
    return Checked(
        name, supplier.terms.protocol, host_of(supplier.terms.url), latency_ms, balance, cells,
        abilities(supplier.port.traits), tuple(problems),
    )  # fmt: skip


async def _balance(desk: Desk, supplier: Supplier) -> tuple[str | None, str | None]:
    """The balance as text, or what is wrong; neither where a protocol has none."""
    try:
        return f"{money.plain(await supplier.port.balance()):f}", None
    except TROUBLE as error:
        if isinstance(error, Refused) and error.reason is Reason.UNSUPPORTED:
            return None, None
        return None, "balance: " + sentence(desk, supplier.terms, error)


def abilities(traits: Traits) -> tuple[str, ...]:
    """What a protocol can do, in words."""
    said = {
        "finds out what became of an order without an answer": traits.lists_held or traits.rents_once,
        "never rents twice for one order": traits.rents_once,
        "tells all messages with one question": traits.watches_together,
        "pushes messages by itself": traits.is_pushed,
        "takes money when it gives a number": traits.charges_on_rent,
        f"refuses to cancel in the first {traits.cancel_lock_s:.0f} seconds": traits.cancel_lock_s > 0,
    }
    return tuple(text for text, holds in said.items() if holds)
