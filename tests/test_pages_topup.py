"""Topping up over HTTP: the form and its refusals, the page of one payment, the demo's gateway, and whose they are."""

import asyncio
import html
import re

import pytest

from ringlet import ledger
from ringlet.desk import Desk
from ringlet.payments import book, demo
from ringlet.topups import begin, look, store
from ringlet.web.pages import add_credit
from tests.hooks import fetch
from tests.pages_rig import Person, sign
from tests.site import Shop
from tests.topup_rig import asked, available, form, gateway, offer, rows, said, state

__all__ = ["gateway"]

pytestmark = pytest.mark.usefixtures("breaches")
TEN = 10_000_000
ONCE = "0123456789abcdef"


async def test_without_a_way_to_pay_the_shop_says_how(ann: Person) -> None:
    """No form, and no empty list of payments."""
    got = await ann.get("/wallet")
    assert "Ask the shop's operator for credit." in html.unescape(got.text)
    assert 'action="/wallet/top-up"' not in got.text
    assert 'id="payments"' not in got.text


async def test_a_payment_from_the_form_to_the_balance(
    ann: Person, desk: Desk, shop: Shop, gateway: int
) -> None:
    """The form leads to the payment's page, that one by a link to the gateway, and the page learns that it was paid."""
    before = await available(desk, shop.alice)
    page = await asked(ann)
    got = await ann.get(page)
    assert state(got) == "open"
    assert 'hx-trigger="every 3s"' in got.text
    assert "<noscript><meta" in got.text
    pay_at = re.findall(r'href="(/demo-pay/[^"]+)"[^>]* data-pay', got.text)[0]
    assert "Pay $10.00" in (await ann.get(pay_at)).text
    paid = await ann.post(pay_at, do="pay")
    assert (paid.status, paid.headers["Location"]) == (303, page)
    asks_again = got.names("hx-get")[0]
    assert (await ann.get(html.unescape(asks_again), swap=True)).status == 204
    await look.look_due(desk)
    part = await ann.get(html.unescape(asks_again), swap=True)
    assert state(part) == "credited"
    assert 'id="balance"' in part.text
    assert 'hx-swap-oob="true"' in part.text
    assert "hx-trigger" not in part.text
    assert await available(desk, shop.alice) == before + TEN
    wallet = await ann.get("/wallet")
    assert f'href="{page}"' in wallet.text
    assert "$110.00" in wallet.text


@pytest.mark.parametrize(
    ("deed", "becomes", "gains"),
    [("less", "credited", 5_000_000), ("more", "credited", 15_000_000), ("fail", "failed", 0)],
)
async def test_what_a_payer_may_do_at_the_demo(
    ann: Person, desk: Desk, shop: Shop, gateway: int, deed: str, becomes: str, gains: int
) -> None:
    """Less and more are credited as they came, and a payment that failed offers another try."""
    before = await available(desk, shop.alice)
    page = await asked(ann)
    pay_at = (await ann.get(page)).names("href")
    pay_at = next(each for each in pay_at if each.startswith("/demo-pay/"))
    assert (await ann.post(pay_at, do=deed)).status == 303
    await look.look_due(desk)
    got = await ann.get(page)
    assert state(got) == becomes
    assert await available(desk, shop.alice) == before + gains
    assert ("/wallet?amount=10#add" in got.text) == (becomes == "failed")
    assert (await ann.post(pay_at, do="nonsense")).status == 422


async def test_money_that_goes_back_is_shown(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """Taken back in full: the page says so, and the wallet what is owed."""
    page = await asked(ann)
    pay_at = f"/demo-pay/demo_{page.rpartition('/')[2]}"
    await ann.post(pay_at, do="pay")
    await look.look_due(desk)
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, shop.alice, 103_000_000, actor="test", reason="spent")
    assert "Take the money back" in (await ann.get(pay_at)).text
    await ann.post(pay_at, do="take_back")
    await look.look_due(desk)
    assert "Given back" in (await ann.get(page)).text
    assert "You owe $3.00" in (await ann.get("/wallet")).text
    assert "went back to the payer" in (await ann.get(pay_at)).text


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"amount": ""}, "An amount such as 20 or 12.50"),
        ({"amount": "x"}, "An amount such as 20 or 12.50"),
        ({"amount": "-5"}, "An amount such as 20 or 12.50"),
        ({"amount": "1e99"}, "An amount such as 20 or 12.50"),
        ({"amount": "0.5"}, "Enter an amount from $1.00 to $100.00"),
        ({"amount": "100.01"}, "Enter an amount from $1.00 to $100.00"),
        ({"amount": "5.001"}, "An amount in whole cents"),
        ({"amount": "<b>"}, "An amount such as 20 or 12.50"),
        ({"method": ""}, "Choose a way to pay"),
        ({"method": "999999"}, "Choose a way to pay"),
        ({"method": "1"}, "Choose a way to pay"),  # for test money
        ({"method": "9" * 400}, "Choose a way to pay"),
        ({"method": "٣"}, "Choose a way to pay"),
    ],
)
async def test_a_form_that_cannot_be_is_refused_at_its_field(
    ann: Person, desk: Desk, shop: Shop, gateway: int, fields: dict[str, str], wrong: str
) -> None:
    """In its place, with what was typed, and nothing was asked of anybody."""
    got = await ann.post("/wallet/top-up", **{**await form(ann), "amount": "10", **fields})
    assert (got.status, said(got)) == (422, [wrong])
    typed = html.escape(fields.get("amount", "10"))
    assert f'id="amount" name="amount" type="text" value="{typed}"' in got.text
    assert await rows(desk) == 0


@pytest.mark.parametrize("once", ["", "short", "0123456789abcde!", "beside 0123456789abcdef", "x" * 65])
async def test_a_forged_once_is_refused(ann: Person, desk: Desk, shop: Shop, gateway: int, once: str) -> None:
    """What no page of ours has made asks for nothing."""
    got = await ann.post("/wallet/top-up", **{**await form(ann), "amount": "10", "once": once})
    assert got.status == 422
    assert "This page has become old" in got.text
    assert await rows(desk) == 0


async def test_a_form_from_elsewhere_is_refused(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """Without the visit's token nothing is asked for, and nothing is paid at the demo."""
    fields = await form(ann)
    assert (await ann.post("/wallet/top-up", token="forged", amount="10", **fields)).status == 403
    assert await rows(desk) == 0
    page = await asked(ann)
    pay_at = f"/demo-pay/demo_{page.rpartition('/')[2]}"
    assert (await ann.post(pay_at, token="forged", do="pay")).status == 403
    assert (await ann.post("/wallet/voucher", token="forged", voucher="x")).status == 403
    assert await fetch(desk, "select state from demo_payment") == [("open",)]


async def test_a_double_click_asks_once(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """Ten at once are one payment; another amount of the same form is another one; bob's form is his own."""
    fields = {**await form(ann), "amount": "10"}
    got = await asyncio.gather(*(ann.post("/wallet/top-up", **fields) for _ in range(10)))
    assert len({each.headers["Location"] for each in got}) == 1
    assert await rows(desk) == 1
    other = await ann.post("/wallet/top-up", **{**fields, "amount": "20"})
    assert other.headers["Location"] != got[0].headers["Location"]
    bob = await sign(ann, desk, shop.bob)
    await bob.get("/wallet")
    theirs = await bob.post("/wallet/top-up", **fields)
    assert theirs.headers["Location"] not in {each.headers["Location"] for each in [other, *got]}
    assert await rows(desk) == 3


async def test_a_payment_is_its_owners(
    stranger: Person, ann: Person, desk: Desk, shop: Shop, gateway: int
) -> None:
    """Everybody else, and its owner in the other mode, sees no such page, and can neither pay it nor write to it."""
    page = await asked(ann)
    pay_at = f"/demo-pay/demo_{page.rpartition('/')[2]}"
    bob, rehearsal = await sign(stranger, desk, shop.bob), await sign(stranger, desk, shop.rehearsal)
    for other in (bob, rehearsal):
        for path in (page, f"{page}/receipt", f"{page}/receipt.pdf", pay_at):
            assert (await other.get(path)).status == 404, path
        assert (await other.post(pay_at, do="pay")).status == 404
        assert (await other.post(f"{page}/proof", proof="x")).status == 404
        assert page not in (await other.get("/wallet")).text
        assert page not in (await other.get("/wallet/top-up")).text
        gone = await other.get(f"{page}?seen=x", swap=True)
        assert gone.headers["HX-Redirect"] == "/wallet"
        before = page.rpartition("/")[2]
        assert (await other.get(f"/wallet/top-up?before={before}")).status == 200
    for path in (page, f"{page}/receipt", pay_at, "/wallet/top-up"):
        assert (await stranger.get(path)).headers["Location"].startswith("/sign-in")
    for nonsense in ("/wallet/top-up/x", "/wallet/top-up/tu_' or 1=1", "/demo-pay/x", "/demo-pay/%00"):
        assert (await ann.get(nonsense)).status == 404
    assert await fetch(desk, "select state from demo_payment") == [("open",)]


async def test_a_label_is_text_and_nothing_else(ann: Person, desk: Desk, shop: Shop) -> None:
    """What the operator calls a way to pay, and what a gateway says, is never markup or another place."""
    await offer(desk, label="<script>alert(1)</script>")
    page = await asked(ann)
    evil = "javascript:alert(1)"
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update topup set pay_url = %s, pay_address = %s, pay_amount = %s, pay_currency = %s",
            [evil, '"><script>x</script>', "<b>1</b>", "<i>"],
        )
    for path in (page, "/wallet", "/wallet/top-up"):
        got = await ann.get(path)
        assert got.status == 200
        assert "<script>alert" not in got.text
        assert "<script>x" not in got.text
        assert evil not in got.text
        assert "<b>1" not in got.text


async def test_fees_and_limits_are_told(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """In words beside each way to pay, and as the sum to pay on its page."""
    for percent, fixed, told in ((0, 0, "no fee"), (2.9, 0, "2.9% on top"), (0, 300_000, "$0.30 on top"),
                                 (2.95, 300_000, "2.95% and $0.30 on top")):  # fmt: skip
        async with desk.db.transaction() as tx:
            await tx.execute(
                "update gateway set surcharge_percent = %s, surcharge_micros = %s, changed_at = clock_timestamp()",
                [percent, fixed],
            )
        assert f"$1.00 to $100.00</span> · {told}" in re.sub(
            r"\$100.00 · ", "$100.00</span> · ", (await ann.get("/wallet")).text
        )
    got = await ann.get(await asked(ann))
    assert "Pay $10.60" in got.text
    assert "To pay, with the fee" in got.text


def test_amounts_at_a_click_are_round_and_within_the_limits() -> None:
    """From about twice the least on; none that no way to pay takes."""

    def terms(low: int, high: int) -> book.Terms:
        values = dict[str, object].fromkeys(book.Terms.__struct_fields__)
        return book.Terms(**{**values, "min_micros": low * 1_000_000, "max_micros": high * 1_000_000})  # type: ignore[arg-type]

    def units(*methods: book.Terms) -> list[int]:
        return [each // 1_000_000 for each in add_credit.quick(methods)]

    assert units(terms(1, 1000)) == [2, 5, 10, 20, 50]
    assert units(terms(10, 5000)) == [20, 50, 100, 200, 500]
    assert units(terms(10, 25)) == [20]
    assert units(terms(10, 15)) == []
    assert units(terms(100, 500), terms(5, 20)) == [10, 20, 50, 100, 200]


async def test_an_amount_at_a_click_fills_the_field(ann: Person, shop: Shop, gateway: int) -> None:
    """Also without scripts, and never with more than a field holds."""
    got = await ann.get("/wallet?amount=20")
    assert 'id="amount" name="amount" type="text" value="20"' in got.text
    assert "/wallet?amount=50#add" in got.names("href")
    assert "x" * 21 not in (await ann.get("/wallet?amount=" + "x" * 500)).text


async def test_payments_are_paged(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """Newest first, the wallet's page has the first five and a link, and the list goes on where it ended."""
    async with desk.db.transaction() as tx:
        for index in range(25):
            new = store.New(shop.alice.id, gateway, f"once {index}", TEN + index * 10_000, TEN + index * 10_000, "USD", 3600, None)  # fmt: skip
            await store.add(tx, new)
    wallet = await ann.get("/wallet")
    first = await ann.get("/wallet/top-up")
    assert first.names("data-payment")[:5] == wallet.names("data-payment")
    assert "All payments" in wallet.text
    older = next(each for each in first.names("href") if "before=" in each)
    second = await ann.get(older)
    both = first.names("data-payment") + second.names("data-payment")
    assert len(both) == len(set(both)) == 25
    assert not any("before=" in each for each in second.names("href"))
    assert "$10.24" in first.text
    assert "$10.00" in second.text
    for nonsense in ("x", "tu_0000000000000000000000", "%00"):
        got = await ann.get(f"/wallet/top-up?before={nonsense}")
        assert got.names("data-payment") == first.names("data-payment")


async def test_the_wallet_learns_of_credit_by_itself(
    ann: Person, desk: Desk, shop: Shop, gateway: int
) -> None:
    """The list asks again while a payment is open; its answer brings both balances along."""
    page = await asked(ann)
    asks_again = html.unescape((await ann.get("/wallet")).names("hx-get")[-1])
    assert (await ann.get(asks_again, swap=True)).status == 204
    await ann.post(f"/demo-pay/demo_{page.rpartition('/')[2]}", do="pay")
    await look.look_due(desk)
    got = await ann.get(asks_again, swap=True)
    assert state(got) == "credited"
    assert got.text.count('hx-swap-oob="true"') == 2
    assert got.text.count("$110.00") == 3  # once in a label
    assert "every 5s" not in got.text


async def test_too_many_open_payments_are_refused(ann: Person, desk: Desk, shop: Shop, gateway: int) -> None:
    """At the amount, as everything else."""
    for index in range(begin.OPEN_MAX):
        await begin.begin(desk, shop.alice.id, gateway, TEN, f"{ONCE}{index}")
    got = await ann.post("/wallet/top-up", **{**await form(ann), "amount": "10"})
    assert (got.status, "Too many payments are open" in said(got)[0]) == (422, True)


async def test_a_gateway_that_is_gone_meanwhile_is_no_choice(
    ann: Person, desk: Desk, shop: Shop, gateway: int
) -> None:
    """Who has the old page open is asked to choose again; a payment that was begun goes on."""
    page, fields = await asked(ann), await form(ann)
    async with desk.db.transaction() as tx:
        await tx.execute("update gateway set is_on = false where id = %s", [gateway])
    got = await ann.post("/wallet/top-up", **fields, amount="10")
    assert got.status == 422
    external_id = f"demo_{page.rpartition('/')[2]}"
    async with desk.db.transaction() as tx:
        await demo.pay(tx, external_id, TEN)
        await tx.execute("update topup set due_at = now()")
    await look.look_due(desk)
    assert state(await ann.get(page)) == "credited"
