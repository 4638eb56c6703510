"""One purchase at the desk, from the price to the money."""

import asyncio
from decimal import Decimal

import pytest

from ringlet import ledger
from ringlet.activations import browse, cancel, receive, resend, watch
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import CancelRejected, InsufficientBalance, MaxPriceExceeded, NoNumbers, ResendRejected
from tests.site import PRICE_MICROS, Shop

pytestmark = pytest.mark.usefixtures("breaches")

IG = Order(service="ig", country=6)


async def money(desk: Desk, wallet: ledger.Wallet) -> tuple[int, int]:
    async with desk.db.connection() as tx:
        found = await ledger.balance(tx, wallet.id)
    return found.available_micros, found.held_micros


async def let_time_pass(desk: Desk, public_id: int, seconds: int = 10_000) -> None:
    """Move an activation into the past instead of waiting."""
    async with desk.db.connection() as tx:
        await tx.execute(
            "update activation set created_at = created_at - make_interval(secs => %(s)s),"
            " expires_at = expires_at - make_interval(secs => %(s)s),"
            " due_at = due_at - make_interval(secs => %(s)s) where public_id = %(id)s",
            {"s": seconds, "id": public_id},
        )


async def test_a_code_is_delivered_and_paid_for(desk: Desk, shop: Shop) -> None:
    """Price held at the buy, captured with the code, nothing else moved."""
    bought = await buy(desk, shop.alice, IG)
    assert bought.activation.state == State.WAITING
    assert await money(desk, shop.alice) == (100_000_000 - PRICE_MICROS, PRICE_MICROS)
    await shop.push(desk, bought.activation, "Your Instagram code is 123 456.")
    seen = await browse.look(desk, shop.alice.id, bought.activation.public_id)
    assert (seen.activation.state, seen.activation.code) == (State.RECEIVED, "123456")
    assert [message.text for message in seen.messages] == ["Your Instagram code is 123 456."]
    assert await money(desk, shop.alice) == (100_000_000 - PRICE_MICROS, 0)


async def test_what_brings_no_code_is_refunded_by_itself(desk: Desk, shop: Shop) -> None:
    """At the end of the lease the whole price is back and the number is free again."""
    bought = await buy(desk, shop.alice, IG)
    await let_time_pass(desk, bought.activation.public_id)
    assert await watch.close_due(desk) == 1
    seen = await browse.look(desk, shop.alice.id, bought.activation.public_id)
    assert seen.activation.state == State.EXPIRED
    assert await money(desk, shop.alice) == (100_000_000, 0)


async def test_a_message_without_a_code_is_delivered_and_free(desk: Desk, shop: Shop) -> None:
    """The full text arrives; only a code is charged for."""
    bought = await buy(desk, shop.alice, IG)
    await shop.push(desk, bought.activation, "Welcome to Instagram!")
    seen = await browse.look(desk, shop.alice.id, bought.activation.public_id)
    assert (seen.activation.state, len(seen.messages)) == (State.WAITING, 1)
    await let_time_pass(desk, bought.activation.public_id)
    await watch.close_due(desk)
    assert await money(desk, shop.alice) == (100_000_000, 0)


async def test_cancel_gives_everything_back_once(desk: Desk, shop: Shop) -> None:
    """The first cancel refunds, every further one is rejected."""
    bought = await buy(desk, shop.alice, IG)
    await cancel.cancel(desk, shop.alice.id, bought.activation.public_id)
    assert await money(desk, shop.alice) == (100_000_000, 0)
    with pytest.raises(CancelRejected):
        await cancel.cancel(desk, shop.alice.id, bought.activation.public_id)


async def test_cancel_after_the_code_is_rejected(desk: Desk, shop: Shop) -> None:
    """A delivered code is not refundable."""
    bought = await buy(desk, shop.alice, IG)
    await shop.push(desk, bought.activation, "Instagram: 4711")
    with pytest.raises(CancelRejected):
        await cancel.cancel(desk, shop.alice.id, bought.activation.public_id)


async def test_a_message_for_nobody_goes_to_the_orphan_inbox(desk: Desk, shop: Shop) -> None:
    """A message for a number that nobody leases is kept for the operator."""
    bought = await buy(desk, shop.alice, IG)
    await cancel.cancel(desk, shop.alice.id, bought.activation.public_id)
    await shop.push(desk, bought.activation, "Your code is 5555")
    async with desk.db.connection() as tx:
        assert [orphan.text for orphan in await receive.orphans(tx, 10)] == ["Your code is 5555"]


async def test_one_number_serves_several_services_and_each_gets_its_message(desk: Desk, shop: Shop) -> None:
    """The message goes to the service that it names, otherwise to the oldest that waits."""
    first = (await buy(desk, shop.alice, IG)).activation
    while True:
        second = (await buy(desk, shop.bob, Order(service="tg", country=6))).activation
        if second.phone == first.phone:
            break
    await shop.push(desk, first, "Telegram code: 65847")
    assert (await browse.look(desk, shop.bob.id, second.public_id)).activation.code == "65847"
    assert (await browse.look(desk, shop.alice.id, first.public_id)).activation.code is None
    await shop.push(desk, first, "Your code is 1234")
    assert (await browse.look(desk, shop.alice.id, first.public_id)).activation.code == "1234"


async def test_a_number_is_never_leased_twice_for_one_service(desk: Desk, shop: Shop) -> None:
    """Fifty numbers are fifty sales at once; the next one is refused."""
    sold = await asyncio.gather(*(buy(desk, shop.alice, IG) for _ in range(70)), return_exceptions=True)
    phones = [each.activation.phone for each in sold if not isinstance(each, BaseException)]
    assert len(phones) == len(set(phones)) == 50
    assert all(isinstance(each, NoNumbers) for each in sold if isinstance(each, BaseException))


async def test_a_used_number_rests_and_a_cancelled_one_does_not(desk: Desk, shop: Shop) -> None:
    """After its code a number is not sold again for that service until its rest is over."""
    sold = [(await buy(desk, shop.alice, IG)).activation for _ in range(50)]
    await cancel.cancel(desk, shop.alice.id, sold[7].public_id)
    assert (await buy(desk, shop.bob, IG)).activation.phone == sold[7].phone
    await shop.push(desk, sold[9], "Your code is 1234")
    await let_time_pass(desk, sold[9].public_id)
    await watch.close_due(desk)
    with pytest.raises(NoNumbers):
        await buy(desk, shop.bob, IG)
    assert (await buy(desk, shop.bob, Order(service="go", country=6))).activation.state == State.WAITING


async def test_max_price_is_a_limit(desk: Desk, shop: Shop) -> None:
    """Nothing is sold above it, and the refusal says what would do."""
    with pytest.raises(MaxPriceExceeded) as refused:
        await buy(desk, shop.alice, Order(service="ig", country=6, max_price=Decimal("0.11148")))
    assert str(refused.value.extra["min_price"]) == "0.1114892"
    assert (
        await buy(desk, shop.alice, Order(service="ig", country=6, max_price=Decimal("0.1114892")))
    ).activation


async def test_no_money_no_number(desk: Desk, shop: Shop) -> None:
    """A buy that cannot be paid leaves no trace."""
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, shop.alice, 99_950_000, actor="test", reason="spend")
    with pytest.raises(InsufficientBalance):
        await buy(desk, shop.alice, IG)
    assert await money(desk, shop.alice) == (50_000, 0)


async def test_resend_before_the_code_moves_the_hold(desk: Desk, shop: Shop) -> None:
    """The old activation closes, the new one waits on the same number for the same money."""
    old = (await buy(desk, shop.alice, IG)).activation
    fresh = (await resend.resend(desk, shop.alice, old.public_id)).activation
    assert (fresh.phone, fresh.resent_from, fresh.amount_micros) == (old.phone, old.public_id, PRICE_MICROS)
    assert await money(desk, shop.alice) == (100_000_000 - PRICE_MICROS, PRICE_MICROS)
    await shop.push(desk, fresh, "Your code is 1234")
    assert (await browse.look(desk, shop.alice.id, fresh.public_id)).activation.code == "1234"
    with pytest.raises(ResendRejected):
        await resend.resend(desk, shop.alice, old.public_id)


async def test_resend_after_the_code_is_free_while_the_lease_runs(desk: Desk, shop: Shop) -> None:
    """A second code on a leased number costs nothing; the lease is not prolonged."""
    old = (await buy(desk, shop.alice, IG)).activation
    await shop.push(desk, old, "Your code is 1234")
    fresh = (await resend.resend(desk, shop.alice, old.public_id)).activation
    assert (fresh.amount_micros, fresh.expires_at) == (0, old.expires_at)
    await shop.push(desk, fresh, "Your code is 5678")
    assert (await browse.look(desk, shop.alice.id, fresh.public_id)).activation.code == "5678"
    assert await money(desk, shop.alice) == (100_000_000 - PRICE_MICROS, 0)


async def test_resend_after_the_lease_is_a_new_lease_at_a_price(desk: Desk, shop: Shop) -> None:
    """The same number again, while it rests from everybody else."""
    old = (await buy(desk, shop.alice, IG)).activation
    await shop.push(desk, old, "Your code is 1234")
    await let_time_pass(desk, old.public_id)
    await watch.close_due(desk)
    fresh = (await resend.resend(desk, shop.alice, old.public_id)).activation
    assert (fresh.phone, fresh.amount_micros) == (old.phone, PRICE_MICROS)
    assert await money(desk, shop.alice) == (100_000_000 - 2 * PRICE_MICROS, PRICE_MICROS)
    with pytest.raises(ResendRejected):
        await resend.resend(desk, shop.alice, old.public_id)
