"""Which supplier is asked first, and when one is not asked at all."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ringlet import success
from ringlet.activations import quote
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import NoNumbers, NotFound
from ringlet.ledger import Wallet
from ringlet.suppliers import book
from ringlet.supplying import enlist, money
from tests.suppliers_rig import Upstream, customer, set_back, upstream

pytestmark = pytest.mark.usefixtures("breaches")
IG = Order("ig", 6)


@pytest.fixture
async def alice(desk: Desk) -> Wallet:
    return await customer(desk)


@pytest.fixture
async def cheap(desk: Desk, alice: Wallet) -> AsyncIterator[Upstream]:
    async with upstream(desk, "cheap") as up:
        yield up


@pytest.fixture
async def dear(desk: Desk, cheap: Upstream) -> AsyncIterator[Upstream]:
    async with upstream(desk, "dear", cost="0.12") as up:
        yield up


async def price(desk: Desk, wallet: Wallet) -> Decimal:
    return quote.quote(desk, wallet, 6, "ig").sell_price


async def notes(desk: Desk, up: Upstream, orders: int, codes: int) -> None:
    """As if so many orders had ended there today."""
    async with desk.db.transaction() as tx:
        await tx.execute(
            "insert into success_tally (source_id, country, service, operator, hour, orders, codes, code_seconds)"
            " values (%s, 6, 'ig', 'any', date_trunc('hour', now()), %s, %s, %s)",
            [up.supplier.terms.source_id, orders, codes, 20.0 * codes],
        )
    desk.prices.rates_at = float("-inf")
    await desk.refresh_prices()


async def test_the_cheapest_comes_first(desk: Desk, alice: Wallet, cheap: Upstream, dear: Upstream) -> None:
    """While nothing is known about success the price decides."""
    assert await price(desk, alice) == Decimal("0.13")


async def test_a_better_success_rate_outweighs_a_small_difference(
    desk: Desk, alice: Wallet, cheap: Upstream, dear: Upstream
) -> None:
    """What counts is the expected price of a code; the price list shows the offer that will be tried."""
    await notes(desk, cheap, 100, 20)
    await notes(desk, dear, 100, 80)
    assert await price(desk, alice) == Decimal("0.156")
    assert (await buy(desk, alice, IG)).activation.source_id == dear.supplier.terms.source_id


async def test_few_orders_say_nothing(desk: Desk, alice: Wallet, cheap: Upstream, dear: Upstream) -> None:
    """Bad luck with a handful of orders does not move an offer."""
    await notes(desk, cheap, success.ORDERS_MIN - 1, 0)
    assert await price(desk, alice) == Decimal("0.13")


async def test_the_operators_weight_counts(
    desk: Desk, alice: Wallet, cheap: Upstream, dear: Upstream
) -> None:
    """An operator may prefer a dearer supplier."""
    await enlist.change(desk, "dear", weight=Decimal(2))
    await desk.refresh_prices()
    assert await price(desk, alice) == Decimal("0.156")


async def test_ends_are_summed_up_by_hour(desk: Desk, alice: Wallet, cheap: Upstream) -> None:
    """A code and an expiry become two orders and one code, once, whatever the number of workers."""
    await buy(desk, alice, IG)
    cheap.warehouse.sms(cheap.only(), "Your code is 123456", "123456")
    await cheap.sweep()
    await asyncio.gather(*(_fold(desk) for _ in range(3)))
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select orders, codes from success_tally")).fetchone()
        left = await (await tx.execute("select count(*) from outcome")).fetchone()
    assert (row, left) == ((1, 1), (0,))


async def _fold(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        await success.fold(tx)


async def test_a_paused_supplier_sells_nothing(desk: Desk, alice: Wallet, cheap: Upstream) -> None:
    """Neither on the price list nor in a buy."""
    await enlist.pause(desk, "cheap")
    await desk.refresh_prices()
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)
    with pytest.raises(NotFound):
        await price(desk, alice)


async def test_a_supplier_that_stops_answering_is_not_offered(
    desk: Desk, alice: Wallet, cheap: Upstream
) -> None:
    """Its prices are older than the operator allows."""
    async with desk.db.transaction() as tx:
        await tx.execute("update supplier set synced_at = now() - interval '16 minutes'")
    await desk.refresh_prices()
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)


async def test_the_exposure_cap_stops_sales(desk: Desk, alice: Wallet, cheap: Upstream) -> None:
    """What is open at one supplier is at risk with it: above the cap it is not offered until something ends."""
    await enlist.change(desk, "cheap", exposure_cap_micros=200_000)
    await desk.refresh_prices()
    for _ in range(2):
        await buy(desk, alice, IG)
    await money.refresh_exposure(desk)
    await desk.refresh_prices()
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)
    ref = next(iter(cheap.warehouse.allotments))
    cheap.warehouse.cancel(ref)
    await set_back(desk, 30)
    await cheap.sweep()
    await money.refresh_exposure(desk)
    await desk.refresh_prices()
    assert (await buy(desk, alice, IG)).activation.state == State.WAITING


async def test_the_circuit_opens_after_a_row_of_failures(
    desk: Desk, alice: Wallet, cheap: Upstream, dear: Upstream
) -> None:
    """At most ten customers meet a broken supplier; the others go to the next one at once, in every process."""
    cheap.warehouse.faults = {"garbage": 1.0}
    unknown = 0
    for _ in range(12):
        bought = await buy(desk, alice, IG)
        unknown += bought.activation.state == State.ORDERING
    assert unknown == book.FAILURES_MAX <= 10
    assert len(dear.warehouse.allotments) == 12 - unknown
    async with desk.db.connection() as tx:
        (terms, _) = await book.load(tx)
    assert not terms.is_offered
    await set_back(desk, 60)
    await cheap.sweep()


@pytest.mark.parametrize("reason", ["no_balance", "limited"])
async def test_a_supplier_that_serves_us_no_more_rests(
    desk: Desk, alice: Wallet, cheap: Upstream, dear: Upstream, reason: str
) -> None:
    """No balance there, or too many orders of ours: nobody is offered its numbers for a while."""
    cheap.warehouse.refuse = reason
    assert (await buy(desk, alice, IG)).activation.source_id != 0
    await desk.refresh_prices()
    assert not cheap.supplier.is_offered()
    assert await price(desk, alice) == Decimal("0.156")


async def test_a_price_that_has_risen_is_taken_over(desk: Desk, alice: Wallet, cheap: Upstream) -> None:
    """The supplier wants more than his list said: this buy is refused, the next one pays the new price."""
    cheap.warehouse.stock("6", "ig", "0.20", 10)
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)
    await desk.refresh_prices()
    assert await price(desk, alice) == Decimal("0.26")
    assert (await buy(desk, alice, IG)).activation.amount_micros == 260_000
