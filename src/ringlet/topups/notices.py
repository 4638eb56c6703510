"""What gateways say: kept as it came, once, and then the payment is looked at (rule T2)."""

from collections.abc import Mapping
from typing import LiteralString

import structlog

from ringlet import metrics
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ServiceUnavailable, Unauthorized
from ringlet.payments import book
from ringlet.payments.port import Notice, NoticeRefused, Refused, Unreachable
from ringlet.topups import store

KEPT_DAYS = 30
FORGOTTEN_AT_ONCE = 1_000
ADOPTED_AT_ONCE = 10
ATTEMPTS_MAX = 20
AGAIN_S = 15.0

log = structlog.get_logger("ringlet.topups")


async def take(desk: Desk, kind: str, gateway_id: int, raw: bytes, headers: Mapping[str, str]) -> None:
    """Verify and keep one notice; what follows, a worker does.

    Refuses: NotFound (no such gateway), Unauthorized (not its notice), ServiceUnavailable (say it again).
    """
    async with desk.db.connection() as tx:
        terms = await book.load(tx, gateway_id)
    if terms is None or terms.kind != kind:
        raise NotFound("No such gateway")
    try:
        notice = await desk.gateways.adapter(terms).read_notice(raw, headers)
    except NoticeRefused as error:
        metrics.NOTICES.labels(kind, "refused").inc()
        log.warning("notice_refused", gateway=kind, why=str(error))
        raise Unauthorized("This is no notice of that gateway") from None
    except Unreachable as error:
        raise ServiceUnavailable from error
    metrics.NOTICES.labels(kind, "taken" if notice else "other").inc()
    if notice is not None:
        async with desk.db.transaction() as tx:
            await keep(tx, terms.id, notice, raw)


async def keep(tx: Tx, gateway_id: int, notice: Notice, raw: bytes) -> None:
    """Keep a notice, and have its payment looked at: also when it says the same again, which costs one look more."""
    values = {"gateway": gateway_id, "event": notice.event_id[:200], "external": notice.external_id[:200],
              "reference": notice.reference[:200], "body": raw}  # fmt: skip
    await tx.execute(_DUE, values)
    await tx.execute(_KEEP, values)


_DUE: LiteralString = """
update topup set due_at = least(due_at, now())
where gateway_id = %(gateway)s and (external_id = %(external)s
    or (public_id = %(reference)s and (external_id is null or %(external)s = '')))
"""
# A payment that is no top-up's yet, about a top-up that is there: somebody must look.
_KEEP: LiteralString = """
insert into payment_notice (gateway_id, event_id, external_id, reference, body, due_at)
select %(gateway)s, %(event)s, %(external)s, %(reference)s, %(body)s,
    case when %(external)s <> '' and not exists (
            select from topup where gateway_id = %(gateway)s and external_id = %(external)s)
        and exists (select from topup where gateway_id = %(gateway)s and public_id = %(reference)s)
    then now() end
on conflict (gateway_id, event_id) do nothing
"""


async def adopt_due(desk: Desk) -> int:
    """Payments that came beside the one we asked for become top-ups of their own, if their gateway says they are ours.

    Refuses: ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        rows = await (await tx.execute(_CLAIM, [AGAIN_S, ATTEMPTS_MAX, ADOPTED_AT_ONCE])).fetchall()
    for notice_id, gateway_id, external_id, reference in rows:
        await _adopt(desk, notice_id, gateway_id, external_id, reference)
    return len(rows)


_CLAIM: LiteralString = """
update payment_notice set attempts = attempts + 1, due_at = now() + make_interval(secs => %s)
where id in (select id from payment_notice where due_at <= now() and attempts < %s order by due_at limit %s
    for update skip locked)
returning id, gateway_id, external_id, reference
"""


async def _adopt(desk: Desk, notice_id: int, gateway_id: int, external_id: str, reference: str) -> None:
    async with desk.db.connection() as tx:
        terms, asked = await book.load(tx, gateway_id), await store.by_public_id(tx, reference)
    assert terms is not None
    if asked is None or asked.external_id is None:
        return  # still being made: it may turn out to be this one
    try:
        truth = await desk.gateways.adapter(terms).fetch(external_id)
    except (Unreachable, Refused) as error:
        log.warning("payment_not_adopted", gateway=terms.kind, why=str(error))
        return
    async with desk.db.transaction() as tx:
        if (
            truth.reference == reference
            and external_id != asked.external_id
            and truth.asked_micros > 0
            and await store.adopt(tx, asked, external_id, truth.asked_micros)
        ):
            log.info("payment_adopted", gateway=terms.kind, beside=reference)
        await tx.execute("update payment_notice set due_at = null where id = %s", [notice_id])


async def forget_old(desk: Desk) -> int:
    """What was said a month ago is gone; returns how much. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        return (await tx.execute(_FORGET, [KEPT_DAYS, FORGOTTEN_AT_ONCE])).rowcount


_FORGET: LiteralString = """
delete from payment_notice where id in (
    select id from payment_notice where received_at < now() - make_interval(days => %s) order by received_at limit %s)
"""
