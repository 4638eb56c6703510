"""What staff decide about selling: what, to whom, where, how fast; and what is stopped at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, canon, customers, limits, policy, standing
from ringlet.acts import Actor
from ringlet.backoffice import reasons
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce
from ringlet.limits import Limits
from ringlet.policy import Freeze, RuleLine, Verdict
from ringlet.standing import Resting, Standing

SHOWN_MAX = 200


class Scope(msgspec.Struct, frozen=True):
    """What a rule is about: a service or a category of the curated list, a country, one account; None means any."""

    service: str | None = None
    category: str | None = None
    country: int | None = None
    customer_id: int | None = None

    def check(self) -> None:
        """Refuses: ValidationFailed."""
        if self.service is not None and self.category is not None:
            raise ValidationFailed("A service or a category, not both", field="service")
        if self.service is None and self.category is None and self.country is None:
            raise ValidationFailed("A service, a category or a country", field="service")
        if self.service is not None:
            check_service(self.service)
        if self.category is not None and self.category not in policy.CATEGORIES:
            raise ValidationFailed("One of " + ", ".join(policy.CATEGORIES), field="category")
        if self.country is not None and self.country not in canon.countries():
            raise ValidationFailed("No such country", field="country")


def check_service(service: str) -> None:
    """Refuses: ValidationFailed."""
    if service not in canon.services():
        raise ValidationFailed("No such service", field="service")


async def announce_change(tx: Tx) -> None:
    """Every process sells by the new policy from the commit on, and makes its price tables anew."""
    await announce(tx, policy.TOPIC)
    await announce(tx, "catalogue")


async def set_rule(desk: Desk, actor: Actor, scope: Scope, reason: str, *, is_allowed: bool) -> int:
    """Sell this, or do not, from now on; replaces the rule of the same scope. Returns its id.

    Refuses: ValidationFailed (nothing named, unknown codes, no reason).
    """
    scope.check()
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        named = msgspec.structs.asdict(scope)
        rule_id = await policy.set_rule(tx, **named, is_allowed=is_allowed, reason=reason, actor=actor.name)
        await acts.write(
            tx, actor, "policy.allowed" if is_allowed else "policy.denied", f"policy rule {rule_id}",
            after=named, reason=reason, customer_id=scope.customer_id,
        )  # fmt: skip
        await announce_change(tx)
    return rule_id


async def drop_rule(desk: Desk, actor: Actor, rule_id: int, reason: str) -> None:
    """As if it had never been made. Refuses: NotFound, ValidationFailed (no reason)."""
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        rule = await policy.take_rule(tx, rule_id)
        if rule is None:
            raise NotFound(f"there is no policy rule {rule_id}")
        await acts.write(
            tx, actor, "policy.rule_removed", f"policy rule {rule_id}", before=msgspec.structs.asdict(rule),
            reason=reason, customer_id=rule.customer_id,
        )  # fmt: skip
        await announce_change(tx)


async def freeze(desk: Desk, actor: Actor, service: str, reason: str) -> None:
    """Sell it to nobody, whatever the rules say, in every process at once.

    Refuses: ValidationFailed (unknown, no reason, frozen already).
    """
    check_service(service)
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        if not await policy.freeze(tx, service, reason, actor.name):
            raise ValidationFailed("This service is frozen already", field="service")
        await acts.write(tx, actor, "service.frozen", f"service {service}", reason=reason)
        await announce_change(tx)


async def thaw(desk: Desk, actor: Actor, service: str, reason: str) -> None:
    """Sell it again as the rules say. Refuses: NotFound (not frozen), ValidationFailed (no reason)."""
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        if not await policy.thaw(tx, service):
            raise NotFound("This service is not frozen")
        await acts.write(tx, actor, "service.thawed", f"service {service}", reason=reason)
        await announce_change(tx)


async def set_numbers(
    desk: Desk,
    actor: Actor,
    numbers: Mapping[str, int | None],
    reason: str,
    *,
    customer_id: int | None = None,
) -> None:
    """Limits and switches by name, of everybody or of one account; None is no limit, a switch is 0 or 1.

    What a limit already is stays as it is. Refuses: ValidationFailed, NotFound (no such account).
    """
    reason = reasons.read(reason)
    for name, value in numbers.items():
        check_number(name, value, customer_id)
    async with desk.db.transaction() as tx:
        before = await _numbers(tx, customer_id)
        changed = {name: value for name, value in numbers.items() if before[name] != value}
        for name, value in changed.items():
            await policy.set_number(tx, customer_id, name, value)
        if changed:
            await _note_numbers(tx, actor, customer_id, before, changed, reason)


def check_number(name: str, value: int | None, customer_id: int | None = None) -> None:
    """Refuses: ValidationFailed."""
    if name in policy.SWITCHES:
        if value not in {0, 1} or customer_id is not None:
            raise ValidationFailed("On or off, for everybody", field=name)
    elif name not in limits.NAMES:
        raise ValidationFailed("One of " + ", ".join(limits.NAMES), field=name)
    elif value is not None and not 0 <= value <= limits.MOST:
        raise ValidationFailed("A whole number, or nothing for no limit", field=name)
    elif name == "floor_percent" and value is not None and value > 100:  # noqa: PLR2004 - percent
        raise ValidationFailed("At most 100", field=name)


async def _numbers(tx: Tx, customer_id: int | None) -> dict[str, int | None]:
    """The limits and switches as they are in force."""
    now = await policy.load(tx)
    found: dict[str, int | None] = {name: int(name in now.switches) for name in policy.SWITCHES}
    if customer_id is None:
        return found | msgspec.structs.asdict(now.limits(None, is_vouched=False))
    known = await standing.read(tx, customer_id)
    return found | msgspec.structs.asdict(now.limits(customer_id, known.is_vouched))


async def _note_numbers(
    tx: Tx, actor: Actor, customer_id: int | None, before: Mapping[str, int | None],
    after: Mapping[str, int | None], reason: str,
) -> None:  # fmt: skip
    about = "policy" if customer_id is None else f"customer {customer_id}"
    await acts.write(
        tx, actor, "policy.limits_set", about, before={name: before[name] for name in after}, after=after,
        reason=reason, customer_id=customer_id,
    )  # fmt: skip
    await announce_change(tx)


async def forget_limits(desk: Desk, actor: Actor, customer_id: int | None, reason: str) -> None:
    """The account has everybody's limits again, or everybody those that are shipped. Refuses: ValidationFailed."""
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        dropped = [name for name in limits.NAMES if await policy.drop_number(tx, customer_id, name)]
        if dropped:
            about = "policy" if customer_id is None else f"customer {customer_id}"
            await acts.write(
                tx, actor, "policy.limits_forgotten", about, before={"names": dropped}, reason=reason,
                customer_id=customer_id,
            )  # fmt: skip
            await announce_change(tx)


async def vouch(desk: Desk, actor: Actor, customer_id: int, reason: str, *, is_vouched: bool) -> None:
    """Only its own limits hold for this account from now on; or everybody's do again.

    Refuses: NotFound, ValidationFailed (no reason, or it is so already).
    """
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        await standing.read(tx, customer_id)
        if not await standing.vouch(tx, customer_id, is_vouched=is_vouched):
            raise ValidationFailed("That is so already", field="account")
        act = "customer.vouched" if is_vouched else "customer.vouched_no_more"
        await acts.write(tx, actor, act, f"customer {customer_id}", reason=reason, customer_id=customer_id)


async def pardon(desk: Desk, actor: Actor, customer_id: int, reason: str) -> None:
    """The account rests no more. Refuses: NotFound (it does not), ValidationFailed (no reason)."""
    reason = reasons.read(reason)
    async with desk.db.transaction() as tx:
        before = await standing.read(tx, customer_id)
        if not await standing.pardon(tx, customer_id):
            raise NotFound("This account does not rest")
        await acts.write(
            tx, actor, "customer.pardoned", f"customer {customer_id}", reason=reason, customer_id=customer_id,
            before={"orders": before.orders, "codes": before.codes, "lifts": before.lifts},
        )  # fmt: skip


class FrozenAccount(msgspec.Struct, frozen=True):
    """An account that can change nothing."""

    customer_id: int
    email: str
    frozen_at: datetime


class Stopped(msgspec.Struct, frozen=True):
    """What does not sell or buy now; the lists of accounts show the first of many."""

    services: Sequence[Freeze]
    accounts: Sequence[FrozenAccount]
    resting: Sequence[Resting]


async def stopped(desk: Desk) -> Stopped:
    """Who and what is stopped now. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(FrozenAccount))
        accounts = await (await cursor.execute(_FROZEN_ACCOUNTS, [SHOWN_MAX])).fetchall()
        return Stopped(await policy.list_freezes(tx), accounts, await standing.list_resting(tx, SHOWN_MAX))


_FROZEN_ACCOUNTS: LiteralString = """
select id, email, frozen_at from customer where frozen_at is not null order by frozen_at desc limit %s
"""


async def rules(desk: Desk) -> list[RuleLine]:
    """Every rule, everybody's first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await policy.list_rules(tx)


class Shown(msgspec.Struct, frozen=True):
    """The limits and switches of everybody or of one account, and the accounts that have limits of their own."""

    limits: Limits
    switches: frozenset[str]
    own: Mapping[str, Mapping[str, int | None]]


async def shown(desk: Desk, customer_id: int | None = None) -> Shown:
    """The limits in force. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        now = await policy.load(tx)
        is_vouched = customer_id is not None and (await standing.read(tx, customer_id)).is_vouched
        own: dict[str, dict[str, int | None]] = {}
        for _, email, name, value in await policy.own_numbers(tx):
            own.setdefault(email, {})[name] = value
    return Shown(now.limits(customer_id, is_vouched), now.switches, own)


async def account(desk: Desk, text: str) -> int:
    """The account that is meant, by its id or its address. Refuses: NotFound."""
    async with desk.db.connection() as tx:
        if text.isascii() and text.isdigit() and len(text) <= 18:  # noqa: PLR2004 - as a bigint has
            return (await standing.read(tx, int(text))).customer_id
        return (await customers.by_email(tx, text)).id


class Answer(msgspec.Struct, frozen=True):
    """Whether this sale would be allowed now, and everything that has a say; `reasons` are the names of what says no.

    The names: 'account_frozen', 'resting', or the verdict's own 'why'.
    """

    is_allowed: bool
    reasons: Sequence[str]
    verdict: Verdict
    line: RuleLine | None
    standing: Standing | None
    is_frozen: bool
    rest_left_s: int
    limits: Limits | None


async def ask(desk: Desk, customer_id: int | None, service: str, country: int) -> Answer:
    """Would this sale be allowed? `customer_id` None: to anybody. Refuses: ValidationFailed, NotFound."""
    Scope(service=service, country=country).check()
    async with desk.db.connection() as tx:
        now = await policy.load(tx)
        verdict = now.explain(customer_id, service, country)
        lines = await policy.list_rules(tx) if verdict.rule is not None else []
        line = next((each for each in lines if each.rule == verdict.rule), None)
        if customer_id is None:
            return _answer(verdict, line, None, None, is_frozen=False)
        known = await standing.read(tx, customer_id)
        row = await (await tx.execute(_IS_FROZEN, [customer_id])).fetchone()
    return _answer(
        verdict,
        line,
        known,
        now.limits(customer_id, known.is_vouched),
        is_frozen=row is not None and bool(row[0]),
    )


_IS_FROZEN: LiteralString = "select frozen_at is not null from customer where id = %s"


def _answer(
    verdict: Verdict, line: RuleLine | None, known: Standing | None, own: Limits | None, *, is_frozen: bool
) -> Answer:
    left_s = 0 if known is None else known.rest_left_s(datetime.now(UTC))
    no = [
        *(["account_frozen"] if is_frozen else []),
        *(["resting"] if left_s else []),
        *([] if verdict.is_allowed else [verdict.why]),
    ]
    return Answer(not no, no, verdict, line, known, is_frozen, left_s, own)
