"""A top-up by Stripe from the form to the balance, and what takes it away again: notices only say when to look."""

from decimal import Decimal

import aiohttp
import pytest

from ringlet import ledger
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.payments import book
from ringlet.topups import begin, look, notices, store
from ringlet.topups.store import Topup
from tests.coins_rig import Pair, pair
from tests.fakes.till import Payment
from tests.fakes.tills import stripe

pytestmark = pytest.mark.usefixtures("breaches")
FIVE = 5_000_000


async def _begun(desk: Desk, wallet: Wallet, both: Pair) -> Topup:
    async with desk.db.transaction() as tx:
        config = stripe.config(both.till.url)
        new = book.New("stripe", "Card", "live", config, 1_000_000, 100_000_000, is_on=True)
        gateway_id = await book.add(tx, desk.settings.secret, new)
    return await begin.begin(desk, wallet.id, gateway_id, FIVE, "once")


async def _told(desk: Desk, both: Pair, topup: Topup, event_id: str) -> Topup:
    """Three times what Stripe says now, and what follows."""
    headers, body = stripe.notice(both.till, both.only(), event_id)
    for _ in range(3):
        await notices.take(desk, "stripe", topup.gateway_id, body, headers)
    assert await look.look_due(desk) == 1
    async with desk.db.connection() as tx:
        found = await store.by_public_id(tx, topup.public_id)
    assert found is not None
    return found


async def _available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


def _dispute(payment: Payment, status: str) -> None:
    payment.extras["disputes"] = [(payment.settled, status)]


async def test_a_bank_debit_is_credited_when_it_has_come(desk: Desk, alice: Wallet) -> None:
    """The payer's page is done at once, the money comes days later: `completed` is no payment."""
    before = await _available(desk, alice)
    async with pair("stripe") as both:
        both.till.fee_percent = Decimal(3)
        topup = await _begun(desk, alice, both)
        assert topup.pay_url == f"{both.till.url}{stripe.PAY_PATH}/{topup.external_id}"
        both.till.move(both.only(), "processing")
        assert (await _told(desk, both, topup, "evt_1")).state == "open"
        assert await _available(desk, alice) == before
        both.till.pay(both.only())
        found = await _told(desk, both, topup, "evt_2")
        assert (found.state, found.credited_micros, found.fee_micros) == ("credited", FIVE, 150_000)
        assert await _available(desk, alice) == before + FIVE


async def test_a_dispute_takes_the_credit_back(desk: Desk, alice: Wallet) -> None:
    """An inquiry does not; a dispute that is won afterwards gives nothing back by itself: that is for staff."""
    before = await _available(desk, alice)
    async with pair("stripe") as both:
        topup = await _begun(desk, alice, both)
        both.till.pay(both.only())
        await _told(desk, both, topup, "evt_1")
        for number, (status, left) in enumerate(
            (("warning_needs_response", FIVE), ("needs_response", 0), ("under_review", 0), ("won", 0)), 2
        ):
            _dispute(both.only(), status)
            found = await _told(desk, both, topup, f"evt_{number}")
            assert (found.state, found.returned_micros) == ("credited", FIVE - left)
            assert await _available(desk, alice) == before + left


async def test_a_part_that_is_given_back_in_the_dashboard(desk: Desk, alice: Wallet) -> None:
    """So much leaves the balance as left the till; told out of order, no more."""
    before = await _available(desk, alice)
    async with pair("stripe") as both:
        topup = await _begun(desk, alice, both)
        both.till.pay(both.only())
        await _told(desk, both, topup, "evt_1")
        late = stripe.notice(both.till, both.only(), "evt_2")
        await both.adapter.refund(str(topup.external_id), 2_000_000, "USD", "r1")
        await _told(desk, both, topup, "evt_3")
        assert await _available(desk, alice) == before + FIVE - 2_000_000
        await notices.take(desk, "stripe", topup.gateway_id, late[1], late[0])
        await look.look_due(desk)
        assert await _available(desk, alice) == before + FIVE - 2_000_000


async def test_the_fake_has_a_page_to_pay_on(desk: Desk, alice: Wallet) -> None:
    """As browsers see it: a button, the way back to the shop, and a notice on the way."""
    async with pair("stripe") as both, aiohttp.ClientSession() as session:
        topup = await _begun(desk, alice, both)
        assert topup.pay_url is not None
        async with session.get(topup.pay_url) as page:
            text = await page.text()
        assert "5 USD" in text
        assert "<button>Pay</button>" in text
        for _ in range(2):
            async with session.post(topup.pay_url, allow_redirects=False) as paid:
                assert (paid.status, paid.headers["Location"]) == (303, both.only().return_url)
        assert both.only().return_url.endswith(f"/wallet/top-up/{topup.public_id}")
        async with session.get(topup.pay_url) as page:
            assert "<button>" not in await page.text()
        assert (await _told(desk, both, topup, "evt_1")).credited_micros == FIVE
