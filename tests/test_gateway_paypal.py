"""PayPal: the adapter in front of a fake of its Orders API, and of answers that no fake would give."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ringlet.payments.paypal_truth import Dispute, Placed, truth
from ringlet.payments.port import Made, PaymentState, Refused, Truth, Unreachable
from tests.coins_rig import ILL, REFERENCE, Pair, answering, order, pair
from tests.fakes.tills import paypal

FIVE = 5_000_000
CONFIG = {**paypal.config(""), "url": ""}
TOKEN = (200, b'{"access_token":"A21","expires_in":32400}')


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("paypal") as found:
        yield found


def tokens(both: Pair) -> int:
    return sum(each[3] == "token" for each in both.till.log)


async def test_the_same_order_is_the_same_payment(both: Pair) -> None:
    """However often and by however many it is asked for; one token serves them all."""
    made = await asyncio.gather(*(both.adapter.create(order()) for _ in range(10)))
    assert set(made) == {Made(both.only().id, url=f"{both.till.url}/checkoutnow?token={both.only().id}")}
    asked = both.only()
    assert (asked.reference, asked.amount, asked.currency) == (REFERENCE, Decimal("5.00"), "USD")
    assert asked.return_url == "https://shop.example/wallet/top-up/1"
    assert tokens(both) == 1


async def test_an_answer_that_is_lost_makes_no_second_payment(both: Pair) -> None:
    """PayPal keeps the key."""
    await both.adapter.check()
    both.till.drop_share = 1.0
    for _ in range(2):
        with pytest.raises(Unreachable):
            await both.adapter.create(order())
    both.till.drop_share = 0.0
    assert (await both.adapter.create(order())).external_id == both.only().id


async def test_a_token_that_is_taken_back_is_renewed_once(both: Pair) -> None:
    """By all who are told so together; and one that has ended is not used again."""
    made = await both.adapter.create(order())
    both.till.log.append((0, "", "", "revoked"))
    found = await asyncio.gather(*(both.adapter.fetch(made.external_id) for _ in range(10)))
    assert len(found) == 10
    assert tokens(both) == 2
    both.adapter._api._ends_at = 0.0  # type: ignore[attr-defined]
    await both.adapter.fetch(made.external_id)
    assert tokens(both) == 3


async def test_keys_that_are_not_good_say_nothing_of_a_payment() -> None:
    """They end a new one, and the check, and nothing that is under way."""
    async with pair("paypal", client_secret="of-another-app") as both:
        for asking in (both.adapter.create(order()), both.adapter.check()):
            with pytest.raises(Refused):
                await asking
        with pytest.raises(Unreachable):
            await both.adapter.fetch("5O190127TN364715T")
        with pytest.raises(Unreachable):
            await both.adapter.refund("5O190127TN364715T", FIVE, "USD", "key")
    answers = {"/token": TOKEN, "": (401, b'{"error":"invalid_token"}')}
    async with answering("paypal", CONFIG, answers) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("5O190127TN364715T")
        with pytest.raises(Refused):
            await adapter.create(order())


async def test_the_check_looks_for_the_webhook_too(both: Pair) -> None:
    """A wrong id would be noticed by nobody: every notice would be refused."""
    assert await both.adapter.check() == "PayPal"
    for webhook, expected in (("", "PayPal, without notices"), ("ANOTHER1", None)):
        async with pair("paypal", webhook_id=webhook) as other:
            if expected:
                assert await other.adapter.check() == expected
            else:
                with pytest.raises(Refused, match="INVALID_RESOURCE_ID"):
                    await other.adapter.check()


@pytest.mark.parametrize(
    "changed",
    [{"client_id": ""}, {"client_id": "a b c d e f g h"}, {"client_secret": ""}, {"client_secret": "x\r\nY: z" * 3},
     {"webhook_id": "../x"}, {"url": "ftp://x"}],
)  # fmt: skip
async def test_keys_that_cannot_be_are_refused_at_once(both: Pair, changed: dict[str, str]) -> None:
    """Before anything is asked."""
    with pytest.raises(Refused):
        type(both.adapter)({**CONFIG, "url": both.till.url, **changed}, "live", None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "url"), [("live", "https://api-m.paypal.com"), ("test", "https://api-m.sandbox.paypal.com")]
)
async def test_the_mode_chooses_the_host(both: Pair, mode: str, url: str) -> None:
    """Whoever enters keys of the sandbox for live money finds them refused by the live host; roots need a url."""
    keys = {name: text for name, text in paypal.config("").items() if name != "url"}
    adapter: Any = type(both.adapter)(keys, mode, None, None)  # type: ignore[arg-type]
    assert adapter._api._line.url == url
    assert (adapter._witness._certificates._origin, adapter._witness._certificates._roots) == ("", "")


async def test_an_approved_order_is_taken_when_it_is_looked_at(both: Pair) -> None:
    """Once, by however many at once, and also when PayPal's answer to that is lost."""
    made = await both.adapter.create(order())
    both.till.fee_percent = Decimal(3)
    both.till.pay(both.only())
    both.till.drop_share = 0.5
    seen = await asyncio.gather(
        *(both.adapter.fetch(made.external_id) for _ in range(10)), return_exceptions=True
    )
    assert {type(each) for each in seen} <= {Truth, Unreachable}
    both.till.drop_share = 0.0
    found = await both.adapter.fetch(made.external_id)
    assert found == Truth(
        made.external_id, REFERENCE, PaymentState.SETTLED, "live", "USD", FIVE, FIVE, 150_000
    )
    assert [each[3] for each in both.till.log].count("captured") == 1


async def test_a_payer_who_was_declined_may_pay_in_another_way(both: Pair) -> None:
    """What PayPal answered the first time is not what it answers when he has approved once more."""
    made = await both.adapter.create(order())
    payment = both.only()
    both.till.pay(payment)
    payment.extras["decline"] = "INSTRUMENT_DECLINED"
    for _ in range(2):
        assert (await both.adapter.fetch(made.external_id)).state is PaymentState.OPEN
    payment.extras["approvals"] = 1
    assert (await both.adapter.fetch(made.external_id)).state is PaymentState.SETTLED


async def test_a_capture_that_paypal_refuses_is_told(both: Pair) -> None:
    """For its own reasons, which the operator must read."""
    made = await both.adapter.create(order())
    both.till.pay(both.only())
    both.only().extras["decline"] = "COMPLIANCE_VIOLATION"
    with pytest.raises(Refused, match="COMPLIANCE_VIOLATION"):
        await both.adapter.fetch(made.external_id)


async def test_the_truth_in_every_state(both: Pair) -> None:
    """In its currency, with what PayPal keeps and what went back."""
    made = await both.adapter.create(order())
    payment = both.only()
    asked = (made.external_id, REFERENCE)

    async def seen() -> Truth:
        return await both.adapter.fetch(made.external_id)

    for state, expected in (
        ("open", PaymentState.OPEN), ("processing", PaymentState.PROCESSING), ("expired", PaymentState.EXPIRED),
        ("failed", PaymentState.FAILED),
    ):  # fmt: skip
        payment.state = state
        assert await seen() == Truth(*asked, expected, "live", "USD", FIVE)
    payment.state = "settled"
    for settled, is_late in (("5", False), ("3", False), ("7.01", True)):
        payment.settled, payment.is_late = Decimal(settled), is_late
        micros = int(Decimal(settled) * 1_000_000)
        assert await seen() == Truth(
            *asked, PaymentState.SETTLED, "live", "USD", FIVE, micros, is_late=is_late
        )
    for refunded in ("1.01", "7.01"):
        payment.refunded = Decimal(refunded)
        assert (await seen()).refunded_micros == int(Decimal(refunded) * 1_000_000)


async def test_what_is_disputed_is_taken_back(both: Pair) -> None:
    """While it is open and when it is lost; where the app may not see disputes, nothing is known of them."""
    made = await both.adapter.create(order())
    payment = both.only()
    both.till.pay(payment)
    open_, won = (
        {"status": "UNDER_REVIEW", "amount": "2"},
        {"status": "RESOLVED", "amount": "2", "outcome": "RESOLVED_SELLER_FAVOUR"},
    )
    lost = {**won, "outcome": "RESOLVED_BUYER_FAVOUR", "amount": "3"}
    for disputes, micros in (
        ([], 0),
        ([open_], 2_000_000),
        ([won], 0),
        ([won, lost], 3_000_000),
        ([open_, open_, lost], FIVE),
    ):
        payment.extras["disputes"] = disputes
        assert (await both.adapter.fetch(made.external_id)).refunded_micros == micros
    payment.extras["hides_disputes"] = True
    assert (await both.adapter.fetch(made.external_id)).refunded_micros == 0


async def test_a_refund_is_given_once(both: Pair) -> None:
    """The same key once; more than there is, or of nothing, is refused."""
    made = await both.adapter.create(order())
    with pytest.raises(Refused, match="nothing was paid"):
        await both.adapter.refund(made.external_id, FIVE, "USD", "k0")
    both.till.pay(both.only())
    await both.adapter.fetch(made.external_id)
    for key, micros in (("k1", 2_000_000), ("k1", 2_000_000), ("k2", 1_500_000)):
        await both.adapter.refund(made.external_id, micros, "USD", key)
    assert (await both.adapter.fetch(made.external_id)).refunded_micros == 3_500_000
    with pytest.raises(Refused, match="REFUND_AMOUNT_EXCEEDED"):
        await both.adapter.refund(made.external_id, FIVE, "USD", "k3")


@pytest.mark.parametrize(
    ("status", "raised"), [("PENDING", None), ("FAILED", Refused), ("CANCELLED", Refused)]
)
async def test_a_refund_that_fails_is_no_refund(status: str, raised: type[Exception] | None) -> None:
    """One that is pending is on its way."""
    answers = {
        "/token": TOKEN,
        "/refund": (201, json.dumps({"status": status}).encode()),
        "": (200, _answer()),
    }
    async with answering("paypal", CONFIG, answers) as adapter:
        if raised is None:
            await adapter.refund("X1", FIVE, "USD", "k")
        else:
            with pytest.raises(raised):
                await adapter.refund("X1", FIVE, "USD", "k")


async def test_an_order_that_is_not_there_is_refused(both: Pair) -> None:
    """By PayPal's own word for it, and nothing leads elsewhere."""
    for unknown in ("5O190127TN364715T", "../../v1/oauth2/token", "a/b", "a?b=c"):
        with pytest.raises(Refused):
            await both.adapter.fetch(unknown)


async def test_yen_are_whole(both: Pair) -> None:
    """PayPal takes no parts of some currencies."""
    asked = order(FIVE + 10_000)
    yen = type(asked)(
        **{**{name: getattr(asked, name) for name in asked.__struct_fields__}, "currency": "JPY"}
    )
    with pytest.raises(Refused, match=r"5.01 JPY"):
        await both.adapter.create(yen)


async def test_it_lists_nothing(both: Pair) -> None:
    """Most accounts may not search their transactions."""
    assert not both.adapter.can.lists
    assert await both.adapter.settled(datetime.now(UTC), datetime.now(UTC)) == []


@pytest.mark.parametrize(("status", "body"), ILL)
async def test_a_gateway_that_is_ill_is_asked_again(status: int, body: bytes) -> None:
    """Nothing that it says then ends a payment, and nothing crashes; neither with a token nor without."""
    for answers in ({"/token": TOKEN, "": (status, body)}, {"": (status, body)}):
        async with answering("paypal", CONFIG, answers) as adapter:
            for asking in (adapter.fetch("X1"), adapter.create(order())):
                with pytest.raises(Unreachable):
                    await asking


async def test_a_gateway_that_is_away_is_unreachable(both: Pair) -> None:
    """Whatever is asked of it."""
    both.till.error_share = 1.0
    for asking in (both.adapter.create(order()), both.adapter.fetch("x"), both.adapter.check()):
        with pytest.raises(Unreachable):
            await asking
    async with pair("paypal", url="http://127.0.0.1:9") as away:
        for asking in (away.adapter.create(order()), away.adapter.fetch("x"), away.adapter.check()):
            with pytest.raises(Unreachable):
                await asking


USD: dict[str, Any] = {"currency_code": "USD", "value": "5.00"}
NONSENSE: list[Any] = ["NaN", "-5", "1e999999999", "1e-999999999", "1e30", "five", []]
CAPTURE = {"id": "C1", "status": "COMPLETED", "amount": USD, "create_time": "2026-11-23T12:00:05Z"}


def _answer(unit: dict[str, Any] | None = None, **changed: Any) -> bytes:
    whole = {"amount": USD, "custom_id": REFERENCE, "payments": {"captures": [CAPTURE]}, **(unit or {})}
    told = {
        "id": "X1",
        "status": "COMPLETED",
        "purchase_units": [whole],
        "create_time": "2026-11-23T12:00:00Z",
    }
    return json.dumps({**told, **changed}).encode()


@pytest.mark.parametrize(
    ("unit", "changed"),
    [
        ({}, {"id": "X2"}), ({}, {"status": 7}), ({}, {"purchase_units": []}), ({}, {"purchase_units": None}),
        ({}, {"purchase_units": [{"amount": USD}] * 2}), ({}, {"create_time": "soon"}),
        ({}, {"create_time": "2026-11-23T12:00:00"}), ({"amount": None}, {}), ({"custom_id": 7}, {}),
        *(({"amount": {**USD, "value": value}}, {}) for value in NONSENSE),
        ({"payments": {"captures": [{**CAPTURE, "amount": {"currency_code": "EUR", "value": "5"}}]}}, {}),
        ({"payments": {"captures": [{**CAPTURE, "amount": {**USD, "value": "Infinity"}}]}}, {}),
        ({"payments": {"captures": {"0": CAPTURE}}}, {}),
    ],
)  # fmt: skip
async def test_an_order_that_makes_no_sense_is_asked_for_again(
    unit: dict[str, Any], changed: dict[str, Any]
) -> None:
    """Wrong types, other orders, two currencies, and amounts that are none."""
    answers = {"/token": TOKEN, "/disputes": (200, b"{}"), "": (200, _answer(unit, **changed))}
    async with answering("paypal", CONFIG, answers) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("X1")


async def test_a_page_that_is_none_is_not_shown_to_a_payer() -> None:
    """Only one of the web, and only when the order has a name."""
    for made in ({"id": "X1", "links": [{"rel": "payer-action", "href": "javascript:x"}]}, {"id": "X1"},
                 {"id": "a b", "links": [{"rel": "approve", "href": "https://www.paypal.com/x"}]}):  # fmt: skip
        answers = {"/token": TOKEN, "": (201, json.dumps(made).encode())}
        async with answering("paypal", CONFIG, answers) as adapter:
            with pytest.raises(Unreachable):
                await adapter.create(order())


CASES: list[tuple[str, list[str], list[tuple[str, str]], list[tuple[str, str, str]], PaymentState, int, int]] = [
    # order, captures of five, refunds, disputes → state, settled, taken back
    ("CREATED", [], [], [], PaymentState.OPEN, 0, 0),
    ("PAYER_ACTION_REQUIRED", [], [], [], PaymentState.OPEN, 0, 0),
    ("VOIDED", [], [], [], PaymentState.EXPIRED, 0, 0),
    ("COMPLETED", ["PENDING"], [], [], PaymentState.PROCESSING, 0, 0),
    ("COMPLETED", ["DECLINED"], [], [], PaymentState.FAILED, 0, 0),
    ("COMPLETED", ["FAILED"], [], [], PaymentState.FAILED, 0, 0),
    ("COMPLETED", ["DECLINED", "COMPLETED"], [], [], PaymentState.SETTLED, 5, 0),
    ("COMPLETED", ["PARTIALLY_REFUNDED"], [("COMPLETED", "1"), ("PENDING", "1")], [], PaymentState.SETTLED, 5, 2),
    ("COMPLETED", ["PARTIALLY_REFUNDED"], [("FAILED", "1"), ("CANCELLED", "1")], [], PaymentState.SETTLED, 5, 0),
    ("COMPLETED", ["REFUNDED"], [("COMPLETED", "2"), ("COMPLETED", "3")], [], PaymentState.SETTLED, 5, 5),
    ("COMPLETED", ["REFUNDED"], [], [], PaymentState.SETTLED, 5, 5),
    ("COMPLETED", ["REVERSED"], [], [], PaymentState.SETTLED, 5, 5),
    ("COMPLETED", ["REFUNDED"], [("COMPLETED", "5")], [("RESOLVED", "ACCEPTED", "5")], PaymentState.SETTLED, 5, 5),
    ("COMPLETED", ["PARTIALLY_REFUNDED"], [("COMPLETED", "2")], [("OPEN", "", "2")], PaymentState.SETTLED, 5, 4),
    ("COMPLETED", ["COMPLETED"], [], [("OPEN", "", "9")], PaymentState.SETTLED, 5, 5),
    ("COMPLETED", ["COMPLETED"], [], [("RESOLVED", "RESOLVED_WITH_PAYOUT", "5")], PaymentState.SETTLED, 5, 0),
    ("COMPLETED", ["COMPLETED"], [], [("RESOLVED", "CANCELED_BY_BUYER", "5")], PaymentState.SETTLED, 5, 0),
]  # fmt: skip


@pytest.mark.parametrize(("standing", "captures", "refunds", "disputes", "state", "settled", "back"), CASES)
def test_what_an_order_means(
    standing: str, captures: list[str], refunds: list[tuple[str, str]], disputes: list[tuple[str, str, str]],
    state: PaymentState, settled: int, back: int,
) -> None:  # fmt: skip
    """Each case of money that came, went back, or is disputed; nothing of it counts twice."""
    told = {
        "id": "X1", "status": standing,
        "purchase_units": [{"amount": USD, "custom_id": REFERENCE, "payments": {
            "captures": [{**CAPTURE, "status": each} for each in captures],
            "refunds": [{"status": word, "amount": {**USD, "value": value}} for word, value in refunds],
        }}],
    }  # fmt: skip
    known = [
        {"dispute_id": "D", "status": word, "dispute_amount": {**USD, "value": value}, "dispute_outcome": {"outcome_code": code}}
        for word, code, value in disputes
    ]  # fmt: skip
    found = truth(msgspec.convert(told, Placed), msgspec.convert(known, list[Dispute]), "live")
    assert (found.state, found.settled_micros, found.refunded_micros) == (
        state, settled * 1_000_000, back * 1_000_000,
    )  # fmt: skip
