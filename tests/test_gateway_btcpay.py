"""BTCPay Server: the adapter in front of a fake of its Greenfield API, and of answers that no fake would give."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ringlet.payments.btcpay import LIVES_S
from ringlet.payments.port import Made, NoticeRefused, PaymentState, Refused, Truth, Unreachable
from tests.coins_rig import ILL, REFERENCE, Pair, answering, order, pair
from tests.fakes.tills import btcpay

FIVE = 5_000_000
CONFIG = btcpay.config("")
STORE = btcpay.STORE.encode()
EVENT = (
    '{"deliveryId":"2MLbWFt2Q2kYWx4eUz1vqE","webhookId":"Q8oUSCVUbxV5LrBmz5aCqF",'
    '"originalDeliveryId":"2MLbWFt2Q2kYWx4eUz1vqE","isRedelivery":false,"type":"InvoiceSettled",'
    '"timestamp":1760000000,"storeId":"9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776",'
    '"invoiceId":"Cb2XwT7BfJ9oEJaJ9Y1AsF","metadata":{"orderId":"tu_0123456789ABCDEFGHIJKL"},'
    '"manuallyMarked":false,"overPaid":false}'
)
#: openssl dgst -sha256 -hmac, of that and the fake's secret
EVENT_SIGNATURE = "160ff8015605b7a9f29af8ed065ea939bb45a348cf3001665da807d610cfecf5"


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("btcpay") as found:
        yield found


async def test_the_same_order_is_the_same_invoice(both: Pair) -> None:
    """Asked again, also by another process, it finds what it made; the page is the server's own."""
    made = await both.adapter.create(order())
    assert made == Made(both.only().id, url=f"{both.till.url}/i/{both.only().id}")
    assert await both.adapter.create(order()) == made
    assert (await both.adapter.create(order(reference="tu_another"))).external_id != made.external_id
    invoice = both.till.find(made.external_id)
    assert (invoice.reference, invoice.amount, invoice.currency) == (REFERENCE, Decimal(5), "USD")
    assert invoice.return_url == "https://shop.example/wallet/top-up/1"
    assert invoice.extras["lives_s"] == LIVES_S


async def test_two_that_ask_at_once_agree_from_then_on(both: Pair) -> None:
    """The server keeps no key: both may make one, and whoever asks later is told the first."""
    await asyncio.gather(*(both.adapter.create(order()) for _ in range(3)))
    later = {(await both.adapter.create(order())).external_id for _ in range(3)}
    assert later == {next(iter(both.till.payments))}


async def test_an_answer_that_is_lost_makes_no_second_invoice(both: Pair) -> None:
    """The invoice is there: asking again finds it."""
    make = both.till.make

    def made_unheard(*args: Any, **more: Any) -> None:
        make(*args, **more)
        raise web.HTTPInternalServerError

    both.till.make = made_unheard  # type: ignore[assignment]
    with pytest.raises(Unreachable):
        await both.adapter.create(order())
    assert (await both.adapter.create(order())).external_id == both.only().id


async def test_what_the_server_refuses_is_refused_with_its_words() -> None:
    """A currency without a rate, and keys that are not good."""
    async with pair("btcpay") as both:
        yen = order()
        with pytest.raises(Refused, match="Rate of BTC_JPY is unknown"):
            await both.adapter.create(type(yen)(**{**_fields(yen), "currency": "JPY"}))
    for changed in ({"api_key": "0123456789abcdef"}, {"store_id": "another"}):
        async with pair("btcpay", **changed) as both:
            for asking in (both.adapter.create(order()), both.adapter.check()):
                with pytest.raises(Refused):
                    await asking
            # It says nothing of the payment: who asks for the truth must ask again.
            with pytest.raises(Unreachable):
                await both.adapter.fetch("btcpay_1")


def _fields(asked: Any) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in asked.__struct_fields__}


async def test_the_check_names_the_store(both: Pair) -> None:
    """Of keys that may see it."""
    assert await both.adapter.check() == "Ringlet's store"


@pytest.mark.parametrize(
    "changed",
    [{"url": ""}, {"url": "pay.example"}, {"url": "ftp://pay.example"}, {"url": "https://pay.example/?a=1"},
     {"store_id": ""}, {"store_id": "../users"}, {"store_id": "a/b"}, {"api_key": ""}, {"api_key": "a b\r\nX: y" * 3},
     {"webhook_secret": " "}],
)  # fmt: skip
async def test_keys_that_cannot_be_are_refused_at_once(changed: dict[str, str]) -> None:
    """Before anything is asked, and nothing of them leads elsewhere."""
    with pytest.raises(Refused):
        async with pair("btcpay") as both:
            type(both.adapter)({**CONFIG, "url": both.till.url, **changed}, "live", None, None)  # type: ignore[arg-type]


async def test_the_truth_in_every_state(both: Pair) -> None:
    """What has been confirmed, in the currency of the invoice, and how it came."""
    made = await both.adapter.create(order())
    payment = both.only()

    async def seen() -> tuple[PaymentState, int, bool]:
        truth = await both.adapter.fetch(made.external_id)
        assert (truth.external_id, truth.reference, truth.mode) == (made.external_id, REFERENCE, "live")
        assert (truth.currency, truth.asked_micros, truth.refunded_micros, truth.fee_micros) == (
            "USD",
            FIVE,
            0,
            0,
        )
        return truth.state, truth.settled_micros, truth.is_late

    assert await seen() == (PaymentState.OPEN, 0, False)
    for state, expected in (
        ("processing", PaymentState.PROCESSING), ("expired", PaymentState.EXPIRED), ("failed", PaymentState.FAILED),
    ):  # fmt: skip
        payment.state = state
        assert await seen() == (expected, 0, False)
    payment.state = "settled"
    for settled, is_late in (("5", False), ("3", False), ("7.01", False), ("5", True), ("0.01", True)):
        payment.settled, payment.is_late = Decimal(settled), is_late
        assert await seen() == (PaymentState.SETTLED, int(Decimal(settled) * 1_000_000), is_late)


def _invoice(word: str, why: str, monitored_s: float = 3600, **more: Any) -> bytes:
    now = time.time()
    told = {
        "id": "I1", "storeId": btcpay.STORE, "amount": "5.00", "currency": "USD", "status": word,
        "additionalStatus": why, "createdTime": now - 7200, "expirationTime": now - 3600,
        "monitoringExpiration": now + monitored_s, "metadata": {"orderId": REFERENCE},
    }  # fmt: skip
    return json.dumps({**told, **more}).encode()


def _methods(*payments: tuple[str, str, str, float], rate: str = "64392.23") -> bytes:
    came = [
        {"status": status, "value": value, "fee": fee, "receivedDate": time.time() - ago_s}
        for status, value, fee, ago_s in payments
    ]
    return json.dumps([{"rate": rate, "payments": came}, {"rate": "0", "payments": []}]).encode()


IN_TIME, TOO_LATE = 5000.0, 10.0
SOME = ("Settled", "0.00004", "0", IN_TIME)
WORTH = 2_575_689  # 0.00004 × 64392.23, rounded down


@pytest.mark.parametrize(
    ("status", "why", "payments", "state", "micros", "is_late"),
    [
        ("New", "PaidPartial", [SOME], PaymentState.PROCESSING, 0, False),
        ("Expired", "None", [], PaymentState.OPEN, 0, False),  # until the server looks no more
        ("Expired", "PaidPartial", [SOME], PaymentState.SETTLED, WORTH, False),
        ("Expired", "PaidPartial", [("Settled", "0.00005", "0.00001", IN_TIME)], PaymentState.SETTLED, WORTH, False),
        ("Expired", "PaidPartial", [("Settled", "0.00001", "0.00002", IN_TIME)], PaymentState.EXPIRED, 0, False),
        ("Expired", "PaidPartial", [("Invalid", "1", "0", IN_TIME)], PaymentState.EXPIRED, 0, False),
        ("Expired", "PaidPartial", [SOME, ("Processing", "1", "0", IN_TIME)], PaymentState.PROCESSING, 0, False),
        ("Expired", "PaidLate", [("Settled", "0.00004", "0", TOO_LATE)], PaymentState.SETTLED, WORTH, True),
        ("Expired", "PaidLate", [SOME, ("Settled", "0.0001", "0", TOO_LATE)], PaymentState.SETTLED, 9_014_912, True),
        ("Expired", "PaidLate", [("Processing", "1", "0", TOO_LATE)], PaymentState.PROCESSING, 0, True),
        ("Settled", "PaidOver", [("Settled", "0.0001", "0", IN_TIME)], PaymentState.SETTLED, 6_439_223, False),
        # Rates are rounded: what is paid is never worth less than was asked.
        ("Settled", "PaidOver", [("Settled", "0.00007764", "0", IN_TIME)], PaymentState.SETTLED, FIVE, False),
        ("Settled", "None", [], PaymentState.SETTLED, FIVE, False),
        ("Settled", "Marked", [], PaymentState.FAILED, 0, False),
        ("Settled", "Marked", [SOME], PaymentState.SETTLED, WORTH, False),
        ("Settled", "Marked", [("Processing", "1", "0", IN_TIME)], PaymentState.PROCESSING, 0, False),
        ("Invalid", "Marked", [SOME], PaymentState.FAILED, 0, False),
        ("Invalid", "None", [SOME], PaymentState.SETTLED, WORTH, False),
        ("Invalid", "None", [], PaymentState.FAILED, 0, False),
        ("Processing", "PaidOver", [SOME], PaymentState.PROCESSING, 0, False),
    ],
)  # fmt: skip
async def test_only_confirmed_money_counts(
    status: str, why: str, payments: Any, state: PaymentState, micros: int, is_late: bool
) -> None:
    """In whatever state: not what is on its way, not the network's fee, and not a mark with nothing behind it."""
    answers = {"/payment-methods": (200, _methods(*payments)), "": (200, _invoice(status, why))}
    async with answering("btcpay", CONFIG, answers) as adapter:
        truth = await adapter.fetch("I1")
    assert truth == Truth("I1", REFERENCE, state, "live", "USD", FIVE, micros, is_late=is_late)


async def test_what_never_confirms_holds_nothing_up_for_ever() -> None:
    """Once the server has stopped looking, what is confirmed counts."""
    answers = {
        "/payment-methods": (200, _methods(SOME, ("Processing", "1", "0", IN_TIME))),
        "": (200, _invoice("Expired", "PaidPartial", monitored_s=-1)),
    }
    async with answering("btcpay", CONFIG, answers) as adapter:
        truth = await adapter.fetch("I1")
    assert (truth.state, truth.settled_micros) == (PaymentState.SETTLED, WORTH)


@pytest.mark.parametrize(("status", "body"), ILL)
async def test_a_server_that_is_ill_is_asked_again(status: int, body: bytes) -> None:
    """Nothing that it says then ends a payment, and nothing crashes."""
    async with answering("btcpay", CONFIG, {"": (status, body)}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("I1")
        with pytest.raises((Unreachable, Refused)) as caught:
            await adapter.create(order())
        assert status == 404 or caught.type is Unreachable


@pytest.mark.parametrize(
    "changed",
    [{"id": "I2"}, {"amount": None}, {"amount": "NaN"}, {"amount": "-5"}, {"amount": "1e999999999"}, {"amount": "1e30"},
     {"amount": "1e-999999999"}, {"amount": "five"}, {"amount": []}, {"currency": None}, {"status": "Paid"},
     {"status": 7}, {"metadata": "x"}, {"expirationTime": "soon"}],
)  # fmt: skip
async def test_an_invoice_that_makes_no_sense_is_asked_for_again(changed: dict[str, Any]) -> None:
    """Wrong types, other invoices, and amounts that are none."""
    async with answering("btcpay", CONFIG, {"": (200, _invoice("Settled", "None", **changed))}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("I1")


@pytest.mark.parametrize(
    "methods",
    [b"{}", b"[{}, 7]", _methods(("Settled", "NaN", "0", 0)), _methods(("Settled", "-1", "0", 0)),
     _methods(SOME, rate="NaN"), _methods(SOME, rate="1e99"), b'[{"payments": [{"status": "Settled", "value": "1"}]}]'],
)  # fmt: skip
async def test_payments_that_make_no_sense_are_asked_for_again(methods: bytes) -> None:
    """Above all a payment without a rate: it must not count for nothing."""
    answers = {"/payment-methods": (200, methods), "": (200, _invoice("Expired", "PaidPartial"))}
    async with answering("btcpay", CONFIG, answers) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("I1")


async def test_an_invoice_that_is_not_there_is_refused(both: Pair) -> None:
    """By the server's own word for it; a page that says 404 is somebody else."""
    for unknown in ("nobody", "../../users", "a/b", ""):
        with pytest.raises(Refused):
            await both.adapter.fetch(unknown)


async def test_a_server_that_is_away_is_unreachable(both: Pair) -> None:
    """Whatever is asked of it."""
    both.till.error_share = 1.0
    for asking in (both.adapter.create(order()), both.adapter.fetch("x"), both.adapter.check()):
        with pytest.raises(Unreachable):
            await asking
    async with pair("btcpay", url="http://127.0.0.1:9") as away:
        for asking in (away.adapter.create(order()), away.adapter.fetch("x"), away.adapter.check()):
            with pytest.raises(Unreachable):
                await asking


async def test_a_notice_by_another_hand_is_read(both: Pair) -> None:
    """Signed by openssl over the bytes as they stand, whatever the header's letters are."""
    for name in ("BTCPay-Sig", "btcpay-sig", "BTCPAY-SIG"):
        found = await both.adapter.read_notice(EVENT.encode(), {name: f"sha256={EVENT_SIGNATURE}"})
        assert found is not None
        assert (found.event_id, found.external_id, found.reference) == (
            "2MLbWFt2Q2kYWx4eUz1vqE", "Cb2XwT7BfJ9oEJaJ9Y1AsF", REFERENCE,
        )  # fmt: skip


async def test_a_redelivery_says_the_same_again(both: Pair) -> None:
    """Its own id is another, and it names the first."""
    await both.adapter.create(order())
    headers, body = btcpay.redelivery(both.till, both.only(), "evt_1", "evt_2")
    found = await both.adapter.read_notice(body, headers)
    assert found is not None
    assert found.event_id == "evt_1"


async def test_forged_notices_are_refused(both: Pair) -> None:
    """Every one of them, and the good one is taken."""
    await both.adapter.create(order())
    for headers, body in btcpay.forged(both.till, both.only()):
        with pytest.raises(NoticeRefused):
            await both.adapter.read_notice(body, headers)
    headers, body = btcpay.notice(both.till, both.only(), "evt_1")
    assert await both.adapter.read_notice(body, headers) is not None


async def test_the_old_secret_is_good_while_it_is_written_down() -> None:
    """So that it can be changed without losing a word."""
    async with pair("btcpay", webhook_secret=f"new-one {btcpay.SECRET}") as both:
        await both.adapter.create(order())
        for secret in ("new-one", btcpay.SECRET):
            _, body = btcpay.notice(both.till, both.only(), "evt_1")
            assert await both.adapter.read_notice(body, btcpay.signed(body, secret)) is not None


@pytest.mark.parametrize(
    ("body", "is_read"),
    [(b"{}", False), (b"[]", False), (b'{"deliveryId": "", "storeId": "%b", "invoiceId": "x"}' % STORE, False), (b"\xff", False), (b"[" * 100_000, False), (b'{"deliveryId": 7}', False),
     (b'{"deliveryId": "x"}', True), (b'{"deliveryId": "x", "storeId": "another", "invoiceId": "I1"}', True),
     (b'{"deliveryId": "x", "storeId": "%b", "invoiceId": "../x"}' % STORE, True)],
)  # fmt: skip
async def test_what_is_signed_and_about_nothing_of_ours(both: Pair, body: bytes, is_read: bool) -> None:
    """Another store, no invoice, or no notice at all."""
    headers = btcpay.signed(body, btcpay.SECRET)
    if is_read:
        assert await both.adapter.read_notice(body, headers) is None
    else:
        with pytest.raises(NoticeRefused):
            await both.adapter.read_notice(body, headers)


async def test_whatever_calls_itself_an_order_is_not_ours(both: Pair) -> None:
    """The store may sell at a counter too."""
    for reference in ("pos-app_1", "tu_", "tu_a b", "tu_\0", 7, None, ["tu_1"]):
        told = {
            "deliveryId": "x",
            "storeId": btcpay.STORE,
            "invoiceId": "I1",
            "metadata": {"orderId": reference},
        }
        body = json.dumps(told).encode()
        found = await both.adapter.read_notice(body, btcpay.signed(body, btcpay.SECRET))
        assert found is not None
        assert (found.external_id, found.reference) == ("I1", "")


async def test_what_has_settled_is_listed(both: Pair) -> None:
    """Of the invoices of that time, page by page; what is unpaid, or not made by a shop, is left out."""
    for number in range(120):
        made = await both.adapter.create(order(reference=f"tu_{number}"))
        if number % 2:
            both.till.pay(both.till.find(made.external_id), Decimal(6) if number == 1 else None)
    for reference in ("", "pos-app_1", "tu_\0"):
        both.till.pay(both.till.make(reference, Decimal(1), "USD"))
    now = datetime.now(UTC)
    lines = await both.adapter.settled(now - timedelta(hours=1), now + timedelta(hours=1))
    assert len(lines) == 60
    assert {line.reference: line.settled_micros for line in lines}["tu_1"] == 6_000_000
    assert sum(line.settled_micros for line in lines) == 59 * FIVE + 6_000_000
    assert await both.adapter.settled(now - timedelta(days=2), now - timedelta(days=1)) == []


async def test_refunds_are_made_elsewhere(both: Pair) -> None:
    """A claim that is asked for twice would be paid twice."""
    assert not both.adapter.can.refunds
    with pytest.raises(Refused):
        await both.adapter.refund("x", FIVE, "USD", "key")
