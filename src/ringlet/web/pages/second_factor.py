"""More than the password: the second factor at sign-in, the proof before sensitive acts, and passkeys for both."""

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.errors import Forbidden, RateLimited, Refusal, Unauthorized, ValidationFailed
from ringlet.people import passkeys, recovery, sessions, totp
from ringlet.people.visitor import SignedIn, Visitor
from ringlet.web.pages import faults, render, visit
from ringlet.web.pages.account import onward_of, refuse, sender
from ringlet.web.pages.visit import Form, Req, SeeOther, Visit

TOTP_DIGITS = 6


def _half(seen: Visit) -> Visitor:
    """Somebody whose password was right and whose second factor is missing; others go on (SeeOther)."""
    if seen.visitor is None:
        raise SeeOther("/sign-in")
    if not seen.visitor.awaits_second_factor:
        raise SeeOther("/")
    return seen.visitor


@get("/second-factor", include_in_schema=False)
async def get_second_factor(request: Req) -> Response[str]:
    """One field for both kinds of code."""
    seen = await visit.begin(request)
    _half(seen)
    return await render.page(request, seen, "second_factor.html", onward=onward_of(request))


@post("/second-factor", include_in_schema=False, status_code=200)
async def post_second_factor(request: Req) -> Response[str]:
    """Six digits are the app's, anything else is a recovery code."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person, onward = _half(seen), visit.local(form.get("next"))
    code = "".join(form.text("code").split())
    try:
        if code.isdigit() and len(code) == TOTP_DIGITS:
            opened = await totp.verify_totp(seen.desk, person, code)
        else:
            opened = await recovery.verify_recovery_code(
                seen.desk, person, code, translate=seen.words.gettext
            )
    except (Unauthorized, RateLimited) as refused:
        return await refuse(request, seen, "second_factor.html", refused, onward=onward)
    return _on(request, seen, opened, onward)


@get("/prove", include_in_schema=False)
async def get_prove(request: Req) -> Response[str]:
    """The password once more."""
    seen = await visit.begin(request)
    seen.signed_in()
    return await render.page(request, seen, "sign_prove.html", onward=onward_of(request))


@post("/prove", include_in_schema=False, status_code=200)
async def post_prove(request: Req) -> Response[str]:
    """Fresh again for an hour, under a new token."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    onward = visit.local(form.get("next"))
    try:
        opened = await sessions.prove(seen.desk, seen.signed_in(), form.get("password", ""))
    except (Forbidden, RateLimited) as refused:
        return await refuse(request, seen, "sign_prove.html", refused, onward=onward)
    return _on(request, seen, opened, onward)


def _on(request: Req, seen: Visit, opened: SignedIn, onward: str) -> Response[str]:
    seen.begin_session(opened.token)
    return render.redirect(request, onward, seen.cookies)


@post("/passkey/options", include_in_schema=False, status_code=200)
async def post_options(request: Req) -> Response[str]:
    """What the browser is to sign: of this visitor, or of whoever wants to sign in."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    try:
        asked = await passkeys.passkey_options(seen.desk, seen.visitor, address=sender(request)[0])
    except (ValidationFailed, RateLimited) as refused:
        return said(seen, refused)
    return told(seen, asked)


@post("/passkey", include_in_schema=False, status_code=200)
async def post_passkey(request: Req) -> Response[str]:
    """What the browser has signed: a session, the missing factor, or the proof."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    challenge, answer, onward = form.text("challenge"), form.get("answer", ""), visit.local(form.get("next"))
    try:
        if seen.visitor is None:
            opened = await passkeys.passkey_sign_in(seen.desk, challenge, answer, *sender(request))
        else:
            opened = await passkeys.passkey_verify(seen.desk, seen.visitor, challenge, answer)
    except (Unauthorized, RateLimited) as refused:
        return await refuse(request, seen, _template(seen), refused, onward=onward, form=Form([]))
    return _on(request, seen, opened, onward)


def _template(seen: Visit) -> str:
    """The page from which a passkey was offered."""
    if seen.visitor is None:
        return "sign_in.html"
    return "second_factor.html" if seen.visitor.awaits_second_factor else "sign_prove.html"


def told(seen: Visit, found: object) -> Response[str]:
    """JSON for account.js."""
    made = render.answer(seen, msgspec.json.encode(found).decode())
    made.media_type = "application/json"
    return made


def said(seen: Visit, refused: Refusal) -> Response[str]:
    """A refusal for account.js, in the visitor's words; 200, because it is shown like any other answer."""
    return told(
        seen, {"said": faults.fault(refused, None, seen.words) or seen.words.gettext(refused.message)}
    )


HANDLERS: list[ControllerRouterHandler] = [
    get_second_factor, post_second_factor, get_prove, post_prove, post_options, post_passkey,
]  # fmt: skip
