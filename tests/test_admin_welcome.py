"""The first run, page by page: who may begin it, what each step makes, and that it can be left and taken up again."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import aiohttp
import pyotp
import pytest
from PIL import Image

from ringlet import accounts, acts, canon, colours, ledger
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.app import open_desk
from ringlet.backoffice import brands, first_shop, staff, welcome
from ringlet.backoffice.first_shop import HUES, accent
from ringlet.brands import HOUSE
from ringlet.desk import Desk
from ringlet.people import throttle
from ringlet.settings import Settings
from ringlet.web.handler import spell
from tests.fakes.supplier import KEY
from tests.fakes.warehouse import Warehouse
from tests.pages_rig import Got, Person, serving
from tests.pages_rig import sign as sign_in_as
from tests.site import Shop
from tests.suppliers_rig import serving as supplying
from tests.test_races import customer

EMAIL, PASSWORD = "owner@example.org", "several words nobody guesses"
START = "/admin/welcome"


@pytest.fixture
async def guest(desk: Desk) -> AsyncIterator[Person]:
    async with serving(desk) as found:
        yield found


async def begin(guest: Person, desk: Desk, **changed: str) -> Got:
    """The first form, filled in."""
    await guest.get(START)
    fields = {"code": welcome.setup_code(desk.settings), "email": EMAIL, "password": PASSWORD, **changed}
    got = await guest.post(START, **fields)
    guest.session = guest.cookies.pop("__Host-session", guest.session)
    return got


async def with_factor(guest: Person, desk: Desk) -> Person:
    """An owner with a second factor, as the first two steps make him."""
    await begin(guest, desk)
    got = await guest.get(f"{START}/factor")
    secret = got.text.split("data-secret>")[1].split("<")[0].replace(" ", "")
    got = await guest.post(f"{START}/factor", code=pyotp.TOTP(secret).now())
    assert len(got.text.split("data-recovery>")) == 11
    return guest


async def test_an_empty_shop_leads_to_its_first_step_and_a_used_one_does_not(
    desk: Desk, guest: Person
) -> None:
    """Whoever opens the front of a fresh installation is led there; once there is a customer, nobody is."""
    got = await guest.get("/")
    assert (got.status, got.headers["Location"]) == (303, START)
    assert (await guest.get(START)).status == 200
    await customer(desk, 0)
    assert (await guest.get("/")).status == 200


async def test_the_demo_leads_nowhere(settings: Settings, database_url: str) -> None:
    """It makes its own people."""
    async with open_desk(replace(settings, demo=True), database_url) as desk, serving(desk) as guest:
        assert (await guest.get("/")).status == 200


async def test_without_the_setup_code_nobody_takes_the_shop(desk: Desk, guest: Person) -> None:
    """A stranger who comes first is refused, and after ten tries told to wait; nothing was made."""
    for _ in range(welcome.SETUP.size):
        got = await begin(guest, desk, code="2222-2222-2222-2222")
        assert got.status == 422
        assert "not the setup code" in got.text
    assert (await begin(guest, desk)).status == 429
    assert await staff.everybody(desk) == []
    await throttle.put_back(desk, welcome.SETUP, throttle.place("127.0.0.1"))
    assert (await begin(guest, desk, code=f" {welcome.setup_code(desk.settings).upper()} ")).status == 303


@pytest.mark.parametrize(
    ("field", "value"), [("email", "nobody"), ("password", "short"), ("password", "password123")]
)
async def test_what_is_wrong_is_said_at_its_field(desk: Desk, guest: Person, field: str, value: str) -> None:
    """The form comes again with what was typed, but never with the password."""
    got = await begin(guest, desk, **{field: value})
    assert got.status == 422
    assert 'aria-invalid="true"' in got.text
    assert PASSWORD not in got.text
    assert await staff.everybody(desk) == []


async def test_the_code_makes_one_owner_and_is_worth_nothing_afterwards(desk: Desk, guest: Person) -> None:
    """Two at once: one is the owner, the other is told that there is no such page; later nobody sees the form."""
    code = welcome.setup_code(desk.settings)
    made = await asyncio.gather(
        *(welcome.make_owner(desk, welcome.Newcomer(code, f"o{n}@example.org", PASSWORD, "en", None, ""))
          for n in range(4)),
        return_exceptions=True,
    )  # fmt: skip
    assert sum(not isinstance(each, Exception) for each in made) == 1
    (owner,) = await staff.everybody(desk)
    assert (owner.role, owner.has_second_factor) == ("owner", False)
    got = await guest.get(START)
    assert (got.status, got.headers["Location"]) == (303, f"/sign-in?next={START}")
    await guest.get("/sign-in")
    got = await guest.post(START, code=code, email="late@example.org", password=PASSWORD)
    assert got.status == 404
    async with desk.db.connection() as tx:
        (done,) = await acts.search(tx, act="staff.appointed")
    assert done.actor == "setup code"


async def test_the_second_factor_comes_before_any_page_of_the_shop(desk: Desk, guest: Person) -> None:
    """The secret stays the same when the page is opened again; a wrong code is said; without one the gate is shut."""
    await begin(guest, desk)
    first, again = [(await guest.get(f"{START}/factor")).text for _ in range(2)]
    assert first.split("data-secret>")[1][:40] == again.split("data-secret>")[1][:40]
    assert (await guest.post(f"{START}/factor", code="000000")).status == 422
    assert (await guest.get(f"{START}/supplier")).headers["Location"] == "/profile/security?staff=1"
    await with_factor_again(guest)
    assert (await guest.get(f"{START}/supplier")).status == 200
    assert (await guest.get(f"{START}/factor")).headers["Location"] == f"{START}/shop"


async def with_factor_again(guest: Person) -> None:
    """The factor of somebody who has begun."""
    secret = (await guest.get(f"{START}/factor")).text.split("data-secret>")[1].split("<")[0].replace(" ", "")
    assert (await guest.post(f"{START}/factor", code=pyotp.TOTP(secret).now())).status == 200


async def test_only_an_owner_sees_the_steps(desk: Desk, guest: Person, shop: Shop) -> None:
    """A customer is told that there is no such page."""
    person = await sign_in_as(guest, desk, shop.alice)
    for path in ("", "/factor", "/shop", "/supplier", "/margin", "/purchase", "/done"):
        assert (await person.get(START + path)).status == 404


async def test_the_shop_gets_its_name_its_colour_and_its_languages(desk: Desk, guest: Person) -> None:
    """They are the brand's own; the next step is the supplier."""
    owner = await with_factor(guest, desk)
    assert (await owner.post(f"{START}/shop", name="  ")).status == 422
    got = await owner.post(f"{START}/shop", name="Numbers & Co", accent="green", languages="es")
    assert got.headers["Location"] == f"{START}/supplier"
    brand = await brands.one(desk, HOUSE)
    assert (brand.name, brand.languages) == ("Numbers & Co", ("es",))
    assert "150" in brand.colours["accent"][0]
    assert (await owner.get(START)).headers["Location"] == f"{START}/supplier"


async def test_the_currency_is_chosen_until_money_moves(desk: Desk, guest: Person) -> None:
    """Wallets that are there and those to come have it, pages show money in it; one amount, and it stays for good."""
    owner = await with_factor(guest, desk)
    page = (await owner.get(f"{START}/shop")).text
    assert "US Dollar · $1,234.50" in page
    assert "Euro · €1,234.50" in page
    for nonsense in ("XXX", "eur", "EURO"):
        assert (await owner.post(f"{START}/shop", name="N", currency=nonsense)).status == 422
    assert (await owner.post(f"{START}/shop", name="N", currency="EUR")).status == 303
    await desk.refresh_brands()
    later = await customer(desk, 0)
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select mode, currency from wallet order by id")).fetchall()
        assert [each.after for each in await acts.search(tx, act="shop.currency_chosen")] == [
            {"currency": "EUR"}
        ]
    assert rows == [("live", "EUR"), ("test", "EUR")] * 2
    assert "€0.00" in (await owner.get("/wallet")).text
    await credited(desk, later)
    page = (await owner.get(f"{START}/shop")).text
    assert 'name="currency"' not in page
    assert "Accounts are kept in EUR." in page
    got = await owner.post(f"{START}/shop", name="N", currency="USD")
    assert (got.status, "money has moved already" in got.text) == (422, True)
    assert (await owner.post(f"{START}/shop", name="N", currency="EUR")).status == 303


async def credited(desk: Desk, wallet: ledger.Wallet) -> None:
    async with desk.db.transaction() as tx:
        await ledger.credit(tx, wallet, 1, actor="test", reason="the first")


@pytest.mark.usefixtures("breaches")
async def test_accounts_that_open_meanwhile_have_the_new_currency(desk: Desk) -> None:
    """Whoever opens one while it is chosen: afterwards there is one currency, and first balances are no race."""
    chosen = first_shop.choose_currency(desk, acts.CLI, "IDR")
    done = await asyncio.gather(
        chosen, *(accounts.open_account(desk, f"c{n}@example.org", 0, actor="test") for n in range(8)),
        return_exceptions=True,
    )  # fmt: skip
    assert [each for each in done if isinstance(each, Exception)] == []
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select currency, count(*) from wallet group by 1")).fetchall()
    assert rows == [("IDR", 16)]


def test_every_currency_on_offer_has_its_number() -> None:
    """For programs of the other protocol, which know currencies by their numbers."""
    numbers = {code: spell.currency(code) for code in first_shop.CURRENCIES}
    assert len(set(numbers.values())) == len(numbers)


async def test_a_logo_is_taken_in_and_what_is_none_is_said(desk: Desk, guest: Person) -> None:
    """A picture is shown from then on; a text that calls itself one is refused at its field."""
    owner = await with_factor(guest, desk)
    picture = io.BytesIO()
    Image.new("RGB", (300, 100), "red").save(picture, "PNG")
    await owner.get(f"{START}/shop")
    for file, status in ((b"<svg onload=alert(1)>", 422), (picture.getvalue(), 303)):
        form = aiohttp.FormData()
        form.add_field("form_token", owner.token)
        form.add_field("logo", file, filename="logo.png", content_type="image/png")
        sent = owner.http.post(
            owner.url + f"{START}/logo", data=form, headers=owner._head, allow_redirects=False
        )
        async with sent as answer:
            assert answer.status == status
    assert (await brands.one(desk, HOUSE)).has_logo


@pytest.mark.parametrize("hue", HUES.values(), ids=HUES)
def test_every_colour_on_offer_can_be_read(hue: int) -> None:
    """The contrast check of the brands takes each of them."""
    colours.check(colours.palette(accent(hue)))


async def test_a_supplier_is_asked_live_and_its_prices_taken_over(desk: Desk, guest: Person) -> None:
    """A wrong key is said in words and can be corrected under the same name; then it is on sale."""
    owner = await with_factor(guest, desk)
    warehouse = Warehouse()
    warehouse.stock("6", "fb", "0.10", 10)
    async with supplying("handler-api", warehouse) as url:
        fields = {"name": "first", "kind": "handler-api", "url": url}
        got = await owner.post(f"{START}/supplier", **fields, key="wrong")
        assert (got.status, "refuses our account" in got.text) == (200, True)
        assert (
            await owner.post(f"{START}/supplier", name="", kind="handler-api", url=url, key=KEY)
        ).status == 422
        got = await owner.post(f"{START}/supplier", **fields, key=KEY)
        assert got.headers["Location"] == f"{START}/margin"
        assert KEY not in (await owner.get(f"{START}/supplier")).text
    assert (await owner.get(START)).headers["Location"] == f"{START}/shop"  # it was left out, and may be


async def test_own_numbers_will_do_too(desk: Desk, guest: Person) -> None:
    """One a line; the first that is wrong is named, and nothing is loaded then."""
    owner = await with_factor(guest, desk)
    prefix = canon.countries()[6].prefix
    fields = {"owner": "me", "country": "6", "cost": "0.02"}
    got = await owner.post(f"{START}/stock", **fields, numbers=f"+{prefix}81234567\nnothing")
    assert (got.status, "Line 2" in got.text) == (422, True)
    got = await owner.post(f"{START}/stock", **fields, numbers=f"+{prefix}812345678\n{prefix}812345679\n\n")
    assert got.headers["Location"] == f"{START}/margin"
    async with desk.db.connection() as tx:
        (done,) = await acts.search(tx, act="stock.loaded")
    assert done.after["numbers"] == 2


async def test_the_margin_is_a_rule_for_everybody(desk: Desk, guest: Person) -> None:
    """Thirty percent on what a number costs; nonsense is refused."""
    owner = await with_factor(guest, desk)
    for nonsense in ("", "-1", "NaN", "many", "1e9"):
        assert (await owner.post(f"{START}/margin", percent=nonsense)).status == 422
    assert (await owner.post(f"{START}/margin", percent="30 %")).headers["Location"] == f"{START}/purchase"
    (rule,) = desk.prices.rules.rules
    assert (rule.kind, rule.value, rule.customer_id) == ("markup", Decimal("0.3"), None)


@pytest.mark.usefixtures("breaches")
async def test_the_first_sale_credits_what_it_needs_once(desk: Desk, guest: Person) -> None:
    """The price is credited, held, and shown with the number; the same form twice buys once; a second gift is refused."""
    owner = await with_factor(guest, desk)
    warehouse = Warehouse()
    warehouse.stock("6", "fb", "0.10", 10)
    async with supplying("handler-api", warehouse) as url:
        await owner.post(f"{START}/supplier", name="first", kind="handler-api", url=url, key=KEY)
        await owner.post(f"{START}/margin", percent="30")
        page = await owner.get(f"{START}/purchase")
        assert page.names("data-offer") == ["fb-6"]
        once = next(each for each in page.names("value") if each.endswith("-fb-6"))
        fields = {"service": "fb", "country": "6", "shown": "0.1300000", "once": once}
        for _ in range(2):
            assert (await owner.post(f"{START}/purchase", **fields)).status == 303
        (rented,) = warehouse.allotments.values()
        assert rented.phone[-4:] in (await owner.get(f"{START}/purchase")).text
        got = await owner.post(f"{START}/purchase", **{**fields, "once": "another-one-than-before"})
        assert got.status == 402
    wallet = await _wallet(desk)
    async with desk.db.connection() as tx:
        balance = await ledger.balance(tx, wallet.id)
        (done,) = await acts.search(tx, act="balance.adjusted")
    assert (balance.available_micros, balance.held_micros) == (0, 130_000)
    assert done.after == {"amount_micros": 130_000}
    assert (await owner.get(f"{START}/done")).status == 200


async def _wallet(desk: Desk) -> ledger.Wallet:
    (member,) = await staff.everybody(desk)
    async with desk.db.connection() as tx:
        return await ledger.wallet(tx, await accounts.wallet_id(tx, member.customer_id, "live"))


@pytest.mark.usefixtures("breaches")
async def test_a_rehearsal_needs_no_supplier(desk: Desk, guest: Person) -> None:
    """In test mode the simulator sells; no money is credited."""
    owner = await with_factor(guest, desk)
    await owner.post("/mode", mode="test", next=f"{START}/purchase")
    page = await owner.get(f"{START}/purchase")
    key = page.names("data-offer")[0]
    service, _, country = key.partition("-")
    once = next(each for each in page.names("value") if each.endswith(f"-{key}"))
    shown = (
        page.text.split(f'name="once" value="{once}"')[0].rsplit('name="shown" value="', 1)[1].split('"')[0]
    )
    got = await owner.post(f"{START}/purchase", service=service, country=country, shown=shown, once=once)
    assert got.status == 303
    async with desk.db.connection() as tx:
        assert await acts.search(tx, act="balance.adjusted") == []
    assert (await owner.get(f"{START}/done")).status == 200


async def test_a_sale_without_the_wizard_counts_as_its_steps(desk: Desk, guest: Person, shop: Shop) -> None:
    """Nothing remembers where the owner was: what is there is done."""
    owner = await with_factor(guest, desk)
    await owner.post(f"{START}/shop", name="Numbers")
    assert (await owner.get(START)).headers["Location"] == f"{START}/purchase"
    await buy(desk, shop.alice, Order("wa", 6))
    assert (await owner.get(START)).headers["Location"] == f"{START}/purchase"  # somebody else's
