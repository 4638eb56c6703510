"""Who looks at a page: the session cookie, the language, and the token without which no form is taken.

A form's token is an HMAC of the visit's cookie: a stranger's page cannot know it, and after signing in (a new
cookie) an older one is worth nothing. Unsafe requests that say they come from another site are refused before that.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from litestar import Request
from litestar.datastructures import Cookie

from ringlet.desk import Desk
from ringlet.errors import Forbidden, RingletError, ValidationFailed
from ringlet.people import sessions
from ringlet.people.visitor import Visitor
from ringlet.web.api import Office
from ringlet.web.pages import words
from ringlet.web.pages.words import Words

Req = Request[Any, Any, Any]
SESSION = "__Host-session"
#: before somebody signs in: nothing but the ground of the form's token
GUEST = "__Host-guest"
LANGUAGE = "language"
MONTH_S = 30 * 24 * 3600
FORM_FIELD = "form_token"
FORM_FIELDS_MAX = 200
SAME_SITE = {"same-origin", "none", ""}


class SeeOther(RingletError):  # noqa: N818 - an answer, not an error
    """Go on there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(slots=True)
class Visit:
    """One request of a person, signed in or not. `cookies` go with whatever is answered."""

    desk: Desk
    visitor: Visitor | None
    ground: str
    words: Words
    cookies: list[Cookie] = field(default_factory=list)
    #: a sentence that the next page shows, and its tone (good, bad)
    flash: tuple[str, str] | None = None

    @property
    def form_token(self) -> str:
        """What every form of this visit carries."""
        made = hmac.digest(self.desk.settings.secret, b"form\0" + self.ground.encode(), "sha256")
        return base64.urlsafe_b64encode(made).decode().rstrip("=")

    def signed_in(self) -> Visitor:
        """The person; who is not signed in, or not with all factors, is sent there first (SeeOther)."""
        if self.visitor is None:
            raise SeeOther("/sign-in")
        if self.visitor.awaits_second_factor:
            raise SeeOther("/second-factor")
        return self.visitor

    def begin_session(self, token: str) -> None:
        """Signed in: the browser keeps the new session and forgets the guest."""
        self.cookies += [cookie(SESSION, token, MONTH_S), cookie(GUEST, "", 0)]
        self.ground = token

    def end_session(self) -> None:
        """Signed out: the browser forgets."""
        self.cookies.append(cookie(SESSION, "", 0))


def cookie(name: str, value: str, max_age_s: int) -> Cookie:
    """One that scripts cannot read and other sites cannot send; browsers take it on https and on loopback only."""
    return Cookie(
        key=name, value=value, max_age=max_age_s, path="/", secure=True, httponly=True, samesite="lax"
    )


async def begin(request: Req) -> Visit:
    """Who asks. Refuses: ServiceUnavailable."""
    office: Office = request.app.state.office
    token = request.cookies.get(SESSION, "")
    visitor = await sessions.find(office.desk, token) if token else None
    language = _language(request, visitor)
    if visitor is not None:
        return Visit(office.desk, visitor, token, words.words(language))
    ground = request.cookies.get(GUEST, "")
    visit = Visit(office.desk, None, ground, words.words(language))
    if not ground:
        visit.ground = secrets.token_urlsafe(24)
        visit.cookies.append(cookie(GUEST, visit.ground, MONTH_S))
    if token:
        visit.end_session()
    return visit


def _language(request: Req, visitor: Visitor | None) -> str:
    asked = request.query_params.get("lang") or (visitor.language if visitor else "")
    asked = asked or request.cookies.get(LANGUAGE, "")
    return asked if asked in words.LANGUAGES else words.choose(request.headers.get("accept-language", ""))


class Form(dict[str, str]):
    """A form's fields; `many` has all values of a field that may come more than once."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def many(self, name: str) -> list[str]:
        """Every value of this field."""
        return [value for key, value in self._pairs if key == name]

    def text(self, name: str, default: str = "") -> str:
        """The field without the blanks around it."""
        return self.get(name, default).strip()


async def form(request: Req, visit: Visit) -> Form:
    """What was sent, when it was sent from a page of ours. Refuses: Forbidden, ValidationFailed."""
    if request.headers.get("sec-fetch-site", "") not in SAME_SITE:
        raise Forbidden("This form was sent from another site")
    try:
        text = (await request.body()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=False, max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise ValidationFailed("This form cannot be read") from error
    if any("\0" in key or "\0" in value for key, value in pairs):
        raise ValidationFailed("This form cannot be read")
    sent = Form(pairs)
    token = request.headers.get("x-form-token") or sent.get(FORM_FIELD, "")
    if not hmac.compare_digest(token.encode(), visit.form_token.encode()):
        raise Forbidden("This page has become old: load it again, then send the form once more")
    return sent


def local(path: str | None, default: str = "/") -> str:
    """A path of this site to go on to; anything that could lead elsewhere becomes the default."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or any(c < " " for c in path):
        return default
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or "\\" in path:
        return default
    return quote(path, safe="/?&=%:@,;+~.-_!*'()[]$")


def is_swap(request: Req) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"
