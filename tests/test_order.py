"""Buying from suppliers: one answer, whatever the supplier does, and the money right on both sides."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ringlet import ledger
from ringlet.activations import browse, cancel, give_back, resend, watch
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.errors import CancelRejected, InsufficientBalance, MaxPriceExceeded, NoNumbers
from ringlet.idempotency import Once
from ringlet.ledger import Wallet
from ringlet.suppliers import purse
from ringlet.supplying import enlist
from tests.suppliers_rig import Upstream, customer, set_back, upstream

pytestmark = pytest.mark.usefixtures("breaches")
IG = Order("ig", 6)


@pytest.fixture
async def alice(desk: Desk) -> Wallet:
    return await customer(desk)


@pytest.fixture
async def first(desk: Desk, alice: Wallet) -> AsyncIterator[Upstream]:
    async with upstream(desk, "first") as up:
        yield up


@pytest.fixture
async def second(desk: Desk, first: Upstream) -> AsyncIterator[Upstream]:
    async with upstream(desk, "second", cost="0.12") as up:
        yield up


async def now(desk: Desk, bought: Bought) -> Activation:
    row = bought.activation
    return (await browse.look(desk, row.wallet_id, row.public_id)).activation


async def held_and_available(desk: Desk, wallet: Wallet) -> tuple[int, int]:
    async with desk.db.connection() as tx:
        found = await ledger.balance(tx, wallet.id)
    return found.held_micros, found.available_micros


async def prepaid(desk: Desk, up: Upstream) -> purse.Purse:
    async with desk.db.connection() as tx:
        return await purse.purse(tx, up.supplier.terms.source_id)


async def test_a_number_is_rented_and_its_code_delivered(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """The whole way: price with margin, lease, message, capture, and the cost in the supplier's books."""
    bought = await buy(desk, alice, IG)
    row = bought.activation
    assert (row.state, row.amount_micros, row.source_id) == (
        State.WAITING, 130_000, first.supplier.terms.source_id,
    )  # fmt: skip
    assert row.phone == first.warehouse.allotments[first.only()].phone
    first.warehouse.sms(first.only(), "Your Instagram code is 123456", "123456")
    await first.sweep()
    row = await now(desk, bought)
    assert (row.state, row.code) == (State.RECEIVED, "123456")
    assert await held_and_available(desk, alice) == (0, 100_000_000 - 130_000)
    assert (await prepaid(desk, first)).cost_micros == 100_000
    await first.sweep()
    assert len((await browse.look(desk, alice.id, row.public_id)).messages) == 1


async def test_an_empty_supplier_is_followed_by_the_next_in_one_answer(
    desk: Desk, alice: Wallet, first: Upstream, second: Upstream
) -> None:
    """The price that was shown is charged, although the second supplier costs more."""
    first.warehouse.refuse = "no_numbers"
    bought = await buy(desk, alice, IG)
    assert bought.activation.phone in {a.phone for a in second.warehouse.allotments.values()}
    row = await now(desk, bought)
    assert (row.amount_micros, row.source_id) == (130_000, second.supplier.terms.source_id)
    await desk.refresh_prices()
    assert (await buy(desk, alice, IG)).activation.amount_micros == 156_000


async def test_max_price_is_a_limit_and_not_a_price(
    desk: Desk, alice: Wallet, first: Upstream, second: Upstream
) -> None:
    """A dearer supplier is asked only within max_price, and then at his own price."""
    first.warehouse.stock("6", "ig", "0.05", 10)
    await first.sync()
    first.warehouse.refuse = "no_numbers"
    with pytest.raises(NoNumbers):
        await buy(desk, alice, Order("ig", 6, max_price=Decimal("0.10")))
    await first.sync()
    bought = await buy(desk, alice, Order("ig", 6, max_price=Decimal("0.20")))
    assert bought.activation.amount_micros == 156_000
    await first.sync()
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)
    with pytest.raises(MaxPriceExceeded):
        await buy(desk, alice, Order("ig", 6, max_price=Decimal("0.01")))
    assert await held_and_available(desk, alice) == (156_000, 100_000_000 - 156_000)


@pytest.mark.parametrize("fault", ["timeout", "drop", "garbage", "html", "error_sql", "half", "server_error"])
async def test_no_failover_while_the_outcome_is_unknown(
    desk: Desk, alice: Wallet, first: Upstream, second: Upstream, fault: str
) -> None:
    """The first supplier may have allotted a number: the second is not asked, and recovery finds the number."""
    first.warehouse.faults = {fault: 1.0}
    bought = await buy(desk, alice, IG)
    assert (bought.activation.state, bought.activation.phone) == (State.ORDERING, None)
    assert (len(first.warehouse.allotments), len(second.warehouse.allotments)) == (1, 0)
    assert await held_and_available(desk, alice) == (130_000, 100_000_000 - 130_000)
    await first.sweep()
    assert (await now(desk, bought)).state == State.ORDERING, "an answer may still come"
    await set_back(desk, 60)
    await first.sweep()
    row = await now(desk, bought)
    assert (row.state, row.phone) == (State.WAITING, first.warehouse.allotments[first.only()].phone)
    first.warehouse.sms(first.only(), "Code 4711", "4711")
    await first.sweep()
    assert (await now(desk, bought)).code == "4711"


async def test_nothing_allotted_is_refunded(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """A supplier that died before it did anything: the order fails and the money is back."""
    first.warehouse.slow_s = 5
    bought = await buy(desk, alice, IG)
    assert bought.activation.state == State.ORDERING
    first.warehouse.slow_s = 0
    await asyncio.sleep(0)
    first.warehouse.allotments.clear()
    await set_back(desk, 60)
    await first.sweep()
    assert (await now(desk, bought)).state == State.ORDERING, "one list alone may have skipped a line"
    await first.sweep()
    assert (await now(desk, bought)).state == State.FAILED
    assert await held_and_available(desk, alice) == (0, 100_000_000)


async def test_a_number_that_comes_too_late_goes_back(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """The order was refunded before the supplier allotted: the stray is cancelled until he confirms."""
    allotment = first.warehouse.rent("6", "ig")
    await first.sweep()
    await set_back(desk, 60)
    await first.sweep()
    await give_back.give_back_due(desk)
    assert allotment.standing == "cancelled"
    assert (await prepaid(desk, first)).cost_micros == 0
    assert await held_and_available(desk, alice) == (0, 100_000_000)


async def test_one_lost_answer_and_one_good_one_share_nothing(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """Two orders, two numbers: the one that recovery gives is the one that nobody has."""
    first.warehouse.faults = {"drop": 1.0}
    lost = await buy(desk, alice, IG)
    first.warehouse.faults = {}
    good = await buy(desk, alice, IG)
    await first.sweep()
    await set_back(desk, 60)
    await first.sweep()
    phones = {(await now(desk, each)).phone for each in (lost, good)}
    assert phones == {a.phone for a in first.warehouse.allotments.values()}
    assert len(phones) == 2


async def test_a_number_that_is_leased_already_goes_back(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """The same number twice for one service: the second customer does not get the first one's codes."""
    one = await buy(desk, alice, IG)
    first.warehouse.faults = {"same_number": 1.0}
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)
    await give_back.give_back_due(desk)
    standings = [a.standing for a in first.warehouse.allotments.values()]
    assert standings == ["active", "cancelled"]
    assert (await now(desk, one)).state == State.WAITING


async def test_a_number_that_costs_too_much_goes_back(
    desk: Desk, alice: Wallet, first: Upstream, second: Upstream
) -> None:
    """Another price than the list said: never sold below cost, the next supplier is asked."""
    first.warehouse.faults = {"other_price": 1.0}
    bought = await buy(desk, alice, IG)
    assert bought.activation.amount_micros == 130_000
    assert (await now(desk, bought)).source_id == second.supplier.terms.source_id
    await give_back.give_back_due(desk)
    assert first.warehouse.allotments[first.only()].standing == "cancelled"
    assert (await prepaid(desk, first)).cost_micros == 0


async def test_without_money_no_supplier_is_asked(desk: Desk, first: Upstream) -> None:
    """The hold comes first."""
    poor = await customer(desk, "poor@example.org", 1)
    with pytest.raises(InsufficientBalance):
        await buy(desk, poor, IG)
    assert not first.warehouse.allotments


async def test_one_key_buys_once_and_a_refusal_frees_it(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """The same key at once and later: one allotment; after a plain refusal the key may be tried again."""
    once = Once(alice.id, "k", b"f")
    first.warehouse.refuse = "no_numbers"
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG, once)
    first.warehouse.refuse = None
    results = await asyncio.gather(*(buy(desk, alice, IG, once) for _ in range(20)), return_exceptions=True)
    bought = [each for each in results if isinstance(each, Bought)]
    assert len({each.activation.id for each in bought}) == 1
    assert len(first.warehouse.allotments) == 1
    assert (await buy(desk, alice, IG, once)).replayed


async def test_a_cancel_follows_the_supplier(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """Refunded when he has confirmed; rejected with the time to wait while he refuses."""
    first.warehouse.cancel_lock_s = 60
    bought = await buy(desk, alice, IG)
    with pytest.raises(CancelRejected) as rejected:
        await cancel.cancel(desk, alice.id, bought.activation.public_id)
    assert rejected.value.extra["retry_after"] > 0
    assert await held_and_available(desk, alice) == (130_000, 100_000_000 - 130_000)
    first.warehouse.cancel_lock_s = 0
    await set_back(desk, 61)
    await cancel.cancel(desk, alice.id, bought.activation.public_id)
    assert (await now(desk, bought)).state == State.CANCELLED
    assert first.warehouse.allotments[first.only()].standing == "cancelled"
    assert await held_and_available(desk, alice) == (0, 100_000_000)


async def test_a_cancel_when_allowed_is_done_by_the_worker(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """Accepted now, carried out as soon as the supplier does not refuse any more."""
    first.warehouse.cancel_lock_s = 60
    bought = await buy(desk, alice, IG)
    done = await cancel.cancel(desk, alice.id, bought.activation.public_id, when_allowed=True)
    assert done.in_s
    assert (await now(desk, bought)).state == State.WAITING
    first.warehouse.cancel_lock_s = 0
    await set_back(desk, 61)
    await give_back.give_back_due(desk)
    assert (await now(desk, bought)).state == State.CANCELLED


async def test_a_cancel_that_meets_the_code_delivers_it(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """The supplier has the code already: the cancel is rejected and the code is there."""
    bought = await buy(desk, alice, IG)
    first.warehouse.sms(first.only(), "Your code is 998877", "998877")
    with pytest.raises(CancelRejected):
        await cancel.cancel(desk, alice.id, bought.activation.public_id)
    row = await now(desk, bought)
    assert (row.state, row.code) == (State.RECEIVED, "998877")


async def test_the_time_is_up_when_the_supplier_says_so(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """At the end of the lease the supplier is asked; a code in the last second is delivered, not refunded."""
    lucky, unlucky = await buy(desk, alice, IG), await buy(desk, alice, IG)
    ref = next(a.ref for a in first.warehouse.allotments.values() if a.phone == lucky.activation.phone)
    await set_back(desk, 1201)
    first.warehouse.sms(ref, "Your code is 112233", "112233")
    await watch.close_due(desk)
    await give_back.give_back_due(desk)
    assert (await now(desk, lucky)).code == "112233"
    assert (await now(desk, unlucky)).state == State.EXPIRED
    assert await held_and_available(desk, alice) == (0, 100_000_000 - 130_000)
    assert (await prepaid(desk, first)).cost_micros == 100_000


async def test_a_silent_supplier_does_not_keep_the_customers_money(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """Ten minutes after the lease the money is back whatever; a code that turns up is shown and not charged."""
    bought = await buy(desk, alice, IG)
    first.warehouse.slow_s = 5
    await set_back(desk, 1201)
    await watch.close_due(desk)
    await give_back.give_back_due(desk)
    assert (await now(desk, bought)).state == State.WAITING
    await set_back(desk, 700)
    await watch.close_due(desk)
    assert (await now(desk, bought)).state == State.EXPIRED
    first.warehouse.slow_s = 0
    first.warehouse.sms(first.only(), "Your code is 445566", "445566")
    await first.sweep()
    seen = await browse.look(desk, alice.id, bought.activation.public_id)
    assert [(m.code, m.late) for m in seen.messages] == [("445566", True)]
    assert await held_and_available(desk, alice) == (0, 100_000_000)


async def test_what_the_supplier_ends_is_refunded(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """He cancels by himself: the next sweep gives the customer his money back."""
    bought = await buy(desk, alice, IG)
    first.warehouse.cancel(first.only())
    await set_back(desk, 30)
    await first.sweep()
    assert (await now(desk, bought)).state == State.CANCELLED
    assert await held_and_available(desk, alice) == (0, 100_000_000)


async def test_another_message_comes_to_the_new_activation(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """A resend keeps the rental: the supplier is told, and the second code goes to the new activation only."""
    bought = await buy(desk, alice, IG)
    first.warehouse.sms(first.only(), "Your code is 111111", "111111")
    await first.sweep()
    again = await resend.resend(desk, alice, bought.activation.public_id)
    assert again.activation.amount_micros == 0
    assert first.warehouse.allotments[first.only()].is_waiting_again
    first.warehouse.sms(first.only(), "Your code is 222222", "222222")
    await first.sweep()
    fresh = await browse.look(desk, alice.id, again.activation.public_id)
    assert [m.code for m in fresh.messages] == ["222222"]
    assert (await now(desk, bought)).code == "111111"


async def test_a_supplier_that_changes_his_mind_changes_nothing(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """A cancelled rental that is listed as active again stays over; its late code is shown and not charged."""
    bought = await buy(desk, alice, IG)
    await cancel.cancel(desk, alice.id, bought.activation.public_id)
    first.warehouse.allotments[first.only()].standing = "active"
    first.warehouse.sms(first.only(), "Your code is 123456", "123456")
    for _ in range(2):
        await first.sweep()
    seen = await browse.look(desk, alice.id, bought.activation.public_id)
    assert (seen.activation.state, [m.late for m in seen.messages]) == (State.CANCELLED, [True])
    assert await held_and_available(desk, alice) == (0, 100_000_000)


async def test_a_repeated_reference_is_nobodys_number(desk: Desk, alice: Wallet, first: Upstream) -> None:
    """The supplier answers two orders with one rental: the second one's outcome is unknown, and then refunded."""
    one = await buy(desk, alice, IG)
    first.warehouse._next -= 1
    first.warehouse.faults = {"same_number": 1.0}
    two = await buy(desk, alice, IG)
    assert two.activation.state == State.ORDERING
    await set_back(desk, 60)
    for _ in range(2):
        await first.sweep()
    assert ((await now(desk, one)).state, (await now(desk, two)).state) == (State.WAITING, State.FAILED)


async def test_a_message_without_a_code_is_shown_and_the_next_one_asked_for(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """Only a code is charged for, and the supplier is told to go on waiting."""
    bought = await buy(desk, alice, IG)
    first.warehouse.sms(first.only(), "Welcome to Instagram", None)
    await first.sweep()
    assert first.warehouse.allotments[first.only()].is_waiting_again
    seen = await browse.look(desk, alice.id, bought.activation.public_id)
    assert (seen.activation.state, len(seen.messages)) == (State.WAITING, 1)
    first.warehouse.sms(first.only(), "Your code is 123456", "123456")
    await first.sweep()
    assert (await now(desk, bought)).code == "123456"


async def test_a_key_is_remembered_when_nothing_is_on_offer_any_more(
    desk: Desk, alice: Wallet, first: Upstream
) -> None:
    """The answer was lost and the supplier is paused meanwhile: the repetition hears of its order, not "no numbers"."""
    once = Once(alice.id, "k", b"f")
    first.warehouse.faults = {"drop": 1.0}
    bought = await buy(desk, alice, IG, once)
    await set_back(desk, 60)
    await first.sweep()
    await enlist.pause(desk, "first")
    await desk.refresh_prices()
    again = await buy(desk, alice, IG, once)
    assert (again.activation.id, again.replayed) == (bought.activation.id, True)
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)
