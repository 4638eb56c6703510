"""A real Chromium for the pages. Whoever visits writes down what goes wrong, and the test fails for it at its end.

The asynchronous Playwright lives in the session's event loop, as everything else here; one browser per process of the
tests, one context per visitor. Fixtures: `browser`, `visit`, `demo_site`.
"""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from tests.contract import running_site
from tests.databases import DemoHome
from tests.site import Site

NARROW, WIDE = 360, 1280
HEIGHTS = {NARROW: 740, WIDE: 800}
PATIENCE_MS = 15_000
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: A violation tells itself to the rig by `rigViolation`; those of before the page's first script too.
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => rigViolation(
    `${event.violatedDirective} refused ${event.blockedURI} ${event.sourceFile ?? ""}:${event.lineNumber} ${event.sample}`
));
"""
#: What the browser says when a page is left while something of it was still on its way.
LEFT = {"net::ERR_ABORTED"}
CULPRITS = """
(width) => [...document.querySelectorAll("body *")]
    .filter((one) => {
        const box = one.getBoundingClientRect();
        const spills = one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "visible";
        return box.width && (box.right > width + 1 || box.left < -1 || (spills && one.clientWidth));
    })
    .slice(0, 8).map((one) => `<${one.tagName.toLowerCase()} id="${one.id}" class="${one.getAttribute("class") ?? ""}">`)
"""
_sms_ids = itertools.count(time.time_ns() // 1_000_000)
_failed = pytest.StashKey[bool]()


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's own browser, which `make setup` installs; CHROMIUM names another one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path == "none":
        pytest.skip("CHROMIUM=none")
    assert path, "No Chromium on this machine: `make setup` installs it, CHROMIUM=/path names one"
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield opened
        finally:
            await opened.close()


class Visitors:
    """Opens pages, each in a context of its own, and remembers in `faults` what a good page never does."""

    def __init__(self, browser: Browser) -> None:
        self.faults: list[str] = []
        self.pages: list[Page] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._allowed: list[re.Pattern[str]] = []
        self._is_over = False

    async def __call__(
        self,
        site_url: str,
        *,
        width: int = WIDE,
        scheme: str = "light",
        javascript: bool = True,
        language: str = "en",
        calm: bool = False,
        state: Any = None,
    ) -> Page:
        """A new visitor's empty page; paths count from `site_url`. `calm`: no motion. `state`: signed in as there."""
        is_narrow = width <= 600
        context = await self._browser.new_context(
            base_url=site_url, viewport={"width": width, "height": HEIGHTS.get(width, 800)}, locale=language,
            java_script_enabled=javascript, is_mobile=is_narrow, has_touch=is_narrow, storage_state=state,
            color_scheme=scheme, reduced_motion="reduce" if calm else "no-preference",
        )  # fmt: skip
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site_url)
        await context.expose_binding("rigViolation", lambda _, said: self._fault("policy", said))
        await context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._fault("script", str(error.error)))
        context.on("requestfailed", self._on_failed)
        context.on("page", lambda page: page.on("crash", lambda: self._fault("crash", page.url)))
        page = await context.new_page()
        self.pages.append(page)
        return page

    def allow(self, *patterns: str) -> None:
        """Faults that this test brings about itself, as regular expressions."""
        self._allowed += map(re.compile, patterns)

    async def end(self) -> None:
        """Close everything. Fails with all that went wrong."""
        for page in self.pages:
            with contextlib.suppress(Exception):  # whoever crashed or was closed has told
                await page.evaluate("0")  # what happened before has been told when this is answered
        self._is_over = True
        for context in self._contexts:
            await context.close()
        found = self.blamed()
        assert not found, "The pages did what they must not:\n" + "\n".join(found)

    def blamed(self) -> list[str]:
        """What has gone wrong since this was asked last, but for what is allowed."""
        found = [fault for fault in self.faults if not any(rule.search(fault) for rule in self._allowed)]
        self.faults.clear()
        return found

    def _fault(self, kind: str, said: str) -> None:
        if not self._is_over:
            self.faults.append(f"{kind}: {said}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "assert"}:
            self._fault("console", f"{message.text} ({message.location.get('url')})")

    def _on_failed(self, request: Request) -> None:
        if request.failure not in LEFT:
            self._fault("request", f"{request.method} {request.url}: {request.failure}")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of this process."""
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def visit(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Visitors]:
    """`page = await visit(site.url, width=360, …)`. A test that failed leaves pictures of its pages."""
    visitors = Visitors(browser)
    yield visitors
    if request.node.stash.get(_failed, False):
        for index, page in enumerate(visitors.pages):
            with contextlib.suppress(Exception):
                path = tmp_path / f"page-{index}.png"
                await page.screenshot(path=path, full_page=True)
                request.node.add_report_section("teardown", "page", f"{page.url}: {path}")
    await visitors.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells `visit` whether the test itself has failed."""
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest.fixture(scope="session")
def demo_site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One demo for many files in this process; each of their tests is a customer of its own, or only looks."""
    with running_site(tmp_path_factory.mktemp("pages"), cluster, demo_home) as running:
        yield running


async def sign_in(page: Page, site: Site, email: str | None = None, password: str | None = None) -> None:
    """By the form, as a person does; without an address as the demo's customer."""
    answer = await page.goto(f"{site.url}/sign-in")
    assert answer is not None
    assert answer.ok, f"/sign-in answered {answer.status}"
    await page.fill("input[name=email]", email or site.demo["client_email"])
    await page.fill("input[name=password]", password or site.demo["client_password"])
    await page.press("input[name=password]", "Enter")
    await page.wait_for_url(lambda url: "/sign-in" not in url)


async def push_sms(site: Site, phone: str, text: str) -> None:
    """The number's owner pushes a message; returns when it is stored."""
    answer = await asyncio.to_thread(site.push, re.sub(r"\D", "", phone), text, next(_sms_ids))
    assert answer["status"] == "SUCCESS", answer


async def clipboard(page: Page, expected: str) -> None:
    """What another program would paste becomes this text soon. (`wait_for_function` breaks the page's policy.)"""
    text = ""
    for _ in range(40):
        text = await page.evaluate("navigator.clipboard.readText()")
        if text == expected:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"the clipboard has {text!r}, not {expected!r}")


async def axe(page: Page, *rules: str) -> list[str]:
    """What axe-core calls serious or critical on this page: the rule, what it asks, and where. `rules`: these alone."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    asked = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = await page.evaluate("(asked) => axe.run(asked)", asked)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}\n    {' '.join(map(str, node['target']))}"
        f"\n    {node['html'][:200]}\n    {_reason(node)}"
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


def _reason(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])


async def no_sideways_scroll(page: Page) -> None:
    """Nothing is wider than the window, not even a little. Fails with the elements that stick out."""
    await page.wait_for_load_state()  # after a click the next page may be there without its body
    width = (page.viewport_size or {"width": 0})["width"]
    wide = await page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
    if wide > width:
        culprits = await page.evaluate(CULPRITS, width)
        raise AssertionError(f"{page.url} is {wide} px wide in a window of {width}: {culprits}")


async def first_weight(page: Page, path: str) -> dict[str, int]:
    """Go there with an empty cache; address → bytes that came over the wire, compressed, head and all."""
    wire = await page.context.new_cdp_session(page)
    addresses: dict[str, str] = {}
    weights: dict[str, int] = {}

    def on_response(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["response"]["url"]

    def on_finished(event: dict[str, Any]) -> None:
        address = addresses.get(event["requestId"], event["requestId"])
        weights[address] = weights.get(address, 0) + int(event["encodedDataLength"])

    wire.on("Network.responseReceived", on_response)
    wire.on("Network.loadingFinished", on_finished)
    await wire.send("Network.enable")
    await wire.send("Network.clearBrowserCache")
    await wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await page.goto(path, wait_until="load")
    seen = -1
    while seen != len(weights):  # what scripts ask for after the load; a stream of events never finishes
        seen = len(weights)
        await asyncio.sleep(0.3)
    await wire.detach()
    return weights
