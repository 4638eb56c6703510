"""NOWPayments: the adapter in front of a fake of its API, and of answers that no fake would give."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ringlet import ledger
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.payments import book
from ringlet.payments.nowpayments import HOSTS
from ringlet.payments.port import Made, NoticeRefused, PaymentState, Refused, Truth, Unreachable
from ringlet.suppliers.wire import host_of
from ringlet.topups import begin, look, notices, store
from ringlet.topups.store import Topup
from tests.coins_rig import ILL, NOTICES, REFERENCE, Pair, answering, order, pair
from tests.fakes.till import Payment
from tests.fakes.tills import nowpayments

FIVE = 5_000_000
CONFIG = nowpayments.config("")
#: Signed in node with the fake's secret by the vendor's own function (NowPaymentsIO/nowpayments-sdk-nodejs,
#: `createWebhookSignature`); the third, where a list makes a difference, by the function of its documentation.
VECTORS = json.loads(
    (Path(__file__).parent / "data" / "nowpayments_notices.json").read_text(encoding="utf-8")
)


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("nowpayments") as found:
        yield found


async def test_an_order_is_an_address_and_an_amount(both: Pair) -> None:
    """For our own page; notices come to the address that the payment names."""
    made = await both.adapter.create(order())
    payment = both.only()
    address = nowpayments.shown(payment)["pay_address"]
    assert made == Made(payment.id, address=address, amount="6.25", currency="USDTTRC20")
    assert (payment.reference, payment.amount, payment.currency) == (REFERENCE, Decimal(5), "USD")
    assert (payment.notice_url, payment.extras["coin"]) == (NOTICES, "usdttrc20")


async def test_an_answer_that_is_lost_leaves_an_address_that_nobody_sees(both: Pair) -> None:
    """There is no key and nothing to look it up by: the next try makes another one, and only that is shown."""
    both.till.drop_share = 1.0
    with pytest.raises(Unreachable):
        await both.adapter.create(order())
    both.till.drop_share = 0.0
    made = await both.adapter.create(order())
    assert made.external_id == list(both.till.payments)[1]


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"pay_currency": "doge"}, "CURRENCY_UNAVAILABLE: Currency doge was not found"),
     ({"pay_currency": "xrp"}, "memo"), ({"api_key": "another-key"}, "INVALID_API_KEY")],
)  # fmt: skip
async def test_what_it_refuses_is_refused_with_its_words(changed: dict[str, str], words: str) -> None:
    """And so is a coin whose address alone would lose the money."""
    async with pair("nowpayments", **changed) as both:
        with pytest.raises(Refused, match=words):
            await both.adapter.create(order())


async def test_an_amount_below_the_least_is_refused(both: Pair) -> None:
    """In its own words, for the operator."""
    with pytest.raises(Refused, match="AMOUNT_MINIMAL_ERROR"):
        await both.adapter.create(order(500_000))


async def test_the_check_names_the_coin(both: Pair) -> None:
    """Of an account that takes it, with a key that is good."""
    assert await both.adapter.check() == "USDTTRC20"
    for changed in ({"pay_currency": "doge"}, {"api_key": "another-key"}):
        async with pair("nowpayments", **changed) as wrong:
            with pytest.raises(Refused):
                await wrong.adapter.check()


def test_play_money_is_asked_for_at_the_sandbox() -> None:
    """The two accounts have hosts of their own."""
    assert host_of(HOSTS["test"]) == "api-sandbox.nowpayments.io"
    assert host_of(HOSTS["live"]) == "api.nowpayments.io"


@pytest.mark.parametrize(
    "changed", [{"pay_currency": ""}, {"pay_currency": "a/b"}, {"api_key": ""}, {"api_key": "a b c d e f g h"}, {"ipn_secret": ""}]
)  # fmt: skip
async def test_keys_that_cannot_be_are_refused_at_once(changed: dict[str, str]) -> None:
    """Before anything is asked."""
    with pytest.raises(Refused):
        async with pair("nowpayments", **changed):
            raise AssertionError


async def test_the_truth_in_every_state(both: Pair) -> None:
    """What has come, in the currency of the price, and what was kept of it."""
    made = await both.adapter.create(order())
    payment = both.only()

    async def seen() -> Truth:
        truth = await both.adapter.fetch(made.external_id)
        assert (truth.external_id, truth.reference, truth.mode) == (made.external_id, REFERENCE, "live")
        assert (truth.currency, truth.asked_micros) == ("USD", FIVE)
        return truth

    for state, expected in (
        ("open", PaymentState.OPEN), ("processing", PaymentState.PROCESSING),
        ("expired", PaymentState.EXPIRED), ("failed", PaymentState.FAILED),
    ):  # fmt: skip
        payment.state = state
        assert (await seen()) == Truth(made.external_id, REFERENCE, expected, "live", "USD", FIVE)
    payment.state = "settled"
    for settled, is_late in (("5", False), ("3", False), ("7.01", False), ("5", True), ("0.02", True)):
        payment.settled, payment.is_late, payment.fee = Decimal(settled), is_late, Decimal("0.01")
        truth = await seen()
        assert (truth.state, truth.settled_micros) == (
            PaymentState.SETTLED,
            int(Decimal(settled) * 1_000_000),
        )
        assert (truth.is_late, truth.fee_micros, truth.refunded_micros) == (is_late, 10_000, 0)
    payment.refunded = payment.settled = Decimal(5)
    truth = await seen()
    assert (truth.settled_micros, truth.refunded_micros) == (FIVE, FIVE)


async def test_a_part_is_final_when_its_time_is_over(both: Pair) -> None:
    """Until then the payer may send the rest, which would be a payment of its own."""
    made = await both.adapter.create(order())
    both.till.pay(both.only(), Decimal(3))
    for age_s, state, micros in ((60, PaymentState.PROCESSING, 0), (3700, PaymentState.SETTLED, 3_000_000)):
        both.only().extras["age_s"] = age_s
        truth = await both.adapter.fetch(made.external_id)
        assert (truth.state, truth.settled_micros, truth.is_late) == (state, micros, False)


def _payment(**changed: Any) -> bytes:
    told = {
        "payment_id": 77, "payment_status": "finished", "price_amount": 5, "price_currency": "usd",
        "pay_amount": 0.00007765, "actually_paid": 0.00007765, "pay_currency": "btc", "order_id": REFERENCE,
        "created_at": "2026-09-17T15:00:22.742Z", "updated_at": "2026-09-17T15:21:40.120Z",
    }  # fmt: skip
    return json.dumps({**told, **changed}).encode()


@pytest.mark.parametrize(
    ("changed", "micros"),
    [({}, FIVE), ({"pay_amount": 1e-7, "actually_paid": 2e-7}, 2 * FIVE), ({"actually_paid": 0.00003882}, 2_499_678),
     ({"payment_status": "partially_paid", "actually_paid": 0.00007764}, 4_999_356),
     # A last digit that the coin has not, or that the operator lets be missing, is no part of a cent.
     ({"actually_paid": 0.00007766}, FIVE), ({"actually_paid": 0.00007764}, FIVE),
     ({"actually_paid": 0.00007781}, 5_010_302), ({"actually_paid": "0.00007765", "pay_amount": "7.765e-5"}, FIVE),
     ({"actually_paid": None}, 0), ({"actually_paid": 0}, 0)],
)  # fmt: skip
async def test_what_came_is_worth_its_part_of_the_price(changed: dict[str, Any], micros: int) -> None:
    """Rounded down to micro-units, and exactly the price when it is as asked but for a digit."""
    async with answering("nowpayments", CONFIG, {"": (200, _payment(**changed))}) as adapter:
        truth = await adapter.fetch("77")
    assert (truth.state, truth.settled_micros) == (PaymentState.SETTLED, micros)


@pytest.mark.parametrize(
    ("fee", "micros"),
    [({"currency": "usd", "depositFee": 0.02, "withdrawalFee": "0.01", "serviceFee": 0}, 30_000),
     ({"currency": "btc", "depositFee": 0.000007765}, 500_000), ({"currency": "eth", "depositFee": 1}, 0),
     ({"currency": "usd", "depositFee": 99}, FIVE), ({"currency": "usd", "depositFee": -1}, 0),
     (None, 0), (7, 0), ({"currency": 7}, 0), ({}, 0)],
)  # fmt: skip
async def test_fees_count_where_their_worth_is_known(fee: Any, micros: int) -> None:
    """In the currency of the price or in the coin; whatever else stands there holds nothing up."""
    async with answering("nowpayments", CONFIG, {"": (200, _payment(fee=fee))}) as adapter:
        assert (await adapter.fetch("77")).fee_micros == micros


@pytest.mark.parametrize(
    ("price", "coins", "worth", "micros"),
    [(5, 0.5, "0.41", 410_000), (5, 900, 771.9876543, 771_987_654), (1, 15, 0, 0)],
)
async def test_what_is_sent_again_is_worth_what_it_is_worth(
    price: float, coins: float, worth: Any, micros: int
) -> None:
    """Not what the first payment cost: a grain of a coin sent to an old address must not buy it again. Staff look."""
    child = _payment(
        parent_payment_id=76, price_amount=price, pay_amount=coins, actually_paid=coins, pay_currency="trx"
    )
    answers = {"/estimate": (200, json.dumps({"estimated_amount": worth}).encode()), "": (200, child)}
    async with answering("nowpayments", CONFIG, answers) as adapter:
        truth = await adapter.fetch("77")
    assert (truth.asked_micros, truth.settled_micros, truth.is_late) == (price * 1_000_000, micros, True)
    async with answering("nowpayments", CONFIG, {**answers, "/estimate": (500, b"")}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("77")


@pytest.mark.parametrize(("status", "body"), ILL)
async def test_a_gateway_that_is_ill_is_asked_again(status: int, body: bytes) -> None:
    """Nothing that it says then ends a payment, and nothing crashes."""
    async with answering("nowpayments", CONFIG, {"": (status, body)}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("77")
        with pytest.raises((Unreachable, Refused)) as caught:
            await adapter.create(order())
        assert status == 404 or caught.type is Unreachable


@pytest.mark.parametrize(
    "changed",
    [{"payment_id": 78}, {"payment_id": "../77"}, {"payment_id": None}, {"payment_id": 10**4000}, {"payment_status": "paid"},
     {"payment_status": 7}, {"price_amount": "NaN"}, {"price_amount": -5}, {"price_amount": 1e30}, {"pay_amount": 0},
     {"price_amount": "1e999999999"}, {"actually_paid": "1e-999999999"}, {"actually_paid": -1}, {"pay_amount": None},
     {"actually_paid": "Infinity"}, {"actually_paid": []}, {"price_currency": None}, {"order_id": []}],
)  # fmt: skip
async def test_a_payment_that_makes_no_sense_is_asked_for_again(changed: dict[str, Any]) -> None:
    """Wrong types, other payments, and amounts that are none."""
    async with answering("nowpayments", CONFIG, {"": (200, _payment(**changed))}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("77")


@pytest.mark.parametrize(
    "changed",
    [{"pay_address": None}, {"pay_address": "a b\n"}, {"pay_address": "x" * 300}, {"pay_amount": 0}, {"order_id": "tu_x"},
     {"pay_currency": "btc"}, {"price_amount": 4}, {"price_currency": "eur"}, {"payment_id": ""}],
)  # fmt: skip
async def test_an_address_for_anything_else_is_shown_to_nobody(changed: dict[str, Any]) -> None:
    """What is sent there would be lost."""
    good = {"pay_address": "TNDFkiSmBQorNFacb3735q8MnT29sn8BLn", "pay_currency": "usdttrc20", "pay_amount": 5}
    async with answering("nowpayments", CONFIG, {"": (201, _payment(**good))}) as adapter:
        assert (await adapter.create(order())).amount == "5"
    async with answering("nowpayments", CONFIG, {"": (201, _payment(**{**good, **changed}))}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.create(order())


@pytest.mark.parametrize(
    ("amount", "precision", "shown"),
    [(10.12345678, 6, "10.123457"), (10.12345678, "6", "10.123457"), (10.5, 6, "10.5"), (10, 6, "10"), (1e-8, None, "0.00000001"),
     (12.5, "many", "12.5"), (12.5, -3, "12.5"), (12.5, 10**4000, "12.5"), (10**38, 6, "1" + "0" * 38), ("0.1" + "1" * 38, 40, "0.1" + "1" * 38)],
)  # fmt: skip
async def test_an_amount_can_be_sent_as_it_is_shown(amount: float, precision: Any, shown: str) -> None:
    """In as many places as the coin has, rounded up, never as 1E-8."""
    body = _payment(
        pay_address="TNDFkiSmBQorN", pay_currency="usdttrc20", pay_amount=amount, network_precision=precision
    )
    async with answering("nowpayments", CONFIG, {"": (201, body)}) as adapter:
        assert (await adapter.create(order())).amount == shown


async def test_a_payment_that_is_not_there_is_refused(both: Pair) -> None:
    """By its own word for it."""
    for unknown in ("404", "../x", ""):
        with pytest.raises(Refused):
            await both.adapter.fetch(unknown)
    async with pair("nowpayments", api_key="another-key") as wrong:
        with pytest.raises(Unreachable):  # says nothing of the payment
            await wrong.adapter.fetch("404")


async def test_a_gateway_that_is_away_is_unreachable(both: Pair) -> None:
    """Whatever is asked of it."""
    both.till.error_share = 1.0
    for asking in (both.adapter.create(order()), both.adapter.fetch("7"), both.adapter.check()):
        with pytest.raises(Unreachable):
            await asking
    async with pair("nowpayments", url="http://127.0.0.1:9") as away:
        for asking in (away.adapter.create(order()), away.adapter.fetch("7"), away.adapter.check()):
            with pytest.raises(Unreachable):
                await asking


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
async def test_a_notice_by_the_vendors_own_function_is_read(both: Pair, vector: dict[str, str]) -> None:
    """Numbers as they are written, letters as they are, lists by either of its ways."""
    body, signature = vector["body"], vector["signature"]
    found = await both.adapter.read_notice(body.encode(), {"X-NOWPayments-Sig": signature.upper()})
    told = json.loads(body)
    assert found is not None
    assert (found.external_id, found.reference) == (str(told["payment_id"]), told["order_id"] or "")
    spaced = json.dumps(dict(sorted(told.items(), reverse=True)), indent=2).encode()
    if "e-" not in body:  # Python writes such numbers otherwise
        again = await both.adapter.read_notice(spaced, {"x-nowpayments-sig": signature})
        assert again is not None
        assert again.event_id != found.event_id
    for changed in (
        body.replace('"payment_status":"', '"payment_status":"un'),
        body.replace(":1", ":2"),
        body[:-1] + ',"a":1}',
    ):
        if changed != body:
            with pytest.raises(NoticeRefused):
                await both.adapter.read_notice(changed.encode(), {"x-nowpayments-sig": signature})


async def test_forged_notices_are_refused(both: Pair) -> None:
    """Every one of them, and the good one is taken; the same again is the same notice."""
    await both.adapter.create(order())
    for headers, body in nowpayments.forged(both.till, both.only()):
        with pytest.raises(NoticeRefused):
            await both.adapter.read_notice(body, headers)
    headers, body = nowpayments.notice(both.till, both.only(), "evt_1")
    found = [await both.adapter.read_notice(body, headers) for _ in range(2)]
    assert found[0] is not None
    assert found[0] == found[1]
    assert (found[0].external_id, found[0].reference) == (both.only().id, REFERENCE)


async def test_the_old_secret_is_good_while_it_is_written_down() -> None:
    """So that it can be changed without losing a word."""
    async with pair("nowpayments", ipn_secret=f"new-one {nowpayments.SECRET}") as both:
        await both.adapter.create(order())
        for secret in ("new-one", nowpayments.SECRET):
            _, body = nowpayments.notice(both.till, both.only(), "evt_1")
            assert await both.adapter.read_notice(body, nowpayments.signed(body, secret)) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"id":"77","status":"FINISHED"}',
        b'{"payment_id":[7]}',
        b'{"payment_id":7.5}',
        b'{"payment_id":"a"}',
    ],
)
async def test_what_is_signed_and_about_no_payment(both: Pair, body: bytes) -> None:
    """The same secret signs what is said of payouts."""
    assert await both.adapter.read_notice(body, nowpayments.signed(body, nowpayments.SECRET)) is None


async def test_it_lists_and_gives_back_nothing(both: Pair) -> None:
    """Both would need the account's password, or its second factor."""
    assert (both.adapter.can.refunds, both.adapter.can.lists) == (False, False)
    now = datetime.now(UTC)
    assert await both.adapter.settled(now - timedelta(days=1), now) == []
    with pytest.raises(Refused):
        await both.adapter.refund("7", FIVE, "USD", "key")


@pytest.mark.usefixtures("breaches")
async def test_what_is_sent_again_becomes_a_topup_of_its_own(desk: Desk, alice: Wallet) -> None:
    """The first is credited; what came to the same address later waits for staff with its own worth."""
    async with pair("nowpayments") as both:
        topup = await _begun(desk, alice, both)
        before = await _available(desk, alice)
        first = both.only()
        both.till.pay(first)
        again = both.till.make(topup.public_id, first.amount, "USD", id_="99", parent=int(first.id))
        both.till.pay(again, Decimal(2))
        for payment in (again, first, again):
            await _told(desk, both, payment, topup)
        await notices.adopt_due(desk)
        await look.look_due(desk)
        assert await _available(desk, alice) == before + FIVE
        async with desk.db.connection() as tx:
            found = await store.part(tx, alice.id)
        assert [(each.state, each.why, each.external_id) for each in found] == [
            ("review", "late", "99"), ("credited", "", first.id),
        ]  # fmt: skip
        assert found[0].settled_micros == 2_000_000


@pytest.mark.usefixtures("breaches")
async def test_what_is_given_back_is_taken_back(desk: Desk, alice: Wallet) -> None:
    """A payment that the gateway calls refunded after it was credited."""
    async with pair("nowpayments") as both:
        topup = await _begun(desk, alice, both)
        before = await _available(desk, alice)
        for act, micros in ((both.till.pay, FIVE), (both.till.refund, 0)):
            act(both.only())
            await _told(desk, both, both.only(), topup)
            await look.look_due(desk)
            assert await _available(desk, alice) == before + micros


async def _told(desk: Desk, both: Pair, payment: Payment, topup: Topup) -> None:
    headers, body = nowpayments.notice(both.till, payment, "")
    await notices.take(desk, "nowpayments", topup.gateway_id, body, headers)


async def _begun(desk: Desk, wallet: Wallet, both: Pair) -> Topup:
    async with desk.db.transaction() as tx:
        config = nowpayments.config(both.till.url)
        new = book.New("nowpayments", "USDT (Tron)", "live", config, 1_000_000, 100_000_000, is_on=True)
        gateway_id = await book.add(tx, desk.settings.secret, new)
    topup = await begin.begin(desk, wallet.id, gateway_id, FIVE, "once")
    assert (topup.state, topup.pay_amount, topup.pay_currency) == ("open", "6.25", "USDTTRC20")
    return topup


async def _available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros
