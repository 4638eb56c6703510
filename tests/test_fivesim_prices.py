"""The price lists in 5sim's shape say what a buy takes."""

import itertools
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from ringlet import pricing
from ringlet.activations.choose import Order, choices
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.success import Rate
from ringlet.web.fivesim.prices import Table
from tests.suppliers_rig import Upstream, customer, upstream
from tests.upstream import row

_ids = itertools.count(1)


@pytest.fixture
async def alice(desk: Desk) -> Wallet:
    return await customer(desk)


@pytest.fixture
async def up(desk: Desk, alice: Wallet) -> AsyncIterator[Upstream]:
    """A supplier of ig that names no operator, at a cost of 0.10."""
    async with upstream(desk, "up") as opened:
        yield opened


async def stock(
    desk: Desk, source_id: int, operator: str, cost: str, available: int | None, *, service: str = "ig",
    country: int = 6,
) -> None:  # fmt: skip
    await row(
        desk,
        "insert into offer (source_id, country, service, operator, base_price, available)"
        " values (%s, %s, %s, %s, %s, %s) returning id",
        source_id, country, service, operator, Decimal(cost), available,
    )  # fmt: skip
    await desk.refresh_prices()


async def owner(desk: Desk) -> int:
    found = await row(
        desk, "insert into source (name, kind) values (%s, 'stock') returning id", f"owner{next(_ids)}"
    )
    return int(found[0])


def read(document: Any) -> Any:
    return json.loads(document.body, parse_float=Decimal)


async def test_every_operator_costs_what_a_buy_of_it_takes(desk: Desk, alice: Wallet, up: Upstream) -> None:
    """Also where a supplier that names no operator is tried before the operator's own numbers."""
    own = await owner(desk)
    for operator, cost, available in (
        ("axis", "0.05", 3), ("axis", "0.30", None), ("three", "0.20", 7), ("smart", "0.01", 0), ("any", "0.08", 2),
    ):  # fmt: skip
        await stock(desk, own if cost != "0.30" else await owner(desk), operator, cost, available)
    lines = read(Table(desk, None).cell(6, "ig"))["indonesia"]["instagram"]
    assert lines.keys() == {"any", "axis", "smart", "three"}
    for operator, line in lines.items():
        operators = () if operator == "any" else (operator,)
        assert line["cost"] == choices(desk, alice, Order("ig", 6, operators=operators))[0].price
    assert {operator: line["count"] for operator, line in lines.items()} == {
        "any": 12, "axis": 3, "smart": 0, "three": 7,
    }  # fmt: skip


async def test_an_unknown_stock_counts_as_one(desk: Desk, up: Upstream) -> None:
    """Programs look for a count above zero, and a source that does not say may have numbers."""
    await stock(desk, await owner(desk), "axis", "0.05", None)
    assert read(Table(desk, None).cell(6, "ig"))["indonesia"]["instagram"]["axis"]["count"] == 1


@pytest.mark.parametrize(
    ("orders", "codes", "rate"), [(100, 54, 54), (30, 10, Decimal("33.33")), (100, 19, None), (20, 21, 100)]
)
async def test_the_rate_is_a_percentage(
    desk: Desk, up: Upstream, orders: int, codes: int, rate: Decimal | None
) -> None:
    """Left out where it is low, never above a hundred."""
    desk.prices.rates[up.supplier.terms.source_id, 6, "ig", "any"] = Rate(orders, codes, 10.0)
    assert read(Table(desk, None).cell(6, "ig"))["indonesia"]["instagram"]["any"].get("rate") == rate


async def test_lists_follow_what_changes(desk: Desk, up: Upstream) -> None:
    """Offers, rules and suppliers: the next list has them, all shapes alike."""
    table = Table(desk, None)
    before = read(await table.full())
    assert before == read(table.country(6))
    async with desk.db.transaction() as tx:
        await pricing.set_rule(
            tx, customer_id=None, country=None, service=None, kind="markup", value=Decimal(1)
        )
    await stock(desk, await owner(desk), "axis", "0.01", 5, country=16)
    await desk.refresh_prices()
    await table.full()  # the last list is the answer while the next is made
    assert table._building is not None
    await table._building
    after = read(await table.full())
    assert after["indonesia"]["instagram"]["any"]["cost"] == Decimal("0.2")
    assert after["england"]["instagram"] == read(table.service("ig"))["instagram"]["england"]
    assert read(table.service("ig"))["instagram"]["england"]["axis"]["cost"] == Decimal("0.02")
    products = read(await table.products(None, "any"))
    assert (products["instagram"]["Qty"], products["instagram"]["Price"]) == (15, Decimal("0.02"))
    assert read(await table.products(6, "axis"))["instagram"]["Price"] == Decimal("0.2")


async def test_nothing_on_sale_is_null(desk: Desk) -> None:
    """As the protocol has it, and an empty list of products."""
    table = Table(desk, None)
    assert read(await table.full()) is None
    assert read(table.country(6)) is None
    assert read(table.service("ig")) is None
    assert read(await table.products(None, "any")) == {}
