"""What customers who were brought have spent, counted exactly once, and the shares of it.

Spending is counted behind a mark over the ids of postings, as the figures are (`tally.py`): the mark moves in the
transaction that adds, so a worker that dies in the middle has added nothing. The share is rounded down on the whole
sum of each customer, never on one purchase, so nothing is lost or made by rounding.

What a referrer has earned and what is posted of it stand side by side; a second job evens them out. What was earned
less than posted, because spending was given back, is taken from his balance as far as it goes, and the rest comes
out of what he earns later.
"""

from typing import LiteralString

import msgspec
import structlog
from psycopg.rows import args_row

from ringlet import failpoints, ledger
from ringlet.backoffice import tally
from ringlet.db import Tx
from ringlet.desk import Desk

BATCH = 20_000
POSTED_AT_ONCE = 200

log = structlog.get_logger("ringlet.referral")


async def fold(desk: Desk, *, batch: int = BATCH) -> int:
    """Count one batch of postings; returns how many ids are left to do. A worker's job. Refuses: ServiceUnavailable."""
    settled = await tally.settled_up_to(desk)
    if settled is None:
        return 0
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_LOCK)).fetchone()
        if row is None:
            return 0  # another worker is at it
        after = int(row[0])
        # A worker that looked earlier may come later.
        until = max(after, min(settled.posting_id, after + batch))
        if until > after:
            await tx.execute(_FOLD, {"after": after, "until": until, "limit": batch})
            await tx.execute("update referral_mark set posting_id = %s", [until])
        failpoints.reach("spending_counted")
    return max(0, settled.posting_id - until)


_LOCK: LiteralString = "select posting_id from referral_mark for no key update skip locked"

#: of a `referral` r: what so much spending earns who brought the customer
_EARNED_BEFORE: LiteralString = "div((r.spent_micros - moved.micros)::numeric * r.share, 10000)"
_EARNED: LiteralString = "div(r.spent_micros::numeric * r.share, 10000)"

# A purchase counts when it was made before the end of the terms; one that is given back, when it had counted. The inner
# part is in the order of its ids, so that nothing but the primary key will do, whatever the planner thinks of the rest.
_FOLD: LiteralString = f"""
with moved as materialized (
    select r.customer_id, sum(case p.kind when 'capture' then p.amount_micros else -p.amount_micros end) as micros
    from (select * from posting where id > %(after)s and id <= %(until)s order by id limit %(limit)s) p
    join wallet w on w.id = p.wallet_id and w.mode = 'live'
    join referral r on r.customer_id = w.customer_id
    join referrer f on f.customer_id = r.referrer_id
    where p.kind in ('capture', 'refund') and coalesce(least(r.ends_at, f.stopped_at), 'infinity') > case p.kind
        when 'capture' then p.created_at
        else (select c.created_at from posting c
            where c.activation_id = p.activation_id and c.kind in ('capture', 'release')) end
    group by r.customer_id
), spent as (
    update referral r set spent_micros = r.spent_micros + moved.micros from moved
    where r.customer_id = moved.customer_id
    returning r.referrer_id, {_EARNED} - {_EARNED_BEFORE} as earned_micros
), earned as (
    select referrer_id, sum(earned_micros) as micros from spent group by referrer_id
)
update referrer f set earned_micros = f.earned_micros + earned.micros, is_due = true from earned
where f.customer_id = earned.referrer_id and earned.micros <> 0
"""


class Due(msgspec.Struct, frozen=True):
    """A referrer whose earnings have changed."""

    customer_id: int
    wallet_id: int
    earned_micros: int
    posted_micros: int
    #: how often something was posted for him before
    postings: int


async def post_due(desk: Desk) -> int:
    """Post what referrers have earned, or take back what they have not; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Due))
        due = await (await cursor.execute(_DUE, [POSTED_AT_ONCE])).fetchall()
        # In order of the wallets, as everybody locks balances.
        for each in sorted(due, key=lambda one: one.wallet_id):
            await _even_out(tx, each)
        failpoints.reach("referrals_posted")
    return len(due)


_DUE: LiteralString = """
select r.customer_id, w.id, r.earned_micros, r.posted_micros, r.postings
from referrer r join wallet w on w.customer_id = r.customer_id and w.mode = 'live'
where r.is_due order by r.customer_id limit %s for no key update of r skip locked
"""


async def _even_out(tx: Tx, due: Due) -> None:
    owed_micros = due.earned_micros - due.posted_micros
    wallet = await ledger.wallet(tx, due.wallet_id)
    reference = f"referral {due.postings + 1}"
    moved_micros = 0
    if owed_micros > 0:
        await ledger.referral(tx, wallet, owed_micros, reference=reference)
        moved_micros = owed_micros
    elif owed_micros < 0:
        moved_micros = -await ledger.return_referral(tx, wallet, -owed_micros, reference=reference)
        log.info("share_returned", customer=due.customer_id, micros=-moved_micros, owed_micros=-owed_micros)
    await tx.execute(_POSTED, {"moved": moved_micros, "customer": due.customer_id})


_POSTED: LiteralString = """
update referrer set is_due = false, posted_micros = posted_micros + %(moved)s,
    postings = postings + (%(moved)s <> 0)::int
where customer_id = %(customer)s
"""
