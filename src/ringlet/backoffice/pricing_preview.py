"""What a wish about prices would do to what customers pay, before it is done: computed by the code that sells."""

import asyncio
import dataclasses
import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString, TypeAlias

import msgspec

from ringlet import canon, pricing
from ringlet.activations import quote
from ringlet.backoffice import pricing_change
from ringlet.backoffice.pricing_plan import Edit, Wish, now_of, plan
from ringlet.backoffice.pricing_rules import EVERYBODY, Asked, Owner, lines_of
from ringlet.catalog import Offer
from ringlet.db import Tx
from ringlet.desk import Desk, Prices
from ringlet.errors import ValidationFailed
from ringlet.pricing import Payer, PriceList, PriceRule, View

CELLS_SHOWN = 50
#: more are only counted: this many take a tenth of a second
CELLS_PRICED = 2_000
OWNERS_PRICED = 5
EDITS_SHOWN = 50
ALL = 10_000_000

Place: TypeAlias = tuple[int | None, str | None]
Offered: TypeAlias = tuple[int, str, tuple[Offer, ...]]


class CellChange(msgspec.Struct, frozen=True):
    """What somebody pays for a service in a country now and then; `cost` is the old offer's. None: not for sale."""

    owner: Owner
    country: int
    service: str
    cost: Decimal
    old: Decimal
    new: Decimal


class Preview(msgspec.Struct, frozen=True):
    """`version` goes back with the wish. Of the edits and cells the first are shown; `cells` counts what is on offer
    where these rules count, `at` when the first of them does, `priced` how many of those were looked at, `changed` how many of them change.
    """

    version: int
    edits: Sequence[Edit]
    edits_all: int
    at: datetime
    shown: Sequence[CellChange]
    cells: int
    priced: int
    changed: int


async def preview(desk: Desk, wish: Wish) -> Preview:
    """What it would do, at the moment when the first of it counts. Refuses: ValidationFailed, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        # First the version: a change that comes between is then refused, not overlooked.
        version = await pricing_change.version(tx)
        edits = [each for each in await plan(tx, wish) if each.is_change]
        if not edits:
            raise ValidationFailed("No rule would change")
        standing = [line.rule for line in await lines_of(tx, Asked(), ALL)]
        base = await pricing.load(tx)
        now = await now_of(tx)
        touched = _touched(edits)
        brands = await _brands(tx, touched)
    at = min(max(now, each.after.starts_at if each.after and each.after.starts_at else now) for each in edits)
    old = _as_of(base, standing, at)
    new = _as_of(base, _edited(standing, edits), at)
    found = {owner: _cells(desk, places) for owner, places in touched.items()}
    shown, priced, changed = await asyncio.to_thread(
        _compare, _with(desk, old), _with(desk, new), brands, found
    )
    cells = sum(count for _, count in found.values())
    return Preview(version, edits[:EDITS_SHOWN], len(edits), at, shown, cells, priced, changed)


def _as_of(base: PriceList, rules: Iterable[PriceRule], at: datetime) -> PriceList:
    """The price list at a moment, with these rules."""
    in_force = [
        rule
        for rule in rules
        if (rule.starts_at is None or rule.starts_at <= at) and (rule.ends_at is None or rule.ends_at > at)
    ]
    return PriceList(
        in_force, members=base.members, list_price_groups=base.list_price_groups, brands=base.brands
    )


def _edited(rules: Sequence[PriceRule], edits: Sequence[Edit]) -> list[PriceRule]:
    gone = {each.before.id for each in edits if each.before is not None}
    top = max((rule.id for rule in rules), default=0)
    put = [each.after for each in edits if each.after is not None]
    # New rules will have numbers above all others: of two that began at one moment the later one decides.
    numbered = [
        rule if rule.id else msgspec.structs.replace(rule, id=top + place)
        for place, rule in enumerate(put, 1)
    ]
    return [rule for rule in rules if rule.id not in gone] + numbered


def _with(desk: Desk, rules: PriceList) -> Desk:
    """The desk as it would be with these rules."""
    prices = Prices(shop=desk.prices.shop, rules=rules, rates=desk.prices.rates)
    return dataclasses.replace(desk, prices=prices)


def _touched(edits: Sequence[Edit]) -> dict[Owner, set[Place]]:
    """Where prices may change, by whom they are for; of many owners the first."""
    found: dict[Owner, set[Place]] = {}
    for rule in (each.rule for each in edits):
        owner = Owner(rule.customer_id, rule.group_id, rule.brand_id)
        if owner in found or len(found) < OWNERS_PRICED:
            found.setdefault(owner, set()).add((rule.country, rule.service))
    return found


def _cells(desk: Desk, places: set[Place]) -> tuple[list[Offered], int]:
    """What is on offer in these places, the best known services first, and how many cells that is."""
    countries = desk.prices.shop.countries
    wanted = (
        countries if any(country is None for country, _ in places) else {country for country, _ in places}
    )
    keys = [
        (country, service)
        for country in wanted
        if country is not None
        for service in countries.get(country, ())
        if {(country, service), (country, None), (None, service), (None, None)} & places
    ]
    first = heapq.nsmallest(CELLS_PRICED, keys, key=_fame)
    return [(*key, tuple(desk.prices.shop.cell(*key))) for key in first], len(keys)


def _fame(key: tuple[int, str]) -> tuple[int, int]:
    service = canon.services().get(key[1])
    return (service.rank if service is not None else 1_000_000, key[0])


def _compare(
    old: Desk, new: Desk, brands: Mapping[int, int], found: Mapping[Owner, tuple[list[Offered], int]]
) -> tuple[list[CellChange], int, int]:
    """The first cells whose price changes, how many were looked at, how many of them change."""
    shown: list[CellChange] = []
    priced = changed = 0
    for owner, (cells, _) in found.items():
        for country, service, offers in cells[: max(CELLS_PRICED // len(found), 1)]:
            priced += 1
            was = quote.best(old, _view(old.prices.rules, owner, brands), offers)
            will = quote.best(new, _view(new.prices.rules, owner, brands), offers)
            if was is None or will is None or was.sell_price == will.sell_price:
                continue
            changed += 1
            if len(shown) < CELLS_SHOWN:
                shown.append(CellChange(owner, country, service, will.cost, was.sell_price, will.sell_price))
    return shown, priced, changed


def _view(rules: PriceList, owner: Owner, brands: Mapping[int, int]) -> View:
    """Whose price is shown for rules of this owner: of the account, a member of the group, anybody in the shop."""
    if owner == EVERYBODY:
        return None
    if owner.customer_id is None:
        return Payer(None, owner.group_id, owner.brand_id)
    brand_id = brands[owner.customer_id]
    has_prices = rules.brands.get(brand_id) is not None or any(
        each.brand_id == brand_id for each in rules.rules
    )
    return Payer(owner.customer_id, rules.members.get(owner.customer_id), brand_id if has_prices else None)


async def _brands(tx: Tx, owners: Iterable[Owner]) -> dict[int, int]:
    """In whose shop the accounts are, by customer."""
    ids = [each.customer_id for each in owners if each.customer_id is not None]
    return dict(await (await tx.execute(_BRANDS_OF, [ids])).fetchall())


_BRANDS_OF: LiteralString = "select id, brand_id from customer where id = any (%s::bigint[])"
