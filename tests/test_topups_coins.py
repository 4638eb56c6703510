"""Top-ups by coins: payments that came beside the one that was asked for, and those that take their time."""

import asyncio

import pytest

from ringlet import ledger
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.payments import book
from ringlet.topups import begin, look, notices, store
from tests.coins_rig import Pair, pair
from tests.fakes.tills import btcpay

FIVE = 5_000_000


@pytest.mark.usefixtures("breaches")
async def test_an_invoice_that_nobody_was_shown_is_credited_when_it_is_paid(
    desk: Desk, alice: Wallet
) -> None:
    """Two were made for each top-up, and all were paid: the others become top-ups of their own, at once with the first."""
    async with pair("btcpay") as both:
        gateway_id, before = await _gateway(desk, both), await _available(desk, alice)
        for number in range(5):
            topup = await begin.begin(desk, alice.id, gateway_id, FIVE, f"form {number}")
            shown = both.till.find(str(topup.external_id))
            other = both.till.make(topup.public_id, shown.amount, "USD", return_url="", lives_s=900)
            for payment in (other, shown):
                both.till.pay(payment)
                headers, body = btcpay.notice(both.till, payment, f"evt_{payment.id}")
                for _ in range(3):
                    await notices.take(desk, "btcpay", gateway_id, body, headers)
        await notices.adopt_due(desk)
        for _ in range(2):
            await look.look_due(desk)
            assert await _available(desk, alice) == before + 10 * FIVE


async def test_a_payment_waits_for_no_lock_of_the_one_beside_it(desk: Desk, alice: Wallet) -> None:
    """Else each would wait for the other: the one for the first's row, that one for the balance."""
    async with pair("btcpay") as both:
        first = await begin.begin(desk, alice.id, await _gateway(desk, both), FIVE, "form")
    async with desk.db.transaction() as tx:
        await store.adopt(tx, first, "another", FIVE)
        beside, _ = await store.part(tx, alice.id)
    async with desk.db.transaction() as holding, asyncio.timeout(5):
        await store.locked(holding, first.id)
        async with desk.db.transaction() as tx:
            for _ in range(2):  # the second change of a row looks its references up again
                await tx.execute("update topup set looks = looks + 1 where id = %s", [beside.id])


@pytest.mark.usefixtures("breaches")
async def test_coins_on_their_way_are_waited_for(desk: Desk, alice: Wallet) -> None:
    """Blocks take hours: also when the time to pay is long over and no notice ever comes."""
    async with pair("btcpay") as both:
        before = await _available(desk, alice)
        await begin.begin(desk, alice.id, await _gateway(desk, both), FIVE, "form")
        both.till.move(both.only(), "processing")
        for state in ("open", "open", "credited"):
            async with desk.db.transaction() as tx:
                await tx.execute("update topup set due_at = now(), expires_at = now() - interval '3 hours'")
            await look.look_due(desk)
            async with desk.db.connection() as tx:
                (found,) = await store.part(tx, alice.id)
            assert (found.state, found.due_at is None) == (state, False)
            if both.only().state == "processing" and found.looks > 1:
                both.till.pay(both.only())
        assert await _available(desk, alice) == before + FIVE


async def _gateway(desk: Desk, both: Pair) -> int:
    new = book.New(
        "btcpay", "Bitcoin", "live", btcpay.config(both.till.url), 1_000_000, 100_000_000, is_on=True
    )
    async with desk.db.transaction() as tx:
        return await book.add(tx, desk.settings.secret, new)


async def _available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros
