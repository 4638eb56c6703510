"""The buy screen over real HTTP: prices as the API has them, one click that buys once, and what is said when not."""

import asyncio
import re
from decimal import Decimal
from html import unescape

import pytest

from ringlet import favourites, ledger, stocktaking
from ringlet.activations import quote
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.stocktaking import NumberRow
from tests.pages_rig import Got, Person, sign
from tests.people_rig import execute
from tests.site import PRICE_MICROS, Shop

pytestmark = pytest.mark.usefixtures("breaches")


def form_of(page: Got, key: str) -> dict[str, str]:
    """The hidden fields of a row's form."""
    found = re.search(rf'<form[^>]*data-buy="{key}".*?</form>', page.text, re.DOTALL)
    assert found is not None, f"no row {key}"
    return {
        name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', found.group(0))
    }


async def sold(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select count(*) from activation where wallet_id = %s", [wallet.id])
        ).fetchone()
    assert row is not None
    return int(row[0])


async def held(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).held_micros


async def stock(desk: Desk, country: int, service: str, numbers: int) -> None:
    """An owner's numbers in another country."""
    rows = [NumberRow(f"6390540{index:05}", country, "smart", (service,)) for index in range(numbers)]
    async for _ in stocktaking.load(desk, "owner", rows, Decimal("0.05")):
        pass
    await desk.refresh_prices()


async def test_strangers_see_what_it_is(stranger: Person) -> None:
    """Signed out the start page sells nothing, and the search sends to the door."""
    page = await stranger.get("/")
    assert page.status == 200
    assert 'id="find"' not in page.text
    assert (await stranger.get("/find?q=wa", swap=True)).headers["HX-Redirect"].startswith("/sign-in")
    assert (await stranger.post("/buy", service="wa", country="6", once="x" * 20)).status in {303, 403}


async def test_the_price_is_the_one_of_the_api(desk: Desk, shop: Shop, ann: Person) -> None:
    """The row's price and stock are those that the API quotes to this customer, and what is charged then."""
    page = await ann.get("/?q=whatsapp+indonesia")
    assert page.names("data-offer") == ["wa-6"]
    found = quote.quote(desk, shop.alice, 6, "wa")
    assert page.names("data-price") == [str(found.sell_price)]
    assert "$0.111489" in page.text
    assert f">{found.available}<" in page.text
    await ann.post("/buy", **form_of(page, "wa-6"))
    assert await held(desk, shop.alice) == PRICE_MICROS


async def test_without_scripts(desk: Desk, shop: Shop, ann: Person) -> None:
    """Find by a form, buy by a button, read on the page that follows: the number is live there."""
    page = await ann.get("/?q=whatsapp")
    done = await ann.post("/buy", **form_of(page, "wa-6"))
    assert (done.status, done.headers["Location"]) == (303, "/")
    after = await ann.get("/")
    assert "Bought: WhatsApp in Indonesia" in after.text
    assert len(after.names("data-activation")) == 1
    assert "Recent" in after.text


async def test_the_same_form_buys_once(desk: Desk, shop: Shop, ann: Person) -> None:
    """A second click, a reload of the answer, five at once: one number, one price."""
    form = form_of(await ann.get("/?q=wa"), "wa-6")
    await asyncio.gather(*[ann.post("/buy", swap=True, **form) for _ in range(5)])
    assert await sold(desk, shop.alice) == 1
    again = await ann.post("/buy", **form)
    assert again.status == 303
    assert await held(desk, shop.alice) == PRICE_MICROS


async def test_the_answer_brings_a_new_key(desk: Desk, shop: Shop, ann: Person) -> None:
    """By htmx: the live panel, the balance, and a fresh key for the row, with which the next click is a new purchase."""
    form = form_of(await ann.get("/?q=wa"), "wa-6")
    answer = await ann.post("/buy", swap=True, **form)
    assert answer.status == 200
    assert len(answer.names("data-activation")) == 1
    assert 'id="balance"' in answer.text
    assert "$99.888511" in answer.text
    fresh = re.search(r'name="once" value="([^"]+)" id="once-wa-6" hx-swap-oob', answer.text)
    assert fresh is not None
    assert fresh.group(1) != form["once"]
    await ann.post("/buy", swap=True, **{**form, "once": fresh.group(1)})
    assert await sold(desk, shop.alice) == 2


async def test_three_are_three(desk: Desk, shop: Shop, ann: Person) -> None:
    """A quantity buys so many, once, however often the form is sent."""
    form = {**form_of(await ann.get("/?q=wa"), "wa-6"), "quantity": "3", "operator": "telkomsel"}
    answer = await ann.post("/buy", swap=True, **form)
    assert len(answer.names("data-activation")) == 3
    await ann.post("/buy", swap=True, **form)
    assert await held(desk, shop.alice) == 3 * PRICE_MICROS
    assert (await ann.post("/buy", swap=True, **{**form, "quantity": "2"})).status == 422
    assert await sold(desk, shop.alice) == 3


async def test_fewer_than_asked(desk: Desk, shop: Shop, ann: Person) -> None:
    """When the numbers run out half way, it is said how many were bought and that only those are paid."""
    await stock(desk, 4, "wa", 2)
    form = form_of(await ann.get("/?q=wa+philippines"), "wa-4")
    answer = await ann.post("/buy", swap=True, **{**form, "quantity": "5"})
    assert "2 of 5 bought, then: No numbers. Only those were charged." in answer.text
    assert await sold(desk, shop.alice) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": "0"}, {"quantity": "11"}, {"quantity": "-1"}, {"quantity": "1e1"}, {"most": "cheap"}, {"most": "NaN"},
     {"once": "short"}, {"once": "'; drop table"}, {"operator": "<b>"}],
)  # fmt: skip
async def test_nonsense_buys_nothing(desk: Desk, shop: Shop, ann: Person, wrong: dict[str, str]) -> None:
    """What cannot be read is refused on the page, and the form is still there."""
    form = form_of(await ann.get("/?q=wa"), "wa-6")
    answer = await ann.post("/buy", **{**form, **wrong})
    assert answer.status == 422
    assert 'id="find"' in answer.text
    assert await sold(desk, shop.alice) == 0


async def test_what_is_not_sold_is_not_there(ann: Person) -> None:
    """Services and countries that we do not know are not found; rentals and test services are none in live mode."""
    for service, country in (("nope", "6"), ("wa", "9999"), ("full", "6"), ("wa", "²"), ("../etc", "6")):
        assert (await ann.post("/buy", service=service, country=country, once="x" * 20)).status == 404
    answer = await ann.post("/buy", service="test_never", country="6", once="x" * 20)
    assert answer.status == 409
    assert "Nothing was charged" in answer.text


async def test_never_dearer_than_the_button_said(desk: Desk, shop: Shop, ann: Person) -> None:
    """A price that has risen since the page was made is told instead of charged; a limit of one's own is kept too."""
    form = form_of(await ann.get("/?q=wa"), "wa-6")
    await execute(desk, "update price_rule set value = 0.5 where country = 6 and kind = 'price'")
    await desk.refresh_prices()
    answer = await ann.post("/buy", swap=True, **form)
    assert answer.status == 409
    assert "The price is $0.50 now" in answer.text
    assert answer.headers["HX-Retarget"] == "#said"
    assert 'name="shown" value="0.5"' in answer.text
    assert "Buy WhatsApp · Indonesia —\u00a0$0.50" in answer.text
    assert (await ann.post("/buy", **{**form, "most": "0,4"})).status == 409
    assert await sold(desk, shop.alice) == 0
    assert (await ann.post("/buy", **{**form, "most": "0,6"})).status == 303


async def test_the_price_that_is_shown_is_enough(desk: Desk, shop: Shop, ann: Person) -> None:
    """A price may have a seventh place that nobody sees and nobody pays: who names what he sees gets his number."""
    await execute(desk, "update price_rule set value = 0.5000004 where country = 6 and kind = 'price'")
    await desk.refresh_prices()
    page = await ann.get("/?q=wa")
    assert 'placeholder="0.5"' in page.text
    assert (await ann.post("/buy", **{**form_of(page, "wa-6"), "most": "0.499999"})).status == 409
    assert (await ann.post("/buy", **{**form_of(page, "wa-6"), "most": "0.5"})).status == 303
    assert await held(desk, shop.alice) == 500_000


async def test_too_little_money(desk: Desk, shop: Shop, ann: Person) -> None:
    """Nothing is charged, and the way to the wallet is shown."""
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, shop.alice, 99_900_000, actor="test", reason="test")
    page = await ann.get("/?q=wa")
    assert "more." in page.text
    answer = await ann.post("/buy", swap=True, **form_of(page, "wa-6"))
    assert answer.status == 402
    assert "Nothing was charged" in answer.text
    assert 'href="/wallet"' in answer.text


async def test_nothing_there_names_another_country(desk: Desk, shop: Shop, ann: Person) -> None:
    """The search says that there are none and who has some; so does a buy that came too late."""
    await stock(desk, 4, "wa", 3)
    page = await ann.get("/find?q=whatsapp+germany", swap=True)
    assert "No numbers for WhatsApp in Germany right now." in page.text
    assert page.names("data-offer")[0] in {"wa-4", "wa-6"}
    form = form_of(await ann.get("/?q=wa+philippines"), "wa-4")
    for _ in range(3):  # somebody else was quicker
        await buy(desk, shop.bob, Order(service="wa", country=4))
    answer = await ann.post("/buy", **form)
    assert answer.status == 409
    assert "No numbers for WhatsApp in Philippines right now. Nothing was charged." in answer.text
    assert "Indonesia has 50." in answer.text


async def test_an_address_that_is_not_confirmed_may_only_rehearse(
    desk: Desk, shop: Shop, ann: Person
) -> None:
    """Live it is refused with the letter again; in test mode it buys."""
    await execute(desk, "update person set confirmed_at = null")
    page = await ann.get("/?q=wa")
    assert 'action="/confirm-again"' in page.text
    answer = await ann.post("/buy", swap=True, **form_of(page, "wa-6"))
    assert answer.status == 403
    assert 'action="/confirm-again"' in answer.text
    assert await sold(desk, shop.alice) == 0
    await execute(desk, "update person_session set mode = 'test'")
    assert (await ann.post("/buy", **form_of(await ann.get("/?q=wa+id"), "wa-6"))).status == 303
    assert await sold(desk, shop.rehearsal) == 1


async def test_a_frozen_account_reads(desk: Desk, shop: Shop, ann: Person) -> None:
    """It sees prices and buys nothing, in neither mode."""
    await execute(desk, "update customer set frozen_at = now() where id = %s", shop.alice.customer_id)
    page = await ann.get("/?q=wa")
    assert "frozen" in page.text
    assert (await ann.post("/buy", **form_of(page, "wa-6"))).status == 403
    assert await sold(desk, shop.alice) == 0


async def test_test_mode_sells_everything(stranger: Person, desk: Desk, shop: Shop) -> None:
    """Magic services first, any pair to be found, from the test wallet."""
    ann = await sign(stranger, desk, shop.rehearsal)
    page = await ann.get("/")
    assert "test_two_codes-6" in page.names("data-offer")
    assert "Test: two codes" in page.text
    assert "wb-43" in (await ann.get("/?q=wechat+germany")).names("data-offer")
    await ann.post("/buy", **form_of(page, "test_never-6"))
    refused = await ann.post("/buy", **form_of(page, "test_no_numbers-6"))
    assert refused.status == 409
    assert await sold(desk, shop.rehearsal) == 1
    assert await sold(desk, shop.alice) == 0


async def test_what_is_typed_stays_text(ann: Person) -> None:
    """A script in the search is shown as it was typed and never runs; nor does one in any other parameter."""
    evil = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    for path in (f"/?q={evil}", f"/?q=wa&sort={evil}&max={evil}&pick={evil}", f"/find?q={evil}", f"/offer?pick=wa-6&most={evil}&operator={evil}"):  # fmt: skip
        for swap in (False, True):
            page = await ann.get(path, swap=swap)
            assert page.status in {200, 303, 404}
            assert "<script>alert" not in page.text
            assert "\n" not in page.headers.get("HX-Replace-Url", "")
    assert "&lt;script&gt;" in (await ann.get(f"/?q={evil}")).text


async def test_any_address_is_a_page(ann: Person) -> None:
    """Parameters that make no sense are not asked for."""
    for query in ("q=" + "a" * 5000, "q=%00%01", "max=-1", "max=1e999", "sort=%F0%9F%98%80", "pick=wa", "pick=-", "pick=wa-99999", "q=%FF"):  # fmt: skip
        assert (await ann.get("/?" + query)).status == 200
    page = await ann.get("/find?q=wa&sort=price", swap=True)
    assert page.headers["HX-Replace-Url"] == "/?q=wa&sort=price"


async def test_orders_and_limits(desk: Desk, shop: Shop, ann: Person) -> None:
    """By stock, by price, and none above the highest price; a chosen row is shown in any case."""
    await stock(desk, 4, "wa", 60)
    assert (await ann.get("/?q=wa&sort=price")).names("data-offer") == ["wa-4", "wa-6"]
    assert (await ann.get("/?q=wa&sort=stock")).names("data-offer") == ["wa-4", "wa-6"]
    assert (await ann.get("/?q=wa&max=0.06")).names("data-offer") == ["wa-4"]
    assert (await ann.get("/?q=tg&pick=wa-4")).names("data-panel") == ["wa-4"]


async def test_favourites_are_ones_own(desk: Desk, shop: Shop, stranger: Person, ann: Person) -> None:
    """A star puts the pair first, for this person alone; nobody takes it off but he."""
    bob = await sign(stranger, desk, shop.bob)
    starred = await ann.post("/favourite", swap=True, service="tg", country="6", do="add")
    assert 'aria-pressed="true"' in starred.text
    assert 'hx-swap-oob="true"' in starred.text
    assert (await ann.get("/?q=indonesia")).names("data-offer")[0] == "tg-6"
    page = await bob.get("/?q=indonesia")
    assert page.names("data-offer")[0] == "ig-6"
    assert "Favourites" not in page.text
    await bob.post("/favourite", service="tg", country="6", do="remove")
    assert "Favourites" in (await ann.get("/")).text
    assert (await ann.post("/favourite", service="tg", country="6", do="remove", next="//evil.example")).headers["Location"] == "/"  # fmt: skip
    assert "Favourites" not in (await ann.get("/")).text


async def test_so_many_stars_and_no_more(desk: Desk, shop: Shop, ann: Person) -> None:
    """The list is bounded; the same star twice is one."""
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select id from person")).fetchone()
        assert row is not None
        for country in range(favourites.KEPT_MAX):
            assert await favourites.star(tx, row[0], "wa", country)
        assert not await favourites.star(tx, row[0], "wa", 100)
        assert len(await favourites.starred(tx, row[0])) == favourites.KEPT_MAX
    assert (await ann.post("/favourite", service="tg", country="6", do="add")).status == 422


async def test_a_form_of_another_page_buys_nothing(desk: Desk, shop: Shop, ann: Person) -> None:
    """Without the form's token, or with a made-up one, nothing is sold and nothing starred."""
    form = form_of(await ann.get("/?q=wa"), "wa-6")
    form.pop("form_token")
    assert (await ann.post("/buy", token="", **form)).status == 403
    assert (await ann.post("/favourite", token="x", service="wa", country="6", do="add")).status == 403
    assert await sold(desk, shop.alice) == 0


async def test_the_panel_works_out_the_total(ann: Person) -> None:
    """For so many: what it costs and what is left, with and without scripts."""
    panel = await ann.get("/offer?pick=wa-6&quantity=4&operator=telkomsel", swap=True)
    assert "Buy 4 × WhatsApp · Indonesia —\u00a0$0.445956" in unescape(panel.text)
    assert "$99.554044" in panel.text
    page = await ann.post("/buy", service="wa", country="6", pick="wa-6", quantity="4", do="total")
    assert "Buy 4 × WhatsApp · Indonesia —\u00a0$0.445956" in unescape(page.text)
    assert (await ann.get("/offer?pick=ub-43", swap=True)).status == 404


async def test_in_another_language(ann: Person) -> None:
    """Countries are found and named in the visitor's own."""
    page = await ann.get("/find?lang=ru&q=индонезия+вотсап", swap=True)
    assert page.names("data-offer") == ["wa-6"]
    assert "Индонезия" in page.text


async def test_an_operator_has_his_own_price(desk: Desk, shop: Shop, ann: Person) -> None:
    """Who names an operator is shown what that one costs, and is charged it."""
    await execute(desk, "delete from price_rule")
    rows = [NumberRow(f"6281110{index:05}", 6, "axis", ("wa",)) for index in range(3)]
    async for _ in stocktaking.load(desk, "owner", rows, Decimal("0.09")):
        pass
    await desk.refresh_prices()
    assert "Buy WhatsApp · Indonesia —\u00a0$0.0334" in (await ann.get("/offer?pick=wa-6", swap=True)).text
    panel = await ann.get("/offer?pick=wa-6&operator=axis", swap=True)
    assert "Buy WhatsApp · Indonesia —\u00a0$0.09" in panel.text
    found = re.search(r'<form class="buy-panel".*', panel.text, re.DOTALL)
    assert found is not None
    form = {
        name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', found.group(0))
    }
    answer = await ann.post("/buy", **{**form, "do": "", "operator": "axis", "most": ""})
    assert answer.status == 303
    assert await held(desk, shop.alice) == 90_000
