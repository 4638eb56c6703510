"""Every page as a picture, to be looked at: `make screenshots`, or some of them: `make screenshots ARGS="home wallet"`.

A fresh demo, one customer with live numbers, each page narrow and wide, light and dark, into docs/screenshots; a
contact sheet beside them (sheet.html, and sheet-<width>-<scheme>.png). What does not answer with 200 is reported.
"""

import asyncio
import html
import itertools
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page

from tests.browser import HEIGHTS, NARROW, WIDE, Visitors, chromium, no_sideways_scroll, push_sms, sign_in
from tests.site import Site

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
SIZES = list(itertools.product((WIDE, NARROW), ("light", "dark")))
SCREENS_MAX = 3
SETTLE_MS = 300


@dataclass(frozen=True)
class Shot:
    """A picture's page. `prepare` brings the page, once loaded, into the state that is wanted."""

    name: str
    path: str
    guest: bool = False
    prepare: Callable[[Page], Awaitable[None]] | None = None


async def search(page: Page) -> None:
    """Somebody looks for an offer."""
    await page.fill("#find", "whatsapp indonesia", timeout=2000)
    await page.wait_for_timeout(SETTLE_MS)


SHOTS = (
    Shot("landing", "/", guest=True),
    Shot("sign-in", "/sign-in", guest=True),
    Shot("sign-up", "/sign-up", guest=True),
    Shot("forgot", "/forgot", guest=True),
    Shot("home", "/"),
    Shot("find", "/", prepare=search),
    Shot("history", "/history"),
    Shot("wallet", "/wallet"),
    Shot("profile", "/profile"),
    Shot("security", "/profile/security"),
    Shot("webhooks", "/webhooks"),
    Shot("docs", "/docs"),
    Shot("docs-countries", "/docs/countries"),
    Shot("docs-services", "/docs/services"),
    Shot("docs-api", "/docs/api"),
    Shot("docs-handler-api", "/docs/handler-api"),
    Shot("mail", "/mail"),
)


async def fill(site: Site) -> None:
    """A life to look at: codes that came, numbers that wait, one that was given back."""

    def buy(service: str) -> Any:
        body = {"service": service, "country": 6}
        return site.call("POST", "/api/v1/resell/virtual/buy", body)[1]["activation"]

    for service, text in (
        ("tg", "Telegram code: 70155. Do not give this code to anyone."),
        ("go", "G-482913 is your Google verification code."),
        ("wa", "<#> Your WhatsApp code: 482-913\nDon't share this code with others\n4sgLq1p5sV6"),
    ):
        await push_sms(site, buy(service)["phone"], text)
    cancelled = buy("ig")["activation_id"]
    site.call("POST", "/api/v1/resell/virtual/cancel", {"activation_id": cancelled})
    buy("ig")
    buy("tg")


async def photograph(
    browser: Browser, site: Site, shot: Shot, state: Any, size: tuple[int, str]
) -> tuple[bool, str]:
    """One picture; returns whether there is such a page, and what there is to report about it, or nothing."""
    width, scheme = size
    visitors = Visitors(browser)
    page = await visitors(
        site.url, width=width, scheme=scheme, calm=True, state=None if shot.guest else state
    )
    said = []
    try:
        answer = await page.goto(shot.path)
        status = answer.status if answer else 0
        if status != 200 or page.url != site.url + shot.path:
            await page.context.close()
            return False, f"{shot.name}: {shot.path} answered {status} at {page.url.removeprefix(site.url)}"
        if shot.prepare:
            await shot.prepare(page)
        await page.wait_for_timeout(SETTLE_MS)
        await no_sideways_scroll(page)
    except (Error, AssertionError) as error:
        said.append(str(error).splitlines()[0])
    tall = await page.evaluate("document.documentElement.scrollHeight")
    # A window as tall as the page, within reason: what is fixed to its edge stands at the edge of the picture.
    await page.set_viewport_size(
        {"width": width, "height": max(HEIGHTS[width], min(tall, SCREENS_MAX * HEIGHTS[width]))}
    )
    await page.screenshot(path=picture(shot, size))
    try:
        await visitors.end()
    except AssertionError as error:
        said += str(error).splitlines()[1:]
    return True, f"{shot.name} {width} {scheme}: {'; '.join(said)}" if said else ""


def picture(shot: Shot, size: tuple[int, str]) -> Path:
    """Where this picture lies."""
    return FOLDER / f"{shot.name}-{size[0]}-{size[1]}.png"


async def photograph_all(browser: Browser, site: Site, shots: list[Shot], state: Any) -> list[str]:
    """Each of these in all sizes; a page that is not there is reported once, and its old pictures go."""
    reports = []
    for shot in shots:
        for size in SIZES:
            picture(shot, size).unlink(missing_ok=True)
        for size in SIZES:
            exists, said = await photograph(browser, site, shot, state, size)
            reports += [said] if said else []
            if not exists:
                break
    return reports


async def contact_sheet(browser: Browser) -> None:
    """All pictures small, on one page; and that page as one picture for each size."""
    parts = []
    for width, scheme in SIZES:
        names = [shot.name for shot in SHOTS if picture(shot, (width, scheme)).exists()]
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
    """The pictures of these shots, or of all; returns what there is to report."""
    chosen = [shot for shot in SHOTS if not names or shot.name in names]
    reports = []
    await fill(site)
    async with chromium() as browser:
        page = await Visitors(browser)(site.url)
        state = None
        try:
            await sign_in(page, site)
            state = await page.context.storage_state()
        except (Error, AssertionError) as error:
            reports.append(f"nobody could sign in: {str(error).splitlines()[0]}")
        await page.context.close()
        reports += await photograph_all(browser, site, chosen, state)
        await contact_sheet(browser)
    return reports


def main(names: list[str]) -> int:
    unknown = set(names) - {shot.name for shot in SHOTS}
    if unknown:
        print(
            f"No such page: {', '.join(sorted(unknown))}. There are: {' '.join(shot.name for shot in SHOTS)}"
        )
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ringlet-screenshots-") as home:
        site = Site(Path(home) / "home")
        try:
            site.start()
            reports = asyncio.run(take(site, names))
        finally:
            site.stop()
    print(*reports, f"{len(reports)} to look into. The pictures: {FOLDER}/sheet.html", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
