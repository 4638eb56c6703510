"""Sales in a reseller's shop: the customer pays the shop's price, the operator keeps the reseller's, and the difference
is the reseller's, to the micro-unit, once, and only for a code that came.
"""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest

from ringlet import audit, failpoints, ledger
from ringlet.activations import cancel, resale, resend, several
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.errors import ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.pricing import Payer, PriceList, PriceRule, Reseller
from tests.brands_rig import MILLION, ResellersShop, accounts_of, deliver, open_shop, set_rule
from tests.site import Shop
from tests.suppliers_rig import customer, upstream

pytestmark = pytest.mark.usefixtures("breaches")
IG = Order("ig", 6)
#: what the reseller pays for ig in Indonesia, and what his customers pay with 25 % on it
OWN, PAID = 111_489, 139_362


@pytest.fixture
async def resold(desk: Desk, shop: Shop) -> AsyncIterator[ResellersShop]:
    return await open_shop(desk)


async def sold(desk: Desk, wallet: Wallet, source_id: int, sms_id: int = 1) -> int:
    """Buy from own stock and get a code; returns what was paid."""
    bought = await buy(desk, wallet, IG)
    await deliver(desk, source_id, bought.activation.phone, sms_id)
    return bought.activation.amount_micros


async def post(desk: Desk) -> None:
    while await resale.post_due(desk):
        pass


async def test_a_sale_from_own_stock(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """P from the customer, P − R to the reseller, R kept."""
    bought = await buy(desk, resold.customer, IG)
    assert bought.activation.amount_micros == PAID
    assert await accounts_of(desk, resold.customer) == {
        "available": 100 * MILLION - PAID, "held": PAID, "funding": -100 * MILLION,
    }  # fmt: skip
    await post(desk)
    assert await accounts_of(desk, resold.owner) == {}  # nothing before the code
    await deliver(desk, shop.source_id, bought.activation.phone)
    await post(desk)
    assert await accounts_of(desk, resold.owner) == {"available": PAID - OWN, "resale": OWN - PAID}
    paid = await accounts_of(desk, resold.customer)
    assert (paid["revenue"], paid.get("held")) == (PAID, None)
    assert await kept(desk) == (PAID, PAID - OWN, OWN)


async def kept(desk: Desk) -> tuple[int, ...]:
    """Paid, shared and kept of all sales, by the view that reports use."""
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select sum(paid_micros), sum(share_micros), sum(kept_micros) from sale_revenue")
        ).fetchone()
    assert row is not None
    return tuple(int(each) for each in row)


async def test_a_sale_by_a_supplier(desk: Desk) -> None:
    """The same through the saga: the reseller's price is the cost with the operator's margin."""
    await customer(desk)
    resold = await open_shop(desk)
    async with upstream(desk, "first") as up:
        bought = await buy(desk, resold.customer, IG)
        assert bought.activation.amount_micros == 162_500  # 0.10 + 30 %, + 25 %
        up.warehouse.sms(up.only(), "Your Instagram code is 123456", "123456")
        await up.sweep()
        await post(desk)
        assert await accounts_of(desk, resold.owner) == {"available": 32_500, "resale": -32_500}


async def test_what_is_refunded_brings_nothing(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """A cancelled purchase leaves the reseller as he was."""
    bought = await buy(desk, resold.customer, IG)
    await cancel.cancel(desk, resold.customer.id, bought.activation.public_id)
    await post(desk)
    assert await accounts_of(desk, resold.owner) == {}
    assert await accounts_of(desk, resold.customer) == {"available": 100 * MILLION, "funding": -100 * MILLION}


async def test_in_the_operators_own_shop_nothing_is_written(
    desk: Desk, shop: Shop, resold: ResellersShop
) -> None:
    """The reseller himself pays his own price, and nobody gets a share of it."""
    assert await sold(desk, shop.alice, shop.source_id) == OWN
    async with desk.db.connection() as tx:
        assert await (await tx.execute("select count(*) from resale")).fetchone() == (0,)


async def test_both_shops_in_one_statement(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """Sales of one moment are gathered whoever they are for: each has its own price and share."""
    wallets = [shop.alice, resold.customer] * 6
    bought = await asyncio.gather(*(buy(desk, each, IG) for each in wallets))
    for index, each in enumerate(bought):
        await deliver(desk, shop.source_id, each.activation.phone, index + 1)
    await post(desk)
    assert [each.activation.amount_micros for each in bought] == [OWN, PAID] * 6
    assert (await accounts_of(desk, resold.owner))["available"] == 6 * (PAID - OWN)


async def test_several_services_on_one_number(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """Each of them has its share."""
    await several.buy(desk, resold.customer, [IG, Order("wa", 6)])
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select share_micros, earned_at from resale")).fetchall()
    assert rows == [(PAID - OWN, None)] * 2


async def test_another_message_takes_the_share_along(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """Before a code the hold moves over, and the share with it; after one another message is free and shares nothing."""
    first = (await buy(desk, resold.customer, IG)).activation
    second = (await resend.resend(desk, resold.customer, first.public_id)).activation
    await deliver(desk, shop.source_id, second.phone)
    third = (await resend.resend(desk, resold.customer, second.public_id)).activation
    await deliver(desk, shop.source_id, third.phone, 2)
    await post(desk)
    assert (third.amount_micros, (await accounts_of(desk, resold.owner))["available"]) == (0, PAID - OWN)


async def test_a_key_buys_and_shares_once(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """A repeated request is no second sale."""
    once = Once(resold.customer.id, "one", b"f" * 32)
    twice = [await buy(desk, resold.customer, IG, once) for _ in range(2)]
    assert [each.replayed for each in twice] == [False, True]
    async with desk.db.connection() as tx:
        assert await (await tx.execute("select count(*) from resale")).fetchone() == (1,)


@pytest.mark.parametrize(
    ("kind", "value", "price"),
    [
        ("markup", "0", OWN),
        ("price", "0.05", OWN),
        ("price", "2", 2_000_000),
        ("fixed", "0.01", OWN + 10_000),
    ],
)
async def test_never_below_the_resellers_own_price(
    desk: Desk, shop: Shop, resold: ResellersShop, kind: str, value: str, price: int
) -> None:
    """Whatever the shop's rules say, the operator gets R and the share is not below nothing."""
    async with desk.db.transaction() as tx:
        await tx.execute("delete from price_rule where brand_id = %s", [resold.brand_id])
    await set_rule(desk, resold.brand_id, kind, value)
    await set_rule(desk, resold.brand_id, "below_cost", "1")
    assert abs(await sold(desk, resold.customer, shop.source_id) - price) <= 1
    await post(desk)
    assert (await kept(desk))[2] == OWN


async def test_crashes_around_the_capture_and_the_share(
    desk: Desk, shop: Shop, resold: ResellersShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with everything written and nothing committed, again and again: at the end it is there once."""
    bought = await buy(desk, resold.customer, IG)
    dying = resale.earn

    async def die(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(resale, "earn", die)
    with pytest.raises((ConnectionResetError, ServiceUnavailable)):
        await deliver(desk, shop.source_id, bought.activation.phone)
    monkeypatch.setattr(resale, "earn", dying)
    assert (await accounts_of(desk, resold.customer))["held"] == PAID  # no capture without its share
    await deliver(desk, shop.source_id, bought.activation.phone)

    def fall(place: str) -> None:
        if place == "shares_posted":
            raise ConnectionResetError

    monkeypatch.setattr(failpoints, "reach", fall)
    for _ in range(3):
        with pytest.raises((ConnectionResetError, ServiceUnavailable)):
            await resale.post_due(desk)
        assert await accounts_of(desk, resold.owner) == {}
    monkeypatch.undo()
    assert [await resale.post_due(desk) for _ in range(3)] == [1, 0, 0]
    assert (await accounts_of(desk, resold.owner))["available"] == PAID - OWN


async def test_many_workers_post_each_share_once(desk: Desk, shop: Shop, resold: ResellersShop) -> None:
    """Twelve shares, six workers at once."""
    for index in range(12):
        await sold(desk, resold.customer, shop.source_id, index + 1)
    posted = await asyncio.gather(*(resale.post_due(desk) for _ in range(6)))
    assert sum(posted) == 12
    assert (await accounts_of(desk, resold.owner))["available"] == 12 * (PAID - OWN)


async def test_a_refund_after_the_code_takes_the_share_back(
    desk: Desk, shop: Shop, resold: ResellersShop
) -> None:
    """Before it was posted and after, and when the reseller has spent it: then it waits for the next earnings."""
    await sold(desk, resold.customer, shop.source_id, 1)
    await refund(desk, resold.customer)
    await post(desk)
    assert await accounts_of(desk, resold.owner) == {}
    await sold(desk, resold.customer, shop.source_id, 2)
    await post(desk)
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, resold.owner, PAID - OWN, actor="test", reason="paid out")
    await refund(desk, resold.customer)
    assert await resale.post_returns(desk) == 0
    await sold(desk, resold.customer, shop.source_id, 3)
    await post(desk)
    assert await resale.post_returns(desk) == 1
    owner = await accounts_of(desk, resold.owner)
    assert (owner.get("available"), owner["resale"], owner["funding"]) == (None, OWN - PAID, PAID - OWN)


async def refund(desk: Desk, wallet: Wallet) -> None:
    """Give the money of the newest sale back, as the operator does."""
    async with desk.db.transaction() as tx:
        row = await (
            await tx.execute(
                "select id, amount_micros from activation where wallet_id = %s order by id desc", [wallet.id]
            )
        ).fetchone()
        assert row is not None
        await ledger.refund(tx, wallet, row[1], row[0], actor="test", reason="test")
        await resale.take_back(tx, wallet, row[0])


async def test_a_brand_that_is_newer_than_the_price_list_does_not_sell(desk: Desk, shop: Shop) -> None:
    """A process that has not heard of a shop must not sell at the operator's prices there, without a share."""
    stale = desk.prices.rules
    resold = await open_shop(desk)
    desk.prices.rules = stale
    with pytest.raises(ServiceUnavailable):
        await buy(desk, resold.customer, IG)


@pytest.mark.parametrize(
    "harm",
    [
        "delete from resale",
        "update resale set share_micros = share_micros + 1",
        "update resale set earned_at = null, posting_id = null",
        "update resale set posting_id = null, earned_at = now() - interval '1 hour'",
        "update resale set posting_id = 1",
        "update resale set returned_at = now()",
        "update resale set wallet_id = 1",
    ],
)
async def test_the_audit_finds(
    desk: Desk, shop: Shop, resold: ResellersShop, database_url: str, harm: str
) -> None:
    """What is wrong with a share is told."""
    await sold(desk, resold.customer, shop.source_id)
    await post(desk)
    assert audit.run(database_url) == []
    with psycopg.connect(database_url) as connection:
        before = connection.execute("select * from resale").fetchall()
        connection.execute(harm.encode())
    assert "I15" in {each.invariant for each in audit.run(database_url)}
    with psycopg.connect(database_url) as connection:
        connection.execute("delete from resale")
        marks = ",".join(["%s"] * len(before[0]))
        connection.execute(f"insert into resale values ({marks})".encode(), before[0])


def test_prices_of_a_brand_make_one_more_scope() -> None:
    """Between everybody and a group in the operator's brand; out of the reseller's own price in a reseller's."""
    rules = [
        PriceRule(1, None, None, None, None, "markup", Decimal(1)),
        PriceRule(2, None, None, None, None, "markup", Decimal("0.5"), brand_id=2),
        PriceRule(3, None, 9, None, None, "fixed", Decimal(1)),
        PriceRule(4, None, None, None, None, "markup", Decimal("0.1"), brand_id=3),
        PriceRule(5, 70, None, None, None, "markup", Decimal(2)),
    ]
    prices = PriceList(rules, members={5: 9}, brands={1: None, 2: None, 3: Reseller(70, 700), 4: None})

    def price(customer_id: int, brand_id: int) -> Decimal:
        return prices.sell_price(prices.view(customer_id, brand_id), 6, "ig", Decimal(10))

    assert [price(1, 1), price(1, 2), price(5, 2), price(1, 4)] == [20, 15, 16, 20]
    assert [price(70, 1), price(1, 3)] == [30, 33]
    assert prices.view(1, 3) == Payer(None, None, 3)
    assert (
        prices.shown_base_price(prices.view(1, 3), 6, "ig", Decimal(10)) == 33
    )  # the cost is nobody's business
