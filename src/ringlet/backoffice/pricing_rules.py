"""The price rules as staff see them: which there are, for whom, and in the order in which they are tried."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import customers
from ringlet.brands import HOUSE
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.pricing import PriceRule

PAGE = 50
NAMES_MAX = 200
#: what may be asked for as state of a rule; ended ones are history and not among "now"
STATES = ("now", "in force", "pending", "ended", "any")
OWNERS = ("everybody", "group", "brand", "account")
DIGITS_MAX = 18


class Owner(msgspec.Struct, frozen=True):
    """For whom a rule is: at most one of the three; none means everybody."""

    customer_id: int | None = None
    group_id: int | None = None
    brand_id: int | None = None


EVERYBODY = Owner()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules: of an owner (`owner` one of OWNERS, "" for all), a place, a kind, a state; None and "" mean any."""

    owner: str = ""
    owner_id: int | None = None
    country: int | None = None
    service: str | None = None
    kind: str = ""
    state: str = "now"
    rule_id: int | None = None


class Line(msgspec.Struct, frozen=True):
    """A rule with the names of whom it is for; `state` is 'in force', 'pending' or 'ended'."""

    id: int
    customer_id: int | None
    group_id: int | None
    country: int | None
    service: str | None
    kind: str
    value: Decimal
    starts_at: datetime | None
    ends_at: datetime | None
    brand_id: int | None
    account: str | None
    group: str | None
    brand: str | None
    #: of the account
    account_brand_id: int | None
    state: str
    particularity: int

    @property
    def rule(self) -> PriceRule:
        """The rule alone."""
        return PriceRule(
            self.id, self.customer_id, self.group_id, self.country, self.service, self.kind, self.value,
            self.starts_at, self.ends_at, self.brand_id,
        )  # fmt: skip

    @property
    def owner(self) -> Owner:
        """For whom it is."""
        return Owner(self.customer_id, self.group_id, self.brand_id)


class Page(msgspec.Struct, frozen=True):
    """Rules, general first; `after` is where the next page begins."""

    lines: list[Line]
    after: str | None


async def page(desk: Desk, asked: Asked, after: str = "") -> Page:
    """A page of the rules in the order in which they are tried, general first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        lines = await lines_of(tx, asked, PAGE + 1, _read_mark(after))
    more = f"{lines[PAGE - 1].particularity}-{lines[PAGE - 1].id}" if len(lines) > PAGE else None
    return Page(lines[:PAGE], more)


def _read_mark(text: str) -> tuple[int, int]:
    """Where a page begins; what is no such mark begins at the beginning."""
    left, _, right = text.partition("-")
    good = all(each.isascii() and each.isdigit() and len(each) <= DIGITS_MAX for each in (left, right))
    return (int(left), int(right)) if good and len(left) < 4 else (-1, 0)  # noqa: PLR2004 - below a thousand


async def lines_of(tx: Tx, asked: Asked, limit: int, after: tuple[int, int] = (-1, 0)) -> list[Line]:
    """So many of the rules that were asked for, general first."""
    cursor = tx.cursor(row_factory=args_row(Line))
    values = {**msgspec.structs.asdict(asked), "limit": limit, "rank": after[0], "id": after[1]}
    return await (await cursor.execute(_LINES, values)).fetchall()


# How narrow a rule is, is what `PriceRule.particularity` says.
_LINES: LiteralString = """
select r.id, r.customer_id, r.group_id, r.country, r.service, r.kind, r.value, r.starts_at, r.ends_at, r.brand_id,
    c.email, g.name, b.name, c.brand_id,
    case when r.ends_at <= now() then 'ended' when r.starts_at > now() then 'pending' else 'in force' end,
    r.particularity
from (
    select *, 16 * (customer_id is not null)::int + 8 * (group_id is not null)::int + 4 * (brand_id is not null)::int
        + 2 * (service is not null)::int + (country is not null)::int as particularity
    from price_rule
    where (%(rule_id)s::bigint is null or id = %(rule_id)s)
        and (%(owner)s <> 'everybody' or num_nonnulls(customer_id, group_id, brand_id) = 0)
        and (%(owner)s <> 'account' or customer_id = coalesce(%(owner_id)s, customer_id))
        and (%(owner)s <> 'group' or group_id = coalesce(%(owner_id)s, group_id))
        and (%(owner)s <> 'brand' or brand_id = coalesce(%(owner_id)s, brand_id))
        and (%(country)s::int is null or country = %(country)s)
        and (%(service)s::text is null or service = %(service)s)
        and (%(kind)s = '' or kind = %(kind)s)
        and case %(state)s when 'ended' then ends_at <= now()
            when 'pending' then starts_at > now() and (ends_at is null or ends_at > now())
            when 'in force' then coalesce(starts_at <= now(), true) and (ends_at is null or ends_at > now())
            when 'any' then true else ends_at is null or ends_at > now() end
) r
left join customer c on c.id = r.customer_id left join account_group g on g.id = r.group_id
left join brand b on b.id = r.brand_id
where (r.particularity, r.id) > (%(rank)s, %(id)s)
order by r.particularity, r.id limit %(limit)s
"""


async def line(desk: Desk, rule_id: int) -> Line:
    """One rule, whatever its state. Refuses: NotFound."""
    async with desk.db.connection() as tx:
        found = await lines_of(tx, Asked(rule_id=rule_id, state="any"), 1)
    if not found:
        raise NotFound(f"there is no price rule {rule_id}")
    return found[0]


class Named(msgspec.Struct, frozen=True):
    """A group or a brand to choose."""

    id: int
    name: str


class Names(msgspec.Struct, frozen=True):
    """Whom a rule may be for besides accounts, which are too many to list."""

    groups: list[Named]
    brands: list[Named]

    def of(self, rule: PriceRule | Owner) -> tuple[str, str]:
        """For whom a rule is: one of OWNERS, and its name; an account's is its number."""
        if rule.customer_id is not None:
            return "account", f"#{rule.customer_id}"
        if rule.group_id is not None:
            return "group", next((each.name for each in self.groups if each.id == rule.group_id), "?")
        if rule.brand_id is not None:
            return "brand", next((each.name for each in self.brands if each.id == rule.brand_id), "?")
        return "everybody", ""


async def names(desk: Desk) -> Names:
    """The groups and brands, by name, each at most `NAMES_MAX`. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        groups = [Named(*row) for row in await (await tx.execute(_GROUPS, [NAMES_MAX])).fetchall()]
        brands = [Named(*row) for row in await (await tx.execute(_BRANDS, [NAMES_MAX])).fetchall()]
    return Names(groups, brands)


_GROUPS: LiteralString = "select id, name from account_group order by name limit %s"
_BRANDS: LiteralString = "select id, name from brand order by id limit %s"


class Account(msgspec.Struct, frozen=True):
    """An account that a rule can be for."""

    id: int
    email: str
    brand_id: int


async def account(tx: Tx, text: str, field: str = "account") -> Account:
    """By its address in the house's own shop, or by its number (#12) wherever it is. Refuses: ValidationFailed."""
    number = text.removeprefix("#")
    if text.startswith("#") and number.isascii() and number.isdigit() and len(number) <= DIGITS_MAX:
        row = await (await tx.execute(_ACCOUNT, [int(number)])).fetchone()
        if row is not None:
            return Account(*row)
    else:
        try:
            found = await customers.by_email(tx, text, HOUSE)
        except NotFound:
            pass
        else:
            return Account(found.id, found.email, found.brand_id)
    raise ValidationFailed("There is no such account", field=field)


_ACCOUNT: LiteralString = "select id, email, brand_id from customer where id = %s"


def key_of(rule: PriceRule) -> tuple[object, ...]:
    """What two rules must not share: the owner, the place, the aspect and the beginning."""
    return (
        rule.customer_id,
        rule.group_id,
        rule.brand_id,
        rule.country,
        rule.service,
        rule.aspect,
        rule.starts_at,
    )


async def existing(tx: Tx, wanted: Iterable[PriceRule]) -> dict[tuple[object, ...], PriceRule]:
    """The rules that stand where these would stand, by `key_of`."""
    keys = list({key_of(rule): None for rule in wanted})
    if not keys:
        return {}
    columns = [list(each) for each in zip(*keys, strict=True)]
    rows = await (await tx.execute(_EXISTING, columns)).fetchall()
    return {key_of(rule): rule for rule in (PriceRule(*row) for row in rows)}


# "is not distinct from" would compare everything with everything; these can be looked up.
_EXISTING: LiteralString = """
select r.id, r.customer_id, r.group_id, r.country, r.service, r.kind, r.value, r.starts_at, r.ends_at, r.brand_id
from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::timestamptz[])
    as w (customer_id, group_id, brand_id, country, service, aspect, starts_at)
join price_rule r on r.aspect = w.aspect and coalesce(r.customer_id, 0) = coalesce(w.customer_id, 0)
    and coalesce(r.group_id, 0) = coalesce(w.group_id, 0) and coalesce(r.brand_id, 0) = coalesce(w.brand_id, 0)
    and coalesce(r.country, -1) = coalesce(w.country, -1) and coalesce(r.service, '') = coalesce(w.service, '')
    and coalesce(r.starts_at, '-infinity') = coalesce(w.starts_at, '-infinity')
"""


async def owner(desk: Desk, who: str, account_text: str) -> Owner:
    """For whom a rule is, as a form says it: "everybody", "group:3", "brand:2", or "account" and which.

    Refuses: ValidationFailed.
    """
    kind, _, number = who.partition(":")
    if kind == "account":
        async with desk.db.connection() as tx:
            return Owner(customer_id=(await account(tx, account_text)).id)
    known = await names(desk)
    groups, brands = {str(each.id) for each in known.groups}, {str(each.id) for each in known.brands}
    if kind == "group" and number in groups:
        return Owner(group_id=int(number))
    if kind == "brand" and number in brands:
        return Owner(brand_id=int(number))
    if who != "everybody":
        raise ValidationFailed("Choose for whom it is", field="who")
    return EVERYBODY


def who(found: Owner) -> str:
    """The same back."""
    if found.customer_id is not None:
        return "account"
    if found.group_id is not None:
        return f"group:{found.group_id}"
    return "everybody" if found.brand_id is None else f"brand:{found.brand_id}"
