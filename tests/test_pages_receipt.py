"""Receipts: whose they are, what stands on them, and that the PDF can be read in every language."""

import io
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from pypdf import PdfReader

from ringlet import ledger
from ringlet.desk import Desk
from ringlet.languages import LANGUAGES
from ringlet.payments import book, demo
from ringlet.topups import begin, look
from ringlet.web.pages import receipt_pdf, words
from tests.pages_rig import Got, Person, serving, sign
from tests.site import Shop

pytestmark = pytest.mark.usefixtures("breaches")
TEN = 10_000_000


async def paid(desk: Desk, shop: Shop, label: str = "Demo", *, pays: bool = True) -> str:
    """The page of a payment by a way that asks a fee of 5.9 per cent."""
    async with desk.db.transaction() as tx:
        new = book.New("demo", label, "live", {}, 1_000_000, 100_000_000, is_on=True)
        gateway_id = await book.add(tx, desk.settings.secret, new)
        await tx.execute("update gateway set surcharge_percent = 5.9 where id = %s", [gateway_id])
    topup = await begin.begin(desk, shop.alice.id, gateway_id, TEN, "once")
    if pays:
        async with desk.db.transaction() as tx:
            await demo.pay(tx, str(topup.external_id), topup.charge_micros)
            await tx.execute("update topup set due_at = now()")
        await look.look_due(desk)
    return f"/wallet/top-up/{topup.public_id}"


async def pdf(person: Person, page: str) -> tuple[str, PdfReader]:
    """The file's text."""
    head = person._head
    async with person.http.get(f"{person.url}{page}/receipt.pdf", headers=head) as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert "attachment" in answer.headers["Content-Disposition"]
        assert answer.headers["Cache-Control"] == "no-store"
        read = PdfReader(io.BytesIO(await answer.read()))
    return "\n".join(each.extract_text() for each in read.pages), read


async def test_a_receipt_says_what_was_paid(ann: Person, desk: Desk, shop: Shop) -> None:
    """Credit, fee and the sum; on the page and in the file the same."""
    page = await paid(desk, shop)
    got: Got = await ann.get(f"{page}/receipt")
    text, _ = await pdf(ann, page)
    for told in (got.text, text):
        for each in ("$10.00", "$0.59", "$10.59", page.rpartition("/")[2], "alice@example.org", "Demo"):
            assert each in told
    assert f"{page}/receipt" in (await ann.get(page)).names("href")
    assert 'class="account-back unprinted"' in got.text


async def test_what_went_back_stands_on_it(ann: Person, desk: Desk, shop: Shop) -> None:
    """A receipt that is fetched later says that the money did not stay."""
    page = await paid(desk, shop)
    async with desk.db.transaction() as tx:
        await demo.take_back(tx, f"demo_{page.rpartition('/')[2]}")
        await tx.execute("update topup set due_at = now()")
    await look.look_due(desk)
    for told in ((await ann.get(f"{page}/receipt")).text, (await pdf(ann, page))[0]):
        assert "-$10.00" in told


async def test_only_what_was_credited_has_a_receipt(ann: Person, desk: Desk, shop: Shop) -> None:
    """An open payment has none."""
    page = await paid(desk, shop, pays=False)
    for path in (f"{page}/receipt", f"{page}/receipt.pdf"):
        assert (await ann.get(path)).status == 404
    assert f"{page}/receipt" not in (await ann.get(page)).names("href")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_file_can_be_read_in_every_language(
    ann: Person, desk: Desk, shop: Shop, language: str
) -> None:
    """In the reader's own, or in English where the font cannot write it; every letter of it is in the font."""
    page = await paid(desk, shop)
    async with desk.db.transaction() as tx:
        await tx.execute("update person set language = %s", [language])
    text, read = await pdf(ann, page)
    assert "10.59" in text.replace(",", ".")
    assert receipt_pdf.covers(text.replace("\n", ""))
    written = language if language in receipt_pdf.LANGUAGES else "en"
    assert read.trailer["/Root"]["/Lang"] == written  # type: ignore[index]
    assert (await ann.get(f"{page}/receipt")).status == 200


@pytest.mark.parametrize("name", ["号码商店", "متجر الأرقام", "🐟 Shop"])
async def test_names_that_the_font_cannot_write_give_way(desk: Desk, shop: Shop, name: str) -> None:
    """No empty boxes and no unjoined letters: the shop's address and the gateway's own name stand there instead."""
    page = await paid(desk, shop, label=name)
    settings = replace(desk.settings, name=name)
    named = replace(desk, settings=settings)
    async with serving(named) as guest:
        await named.refresh_brands()
        alice = await sign(guest, named, shop.alice)
        assert name in (await alice.get(f"{page}/receipt")).text
        text, _ = await pdf(alice, page)
    assert text.startswith(urlsplit(settings.public_url).netloc)
    assert "Demo" in text
    assert receipt_pdf.covers(text.replace("\n", ""))


@pytest.mark.parametrize("text", ["Магазин №1 ₽", "Ñandú €", "7:39\u202fPM", "Ελλάδα ₹"])
def test_what_the_font_can_write(text: str) -> None:
    """Latin, Cyrillic, Greek, the signs of currencies and the narrow spaces of dates."""
    assert receipt_pdf.covers(text)


@pytest.mark.parametrize("language", sorted(receipt_pdf.LANGUAGES))
def test_every_text_of_a_receipt_is_in_the_font(language: str) -> None:
    """Whatever translators write for the languages that are promised."""
    spoken = words.words(language)
    texts = ("Receipt", "Number", "Credited", "Account", "How", "Credit", "Paid", "Fee for this way to pay")
    assert all(receipt_pdf.covers(spoken.gettext(each)) for each in texts)


async def test_a_hostile_label_is_text_on_it(ann: Person, desk: Desk, shop: Shop) -> None:
    """Neither markup on the page nor commands in the file."""
    page = await paid(desk, shop, label="<b>)Tj ET (x</b>")
    assert "&lt;b&gt;)Tj ET (x&lt;/b&gt;" in (await ann.get(f"{page}/receipt")).text
    assert "<b>)Tj ET (x</b>" in (await pdf(ann, page))[0]


async def test_a_bonus_is_told_apart(ann: Person, desk: Desk, shop: Shop) -> None:
    """What was given on top was not paid for."""
    page = await paid(desk, shop)
    async with desk.db.transaction() as tx:
        await ledger.bonus(tx, shop.alice, 1_000_000, reference=page.rpartition("/")[2], reason="Spring")
        await tx.execute("update topup set bonus_micros = 1000000")
    got = await ann.get(f"{page}/receipt")
    assert "Bonus, not paid for" in got.text
    assert "$1.00" in got.text
    assert "$11.00 was added" in (await ann.get(page)).text
