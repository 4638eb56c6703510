"""A customer's log of webhooks: what was sent and what came back; sending again; a test event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from ringlet import events
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, WebhookRejected
from ringlet.feed import announce
from ringlet.idempotency import Once
from ringlet.webhooks import answers, endpoints
from ringlet.webhooks.answers import Answer
from ringlet.webhooks.endpoints import Endpoint
from ringlet.webhooks.payload import TEST

PER_PAGE = 25
ID_MAX = 2**63 - 1
RECOVERED_AT_ONCE_MAX = 10_000


class Attempt(msgspec.Struct, frozen=True):
    """One request and its outcome."""

    status: int | None
    error: str | None
    took_ms: int
    answer: str | None
    attempted_at: datetime


class Delivery(msgspec.Struct, frozen=True):
    """One event for one endpoint; `due_at` is when it is tried next."""

    id: int
    event_id: int
    type: str | None
    public_id: int | None
    attempts: int
    due_at: datetime | None
    delivered_at: datetime | None
    failed_at: datetime | None
    created_at: datetime


class Logged(msgspec.Struct, frozen=True):
    """A delivery with its attempts, oldest first."""

    delivery: Delivery
    attempts: Sequence[Attempt]


class Queued(Answer, frozen=True):
    """A delivery that is due now."""

    delivery_id: int


class Recovered(Answer, frozen=True):
    """So many deliveries are due now."""

    count: int


async def deliveries(desk: Desk, wallet_id: int, public_id: str, before_id: int | None) -> list[Logged]:
    """A page of an endpoint's deliveries, newest first. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        endpoint = await endpoints.by_public_id(tx, wallet_id, public_id)
        values = {"endpoint": endpoint.id, "before": ID_MAX if before_id is None else before_id}
        rows = await (await tx.execute(_DELIVERIES, values)).fetchall()
    return _grouped(rows)


# One statement: what came of a delivery and its attempts are of the same moment. The plan is made without knowing the
# values: PER_PAGE stands in it, and both ends name the endpoint.
_DELIVERIES: LiteralString = """
with page as materialized (
    select id, event_id, attempts, due_at, delivered_at, failed_at, created_at from delivery
    where (endpoint_id, id) >= (%(endpoint)s, 0) and (endpoint_id, id) < (%(endpoint)s, %(before)s)
    order by endpoint_id desc, id desc limit 25
)
select page.id, page.event_id, e.type, a.public_id, page.attempts, page.due_at, page.delivered_at, page.failed_at,
    page.created_at, t.id, t.status, t.error, t.took_ms, t.answer, t.attempted_at
from page left join event e on e.id = page.event_id left join activation a on a.id = e.activation_id
left join delivery_attempt t on t.delivery_id = page.id
order by page.id desc, t.id
"""


def _grouped(rows: Sequence[tuple[Any, ...]]) -> list[Logged]:
    """Rows of a delivery and one of its attempts, as deliveries with all of theirs."""
    found: dict[int, tuple[Delivery, list[Attempt]]] = {}
    for row in rows:
        _, attempts = found.setdefault(row[0], (Delivery(*row[:9]), []))
        if row[9] is not None:
            attempts.append(Attempt(*row[10:]))
    return [Logged(delivery, attempts) for delivery, attempts in found.values()]


async def replay(
    desk: Desk, wallet_id: int, public_id: str, delivery_id: int, once: Once | None = None
) -> Queued:
    """Send one again, whatever became of it; it keeps its webhook-id.

    Refuses: NotFound, WebhookRejected, IdempotencyMismatch.
    """
    async with desk.db.transaction() as tx:
        if (known := await answers.recall(tx, desk, once, Queued)) is not None:
            return known
        endpoint = await _enabled(tx, wallet_id, public_id)
        if (await tx.execute(_REPLAY, [delivery_id, endpoint.id])).rowcount == 0:
            raise NotFound("No such delivery")
        await announce(tx, events.TOPIC, wallet_id)
        return await answers.keep(tx, desk, once, Queued(delivery_id))


async def _enabled(tx: Tx, wallet_id: int, public_id: str) -> Endpoint:
    endpoint = await endpoints.by_public_id(tx, wallet_id, public_id)
    if endpoint.disabled_at is not None:
        raise WebhookRejected("This webhook is disabled; enable it first")
    return endpoint


_REPLAY: LiteralString = """
update delivery set due_at = now(), delivered_at = null, failed_at = null,
    attempts = case when due_at is null then 0 else attempts end
where id = %s and endpoint_id = %s
"""


async def recover(
    desk: Desk, wallet_id: int, public_id: str, since: datetime, once: Once | None = None
) -> Recovered:
    """Send again all that has failed for good since then, the oldest first, 10,000 at most.

    Refuses: NotFound, WebhookRejected, IdempotencyMismatch.
    """
    async with desk.db.transaction() as tx:
        if (known := await answers.recall(tx, desk, once, Recovered)) is not None:
            return known
        endpoint = await _enabled(tx, wallet_id, public_id)
        done = await tx.execute(_RECOVER, [endpoint.id, since, RECOVERED_AT_ONCE_MAX])
        await announce(tx, events.TOPIC, wallet_id)
        return await answers.keep(tx, desk, once, Recovered(done.rowcount))


_RECOVER: LiteralString = """
update delivery set due_at = now(), failed_at = null, attempts = 0
where id in (select id from delivery where endpoint_id = %s and created_at >= %s and failed_at is not null
    order by id limit %s)
"""


async def send_test(desk: Desk, wallet_id: int, public_id: str, once: Once | None = None) -> Queued:
    """An event of no consequence for this endpoint alone. Refuses: NotFound, WebhookRejected, IdempotencyMismatch."""
    async with desk.db.transaction() as tx:
        if (known := await answers.recall(tx, desk, once, Queued)) is not None:
            return known
        endpoint = await _enabled(tx, wallet_id, public_id)
        row = await (await tx.execute(_TEST, [wallet_id, TEST, endpoint.id])).fetchone()
        assert row is not None
        await announce(tx, events.TOPIC, wallet_id)
        return await answers.keep(tx, desk, once, Queued(int(row[0])))


_TEST: LiteralString = """
with told as (insert into event (wallet_id, type) values (%s, %s) returning id)
insert into delivery (event_id, endpoint_id, due_at) select told.id, %s, now() from told returning id
"""
