"""Whole journeys in a real browser: from a stranger to a code, by pointer, by keyboard, on a phone, without scripts."""

import pytest
from playwright.async_api import expect

from tests.browser import NARROW, WIDE, Visitors, no_sideways_scroll, push_sms, sign_in
from tests.person import CODE, OFFER, TEXT, Person
from tests.site import Site


def credit(site: Site, email: str, amount: str = "10") -> None:
    """The operator gives the account something to spend."""
    done = site.ringlet("account", "adjust", email, amount, "--reason", "a journey")
    assert done.returncode == 0, done.stdout + done.stderr


async def ready(person: Person) -> str:
    """Signed up, confirmed, with a key and something to spend; returns the key."""
    await person.sign_up()
    key = await person.create_key()
    assert key.startswith("rl_live_")
    credit(person.site, person.email)
    return key


@pytest.mark.alone
@pytest.mark.parametrize("by_keys", [False, True], ids=["pointer", "keyboard"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
async def test_from_a_stranger_to_a_code(visit: Visitors, demo_site: Site, width: int, by_keys: bool) -> None:
    """Sign up, confirm, make a key, find, buy, read the code within a second, copy it, find it in the history."""
    page = await visit(demo_site.url, width=width)
    person = Person(page, demo_site, by_keys=by_keys)
    key = await ready(person)
    await person.find("whatsapp indonesia")
    await no_sideways_scroll(page)
    card = await person.buy()
    phone = await person.phone(card, key)
    await no_sideways_scroll(page)
    await person.receive(card, phone)
    await person.copy_code(card)
    await no_sideways_scroll(page)
    assert phone in await person.see_history(phone)
    await no_sideways_scroll(page)


async def test_a_code_survives_a_reload_and_a_second_window(visit: Visitors, demo_site: Site) -> None:
    """What is live is the account's, not the window's: another one shows it, and so does the same one anew."""
    page = await visit(demo_site.url)
    person = Person(page, demo_site)
    key = await ready(person)
    await person.find("whatsapp indonesia")
    card = await person.buy()
    other = await visit(demo_site.url, state=await page.context.storage_state())
    await other.goto("/")
    await push_sms(demo_site, await person.phone(card, key), TEXT)
    await expect(other.locator("#live [data-code]")).to_contain_text(CODE)
    await page.reload()
    await expect(page.locator("#live [data-code]")).to_contain_text(CODE)


async def test_a_number_that_is_cancelled_costs_nothing(visit: Visitors, demo_site: Site) -> None:
    """The card says that it is over, and the balance is what it was."""
    person = Person(await visit(demo_site.url), demo_site)
    key = await ready(person)
    before = demo_site.call("GET", "/api/v1/balance", key=key)[1]
    await person.find("whatsapp indonesia")
    card = await person.buy()
    assert demo_site.call("GET", "/api/v1/balance", key=key)[1] != before
    await person.press(card.locator("button[name=do][value=cancel]"))
    await expect(card.locator("button[name=do][value=cancel]")).to_have_count(0)
    assert demo_site.call("GET", "/api/v1/balance", key=key)[1] == before


async def test_another_message_comes_to_the_same_number(visit: Visitors, demo_site: Site) -> None:
    """After the first code: another SMS, its code on the screen, then done and nothing live."""
    person = Person(await visit(demo_site.url), demo_site)
    key = await ready(person)
    await person.find("whatsapp indonesia")
    card = await person.buy()
    phone = await person.phone(card, key)
    await push_sms(demo_site, phone, TEXT)
    await expect(card.locator("[data-code]")).to_contain_text(CODE)
    await person.press(card.locator("button[name=do][value=resend]"))
    await expect(person.page.locator("#live button[name=do][value=resend]")).to_have_count(0)
    await push_sms(demo_site, phone, "Your WhatsApp code: 700-155")
    second = person.page.locator("#live [data-activation]", has_text="700155")
    await expect(second.locator("[data-code]").first).to_contain_text("700155")
    await person.press(second.locator("button[name=do][value=finish]"))
    await expect(person.page.locator("#live button[name=do]")).to_have_count(0)


async def test_enter_buys_what_the_arrows_chose(visit: Visitors, demo_site: Site) -> None:
    """Slash, words, arrow down, Enter: a number without a hand on the pointer, and once only."""
    person = Person(await visit(demo_site.url), demo_site, by_keys=True)
    await ready(person)
    await person.find("whatsapp indonesia")
    await person.page.keyboard.press("ArrowDown")
    await person.page.keyboard.press("Enter")
    await expect(person.cards()).to_have_count(1)
    await person.page.reload()
    await expect(person.cards()).to_have_count(1)


@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_buying_and_reading_need_no_script(visit: Visitors, demo_site: Site, width: int) -> None:
    """With scripts off: find by Enter, buy by a button, read the code after loading the page again."""
    page = await visit(demo_site.url, width=width, javascript=False)
    await sign_in(page, demo_site)
    await page.goto("/")
    await page.fill("#find", "whatsapp indonesia")
    await page.press("#find", "Enter")
    await expect(page.locator(f'[data-offer="{OFFER}"]')).to_be_visible()
    person = Person(page, demo_site)
    card = await person.buy()
    await push_sms(demo_site, await person.phone(card, ""), TEXT)
    await page.reload()
    await expect(card.locator("[data-code]")).to_contain_text(CODE)


async def test_a_wrong_password_keeps_what_was_typed(visit: Visitors, demo_site: Site) -> None:
    """The address stays in its field, the refusal is told to who cannot see, and nobody is signed in."""
    visit.allow("status of 4(01|22)")
    page = await visit(demo_site.url)
    await page.goto("/sign-in")
    await page.fill("input[name=email]", demo_site.demo["client_email"])
    await page.fill("input[name=password]", "not that one")
    await page.press("input[name=password]", "Enter")
    await expect(page.locator("[role=alert], [aria-invalid=true]").first).to_be_visible()
    await expect(page.locator("input[name=email]")).to_have_value(demo_site.demo["client_email"])
    await page.goto("/history")
    assert "/sign-in" in page.url
