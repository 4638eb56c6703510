"""The rules of prices in the database: read, set, removed, listed. What they mean is in `price_list.py`."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec

from ringlet.db import Tx
from ringlet.errors import NotFound, ValidationFailed
from ringlet.price_list import (
    KINDS,
    NOTHING,
    RECIPES_MAX,
    Payer,
    PriceList,
    PriceRule,
    Recipe,
    Reseller,
    Step,
    View,
)

__all__ = [
    "KINDS",
    "NOTHING",
    "RECIPES_MAX",
    "Payer",
    "PriceList",
    "PriceRule",
    "Recipe",
    "Reseller",
    "RuleLine",
    "Step",
    "View",
    "list_rules",
    "load",
    "remove_rule",
    "set_rule",
]


async def load(tx: Tx, apart: Iterable[int] = ()) -> PriceList:
    """What is in force by the database's clock; `apart` as PriceList says."""
    rules, edges, as_of = [], [], None
    for *rule, in_force, now in await (await tx.execute(_LOAD)).fetchall():
        found, as_of = PriceRule(*rule), now
        if in_force:
            rules.append(found)
        edges.append(found.ends_at if in_force else found.starts_at)
    groups = {rule.group_id for rule in rules if rule.group_id is not None}
    listed = {row[0] for row in await (await tx.execute(_LIST_PRICE_GROUPS)).fetchall()}
    members = await (await tx.execute(_MEMBERS, [sorted(groups | listed)])).fetchall()
    brands = {
        brand: None if wallet is None else Reseller(customer, wallet)
        for brand, customer, wallet in await (await tx.execute(_BRANDS)).fetchall()
    }
    return PriceList(
        rules,
        members=dict(members),
        list_price_groups=listed,
        as_of=as_of,
        next_change_at=min((edge for edge in edges if edge is not None), default=None),
        brands=brands,
        apart=apart,
    )


# One statement and one clock: a rule that begins between two would be in neither.
_LOAD: LiteralString = """
select id, customer_id, group_id, country, service, kind, value, starts_at, ends_at, brand_id,
    coalesce(starts_at <= statement_timestamp(), true), statement_timestamp()
from price_rule where ends_at is null or ends_at > statement_timestamp()
"""

_LIST_PRICE_GROUPS: LiteralString = "select id from account_group where base_price_shows = 'list'"

_MEMBERS: LiteralString = "select id, group_id from customer where group_id = any(%s::bigint[])"

_BRANDS: LiteralString = """
select b.id, b.customer_id, w.id from brand b
left join wallet w on w.customer_id = b.customer_id and w.mode = 'live'
"""


async def set_rule(
    tx: Tx,
    *,
    customer_id: int | None,
    country: int | None,
    service: str | None,
    kind: str,
    value: Decimal,
    group_id: int | None = None,
    brand_id: int | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> int:
    """Put a rule in force; it replaces the one of the same scope, aspect and beginning. Returns its id.

    Refuses: ValidationFailed (it ends before it begins, or is for a customer and a group or brand).
    """
    if starts_at is not None and ends_at is not None and starts_at >= ends_at:
        raise ValidationFailed("a rule must begin before it ends", field="ends_at")
    if sum(each is not None for each in (customer_id, group_id, brand_id)) > 1:
        raise ValidationFailed("a rule is for one customer, for one group or for one brand", field="group_id")
    values = [customer_id, group_id, brand_id, country, service, kind, value, starts_at, ends_at]
    row = await (await tx.execute(_SET, values)).fetchone()
    assert row is not None
    return int(row[0])


_SET: LiteralString = """
insert into price_rule (customer_id, group_id, brand_id, country, service, kind, value, starts_at, ends_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (customer_id, group_id, brand_id, country, service, aspect, starts_at)
do update set kind = excluded.kind, value = excluded.value, ends_at = excluded.ends_at, created_at = now()
returning id
"""


async def remove_rule(tx: Tx, rule_id: int) -> None:
    """Refuses: NotFound."""
    removed = await tx.execute("delete from price_rule where id = %s", [rule_id])
    if not removed.rowcount:
        raise NotFound(f"there is no price rule {rule_id}")


class RuleLine(msgspec.Struct, frozen=True):
    """A rule with the names of whom it is for; `state` is 'in force', 'pending' or 'ended'."""

    rule: PriceRule
    account: str | None
    group: str | None
    brand: str | None
    state: str


async def list_rules(tx: Tx) -> list[RuleLine]:
    """Every rule, general first, those before and after their time too."""
    rows = await (await tx.execute(_LIST)).fetchall()
    lines = [RuleLine(PriceRule(*rule), *names) for *rule, names in ((*row[:10], row[10:]) for row in rows)]
    return sorted(lines, key=lambda line: line.rule.rank())


_LIST: LiteralString = """
select r.id, r.customer_id, r.group_id, r.country, r.service, r.kind, r.value, r.starts_at, r.ends_at,
    r.brand_id, c.email, g.name, b.name,
    case when r.ends_at <= statement_timestamp() then 'ended'
         when r.starts_at > statement_timestamp() then 'pending' else 'in force' end
from price_rule r left join customer c on c.id = r.customer_id left join account_group g on g.id = r.group_id
left join brand b on b.id = r.brand_id
"""
