"""A reseller looks after his shop: what it sells at, who its customers are, what it has earned.

A reseller changes the rules of his own brand alone: markup or price, for everything or for one service or country.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, canon, pricing
from ringlet.acts import Actor
from ringlet.backoffice import brands, pricing_change
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce

KINDS = ("markup", "price", "fixed")
MARKUP_MAX = 100
RULES_MAX = 500
COUNTED_MAX = 10_000
PART = 50


class Rule(msgspec.Struct, frozen=True):
    """One rule of the shop; None: for every country, for every service."""

    id: int
    country: int | None
    service: str | None
    kind: str
    value: Decimal


class Earning(msgspec.Struct, frozen=True):
    """One sale that brought its code; `posted_at` None: it comes in a moment, `returned_at`: it was refunded later."""

    activation_id: int
    service: str
    country: int
    paid_micros: int
    share_micros: int
    earned_at: datetime
    is_posted: bool
    returned_at: datetime | None


class Shop(msgspec.Struct, frozen=True):
    """What the owner sees; `customers` stops counting at COUNTED_MAX, `older` is where the next part begins."""

    brand_id: int
    customers: int
    rules: Sequence[Rule]
    earnings: Sequence[Earning]
    older: int | None


async def shop(desk: Desk, customer_id: int, brand_id: int, before: int | None = None) -> Shop:
    """The owner's own shop. Refuses: NotFound (also for somebody else's), ServiceUnavailable."""
    async with desk.db.connection() as tx:
        await _own(tx, customer_id, brand_id)
        counted = await (await tx.execute(_CUSTOMERS, [brand_id, COUNTED_MAX])).fetchone()
        assert counted is not None
        rules = await (
            await tx.cursor(row_factory=args_row(Rule)).execute(_RULES, [brand_id, RULES_MAX])
        ).fetchall()
        values = {"brand": brand_id, "before": before, "limit": PART + 1}
        found = await (await tx.cursor(row_factory=args_row(Earning)).execute(_EARNINGS, values)).fetchall()
    older = found[PART - 1].activation_id if len(found) > PART else None
    return Shop(brand_id, int(counted[0]), rules, found[:PART], older)


_CUSTOMERS: LiteralString = (
    "select count(*) from (select from customer where brand_id = %s and brand_id <> 1 limit %s) as counted"
)

_RULES: LiteralString = """
select id, country, service, kind, value from price_rule where brand_id = %s
order by service nulls first, country nulls first, id limit %s
"""

_EARNINGS: LiteralString = """
select r.activation_id, a.service, a.country, a.amount_micros, r.share_micros, r.earned_at,
    r.posting_id is not null or r.share_micros = 0, r.returned_at
from resale r join activation a on a.id = r.activation_id
where r.brand_id = %(brand)s and r.earned_at is not null
    and (%(before)s::bigint is null or r.activation_id < %(before)s)
order by r.activation_id desc limit %(limit)s
"""


class Buyer(msgspec.Struct, frozen=True):
    """A customer of the shop, with the live balance."""

    id: int
    email: str
    created_at: datetime
    frozen_at: datetime | None
    available_micros: int
    held_micros: int
    currency: str


class Buyers(msgspec.Struct, frozen=True):
    """Customers, the newest first; `older` is the id to go on below."""

    lines: Sequence[Buyer]
    older: int | None


async def buyers(desk: Desk, customer_id: int, brand_id: int, before: int | None = None) -> Buyers:
    """A part of the customers of the owner's shop. Refuses: NotFound (also for somebody else's), ServiceUnavailable."""
    async with desk.db.connection() as tx:
        await _own(tx, customer_id, brand_id)
        values = {"owner": customer_id, "brand": brand_id, "before": before, "limit": PART + 1}
        found = await (await tx.cursor(row_factory=args_row(Buyer)).execute(_BUYERS, values)).fetchall()
    return Buyers(found[:PART], found[PART - 1].id if len(found) > PART else None)


_BUYERS: LiteralString = """
select c.id, c.email, c.created_at, c.frozen_at, a.balance_micros, h.balance_micros, w.currency
from brand b
cross join lateral (
    select * from customer where brand_id = b.id and brand_id <> 1 and (%(before)s::bigint is null or id < %(before)s)
    order by brand_id desc, id desc limit %(limit)s) c
join wallet w on w.customer_id = c.id and w.mode = 'live'
join ledger_account a on a.wallet_id = w.id and a.kind = 'available'
join ledger_account h on h.wallet_id = w.id and h.kind = 'held'
where b.id = %(brand)s and b.customer_id = %(owner)s order by c.id desc
"""


async def _own(tx: Tx, customer_id: int, brand_id: int) -> None:
    """Refuses: NotFound."""
    owned = await tx.execute("select from brand where id = %s and customer_id = %s", [brand_id, customer_id])
    if not owned.rowcount:
        raise NotFound("This shop is not yours")


async def set_price(
    desk: Desk, actor: Actor, customer_id: int, brand_id: int, *, kind: str, value: Decimal, service: str | None,
    country: int | None,
) -> None:  # fmt: skip
    """A rule in force from now on, in the place of the one for the same cells. A price never ends below what the reseller
    pays. Refuses: NotFound (not the owner's), ValidationFailed.
    """
    _check(kind, value, service, country)
    async with desk.db.transaction() as tx:
        # Of the owner's forms that come at once each sees the others' rules counted.
        await tx.execute("select from brand where id = %s for no key update", [brand_id])
        await _own(tx, customer_id, brand_id)
        await pricing_change.begin(tx, actor, "set")
        rule_id = await pricing.set_rule(
            tx, customer_id=None, country=country, service=service, kind=kind, value=value, brand_id=brand_id
        )
        row = await (
            await tx.execute("select count(*) from price_rule where brand_id = %s", [brand_id])
        ).fetchone()
        if row is None or row[0] > RULES_MAX:
            raise ValidationFailed(f"A shop has at most {RULES_MAX} rules: remove one first")
        after = {"kind": kind, "value": value, "service": service, "country": country, "rule": rule_id}
        await acts.write(
            tx, actor, "shop.price_set", f"brand {brand_id}", after=after, customer_id=customer_id
        )
        await announce(tx, "catalogue")


def _check(kind: str, value: Decimal, service: str | None, country: int | None) -> None:
    if kind not in KINDS:
        raise ValidationFailed("Choose one of these rules", field="kind")
    if not value.is_finite() or not 0 <= value <= MARKUP_MAX:
        raise ValidationFailed(f"A number from 0 to {MARKUP_MAX}", field="value")
    if service is not None and service not in canon.services():
        raise ValidationFailed("No such service", field="service")
    if country is not None and country not in canon.countries():
        raise ValidationFailed("No such country", field="country")


async def remove_price(desk: Desk, actor: Actor, customer_id: int, brand_id: int, rule_id: int) -> None:
    """Without it the next more general one counts. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        await _own(tx, customer_id, brand_id)
        await pricing_change.begin(tx, actor, "removed")
        removed = await tx.execute(
            "delete from price_rule where id = %s and brand_id = %s", [rule_id, brand_id]
        )
        if not removed.rowcount:
            raise NotFound("No such rule in this shop")
        await acts.write(
            tx,
            actor,
            "shop.price_removed",
            f"brand {brand_id}",
            before={"rule": rule_id},
            customer_id=customer_id,
        )
        await announce(tx, "catalogue")


async def rename(desk: Desk, actor: Actor, customer_id: int, brand_id: int, name: str) -> None:
    """What the shop is called. Refuses: NotFound, ValidationFailed."""
    name = " ".join(name.split())
    if not name.isprintable() or not 1 <= len(name) <= brands.NAME_LENGTH_MAX:
        raise ValidationFailed(f"A name has 1 to {brands.NAME_LENGTH_MAX} characters", field="name")
    async with brands.changing(desk, brand_id) as (tx, before):
        await _own(tx, customer_id, brand_id)
        await tx.execute("update brand set name = %s where id = %s", [name, brand_id])
        await acts.write(
            tx, actor, "shop.renamed", f"brand {brand_id}", before={"name": before.name}, after={"name": name},
            customer_id=customer_id,
        )  # fmt: skip
