"""Every page can be read by everybody: in both schemes, both directions of writing, on a phone and on a desk."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.browser import HEIGHTS, NARROW, WIDE, Visitors, axe, first_weight, no_sideways_scroll
from tests.demo_life import Eyes, live
from tests.every_page import MOMENTS, Look, looks
from tests.site import Site

DIRECTIONS = {"en": "ltr", "ar": "rtl"}
FIRST_WEIGHT_MAX = 100_000


@pytest.fixture(scope="module")
async def eyes(browser: Any, demo_site: Site) -> AsyncIterator[Eyes]:
    """For all tests of this module."""
    opened = Eyes(browser, demo_site, await live(browser, demo_site))
    opened.visitors.allow("status of 4")  # pages that are not there, forms that are refused
    yield opened
    await opened.visitors.end()


@pytest.mark.parametrize("language", DIRECTIONS)
@pytest.mark.parametrize("look", [*looks(), *MOMENTS], ids=lambda look: look.name)
async def test_everybody_can_use_the_page(eyes: Eyes, look: Look, language: str) -> None:
    """Nothing serious or critical for axe-core, nothing to scroll sideways, and the direction that is read."""
    await check_page(eyes, look, language)


async def check_page(eyes: Eyes, look: Look, language: str) -> None:
    """One page, loaded once: both sizes and both schemes of it."""
    page = await eyes.on(look, language)
    assert await page.get_attribute("html", "dir") == DIRECTIONS[language]
    assert await page.get_attribute("html", "lang") == language
    found = []
    for width in (WIDE, NARROW):
        await page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        await no_sideways_scroll(page)
        # The scheme changes nothing but colours.
        for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):
            await page.emulate_media(color_scheme=scheme)
            found += [f"{width} px, {scheme}: {finding}" for finding in await axe(page, *rules)]
    assert not found, "\n".join(found)
    assert eyes.visitors.blamed() == []


@pytest.mark.parametrize(("path", "who"), [("/", "guest"), ("/", "customer"), ("/docs/api", "guest")])
async def test_the_first_page_is_light(
    visit: Visitors, demo_site: Site, eyes: Eyes, path: str, who: str
) -> None:
    """Under 100 KB over the wire for who comes the first time, with all that the page loads."""
    page = await visit(demo_site.url, state=eyes.life.states[who])
    weights = await first_weight(page, path)
    assert sum(weights.values()) < FIRST_WEIGHT_MAX, weights
    assert all(address.startswith(demo_site.url) for address in weights), weights
