"""PayPal's notices: whose they are, and what they are about."""

import asyncio
import base64
import json
import struct
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ringlet.payments import paypal_notices
from ringlet.payments.paypal_notices import KEPT_MAX, SIGNERS, signer
from ringlet.payments.port import Notice, NoticeRefused, Unreachable
from tests.coins_rig import REFERENCE, Pair, order, pair
from tests.fakes.tills import paypal, paypal_keys
from tests.fakes.tills.paypal_keys import LIVE, SANDBOX, Authority, new_key

DAY_S = 24 * 3600.0
OTHERS = Authority("Somebody else's root")
OTHER_KEY = new_key()


@pytest.fixture
async def both() -> AsyncIterator[Pair]:
    async with pair("paypal") as found:
        await found.adapter.create(order())
        yield found


def asked(both: Pair, what: str) -> int:
    return sum(each[3] == what for each in both.till.log)


async def test_a_notice_names_its_payment_in_every_state(both: Pair) -> None:
    """Approved, captured, pending, declined, given back and over; its event is the same when it is said again."""
    payment = both.only()
    states: list[dict[str, Any]] = [
        {"state": "settled"}, {"extras": {"is_captured": True}}, {"refunded": Decimal(1)}, {"refunded": Decimal(0)},
        {"state": "processing"}, {"state": "failed"}, {"state": "expired"},
    ]  # fmt: skip
    payment.settled = payment.amount
    for number, changed in enumerate(states):
        for name, value in changed.items():
            setattr(payment, name, value)
        headers, body = paypal.notice(both.till, payment, f"WH-{number}")
        expected = Notice(f"WH-{number}", "" if payment.refunded else payment.id, REFERENCE)
        assert [await both.adapter.read_notice(body, headers) for _ in range(2)] == [expected] * 2
    assert asked(both, "certificate") == 1


async def test_forged_notices_are_refused(both: Pair) -> None:
    """Every one of them, also by who has a certificate of another; and the good one is taken."""
    cases = paypal.forged(both.till, both.only())
    assert len(cases) > 25
    body = cases[0][1]
    cases.append((paypal.signed(both.till, body, key=OTHER_KEY), body))
    for headers, each in cases:
        with pytest.raises(NoticeRefused):
            await both.adapter.read_notice(each, headers)
    headers, body = paypal.notice(both.till, both.only(), "WH-1")
    lower, title = (
        {change(name): text for name, text in headers.items()} for change in (str.lower, str.title)
    )
    for known in (headers, lower, title):
        assert await both.adapter.read_notice(body, known) is not None


async def test_a_notice_may_be_as_old_as_paypal_repeats_it(both: Pair) -> None:
    """For three days, with its first time; a clock may be a little ahead of ours."""
    _, body = paypal.notice(both.till, both.only(), "WH-1")
    for ago_s in (0, 600, 3 * DAY_S, -200):
        assert await both.adapter.read_notice(body, paypal.signed(both.till, body, ago_s=ago_s))
    for ago_s in (4 * DAY_S + 60, -400):
        with pytest.raises(NoticeRefused, match="too old, or too early"):
            await both.adapter.read_notice(body, paypal.signed(both.till, body, ago_s=ago_s))


def _by_openssl(place: Path, body: bytes, at: str) -> str:
    """The documented formula, by tools that are none of ours: gzip ends with the checksum."""
    gzipped = subprocess.run(["gzip", "-c"], input=body, capture_output=True, check=True).stdout
    (checksum,) = struct.unpack("<I", gzipped[-8:-4])
    secret = paypal_keys.kept().key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    place.write_bytes(secret)
    said = f"b5d0f2a0|{at}|{paypal.WEBHOOK}|{checksum}".encode()
    command = ["openssl", "dgst", "-sha256", "-sign", str(place)]
    return base64.b64encode(
        subprocess.run(command, input=said, capture_output=True, check=True).stdout
    ).decode()


async def test_a_notice_by_another_hand_is_read(both: Pair, tmp_path: Path) -> None:
    """Its letters are what they are, and not what a parser makes of them."""
    resource = '"resource":{"custom_id":"' + REFERENCE + '"}'
    body = ('{"id":"WH-7","resource_type":"capture","summary":"5 €",' + resource + "}").encode()
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    headers = {
        "PAYPAL-TRANSMISSION-ID": "b5d0f2a0", "PAYPAL-TRANSMISSION-TIME": at, "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        "PAYPAL-TRANSMISSION-SIG": _by_openssl(tmp_path / "key.pem", body, at),
        "PAYPAL-CERT-URL": both.till.url + paypal.CERTIFICATE,
    }  # fmt: skip
    assert await both.adapter.read_notice(body, headers) == Notice("WH-7", "", REFERENCE)


async def test_a_dispute_that_names_the_money_alone_finds_its_order(both: Pair) -> None:
    """By asking PayPal about the money; where it knows none, it is not about us."""
    both.till.pay(both.only())
    await both.adapter.fetch(both.only().id)
    headers, body = paypal.dispute_notice(both.till, both.only(), "WH-9")
    assert await both.adapter.read_notice(body, headers) == Notice("WH-9", both.only().id, REFERENCE)
    body = body.replace(b"CAP-", b"CAP-X")
    assert await both.adapter.read_notice(body, paypal.signed(both.till, body)) is None
    both.till.error_share = 1.0
    with pytest.raises(Unreachable):
        await both.adapter.read_notice(body, paypal.signed(both.till, body))


@pytest.mark.parametrize(
    "told",
    [b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"id":7}', b'{"id":"x","resource_type":"payouts","resource":{}}',
     b'{"id":"x","resource_type":"sale","resource":{"id":"8AB","links":[{"rel":"up","href":"https://x/y"}]}}',
     b'{"id":"x","resource_type":"capture","resource":{"custom_id":["tu_1"]}}',
     b'{"id":"x","resource_type":"checkout-order","resource":{"id":"8AB","purchase_units":[{"custom_id":"pos 7"}]}}',
     b'{"id":"x","resource_type":"checkout-order","resource":{"id":"8AB\\u0000","custom_id":"tu_\\u0000"}}'],
)  # fmt: skip
async def test_what_is_signed_and_about_nothing_of_ours(both: Pair, told: bytes) -> None:
    """Whatever PayPal tells of what else the merchant sells; whatever shape it has."""
    assert await both.adapter.read_notice(told, paypal.signed(both.till, told)) is None


async def test_without_the_webhooks_id_nothing_is_believed() -> None:
    """It is part of what is signed: without it a notice to anybody would do."""
    async with pair("paypal", webhook_id="") as both:
        await both.adapter.create(order())
        _, body = paypal.notice(both.till, both.only(), "WH-1")
        with pytest.raises(NoticeRefused, match="webhook"):
            await both.adapter.read_notice(body, paypal.signed(both.till, body, webhook=""))


async def test_a_certificate_is_asked_for_once(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all who come together, and again when it has been kept for its time."""
    headers, body = paypal.notice(both.till, both.only(), "WH-1")
    await asyncio.gather(*(both.adapter.read_notice(body, headers) for _ in range(20)))
    assert asked(both, "certificate") == 1
    kept = both.adapter._witness._certificates._kept  # type: ignore[attr-defined]
    ((url, (_, key)),) = kept.items()
    kept[url] = (time.monotonic() - 1, key)
    await both.adapter.read_notice(body, headers)
    assert asked(both, "certificate") == 2


async def test_addresses_of_certificates_fill_no_memory(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not there is refused, one that cannot be asked for is to be said again, and few are kept."""
    monkeypatch.setattr(paypal_notices, "LONGEST_S", 0.2)
    body = b"{}"
    outcomes = []
    for number in range(KEPT_MAX + 10):
        headers = paypal.signed(both.till, body, path=f"/v1/notifications/certs/CERT-{number}")
        with pytest.raises((NoticeRefused, Unreachable)) as caught:
            await both.adapter.read_notice(body, headers)
        outcomes.append(caught.type)
    assert outcomes[0] is NoticeRefused
    assert outcomes[-1] is Unreachable  # whoever comes with rubbish does not make us ask PayPal at his pace
    certificates = both.adapter._witness._certificates  # type: ignore[attr-defined]
    for number in range(KEPT_MAX + 10):
        certificates._keep(str(number), None)
    assert len(certificates._kept) == KEPT_MAX
    assert "0" not in certificates._kept


async def test_a_certificate_that_cannot_be_had_now_is_asked_for_again(both: Pair) -> None:
    """The notice is neither taken nor refused: PayPal says it again."""
    headers, body = paypal.notice(both.till, both.only(), "WH-1")
    both.till.error_share = 1.0
    with pytest.raises(Unreachable):
        await both.adapter.read_notice(body, headers)
    both.till.error_share = 0.0
    assert await both.adapter.read_notice(body, headers) is not None


async def test_what_cannot_be_proved_here_is_asked_of_paypal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a certificate that no root of ours vouches for: PayPal knows the bytes that it sent, and no others."""
    monkeypatch.setattr(paypal_notices, "ASKS_PER_S", 1000.0)
    async with pair("paypal", roots=OTHERS.pem.decode()) as both:
        await both.adapter.create(order())
        headers, body = paypal.notice(both.till, both.only(), "WH-1")
        spaced = json.dumps(json.loads(body), indent=1).encode()
        for good in (body, spaced):
            told = await both.adapter.read_notice(good, paypal.signed(both.till, good))
            assert told == Notice("WH-1", both.only().id, REFERENCE)
        for bad in (
            body.replace(b"tu_", b"tv_"),
            b"",
            b'{"a":1},"webhook_id":"x","b":{"c":1}',
            b"[" * 100_000,
        ):
            with pytest.raises(NoticeRefused):
                await both.adapter.read_notice(bad, headers)
        both.till.error_share = 1.0
        with pytest.raises(Unreachable):
            await both.adapter.read_notice(body, headers)


async def test_keys_that_are_not_good_say_nothing_of_a_notice() -> None:
    """It is to be said again when they are."""
    async with pair("paypal", roots=OTHERS.pem.decode(), client_secret="of-another-app") as both:
        body = b"{}"
        with pytest.raises(Unreachable):
            await both.adapter.read_notice(body, paypal.signed(both.till, body))


ROOT = Authority()
MIDDLE = Authority("Example intermediate", above=ROOT)
EC_KEY: Any = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("chain", "mode", "is_good"),
    [
        (ROOT.vouch(OTHER_KEY, LIVE), "live", True),
        (ROOT.vouch(OTHER_KEY, "www.example", LIVE), "live", True),
        (MIDDLE.vouch(OTHER_KEY, LIVE), "live", True),
        (MIDDLE.vouch(OTHER_KEY, LIVE).split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n", "live", False),
        (ROOT.vouch(OTHER_KEY, SANDBOX), "test", True),
        (ROOT.vouch(OTHER_KEY, LIVE), "test", True),
        (ROOT.vouch(OTHER_KEY, SANDBOX), "live", False),
        (ROOT.vouch(OTHER_KEY, "api.paypal.com"), "live", False),
        (ROOT.vouch(OTHER_KEY, "*.paypal.com.evil.example"), "live", False),
        (ROOT.vouch(OTHER_KEY, LIVE, days=-1), "live", False),
        (OTHERS.vouch(OTHER_KEY, LIVE), "live", False),
        (OTHERS.vouch(OTHER_KEY, LIVE) + ROOT.pem, "live", False),
        (ROOT.vouch(EC_KEY, LIVE), "live", False),
        (ROOT.vouch(new_key(1024), LIVE), "live", False),
        (ROOT.pem, "live", False),
        (b"", "live", False),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "live", False),
        (b"\xff" * 100, "live", False),
    ],
)  # fmt: skip
def test_only_paypals_certificates_are_proved(chain: bytes, mode: str, is_good: bool) -> None:
    """For this purpose, by a root that is trusted, now; and of a size that nobody breaks."""
    assert (signer(chain, SIGNERS[mode], ROOT.pem.decode()) is not None) == is_good


def test_the_machines_roots_vouch_for_none_of_ours() -> None:
    """Without roots for a test, those of the machine are asked, which do not know us."""
    assert signer(ROOT.vouch(OTHER_KEY, LIVE), SIGNERS["live"]) is None
    assert signer(paypal_keys.kept().certificate, SIGNERS["live"]) is None
