"""Taking over a supplier's price list: fetched and read outside any transaction, then only what changed is written.

A list has 164,000 lines and one in a hundred changes. The database compares it with what is stored, in one
transaction that locks no row which a sale waits for: sales read offers, and reading waits for nobody.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from weakref import WeakKeyDictionary

import msgspec
import structlog

from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.feed import announce
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import Cell, OutcomeUnknown
from ringlet.supplying import codes
from ringlet.supplying.codes import Word
from ringlet.supplying.known import TROUBLE, sentence
from ringlet.supplying.prices import Listed, Names, read

FETCH_WITHIN_S = 90.0

log = structlog.get_logger("ringlet.supplying")

#: By the monotonic clock: until then this process leaves the list of that supplier alone, however its last try went.
#: A supplier whose terms were changed is a new one, and tried at once.
_after: WeakKeyDictionary[Supplier, float] = WeakKeyDictionary()


class Synced(msgspec.Struct, frozen=True):
    """How a sync went: lines of the list that can be sold, how many of them were written, how many words are still
    without a name of ours, and lines left out because they make no sense.
    """

    cells: int
    changed: int
    new: int
    gone: int
    unmapped: int
    left_out: int
    seconds: float


async def sync(desk: Desk, supplier: Supplier, turn: asyncio.Lock | None = None) -> Synced | None:
    """Take over the price list of now. None when another process did meanwhile.

    `turn`: whoever shares it writes one after the other. Raises NotSent, OutcomeUnknown, Refused; then the old
    list stands, until it is too old to be offered.
    """
    began = time.monotonic()
    source_id = supplier.terms.source_id
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_BEFORE, [source_id])).fetchone()
        words = await codes.load(tx, source_id)
    assert row is not None, "a supplier is never deleted"
    synced_at, has_offers = row
    try:
        cells, names = await _fetch(supplier, words, may_be_empty=not has_offers)
    except TROUBLE as error:
        await _failed(desk, source_id, sentence(desk, supplier.terms, error))
        raise
    listed = await asyncio.to_thread(read, cells, words, names, supplier.terms.currency_rate)
    async with turn or asyncio.Lock(), desk.db.transaction() as tx:
        if not await _is_ours(tx, source_id, synced_at):
            return None
        for kind, learned in listed.learned.items():
            await codes.store(tx, source_id, kind, learned)
        changed, new, gone = await _merge(tx, source_id, listed)
        row = await (await tx.execute(_SYNCED, {"source": source_id})).fetchone()
        assert row is not None
        if changed or new or gone or not supplier.terms.is_offered:
            await announce(tx, "catalogue")
    took = round(time.monotonic() - began, 3)
    return Synced(listed.count, changed, new, gone, int(row[0]), listed.left_out, took)


_BEFORE: LiteralString = """
select synced_at, exists (select from offer where source_id = s.source_id and coalesce(available, 1) > 0)
from supplier s where source_id = %s
"""
_SYNCED: LiteralString = """
update supplier set synced_at = now(), sync_error = null where source_id = %(source)s
returning (select count(*) from code_map where source_id = %(source)s and ours is null)
"""


async def _fetch(
    supplier: Supplier, words: Sequence[Word], *, may_be_empty: bool
) -> tuple[Sequence[Cell], Names]:
    """The list, and the names of its words when there is one that we have never seen."""
    try:
        async with asyncio.timeout(FETCH_WITHIN_S):
            cells = await supplier.port.cells()
            if not cells and not (may_be_empty or supplier.port.traits.is_pushed):
                # Everything sold out at once looks like this too, but is rarer than a broken price list.
                raise OutcomeUnknown("the price list is empty")
            seen = {word.theirs for word in words}
            strange = any(cell.country not in seen or cell.service not in seen for cell in cells)
            return cells, await supplier.port.names() if strange else None
    except TimeoutError:
        raise OutcomeUnknown("the price list did not come in time") from None


async def _is_ours(tx: Tx, source_id: int, synced_at: datetime | None) -> bool:
    """Whether nobody else is writing this list or has written one since we asked for ours."""
    row = await (await tx.execute(codes.TRY_SYNC, [source_id])).fetchone()
    if row is None or not row[0]:
        return False
    row = await (await tx.execute(_SINCE, [synced_at, source_id])).fetchone()
    return row is not None


_SINCE: LiteralString = "select from supplier where synced_at is not distinct from %s and source_id = %s"


async def _merge(tx: Tx, source_id: int, listed: Listed) -> tuple[int, int, int]:
    """Write what is different; returns how many offers were changed, added, and are no longer listed."""
    await tx.execute(_FOR_A_LIST)
    await tx.execute(_INCOMING)
    async with tx.cursor() as cursor, cursor.copy(_COPY) as copy:
        for chunk in listed.chunks:
            await copy.write(chunk)
            await asyncio.sleep(0)  # the other jobs of this process go on
    await tx.execute("analyze incoming")
    await tx.execute(_COMPARE, [source_id], prepare=False)
    changed = (await tx.execute(_CHANGE)).rowcount
    new = (await tx.execute(_ADD, [source_id])).rowcount
    gone = (await tx.execute(_EMPTY)).rowcount
    return changed, new, gone


# Elsewhere everything is asked by index (decision 7); here whole lists are compared.
_FOR_A_LIST: LiteralString = """
set local enable_seqscan = on; set local enable_bitmapscan = on; set local plan_cache_mode = auto;
set local work_mem = '64MB'; set local jit = off; set local statement_timeout = '60s'
"""
_INCOMING: LiteralString = """
create temporary table incoming
    (country int, service text, operator text, base_price numeric, available int) on commit drop;
create temporary table difference
    (offer_id bigint, country int, service text, operator text, base_price numeric, available int) on commit drop
"""
_COPY: LiteralString = "copy incoming from stdin"

# Without an offer: new. Without a country: no longer listed.
_COMPARE: LiteralString = """
insert into difference
select o.id, i.country, i.service, i.operator, i.base_price, i.available
from incoming i
full join (select * from offer where source_id = %s) o
    on o.country = i.country and o.service = i.service and o.operator = i.operator
where o.id is null
    or case when i.country is null then o.available is distinct from 0
        else (o.base_price, o.available) is distinct from (i.base_price, i.available) end
"""
_CHANGE: LiteralString = """
update offer o set base_price = d.base_price, available = d.available, changed_at = clock_timestamp()
from difference d where d.offer_id = o.id and d.country is not null
"""
_ADD: LiteralString = """
insert into offer (source_id, country, service, operator, base_price, available, changed_at)
select %s, country, service, operator, base_price, available, clock_timestamp()
from difference where offer_id is null order by country, service, operator
"""
_EMPTY: LiteralString = """
update offer o set available = 0, changed_at = clock_timestamp()
from difference d where d.offer_id = o.id and d.country is null
"""


async def _failed(desk: Desk, source_id: int, why: str) -> None:
    async with desk.db.transaction() as tx:
        await tx.execute("update supplier set sync_error = %s where source_id = %s", [why, source_id])


async def sync_due(desk: Desk) -> int:
    """Sync every supplier whose last sync is too long ago; returns how many were.

    One that fails is tried again after its interval. The lists are fetched at once and written one by one: a
    list keeps one of the process's few connections for a second or two.
    """
    async with desk.db.connection() as tx:
        due = {row[0] for row in await (await tx.execute(_DUE)).fetchall()}
    turn = asyncio.Lock()
    now = time.monotonic()
    suppliers = [
        each for each in desk.book.all() if each.terms.source_id in due and now >= _after.get(each, 0)
    ]
    for supplier in suppliers:
        _after[supplier] = now + supplier.terms.sync_every_s
    return sum(await asyncio.gather(*(_try(desk, supplier, turn) for supplier in suppliers)))


_DUE: LiteralString = """
select source_id from supplier
where paused_at is null and coalesce(synced_at <= now() - make_interval(secs => sync_every_s), true)
"""


async def _try(desk: Desk, supplier: Supplier, turn: asyncio.Lock) -> bool:
    """One supplier; whatever happens to it is logged and stops no other."""
    try:
        synced = await sync(desk, supplier, turn)
    except TROUBLE as error:
        log.warning("sync_failed", supplier=supplier.name, why=sentence(desk, supplier.terms, error))
        return False
    except Refusal as refusal:
        log.warning("sync_refused", supplier=supplier.name, code=refusal.code)
        return False
    except Exception:
        log.exception("sync_failed", supplier=supplier.name)
        return False
    if synced is not None:
        log.info("synced", supplier=supplier.name, **msgspec.structs.asdict(synced))
    return synced is not None
