"""What an attempt came to is written down, and what follows from it: the next try, the end, the endpoint's end."""

from typing import Any, LiteralString

import structlog

from ringlet.desk import Desk
from ringlet.webhooks import endpoints, schedule
from ringlet.webhooks.claim import Task
from ringlet.webhooks.post import Outcome

#: an endpoint whose every attempt has failed for so long is sent nothing more
FAILING_DAYS = 5

log = structlog.get_logger("ringlet.webhooks")


async def record(desk: Desk, task: Task, outcome: Outcome) -> None:
    """Write one attempt down. One that another worker has overtaken is logged and decides nothing.

    Refuses: ServiceUnavailable; then the claim ends by itself and the webhook is sent again.
    """
    values = _values(task, outcome)
    if outcome.is_success:
        async with desk.db.connection() as tx:
            await tx.execute(_SUCCESS, values)
        return
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_FAILURE, values)).fetchone()
        why = _why_over(outcome, fails_too_long=row is not None and bool(row[0]))
        endpoint = task.endpoint
        if why and await endpoints.disable(tx, endpoint.wallet_id, endpoint.id, why):
            log.warning("webhook_disabled", endpoint=endpoint.public_id, wallet=endpoint.wallet_id, why=why)


def _values(task: Task, outcome: Outcome) -> dict[str, Any]:
    attempts = task.claimed.attempts + 1
    return {
        "id": task.claimed.id,
        "endpoint": task.claimed.endpoint_id,
        "was": task.claimed.attempts,
        "status": outcome.status,
        "error": outcome.error,
        "took_ms": outcome.took_ms,
        "answer": outcome.answer,
        "pause_s": schedule.pause_s(attempts, outcome.retry_after_s),
        "days": FAILING_DAYS,
    }


def _why_over(outcome: Outcome, *, fails_too_long: bool) -> str | None:
    if outcome.is_gone:
        return "it answered 410 Gone"
    return f"every attempt has failed for {FAILING_DAYS} days" if fails_too_long else None


ATTEMPT: LiteralString = """
attempt as (
    insert into delivery_attempt (delivery_id, status, error, took_ms, answer)
    values (%(id)s, %(status)s, %(error)s, %(took_ms)s, %(answer)s)
)
"""

_SUCCESS: LiteralString = f"""
with {ATTEMPT}, done as (
    update delivery set attempts = attempts + 1, delivered_at = now(), failed_at = null, due_at = null,
        claimed_until = null
    where id = %(id)s and attempts = %(was)s and due_at is not null
)
update webhook_endpoint set failing_since = null where id = %(endpoint)s and failing_since is not null
"""

# Whether it has failed for too long is asked of what stood there before this attempt.
_FAILURE: LiteralString = f"""
with {ATTEMPT}, tried as (
    update delivery set attempts = attempts + 1, claimed_until = null,
        due_at = now() + make_interval(secs => %(pause_s)s),
        failed_at = case when %(pause_s)s::float8 is null then now() end
    where id = %(id)s and attempts = %(was)s and due_at is not null
), failing as (
    update webhook_endpoint set failing_since = now() where id = %(endpoint)s and failing_since is null
)
select failing_since < now() - make_interval(days => %(days)s) from webhook_endpoint where id = %(endpoint)s
"""
