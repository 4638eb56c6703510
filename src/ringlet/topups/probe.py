"""Whether gateways answer: asked when an operator presses the button, and now and then by the worker."""

from typing import LiteralString

import msgspec
import structlog

from ringlet.desk import Desk
from ringlet.errors import NotFound, StartupError
from ringlet.payments import book
from ringlet.payments.book import Terms
from ringlet.payments.port import Refused, Unreachable

EVERY_S = 600.0
AT_ONCE = 5
WORDS_MAX = 300

log = structlog.get_logger("ringlet.topups")


class Answer(msgspec.Struct, frozen=True):
    """Whether its keys are good, and what it said: a word such as the account's name, or what went wrong."""

    is_good: bool
    said: str


async def check(desk: Desk, gateway_id: int) -> Answer:
    """Ask one now, on or off, and remember the answer. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        terms = await book.load(tx, gateway_id)
    if terms is None:
        raise NotFound("No such way to pay")
    answer = await _ask(desk, terms)
    async with desk.db.transaction() as tx:
        await tx.execute(_TOLD, {"id": terms.id, "failure": None if answer.is_good else answer.said})
    return answer


async def _ask(desk: Desk, terms: Terms) -> Answer:
    """Nothing of the database is held meanwhile."""
    try:
        return Answer(is_good=True, said=(await desk.gateways.adapter(terms).check())[:WORDS_MAX])
    except (Unreachable, Refused) as error:
        return Answer(is_good=False, said=str(error)[:WORDS_MAX])
    except StartupError:
        return Answer(is_good=False, said="its keys were sealed with another secret: enter them again")


_TOLD: LiteralString = """
update gateway set checked_at = now(), failure = %(failure)s,
    failing_since = case when %(failure)s::text is null then null else coalesce(failing_since, now()) end
where id = %(id)s
"""


async def check_due(desk: Desk) -> int:
    """Ask those that are on, each every few minutes; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        rows = await (await tx.execute(_CLAIM, [EVERY_S, AT_ONCE])).fetchall()
    for (gateway_id,) in rows:
        answer = await check(desk, gateway_id)
        if not answer.is_good:
            log.warning("gateway_fails", gateway=gateway_id, why=answer.said)
    return len(rows)


_CLAIM: LiteralString = """
update gateway set check_due_at = now() + make_interval(secs => %s)
where id in (select id from gateway where is_on and check_due_at <= now() order by id limit %s for update skip locked)
returning id
"""
