"""Pages from templates: one environment per language, and the headers that every page carries."""

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from ringlet import ledger
from ringlet.languages import LANGUAGES
from ringlet.ledger import Balance
from ringlet.web.pages import assets, faults, masked, packed, words
from ringlet.web.pages.visit import Req, SeeOther, Visit, cookie, is_swap
from ringlet.web.pages.words import Words

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
HTML = "text/html"
FLASH = "__Host-flash"
FLASH_S = 60
TONES = ("good", "bad")
#: more than there are in the templates
TEXTS_MAX = 5_000


@cache
def environment(language: str) -> Environment:
    """The templates in one language."""
    spoken = words.words(language)
    env = Environment(
        loader=PackageLoader("ringlet"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False, extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    env.install_gettext_callables(spoken.gettext, spoken.ngettext, newstyle=True)  # type: ignore[attr-defined]
    env.globals["_"] = env.globals["gettext"] = _gettext(spoken)
    env.filters.update(words.filters(spoken))
    env.globals.update(
        words=spoken, languages=LANGUAGES, asset=assets.url, icon=icon, now=lambda: datetime.now(UTC),
        fault=lambda refused, field: faults.fault(refused, field, spoken),
    )  # fmt: skip
    return env


def _gettext(spoken: Words) -> Callable[..., Markup]:
    """Jinja's own, but a text without values is put together once: a fifth of what a page takes were these."""

    @lru_cache(TEXTS_MAX)
    def plain(text: str) -> Markup:
        return Markup(spoken.gettext(text)) % {}  # noqa: S704 - our own text, and what goes into it is escaped

    def gettext(text: str, /, **values: Any) -> Markup:
        return Markup(spoken.gettext(text)) % values if values else plain(text)  # noqa: S704 - as above

    return gettext


@cache
def icon(name: str, *, mirrors: bool = False) -> Markup:
    """An icon of the sprite. It says nothing by itself: a word stands beside it, or a label on what holds it."""
    classes = "icon mirrors" if mirrors else "icon"
    return Markup('<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>').format(
        classes, assets.url("icons.svg"), name
    )


async def page(
    request: Req, visit: Visit, template: str, status: int = 200, *, balance: Balance | None = None, **context: Any
) -> Response[Any]:  # fmt: skip
    """A whole page in its frame, which shows the visitor's balance; one query reads it when the handler has not."""
    visitor = visit.visitor
    if balance is None and visitor is not None and not visitor.awaits_second_factor:
        async with visit.desk.db.connection() as tx:
            balance = await ledger.balance(tx, visitor.wallet_id)
    flash = _flash(request, visit)
    # "refused" is None unless the handler passes one: forms show a refused answer in the place of their help.
    found = {"refused": None, **_shown(visit, context)}
    text = environment(visit.words.language).get_template(template).render(
        visit=visit, visitor=visitor, balance=balance, shop=visit.desk.settings.name, path=request.scope["path"],
        form_token=visit.form_token, flash=flash, **found,
    )  # fmt: skip
    return answer(visit, text, status)


#: a form that sends something, but for the one that ends a look
_POSTS = re.compile(r'<form(?=[^>]*\smethod="post")(?![^>]*\saction="/admin/look/leave")')


def _still(text: str) -> str:
    """The page for a look through a customer's eyes: it changes nothing, so nothing that sends a form can be pressed."""
    return _POSTS.sub("<form inert", text)


def _shown(visit: Visit, context: dict[str, Any]) -> dict[str, Any]:
    """Messages are not for staff who look through their customer's eyes."""
    return context if visit.look is None else masked.hide(context)


def part(visit: Visit, template: str, status: int = 200, **context: Any) -> Response[Any]:
    """A piece of a page that htmx puts in its place."""
    found = {"refused": None, "visitor": visit.visitor, **_shown(visit, context)}
    text = (
        environment(visit.words.language)
        .get_template(template)
        .render(visit=visit, form_token=visit.form_token, shop=visit.desk.settings.name, **found)
    )
    made = answer(visit, text, status)
    made.headers["X-Fragment"] = "1"
    return made


def answer(visit: Visit, text: str, status: int = 200) -> Response[Any]:
    """HTML with the headers of every page."""
    body, headers = packed.packed(_still(text) if visit.look else text, visit.encoding)
    headers = {**HEADERS, **headers}
    return Response(body, status_code=status, media_type=HTML, headers=headers, cookies=visit.cookies)


def go(request: Req, visit: Visit, path: str, said: str | None = None, tone: str = "good") -> Response[str]:
    """On to another page after a form, with a sentence about what was done."""
    if said is not None:
        packed = base64.urlsafe_b64encode(json.dumps([tone, said]).encode()).decode()
        visit.cookies.append(cookie(FLASH, packed, FLASH_S))
    return redirect(request, path, visit.cookies)


def redirect(request: Req, path: str, cookies: list[Cookie] | None = None) -> Response[str]:
    """303, which a browser follows by GET; htmx is told in its own way, or it would swap the page into a part."""
    if is_swap(request):
        headers = {**HEADERS, "HX-Redirect": path}
        return Response("", status_code=200, media_type=HTML, headers=headers, cookies=cookies or [])
    headers = {**HEADERS, "Location": path}
    return Response("", status_code=303, media_type=HTML, headers=headers, cookies=cookies or [])


def render_see_other(request: Req, error: SeeOther) -> Response[str]:
    """For the exception handlers: go on there, and back here afterwards when somebody has to sign in."""
    path = error.path
    if path == "/sign-in" and request.method == "GET" and request.scope["path"] != "/":
        path += "?next=" + request.scope["path"]
    return redirect(request, path)


def _flash(request: Req, visit: Visit) -> tuple[str, str] | None:
    """The sentence that the page before has left; shown once."""
    packed = request.cookies.get(FLASH, "")
    if not packed:
        return visit.flash
    visit.cookies.append(cookie(FLASH, "", 0))
    try:
        tone, said = json.loads(base64.urlsafe_b64decode(packed.encode("ascii")))
    except (ValueError, TypeError):
        return visit.flash
    if tone not in TONES or not isinstance(said, str):
        return visit.flash
    return said[:500], tone
