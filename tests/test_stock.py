"""Own stock: loading, shelves, operators, prefixes."""

import csv
import io
from decimal import Decimal

import pytest

from ringlet import canon, stocktaking
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.errors import NoNumbers
from ringlet.stocktaking import BadRow, NumberRow
from ringlet.suppliers import stock
from tests.site import Shop

pytestmark = pytest.mark.usefixtures("breaches")

PRICE = Decimal("0.02")


def read(text: str) -> list[NumberRow | BadRow]:
    return list(
        stocktaking.read_rows(csv.DictReader(io.StringIO("phone,country,operator,services\n" + text)))
    )


def test_a_good_row() -> None:
    """Phone, country, operator and services as they are meant."""
    assert read("+62 895 4062 03932,6,Telkomsel,ig wa\n") == [
        NumberRow("62895406203932", 6, "telkomsel", ("ig", "wa"))
    ]
    assert read("62895406203932,6,,*\n") == [NumberRow("62895406203932", 6, "any", None)]


@pytest.mark.parametrize(
    "row",
    ["12,6,a,ig", "62895406203932,999,a,ig", "62895406203932,0,a,ig", "62895406203932,6,a b,ig", "62895406203932,6,a,",
     "62895406203932,6,a,nope", "62895406203932,6,a,full", "62895406203932,six,a,ig", "x", ""],
)  # fmt: skip
def test_a_bad_row_is_named_and_left_out(row: str) -> None:
    """Each row that cannot be right says where it is and why; the rental is no service."""
    for found in read(row + "\n"):
        assert isinstance(found, BadRow)
        assert found.line == 2
        assert found.why


async def load(desk: Desk, owner: str, *rows: NumberRow) -> list[stocktaking.Loaded]:
    loaded = [each async for each in stocktaking.load(desk, owner, rows, PRICE)]
    await desk.refresh_prices()
    return loaded


async def test_loading_again_adds_what_is_missing(desk: Desk, shop: Shop) -> None:
    """The same file twice changes nothing; a new service of a known number is added."""
    row = NumberRow("4915112345678", 43, "o2", ("ig",))
    assert (await load(desk, "owner", row))[0].added == 1
    assert (await load(desk, "owner", row))[0] == stocktaking.Loaded(added=0, known=1, elsewhere=0)
    await load(desk, "owner", NumberRow("4915112345678", 43, "o2", ("ig", "wa")))
    for service in ("ig", "wa"):
        assert (
            await buy(desk, shop.alice, Order(service=service, country=43))
        ).activation.phone == "4915112345678"
    with pytest.raises(NoNumbers):
        await buy(desk, shop.alice, Order(service="ig", country=43))


async def test_a_number_has_one_owner(desk: Desk, shop: Shop) -> None:
    """A number that another owner loaded first is left out and counted."""
    row = NumberRow("4915112345678", 43, "o2", ("ig",))
    await load(desk, "owner", row)
    assert (await load(desk, "thief", row))[0] == stocktaking.Loaded(added=0, known=0, elsewhere=1)


async def test_a_number_for_every_service(desk: Desk, shop: Shop) -> None:
    """`*` sells any service of the table, each once, also numbers that come after the shelf was opened."""
    await load(desk, "owner", NumberRow("4915112345678", 43, "o2", None))
    for service in ("ig", "lf", "zh"):
        if service in canon.services():
            assert (
                await buy(desk, shop.alice, Order(service=service, country=43))
            ).activation.phone == "4915112345678"
    with pytest.raises(NoNumbers):
        await buy(desk, shop.alice, Order(service="ig", country=43))
    await load(desk, "owner", NumberRow("4915112345679", 43, "o2", None))
    assert (await buy(desk, shop.alice, Order(service="ig", country=43))).activation.phone == "4915112345679"
    assert desk.prices.shop.countries[43]["tg"]


async def test_operators_and_prefixes_narrow_the_choice(desk: Desk, shop: Shop) -> None:
    """Only a wanted operator's numbers, and none that begins with an excluded prefix."""
    await load(
        desk,
        "owner",
        NumberRow("4915112345678", 43, "o2", ("ig",)),
        NumberRow("4917012345678", 43, "telekom", ("ig",)),
    )
    wanted = Order(service="ig", country=43, operators=("telekom",))
    assert (await buy(desk, shop.alice, wanted)).activation.phone == "4917012345678"
    with pytest.raises(NoNumbers):
        await buy(desk, shop.alice, wanted)
    with pytest.raises(NoNumbers):
        await buy(desk, shop.alice, Order(service="ig", country=43, exclude_prefixes=("49151", "1")))
    assert (
        await buy(desk, shop.alice, Order(service="ig", country=43, exclude_prefixes=("49170",)))
    ).activation


async def test_a_rested_number_is_sold_again(desk: Desk, shop: Shop) -> None:
    """When its rest is over the worker puts it back on the shelf."""
    async with desk.db.transaction() as tx:
        await tx.execute("update stock set state = 'resting', due_at = now() - interval '1 second'")
        assert await stock.wake_rested(tx, limit=1_000) == 200
    assert (await buy(desk, shop.alice, Order(service="ig", country=6))).activation


async def test_the_stock_figure_follows(desk: Desk, shop: Shop) -> None:
    """What is available falls with sales, by the worker's count."""
    for _ in range(7):
        await buy(desk, shop.alice, Order(service="ig", country=6))
    async with desk.db.transaction() as tx:
        await stock.count(tx)
    await desk.refresh_prices()
    assert [offer.available for offer in desk.prices.shop.cell(6, "ig")] == [43]
