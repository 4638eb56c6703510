"""From an empty installation to the first real sale by the wizard alone: `ringlet serve`, a browser, and a supplier."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.browser import NARROW, WIDE, Visitors, axe, no_sideways_scroll
from tests.fakes.supplier import KEY
from tests.site import Site
from tests.supplier_site import FakeSupplier

CLICKED_WITHIN_S = 180
PASSWORD = "several words nobody guesses"


class EmptySite(Site):
    """An installation as `ringlet serve` makes it: no demo."""

    serve = ("serve",)

    def setup_code(self) -> str:
        """As it was printed at the start."""
        until = time.monotonic() + 20
        while not (found := re.search(r"setup code  (\S+)", self.log.read_text())):
            assert time.monotonic() < until, "no setup code was printed"
            time.sleep(0.1)
        return found[1]


@pytest.fixture
def empty_site(tmp_path: Path, database_url: str) -> Iterator[EmptySite]:
    running = EmptySite(tmp_path / "home", database_url)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def supplier() -> Iterator[FakeSupplier]:
    """Its numbers get a code a moment after they were rented."""
    running = FakeSupplier("first", code_share=1.0, code_after_s=[1, 2])
    yield running
    running.stop()


async def see(page: Page) -> None:
    """Every step is a good page: no wider than the window, and accessible (axe is a script, and so are its promises)."""
    await no_sideways_scroll(page)
    if await page.locator("noscript *").count() == 0:
        assert await axe(page) == []


async def be_owner(page: Page, site: EmptySite) -> None:
    await page.goto("/")
    await expect(page).to_have_url(re.compile("/admin/welcome$"))
    await see(page)
    await page.get_by_label("Setup code").fill(site.setup_code())
    await page.get_by_label("Your e-mail address").fill("owner@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make me the owner").click()
    secret = (await page.locator("[data-secret]").inner_text()).replace(" ", "")
    await see(page)
    await page.get_by_label("Six digits").fill(pyotp.TOTP(secret).now())
    await page.get_by_role("button", name="Turn it on").click()
    await expect(page.locator("[data-recovery]")).to_have_count(10)
    await see(page)
    await page.get_by_role("link", name="I have kept them").click()


async def dress(page: Page) -> None:
    await see(page)
    await page.get_by_label("Name", exact=True).fill("Numbers & Co")
    await page.get_by_label("Green").check()
    await page.get_by_role("button", name="Save and go on").click()


async def connect(page: Page, supplier: FakeSupplier) -> None:
    await see(page)
    await page.get_by_label("What you call it").fill(supplier.name)
    await page.get_by_label("Protocol").select_option(supplier.dialect)
    await page.get_by_label("Address of its interface").fill(supplier.url)
    await page.get_by_label("Key of your account there").fill(KEY)
    await page.get_by_role("button", name="Connect").click()
    await expect(page.get_by_text("first answers, and has 1 offer.")).to_be_visible()


async def sell(page: Page) -> None:
    await see(page)
    await page.get_by_label("Markup in percent").fill("30")
    await page.get_by_role("button", name="Set the margin").click()
    await see(page)
    await page.get_by_role("button", name="Buy for").click()


@pytest.mark.parametrize(
    ("width", "javascript"), [(WIDE, True), (NARROW, False)], ids=["wide", "phone without scripts"]
)
async def test_from_nothing_to_the_first_sale(
    visit: Visitors, empty_site: EmptySite, supplier: FakeSupplier, width: int, javascript: bool
) -> None:
    """In under three minutes of clicking: an owner with a second factor, a named shop, a supplier checked live, a
    margin, and a number whose code has come; the customer's money and the supplier's agree to the micro-unit.
    """
    page = await visit(empty_site.url, width=width, javascript=javascript)
    began = time.monotonic()
    await be_owner(page, empty_site)
    await dress(page)
    await connect(page, supplier)
    await sell(page)
    (allotment,) = supplier.truth()["allotments"]
    await expect(page.locator("#live [data-code]")).to_be_visible(timeout=20_000)
    (message,) = supplier.truth()["allotments"][0]["messages"]
    shown = await page.locator("#live [data-code]").first.inner_text()
    assert "".join(filter(str.isalnum, shown)) == message["code"]
    await see(page)
    await page.get_by_role("link", name="Finish").click()
    await see(page)
    await page.get_by_role("link", name="To the overview").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert time.monotonic() - began < CLICKED_WITHIN_S
    assert allotment["cost"] == "0.10"
    assert empty_site.audit() == ""
    rows = empty_site.ringlet("supplier", "list", "--json").stdout
    assert '"offers":1' in rows.replace(" ", "")
