"""Asking gateways how far payments are: what makes every notice a mere hint.

A payment is looked at when its gateway says something about it, when its payer comes back, and every few minutes while
it is open, so that one of which nobody ever tells us is credited all the same (rules T2, T3 and T5).
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from ringlet import failpoints
from ringlet.desk import Desk
from ringlet.errors import Refusal, StartupError
from ringlet.payments import book
from ringlet.payments.book import Terms
from ringlet.payments.port import PaymentState, Refused, Truth, Unreachable
from ringlet.topups import ask, settle, store
from ringlet.topups.store import Topup

AT_ONCE = 20
DEBTORS_AT_ONCE = 100
#: A gateway did not answer, or we died asking. Three times together with the usual while are less than the five minutes
#: and ten seconds within which what has settled is credited.
UNANSWERED_S = (10.0, 10.0, 20.0, 40.0, 80.0, 160.0)
#: a gateway that says nothing of an end is given this much longer than the payer was
GRACE = timedelta(hours=1)
#: a credited payment is looked at again after a day, two, four, eight …, as long as payers can take it back
LATER_FROM, LATER_UNTIL = timedelta(days=1), timedelta(days=180)

log = structlog.get_logger("ringlet.topups")


async def look_due(desk: Desk) -> int:
    """Look at all payments that are due, so many at once; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        claimed = await store.claim(tx, AT_ONCE, again_in_s(desk))
        terms = {each: await book.load(tx, each) for each in {topup.gateway_id for topup in claimed}}
    await asyncio.gather(*(_safely(desk, terms[topup.gateway_id], topup) for topup in claimed))
    return len(claimed)


def again_in_s(desk: Desk) -> list[float]:
    """When to ask again about a payment, by how often asking has come to nothing: ever later, up to the usual while."""
    usual_s = float(desk.settings.topup_look_s)
    return [*(min(each, usual_s) for each in UNANSWERED_S), usual_s]


async def _safely(desk: Desk, terms: Terms | None, topup: Topup) -> None:
    """One that fails is due again after a while, and holds up no other."""
    assert terms is not None, "gateways are never deleted"
    try:
        await look(desk, terms, topup)
    except (Unreachable, Refusal) as error:
        log.warning("topup_not_seen", topup=topup.public_id, gateway=terms.kind, why=str(error))
    except StartupError as error:
        log.warning("gateway_keys_unreadable", gateway=terms.kind, why=str(error))
    except Exception:
        log.exception("topup_not_seen", topup=topup.public_id, gateway=terms.kind)


async def look(desk: Desk, terms: Terms, topup: Topup) -> None:
    """Ask this payment's gateway, and do what follows from its answer. Raises Unreachable, ServiceUnavailable."""
    if topup.state == "new":
        await ask.ask(desk, terms, topup)
        return
    assert topup.external_id is not None, "only a new one has none"
    try:
        truth = await desk.gateways.adapter(terms).fetch(topup.external_id)
    except Refused as error:
        log.warning("topup_unknown", topup=topup.public_id, gateway=terms.kind, why=str(error))
        await _give_up(desk, topup)
        return
    failpoints.reach("topup_fetched")
    await take(desk, terms, topup, truth)


async def take(desk: Desk, terms: Terms, topup: Topup, truth: Truth) -> None:
    """Bring a claimed payment to where the truth says it is."""
    async with desk.db.transaction() as tx:
        now = await store.locked(tx, topup.id)
        await settle.settle(tx, now, terms, truth)
        after = await store.locked(tx, topup.id)
        # What is on its way is waited for, also when nobody ever says that it came.
        if after.state == "open" and truth.state is not PaymentState.PROCESSING and _is_over(after):
            await store.end(tx, after.id, "open", "expired", "")
        await store.rest(tx, topup, _next_look_s(desk, after))
        failpoints.reach("topup_settled")


def _next_look_s(desk: Desk, topup: Topup) -> float | None:
    """Open ones every few minutes; credited ones at ever longer intervals, for what is taken back without a word."""
    if topup.state == "open":
        return desk.settings.topup_look_s
    if topup.settled_at is None:
        return None
    age = datetime.now(UTC) - topup.settled_at
    return max(age, LATER_FROM).total_seconds() if age < LATER_UNTIL else None


async def _give_up(desk: Desk, topup: Topup) -> None:
    """The gateway knows no such payment: told once more after its time, it is over."""
    async with desk.db.transaction() as tx:
        if topup.state != "open":
            await store.rest(tx, topup, _next_look_s(desk, topup))
        elif _is_over(topup):
            await store.end(tx, topup.id, "open", "failed", "unknown")


def _is_over(topup: Topup) -> bool:
    return topup.expires_at + GRACE < datetime.now(UTC)


async def collect_debts(desk: Desk) -> int:
    """What customers owe is paid from what has come back to them. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        return await settle.collect_debts(tx, DEBTORS_AT_ONCE)


async def end_waiting(desk: Desk) -> int:
    """Payments of which nobody but staff knows, and for which their time is up. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        return len(await store.end_unpaid(tx))
