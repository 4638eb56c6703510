"""Cryptomus: the adapter in front of a fake of its merchant API, and of answers that no fake would give."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ringlet.payments import cryptomus as adapter_of
from ringlet.payments.port import Made, NoticeRefused, PaymentState, Refused, Settled, Truth, Unreachable
from tests.coins_rig import ILL, NOTICES, REFERENCE, Pair, answering, order, pair
from tests.fakes.till import Payment
from tests.fakes.tills import cryptomus

FIVE = 5_000_000
CONFIG = cryptomus.config("")
#: As the vendor's documentation shows a notice, with an address and letters that PHP writes in its own way.
EVENT = {
    "type": "payment", "uuid": "62f88b36-a9d5-4fa6-aa26-e040c3dbf26d", "order_id": REFERENCE, "amount": "3.00000000",
    "payment_amount": "3.00000000", "payment_amount_usd": "0.23", "merchant_amount": "2.94000000",
    "commission": "0.06000000", "is_final": True, "status": "paid", "from": None, "currency": "TRX",
    "additional_data": "https://shop.example/Zürich?a=\u20ac", "convert": {"to_currency": "USDT", "rate": 0.077},
}  # fmt: skip
#: what PHP's json_encode($data, JSON_UNESCAPED_UNICODE) makes of it, written by hand
EVENT_TEXT = (
    '{"type":"payment","uuid":"62f88b36-a9d5-4fa6-aa26-e040c3dbf26d","order_id":"tu_0123456789ABCDEFGHIJKL",'
    '"amount":"3.00000000","payment_amount":"3.00000000","payment_amount_usd":"0.23","merchant_amount":"2.94000000",'
    '"commission":"0.06000000","is_final":true,"status":"paid","from":null,"currency":"TRX",'
    '"additional_data":"https:\\/\\/shop.example\\/Zürich?a=€","convert":{"to_currency":"USDT","rate":0.077}}'
)


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("cryptomus") as found:
        yield found


def paid(both: Pair, payment: Payment) -> None:
    """And nobody is told: the address for notices is one of nobody's."""
    payment.notice_url = ""
    both.till.pay(payment)


async def test_the_same_order_is_the_same_invoice(both: Pair) -> None:
    """However often and by however many it is asked for; the page is Cryptomus' own."""
    made = await asyncio.gather(*(both.adapter.create(order()) for _ in range(5)))
    assert set(made) == {Made(both.only().id, url=f"{both.till.url}/pay/{both.only().id}")}
    invoice = both.only()
    assert (invoice.reference, invoice.amount, invoice.currency) == (REFERENCE, Decimal("5.00"), "USD")
    assert (invoice.notice_url, invoice.return_url) == (NOTICES, "https://shop.example/wallet/top-up/1")
    assert invoice.extras["lives_s"] in {1799, 1800}


@pytest.mark.parametrize(("lives_s", "expected"), [(10, 300), (10**6, 43_200)])
async def test_an_invoice_lives_as_long_as_cryptomus_lets_it(lives_s: float, expected: int) -> None:
    """A little longer than asked for, or not as long."""
    async with pair("cryptomus") as both:
        await both.adapter.create(order(lives_s=lives_s))
        assert both.only().extras["lives_s"] == expected


async def test_an_answer_that_is_lost_makes_no_second_invoice(both: Pair) -> None:
    """The invoice is there: asking again finds it."""
    both.till.drop_share = 1.0
    for _ in range(2):
        with pytest.raises(Unreachable):
            await both.adapter.create(order())
    both.till.drop_share = 0.0
    assert (await both.adapter.create(order())).external_id == both.only().id


async def test_keys_that_are_not_good_say_nothing_of_a_payment() -> None:
    """They end a new one, and the check, and nothing that is under way."""
    for changed in ({"payment_key": "another-key-of-somebody"}, {"merchant": "0" * 36}):
        async with pair("cryptomus", **changed) as both:
            for asking in (both.adapter.create(order()), both.adapter.check()):
                with pytest.raises(Refused, match="Invalid Sign"):
                    await asking
            with pytest.raises(Unreachable):
                await both.adapter.fetch("62f88b36-a9d5-4fa6-aa26-e040c3dbf26d")


async def test_the_check_and_what_cannot_be_done(both: Pair) -> None:
    """Coins go back to an address, which nobody has told us."""
    assert await both.adapter.check() == "Cryptomus"
    with pytest.raises(Refused):
        await both.adapter.refund("x", FIVE, "USD", "key")
    assert (both.adapter.can.refunds, both.adapter.can.lists) == (False, True)


@pytest.mark.parametrize(
    "changed",
    [{"merchant": ""}, {"merchant": "../../x"}, {"payment_key": ""}, {"payment_key": "a b\r\nX: y" * 3}, {"url": "x"}],
)  # fmt: skip
async def test_keys_that_cannot_be_are_refused_at_once(both: Pair, changed: dict[str, str]) -> None:
    """Before anything is asked."""
    with pytest.raises(Refused):
        type(both.adapter)({**CONFIG, "url": both.till.url, **changed}, "live", None, None)  # type: ignore[arg-type]


async def test_the_truth_in_every_state(both: Pair) -> None:
    """In the currency of the invoice, whatever coin it came in; what Cryptomus keeps is the fee."""
    made = await both.adapter.create(order())
    payment = both.only()

    async def seen() -> Truth:
        return await both.adapter.fetch(made.external_id)

    asked = (made.external_id, REFERENCE)
    for state, expected in (
        ("open", PaymentState.OPEN), ("processing", PaymentState.PROCESSING), ("expired", PaymentState.EXPIRED),
        ("failed", PaymentState.FAILED),
    ):  # fmt: skip
        payment.state = state
        assert await seen() == Truth(*asked, expected, "live", "USD", FIVE)
    payment.state = "settled"
    for settled, fee in (("5", "0.1"), ("3", "0"), ("7.01", "0.07"), ("0.01", "0")):
        payment.settled, payment.fee = Decimal(settled), Decimal(fee)
        micros, fee_micros = (int(Decimal(each) * 1_000_000) for each in (settled, fee))
        assert await seen() == Truth(*asked, PaymentState.SETTLED, "live", "USD", FIVE, micros, fee_micros)
    payment.refunded = payment.settled
    assert (await seen()).refunded_micros == (await seen()).settled_micros == 10_000


def _invoice(**changed: Any) -> bytes:
    told = {
        "uuid": "U1", "order_id": REFERENCE, "amount": "5.00", "currency": "USD", "payer_amount": "0.00007765",
        "payment_amount": "0.00007765", "merchant_amount": "0.00007610", "payer_currency": "BTC", "is_final": True,
        "payment_status": "paid", "status": "paid", "created_at": "2026-11-23T20:23:52+03:00",
    }  # fmt: skip
    return json.dumps({"state": 0, "result": {**told, **changed}}).encode()


@pytest.mark.parametrize(
    ("changed", "state", "settled", "fee", "refunded"),
    [
        ({}, PaymentState.SETTLED, FIVE, 99_806, 0),
        ({"is_final": False}, PaymentState.PROCESSING, 0, 0, 0),
        ({"payment_status": "paid_over", "payment_amount": "0.0001"}, PaymentState.SETTLED, 6_439_150, 1_538_956, 0),
        ({"payment_status": "wrong_amount", "payment_amount": "0.00004"}, PaymentState.SETTLED, 2_575_660, 0, 0),
        ({"payment_status": "wrong_amount", "is_final": False}, PaymentState.PROCESSING, 0, 0, 0),
        ({"payment_status": "wrong_amount_waiting", "is_final": False}, PaymentState.PROCESSING, 0, 0, 0),
        ({"payment_status": "locked"}, PaymentState.PROCESSING, 0, 0, 0),
        ({"payment_status": "process", "payment_amount": None}, PaymentState.OPEN, 0, 0, 0),
        ({"payment_status": "", "status": "check"}, PaymentState.OPEN, 0, 0, 0),
        ({"payment_status": "system_fail"}, PaymentState.FAILED, 0, 0, 0),
        ({"payment_status": "cancel", "payment_amount": "0.00"}, PaymentState.EXPIRED, 0, 0, 0),
        ({"payment_status": "refund_process"}, PaymentState.SETTLED, FIVE, 99_806, FIVE),
        ({"payment_status": "refund_paid"}, PaymentState.SETTLED, FIVE, 99_806, FIVE),
        ({"payment_status": "refund_fail"}, PaymentState.SETTLED, FIVE, 99_806, 0),
        ({"merchant_amount": None}, PaymentState.SETTLED, FIVE, 0, 0),
        # The merchant asked for five per cent more than the invoice says.
        ({"payer_amount": "5.25", "payment_amount": "5.25", "merchant_amount": "5.145"}, PaymentState.SETTLED, FIVE, 100_000, 0),
    ],
)  # fmt: skip
async def test_what_came_is_worth_what_the_invoice_says(
    changed: dict[str, Any], state: PaymentState, settled: int, fee: int, refunded: int
) -> None:
    """Rounded down, and only when Cryptomus is done with it."""
    async with answering("cryptomus", CONFIG, {"": (200, _invoice(**changed))}) as adapter:
        truth = await adapter.fetch("U1")
    assert truth == Truth("U1", REFERENCE, state, "live", "USD", FIVE, settled, fee, refunded)


@pytest.mark.parametrize(("status", "body"), ILL)
async def test_a_gateway_that_is_ill_is_asked_again(status: int, body: bytes) -> None:
    """Nothing that it says then ends a payment, and nothing crashes."""
    now = datetime.now(UTC)
    async with answering("cryptomus", CONFIG, {"": (status, body)}) as adapter:
        for asking in (adapter.fetch("U1"), adapter.settled(now - timedelta(1), now)):
            with pytest.raises(Unreachable):
                await asking
        with pytest.raises((Unreachable, Refused)) as caught:
            await adapter.create(order())
        assert status == 404 or caught.type is Unreachable


@pytest.mark.parametrize(
    "changed",
    [{"uuid": "U2"}, {"amount": None}, {"amount": "NaN"}, {"amount": "-5"}, {"amount": "1e999999999"},
     {"amount": "1e-999999999"}, {"amount": []}, {"payer_amount": "0"}, {"payer_amount": None}, {"payer_amount": "-1"},
     {"payment_amount": None}, {"payment_amount": "Infinity"}, {"payment_amount": "1e39"}, {"merchant_amount": "x"},
     {"currency": None}, {"payment_status": "gone"}, {"payment_status": 7}, {"is_final": "perhaps"}],
)  # fmt: skip
async def test_an_invoice_that_makes_no_sense_is_asked_for_again(changed: dict[str, Any]) -> None:
    """Wrong types, other invoices, and amounts that are none: above all a payment must not count for nothing."""
    async with answering("cryptomus", CONFIG, {"": (200, _invoice(**changed))}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("U1")


@pytest.mark.parametrize(
    "changed", [{"order_id": "tu_another"}, {"amount": "4.99"}, {"currency": "EUR"}, {"url": "javascript:x"}, {"uuid": "a b"}]
)  # fmt: skip
async def test_an_invoice_of_something_else_is_not_shown_to_a_payer(changed: dict[str, Any]) -> None:
    """Whatever was asked before under this id."""
    answer = {"amount": "5.00", "url": "https://pay.cryptomus.com/pay/U1", **changed}
    async with answering("cryptomus", CONFIG, {"": (200, _invoice(**answer))}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.create(order())


async def test_what_is_not_there_is_refused_and_what_says_no_is_not(both: Pair) -> None:
    """By its own word for it; `state` 1 with a good status is no answer."""
    with pytest.raises(Refused, match="Payment not found"):
        await both.adapter.fetch("nobody")
    async with answering("cryptomus", CONFIG, {"": (200, b'{"state":1,"result":{}}')}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("U1")
    with pytest.raises(Refused, match="currency"):
        await both.adapter.create(type(order())(**{**_fields(order()), "currency": "XXX"}))


def _fields(asked: Any) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in asked.__struct_fields__}


async def test_a_gateway_that_is_away_is_unreachable(both: Pair) -> None:
    """Whatever is asked of it."""
    both.till.error_share = 1.0
    for asking in (both.adapter.create(order()), both.adapter.fetch("x"), both.adapter.check()):
        with pytest.raises(Unreachable):
            await asking
    async with pair("cryptomus", url="http://127.0.0.1:9") as away:
        for asking in (away.adapter.create(order()), away.adapter.fetch("x"), away.adapter.check()):
            with pytest.raises(Unreachable):
                await asking


async def test_what_has_settled_in_a_time_is_listed_once(both: Pair) -> None:
    """Over many pages, whatever zone its dates are of."""
    for number in range(40):
        await both.adapter.create(order(reference=f"tu_{number:022}"))
    made = list(both.till.payments.values())
    for payment in made[:35]:
        paid(both, payment)
    made[0].created_at -= 7200
    made[1].created_at -= 2 * 24 * 3600
    now = datetime.now(UTC)
    found = await both.adapter.settled(now - timedelta(hours=1), now + timedelta(seconds=2))
    assert found == [Settled(each.id, each.reference, FIVE, 0, "USD") for each in made[2:35]]


async def test_a_list_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that always names a next page."""
    monkeypatch.setattr(adapter_of, "PAGES_MAX", 3)
    endless = json.dumps({"state": 0, "result": {"items": [], "paginate": {"nextCursor": "x"}}}).encode()
    async with answering("cryptomus", CONFIG, {"": (200, endless)}) as adapter:
        with pytest.raises(Unreachable, match="no end"):
            await adapter.settled(datetime.now(UTC), datetime.now(UTC))


def _md5_by_openssl(text: str) -> str:
    """The documented formula, by tools that are none of ours."""
    script = 'printf "%s%s" "$(printf %s "$1" | openssl base64 -A)" "$2" | openssl md5 -r | cut -d" " -f1'
    run = subprocess.run(
        ["sh", "-c", script, "sh", text, cryptomus.KEY], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


async def test_a_notice_by_another_hand_is_read(both: Pair) -> None:
    """Signed by openssl over what PHP would write, and sent with the letters escaped or as they are."""
    signature = _md5_by_openssl(EVENT_TEXT)
    plain = json.dumps({**EVENT, "sign": signature}, ensure_ascii=False).encode()
    escaped = json.dumps({**EVENT, "sign": signature}).replace("/", "\\/").encode()
    told = [await both.adapter.read_notice(body, {}) for body in (plain, escaped, plain)]
    assert all(each is not None and each.external_id == EVENT["uuid"] for each in told)
    assert [each.reference for each in told if each] == [REFERENCE] * 3
    first, second, third = (each.event_id for each in told if each)
    assert first == third != second


async def test_forged_notices_are_refused(both: Pair) -> None:
    """Every one of them, and the good one is taken."""
    await both.adapter.create(order())
    paid(both, both.only())
    for headers, body in cryptomus.forged(both.till, both.only()):
        with pytest.raises(NoticeRefused):
            await both.adapter.read_notice(body, headers)
    headers, body = cryptomus.notice(both.till, both.only(), "1")
    assert await both.adapter.read_notice(body, headers) is not None


@pytest.mark.parametrize(
    "changed", [{"type": "wallet"}, {"type": None}, {"uuid": None}, {"uuid": ""}, {"uuid": "a\0b"}, {"order_id": ["x"]}]
)  # fmt: skip
async def test_what_is_signed_and_about_nothing_of_ours(both: Pair, changed: dict[str, Any]) -> None:
    """Payouts and static wallets, and names that no payment has."""
    body = cryptomus.sent({**EVENT, **changed})
    found = await both.adapter.read_notice(body, {})
    assert found is None or found.reference == ""
