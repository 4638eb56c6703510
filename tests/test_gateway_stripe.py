"""Stripe Checkout: the official SDK in front of our fake, and in front of answers that no fake would give."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ringlet.payments import stripe_amounts
from ringlet.payments.port import (
    Made,
    Order,
    PaymentState,
    Refused,
    Settled,
    Truth,
    Unreachable,
)
from ringlet.payments.stripe import LIVES_S, Stripe
from tests.coins_rig import ILL, REFERENCE, Pair, answering, order, pair
from tests.fakes.tills import stripe

FIVE = 5_000_000
CONFIG = stripe.config("")


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("stripe") as found:
        found.till.fee_percent = Decimal(3)
        yield found


def ordered(micros: int = FIVE, currency: str = "USD", reference: str = REFERENCE, **more: Any) -> Order:
    made = order(micros, reference, LIVES_S)
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    return Order(**{**fields, "currency": currency, **more})


async def test_the_same_order_is_the_same_session(both: Pair) -> None:
    """Asked again, also at once by several, it is one payment; Stripe knows it by our id in three places."""
    asked = ordered()
    made = await asyncio.gather(*(both.adapter.create(asked) for _ in range(5)))
    payment = both.only()
    assert set(made) == {Made(payment.id, url=f"{both.till.url}{stripe.PAY_PATH}/{payment.id}")}
    assert (payment.reference, payment.amount, payment.currency) == (REFERENCE, Decimal(5), "USD")
    assert payment.return_url == "https://shop.example/wallet/top-up/1"
    assert payment.extras["metadata"] == payment.extras["intent_metadata"] == {"topup": REFERENCE}
    assert payment.extras["title"] == "Example Numbers"
    assert payment.extras["livemode"]
    other = await both.adapter.create(ordered(reference="tu_another"))
    assert other.external_id != payment.id


async def test_another_order_of_the_same_id_is_refused(both: Pair) -> None:
    """Our rows never change how much they ask for."""
    asked = ordered()
    await both.adapter.create(asked)
    with pytest.raises(Refused, match="another payment"):
        await both.adapter.create(ordered(FIVE + 10_000, expires_at=asked.expires_at))
    assert len(both.till.payments) == 1


async def test_an_order_in_other_words_is_the_same_payment(both: Pair) -> None:
    """Between two tries the payer or the shop may have changed an address: what was made then is found, paid or not."""
    asked = ordered()
    made = await both.adapter.create(asked)
    for number in range(120):
        await both.adapter.create(ordered(reference=f"tu_{number}"))
    for changed in (
        {"email": "alice@example.com"},
        {"title": "Other"},
        {"return_url": "https://other.example/"},
    ):
        fields = {name: getattr(asked, name) for name in asked.__struct_fields__}
        assert await both.adapter.create(Order(**{**fields, **changed})) == made
    both.till.pay(both.till.find(made.external_id))
    assert await both.adapter.create(Order(**{**fields, **changed})) == Made(made.external_id)


async def test_an_answer_that_is_lost_makes_no_second_payment(both: Pair) -> None:
    """The SDK does not ask again behind our back, and when we do, it is the same payment."""
    asked, both.till.drop_share = ordered(), 1.0
    for _ in range(3):
        with pytest.raises(Unreachable):
            await both.adapter.create(asked)
    both.till.drop_share = 0.0
    assert (await both.adapter.create(asked)).external_id == both.only().id


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"charge_micros": 400_000}, "at least"),
        ({"expires_at": datetime.now(UTC) + timedelta(minutes=10)}, "between 30 minutes"),
        ({"expires_at": datetime.now(UTC) + timedelta(days=2)}, "between 30 minutes"),
        ({"email": "nobody"}, "Invalid email"),
        ({"currency": "JPY", "charge_micros": 1_500_000}, "steps of 1"),
    ],
)
async def test_what_stripe_does_not_take_is_refused_with_its_words(
    both: Pair, changed: dict[str, Any], words: str
) -> None:
    """So that the top-up ends, and the payer chooses another way."""
    with pytest.raises(Refused, match=words):
        await both.adapter.create(ordered(**changed))


@pytest.mark.parametrize(
    ("currency", "micros", "units"),
    [("USD", 12_340_000, 1234), ("EUR", 10_000, 1), ("JPY", 500_000_000, 500), ("KRW", 1_000_000, 1),
     ("KWD", 5_120_000, 5120), ("BHD", 10_000, 10), ("ISK", 5_000_000, 500), ("UGX", 1_000_000, 100),
     ("HUF", 10_450_000, 1045), ("TWD", 800_450_000, 80_045)],
)  # fmt: skip
def test_amounts_are_counted_in_the_smallest_unit(currency: str, micros: int, units: int) -> None:
    """As docs.stripe.com/currencies has it, with the examples that it gives."""
    assert stripe_amounts.to_units(micros, currency) == units
    assert stripe_amounts.to_micros(units, currency) == micros


@pytest.mark.parametrize(
    ("currency", "micros"), [("USD", 5_001_000), ("JPY", 500_500_000), ("KWD", 5_124_000), ("ISK", 5_500_000)]
)
def test_an_amount_that_its_currency_does_not_have_is_refused(currency: str, micros: int) -> None:
    """Rounding would ask for another amount than we wrote down."""
    with pytest.raises(Refused, match="steps"):
        stripe_amounts.to_units(micros, currency)


@pytest.mark.parametrize(
    ("currency", "micros"), [("JPY", 500_000_000), ("KWD", 5_120_000), ("ISK", 5_000_000)]
)
async def test_every_currency_comes_back_as_it_went(both: Pair, currency: str, micros: int) -> None:
    """Asked, settled, kept and given back."""
    made = await both.adapter.create(ordered(micros, currency))
    both.till.pay(both.only())
    await both.adapter.refund(made.external_id, micros, currency, "r1")
    truth = await both.adapter.fetch(made.external_id)
    assert (truth.currency, truth.asked_micros, truth.settled_micros) == (currency, micros, micros)
    assert truth.refunded_micros == micros


async def test_the_truth_in_every_state(both: Pair) -> None:
    """Paid only when Stripe says `paid`; a page that was left for a bank debit is under way for days."""
    made = await both.adapter.create(ordered())
    payment = both.only()
    asked = Truth(payment.id, REFERENCE, PaymentState.OPEN, "live", "USD", FIVE)
    assert await both.adapter.fetch(made.external_id) == asked
    for state in ("processing", "expired", "failed"):
        payment.state = state
        truth = await both.adapter.fetch(made.external_id)
        assert (truth.state, truth.settled_micros, truth.refunded_micros) == (PaymentState(state), 0, 0)
    payment.state = "open"
    both.till.pay(payment)
    expected = Truth(
        payment.id, REFERENCE, PaymentState.SETTLED, "live", "USD", FIVE, FIVE, fee_micros=150_000
    )
    assert await both.adapter.fetch(made.external_id) == expected
    for settled in ("3", "7.01"):
        payment.settled = Decimal(settled)
        assert (await both.adapter.fetch(made.external_id)).settled_micros == Decimal(settled) * 1_000_000
    payment.is_late = True
    assert (await both.adapter.fetch(made.external_id)).is_late


async def test_the_fee_is_told_in_the_currency_of_the_payment(both: Pair) -> None:
    """An account in another currency keeps its fee in that one: the same part of the payment in ours."""
    made = await both.adapter.create(ordered(10_000_000, "EUR"))
    payment = both.only()
    payment.extras["rate"] = (Decimal("1.234"), "USD")
    both.till.pay(payment)
    assert (await both.adapter.fetch(made.external_id)).fee_micros == 299_837  # 37 of 1234 cents, of 10 EUR
    payment.extras["rate"] = (Decimal(150), "JPY")
    assert (await both.adapter.fetch(made.external_id)).fee_micros == 300_000


@pytest.mark.parametrize(
    ("refunded", "disputes", "micros"),
    [
        ("0", [], 0),
        ("2", [], 2_000_000),
        ("5", [], FIVE),
        ("0", [("5", "needs_response")], FIVE),
        ("0", [("5", "under_review")], FIVE),
        ("0", [("3.50", "lost")], 3_500_000),
        ("0", [("5", "appeal_under_review")], FIVE),
        ("0", [("5", "a word that is new")], FIVE),
        # An inquiry takes no money, and what was won or averted is ours again.
        ("0", [("5", "warning_needs_response")], 0),
        ("0", [("5", "warning_closed")], 0),
        ("0", [("5", "won")], 0),
        ("0", [("5", "prevented")], 0),
        ("2", [("3", "lost")], FIVE),
        ("2", [("5", "lost")], FIVE),
        ("1", [("2", "won"), ("1", "lost")], 2_000_000),
    ],
)
async def test_what_is_taken_back_counts(
    both: Pair, refunded: str, disputes: list[tuple[str, str]], micros: int
) -> None:
    """Refunds, and disputes that are open or lost; never more than was paid."""
    made = await both.adapter.create(ordered())
    payment = both.only()
    both.till.pay(payment)
    payment.refunded = Decimal(refunded)
    payment.extras["disputes"] = [(Decimal(amount), status) for amount, status in disputes]
    truth = await both.adapter.fetch(made.external_id)
    assert (truth.settled_micros, truth.refunded_micros) == (FIVE, micros)


async def test_money_is_given_back_once(both: Pair) -> None:
    """The same key once, also long after Stripe has forgotten keys; more than is left is refused."""
    made = await both.adapter.create(ordered())
    with pytest.raises(Refused, match="nothing was paid"):
        await both.adapter.refund(made.external_id, FIVE, "USD", "r0")
    both.till.pay(both.only())
    for key in ("r1", "r1", "r2", "r1"):
        await both.adapter.refund(made.external_id, 2_000_000, "USD", key)
        both.till.by_key.clear()
    assert both.only().refunded == Decimal(4)
    with pytest.raises(Refused, match="greater than unrefunded"):
        await both.adapter.refund(made.external_id, 2_000_000, "USD", "r3")
    both.only().extras["refund_status"] = "failed"
    with pytest.raises(Refused, match="lost_or_stolen_card"):
        await both.adapter.refund(made.external_id, 1_000_000, "USD", "r4")
    assert both.only().refunded == Decimal(4)


async def test_what_has_settled_is_listed(both: Pair) -> None:
    """Page by page, of the time when it was paid; what is unpaid, or somebody else's on the same account, is left out."""
    for number in range(230):
        made = await both.adapter.create(ordered(reference=f"tu_{number}"))
        if number % 2:
            both.till.pay(both.till.find(made.external_id))
    both.till.pay(both.till.make("shirt", Decimal(1), "USD", metadata={"shirt": "blue"}))
    both.till.refund(both.till.find(made.external_id), Decimal(1))
    now = datetime.now(UTC)
    lines = await both.adapter.settled(now - timedelta(hours=1), now + timedelta(hours=1))
    assert len(lines) == 115
    assert lines[0] == Settled(made.external_id, "tu_229", FIVE, 1_000_000, "USD")
    assert sum(line.settled_micros for line in lines) == 115 * FIVE
    assert await both.adapter.settled(now - timedelta(days=2), now - timedelta(hours=1)) == []


async def test_the_check_names_the_account(both: Pair) -> None:
    """And says no in Stripe's words when the key is not good."""
    assert await both.adapter.check() == "Fake Shop"
    for key, words in (("sk_live_wrong", "Invalid API Key"), (stripe.NARROW_KEY, "permissions")):
        async with pair("stripe", secret_key=key) as other:
            for asking in (other.adapter.check(), other.adapter.create(ordered())):
                with pytest.raises(Refused, match=words):
                    await asking
            # It says nothing of the payment: who asks for the truth must ask again.
            for asking in (
                other.adapter.fetch("cs_live_1"),
                other.adapter.refund("cs_live_1", FIVE, "USD", "r"),
            ):
                with pytest.raises(Unreachable, match=words):
                    await asking


@pytest.mark.parametrize(
    ("mode", "key"),
    [
        ("live", ""),
        ("live", "sk_test_fake"),
        ("test", "sk_live_fake"),
        ("live", "pk_live_fake"),
        ("live", "whsec_x"),
    ],
)
def test_a_key_of_the_other_mode_is_refused_at_once(mode: str, key: str) -> None:
    """Test money never pays for a live balance, and a key that can be shown to everybody is no secret one."""
    with pytest.raises(Refused):
        Stripe({**CONFIG, "secret_key": key}, mode, None, None)  # type: ignore[arg-type]


async def test_a_session_that_is_not_there_is_refused(both: Pair) -> None:
    """By Stripe's own word for it."""
    for unknown in ("cs_live_nobody", "../../account", "", "cs_live/../x", "pi_1"):
        with pytest.raises(Refused):
            await both.adapter.fetch(unknown)


@pytest.mark.parametrize(("status", "body"), [*ILL, (400, b'{"error": 7}'), (400, b'{"error": ["x"]}'),
                                              (400, b'{"error": "invalid_grant"}'), (200, b'{"object": {"a": 1}}'),
                                              (409, b'{"error": {"type": "api_error", "message": 7}}')])  # fmt: skip
async def test_a_server_that_is_ill_is_asked_again(status: int, body: bytes) -> None:
    """Nothing that it says then ends a payment, and nothing crashes."""
    now = datetime.now(UTC)
    async with answering("stripe", CONFIG, {"": (status, body)}) as adapter:
        for asking in (
            adapter.create(ordered()), adapter.fetch("cs_live_1"), adapter.settled(now, now),
            adapter.refund("cs_live_1", FIVE, "USD", "k"), adapter.check(),
        ):  # fmt: skip
            with pytest.raises(Unreachable):
                await asking


async def test_a_server_that_is_away_is_unreachable(both: Pair) -> None:
    """Nobody answers, or something between breaks off."""
    both.till.error_share = 1.0
    async with pair("stripe", url="http://127.0.0.1:9") as away:
        for adapter in (both.adapter, away.adapter):
            for asking in (adapter.create(ordered()), adapter.fetch("cs_live_1"), adapter.check()):
                with pytest.raises(Unreachable):
                    await asking


@pytest.mark.parametrize(
    "changed", [{"client_reference_id": "tu_another"}, {"url": None}, {"url": "javascript:1"}, {"url": "//x"}]
)
async def test_an_answer_about_something_else_is_none(changed: dict[str, Any]) -> None:
    """Another payment, or no page to send a payer to."""
    good = _session(payment_status="unpaid", status="open", url="https://checkout.stripe.com/c/pay/cs_live_1")
    async with answering("stripe", CONFIG, {"": (200, good)}) as adapter:
        assert await adapter.create(ordered()) == Made(
            "cs_live_1", url="https://checkout.stripe.com/c/pay/cs_live_1"
        )
    bad = json.dumps({**json.loads(good), **changed}).encode()
    async with answering("stripe", CONFIG, {"": (200, bad)}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.create(ordered())


def _session(**changed: Any) -> bytes:
    charge = {"id": "ch_1", "amount": 500, "amount_refunded": 0, "created": 1, "disputed": False}
    intent = {"id": "pi_1", "status": "succeeded", "amount_received": 500, "latest_charge": charge}
    told = {
        "id": "cs_live_1", "object": "checkout.session", "livemode": True, "payment_status": "paid", "status": "complete",
        "currency": "usd", "amount_total": 500, "expires_at": 2, "client_reference_id": REFERENCE,
        "metadata": {"topup": REFERENCE}, "payment_intent": intent,
    }  # fmt: skip
    return json.dumps({**told, **changed}).encode()


@pytest.mark.parametrize(
    "changed",
    [{"id": 7}, {"id": ""}, {"amount_total": None}, {"amount_total": -5}, {"amount_total": 5.5}, {"amount_total": "500"},
     {"amount_total": 10**30}, {"currency": None}, {"currency": "dollars"}, {"livemode": "yes"}, {"status": None},
     {"metadata": "x"}, {"metadata": {"topup": 7}}, {"payment_intent": None}, {"payment_intent": "pi_1"},
     {"payment_intent": {"id": "pi_1"}}, {"payment_intent": []}, {"payment_status": []}],
)  # fmt: skip
async def test_a_session_that_makes_no_sense_is_asked_for_again(changed: dict[str, Any]) -> None:
    """Wrong types, amounts that are none, and paid without a charge; the good one is read."""
    async with answering("stripe", CONFIG, {"": (200, _session())}) as adapter:
        assert (await adapter.fetch("cs_live_1")).settled_micros == FIVE
    async with answering("stripe", CONFIG, {"": (200, _session(**changed))}) as adapter:
        with pytest.raises(Unreachable):
            await adapter.fetch("cs_live_1")
