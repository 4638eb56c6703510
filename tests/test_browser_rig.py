"""The rig of the pages proves itself on a small page: it fails when it should, and only then."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.async_api import Browser

from tests.browser import NARROW, WIDE, Visitors, axe, clipboard, first_weight, no_sideways_scroll

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
HEAD = (
    '<!doctype html><html lang="en"><title>Small</title><meta name="viewport" content="width=device-width">'
)
GOOD = HEAD + '<link rel="stylesheet" href="/style.css"><main><h1>Small</h1><p>All is well</p></main>'
STYLE = "body { color: black; background: white } @media (prefers-color-scheme: dark) { body { color: white; background: black } }"
PAGES = {
    "/": ("text/html", GOOD),
    "/style.css": ("text/css", STYLE + " " * 5000),
    "/console": ("text/html", GOOD + '<script src="/console.js"></script>'),
    "/console.js": ("text/javascript", "console.error('I have a bad feeling')"),
    "/throws": ("text/html", GOOD + '<script src="/throws.js"></script>'),
    "/throws.js": ("text/javascript", "setTimeout(() => { throw new Error('out of nowhere') })"),
    "/inline": ("text/html", GOOD + "<script>document.title = 'Taken over'</script>"),
    "/styled": ("text/html", GOOD + '<p style="color: red">Red</p>'),
    "/lost": ("text/html", GOOD + '<img alt="" src="/nowhere.png">'),
    "/dead": ("text/html", GOOD + '<script src="/dead.js"></script>'),
    "/nameless": ("text/html", GOOD + '<img src="/style.css"><input>'),
    "/wide": ("text/html", GOOD + '<pre id="wide">' + "x" * 500 + "</pre>"),
    "/fixed": ("text/html", GOOD.replace('<meta name="viewport" content="width=device-width">', "")),
    "/scripted": ("text/html", GOOD + '<script src="/scripted.js"></script>'),
    "/scripted.js": ("text/javascript", "document.querySelector('p').textContent = 'Scripted'"),
    "/leaves": ("text/html", GOOD + '<script src="/leaves.js"></script><a href="/">On</a>'),
    "/leaves.js": ("text/javascript", "fetch('/slow').catch(() => 0)"),
}


class Small(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.is_over.wait(20)  # type: ignore[attr-defined]
        if self.path == "/dead.js":
            self.close_connection = True
            return
        kind, text = PAGES.get(self.path, ("text/plain", "There is no such page"))
        body = gzip.compress(text.encode())
        self.send_response(200 if self.path in PAGES else 404)
        for name, value in (
            ("Content-Type", kind), ("Content-Encoding", "gzip"), ("Content-Length", str(len(body))),
            ("Content-Security-Policy", POLICY), ("X-Asked-Language", self.headers["Accept-Language"]),
            ("Set-Cookie", "__Host-small=1; Secure; HttpOnly; Path=/; SameSite=Lax"),
            ("X-Cookies", self.headers.get("Cookie", "")),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The tests say enough."""


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    """The address of the small page's server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Small)
    server.daemon_threads = True
    server.is_over = threading.Event()  # type: ignore[attr-defined]
    running = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
    running.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.is_over.set()  # type: ignore[attr-defined]
    server.shutdown()
    running.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/console", "console: I have a bad feeling"),
        ("/throws", "script: .*out of nowhere"),
        ("/inline", "policy: script-src-elem refused inline"),
        ("/styled", "policy: style-src-attr refused inline"),
        ("/lost", "console: .*404"),
        ("/dead", "request: GET .*/dead.js: net::ERR_EMPTY_RESPONSE"),
    ],
)
async def test_a_page_that_does_wrong_fails_its_test(
    browser: Browser, small: str, path: str, told: str
) -> None:
    """Errors of scripts, breaches of the policy and lost requests are told, though the test never looked."""
    visitors = Visitors(browser)
    page = await visitors(small)
    await page.goto(path)
    await page.wait_for_timeout(100)
    with pytest.raises(AssertionError, match=told):
        await visitors.end()


async def test_what_a_test_brings_about_itself_it_may_allow(browser: Browser, small: str) -> None:
    """Only what it names: the second fault fails it all the same."""
    visitors = Visitors(browser)
    visitors.allow("bad feeling")
    page = await visitors(small)
    await page.goto("/console")
    await page.goto("/inline")
    with pytest.raises(AssertionError, match="policy") as refused:
        await visitors.end()
    assert "bad feeling" not in str(refused.value)


async def test_a_violation_is_told_without_scripts(browser: Browser, small: str) -> None:
    """Where no listener runs, the browser's console tells it."""
    visitors = Visitors(browser)
    page = await visitors(small, javascript=False)
    await page.goto("/styled")
    with pytest.raises(AssertionError, match=r"console: .*style-src"):
        await visitors.end()


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_good_page_passes(visit: Visitors, small: str, javascript: bool) -> None:
    """No fault where there is none: not by the rig's own scripts, nor by leaving while a request is on its way."""
    page = await visit(small, javascript=javascript)
    for path in ("/", "/scripted", "/leaves", "/"):
        await page.goto(path)
    if javascript:
        assert await axe(page) == []
        await no_sideways_scroll(page)


async def test_axe_finds_what_cannot_be_heard(visit: Visitors, small: str) -> None:
    """The rule and the element are told; the rig itself does not offend the page's policy."""
    page = await visit(small)
    await page.goto("/nameless")
    found = "\n".join(await axe(page))
    assert "image-alt (critical)" in found
    assert "label (critical)" in found
    assert "<input>" in found


@pytest.mark.parametrize("width", [NARROW, WIDE])
async def test_sideways_scroll_is_found(visit: Visitors, small: str, width: int) -> None:
    """With the name of what sticks out."""
    page = await visit(small, width=width)
    await page.goto("/wide")
    with pytest.raises(AssertionError, match='<pre id="wide"'):
        await no_sideways_scroll(page)


async def test_a_narrow_visitor_is_a_phone(visit: Visitors, small: str) -> None:
    """A page that forgets its viewport is laid out for a desk and found too wide."""
    page = await visit(small, width=NARROW)
    await page.goto("/fixed")
    with pytest.raises(AssertionError, match="980 px wide in a window of 360"):
        await no_sideways_scroll(page)


async def test_a_visitor_is_who_the_test_says(visit: Visitors, small: str) -> None:
    """Language, colours and scripts reach the page; a cookie for https alone comes back on loopback."""
    page = await visit(small, scheme="dark", language="ar")
    await page.goto("/")
    answer = await page.goto("/scripted")
    assert answer is not None
    assert answer.headers["x-asked-language"].startswith("ar")
    assert answer.headers["x-cookies"] == "__Host-small=1"
    assert await page.inner_text("p") == "Scripted"
    assert await page.evaluate("getComputedStyle(document.body).color") == "rgb(255, 255, 255)"
    page = await visit(small, scheme="light", javascript=False)
    await page.goto("/scripted")
    assert await page.inner_text("p") == "All is well"


async def test_the_first_weight_is_what_came_over_the_wire(visit: Visitors, small: str) -> None:
    """Compressed, all files of the first load, and not out of a cache."""
    page = await visit(small)
    await page.goto("/")
    weights = await first_weight(page, "/")
    assert set(weights) == {f"{small}/", f"{small}/style.css"}
    assert len(gzip.compress((STYLE + " " * 5000).encode())) <= weights[f"{small}/style.css"] < 1500


async def test_copied_text_can_be_read(visit: Visitors, small: str) -> None:
    """The clipboard is open to the tests, and a wrong text in it is told."""
    page = await visit(small)
    await page.goto("/")
    await page.evaluate("navigator.clipboard.writeText('482913')")
    await clipboard(page, "482913")
    with pytest.raises(AssertionError, match="'482913', not '1'"):
        await clipboard(page, "1")
