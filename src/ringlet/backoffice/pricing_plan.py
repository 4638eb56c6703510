"""What a wish about prices comes to: which rules it changes, from what to what. Planned twice, to be shown and to be
done; both come to the same as long as nobody changed a rule between.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import product
from typing import LiteralString, TypeAlias

import msgspec

from ringlet import canon, money
from ringlet.backoffice.pricing_rules import EVERYBODY, Asked, Owner, existing, key_of, lines_of
from ringlet.db import Tx
from ringlet.errors import NotFound, ValidationFailed
from ringlet.pricing import KINDS, PriceRule

RULES_MAX = 1_000
PERCENT = Decimal(100)
#: the kinds that a percentage means something to
SCALED = ("markup", "price", "fixed", "min_margin")
WAYS = ("percent", "points")


class Put(msgspec.Struct, frozen=True, kw_only=True):
    """Rules for an owner, in all these countries × services (None: any); `values` by kind."""

    owner: Owner = EVERYBODY
    countries: tuple[int | None, ...] = (None,)
    services: tuple[str | None, ...] = (None,)
    values: dict[str, Decimal]
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """What these rules make becomes so many percent dearer (below zero: cheaper), or markups grow by so many points;
    now, or from a moment on.
    """

    asked: Asked
    way: str
    amount: Decimal
    starts_at: datetime | None = None


class Drop(msgspec.Struct, frozen=True):
    """These rules go."""

    asked: Asked


Wish: TypeAlias = Put | Shift | Drop


class Edit(msgspec.Struct, frozen=True):
    """One rule before and after; None where there is none. A new rule has the id 0."""

    before: PriceRule | None
    after: PriceRule | None

    @property
    def is_change(self) -> bool:
        """Whether it does anything."""
        return self.before != self.after

    @property
    def rule(self) -> PriceRule:
        """The rule after it, or the one that goes."""
        found = self.after or self.before
        assert found is not None
        return found


async def plan(tx: Tx, wish: Wish) -> list[Edit]:
    """The rules that this puts, changes or removes, also those that stay as they are.

    Refuses: ValidationFailed (contradicts itself, too many rules, a value that no rule may have), NotFound.
    """
    match wish:
        case Put():
            return await _put(tx, wish)
        case Shift():
            return await _shift(tx, wish)
        case Drop():
            return [Edit(rule, None) for rule in await _chosen(tx, wish.asked)]


async def _put(tx: Tx, wish: Put) -> list[Edit]:
    _check_put(wish)
    now = await now_of(tx)
    if wish.ends_at is not None and wish.ends_at <= (wish.starts_at or now):
        raise ValidationFailed("A rule must end after it began, and not in the past", field="ends_at")
    # With an end it stands beside the rule without times, which it would replace otherwise.
    starts_at = wish.starts_at or (now if wish.ends_at is not None else None)
    wanted = [
        PriceRule(0, wish.owner.customer_id, wish.owner.group_id, country, service, kind, value, starts_at,
                  wish.ends_at, wish.owner.brand_id)
        for country, service, (kind, value) in product(wish.countries, wish.services, wish.values.items())
    ]  # fmt: skip
    standing = await existing(tx, wanted)
    return [Edit(before := standing.get(key_of(rule)), _of(rule, before)) for rule in wanted]


def _of(rule: PriceRule, before: PriceRule | None) -> PriceRule:
    return rule if before is None else msgspec.structs.replace(rule, id=before.id)


def _check_put(wish: Put) -> None:
    if "markup" in wish.values and "price" in wish.values:
        raise ValidationFailed("Give either a markup or a price of its own", field="value")
    for kind, value in wish.values.items():
        _check_value(kind, value)
    if len(wish.countries) * len(wish.services) * len(wish.values) > RULES_MAX:
        raise ValidationFailed(
            "These are more than 1,000 rules: choose fewer countries or services", field="services"
        )
    for country in wish.countries:
        if country is not None and country not in canon.countries():
            raise ValidationFailed("There is no such country", field="countries")
    for service in wish.services:
        if service is not None and service not in canon.services():
            raise ValidationFailed("There is no such service", field="services")


def _check_value(kind: str, value: Decimal) -> None:
    if kind not in KINDS:
        raise ValidationFailed("There is no such part of a price", field="kind")
    highest = Decimal(1_000) if kind == "markup" else money.PRICE_MAX
    if not (value.is_finite() and 0 <= value <= highest):
        raise ValidationFailed("This is not an amount from 0 to a million", field="value")
    if money.price(value) != value:
        raise ValidationFailed("An amount has at most seven decimal places", field="value")
    if kind == "below_cost" and value not in {0, 1}:
        raise ValidationFailed("1 allows a loss, 0 does not", field="value")


async def _shift(tx: Tx, wish: Shift) -> list[Edit]:
    if wish.way not in WAYS:
        raise ValidationFailed("By percent or by points", field="way")
    if not (wish.amount.is_finite() and -PERCENT < wish.amount <= 10 * PERCENT and wish.amount):
        raise ValidationFailed("This is not a change between -100 and 1000", field="amount")
    kinds = SCALED if wish.way == "percent" else ("markup",)
    chosen = [rule for rule in await _chosen(tx, wish.asked) if rule.kind in kinds]
    from_then = wish.starts_at if wish.starts_at is not None and wish.starts_at > await now_of(tx) else None
    edits = [_shifted(rule, wish, from_then) for rule in chosen]
    standing = await existing(tx, [each.rule for each in edits if each.before is None])
    # Where somebody has planned another rule for that very moment, it stands.
    kept = [each for each in edits if each.before is not None or key_of(each.rule) not in standing]
    return [each for each in kept if not _is_over(each.rule)]


def _shifted(rule: PriceRule, wish: Shift, from_then: datetime | None) -> Edit:
    value = _moved(rule, wish)
    if value < 0:
        raise ValidationFailed(f"Rule {rule.id} would fall below nothing", field="amount")
    _check_value(rule.kind, value)
    if from_then is None or (rule.starts_at is not None and rule.starts_at >= from_then):
        return Edit(rule, msgspec.structs.replace(rule, value=value))
    return Edit(None, msgspec.structs.replace(rule, id=0, value=value, starts_at=from_then))


def _moved(rule: PriceRule, wish: Shift) -> Decimal:
    share = wish.amount / PERCENT
    if wish.way == "points":
        return money.price(rule.value + share)
    # A markup of 30 % makes 1.30 of a cost: 5 % more of that is a markup of 36.5 %.
    return money.price(
        (1 + rule.value) * (1 + share) - 1 if rule.kind == "markup" else rule.value * (1 + share)
    )


def _is_over(rule: PriceRule) -> bool:
    return rule.ends_at is not None and rule.starts_at is not None and rule.starts_at >= rule.ends_at


async def _chosen(tx: Tx, asked: Asked) -> Sequence[PriceRule]:
    lines = await lines_of(tx, asked, RULES_MAX + 1)
    if len(lines) > RULES_MAX:
        raise ValidationFailed("These are more than 1,000 rules: choose fewer")
    if asked.rule_id is not None and not lines:
        raise NotFound(f"there is no price rule {asked.rule_id}")
    return [line.rule for line in lines]


async def now_of(tx: Tx) -> datetime:
    """The database's clock."""
    row = await (await tx.execute(_NOW)).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


_NOW: LiteralString = "select now()"
