"""The page of one payment: a bank's words and proofs, coins and their picture, where it leads, and what it says."""

import msgspec
import pytest

from ringlet.desk import Desk
from ringlet.topups.store import Topup
from ringlet.web.pages import render, topup_shown
from tests.hooks import fetch
from tests.pages_rig import Person
from tests.site import Shop
from tests.topup_rig import asked, gateway, offer, said, state, upload

__all__ = ["gateway"]
pytestmark = pytest.mark.usefixtures("breaches")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63606060000000040001"
    "f61738550000000049454e44ae426082"
)


async def test_who_opens_the_page_has_the_gateway_asked(
    ann: Person, desk: Desk, shop: Shop, gateway: int
) -> None:
    """A payer who comes back is seen within moments, however far the next look was; not one who has just been."""
    page = await asked(ann)
    due = "select due_at <= now() from topup"
    await ann.get(page)
    assert await fetch(desk, due) == [(False,)]
    async with desk.db.transaction() as tx:
        await tx.execute("update topup set created_at = now() - interval '1 minute'")
    await ann.get(page)
    assert await fetch(desk, due) == [(True,)]


async def test_a_bank_transfer_is_told_and_shown(ann: Person, desk: Desk, shop: Shop) -> None:
    """The operator's words, the reference to write, a proof; then it waits for a person, who sees the file."""
    await offer(desk, "bank", "Bank transfer", instructions="IBAN XY12 <b>3456</b>\nAnn Example")
    page = await asked(ann)
    public_id = page.rpartition("/")[2]
    got = await ann.get(page)
    assert "IBAN XY12 &lt;b&gt;3456&lt;/b&gt;\nAnn Example" in got.text
    assert f"data-reference>{public_id}<" in got.text
    assert 'hx-trigger="every 15s"' in got.text
    assert "http-equiv" not in got.text  # it would take a chosen file away
    for content, wrong in ((b"", "Choose a file"), (b"GIF89a", "This is no PNG"), (b"%PDF-1.7", "not whole")):
        refused = await upload(ann, page, content)
        assert (refused.status, wrong in said(refused)[0]) == (422, True)
    sent = await upload(ann, page, PNG, "../../<b>.png")
    assert (sent.status, sent.headers["Location"]) == (303, page)
    got = await ann.get(page)
    assert state(got) == "review"
    assert "&lt;b&gt;.png" in got.text
    assert "Another proof" in got.text
    for _ in range(2):
        await upload(ann, page, PNG)
    assert "Send the proof" not in (await ann.get(page)).text
    assert (await ann.post(f"{page}/proof", proof="no file")).status in {403, 422}


async def test_a_proof_that_is_too_large_is_refused(ann: Person, desk: Desk, shop: Shop) -> None:
    """At its field, whether it is a little too large or so much that it is not even read."""
    await offer(desk, "bank", "Bank transfer", instructions="IBAN")
    page = await asked(ann)
    refused = await upload(ann, page, b"%PDF-" + b"x" * (2 * 1024 * 1024))
    assert refused.status == 422
    assert "2 MB" in said(refused)[0]
    beyond = await upload(ann, page, b"%PDF-" + b"x" * (4 * 1024 * 1024))
    assert (beyond.status, said(beyond)) == (422, ["This file is too large"])


def _coins(currency: str | None, address: str, amount: str | None) -> Topup:
    values = dict[str, object].fromkeys(Topup.__struct_fields__)
    return Topup(**{**values, "pay_currency": currency, "pay_address": address, "pay_amount": amount})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topup", "uri"),
    [
        (_coins("BTC", "bc1qxy", "0.0012"), "bitcoin:bc1qxy?amount=0.0012"),
        (_coins("btc", "bitcoin:bc1qxy", "1"), "bitcoin:bc1qxy?amount=1"),
        (_coins("LTC", "ltc1q", None), "litecoin:ltc1q"),
        (_coins("BTC", "bc1q?amount=9&x=", "0.1"), "bc1q?amount=9&x="),
        (_coins("BTC", "bc1q", "1e9"), "bitcoin:bc1q"),
        (_coins("USDTTRC20", "TXyz", "5"), "TXyz"),
        (_coins(None, "abc", "5"), "abc"),
    ],
)
def test_what_a_camera_reads(topup: Topup, uri: str) -> None:
    """Scheme and amount where the coin has them; an address that is more than one is left as it is."""
    assert topup_shown.coin_uri(topup) == uri


def test_a_picture_has_no_styles_and_no_text_of_anybody() -> None:
    """The page's policy would refuse the one, and the other could be markup; what is too long is not drawn."""
    picture = topup_shown.drawn('bitcoin:"><script>')
    assert picture.startswith("<svg")
    assert "style" not in picture
    assert "script" not in picture
    assert topup_shown.drawn("") == topup_shown.drawn("x" * 501) == ""


@pytest.mark.parametrize(
    ("address", "goes"),
    [
        ("https://pay.example/c/1?x=y", True), ("http://127.0.0.1:1/x", True), ("/demo-pay/demo_1", True),
        ("javascript:alert(1)", False), ("//evil.example", False), ("/\\evil.example", False), ("data:text/html,x", False),
        ("https://", False), ("https://[", False), ("https://a\n.example", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_a_page_to_pay_at_is_on_the_web_or_ours(address: str | None, goes: bool) -> None:
    """Anything else that a gateway may say leads nowhere."""
    assert bool(topup_shown.safe_address(address)) == goes


async def test_coins_have_an_address_and_a_picture(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """To copy and to scan, with the exact amount."""
    page = await asked(ann)
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update topup set pay_url = null, pay_address = 'bc1qexample', pay_amount = '0.00231', pay_currency = 'BTC'"
        )
    got = await ann.get(page)
    assert "0.00231 BTC" in got.text
    assert {"0.00231", "bc1qexample"} <= set(got.names("data-copy"))
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in got.text
    assert "data-pay" not in got.text


def test_every_state_and_reason_has_words() -> None:
    """A page never shows a word of ours where a sentence belongs, whatever the reason is."""
    words = render.environment("en").get_template("parts/topup_words.html").module
    base = msgspec.structs.replace(
        _coins(None, "", None), credited_micros=0, bonus_micros=0, returned_micros=0, why="other_amount"
    )
    for each in ("new", "open", "review", "credited", "failed", "expired", "rejected"):
        topup = msgspec.structs.replace(base, state=each)
        assert words.payment_word(topup).strip()  # type: ignore[attr-defined]
        if each in {"review", "failed", "expired", "rejected"}:
            assert words.payment_why(topup).strip().endswith(".")  # type: ignore[attr-defined]
