"""What the operator gives: rules for a bonus on payments, and the share for who brings customers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts
from ringlet.acts import Actor
from ringlet.backoffice import reasons
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people import referrals
from ringlet.people.referrals import Terms
from ringlet.topups.bonus import COLUMNS, FROM, RULES_MAX, Rule

AMOUNT_MAX_MICROS = 10**15
DAYS_MAX = 3650
SHARE_MAX = 50
PERCENT_MAX = 100
#: whose ends are shown, the newest first
ENDED_SHOWN = 20
BEST_SHOWN = 50


class Best(msgspec.Struct, frozen=True):
    """Somebody who brings customers. Posted is more than earned while a refund could not be taken back whole."""

    customer_id: int
    email: str
    currency: str
    brought: int
    earned_micros: int
    posted_micros: int
    stopped_at: datetime | None


class Gifts(msgspec.Struct, frozen=True):
    """All of it: rules that hold or will, rules that are over, what bringing somebody earns, and who does it most."""

    rules: Sequence[Rule]
    ended: Sequence[Rule]
    terms: Terms
    best: Sequence[Best]


async def gifts(desk: Desk) -> Gifts:
    """As they are now. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Rule))
        rules = await (await cursor.execute(_RULES, [RULES_MAX])).fetchall()
        ended = await (await cursor.execute(_ENDED, [ENDED_SHOWN])).fetchall()
        best = await (await tx.cursor(row_factory=args_row(Best)).execute(_BEST, [BEST_SHOWN])).fetchall()
        return Gifts(rules, ended, await referrals.terms(tx), best)


#: of a rule r; one that was ended before it began ends as it begins
_IS_OVER: LiteralString = "coalesce(r.ends_at <= greatest(now(), r.starts_at), false)"
_RULES: LiteralString = f"""
select {COLUMNS} {FROM} where not {_IS_OVER} order by r.from_micros, r.id limit %s
"""
_ENDED: LiteralString = f"""
select {COLUMNS} {FROM} where {_IS_OVER} order by r.ends_at desc limit %s
"""
_BEST: LiteralString = """
select r.customer_id, c.email, w.currency, r.brought, r.earned_micros, r.posted_micros, r.stopped_at
from (select * from referrer order by earned_micros desc, brought desc, customer_id desc limit %s) r
join customer c on c.id = r.customer_id join wallet w on w.customer_id = c.id and w.mode = 'live'
order by r.earned_micros desc, r.brought desc, r.customer_id desc
"""


class NewRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is asked for; `starts_at` None: now."""

    from_micros: int
    percent: Decimal = Decimal(0)
    fixed_micros: int = 0
    cap_micros: int | None = None
    is_first_only: bool = False
    gateway_id: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


async def add_rule(desk: Desk, actor: Actor, new: NewRule) -> int:
    """One more rule, for payments that are asked for from its beginning on; returns its id. Refuses: ValidationFailed."""
    starts_at = new.starts_at or datetime.now(UTC)
    _check(new, starts_at)
    async with desk.db.transaction() as tx:
        await _check_place(tx, new.gateway_id)
        values = [
            new.from_micros, new.percent, new.fixed_micros, new.cap_micros, new.is_first_only, new.gateway_id, starts_at,
            new.ends_at,
        ]  # fmt: skip
        row = await (await tx.execute(_ADD_RULE, values)).fetchone()
        assert row is not None
        await acts.write(
            tx, actor, "bonus_rule.added", f"bonus rule {row[0]}", after=msgspec.structs.asdict(new)
        )
    return int(row[0])


_ADD_RULE: LiteralString = """
insert into bonus_rule (from_micros, percent, fixed_micros, cap_micros, is_first_only, gateway_id, starts_at, ends_at)
values (%s, %s, %s, %s, %s, %s, %s, %s) returning id
"""


def _check(new: NewRule, starts_at: datetime) -> None:
    if not 0 < new.from_micros <= AMOUNT_MAX_MICROS:
        raise ValidationFailed("An amount such as 20", field="least")
    if not 0 <= new.percent <= PERCENT_MAX or -_exponent(new.percent) > 2:  # noqa: PLR2004 - as the column has
        raise ValidationFailed("From 0 to 100, with two decimal places at most", field="percent")
    if not 0 <= new.fixed_micros <= AMOUNT_MAX_MICROS:
        raise ValidationFailed("An amount such as 5, or nothing", field="fixed")
    if not new.percent and not new.fixed_micros:
        raise ValidationFailed("A per cent, an amount, or both", field="percent")
    if new.cap_micros is not None and not 0 < new.cap_micros <= AMOUNT_MAX_MICROS:
        raise ValidationFailed("An amount such as 50, or nothing for no limit", field="cap")
    if new.ends_at is not None and new.ends_at <= max(starts_at, datetime.now(UTC)):
        raise ValidationFailed("The end comes after the beginning, and after now", field="ends")


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else -99


async def _check_place(tx: Tx, gateway_id: int | None) -> None:
    """Refuses: ValidationFailed, for no such gateway, one of play money, and when there are rules enough."""
    if gateway_id is not None:
        known = await tx.execute("select from gateway where id = %s and mode = 'live'", [gateway_id])
        if await known.fetchone() is None:
            raise ValidationFailed("One of the ways to pay", field="gateway")
    row = await (await tx.execute(_COUNT_RULES)).fetchone()
    assert row is not None
    if row[0] >= RULES_MAX:
        raise ValidationFailed("There are rules enough: end one first")


_COUNT_RULES: LiteralString = f"select count(*) from bonus_rule r where not {_IS_OVER}"


async def end_rule(desk: Desk, actor: Actor, rule_id: int) -> None:
    """It holds for no payment that is asked for from now on. Refuses: NotFound (also one that is over)."""
    async with desk.db.transaction() as tx:
        if (await tx.execute(_END_RULE, [rule_id])).rowcount == 0:
            raise NotFound("No such rule, or it is over already")
        await acts.write(tx, actor, "bonus_rule.ended", f"bonus rule {rule_id}")


_END_RULE: LiteralString = (
    f"update bonus_rule r set ends_at = greatest(now(), r.starts_at) where r.id = %s and not {_IS_OVER}"
)


async def set_terms(desk: Desk, actor: Actor, new: Terms) -> None:
    """What a sign-up from now on is worth to who brought it; nothing per cent ends it. Refuses: ValidationFailed."""
    if not 0 <= new.percent <= SHARE_MAX or -_exponent(new.percent) > 2:  # noqa: PLR2004 - as the column has
        raise ValidationFailed(f"From 0 to {SHARE_MAX}, with two decimal places at most", field="share")
    if new.days is not None and not 1 <= new.days <= DAYS_MAX:
        raise ValidationFailed(f"From 1 to {DAYS_MAX} days, or nothing for no end", field="days")
    async with desk.db.transaction() as tx:
        await tx.execute("select from referral_terms for update")
        before = await referrals.terms(tx)
        if before != new:
            await tx.execute("update referral_terms set percent = %s, days = %s", [new.percent, new.days])
            told = [msgspec.structs.asdict(each) for each in (before, new)]
            await acts.write(tx, actor, "referral_terms.set", "referral terms", before=told[0], after=told[1])


async def stop_referrer(desk: Desk, actor: Actor, customer_id: int, reason: str) -> None:
    """He earns nothing from what is spent from now on, and his code counts for nothing more.

    Refuses: NotFound (no referrer, or stopped before), ValidationFailed (no reason).
    """
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        if not await referrals.stop(tx, customer_id):
            raise NotFound("No such referrer, or he was stopped before")
        await acts.write(
            tx, actor, "referrer.stopped", f"customer {customer_id}", reason=reason, customer_id=customer_id
        )
