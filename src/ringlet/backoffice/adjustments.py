"""Credits and debits by staff: small ones at once, larger ones when a second person agrees.

What one person posts alone within a day counts together (`alone.py`). The
decision, its posting and the act are one transaction, and the decision is a compare-and-set: of two at once one finds
that the other was first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import accounts, acts
from ringlet.acts import Actor
from ringlet.backoffice import alone, reasons
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Forbidden, InsufficientBalance, NotFound, ValidationFailed
from ringlet.people import persons

EXPIRES_DAYS = 7
AMOUNT_MAX_MICROS = 10**15
PART = 50
EXPIRED_AT_ONCE = 100


class Adjustment(msgspec.Struct, frozen=True):
    """A credit or (below zero) a debit that was asked for, and what became of it."""

    id: int
    customer_id: int
    email: str
    currency: str
    amount_micros: int
    reason: str
    state: str
    asked_by: str
    asked_person: int
    asked_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    posting_id: int | None


class Wish(msgspec.Struct, frozen=True):
    """What a form asks for; `once` is the form's own, so that a second click asks for nothing more."""

    customer_id: int
    amount_micros: int
    reason: str
    once: str


async def ask(desk: Desk, actor: Actor, wish: Wish) -> bool:
    """Credit or debit a customer's live balance: True when it is posted, False when it waits for a second person.

    Refuses: NotFound, ValidationFailed (amount, reason, not enough balance), Forbidden (no person asks, or his own account).
    """
    reason = reasons.read(wish.reason)
    if not 0 < abs(wish.amount_micros) <= AMOUNT_MAX_MICROS:
        raise ValidationFailed("An amount such as 12.50, not nothing", field="amount")
    if actor.person_id is None:
        raise Forbidden("Only a person can ask for this")
    wish = msgspec.structs.replace(wish, reason=reason)
    async with desk.db.transaction() as tx:
        # Two forms of one person at once: the second counts what the first has posted.
        await persons.lock(tx, actor.person_id)
        if (known := await _known(tx, wish)) is not None:
            return known != "waiting"
        if not await _is_customer(tx, wish.customer_id):
            raise NotFound("No such customer")
        await alone.check_other(tx, actor, wish.customer_id)
        moved = await alone.moved_micros(tx, actor.person_id) + abs(wish.amount_micros)
        if moved > desk.settings.adjustment_limit_micros:
            await _write_down(tx, actor, wish, None)
            return False
        await _write_down(
            tx, actor, wish, await _post(tx, actor.name, wish.customer_id, wish.amount_micros, reason)
        )
        return True


async def _known(tx: Tx, wish: Wish) -> str | None:
    """What became of this form when it was sent before. Refuses: ValidationFailed (it asked for something else)."""
    row = await (await tx.execute(_KNOWN, [wish.once])).fetchone()
    if row is None:
        return None
    if row[1:] != (wish.customer_id, wish.amount_micros):
        raise ValidationFailed("This form was sent before: load the page again, then fill it in once more")
    return str(row[0])


_KNOWN: LiteralString = "select state::text, customer_id, amount_micros from adjustment where once = %s"


async def _is_customer(tx: Tx, customer_id: int) -> bool:
    row = await (await tx.execute("select from customer where id = %s", [customer_id])).fetchone()
    return row is not None


async def _post(tx: Tx, name: str, customer_id: int, amount_micros: int, reason: str) -> int:
    try:
        return await accounts.correct(tx, customer_id, amount_micros, actor=name, reason=reason)
    except InsufficientBalance:
        raise ValidationFailed("The balance does not cover this debit", field="amount") from None


async def _write_down(tx: Tx, actor: Actor, wish: Wish, posting_id: int | None) -> None:
    state = "waiting" if posting_id is None else "posted"
    values = [wish.customer_id, wish.amount_micros, wish.reason, wish.once, state, actor.name, actor.person_id,
              EXPIRES_DAYS, posting_id]  # fmt: skip
    row = await (await tx.execute(_WRITE_DOWN, values)).fetchone()
    assert row is not None
    act = "balance.adjustment_asked" if posting_id is None else "balance.adjusted"
    after = {"amount_micros": wish.amount_micros, "adjustment": row[0], "posting": posting_id}
    await acts.write(
        tx,
        actor,
        act,
        f"customer {wish.customer_id}",
        after=after,
        reason=wish.reason,
        customer_id=wish.customer_id,
    )


_WRITE_DOWN: LiteralString = """
insert into adjustment (customer_id, amount_micros, reason, once, state, asked_by, asked_person, expires_at, posting_id)
values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(days => %s), %s) returning id
"""


async def approve(desk: Desk, actor: Actor, adjustment_id: int) -> None:
    """Post what somebody else has asked for.

    Refuses: NotFound, Forbidden (his own request or account), ValidationFailed (decided or expired meanwhile, not enough
    balance).
    """
    async with desk.db.transaction() as tx:
        asked = await _open(tx, actor, adjustment_id)
        await alone.check_other(tx, actor, asked.customer_id)
        names = f"{asked.asked_by}, {actor.name}"
        posting_id = await _post(tx, names, asked.customer_id, asked.amount_micros, asked.reason)
        await _decide(tx, actor, asked, "approved", posting_id)


async def refuse(desk: Desk, actor: Actor, adjustment_id: int) -> None:
    """No money moves. Refuses: NotFound, Forbidden (his own request), ValidationFailed (decided or expired meanwhile)."""
    async with desk.db.transaction() as tx:
        await _decide(tx, actor, await _open(tx, actor, adjustment_id), "refused", None)


async def _open(tx: Tx, actor: Actor, adjustment_id: int) -> Adjustment:
    """The request, locked while it waits: whoever comes second finds it decided."""
    if actor.person_id is None:
        raise Forbidden("Only a person can decide about this")
    await tx.execute("select from adjustment where id = %s for update", [adjustment_id])
    cursor = tx.cursor(row_factory=args_row(Adjustment))
    asked = await (await cursor.execute(_ONE, [adjustment_id])).fetchone()
    if asked is None:
        raise NotFound("No such request")
    if asked.asked_person == actor.person_id:
        raise Forbidden("Somebody else decides about what you have asked for")
    if asked.state != "waiting":
        raise ValidationFailed("This was decided already, or it has waited too long")
    return asked


async def _decide(tx: Tx, actor: Actor, asked: Adjustment, state: str, posting_id: int | None) -> None:
    decided = await tx.execute(_DECIDE, [state, actor.name, actor.person_id, posting_id, asked.id])
    assert decided.rowcount == 1, "the row was locked while it waited"
    await acts.write(
        tx, actor, f"balance.adjustment_{state}", f"customer {asked.customer_id}", customer_id=asked.customer_id,
        after={"amount_micros": asked.amount_micros, "adjustment": asked.id, "posting": posting_id},
        reason=asked.reason,
    )  # fmt: skip


_DECIDE: LiteralString = """
update adjustment set state = %s::adjustment_state, decided_by = %s, decided_person = %s, decided_at = now(),
    posting_id = %s
where id = %s and state = 'waiting'
"""

_COLUMNS: LiteralString = """
select d.id, d.customer_id, c.email, w.currency, d.amount_micros, d.reason,
    case when d.state = 'waiting' and d.expires_at <= now() then 'expired' else d.state::text end,
    d.asked_by, d.asked_person, d.asked_at, d.expires_at, d.decided_by, d.decided_at, d.posting_id
from adjustment d
join customer c on c.id = d.customer_id
join wallet w on w.customer_id = c.id and w.mode = 'live'
"""
_ONE: LiteralString = f"{_COLUMNS} where d.id = %s"


async def waiting(tx: Tx) -> Sequence[Adjustment]:
    """What waits for a second person, the oldest first."""
    return await _listed(
        tx, f"{_COLUMNS} where d.state = 'waiting' and d.expires_at > now() order by d.id limit %s", [PART]
    )


async def waiting_for(tx: Tx, customer_id: int) -> Sequence[Adjustment]:
    """What waits about one customer."""
    return await _listed(tx, _WAITING_FOR, [customer_id, PART])


_WAITING_FOR: LiteralString = f"""
{_COLUMNS} where d.customer_id = %s and d.state = 'waiting' and d.expires_at > now() order by d.id desc limit %s
"""


async def decided(tx: Tx, before: int | None = None) -> Sequence[Adjustment]:
    """All that does not wait any more, newest first, one more than a part when there is more."""
    return await _listed(tx, _DECIDED, {"before": before or 2**63 - 1, "limit": PART + 1})


_DECIDED: LiteralString = f"""
{_COLUMNS} where d.id < %(before)s and (d.state <> 'waiting' or d.expires_at <= now()) order by d.id desc limit %(limit)s
"""


async def _listed(
    tx: Tx, statement: LiteralString, values: Sequence[object] | dict[str, object]
) -> list[Adjustment]:
    cursor = tx.cursor(row_factory=args_row(Adjustment))
    return await (await cursor.execute(statement, values)).fetchall()


async def expire(desk: Desk) -> int:
    """Requests that nobody decided about for a week are over. A worker's job; returns how many."""
    async with desk.db.transaction() as tx:
        rows = await (await tx.execute(_EXPIRE, [EXPIRED_AT_ONCE])).fetchall()
        for adjustment_id, customer_id, amount_micros in rows:
            after = {"amount_micros": amount_micros, "adjustment": adjustment_id}
            await acts.write(
                tx,
                acts.CLOCK,
                "balance.adjustment_expired",
                f"customer {customer_id}",
                after=after,
                customer_id=customer_id,
            )
    return len(rows)


_EXPIRE: LiteralString = """
update adjustment set state = 'expired' where id in (
    select id from adjustment where state = 'waiting' and expires_at <= now() order by id limit %s for update skip locked)
returning id, customer_id, amount_micros
"""
