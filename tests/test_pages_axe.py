"""Every page can be read by everybody: in both schemes, both directions of writing, on a phone and on a desk."""

from typing import Any

import pytest

from tests.browser import NARROW, WIDE, Visitors, axe, first_weight, no_sideways_scroll, push_sms, sign_in
from tests.site import Site

OF_GUESTS = ("/", "/sign-in", "/sign-up", "/forgot", "/docs", "/docs/countries", "/docs/services", "/docs/api",
             "/docs/handler-api", "/mail")  # fmt: skip
OF_CUSTOMERS = (
    "/",
    "/history",
    "/wallet",
    "/profile",
    "/profile/security",
    "/webhooks",
    "/docs",
    "/docs/api",
)
PAGES = [(path, "guest") for path in OF_GUESTS] + [(path, "customer") for path in OF_CUSTOMERS]
DIRECTIONS = {"en": "ltr", "ar": "rtl"}
FIRST_WEIGHT_MAX = 100_000


@pytest.fixture(scope="module")
async def customer(browser: Any, demo_site: Site) -> Any:
    """The demo's customer, signed in, with one number that waits and one whose code has come."""
    for text in ("", "Your WhatsApp code: 482-913. لا تشارك هذا الرمز مع أحد"):
        order = {"service": "wa", "country": 6}
        status, bought, _ = demo_site.call("POST", "/api/v1/resell/virtual/buy", order)
        assert status == 200, bought
        if text:
            await push_sms(demo_site, bought["activation"]["phone"], text)
    visitors = Visitors(browser)
    page = await visitors(demo_site.url)
    await sign_in(page, demo_site)
    state = await page.context.storage_state()
    await visitors.end()
    return state


@pytest.mark.parametrize("language", DIRECTIONS)
@pytest.mark.parametrize(("path", "who"), PAGES)
async def test_everybody_can_use_the_page(
    visit: Visitors, demo_site: Site, customer: Any, path: str, who: str, language: str
) -> None:
    """Nothing serious or critical for axe-core, nothing to scroll sideways, and the direction that is read."""
    found = []
    for width in (NARROW, WIDE):
        state = customer if who == "customer" else None
        page = await visit(demo_site.url, width=width, language=language, calm=True, state=state)
        # The one who signed in has chosen a language; the address asks for another one.
        where = f"{path}?lang={language}" if who == "customer" else path
        answer = await page.goto(where)
        assert answer is not None
        assert (answer.status, page.url) == (200, demo_site.url + where)
        assert await page.get_attribute("html", "dir") == DIRECTIONS[language]
        assert await page.get_attribute("html", "lang") == language
        await no_sideways_scroll(page)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            found += [f"{width} px, {scheme}: {finding}" for finding in await axe(page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("path", "who"), [("/", "guest"), ("/", "customer"), ("/docs/api", "guest")])
async def test_the_first_page_is_light(
    visit: Visitors, demo_site: Site, customer: Any, path: str, who: str
) -> None:
    """Under 100 KB over the wire for who comes the first time, with all that the page loads."""
    page = await visit(demo_site.url, state=customer if who == "customer" else None)
    weights = await first_weight(page, path)
    assert sum(weights.values()) < FIRST_WEIGHT_MAX, weights
    assert all(address.startswith(demo_site.url) for address in weights), weights
