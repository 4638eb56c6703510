"""Topping up in a real browser: by the demo, by Stripe's page, by a voucher and by a bank transfer; the balance on the page
changes without a reload.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from ringlet import settings
from ringlet.acts import Actor
from ringlet.app import open_desk
from ringlet.backoffice import vouchers
from ringlet.desk import Desk
from ringlet.payments import book
from tests.browser import NARROW, WIDE, Visitors, axe, no_sideways_scroll, sign_in
from tests.person import Person
from tests.site import Site
from tests.till_site import FakeGateway, open_gateway

#: by hand the page asks again every 15 seconds
BY_HAND_MS = 30_000


@contextlib.asynccontextmanager
async def desk_of(site: Site) -> AsyncIterator[Desk]:
    """The site's database and secret, in this process."""
    url = site.environment["DATABASE_URL"]
    mine = settings.load({"RINGLET_HOME": str(site.home), "DATABASE_URL": url})
    async with open_desk(mine, url) as desk:
        yield desk


@contextlib.asynccontextmanager
async def offered(site: Site, gateway_id: int) -> AsyncIterator[None]:
    """For the time of a test: the site is everybody's."""
    try:
        yield
    finally:
        async with desk_of(site) as desk, desk.db.transaction() as tx:
            await tx.execute("update gateway set is_on = false where id = %s", [gateway_id])


async def newcomer(visit: Visitors, site: Site, width: int = WIDE) -> Page:
    """Signed up, with nothing, at the wallet."""
    page = await visit(site.url, width=width)
    await Person(page, site).sign_up()
    await page.goto("/wallet")
    await expect(page.locator("#balance")).to_have_text("$0.00")
    return page


async def ask(page: Page, label: str, amount: str) -> None:
    """Choose and send; then the payment's page is there, and stays the same document."""
    await page.locator(".topup-method", has_text=label).locator("input").check()
    await page.fill("#amount", amount)
    await page.locator(".topup-form button.primary").click()
    await page.wait_for_url("**/wallet/top-up/tu_*")
    await marked(page)


async def marked(page: Page) -> None:
    """A reload would lose this."""
    await page.evaluate("window.isTheSame = true")


async def not_reloaded(page: Page) -> None:
    assert await page.evaluate("window.isTheSame === true"), "the page was loaded anew"


@pytest.mark.parametrize("width", [WIDE, NARROW])
async def test_by_the_demo(visit: Visitors, demo_site: Site, width: int) -> None:
    """An amount at a click, paid at another page; the wallet in a second window learns of it too."""
    page = await newcomer(visit, demo_site, width)
    await page.locator("#topup-amount .chip", has_text="$20.00").click()
    await expect(page.locator("#amount")).to_have_value("20")
    await page.locator(".topup-form button.primary").click()
    await page.locator("[data-pay]").wait_for()
    await no_sideways_scroll(page)
    assert await axe(page) == []
    other = await visit(demo_site.url, width=width, state=await page.context.storage_state())
    await other.goto("/wallet")
    await marked(other)
    payer = await visit(demo_site.url, width=width, state=await page.context.storage_state())
    await payer.goto(page.url)
    await payer.locator("[data-pay]").click()
    await marked(page)
    await payer.locator("button[value=pay]").click()
    await expect(payer.locator("[data-state=credited]")).to_be_visible()
    await expect(page.locator("[data-state=credited]")).to_be_visible()
    await expect(page.locator("#balance")).to_have_text("$20.00")
    await not_reloaded(page)
    for figure in ("#balance", "#available"):
        await expect(other.locator(figure)).to_have_text("$20.00")
    await not_reloaded(other)
    await page.locator('a[href$="/receipt"]').click()
    await expect(page.locator(".receipt")).to_contain_text("$20.00")
    file = await page.context.request.get(f"{page.url}.pdf")
    assert (await file.body()).startswith(b"%PDF")


async def test_by_the_demo_without_scripts(visit: Visitors, demo_site: Site) -> None:
    """Forms and links alone; the page looks again by itself."""
    signed = await newcomer(visit, demo_site)
    page = await visit(demo_site.url, javascript=False, state=await signed.context.storage_state())
    await page.goto("/wallet")
    await page.locator("#topup-amount .chip", has_text="$5.00").click()
    await expect(page.locator("#amount")).to_have_value("5")
    await page.locator(".topup-form button.primary").click()
    await page.locator("[data-pay]").click()
    await page.locator("button[value=pay]").click()
    await expect(page.locator("[data-state=credited]")).to_be_visible(timeout=BY_HAND_MS)
    await expect(page.locator("#balance")).to_have_text("$5.00")


async def test_by_stripes_page(visit: Visitors, demo_site: Site) -> None:
    """A link leads to Stripe, which sends the payer back; the page that stayed open learns of it."""
    visit.allow("favicon.ico")  # the fake's page has none
    gateway = FakeGateway("stripe")
    try:
        async with desk_of(demo_site) as desk:
            gateway_id = await open_gateway(desk, gateway, demo_site.url)
        async with offered(demo_site, gateway_id):
            page = await newcomer(visit, demo_site)
            await ask(page, "stripe", "12.50")
            payer = await visit(demo_site.url, state=await page.context.storage_state())
            await payer.goto(page.url)
            await payer.locator("[data-pay]").click()
            await payer.wait_for_url(f"{gateway.url}/**")
            await payer.get_by_role("button", name="Pay").click()
            await payer.wait_for_url(f"{demo_site.url}/wallet/top-up/**")
            for each in (payer, page):
                await expect(each.locator("[data-state=credited]")).to_be_visible()
                await expect(each.locator("#balance")).to_have_text("$12.50")
            await not_reloaded(page)
    finally:
        gateway.stop()


async def test_by_a_voucher(visit: Visitors, demo_site: Site) -> None:
    """A code of the operator's is credit at once."""
    async with desk_of(demo_site) as desk:
        wish = vouchers.Wish(1, 5_000_000, 30, "a journey", "once-of-this-journey")
        (code,) = (await vouchers.make(desk, Actor("console", "owner"), wish)).codes
    page = await newcomer(visit, demo_site)
    await page.locator("summary", has_text="Redeem a voucher").click()
    await page.fill("#voucher", code.lower())
    await page.press("#voucher", "Enter")
    await expect(page.locator("[data-state=credited]")).to_be_visible()
    await expect(page.locator("#balance")).to_have_text("$5.00")


async def test_by_bank_transfer(visit: Visitors, demo_site: Site, tmp_path: Path) -> None:
    """The payer writes the reference and shows a proof; an operator says what came; the payer's page learns of it."""
    async with desk_of(demo_site) as desk, desk.db.transaction() as tx:
        new = book.New(
            "bank", "By transfer", "live", {"instructions": "IBAN XY12 3456"}, 1_000_000, 10**9, is_on=True
        )
        gateway_id = await book.add(tx, desk.settings.secret, new)
    async with offered(demo_site, gateway_id):
        page = await newcomer(visit, demo_site, NARROW)
        await ask(page, "By transfer", "30")
        await expect(page.locator("[data-instructions]")).to_contain_text("IBAN XY12 3456")
        public_id = await page.locator("[data-reference]").inner_text()
        await no_sideways_scroll(page)
        assert await axe(page) == []
        proof = tmp_path / "proof.png"
        await page.screenshot(path=proof)
        await page.set_input_files("#proof", proof)
        await page.get_by_role("button", name="Send the proof").click()
        await expect(page.locator("[data-state=review]")).to_be_visible()
        await marked(page)
        staff = await visit(demo_site.url)
        await sign_in(staff, demo_site, demo_site.demo["admin_email"], demo_site.demo["admin_password"])
        await staff.goto(f"/admin/payments/top-ups/{public_id}")
        await staff.get_by_role("button", name="Credit it").click()
        await expect(page.locator("[data-state=credited]")).to_be_visible(timeout=BY_HAND_MS)
        await expect(page.locator("#balance")).to_have_text("$30.00")
        await not_reloaded(page)
