"""Who looks at a page: the session cookie, the language, and the token without which no form is taken.

Staff may look through a customer's eyes (`backoffice/impersonate.py`). Then `begin` answers with that customer, here and
for every page at once: it refuses all but the pages of `eyes.PAGES`, and every request that could change something.

A form's token is an HMAC of the visit's cookie under a mask that is new in every answer: a stranger's page cannot know
it, and after signing in (a new cookie) an older one is worth nothing. Unsafe requests that say they come from another site are refused before that.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from litestar import Request
from litestar.datastructures import Cookie, UploadFile
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from ringlet.backoffice import impersonate
from ringlet.backoffice.impersonate import Look
from ringlet.brands import Brand
from ringlet.desk import Desk
from ringlet.errors import Forbidden, RingletError, ValidationFailed
from ringlet.languages import LANGUAGES
from ringlet.people import sessions
from ringlet.people.visitor import Visitor
from ringlet.web.api import Office
from ringlet.web.pages import eyes, packed, words
from ringlet.web.pages.words import Words

Req = Request[Any, Any, Any]
SESSION = "__Host-session"
#: before somebody signs in: nothing but the ground of the form's token
GUEST = "__Host-guest"
#: beside the session of a member of the staff who looks through a customer's eyes
LOOK = "__Host-look"
LANGUAGE = "language"
MONTH_S = 30 * 24 * 3600
FORM_FIELD = "form_token"
TOKEN_BYTES = 16
FORM_FIELDS_MAX = 200
SAME_SITE = {"same-origin", "none", ""}
SAFE = frozenset({"GET", "HEAD"})


class SeeOther(RingletError):  # noqa: N818 - an answer, not an error
    """Go on there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(slots=True)
class Visit:
    """One request of a person, signed in or not. `cookies` go with whatever is answered."""

    #: in the words of the brand
    desk: Desk
    brand: Brand
    visitor: Visitor | None
    ground: str
    words: Words
    cookies: list[Cookie] = field(default_factory=list)
    #: a sentence that the next page shows, and its tone (good, bad)
    flash: tuple[str, str] | None = None
    #: whose eyes a member of the staff looks through; the visitor is that customer
    look: Look | None = None
    #: the ground of the forms that leave the look: the session of who looks
    staff_ground: str = ""
    #: how its pages may be compressed (`packed.py`)
    encoding: str = ""

    @property
    def form_token(self) -> str:
        """What every form of this visit carries, masked."""
        return self._form_token(self.ground)

    @property
    def leave_token(self) -> str:
        """What the form carries that ends a look."""
        return self._form_token(self.staff_ground)

    def _form_token(self, ground: str) -> str:
        mask = secrets.token_bytes(TOKEN_BYTES)
        made = bytes(a ^ b for a, b in zip(mask, self._proof(ground), strict=True))
        return base64.urlsafe_b64encode(mask + made).decode().rstrip("=")

    def _proof(self, ground: str) -> bytes:
        # Half of the hash: no less, says RFC 2104.
        return hmac.digest(self.desk.settings.secret, b"form\0" + ground.encode(), "sha256")[:TOKEN_BYTES]

    def is_own_token(self, token: str) -> bool:
        """Whether a form carried one of this visit's, under whatever mask."""
        try:
            sent = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:
            return False
        mask, made = sent[:TOKEN_BYTES], sent[TOKEN_BYTES:]
        if len(made) != TOKEN_BYTES:
            return False
        return hmac.compare_digest(
            bytes(a ^ b for a, b in zip(mask, made, strict=True)), self._proof(self.ground)
        )

    @property
    def languages(self) -> dict[str, str]:
        """Those that the brand's pages come in."""
        return offers(self.brand)

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


async def begin(request: Req, *, is_refusal: bool = False) -> Visit:
    """Who asks. Refuses: ServiceUnavailable; Forbidden or SeeOther for a look at what is not shown to staff, unless
    what is made now `is_refusal` itself.
    """
    seen = await _begin(request)
    seen.encoding = packed.encoding(request, knows_its_reader=seen.visitor is not None)
    token = request.cookies.get(LOOK, "")
    if not token or _is_admin(request.scope["path"]):
        return seen
    return await _look(request, seen, token, is_refusal=is_refusal)


def _is_admin(path: str) -> bool:
    """The staff's own side, which nobody else's eyes are for."""
    return path == "/admin" or path.startswith("/admin/")


async def _look(request: Req, seen: Visit, token: str, *, is_refusal: bool) -> Visit:
    """The visit through the eyes that the cookie names. With a cookie that is no good (any more) nothing is changed
    either: who sent a form from a page of the customer's must not act on an account of his own.
    """
    found = None if seen.visitor is None else await impersonate.find(seen.desk, seen.visitor, token)
    if found is not None:
        brand = seen.desk.brands.get(found.visitor.brand_id)
        seen = replace(
            seen, desk=seen.desk.wearing(brand), brand=brand, visitor=found.visitor, ground=token, look=found,
            staff_ground=seen.ground,
        )  # fmt: skip
    elif seen.visitor is None or seen.visitor.role is None:
        seen.cookies.append(cookie(LOOK, "", 0))
    elif not is_refusal:
        raise SeeOther("/admin/look/over")
    if not is_refusal and (
        request.method not in SAFE or (found and request.scope["path_template"] not in eyes.PAGES)
    ):
        raise Forbidden(eyes.REFUSED)
    return seen


async def _begin(request: Req) -> Visit:
    office: Office = request.app.state.office
    token = request.cookies.get(SESSION, "")
    brand = office.desk.brands.of_host(request.headers.get("host", ""))
    desk = office.desk.wearing(brand)
    visitor = await sessions.find(desk, token) if token else None
    if visitor is not None and visitor.brand_id != brand.id:
        visitor = None  # a customer of another brand is nobody here
    language = _language(request, visitor, brand)
    if visitor is not None:
        return Visit(desk, brand, visitor, token, words.words(language))
    ground = request.cookies.get(GUEST, "")
    visit = Visit(desk, brand, None, ground, words.words(language))
    if not ground:
        visit.ground = secrets.token_urlsafe(24)
        visit.cookies.append(cookie(GUEST, visit.ground, MONTH_S))
    if token:
        visit.end_session()
    return visit


def _language(request: Req, visitor: Visitor | None, brand: Brand) -> str:
    asked = request.query_params.get("lang") or (visitor.language if visitor else "")
    asked = asked or request.cookies.get(LANGUAGE, "")
    offered = offers(brand)
    return asked if asked in offered else words.choose(request.headers.get("accept-language", ""), offered)


def offers(brand: Brand) -> dict[str, str]:
    """The languages that a brand's pages come in: code → own name."""
    chosen = {code: own for code, own in LANGUAGES.items() if code in brand.languages}
    return chosen or LANGUAGES


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
    check_token(visit, request.headers.get("x-form-token") or sent.get(FORM_FIELD, ""))
    return sent


async def upload(request: Req, visit: Visit, name: str) -> bytes:
    """The file of a form that carries one and nothing else, as `form`. Refuses: Forbidden, ValidationFailed."""
    return (await upload_named(request, visit, name))[1]


async def upload_named(request: Req, visit: Visit, name: str) -> tuple[str, bytes]:
    """The same with what the browser calls the file, which is anything at all."""
    if request.headers.get("sec-fetch-site", "") not in SAME_SITE:
        raise Forbidden("This form was sent from another site")
    try:
        sent = await request.form()
    except RequestEntityTooLarge:
        raise ValidationFailed("This file is too large", field=name) from None
    token = sent.get(FORM_FIELD, "")
    check_token(visit, token if isinstance(token, str) else "")
    file = sent.get(name)
    if not isinstance(file, UploadFile):
        raise ValidationFailed("Choose a file", field=name)
    return file.filename, await file.read()


def check_token(visit: Visit, token: str) -> None:
    """Refuses: Forbidden, when the token is none of this visit's."""
    if not visit.is_own_token(token):
        raise Forbidden("This page has become old: load it again, then send the form once more")


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
