"""What Stripe says by itself: signatures made by its own SDK and by openssl, and what each notice is about."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from ringlet.payments.port import NoticeRefused, Unreachable
from tests.coins_rig import REFERENCE, Pair, answering, order, pair
from tests.fakes.tills import stripe

CONFIG = stripe.config("")


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("stripe") as found:
        yield found


async def test_a_notice_of_every_kind_names_its_payment(both: Pair) -> None:
    """Whether it is about a session, a charge or a dispute; told again, it has the same id."""
    made = await both.adapter.create(order(lives_s=3600))
    payment = both.only()
    for state in ("processing", "failed", "expired", "settled"):
        payment.state = state
        headers, body = stripe.notice(both.till, payment, f"evt_{state}")
        found = [await both.adapter.read_notice(body, headers) for _ in range(2)]
        assert found[0] == found[1]
        assert found[0] is not None
        assert (found[0].event_id, found[0].external_id, found[0].reference) == (
            f"evt_{state}", made.external_id, REFERENCE,
        )  # fmt: skip
    payment.settled, payment.refunded = Decimal(5), Decimal(1)
    headers, body = stripe.notice(both.till, payment, "evt_back")
    found_back = await both.adapter.read_notice(body, headers)
    assert found_back is not None
    assert (found_back.external_id, found_back.reference) == ("", REFERENCE)
    payment.extras["disputes"] = [(Decimal(5), "needs_response")]
    headers, body = stripe.notice(both.till, payment, "evt_dispute")
    found_dispute = await both.adapter.read_notice(body, headers)
    assert found_dispute is not None
    assert (found_dispute.external_id, found_dispute.reference) == (made.external_id, REFERENCE)
    both.till.error_share = 1.0
    with pytest.raises(Unreachable):
        await both.adapter.read_notice(body, headers)


EVENT = (
    b'{"id":"evt_1","object":"event","livemode":true,"type":"checkout.session.completed",'
    b'"data":{"object":{"id":"cs_live_1","object":"checkout.session","metadata":{"topup":"%b"}}}}'
    % REFERENCE.encode()
)


async def test_a_notice_by_another_hand_is_read() -> None:
    """The scheme as it is documented, written out by openssl: HMAC-SHA256 of the time, a point and the bytes."""
    async with answering("stripe", CONFIG, {"": (500, b"")}) as adapter:
        at = int(time.time())
        process = await asyncio.create_subprocess_exec(
            "openssl", "dgst", "-sha256", "-hmac", stripe.SECRET,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate(f"{at}.".encode() + EVENT)
        digest = out.decode().split()[-1]
        for header in (f"t={at},v1={digest}", f"t={at},v1={'0' * 64},v1={digest},v0=x"):
            found = await adapter.read_notice(EVENT, {"STRIPE-signature": header})
            assert found is not None
            assert (found.event_id, found.external_id, found.reference) == ("evt_1", "cs_live_1", REFERENCE)


SIGNATURES = [
    # secret, seconds from now, what becomes of the bytes afterwards, whether it is taken
    (stripe.SECRET, 0, b"", b"", True),
    (stripe.SECRET, -290, b"", b"", True),
    (stripe.SECRET, -310, b"", b"", False),
    (stripe.SECRET, -86_400, b"", b"", False),
    ("whsec_other", 0, b"", b"", False),
    ("whsec_fake2", 0, b"", b"", False),
    (stripe.SECRET, 0, b"cs_live_1", b"cs_live_2", False),
    (stripe.SECRET, 0, b"evt_1", b"evt_2", False),
    (stripe.SECRET, 0, REFERENCE.encode(), b"tu_another", False),
    (stripe.SECRET, 0, b"completed", b"expired", False),
    (stripe.SECRET, 0, b'"livemode":true', b'"livemode": true', False),
]


@pytest.mark.parametrize(("secret", "at", "before", "after", "is_taken"), SIGNATURES)
async def test_signatures(secret: str, at: int, before: bytes, after: bytes, is_taken: bool) -> None:
    """Good, stale, of another key and tampered with; made by the vendor's own SDK."""
    headers = stripe.signed(EVENT, secret, int(time.time()) + at)
    async with answering("stripe", CONFIG, {"": (500, b"")}) as adapter:
        if is_taken:
            assert await adapter.read_notice(EVENT, headers) is not None
            return
        with pytest.raises(NoticeRefused):
            await adapter.read_notice(EVENT.replace(before, after), headers)


@pytest.mark.parametrize(
    "header",
    ["", "v1=", "t=,v1=", "t=now,v1=aa", "t=9" * 5000, "t=1,v1=é", "=", ",,,", "t=99999999999999999999,v1=aa",
     "t=1 ,v1=\x00", "v1=aa,t"],
)  # fmt: skip
async def test_headers_that_are_none(both: Pair, header: str) -> None:
    """Whatever stands there, it is refused and nothing crashes."""
    with pytest.raises(NoticeRefused):
        await both.adapter.read_notice(EVENT, {"Stripe-Signature": header})
    with pytest.raises(NoticeRefused):
        await both.adapter.read_notice(b"\xff\xfe", {"Stripe-Signature": header})


async def test_forged_notices_are_refused(both: Pair) -> None:
    """Every one that the fake knows, whatever the notice is about: each is another than the true one."""
    await both.adapter.create(order(lives_s=3600))
    payment = both.only()
    changes: list[dict[str, Any]] = [
        {"state": "open"}, {"state": "settled", "settled": Decimal(5)}, {"refunded": Decimal(1)},
        {"extras": {**payment.extras, "disputes": [(Decimal(5), "needs_response")]}},
    ]  # fmt: skip
    for change in changes:
        for name, value in change.items():
            setattr(payment, name, value)
        for headers, body in stripe.forged(both.till, payment):
            with pytest.raises(NoticeRefused):
                await both.adapter.read_notice(body, headers)


async def test_the_old_secret_is_good_while_it_is_written_down() -> None:
    """With a comma or a new line between, so that it can be changed without losing a word."""
    for written in (
        f"whsec_new,{stripe.SECRET}",
        f" {stripe.SECRET}\n whsec_new ",
        f"{stripe.SECRET}, whsec_new",
    ):
        async with pair("stripe", webhook_secret=written) as both:
            for secret in ("whsec_new", stripe.SECRET):
                assert await both.adapter.read_notice(EVENT, stripe.signed(EVENT, secret)) is not None
            with pytest.raises(NoticeRefused):
                await both.adapter.read_notice(EVENT, stripe.signed(EVENT, ","))
    async with pair("stripe", webhook_secret=" , ") as both:
        for secret in ("", " ", ","):
            with pytest.raises(NoticeRefused):
                await both.adapter.read_notice(EVENT, stripe.signed(EVENT, secret))


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (b"{}", False),
        (b"[]", False),
        (b"no JSON", False),
        (b"[" * 100_000, False),
        (EVENT.replace(b'"evt_1"', b"7"), False),
        (
            b'{"id":"evt_1","livemode":true,"type":"balance.available","data":{"object":{"object":"balance"}}}',
            True,
        ),
        (EVENT.replace(REFERENCE.encode(), b"").replace(b"topup", b"shirt"), True),
        (EVENT.replace(b'"livemode":true', b'"livemode":false'), True),
        (EVENT.replace(b"checkout.session.completed", b"customer.created"), True),
        (EVENT.replace(b"checkout.session.completed", b"charge.refunded").replace(b"topup", b"shirt"), True),
        (
            EVENT.replace(b"checkout.session.completed", b"charge.dispute.created").replace(
                b"topup", b"shirt"
            ),
            True,
        ),
    ],
)
async def test_what_is_signed_and_about_nothing_of_ours(both: Pair, body: bytes, is_read: bool) -> None:
    """Others sell on the same account; test events are none of a live gateway's; and what is no event is refused."""
    if is_read:
        assert await both.adapter.read_notice(body, stripe.signed(body)) is None
    else:
        with pytest.raises(NoticeRefused):
            await both.adapter.read_notice(body, stripe.signed(body))
