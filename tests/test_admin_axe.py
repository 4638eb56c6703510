"""The shop's side stands beside the customers' pages: readable by everybody, in both schemes, both directions, all sizes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.demo_life import Eyes, run_shop
from tests.every_page import Look, admin_looks
from tests.shop_life import trading
from tests.site import Site
from tests.test_pages_axe import DIRECTIONS, check_page


@pytest.fixture(scope="module")
async def eyes(browser: Any, demo_site: Site) -> AsyncIterator[Eyes]:
    """For all tests of this module."""
    async with trading(demo_site) as objects:
        opened = Eyes(browser, demo_site, await run_shop(browser, demo_site, objects))
        opened.visitors.allow("status of 4")  # pages that are not there, forms that are refused
        yield opened
        await opened.visitors.end()


@pytest.mark.parametrize("language", DIRECTIONS)
@pytest.mark.parametrize("look", admin_looks(), ids=lambda look: look.name)
async def test_everybody_can_use_the_shops_page(eyes: Eyes, look: Look, language: str) -> None:
    """As for the customers' pages, with days of trade, a supplier that fails and money that waits."""
    await check_page(eyes, look, language)
