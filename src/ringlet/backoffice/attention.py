"""What wants the operator's attention: empty on a good day. Each line has a kind, since when, and where it is mended.

Every question is one indexed statement that looks at `LOOKED_AT` rows at most; what takes longer (the audit) is done by
the worker and remembered (`backoffice/auditing.py`).
"""

import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import LiteralString

import msgspec
from psycopg.rows import TupleRow

from ringlet.backoffice import figures
from ringlet.db import Tx
from ringlet.desk import Desk

LOOKED_AT = 500
#: an order that has no answer for so long, and a row that is overdue by so much, are stuck
STUCK = "3 minutes"
#: a supplier that brings fewer codes than this, of at least so many numbers within a day, is failing
RATE_MIN, ENDED_MIN = 0.2, 20
TRIES_MANY = 5
BACKUP_AGE = "48 hours"
#: a data folder with less space left than this, in bytes or of the whole, is nearly full
DISK_MIN, DISK_SHARE_MIN = 10**9, 0.1


class Line(msgspec.Struct, frozen=True):
    """One thing to look after. `about` is whom it is about, `count` how many (`LOOKED_AT` stands for that and more)."""

    kind: str
    href: str
    about: str = ""
    count: int = 1
    since: datetime | None = None
    share: float | None = None


async def lines(desk: Desk) -> list[Line]:
    """What wants attention now, the gravest first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        found = [line for ask in ASKED for line in await ask(tx)]
    return _disk(desk.settings.home) + found


def _disk(home: Path) -> list[Line]:
    """The folder with the database, when it is the embedded one, and the backups: full, nothing is sold any more."""
    total, _, free = shutil.disk_usage(home)
    is_low = free < DISK_MIN or free < DISK_SHARE_MIN * total
    return [Line("disk_low", "/admin/system", str(home), share=free / total)] if is_low else []


async def _audit(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _AUDIT)
    return [
        Line("audit_breaches" if row[0] else "audit_failed", "/admin/money#audit", "", row[0] or 1, row[1])
        for row in rows
    ]


# An audit that has come to no end says so after the second hour.
_AUDIT: LiteralString = """
select jsonb_array_length(breaches), coalesce(broken_since, ended_at) from audit_made
where jsonb_array_length(breaches) > 0 or error is not null
"""


async def _low_suppliers(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _LOW)
    return [Line("supplier_low", f"/admin/suppliers/{row[0]}", row[1], since=row[2]) for row in rows]


_LOW: LiteralString = """
select source.id, source.name, s.balance_at from supplier s join source on source.id = s.source_id
where s.paused_at is null and s.balance_micros < s.balance_alert_micros order by source.name
"""


async def _refused_suppliers(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _REFUSED)
    return [Line("supplier_refused", f"/admin/suppliers/{row[0]}", row[1], since=row[2]) for row in rows]


_REFUSED: LiteralString = """
select source.id, source.name, s.refused_until from supplier s join source on source.id = s.source_id
where s.paused_at is null and s.refused_until >= now() order by source.name
"""


async def _silent_suppliers(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _SILENT)
    return [Line("supplier_silent", f"/admin/suppliers/{row[0]}", row[1], since=row[2]) for row in rows]


_SILENT: LiteralString = """
select source.id, source.name, coalesce(s.synced_at, s.created_at) from supplier s join source on source.id = s.source_id
where s.paused_at is null
    and coalesce(s.synced_at, s.created_at) <= now() - make_interval(secs => s.stale_after_s)
order by source.name
"""


async def _unwell_suppliers(tx: Tx) -> list[Line]:
    """Whose last sync failed, until its prices are too old and `_silent_suppliers` tells."""
    rows = await _rows(tx, _UNWELL)
    return [Line("supplier_unwell", f"/admin/suppliers/{row[0]}", row[1], since=row[2]) for row in rows]


_UNWELL: LiteralString = """
select source.id, source.name, s.synced_at from supplier s join source on source.id = s.source_id
where s.paused_at is null and s.sync_error is not null
    and coalesce(s.synced_at, s.created_at) > now() - make_interval(secs => s.stale_after_s)
order by source.name
"""


async def _failing_suppliers(tx: Tx) -> list[Line]:
    """By the figures of the last 24 hours, as the worker has counted them."""
    rows = await _rows(tx, _FAILING, {"ended": ENDED_MIN, "rate": RATE_MIN})
    return [
        Line("supplier_failing", f"/admin/suppliers/{row[0]}", row[1], since=row[2], share=row[3])
        for row in rows
    ]


_FAILING: LiteralString = """
select source.id, source.name, min(f.at), (sum(f.sales) / sum(f.sales + f.releases))::float8
from figure_hour f join supplier s on s.source_id::text = f.key join source on source.id = s.source_id
where f.dimension = 'source' and f.at >= now() - interval '24 hours' and s.paused_at is null
group by source.id, source.name
having sum(f.sales + f.releases) >= %(ended)s and sum(f.sales) < %(rate)s * sum(f.sales + f.releases)
order by source.name
"""


async def _stuck_orders(tx: Tx) -> list[Line]:
    return _counted("orders_stuck", "/admin/orders?state=waiting", await _rows(tx, _ORDERS, {"stuck": STUCK}))


_ORDERS: LiteralString = """
select count(*), min(a.created_at) from (
    select activation_id from asking order by activation_id limit %(looked_at)s) as oldest
join activation a on a.id = oldest.activation_id where a.created_at < now() - %(stuck)s::interval
"""


async def _overdue(tx: Tx) -> list[Line]:
    """Nobody closes what is due: the worker does not run, or cannot."""
    return _counted("orders_overdue", "/admin/system", await _rows(tx, _OVERDUE, {"stuck": STUCK}))


_OVERDUE: LiteralString = """
select count(*), min(due_at) from (
    select due_at from activation where due_at < now() - %(stuck)s::interval
    order by due_at limit %(looked_at)s) as oldest
"""


async def _stuck_returns(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _RETURNS, {"tries": TRIES_MANY})
    return [Line("returns_stuck", f"/admin/suppliers/{row[0]}", *row[1:]) for row in rows]


_RETURNS: LiteralString = """
select source.id, source.name, count(*), min(r.created_at) from supplier s join source on source.id = s.source_id
cross join lateral (
    select tries, created_at from rental where source_id = s.source_id and due_at is not null
    order by source_id, due_at limit %(looked_at)s) r
where r.tries >= %(tries)s group by source.id, source.name order by source.name
"""


async def _strays(tx: Tx) -> list[Line]:
    """The worker gives each to an order whose answer was lost, or has it cancelled; these it does not get rid of."""
    rows = await _rows(tx, _STRAYS, {"stuck": STUCK})
    return [Line("rentals_stray", f"/admin/suppliers/{row[0]}#rented", *row[1:]) for row in rows]


_STRAYS: LiteralString = """
select source.id, source.name, count(*), min(r.created_at) from supplier s join source on source.id = s.source_id
cross join lateral (
    select created_at from rental where source_id = s.source_id and state = 'stray'
        and created_at < now() - %(stuck)s::interval
    order by source_id, created_at limit %(looked_at)s) r
group by source.id, source.name order by source.name
"""


async def _webhooks(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _WEBHOOKS)
    return [
        Line("webhooks_failing", f"/admin/customers/{row[0]}", "", row[1], row[2]) for row in rows if row[1]
    ]


# To the customer whose webhooks have failed for the longest time.
_WEBHOOKS: LiteralString = """
select (array_agg(w.customer_id order by failing_since))[1], count(*), min(failing_since) from (
    select wallet_id, failing_since, disabled_at from webhook_endpoint where failing_since is not null
    order by failing_since desc limit %(looked_at)s) as newest
join wallet w on w.id = newest.wallet_id where disabled_at is null
"""


async def _orphans(tx: Tx) -> list[Line]:
    return _counted("orphans", "/admin/inbox", await _rows(tx, _ORPHANS))


_ORPHANS: LiteralString = """
select count(*), min(received_at) from (
    select received_at from message where activation_id is null order by id desc limit %(looked_at)s) as newest
where received_at > now() - interval '24 hours'
"""


async def _letters(tx: Tx) -> list[Line]:
    return _counted("letters_failed", "/admin/system", await _rows(tx, _LETTERS))


_LETTERS: LiteralString = """
select count(*), min(created_at) from (
    select created_at from letter where sent_at is null and due_at is null
    order by created_at desc limit %(looked_at)s) as newest
where created_at > now() - interval '24 hours'
"""


async def _reports(tx: Tx) -> list[Line]:
    return _counted("numbers_reported", "/admin/reports", await _rows(tx, _REPORTS))


_REPORTS: LiteralString = """
select count(*), min(created_at) from (
    select created_at from number_report where done_at is null order by id limit %(looked_at)s) as oldest
"""


async def _approvals(tx: Tx) -> list[Line]:
    return _counted("approvals_waiting", "/admin/money", await _rows(tx, _APPROVALS))


_APPROVALS: LiteralString = """
select count(*), min(asked_at) from (
    select asked_at, expires_at from adjustment where state = 'waiting' order by id limit %(looked_at)s) as oldest
where expires_at > now()
"""


async def _topups(tx: Tx) -> list[Line]:
    return _counted("topups_waiting", "/admin/money#topups", await _rows(tx, _TOPUPS))


# What a gateway left to staff, what a payer has proved, and what the first of two has said.
_TOPUPS: LiteralString = """
select count(*), min(created_at) from (
    select created_at from topup where state = 'review' order by id limit %(looked_at)s) as oldest
"""


async def _failing_gateways(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _FAILING_GATEWAYS)
    return [
        Line("gateway_failing", f"/admin/payments/gateways/{row[0]}", row[1], since=row[2]) for row in rows
    ]


_FAILING_GATEWAYS: LiteralString = """
select id, label, failing_since from gateway where is_on and failing_since is not null order by place, id
"""


async def _differing_gateways(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _DIFFERING)
    return [
        Line("gateway_differs", f"/admin/payments/gateways/{row[0]}#compared", row[1], row[2], row[3])
        for row in rows
    ]


_DIFFERING: LiteralString = """
select id, label, (compared ->> 'differing')::int, compared_at from gateway
where compared is not null and compared ->> 'differing' <> '0' order by place, id
"""


async def _stuck_refunds(tx: Tx) -> list[Line]:
    return _counted(
        "refunds_stuck", "/admin/payments/top-ups", await _rows(tx, _REFUNDS, {"tries": TRIES_MANY})
    )


_REFUNDS: LiteralString = """
select count(*), min(asked_at) from (
    select asked_at, attempts from topup_refund where due_at is not null order by due_at limit %(looked_at)s) as oldest
where attempts >= %(tries)s
"""


async def _jobs(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _JOBS)
    return [Line("job_failing", "/admin/system", row[0], since=row[1]) for row in rows]


# Whose last round failed, unless it is long ago: then another line says that the worker does not run.
_JOBS: LiteralString = """
select job, failed_at from job_seen
where failed_at >= ended_at - interval '1 second' and failed_at > now() - interval '2 hours' order by job
"""


async def _backups(tx: Tx) -> list[Line]:
    rows = await _rows(tx, _BACKUPS, {"age": BACKUP_AGE})
    return [Line("backup_old" if row[1] else "backup_none", "/admin/system", since=row[0]) for row in rows]


# A shop that never made one is told when it has so much to lose: a first sale that old.
_BACKUPS: LiteralString = """
select coalesce(made.at, first.at), made.at is not null
from (select (select made_at from backup_made order by id desc limit 1) as at) made,
    (select (select created_at from posting order by id limit 1) as at) first
where coalesce(made.at, first.at) < now() - %(age)s::interval
"""


async def _tally(tx: Tx) -> list[Line]:
    behind = await figures.behind(tx)
    row = (await _rows(tx, "select coalesce(%(since)s::timestamptz < now() - interval '5 minutes', false)",
                       {"since": behind.since}))[0]  # fmt: skip
    late = behind.is_too_far or bool(row[0])
    return [Line("figures_behind", "/admin/system", "", behind.postings, behind.since)] if late else []


def _counted(kind: str, href: str, rows: list[TupleRow]) -> list[Line]:
    """One line when there is any."""
    count, since = rows[0]
    return [Line(kind, href, "", count, since)] if count else []


async def _rows(tx: Tx, statement: LiteralString, values: dict[str, object] | None = None) -> list[TupleRow]:
    return await (await tx.execute(statement, {"looked_at": LOOKED_AT, **(values or {})})).fetchall()


#: the gravest first: money that does not add up, then what customers feel, then what can wait an hour
ASKED: tuple[Callable[[Tx], Awaitable[list[Line]]], ...] = (
    _audit, _overdue, _stuck_orders, _low_suppliers, _refused_suppliers, _silent_suppliers, _unwell_suppliers, _failing_suppliers,
    _differing_gateways, _failing_gateways, _stuck_refunds, _topups, _stuck_returns, _strays, _approvals, _reports, _orphans, _webhooks, _letters, _jobs, _tally, _backups,
)  # fmt: skip
