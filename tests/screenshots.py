"""Every page as a picture, to be looked at: `make screenshots`, or some of them: `make screenshots ARGS="home wallet"`.

A fresh demo with a life in it, each page narrow and wide, light and dark, into docs/screenshots; a contact sheet beside
them (sheet.html, and sheet-<width>-<scheme>.png). What does not answer as it should is reported.
"""

import asyncio
import html
import itertools
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Error

from tests.browser import HEIGHTS, NARROW, WIDE, chromium, no_sideways_scroll
from tests.demo_life import Eyes, Life, live, run_shop
from tests.every_page import MOMENTS, SETTLE_MS, Look, admin_looks, looks
from tests.shop_life import trading
from tests.site import Site

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
SIZES = list(itertools.product((WIDE, NARROW), ("light", "dark")))
SCREENS_MAX = 3
OF_CUSTOMERS = (*looks(), *MOMENTS)
OF_THE_SHOP = tuple(admin_looks())
LOOKS = (*OF_CUSTOMERS, *OF_THE_SHOP)


async def photograph(eyes: Eyes, look: Look) -> list[str]:
    """This page in all sizes; returns what there is to report. Its old pictures go first."""
    for size in SIZES:
        picture(look, size).unlink(missing_ok=True)
    said = []
    try:
        page = await eyes.on(look, "en")
        await page.wait_for_timeout(SETTLE_MS)
        for width, scheme in SIZES:
            await page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            await page.emulate_media(color_scheme=scheme)
            await no_sideways_scroll(page)
            tall = await page.evaluate("document.documentElement.scrollHeight")
            # A window as tall as the page, within reason: what is fixed to its edge stands at the edge of the picture.
            height = max(HEIGHTS[width], min(tall, SCREENS_MAX * HEIGHTS[width]))
            await page.set_viewport_size({"width": width, "height": height})
            await page.wait_for_timeout(SETTLE_MS)  # what is fixed to an edge has found it
            await page.screenshot(path=picture(look, (width, scheme)))
    except (Error, AssertionError) as error:
        said.append(" ".join(str(error).splitlines()[:2]))
    return [f"{look.name}: {each}" for each in [*said, *eyes.visitors.blamed()]]


def picture(look: Look, size: tuple[int, str]) -> Path:
    """Where this picture lies."""
    return FOLDER / f"{look.name}-{size[0]}-{size[1]}.png"


async def contact_sheet(browser: Browser) -> None:
    """All pictures small, on one page; and that page as one picture for each size."""
    parts = []
    for width, scheme in SIZES:
        names = [look.name for look in LOOKS if picture(look, (width, scheme)).exists()]
        figures = "".join(
            f'<figure><a href="{file}"><img src="{file}" alt=""></a><figcaption>{html.escape(name)}</figcaption></figure>'
            for name in names
            for file in [f"{name}-{width}-{scheme}.png"]
        )
        parts.append(f'<section id="s{width}-{scheme}"><h2>{width} {scheme}</h2>{figures}</section>')
    style = (
        "body{font:13px sans-serif;background:#888;margin:16px}section{display:flex;flex-wrap:wrap;gap:12px}"
        "h2{flex:0 0 100%;margin:8px 0}figure{margin:0;width:300px}img{width:100%;border:1px solid #444}"
    )
    sheet = FOLDER / "sheet.html"
    sheet.write_text(f"<!doctype html><title>Pages</title><style>{style}</style>{''.join(parts)}", "utf-8")
    page = await browser.new_page(viewport={"width": 1600, "height": 900})
    await page.goto(sheet.as_uri())
    for width, scheme in SIZES:
        section = page.locator(f"#s{width}-{scheme}")
        await section.screenshot(path=FOLDER / f"sheet-{width}-{scheme}.png")
    await page.close()


async def take(site: Site, names: list[str]) -> list[str]:
    """The pictures of these pages, or of all; returns what there is to report."""
    async with chromium() as browser:
        reports = []
        if asked := _asked(OF_CUSTOMERS, names):
            reports += await _seen(browser, site, await live(browser, site), asked)
        if asked := _asked(OF_THE_SHOP, names):  # last: what the shop announces stands on every page
            async with trading(site) as objects:
                reports += await _seen(browser, site, await run_shop(browser, site, objects), asked)
        await contact_sheet(browser)
    return reports


def _asked(there_are: tuple[Look, ...], names: list[str]) -> list[Look]:
    return [look for look in there_are if not names or look.name in names]


async def _seen(browser: Browser, site: Site, life: Life, asked: list[Look]) -> list[str]:
    eyes = Eyes(browser, site, life)
    eyes.visitors.allow("status of 4")  # pages that are not there, forms that are refused
    reports = [await photograph(eyes, look) for look in asked]
    await eyes.visitors.end()
    return [each for report in reports for each in report]


def main(names: list[str]) -> int:
    unknown = set(names) - {look.name for look in LOOKS}
    if unknown:
        print(
            f"No such page: {', '.join(sorted(unknown))}. There are: {' '.join(look.name for look in LOOKS)}"
        )
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ringlet-screenshots-") as home:
        site = Site(Path(home) / "home")
        try:
            site.start(ready_within_s=300)
            reports = asyncio.run(take(site, names))
        finally:
            site.stop()
    print(*reports, f"{len(reports)} to look into. The pictures: {FOLDER}/sheet.html", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
