"""Passkeys in a real browser, with an authenticator that the browser pretends to have."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser import Visitors, axe, no_sideways_scroll, sign_in
from tests.site import Site

AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def named_site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    """A demo that people reach by a name: there are no passkeys for an address of digits."""
    running = Site(tmp_path / "home", database_url)
    running.environment["RINGLET_PUBLIC_URL"] = f"http://localhost:{running.port}"
    running.start()
    running.url = f"http://localhost:{running.port}"
    yield running
    running.stop()


async def authenticator(page: Page) -> None:
    """From now on this page's browser has one."""
    wire = await page.context.new_cdp_session(page)
    await wire.send("WebAuthn.enable")
    await wire.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


async def test_a_passkey_is_added_opens_the_door_is_renamed_and_removed(
    visit: Visitors, named_site: Site
) -> None:
    """Added with a name and recovery codes; then signing in by it alone, proving by it, another name, and taking it away."""
    page = await visit(named_site.url)
    await authenticator(page)
    await sign_in(page, named_site)
    await page.goto("/profile/security")
    await page.get_by_label("Name of the passkey").fill("My <b>phone</b>")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.locator("[data-recovery]")).to_have_count(10)
    assert await axe(page) == []
    await page.get_by_role("link", name="I have kept them").click()
    await expect(page.locator("[data-passkey-line]")).to_contain_text("My <b>phone</b>")
    assert await axe(page) == []

    await page.goto("/prove?next=/profile")
    await page.get_by_role("button", name="Use a passkey").click()
    await page.wait_for_url("**/profile")

    await page.locator("summary[aria-label=Account]").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.goto("/sign-in?next=/profile/security")
    await page.get_by_role("button", name="Use a passkey").click()
    await page.wait_for_url("**/profile/security")

    line = page.locator("[data-passkey-line]")
    await line.locator("summary").click()
    await line.get_by_label("Name").fill("Phone at home")
    await line.get_by_role("button", name="Rename").click()
    await expect(line).to_contain_text("Phone at home")
    await line.locator("summary").click()
    assert await axe(page) == []
    await no_sideways_scroll(page)
    await line.get_by_role("button", name="Remove this passkey").click()
    await expect(page.locator("[data-passkey-line]")).to_have_count(0)
    await no_sideways_scroll(page)


async def test_a_passkey_is_the_second_factor(visit: Visitors, named_site: Site) -> None:
    """After the password; who turns it down stays where he is, and reads why."""
    page = await visit(named_site.url)
    await authenticator(page)
    await sign_in(page, named_site)
    await page.goto("/profile/security")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.locator("[data-recovery]")).to_have_count(10)
    other = await visit(named_site.url)
    await sign_in(other, named_site)
    await other.wait_for_url("**/second-factor")
    await authenticator(other)  # which has no key of this person
    await other.get_by_role("button", name="Use a passkey").click()
    await expect(other.locator("[data-said]")).to_have_text("No passkey was used.")
    assert await axe(other) == []
    await page.context.clear_cookies()
    await sign_in(page, named_site)
    await page.wait_for_url("**/second-factor")
    await page.get_by_role("button", name="Use a passkey").click()
    await page.wait_for_url(named_site.url + "/")
    await expect(page.locator("#find")).to_be_visible()
