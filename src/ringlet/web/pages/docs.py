"""Docs for everybody: codes, the API by its own description, the other doors."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from ringlet import customers, tokens
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.finding import Names
from ringlet.people import keys
from ringlet.web.api import office
from ringlet.web.pages import (
    counter,
    docs_api,
    docs_codes,
    docs_find,
    docs_samples,
    docs_text,
    faults,
    render,
    visit,
)
from ringlet.web.pages.account import proven
from ringlet.web.pages.docs_text import KEY, ORIGIN, Heading
from ringlet.web.pages.visit import Req, Visit
from ringlet.web.pages.words import Words
from ringlet.web.prices import CodeLists

KEY_COOKIE = "__Host-docs-key"
KEY_S = 24 * 3600
QUERY_MAX = 100
LISTS_KEPT = 16
SHOWN_MAX = 250
EDITION_S = 15.0


@get("/docs", include_in_schema=False)
async def get_docs(request: Req) -> Response[Any]:
    """Where to begin; with `q` what the docs have about it."""
    seen = await visit.begin(request)
    query = _query(request)
    await asyncio.to_thread(docs_api.described)
    found = docs_find.find(office(request).codes, seen.words, await _names(seen), query) if query else None
    calls = {name: docs_api.operations()[name].call for name in ("buy", "getStatus")}
    return await _page(request, seen, "docs/start.html", query=query, found=found, calls=calls)


@get("/docs/countries", include_in_schema=False)
async def get_countries(request: Req) -> Response[Any]:
    """The canonical country codes."""
    return await _codes(request, "countries")


@get("/docs/services", include_in_schema=False)
async def get_services(request: Req) -> Response[Any]:
    """The canonical service codes."""
    return await _codes(request, "services")


async def _codes(request: Req, kind: str) -> Response[Any]:
    """A list, or what is asked for of it; a long one shows its beginning until all of it is wanted."""
    seen = await visit.begin(request)
    query, codes = _query(request), office(request).codes
    is_whole = request.query_params.get("all") == "yes"
    edition = _EDITIONS.take(seen.desk.prices.version)
    rows = _rows(codes, kind, seen.words, edition)
    if query:
        rows = _FIND[kind](rows, await _names(seen), query)
        made = _rendered(seen.words, f"docs/{kind}.html", rows=rows if is_whole else rows[:SHOWN_MAX])
    else:
        made = _list(codes, kind, seen.words, edition, is_whole)
    shown: dict[str, Any] = {
        "kind": kind, "made": made, "count": len(rows), "query": query,
        "has_more": len(rows) > SHOWN_MAX and not is_whole,
    }  # fmt: skip
    if visit.is_swap(request):
        return render.part(seen, "docs/found.html", **shown)
    return await _page(request, seen, "docs/codes.html", **shown)


async def _names(seen: Visit) -> Names:
    """What words mean in the reader's language; not at once when it is asked for the first time."""
    return await asyncio.to_thread(counter.names, seen.words.language)


_FIND: Mapping[str, Callable[[Any, Names, str], Any]] = {
    "countries": docs_codes.find_countries, "services": docs_codes.find_services,
}  # fmt: skip


class _Editions:
    """The version of the prices that the lists show: a new one at most every fifteen seconds, since to count all that
    is available takes a while and everybody may ask.
    """

    def __init__(self) -> None:
        self._version = -1
        self._since_s = float("-inf")

    def take(self, version: int) -> int:
        """The version to show now."""
        if version != self._version and monotonic() - self._since_s >= EDITION_S:
            self._version, self._since_s = version, monotonic()
        return self._version


_EDITIONS = _Editions()


@lru_cache(maxsize=LISTS_KEPT)
def _rows(codes: CodeLists, kind: str, spoken: Words, edition: int) -> Any:  # noqa: ARG001 - names what is kept
    """The rows of a list, kept until a price or a stock changes."""
    return docs_codes.countries(codes, spoken) if kind == "countries" else docs_codes.services(codes)


@lru_cache(maxsize=LISTS_KEPT)
def _list(codes: CodeLists, kind: str, spoken: Words, edition: int, is_whole: bool) -> Markup:
    rows = _rows(codes, kind, spoken, edition)
    return _rendered(spoken, f"docs/{kind}.html", rows=rows if is_whole else rows[:SHOWN_MAX])


@get("/docs/api", include_in_schema=False)
async def get_api(request: Req) -> Response[Any]:
    """The reference. `code` chooses the language of the samples."""
    seen = await visit.begin(request)
    chosen = request.query_params.get("code", "")
    chosen = chosen if chosen in docs_samples.LANGUAGES else next(iter(docs_samples.LANGUAGES))
    await asyncio.to_thread(docs_api.described)
    headings = [Heading(each.id, each.summary) for each in docs_api.operations().values()]
    return await _page(
        request, seen, "docs/api.html", headings=[*headings, *_shape_headings(seen.words)],
        body=_reference(seen.words, chosen),
    )  # fmt: skip


def _shape_headings(spoken: Words) -> list[Heading]:
    return [Heading("shapes", spoken.gettext("Types of the answers"))]


@lru_cache(maxsize=len(docs_samples.LANGUAGES) * 2)
def _reference(spoken: Words, chosen: str) -> Markup:
    """All operations; the visitor's key and our address are put in when it is shown."""
    return _rendered(
        spoken, "docs/reference.html", groups=docs_api.groups(), shapes=docs_api.shapes(), chosen=chosen,
        languages_of_code=docs_samples.LANGUAGES, inline=docs_text.inline,
        samples=lambda call: docs_samples.samples(call, ORIGIN, KEY),
        intro=docs_text.block(docs_api.described()["info"]["description"]),
    )  # fmt: skip


@get("/docs/{page:str}", include_in_schema=False)
async def get_text(request: Req, page: FromPath[str]) -> Response[Any]:
    """One of the documents. Refuses: NotFound."""
    seen = await visit.begin(request)
    if page not in docs_text.PAGES:
        raise NotFound
    text = docs_text.text(page, seen.words.gettext("Copy"))
    return await _page(
        request, seen, "docs/text.html", title=text.title, headings=text.headings, body=text.html
    )


@post("/docs/key", include_in_schema=False, status_code=200)
async def post_key(request: Req) -> Response[str]:
    """A key of test mode for the samples: good for a day, kept by this browser alone. Refuses: Forbidden."""
    seen = await visit.begin(request)
    onward = visit.local((await visit.form(request, seen)).get("next"), "/docs")
    person, _ = proven(seen, onward), seen.words.gettext
    if await _own_key(request, seen):
        return render.go(request, seen, onward)
    new = keys.NewKey(name="Docs", mode="test", expires_at=datetime.now(UTC) + timedelta(seconds=KEY_S))
    try:
        token = await keys.create_key(seen.desk, person, new, translate=_)
    except (Forbidden, ValidationFailed) as refused:
        return render.go(request, seen, onward, faults.say(refused, seen.words)[1], "bad")
    seen.cookies.append(visit.cookie(KEY_COOKIE, token, KEY_S))
    return render.go(request, seen, onward, _("A test key is in the samples now. It ends in 24 hours."))


async def _page(request: Req, seen: Visit, template: str, **context: Any) -> Response[Any]:
    """A page in the frame of the docs, with the visitor's key in its samples."""
    key = await _own_key(request, seen)
    origin = seen.desk.settings.public_url  # never what a request says in Host
    shown_key = key or docs_samples.PLACEHOLDER

    def filled(html: Markup) -> Markup:
        return docs_text.filled(html, origin, shown_key, seen.desk.settings.name)

    return await render.page(
        request, seen, template, pages=_pages(seen.words), own_key=key, origin=origin, filled=filled,
        sample=lambda call: docs_samples.curl(call, origin, shown_key), **{"headings": (), **context},
    )  # fmt: skip


def _pages(spoken: Words) -> Mapping[str, str]:
    """Address → how it is called, in the order of the list beside every page."""
    _ = spoken.gettext
    return {
        "/docs": _("Start"), "/docs/services": _("Service codes"), "/docs/countries": _("Country codes"),
        "/docs/api": _("REST API"), "/docs/errors": _("Errors and states"), "/docs/test-mode": _("Test mode"),
        "/docs/events": _("Events"), "/docs/webhooks": _("Webhooks"), "/docs/client": _("Python client"),
        "/docs/handler-api": _("Handler API"), "/docs/5sim": _("5sim API"),
    }  # fmt: skip


async def _own_key(request: Req, seen: Visit) -> str:
    """The test key that this browser keeps, as long as it is good and of the person who is signed in."""
    token = request.cookies.get(KEY_COOKIE, "")
    visitor = seen.visitor
    is_ours = token.startswith(customers.PREFIXES["test"]) and tokens.is_well_formed(token)
    if visitor is None or visitor.awaits_second_factor or not is_ours:
        return ""
    async with seen.desk.db.connection() as tx:
        key = await customers.key_by_token(tx, seen.desk.settings.secret, token)
    if key is None or key.wallet_id != visitor.test_wallet_id or key.revoked_at is not None:
        return ""
    return token if key.expires_at is None or key.expires_at > datetime.now(UTC) else ""


def _query(request: Req) -> str:
    return " ".join(request.query_params.get("q", "").split())[:QUERY_MAX]


def _rendered(spoken: Words, template: str, **context: Any) -> Markup:
    """A part that is the same for everybody who reads this language."""
    text = render.environment(spoken.language).get_template(template).render(**context)
    return Markup(text)  # noqa: S704 - a template of ours, autoescaped


HANDLERS: list[ControllerRouterHandler] = [
    get_docs, get_countries, get_services, get_api, get_text, post_key,
]  # fmt: skip
