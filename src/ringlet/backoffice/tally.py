"""The worker's part of the figures: postings are added to hours and days behind a mark.

A posting's id is drawn before its transaction commits, so a lower id may appear after a higher one. Whoever writes
postings holds the table's lock from before the draw to the end of his transaction: so the last id is read, then who
holds the lock, and when all of those have ended, every id up to that one is there or will never be. The mark moves in
the transaction that adds: a worker that dies in the middle has added nothing.
"""

import asyncio
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import brands
from ringlet.backoffice.figures import MEASURES, MOVED, SUMS
from ringlet.db import Tx
from ringlet.desk import Desk

BATCH = 20_000
LOOK_AGAIN_S = 0.01
#: who writes longer than this is not waited for: the next round asks again
PATIENCE_S = 1.0


class Mark(msgspec.Struct, frozen=True):
    """Ids of both kinds of postings."""

    posting_id: int
    supplier_posting_id: int


async def fold(desk: Desk, *, batch: int = BATCH) -> int:
    """Add one batch of postings to the figures; returns how many ids are left to do. A worker's job.

    Refuses: ServiceUnavailable.
    """
    settled = await settled_up_to(desk)
    if settled is None:
        return 0
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Mark))
        mark = await (await cursor.execute(_LOCK)).fetchone()
        if mark is None:
            return 0  # another worker is at it
        until = Mark(min(settled.posting_id, mark.posting_id + batch),
                     min(settled.supplier_posting_id, mark.supplier_posting_id + batch))  # fmt: skip
        # A worker that looked earlier may come later.
        until = Mark(max(until.posting_id, mark.posting_id),
                     max(until.supplier_posting_id, mark.supplier_posting_id))  # fmt: skip
        if until != mark:
            currency = await brands.currency(tx, desk.settings)
            await tx.execute(_FOLD, {"currency": currency, "limit": batch, **_values(until)})
            await tx.execute(_MOVE, _values(until))
    left = settled.posting_id - until.posting_id, settled.supplier_posting_id - until.supplier_posting_id
    return max(0, *left)


def _values(until: Mark) -> dict[str, int]:
    return {"posting_until": until.posting_id, "supplier_posting_until": until.supplier_posting_id}


async def settled_up_to(desk: Desk) -> Mark | None:
    """Up to where nothing can come any more; None when somebody writes for long."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Mark))
        last = await (await cursor.execute(_LAST)).fetchone()
        writers = await _writers(tx)
    until_s = asyncio.get_running_loop().time() + PATIENCE_S
    while writers:
        if asyncio.get_running_loop().time() > until_s:
            return None
        await asyncio.sleep(LOOK_AGAIN_S)
        async with desk.db.connection() as tx:
            writers &= await _writers(tx)
    return last


async def _writers(tx: Tx) -> set[str]:
    """The transactions that have written postings, or may have."""
    return {row[0] for row in await (await tx.execute(_WRITERS)).fetchall()}


_LAST: LiteralString = """
select (select case when is_called then last_value else 0 end from posting_id_seq),
    (select case when is_called then last_value else 0 end from supplier_posting_id_seq)
"""

_WRITERS: LiteralString = """
select virtualtransaction from pg_locks
where locktype = 'relation' and relation in ('posting'::regclass, 'supplier_posting'::regclass)
    and mode = 'RowExclusiveLock' and granted
    and database = (select oid from pg_database where datname = current_database())
"""

_LOCK: LiteralString = "select posting_id, supplier_posting_id from figure_mark for no key update skip locked"

_MOVE: LiteralString = """
update figure_mark set posting_id = %(posting_until)s, supplier_posting_id = %(supplier_posting_until)s
"""

#: what an hour or a day had already, and what came
_ADDED: LiteralString = """
revenue_micros = had.revenue_micros + excluded.revenue_micros, share_micros = had.share_micros + excluded.share_micros,
cost_micros = had.cost_micros + excluded.cost_micros, refund_micros = had.refund_micros + excluded.refund_micros,
top_up_micros = had.top_up_micros + excluded.top_up_micros, debit_micros = had.debit_micros + excluded.debit_micros,
sales = had.sales + excluded.sales, releases = had.releases + excluded.releases,
code_micros = had.code_micros + excluded.code_micros
"""

_FOLD: LiteralString = f"""
with moved as materialized ({MOVED}), hours as (
    insert into figure_hour as had (dimension, currency, at, key, {MEASURES})
    select k.dimension, currency, at, k.key, {SUMS}
    from moved cross join lateral (values
        ('all', ''), ('service', service), ('country', country), ('source', source)) as k (dimension, key)
    where k.key is not null group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (dimension, currency, at, key) do update set {_ADDED}
)
insert into figure_day as had (dimension, currency, at, key, {MEASURES})
select k.dimension, currency, date_trunc('day', at, 'UTC'), k.key, sum(revenue_micros), sum(share_micros),
    sum(case k.dimension when 'customer' then base_micros else cost_micros end), sum(refund_micros),
    sum(top_up_micros), sum(debit_micros), sum(sales), sum(releases), sum(code_micros)
from moved cross join lateral (values
    ('all', ''), ('service', service), ('country', country), ('source', source), ('customer', customer)
) as k (dimension, key)
where k.key is not null group by 1, 2, 3, 4 order by 1, 2, 3, 4
on conflict (dimension, currency, at, key) do update set {_ADDED}
"""
