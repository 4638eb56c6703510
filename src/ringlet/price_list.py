"""What a customer pays: rules from general to particular, and for each aspect of a price the most particular one decides.

From general to particular: all, country, service, country and service; the same again for a brand, for an account
group, and for one customer. The aspects, in the order in which they make a price:

    base         a markup on the cost (0.30 for 30 %), or a price of its own
    fixed        an amount on top, unless a price of its own is at least as particular
    below_cost   1 allows a loss; otherwise a price is never below the cost
    min_margin   at least so much above the cost
    rounding     up to a multiple

Without a rule a customer pays the cost.

Where a reseller owns the brand, what the reseller pays stands in the cost's place: the rules of the brand, and of
groups and customers in it, make a price out of that, and none of them allows a price below it. Decision 30.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TypeAlias

import msgspec

from ringlet import money
from ringlet.brands import HOUSE
from ringlet.errors import ServiceUnavailable

KINDS = ("markup", "price", "fixed", "min_margin", "rounding", "below_cost")
RECIPES_MAX = 50_000  # kept for cells that were asked for, some ten megabytes
NOTHING = Decimal(0)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class PriceRule(msgspec.Struct, frozen=True):
    """`kind` is one of KINDS; None means "any", or for a time "always"."""

    id: int
    customer_id: int | None
    group_id: int | None
    country: int | None
    service: str | None
    kind: str
    value: Decimal
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    brand_id: int | None = None

    @property
    def aspect(self) -> str:
        """What it decides about: a markup and a price of its own contradict each other."""
        return "base" if self.kind in {"markup", "price"} else self.kind

    def particularity(self) -> int:
        """How narrow the rule is: a customer counts more than a group, then a brand, then a service, then a country."""
        return (
            16 * (self.customer_id is not None)
            + 8 * (self.group_id is not None)
            + 4 * (self.brand_id is not None)
            + 2 * (self.service is not None)
            + (self.country is not None)
        )

    def rank(self) -> tuple[int, datetime, int]:
        """General first; of two that are equally particular the one that began later decides."""
        return self.particularity(), self.starts_at or _LONG_AGO, self.id


class Payer(msgspec.Struct, frozen=True):
    """Whose rules count beside those for everybody: a customer with rules of his own, a group or a brand that matters."""

    customer_id: int | None
    group_id: int | None
    brand_id: int | None = None


class Reseller(msgspec.Struct, frozen=True):
    """Who owns a brand's shop, and the live wallet that gets the shares."""

    customer_id: int
    wallet_id: int


#: None: only the rules for everybody count. All customers with one view pay the same.
View: TypeAlias = Payer | None


class Step(msgspec.Struct, frozen=True):
    """One rule that fits a cell, and the price with it and all more general ones; `rule` None is the cost as floor.

    `overruled_by` is the rule that decides in its stead. Prices are None when no cost was given.
    """

    rule: PriceRule | None
    applies: bool
    overruled_by: int | None
    price: Decimal | None


class Recipe:
    """How the rules for one cell turn a cost into a price."""

    __slots__ = ("factor", "flat", "loss_allowed", "margin", "step", "top")

    def __init__(self, rules: Mapping[str, PriceRule], *, floor: bool = True) -> None:
        """`rules`: the deciding one by aspect. `floor`: a price below the cost needs a rule that allows it."""
        base, below_cost = rules.get("base"), rules.get("below_cost")
        self.factor = 1 + base.value if base is not None and base.kind == "markup" else Decimal(1)
        self.top = _value(rules.get("fixed")) if _is_added(rules) else NOTHING
        #: the price before the floor when it does not depend on the cost
        self.flat = money.price(base.value + self.top) if base is not None and base.kind == "price" else None
        self.loss_allowed = not floor or _value(below_cost) > 0
        #: None: the cost does not hold the price up
        self.margin = _value(rules.get("min_margin")) or (None if self.loss_allowed else NOTHING)
        self.step = _value(rules.get("rounding"))

    def price(self, cost: Decimal) -> Decimal:
        """The price at seven places for a number of this cost."""
        price = self.flat
        if price is None:
            price = money.price(cost * self.factor + self.top if self.top else cost * self.factor)
        if self.margin is not None and price < (cost + self.margin if self.margin else cost):
            # The cost is rounded up: half-even could end a fraction below it.
            price = money.plain(cost.quantize(money.PRICE_STEP, rounding=ROUND_CEILING) + self.margin)
        if self.step and (rest := price % self.step):
            price = money.plain(price + self.step - rest)
        return price


def _value(rule: PriceRule | None) -> Decimal:
    return NOTHING if rule is None else rule.value


def _is_added(rules: Mapping[str, PriceRule]) -> bool:
    """Whether the fixed amount comes on top: not on a price of its own that is at least as particular."""
    base, fixed = rules.get("base"), rules.get("fixed")
    if base is None or fixed is None or base.kind != "price":
        return fixed is not None
    return fixed.particularity() > base.particularity()


def _deciding(rules: Iterable[PriceRule]) -> dict[str, PriceRule]:
    """The rule that decides each aspect, of rules in order, general first."""
    return {rule.aspect: rule for rule in rules}


class PriceList:
    """The rules in force, asked for one view at a time. What it says never changes; a newer one takes its place."""

    def __init__(
        self,
        rules: Iterable[PriceRule],
        *,
        members: Mapping[int, int] | None = None,
        list_price_groups: Iterable[int] = (),
        as_of: datetime | None = None,
        next_change_at: datetime | None = None,
        brands: Mapping[int, Reseller | None] | None = None,
        apart: Iterable[int] = (),
    ) -> None:
        """`members`: customer → group, for the groups that matter. `list_price_groups`: see the list price as
        base_price. `brands`: every brand → who resells there, None where the operator sells. `apart`: customers who
        are not sold the same as others.
        """
        self.rules = tuple(sorted(rules, key=PriceRule.rank))
        self.members = dict(members or {})
        self.list_price_groups = frozenset(list_price_groups)
        #: the database's clock when this was read, and when a rule begins or ends next by that clock
        self.as_of = as_of
        self.next_change_at = next_change_at
        self.brands: dict[int, Reseller | None] = dict(brands or {HOUSE: None})
        self.apart = frozenset(apart)
        self._by_scope: dict[
            tuple[int | None, int | None, int | None, int | None, str | None], list[PriceRule]
        ]
        self._by_scope = defaultdict(list)
        for rule in self.rules:
            owner = rule.customer_id, rule.group_id, rule.brand_id
            self._by_scope[*owner, rule.country, rule.service].append(rule)
        self._countries = {rule.country for rule in self.rules if rule.country is not None}
        self._services = {rule.service for rule in self.rules if rule.service is not None}
        self._views = self._make_views()
        self._brand_views = self._make_brand_views()
        #: one for all the cells that no rule tells apart
        self._recipes: dict[tuple[View, int | None, str | None], Recipe] = {}

    def __eq__(self, other: object) -> bool:
        """Whether everybody pays and sees the same, and until the same moment."""
        return isinstance(other, PriceList) and self._content() == other._content()

    __hash__ = None  # type: ignore[assignment] # a list that is compared by its content

    def _content(self) -> tuple[object, ...]:
        return self.rules, self.members, self.list_price_groups, self.next_change_at, self.brands, self.apart

    def _make_views(self) -> dict[int, Payer]:
        groups = {group: Payer(None, group) for group in set(self.members.values())}
        views = {customer: groups[group] for customer, group in self.members.items()}
        own = {rule.customer_id for rule in self.rules if rule.customer_id is not None} | self.apart
        return views | {customer: Payer(customer, self.members.get(customer)) for customer in own}

    def _make_brand_views(self) -> dict[int, Payer]:
        own = {rule.brand_id for rule in self.rules if rule.brand_id is not None}
        resold = {brand for brand, reseller in self.brands.items() if reseller is not None}
        return {brand: Payer(None, None, brand) for brand in own | resold}

    def changes_in_s(self) -> float:
        """Seconds from the load until a rule begins or ends, by the database's clock."""
        if self.next_change_at is None or self.as_of is None:
            return float("inf")
        return (self.next_change_at - self.as_of).total_seconds()

    def view(self, customer_id: int, brand_id: int) -> View:
        """Customers without rules of their own, of their group or of their brand share one price table: the view None.

        Refuses: ServiceUnavailable, for a brand that is newer than this list: its prices are not known yet.
        """
        if brand_id not in self.brands:
            raise ServiceUnavailable
        own, brand = self._views.get(customer_id), self._brand_views.get(brand_id)
        if own is None or brand is None:
            return own or brand
        return Payer(own.customer_id, own.group_id, brand_id)

    def reseller(self, view: View) -> Reseller | None:
        """Who owns the brand of this view; None where the operator sells."""
        return None if view is None or view.brand_id is None else self.brands.get(view.brand_id)

    def reseller_view(self, view: View) -> View:
        """How the reseller of this view pays himself."""
        reseller = self.reseller(view)
        return None if reseller is None else self.view(reseller.customer_id, HOUSE)

    def wholesale(self, view: View, country: int, service: str, cost: Decimal) -> Decimal | None:
        """What the reseller pays for what he sells to this customer; None where the operator sells."""
        if self.reseller(view) is None:
            return None
        return self.sell_price(self.reseller_view(view), country, service, cost)

    def sell_price(self, view: View, country: int, service: str, cost: Decimal) -> Decimal:
        """The price at seven places that this customer pays for a number that costs `cost`."""
        return self._recipe(view, country, service).price(self._basis(view, country, service, cost))

    def _basis(self, view: View, country: int, service: str, cost: Decimal) -> Decimal:
        """What the rules for this customer make a price of: the cost, or what the reseller pays."""
        wholesale = self.wholesale(view, country, service, cost)
        return cost if wholesale is None else wholesale

    def shown_base_price(self, view: View, country: int, service: str, cost: Decimal) -> Decimal:
        """What this customer is told as base_price: the cost; for some groups, and where a reseller sells, the
        list price.
        """
        if view is None or (view.group_id not in self.list_price_groups and self.reseller(view) is None):
            return cost
        listed = None if view.brand_id is None else self._brand_views[view.brand_id]
        return self.sell_price(listed, country, service, cost)

    def cost_max(self, view: View, country: int, service: str, sell_price: Decimal) -> Decimal:
        """The highest cost at which a number may still be sold at `sell_price`; where a loss is allowed any. Where a
        reseller sells, the highest price that he may pay himself.
        """
        recipe = self._recipe(view, country, service)
        if recipe.loss_allowed:
            return money.PRICE_MAX
        return sell_price - (recipe.margin or NOTHING)

    def rule(self, view: View, country: int, service: str, aspect: str = "base") -> PriceRule | None:
        """The most particular rule about this aspect for one cell."""
        return _deciding(self._fitting(view, country, service)).get(aspect)

    def explain(self, view: View, country: int, service: str, cost: Decimal | None = None) -> list[Step]:
        """Every rule that fits the cell, general first, with the price up to it; last the cost as the floor,
        unless a loss is allowed. The last price is the one that is paid. Where a reseller sells, the cost is what he
        pays.
        """
        fitting = self._fitting(view, country, service)
        deciding = _deciding(fitting)
        paid = None if cost is None else self.sell_price(view, country, service, cost)
        cost = None if cost is None else self._basis(view, country, service, cost)
        steps, price = [], cost
        for index, rule in enumerate(fitting):
            if cost is not None:
                price = Recipe(_deciding(fitting[: index + 1]), floor=False).price(cost)
            by = _overruling(rule, deciding)
            steps.append(Step(rule, by is None, by.id if by is not None else None, price))
        if Recipe(deciding).loss_allowed:
            return steps
        return [*steps, Step(None, paid != price, None, paid)]

    def _recipe(self, view: View, country: int, service: str) -> Recipe:
        kind = (
            view,
            country if country in self._countries else None,
            service if service in self._services else None,
        )
        recipe = self._recipes.get(kind)
        if recipe is None:
            if len(self._recipes) >= RECIPES_MAX:
                self._recipes.clear()
            recipe = self._recipes[kind] = Recipe(_deciding(self._fitting(*kind)))
        return recipe

    def _fitting(self, view: View, country: int | None, service: str | None) -> list[PriceRule]:
        """Every rule for this cell, general first."""
        resold = self.reseller(view) is not None
        # Those for everybody made the reseller's own price already.
        owners: list[tuple[int | None, int | None, int | None]] = [] if resold else [(None, None, None)]
        if view is not None and view.brand_id is not None:
            owners.append((None, None, view.brand_id))
        if view is not None and view.group_id is not None:
            owners.append((None, view.group_id, None))
        if view is not None and view.customer_id is not None:
            owners.append((view.customer_id, None, None))
        scopes = ((None, None), (country, None), (None, service), (country, service))
        keys = dict.fromkeys((*owner, *scope) for owner in owners for scope in scopes)
        found = [rule for key in keys for rule in self._by_scope.get(key, ())]
        # A share below nothing would be the operator's loss.
        return [rule for rule in found if rule.kind != "below_cost"] if resold else found


def _overruling(rule: PriceRule, deciding: Mapping[str, PriceRule]) -> PriceRule | None:
    """The rule that decides instead of this one."""
    if deciding[rule.aspect] is not rule:
        return deciding[rule.aspect]
    return deciding["base"] if rule.aspect == "fixed" and not _is_added(deciding) else None
