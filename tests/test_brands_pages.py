"""Two brands on two host names over HTTP: each with its name, its people, its prices, its words and its looks."""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from PIL import Image

from ringlet import brands, customers
from ringlet.activations import resale
from ringlet.acts import CLI, Actor
from ringlet.backoffice import brand_dress, brand_words, staff
from ringlet.backoffice import brands as office
from ringlet.backoffice.brands import Profile
from ringlet.brands import HOUSE
from ringlet.customers import KeyTerms
from ringlet.desk import Desk
from ringlet.errors import Unauthorized, ValidationFailed
from ringlet.people import setup, sign_in
from tests.brands_rig import HOST, Branded, ResellersShop, accounts_of, deliver, open_shop, wallet_of
from tests.pages_rig import Person, serving, sign
from tests.people_rig import PASSWORD, letters_to
from tests.site import Shop
from tests.suppliers_rig import upstream
from tests.test_brands_money import OWN, PAID

pytestmark = pytest.mark.usefixtures("breaches")
HOUSE_HOST = "house.example"


@dataclass
class Street:
    """Both shops over HTTP."""

    desk: Desk
    shop: Shop
    resold: ResellersShop
    guest: Person

    def at(self, host: str, person: Person | None = None) -> Branded:
        """A browser at this address, signed in as somebody or not."""
        return Branded(self.guest.url, self.guest.http, person.session if person else "", host=host)

    async def owner(self) -> Branded:
        """An owner of the installation, with a second factor."""
        wallet = await wallet_of(self.desk, "boss@example.org", balance_micros=0)
        person = await sign(self.guest, self.desk, wallet)
        async with self.desk.db.connection() as tx:
            await tx.execute(
                "update person set totp_secret = 'x', totp_confirmed_at = now() where customer_id = %s",
                [wallet.customer_id],
            )
        await staff.appoint(self.desk, CLI, "boss@example.org", "owner")
        return self.at(HOUSE_HOST, person)


@pytest.fixture
async def street(desk: Desk, shop: Shop) -> AsyncIterator[Street]:
    resold = await open_shop(desk)
    async with serving(desk) as guest:
        await desk.refresh_brands()
        await desk.refresh_prices()
        yield Street(desk, shop, resold, guest)


async def key_of(desk: Desk, wallet_id: int) -> str:
    async with desk.db.transaction() as tx:
        return (
            await customers.add_key(tx, desk.settings.secret, KeyTerms(wallet_id=wallet_id, mode="live"))
        ).token


async def bought(street: Street, host: str, key: str) -> tuple[float, str]:
    """A number by the API at this address: (amount paid, phone)."""
    made = street.guest.http.post(
        street.guest.url + "/api/v1/resell/virtual/buy", json={"service": "ig", "country": 6},
        headers={"Authorization": f"Bearer {key}", "Host": host},
    )  # fmt: skip
    async with made as answer:
        assert answer.status in {200, 201}, await answer.text()
        text = await answer.text()
    found = re.search(r'"phone(?:_number)?":"\+?([0-9]+)"', text)
    paid = re.search(r'"amount_paid":([0-9.]+)', text)
    assert found is not None, text
    assert paid is not None, text
    return float(paid[1]), found[1]


async def test_a_sale_on_each_from_own_stock(street: Street) -> None:
    """Each customer pays the price of his shop, and the difference is the reseller's."""
    desk = street.desk
    for index, (host, wallet, paid) in enumerate(
        [(HOUSE_HOST, street.shop.alice, OWN), (HOST, street.resold.customer, PAID)]
    ):
        amount, phone = await bought(street, host, await key_of(desk, wallet.id))
        assert round(amount * 1_000_000) == paid
        await deliver(desk, street.shop.source_id, phone, index + 1)
    await resale.post_due(desk)
    assert (await accounts_of(desk, street.shop.alice))["revenue"] == OWN
    assert (await accounts_of(desk, street.resold.customer))["revenue"] == PAID
    assert await accounts_of(desk, street.resold.owner) == {"available": PAID - OWN, "resale": OWN - PAID}


async def test_a_sale_on_each_by_a_supplier(street: Street) -> None:
    """The same where a supplier has the number: own stock is sold out for this service."""
    desk = street.desk
    async with desk.db.transaction() as tx:
        await tx.execute("update stock set state = 'resting', due_at = now() + interval '1 day'")
    async with upstream(desk, "first") as up:
        await desk.refresh_suppliers()
        for host, wallet, paid in (
            (HOUSE_HOST, street.shop.alice, OWN), (HOST, street.resold.customer, PAID),
        ):  # fmt: skip
            amount, _ = await bought(street, host, await key_of(desk, wallet.id))
            assert round(amount * 1_000_000) == paid
        for ref in list(up.warehouse.allotments):
            up.warehouse.sms(ref, "Your Instagram code is 123456", "123456")
        await up.sweep()
        await resale.post_due(desk)
    assert (await accounts_of(desk, street.shop.alice))["revenue"] == OWN
    assert await accounts_of(desk, street.resold.owner) == {"available": PAID - OWN, "resale": OWN - PAID}


async def test_each_host_wears_its_own_name(street: Street) -> None:
    """An unknown host is the installation's own brand; a port and capitals do not matter."""
    for host, name in (
        (HOST, "Rita&#39;s numbers"),
        (HOST.upper() + ":8080", "Rita&#39;s numbers"),
        ("elsewhere.example", "Ringlet"),
    ):
        page = await street.at(host).get("/sign-in")
        assert f"· {name}</title>" in page.text


async def test_people_sign_in_at_their_own_brand_only(street: Street) -> None:
    """Elsewhere the account is unknown, and the session nobody's; one address may have an account at both."""
    desk = street.desk
    here = desk.wearing(desk.brands.get(street.resold.brand_id))
    await wallet_of(desk, "ann@example.org", street.resold.brand_id)
    await setup.give_password(here, "ann@example.org", PASSWORD)
    signed = await sign_in.sign_in(here, "ann@example.org", PASSWORD)
    with pytest.raises(Unauthorized):
        await sign_in.sign_in(desk, "ann@example.org", PASSWORD)
    person = Person(street.guest.url, street.guest.http, signed.token)
    assert (await street.at(HOST, person).get("/wallet")).status == 200
    assert (await street.at(HOUSE_HOST, person).get("/wallet")).headers["Location"].startswith("/sign-in")
    await wallet_of(desk, "ann@example.org")
    other = await customers_of(desk, "ann@example.org")
    assert sorted(other) == [HOUSE, street.resold.brand_id]


async def customers_of(desk: Desk, email: str) -> list[int]:
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select brand_id from customer where email = %s", [email])).fetchall()
    return [row[0] for row in rows]


async def test_letters_are_the_brands(street: Street) -> None:
    """Who signs up at the reseller's address is its customer, and its letter names it and leads there."""
    desk = street.desk
    brand = await office.one(desk, street.resold.brand_id)
    profile = Profile(name=brand.name, hosts=brand.hosts, mail_from="hello@reseller.example")
    await office.change(desk, CLI, brand.id, brand.version, profile)
    await desk.refresh_brands()
    guest = street.at(HOST)
    await guest.get("/forgot")
    await guest.post("/forgot", email="carl@rita.example")
    (letter,) = await letters_to(desk, "carl@rita.example")
    assert "Rita's numbers" in letter.subject
    assert f"http://{HOST}:8080/reset/" in (letter.body or "")
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select sender, sender_name from letter")).fetchone()
    assert row == ("hello@reseller.example", "Rita's numbers")
    await street.at(HOUSE_HOST).post("/forgot", email="carl@rita.example")
    assert len(await letters_to(desk, "carl@rita.example")) == 1


async def test_legal_pages_are_text(street: Street) -> None:
    """In the reader's language or another one, linked at the foot, with nothing of it taken for HTML."""
    desk, brand_id = street.desk, street.resold.brand_id
    evil = '# Terms & more\n\n<script>alert(1)</script>\n\nSecond "line"'
    await brand_words.set_page(desk, CLI, brand_id, "terms", "en", evil)
    await brand_words.set_page(desk, CLI, brand_id, "terms", "es", "Hola")
    await desk.refresh_brands()
    page = await street.at(HOST).get("/terms?lang=ru")
    assert '<h2 dir="auto">Terms &amp; more</h2>' in page.text
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "Hola" in (await street.at(HOST).get("/terms?lang=es")).text
    assert 'href="/terms"' in page.text
    assert 'href="/imprint"' not in page.text
    assert [(await street.at(host).get(path)).status for host, path in (
        (HOST, "/privacy"), (HOUSE_HOST, "/terms"))] == [404, 404]  # fmt: skip


async def test_announcements_have_their_time_and_language(street: Street) -> None:
    """Said from then until then, at one brand, in the reader's language and else in English."""
    desk, brand_id, now = street.desk, street.resold.brand_id, datetime.now(UTC)
    hour = timedelta(hours=1)
    texts = {"en": "Maintenance <tonight>", "es": "Mantenimiento"}
    await brand_words.say(desk, CLI, brand_id, "waiting", texts, now - hour, now + hour)
    await brand_words.say(desk, CLI, brand_id, "info", {"en": "Later"}, now + hour, now + 2 * hour)
    await brand_words.say(desk, CLI, brand_id, "info", {"en": "Before"}, now - 2 * hour, now - hour)
    await desk.refresh_brands()
    english = (await street.at(HOST).get("/sign-in?lang=en")).text
    assert "Maintenance &lt;tonight&gt;" in english
    assert "Later" not in english
    assert "Before" not in english
    assert "Mantenimiento" in (await street.at(HOST).get("/sign-in?lang=es")).text
    assert "Maintenance" in (await street.at(HOST).get("/sign-in?lang=zh")).text
    assert "Maintenance" not in (await street.at(HOUSE_HOST).get("/sign-in")).text


async def test_the_languages_are_the_brands(street: Street) -> None:
    """What is not offered is neither listed nor taken."""
    desk = street.desk
    brand = await office.one(desk, street.resold.brand_id)
    await office.change(
        desk, CLI, brand.id, brand.version, Profile(name="Nur", hosts=brand.hosts, languages=["es", "ru"])
    )
    await desk.refresh_brands()
    page = (await street.at(HOST).get("/sign-in?lang=zh")).text
    assert '<html lang="es"' in page
    assert re.findall(r'<option value="(..)" lang', page) == ["es", "ru"]


async def test_the_owner_dresses_a_brand(street: Street) -> None:
    """Colours and a logo by the forms; pages wear them at once, by addresses that change with them."""
    boss = await street.owner()
    brand_id = street.resold.brand_id
    done = await boss.post(
        f"/admin/brands/{brand_id}/colours", **{"accent-light": "#0b5d1e", "accent-hover-light": "#0a4a18"}
    )
    assert done.status == 303, done.text
    assert (await upload(boss, brand_id, picture(900, 300)))[0] == 303
    await street.desk.refresh_brands()
    page = (await street.at(HOST).get("/sign-in")).text
    sheet, logo, icon = (
        re.search(rf"/brand/{brand_id}-[0-9]+{end}", page) for end in (r"\.css", r"\.png", r"-icon\.png")
    )
    assert sheet
    assert logo
    assert icon
    css = await street.at(HOST).get(sheet[0])
    assert "--accent:light-dark(#0b5d1e,oklch(74% 0.13 258))" in css.text
    assert "immutable" in css.headers["Cache-Control"]
    assert css.headers["Content-Type"].startswith("text/css")
    async with street.guest.http.get(street.guest.url + logo[0]) as answer:
        shown = Image.open(io.BytesIO(await answer.read()))
    assert (shown.format, shown.size, answer.headers["X-Content-Type-Options"]) == (
        "PNG",
        (240, 80),
        "nosniff",
    )
    assert (await street.at(HOUSE_HOST).get("/brand/1-9.css")).headers["Cache-Control"] == "no-store"
    for nothing in ("1-1.png", "99-1.css", "x.css", "2-1.exe", "2-" + "9" * 30 + ".css"):
        assert (await street.at(HOST).get(f"/brand/{nothing}")).status == 404


async def test_every_page_of_a_brand_is_shown(street: Street) -> None:
    """To the owner; checking colours shows the contrasts of what was typed, and keeps nothing."""
    boss, path = await street.owner(), f"/admin/brands/{street.resold.brand_id}"
    tabs = ("", "/colours", "/logo", "/pages", "/announcements")
    assert [(await boss.get(path + tab)).status for tab in tabs] == [200] * len(tabs)
    shown = await boss.post(path + "/colours", check="1", **{"text-light": "#999999"})
    assert (shown.status, ">2.7" in shown.text, "badge bad" in shown.text) == (200, True, True)
    said = {"text-en": "Soon", "tone": "info", "from": "2026-01-01T10:00", "until": "2099-01-01T10:00"}
    assert (await boss.post(path + "/announcements", **said)).status == 303
    assert (await boss.post(path + "/announcements", **{**said, "until": "soon"})).status == 422
    assert (await boss.post(path + "/pages", kind="imprint", language="en", body="Us")).status == 303
    assert (await office.one(street.desk, street.resold.brand_id)).colours == {}


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.new("RGBA", (width, height), (10, 90, 30, 255)).save(made, kind)
    return made.getvalue()


async def upload(person: Person, brand_id: int, file: bytes, token: str | None = None) -> tuple[int, bool]:
    await person.get("/admin/brands")
    form = aiohttp.FormData()
    form.add_field("form_token", person.token if token is None else token)
    form.add_field("logo", io.BytesIO(file), filename="logo.png", content_type="image/png")
    sent = person.http.post(
        f"{person.url}/admin/brands/{brand_id}/logo", data=form, headers=person._head, allow_redirects=False
    )
    async with sent as answer:
        return answer.status, "at most 512 KiB" in await answer.text()


async def test_an_upload_is_bounded_and_needs_its_token(street: Street) -> None:
    """A file that is too large is told so, a much larger one is not even read; a stranger's form is refused."""
    boss = await street.owner()
    answers = [
        await upload(boss, street.resold.brand_id, *sent)
        for sent in (
            (b"x" * 600_000,),
            (b"x" * 1_200_000,),
            (picture(9, 9), "theirs"),
            (b"<svg/>",),
            (picture(9, 9),),
        )
    ]
    assert answers == [(422, True), (422, False), (403, False), (422, False), (303, False)]


async def test_the_owner_opens_and_changes_a_brand(street: Street) -> None:
    """By the forms; what makes no sense is said beside its field, and nothing of it is kept."""
    boss = await street.owner()
    await boss.get("/admin/brands")
    wrong = [
        {"name": "", "hosts": "a.example"}, {"name": "A", "hosts": ""}, {"name": "A", "hosts": "http://a.example"},
        {"name": "A", "hosts": HOST}, {"name": "A", "hosts": "127.0.0.1"}, {"name": "A", "hosts": "a.example:80"},
        {"name": "A", "hosts": "a.example", "reseller": "nobody@example.org"},
    ]  # fmt: skip
    for fields in wrong:
        assert (await boss.post("/admin/brands", **fields)).status == 422, fields
    made = await boss.post(
        "/admin/brands", name="Ánother", hosts="A.example\nb.example", reseller="bob@example.org"
    )
    assert made.status == 303
    path = made.headers["Location"]
    page = await boss.get(path)
    assert "Ánother" in page.text
    assert "a.example\nb.example" in page.text
    version = re.search(r'name="version" value="([0-9]+)"', page.text)
    assert version is not None
    fields = {"name": "Other", "hosts": "a.example", "languages": "en", "support_url": "javascript:alert(1)"}
    assert (await boss.post(path, version=version[1], **fields)).status == 422
    fields["support_url"] = "mailto:help@a.example"
    assert (await boss.post(path, version=version[1], **fields)).status == 303
    assert (
        await boss.post(path, version=version[1], **fields)
    ).status == 422  # somebody has changed it meanwhile
    lines = await office.everything(street.desk)
    assert [(each.name, each.hosts, each.reseller) for each in lines[2:]] == [
        ("Other", ["a.example"], "bob@example.org")
    ]


async def test_a_reseller_looks_after_the_shop(street: Street) -> None:
    """Sets prices and sees earnings; for somebody else the page is not there, and another's shop is not either."""
    desk = street.desk
    rita = street.at(HOUSE_HOST, await sign(street.guest, desk, street.resold.owner))
    page = await rita.get("/shop")
    assert page.status == 200
    assert "My shop" in page.text
    shop_id = street.resold.brand_id
    done = await rita.post(f"/shop/{shop_id}/prices", kind="markup", value="50", service="ig", country="6")
    assert done.status == 303
    assert (await rita.post(f"/shop/{shop_id}/prices", kind="markup", value="-5")).status == 422
    await desk.refresh_prices()
    amount, phone = await bought(street, HOST, await key_of(desk, street.resold.customer.id))
    assert round(amount * 1_000_000) == 167_234  # 0.1114892 and half of it, half-even
    await deliver(desk, street.shop.source_id, phone)
    await resale.post_due(desk)
    assert "$0.055745" in (await rita.get("/shop")).text
    assert "Earned in my shop" in (await rita.get("/wallet")).text
    bob = street.at(HOUSE_HOST, await sign(street.guest, desk, street.shop.bob))
    answers = [
        (await bob.get("/shop")).status,
        (await bob.post(f"/shop/{shop_id}/prices", kind="markup", value="1")).status,
    ]
    assert answers == [404, 404]


async def test_colours_that_nobody_could_read_are_refused(desk: Desk) -> None:
    """With the ratio, in the mode where it falls short; nothing is kept."""
    with pytest.raises(ValidationFailed) as refused:
        await brand_dress.recolour(desk, CLI, HOUSE, {"text-light": "#999999"})
    assert "text on page in light has a contrast of 2.7" in str(refused.value.extra)
    assert (await office.one(desk, HOUSE)).colours == {}


async def test_what_is_done_to_brands_is_in_the_log(desk: Desk) -> None:
    """Each change is an act of who did it."""
    actor = Actor("boss@example.org", "owner")
    brand_id = await office.add(desk, actor, Profile(name="A", hosts=["a.example"]))
    await brand_dress.recolour(desk, actor, brand_id, {"accent-light": "#0b5d1e"})
    async with desk.db.connection() as tx:
        rows = await (
            await tx.execute("select act, about from staff_act where actor = 'boss@example.org' order by id")
        ).fetchall()
        assert [each.id for each in await brands.load(tx, desk.settings)] == [1, brand_id]
    assert rows == [("brand.added", f"brand {brand_id}"), ("brand.recoloured", f"brand {brand_id}")]
