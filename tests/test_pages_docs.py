"""The docs: what they show can be run, everybody can read them, and they give nothing away."""

import gzip
import html
import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from ringlet import canon, tokens
from ringlet.web.pages import docs_api, docs_samples, docs_text
from tests.browser import NARROW, Visitors, clipboard, first_weight, sign_in
from tests.site import Site

PATHS = [
    "/docs",
    "/docs/api",
    "/docs/services",
    "/docs/countries",
    *(f"/docs/{page}" for page in docs_text.PAGES),
]
WEIGHT_MAX = 100_000
SAMPLE = re.compile(r'data-sample="(\w+)".*?<code>(.*?)</code>', re.DOTALL)


def read(site: Site, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """A page as it comes: status, text and headers."""
    request = urllib.request.Request(site.url + path, headers={"Accept": "text/html", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def operation_of(text: str, name: str) -> str:
    """The part of the reference about one operation."""
    begin = text.index(f'<section class="op" id="{name}"')
    return text[begin : text.index("</section>", begin)]


@pytest.mark.parametrize("path", PATHS)
def test_everybody_reads_the_docs(demo_site: Site, path: str) -> None:
    """Signed out, in every language, with one heading of the first rank and the policy of all pages."""
    for language in ("en", "es", "ru", "zh", "ar"):
        status, text, headers = read(demo_site, f"{path}?lang={language}")
        assert status == 200
        assert text.count("<h1") == 1
        assert f'lang="{language}"' in text[:200]
        assert "unsafe" not in headers["content-security-policy"]
        assert not re.search(
            r"%[A-Z]{3,}%|\sstyle=|\son\w+=", re.sub(r"<code>.*?</code>", "", text, flags=re.DOTALL)
        )


def test_the_reference_is_the_description(demo_site: Site) -> None:
    """Made from what /openapi.json answers, with every operation of it and the fields of every answer."""
    document = demo_site.call("GET", "/openapi.json", key=None)[1]
    assert document == docs_api.described()
    _, text, _ = read(demo_site, "/docs/api")
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert re.findall(r'<section class="op" id="(\w+)"', text) == list(docs_api.operations())
    assert sorted(ids) == sorted(docs_api.operations())
    anchors = set(re.findall(r' id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= anchors
    for each in docs_api.operations().values():
        assert set(docs_samples.samples(each.call, "", "")) >= set(docs_samples.LANGUAGES) - {"client"}
        assert each.id in docs_samples.CLIENT or not each.call.has_key


def test_what_is_shown_is_what_is_tested(demo_site: Site) -> None:
    """The samples on the page are those of `docs_samples` for this address; the other tests run them."""
    _, text, _ = read(demo_site, "/docs/api")
    for each in docs_api.operations().values():
        shown = {name: html.unescape(code) for name, code in SAMPLE.findall(operation_of(text, each.id))}
        assert shown == docs_samples.samples(each.call, demo_site.url, docs_samples.PLACEHOLDER)


def test_without_script_the_language_is_chosen_by_the_address(demo_site: Site) -> None:
    """One sample of each operation is seen, and a language that does not exist is none."""
    for asked, shown in (("php", "php"), ("nonsense", "curl")):
        _, text, _ = read(demo_site, f"/docs/api?code={asked}")
        buy = operation_of(text, "buy")
        assert re.findall(r'data-sample="(\w+)"(?! hidden)>', buy) == [shown]


@pytest.mark.parametrize("path", ["/docs/services", "/docs/services?all=yes", "/docs/countries", "/docs/api"])
async def test_the_pages_of_the_docs_are_light(visit: Visitors, demo_site: Site, path: str) -> None:
    """Under 100 KB over the wire with all that they load, however many codes there are."""
    weights = await first_weight(await visit(demo_site.url), path)
    assert sum(weights.values()) < WEIGHT_MAX, weights


def test_lists_have_every_code(demo_site: Site) -> None:
    """All canonical countries and services, with what is available; compressed for who takes it."""
    _, services, headers = read(demo_site, "/docs/services?all=yes")
    assert "content-encoding" not in headers
    assert set(re.findall(r'data-copy="([^"]*)"', services)) == set(canon.services())
    _, countries, _ = read(demo_site, "/docs/countries")
    assert {int(each) for each in re.findall(r'data-copy="([^"]*)"', countries)} == set(canon.countries())
    indonesia = next(row for row in countries.split("<tr>") if ">ID<" in row)
    assert ">+62<" in indonesia
    assert re.search(r'class="num">[1-9][\d,]*<', indonesia)
    packed = urllib.request.Request(demo_site.url + "/docs/countries", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(packed, timeout=30) as answer:
        assert "Indonesia" in gzip.decompress(answer.read()).decode()


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/docs/services?q=insta", "ig"), ("/docs/services?q=WA", "wa"), ("/docs/services?q=%D0%B2%D0%B0%D1%82%D1%81%D0%B0%D0%BF", "wa"),
        ("/docs/countries?q=indo", "6"), ("/docs/countries?q=%2B62", "6"), ("/docs/countries?q=id", "6"),
        ("/docs/countries?q=6", "6"), ("/docs/countries?q=alemania&lang=es", "43"),
    ],
)  # fmt: skip
def test_codes_are_found(demo_site: Site, path: str, first: str) -> None:
    """By code, name, alias in other languages, ISO code and dialling prefix; without any script."""
    _, text, _ = read(demo_site, path)
    assert re.findall(r'data-copy="([^"]*)"', text)[0] == first


def test_a_search_that_finds_nothing_says_so(demo_site: Site) -> None:
    """And what was typed comes back as text."""
    for path in ("/docs", "/docs/services", "/docs/countries"):
        status, text, _ = read(demo_site, path + "?q=%3Cscript%3Ealert(1)%3C/script%3E")
        assert status == 200
        assert "<script>alert" not in text
        assert 'class="empty"' in text


def test_the_docs_are_searched(demo_site: Site) -> None:
    """Operations, refusals, headings, services and countries."""
    for query, href in (
        ("give back", "/docs/api#cancel"), ("cancel_rejected", "/docs/errors#codes-of-refusal"),
        ("resuming", "/docs/events#resuming"), ("getNumberV2", "/docs/handler-api"),
    ):  # fmt: skip
        assert f'href="{href}"' in read(demo_site, "/docs?q=" + query.replace(" ", "+"))[1]
    assert 'data-copy="ig"' in read(demo_site, "/docs?q=instagram")[1]
    assert 'data-copy="6"' in read(demo_site, "/docs?q=indonesia")[1]


def test_a_page_that_does_not_exist_is_not_found(demo_site: Site) -> None:
    """Nor is any other file of the disk."""
    for path in ("/docs/nothing", "/docs/settings", "/docs/..%2fpyproject.toml", "/docs/api.md"):
        assert read(demo_site, path)[0] == 404


def test_links_of_the_documents_hold() -> None:
    """Every one leads to a page of the docs and a heading that is there, or to the open web."""
    pages = {page: docs_text.text(page, "Copy") for page in docs_text.PAGES}
    anchors = {f"/docs/{page}": set(re.findall(r'id="([^"]+)"', text.html)) for page, text in pages.items()}
    anchors["/docs/api"] = set()
    for text in pages.values():
        assert "For the operator" not in text.html
        for target in re.findall(r'href="([^"]*)"', text.html):
            path, _, anchor = target.partition("#")
            if not target.startswith("https://"):
                assert not anchor or anchor in anchors[path], target
                assert path in anchors


def test_documents_cannot_carry_html() -> None:
    """Not in texts and not in sentences; an address or a key that is put in is escaped too."""
    assert "<b>" not in docs_text.inline("<b>bold</b> `<i>`") + docs_text.block("<script>1</script>")
    filled = docs_text.filled(docs_text.text("events", "Copy").html, '"><script>', "<k>", "<Shop>")
    assert "<script>" not in filled
    assert "<k>" not in filled


def test_samples_name_our_address_and_no_other(demo_site: Site) -> None:
    """A Host that somebody made up is never repeated."""
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost:81"):
        text = read(demo_site, "/docs/api", Host=host)[1]
        assert html.escape(host) not in text
        assert f"{demo_site.url}/api/v1/resell/virtual/buy" in text


async def test_a_key_in_the_samples_and_a_request_that_is_tried(visit: Visitors, demo_site: Site) -> None:
    """Signed in, one click fills in a test key of one day; then buy and status answer on the page itself."""
    page = await visit(demo_site.url)
    await sign_in(page, demo_site)
    await page.goto("/docs/api")
    await page.get_by_role("button", name="Fill in a test key").click()
    token = await page.get_attribute("#operations", "data-key")
    assert token
    assert token.startswith("rl_test_")
    assert token not in (demo_site.demo["test_key"], demo_site.demo["api_key"])
    await expect(page.locator("#buy [data-sample=curl] code")).to_contain_text(token)
    await page.locator("#buy summary", has_text="Try it").click()
    await page.locator("#buy").get_by_role("button", name="Send").click()
    await expect(page.locator("#buy output")).to_contain_text('"state": "waiting"')
    bought = json.loads((await page.locator("#buy output").inner_text()).partition("\n")[2])["activation"]
    await page.locator("#getStatus summary", has_text="Try it").click()
    assert await page.input_value("#getStatus-activation_id") == bought["activation_id"]
    await page.locator("#getStatus").get_by_role("button", name="Send").click()
    await expect(page.locator("#getStatus output")).to_contain_text('"status": "completed"')
    cookie = next(each for each in await page.context.cookies() if each["name"] == "__Host-docs-key")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    status, key, _ = demo_site.call("GET", "/api/v1/balance", key=token)
    assert (status, key["success"]) == (200, True)
    # nobody else sees it: it shows for the person it belongs to, and only for him
    await page.goto("/sign-in")
    assert token in read(demo_site, "/docs/api", Cookie=await _cookies(page))[1]
    assert token not in read(demo_site, "/docs/api", Cookie=f"__Host-docs-key={token}")[1]


async def _cookies(page: Any) -> str:
    return "; ".join(f"{each['name']}={each['value']}" for each in await page.context.cookies())


async def test_only_a_test_key_of_the_visitor_is_shown(visit: Visitors, demo_site: Site) -> None:
    """A live key, one that we never made and one of nobody stay out of the page."""
    page = await visit(demo_site.url)
    await sign_in(page, demo_site)
    session = "; ".join(
        f"{each['name']}={each['value']}"
        for each in await page.context.cookies()
        if "session" in each["name"]
    )
    for token in (demo_site.demo["api_key"], tokens.make("rl_test_"), "rl_test_<script>"):
        text = read(demo_site, "/docs/api", Cookie=f"{session}; __Host-docs-key={token}")[1]
        assert token not in text
        assert "data-key" not in text


def test_a_key_needs_a_person_and_the_token_of_the_form(demo_site: Site) -> None:
    """Without the form's token: refused. With it, but signed out: first sign in."""
    request = urllib.request.Request(demo_site.url + "/docs/key", data=b"", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=30)
    _, text, headers = read(demo_site, "/docs")
    found = re.search(r'name="form-token" content="([^"]+)"', text)
    assert found
    guest = headers["set-cookie"].split(";")[0]
    request = urllib.request.Request(
        demo_site.url + "/docs/key",
        data=f"form_token={found[1]}".encode(),
        method="POST",
        headers={"Cookie": guest},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert "/sign-in" in answer.url


async def test_tabs_and_copying(visit: Visitors, demo_site: Site) -> None:
    """A tab changes every sample of the page, the address keeps it, and what is copied is what is seen."""
    page = await visit(demo_site.url, width=NARROW)
    await page.goto("/docs/api")
    await page.locator("#buy").get_by_role("link", name="PHP").click()
    await expect(page.locator("#getBalance [data-sample=php]")).to_be_visible()
    await expect(page.locator("#getBalance [data-sample=curl]")).to_be_hidden()
    assert page.url.endswith("?code=php#buy")
    shown = page.locator("#buy [data-sample=php]")
    await shown.get_by_role("button").click()
    await clipboard(page, str(await shown.locator("code").text_content()))
    await page.goto("/docs/services")
    await page.fill("#q", "telegram")
    await expect(page.locator("#codes tbody tr").first).to_contain_text("tg")
    await expect(page.locator("#codes-count")).not_to_contain_text(f"{len(canon.services()):,}")
    assert page.url.endswith("?q=telegram")
    await page.locator('[data-copy="tg"]').click()
    await clipboard(page, "tg")


def test_documents_come_with_the_package_or_the_checkout() -> None:
    """Each page's file is there, and nothing of the environment is needed to read it."""
    root = Path(docs_text.__file__).parents[4]
    for name in docs_text.PAGES.values():
        assert (root / "docs" / name).exists()
