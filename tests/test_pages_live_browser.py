"""Live numbers in a real browser: told by the stream, by another tab's, and after a connection that was lost."""

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from tests.browser import Visitors, axe, no_sideways_scroll, push_sms, sign_in
from tests.site import Site

CODE = "482913"
TEXT = f"Your WhatsApp code is {CODE}. Don't share it."


async def bought(site: Site, service: str = "wa") -> dict[str, Any]:
    status, body, _ = await asyncio.to_thread(
        site.call, "POST", "/api/v1/resell/virtual/buy", {"service": service, "country": 6}
    )
    assert status == 200, body
    found: dict[str, Any] = body["activation"]
    return found


async def watching(visit: Visitors, site: Site, **how: Any) -> Page:
    """The demo's customer looks at his live numbers."""
    page = await visit(site.url, **how)
    await sign_in(page, site)
    await page.goto("/live")
    return page


async def test_a_number_bought_elsewhere_and_its_code_appear(visit: Visitors, demo_site: Site) -> None:
    """Without a reload; the title says so while nobody looks, the card is announced, the balance is true."""
    page = await watching(visit, demo_site)
    before = await page.inner_text("#balance")
    activation = await bought(demo_site)
    card = page.locator(f'[data-activation="{activation["activation_id"]}"]')
    await expect(card.locator("button[value=cancel]")).to_be_visible()
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    await push_sms(demo_site, activation["phone"], TEXT)
    await expect(card.locator("[data-code]")).to_have_text(CODE, timeout=1_000)
    assert (await page.title()).startswith("(1) ")
    assert CODE in await page.inner_text("#live [data-said]")
    assert await page.inner_text("#balance") != before
    await card.locator("[data-copy]", has_text="Copy").click()
    assert await page.evaluate("navigator.clipboard.readText()") == CODE
    assert await axe(page) == []


async def test_news_while_a_button_is_pressed_do_not_take_it_away(visit: Visitors, demo_site: Site) -> None:
    """A code comes between press and release: the press still counts, and the code is shown afterwards."""
    page = await watching(visit, demo_site)
    activation = await bought(demo_site)
    card = page.locator(f'[data-activation="{activation["activation_id"]}"]')
    await card.locator("[data-copy]").first.hover()
    await page.evaluate("""() => {
        window.clicks = 0;
        document.addEventListener("click", () => window.clicks++);
    }""")
    await page.mouse.down()
    await push_sms(demo_site, activation["phone"], TEXT)
    await page.wait_for_timeout(700)
    await page.mouse.up()
    assert await page.evaluate("window.clicks") == 1
    await expect(card.locator("[data-code]")).to_have_text(CODE)


async def test_tabs_share_one_stream(visit: Visitors, demo_site: Site) -> None:
    """Seven tabs of one browser, more than it keeps connections to a place, all hear; the first goes, and all still do."""
    page = await watching(visit, demo_site)
    tabs = [page]
    for _ in range(6):
        tabs.append(await page.context.new_page())
        await tabs[-1].goto("/live")
    for leaver in (None, tabs[-1]):
        if leaver is not None:
            await leaver.close()
            tabs.remove(leaver)
        activation = await bought(demo_site)
        await push_sms(demo_site, activation["phone"], TEXT)
        for tab in tabs:
            code = tab.locator(f'[data-activation="{activation["activation_id"]}"] [data-code]')
            await expect(code).to_have_text(CODE)


async def test_a_lost_connection_is_said_and_made_up_for(visit: Visitors, demo_site: Site) -> None:
    """A quiet line while it is away; what came meanwhile is there afterwards."""
    visit.allow("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK")
    page = await watching(visit, demo_site)
    activation = await bought(demo_site)
    card = page.locator(f'[data-activation="{activation["activation_id"]}"]')
    await expect(card).to_be_visible()
    # The browser cuts no stream that is open: the script is told that it was.
    await page.evaluate("void navigator.locks.request('live', { steal: true }, () => new Promise(() => {}))")
    await page.context.set_offline(True)
    await push_sms(demo_site, activation["phone"], TEXT)
    await page.evaluate("new BroadcastChannel('live').postMessage(['lost'])")
    await expect(page.locator("[data-lost]")).to_be_visible(timeout=9_000)
    await page.context.set_offline(False)
    await expect(card.locator("[data-code]")).to_have_text(CODE, timeout=9_000)


async def test_when_the_session_ends_the_page_goes(visit: Visitors, demo_site: Site) -> None:
    """Signed out in another tab: nothing is shown any longer than it takes to notice."""
    page = await watching(visit, demo_site)
    await bought(demo_site)
    other = await page.context.new_page()
    await other.goto("/live")
    token = await other.get_attribute("meta[name=form-token]", "content")
    await other.request.post("/sign-out", form={"form_token": token or ""})
    await page.wait_for_url("**/sign-in**", timeout=15_000)


async def test_a_button_leaves_the_focus_with_its_card(visit: Visitors, demo_site: Site) -> None:
    """By keyboard: the card that took the button's place is where one goes on; narrow, nothing sticks out."""
    page = await watching(visit, demo_site, width=360)
    activation = await bought(demo_site, "tg")
    card = page.locator(f'[data-activation="{activation["activation_id"]}"]')
    await card.locator("button[value=cancel]").press("Enter")
    await expect(card.locator("summary")).to_contain_text("Cancelled")
    await expect(card).to_be_focused()
    await no_sideways_scroll(page)
    assert await axe(page) == []
