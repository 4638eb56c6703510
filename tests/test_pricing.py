"""How a price is made: the aspects, who overrules whom, and what holds for any set of rules."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet import money
from ringlet.pricing import Payer, PriceList, PriceRule

CUSTOMER, GROUP = 7, 3
MEMBER = Payer(CUSTOMER, GROUP)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def rule(kind: str, value: str | Decimal, **scope: Any) -> PriceRule:
    fields = {"id": 0, "customer_id": None, "group_id": None, "country": None, "service": None}
    return PriceRule(**{**fields, "kind": kind, "value": Decimal(value), **scope})


def price_list(*rules: PriceRule) -> PriceList:
    """The rules with ids in their order, and the customer in his group."""
    numbered = [PriceRule(index, *(getattr(each, name) for name in PriceRule.__struct_fields__[1:]))
                for index, each in enumerate(rules, start=1)]  # fmt: skip
    return PriceList(numbered, members={CUSTOMER: GROUP})


def sells(rules: list[PriceRule], cost: str) -> Decimal:
    prices = price_list(*rules)
    return prices.sell_price(prices.view(CUSTOMER, 1), 6, "ig", Decimal(cost))


@pytest.mark.parametrize(
    ("rules", "cost", "price"),
    [
        ([], "0.0334000", "0.0334"),
        ([rule("markup", "0.30")], "0.02", "0.026"),
        ([rule("markup", "2.33800")], "0.0334", "0.1114892"),
        ([rule("price", "0.1114892")], "0.0334", "0.1114892"),
        ([rule("fixed", "0.01")], "0.02", "0.03"),
        ([rule("markup", "0.30"), rule("fixed", "0.01")], "0.02", "0.036"),
        # a price of its own takes the fixed amount only of a more particular rule
        ([rule("price", "0.5"), rule("fixed", "0.01")], "0.02", "0.5"),
        ([rule("price", "0.5", country=6), rule("fixed", "0.01")], "0.02", "0.5"),
        ([rule("price", "0.5"), rule("fixed", "0.01", country=6)], "0.02", "0.51"),
        ([rule("markup", "0.10"), rule("min_margin", "0.005")], "0.02", "0.025"),
        ([rule("markup", "0.50"), rule("min_margin", "0.005")], "0.02", "0.03"),
        ([rule("price", "0.021"), rule("min_margin", "0.005")], "0.02", "0.025"),
        ([rule("markup", "0.30"), rule("rounding", "0.01")], "0.02", "0.03"),
        ([rule("markup", "0.50"), rule("rounding", "0.01")], "0.02", "0.03"),
        ([rule("rounding", "0.01"), rule("min_margin", "0.011")], "0.02", "0.04"),
        ([rule("rounding", "0.01"), rule("rounding", "0", service="ig")], "0.021", "0.021"),
        # never below the cost, unless the operator says so
        ([rule("price", "0.01")], "0.02", "0.02"),
        ([rule("price", "0.01"), rule("below_cost", "1")], "0.02", "0.01"),
        ([rule("price", "0.01"), rule("below_cost", "1"), rule("below_cost", "0", country=6)], "0.02", "0.02"),
        ([rule("price", "0.01"), rule("rounding", "0.015")], "0.02", "0.03"),
        ([rule("price", "0.01"), rule("below_cost", "1"), rule("min_margin", "0.001")], "0.02", "0.021"),
        # half-even would end below a cost of more than seven places
        ([], "0.12345671", "0.1234568"),
        # rules for others
        ([rule("price", "9", customer_id=8), rule("price", "9", group_id=4), rule("price", "9", country=7),
          rule("price", "9", service="wa"), rule("price", "9", country=6, service="wa")], "0.02", "0.02"),
    ],
)  # fmt: skip
def test_each_aspect_does_its_part(rules: list[PriceRule], cost: str, price: str) -> None:
    """Markup, price, fixed amount, margin, rounding and the floor, alone and together, as the decision page says."""
    found = sells(rules, cost)
    assert (found, str(found)) == (Decimal(price), price)


def test_the_more_particular_rule_decides() -> None:
    """All, country, service, both; then the same for the group; then for the customer: each overrules those before."""
    cells: list[dict[str, Any]] = [{}, {"country": 6}, {"service": "ig"}, {"country": 6, "service": "ig"}]
    owners: list[dict[str, Any]] = [{}, {"group_id": GROUP}, {"customer_id": CUSTOMER}]
    rules = [
        rule("price", str(index + 1), **owner, **cell)
        for index, (owner, cell) in enumerate((owner, cell) for owner in owners for cell in cells)
    ]
    for last in range(1, len(rules) + 1):
        # Whatever the order in which they were made.
        assert sells(rules[:last][::-1], "0.02") == last


def test_of_equals_the_one_that_began_later_decides() -> None:
    """A sale for a weekend stands before the rule without times, which counts again afterwards."""
    weekend = rule("markup", "0.10", starts_at=MONDAY, ends_at=MONDAY + timedelta(days=1))
    assert sells([weekend, rule("markup", "0.50")], "0.02") == Decimal("0.022")
    later = rule("price", "0.7", starts_at=MONDAY + timedelta(hours=1))
    assert sells([later, weekend], "0.02") == Decimal("0.7")


def test_customers_without_rules_share_one_view() -> None:
    """A price table is made for each view: only own rules, or those of a group, make another one."""
    prices = PriceList(
        [rule("price", "1", customer_id=7), rule("price", "2", group_id=3)], members={8: 3, 9: 3, 7: 3}
    )
    assert prices.view(1, 1) is None
    assert prices.view(8, 1) == prices.view(9, 1) == Payer(None, 3)
    assert prices.view(7, 1) == Payer(7, 3)
    assert len({prices.view(customer, 1) for customer in range(20)}) == 3


def test_base_price_shows_the_list_price_to_some_groups() -> None:
    """Cost or list, by a setting of the group; what is paid is the same."""
    rules = [rule("markup", "0.50"), rule("markup", "0.10", group_id=GROUP)]
    cost = Decimal("0.02")
    for shown, groups in (("0.02", []), ("0.03", [GROUP])):
        prices = PriceList(rules, members={CUSTOMER: GROUP}, list_price_groups=groups)
        assert prices.shown_base_price(prices.view(CUSTOMER, 1), 6, "ig", cost) == Decimal(shown)
        assert prices.shown_base_price(None, 6, "ig", cost) == cost
        assert prices.sell_price(prices.view(CUSTOMER, 1), 6, "ig", cost) == Decimal("0.022")


def test_the_explanation_names_who_overruled_whom() -> None:
    """General first, each with the price up to it; the floor comes last and says whether it changed anything."""
    prices = price_list(
        rule("markup", "0.30"), rule("fixed", "0.01"), rule("price", "0.015", service="ig"),
        rule("price", "3", service="wa"),
    )  # fmt: skip
    steps = prices.explain(None, 6, "ig", Decimal("0.02"))
    assert [
        (step.rule and step.rule.id, step.applies, step.overruled_by, str(step.price)) for step in steps
    ] == [
        (1, False, 3, "0.026"),
        (2, False, 3, "0.036"),
        (3, True, None, "0.015"),
        (None, True, None, "0.02"),
    ]
    assert prices.rule(None, 6, "ig") == prices.rules[2]
    assert prices.rule(None, 6, "ig", "rounding") is None
    assert [step.price for step in prices.explain(None, 6, "ig")] == [None] * 4


amounts = st.decimals(0, 3, places=7)
costs = st.decimals(0, 2, places=7) | st.decimals(0, 1, places=10)
scopes = st.fixed_dictionaries(
    {"country": st.sampled_from([None, 6, 7]), "service": st.sampled_from([None, "ig", "wa"])}
)
owners = st.sampled_from([{}, {"group_id": GROUP}, {"customer_id": CUSTOMER}])
kinds = st.sampled_from(["markup", "price", "fixed", "min_margin", "rounding"])
flags = st.builds(lambda value: ("below_cost", Decimal(value)), st.integers(0, 1))
rule_sets = st.lists(
    st.builds(
        lambda what, scope, owner: rule(*what, **scope, **owner),
        st.tuples(kinds, amounts) | flags,
        scopes,
        owners,
    ),
    max_size=8,
)
views = st.sampled_from([None, Payer(None, GROUP), MEMBER])


def is_loss_allowed(prices: PriceList, view: Payer | None) -> bool:
    found = prices.rule(view, 6, "ig", "below_cost")
    return found is not None and found.value == 1


@given(rule_sets, views, costs)
def test_never_below_cost_unless_allowed(rules: list[PriceRule], view: Payer | None, cost: Decimal) -> None:
    """Whatever the rules are, only one that allows a loss makes one, and the minimum margin always holds."""
    prices = price_list(*rules)
    price = prices.sell_price(view, 6, "ig", cost)
    assert price == money.price(price), "seven places"
    assert is_loss_allowed(prices, view) or price >= cost
    margin = prices.rule(view, 6, "ig", "min_margin")
    assert margin is None or not margin.value or price >= cost + margin.value


@given(rule_sets, views, costs, costs)
def test_cost_max_agrees_with_the_price(
    rules: list[PriceRule], view: Payer | None, cost: Decimal, other: Decimal
) -> None:
    """A number may cost up to `cost_max` when it is sold at this price, exactly as the rules allow."""
    prices = price_list(*rules)
    price = prices.sell_price(view, 6, "ig", cost)
    cost_max = prices.cost_max(view, 6, "ig", price)
    margin = prices.rule(view, 6, "ig", "min_margin")
    allowed = is_loss_allowed(prices, view) or price >= other + (margin.value if margin else 0)
    assert cost <= cost_max
    assert (other <= cost_max) == allowed


@given(rule_sets, views, costs)
def test_rounding_makes_a_multiple(rules: list[PriceRule], view: Payer | None, cost: Decimal) -> None:
    """Margin and floor are inside the rounding: the price that is shown is a multiple, whatever held it up."""
    prices = price_list(*rules)
    rounding = prices.rule(view, 6, "ig", "rounding")
    if rounding is not None and rounding.value:
        assert prices.sell_price(view, 6, "ig", cost) % rounding.value == 0


@given(rule_sets, views, costs)
def test_the_explanation_ends_with_the_price(
    rules: list[PriceRule], view: Payer | None, cost: Decimal
) -> None:
    """What is explained is what is paid, and it lists every rule that fits, general first."""
    prices = price_list(*rules)
    steps = prices.explain(view, 6, "ig", cost)
    assert steps[-1].price == prices.sell_price(view, 6, "ig", cost)
    ranks = [step.rule.rank() for step in steps if step.rule]
    assert ranks == sorted(ranks)
    own = {None} if view is None else {None, view.customer_id}
    groups = {None} if view is None else {None, view.group_id}
    assert len(ranks) == sum(
        each.customer_id in own and each.group_id in groups and each.country in {None, 6}
        and each.service in {None, "ig"} for each in prices.rules
    )  # fmt: skip


@given(rule_sets, amounts, costs)
def test_the_most_particular_price_wins(rules: list[PriceRule], value: Decimal, cost: Decimal) -> None:
    """Nothing more general changes a price for one customer, service and country, but the floors and the rounding."""
    most = rule("price", value, customer_id=CUSTOMER, country=6, service="ig")
    prices = price_list(*rules, most)
    floors = [each for each in rules if each.kind not in {"markup", "price", "fixed"}]
    decides = prices.rule(MEMBER, 6, "ig")
    assert decides is not None
    assert (decides.kind, decides.value, decides.particularity()) == ("price", value, most.particularity())
    assert prices.sell_price(MEMBER, 6, "ig", cost) == sells([*floors, most], str(cost))
