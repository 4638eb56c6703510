"""Two shops on one installation, each under its own host name, in a real Chromium: what is sold in each, and to whom the
money goes.
"""

import copy
import re
from collections.abc import Iterator

import psycopg
import pytest
from playwright.async_api import Page, expect

from tests.browser import PATIENCE_MS, Visitors, push_sms, sign_in
from tests.contract import running_site
from tests.databases import DemoHome
from tests.person import CODE, TEXT, Person
from tests.site import Site

#: Chromium itself leads every name below localhost to loopback.
OURS, THEIRS = "one.localhost", "two.localhost"
RESELLER = "rita@example.org"
#: what WhatsApp in Indonesia costs in the operator's shop, and the same with the reseller's 25 % on it
OWN, PAID = 129_874, 162_342
CREDIT = 10_000_000


@pytest.fixture
def two_shops(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """A demo of this test's own: what a brand is changes the pages of everybody."""
    with running_site(tmp_path_factory.mktemp("brands"), cluster, demo_home) as running:
        made = running.ringlet("account", "create", RESELLER)
        assert made.returncode == 0, made.stderr
        yield running


def at(site: Site, host: str) -> Site:
    """The same installation as a browser finds it under another name."""
    named = copy.copy(site)
    named.url = f"http://{host}:{site.port}"
    return named


async def open_brand(page: Page) -> None:
    """The operator names his own shop's address, and opens a reseller's with a name, an address, a colour, a markup."""
    await page.goto("/admin/brands/1")
    await page.get_by_label("Host names").fill(OURS)
    await page.get_by_role("button", name="Save").click()
    await page.goto("/admin/brands")
    await page.get_by_label("Name", exact=True).fill("Rita's numbers")
    await page.get_by_label("Host names").fill(THEIRS)
    await page.get_by_label("Reseller").fill(RESELLER)
    await page.get_by_role("button", name="Open the brand").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Rita's numbers")
    await page.get_by_role("link", name="Colours").click()
    await page.locator("input[name=accent-light]").fill("#006450")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    await page.goto("/admin/pricing/rule")
    await page.get_by_label("For whom").select_option(label="Brand Rita's numbers")
    await page.get_by_label("How much").fill("25")
    await page.get_by_role("button", name="See what it changes").click()
    await page.get_by_role("button", name="Save this").click()
    await expect(page.get_by_text("It counts everywhere.")).to_be_visible()


async def give(page: Page, email: str) -> None:
    """The operator credits a customer of whichever shop."""
    await page.goto(f"/admin/customers?q={email}")
    await page.get_by_role("link", name=email).click()
    await page.get_by_text("Credit or debit").click()
    await page.get_by_label("Amount in USD").fill("10")
    form = page.locator("#adjust")
    await form.locator("[name=reason]").fill("to begin with")
    await form.get_by_role("button", name="Post it").click()
    await expect(page.locator("[data-available]")).to_contain_text("10.00")


async def button_colour(page: Page) -> str:
    """The colour of the page's first button that is the thing to do."""
    return str(
        await page.locator(".button.primary").first.evaluate("one => getComputedStyle(one).backgroundColor")
    )


async def buys(person: Person, site: Site, operator: Page, price: str) -> None:
    """Signs up in this shop, is credited, buys with a click at the shop's own price, and reads the code."""
    await person.sign_up()
    await give(operator, person.email)
    row = await person.find("whatsapp indonesia")
    await expect(row).to_contain_text(price)
    card = await person.buy()
    text = await card.locator("[data-copy]").first.get_attribute("data-copy")
    assert text
    await push_sms(site, text, TEXT)
    await expect(card.locator("[data-code]")).to_contain_text(CODE)


def accounts_of(site: Site, email: str) -> dict[str, int]:
    """What is in the live accounts of a customer, in micro-units; those with nothing are left out."""
    with psycopg.connect(site.environment["DATABASE_URL"]) as connection:
        rows = connection.execute(_ACCOUNTS, [email]).fetchall()
    return {kind: balance for kind, balance in rows if balance}


_ACCOUNTS = """
select a.kind::text, a.balance_micros from customer c join wallet w on w.customer_id = c.id and w.mode = 'live'
join ledger_account a on a.wallet_id = w.id where c.email = %s
"""


async def test_two_shops_and_the_margin_of_each(two_shops: Site, visit: Visitors) -> None:
    """A sale under each name, its own looks and its own price; the operator's margin is his, the reseller's is hers,
    to the micro-unit, and the books balance.
    """
    operator = await visit(two_shops.url)
    demo = two_shops.demo
    await sign_in(operator, two_shops, demo["admin_email"], demo["admin_password"])
    await open_brand(operator)
    first, second = [
        Person(await visit(shop.url), shop) for shop in (at(two_shops, OURS), at(two_shops, THEIRS))
    ]
    looks = []
    for person, name in ((first, "Ringlet"), (second, "Rita's numbers")):
        await person.page.goto("/sign-up")
        await expect(person.page).to_have_title(re.compile(name))
        looks.append(await button_colour(person.page))
    assert looks[0] != looks[1] == "rgb(0, 100, 80)"
    await buys(first, two_shops, operator, "0.129874")
    await buys(second, two_shops, operator, "0.162342")
    for _ in range(PATIENCE_MS // 250):  # the worker adds the share, a moment after the code
        if accounts_of(two_shops, RESELLER):
            break
        await operator.wait_for_timeout(250)
    assert accounts_of(two_shops, first.email) == {
        "available": CREDIT - OWN, "revenue": OWN, "funding": -CREDIT,
    }  # fmt: skip
    assert accounts_of(two_shops, second.email) == {
        "available": CREDIT - PAID, "revenue": PAID, "funding": -CREDIT,
    }  # fmt: skip
    assert accounts_of(two_shops, RESELLER) == {"available": PAID - OWN, "resale": OWN - PAID}
    assert two_shops.audit() == ""
