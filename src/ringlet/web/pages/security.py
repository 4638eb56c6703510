"""Security: the password, what is asked for besides it, and where the person is signed in."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from markupsafe import Markup

from ringlet.errors import Forbidden, RateLimited, Refusal, Unauthorized, ValidationFailed
from ringlet.people import change, factors, passkeys, recovery, sessions, totp
from ringlet.people.totp import TotpOffer
from ringlet.web.pages import render, visit
from ringlet.web.pages.account import proven, refuse
from ringlet.web.pages.second_factor import said, told
from ringlet.web.pages.visit import Req, Visit

HOME = "/profile/security"
BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = {
    "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS",
    "CrOS": "ChromeOS", "Linux": "Linux",
}  # fmt: skip


def device(user_agent: str) -> tuple[str, str]:
    """Browser and system as people call them, as far as a browser tells; empty where it does not."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), "")
    return browser, next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")


async def _context(seen: Visit) -> dict[str, Any]:
    person = seen.signed_in()
    return {
        "factors": await factors.factors(seen.desk, person),
        "passkeys": await passkeys.list_passkeys(seen.desk, person),
        "sessions": [
            (each, *device(each.user_agent)) for each in await sessions.list_sessions(seen.desk, person)
        ],
    }


async def _refuse(request: Req, seen: Visit, refused: Refusal) -> Response[str]:
    return await refuse(request, seen, "security.html", refused, **await _context(seen))


@get("/profile/security", include_in_schema=False)
async def get_security(request: Req) -> Response[str]:
    """All of it on one page."""
    seen = await visit.begin(request)
    return await render.page(request, seen, "security.html", **await _context(seen))


@post("/profile/security/password", include_in_schema=False, status_code=200)
async def post_password(request: Req) -> Response[str]:
    """The old one for a new one; every other session ends."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = seen.signed_in()
    try:
        await change.change_password(
            seen.desk, person, form.get("current", ""), form.get("password", ""), translate=seen.words.gettext
        )
    except (ValidationFailed, Forbidden, RateLimited) as refused:
        return await _refuse(request, seen, refused)
    said_ = seen.words.gettext("Your password is changed, and all other sessions have ended.")
    return render.go(request, seen, HOME, said_)


@post("/profile/security/totp", include_in_schema=False, status_code=200)
async def post_totp(request: Req) -> Response[str]:
    """A picture for the app; nothing is asked for before its first code was right."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        offer = await totp.begin_totp(seen.desk, person)
    except (ValidationFailed, Forbidden) as refused:
        return await _refuse(request, seen, refused)
    return await render.page(request, seen, "security_totp.html", **drawn(offer))


def drawn(offer: TotpOffer) -> dict[str, Any]:
    """An offer as a page shows it: the secret in groups, and the picture of its link."""
    groups = [offer.secret[at : at + 4] for at in range(0, len(offer.secret), 4)]
    # The picture is made by segno out of squares alone; nothing of it was typed by anybody.
    return {"offer": offer, "picture": Markup(offer.svg), "secret": " ".join(groups)}  # noqa: S704


@post("/profile/security/totp/confirm", include_in_schema=False, status_code=200)
async def post_totp_code(request: Req) -> Response[str]:
    """The first code: from now on one is asked for."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        codes = await totp.confirm_totp(seen.desk, person, form.text("code"), translate=seen.words.gettext)
    except (ValidationFailed, Forbidden, RateLimited) as refused:
        offer = await totp.offered_totp(seen.desk, person) if person.is_confirmed else None
        if offer is None:
            return await _refuse(request, seen, refused)
        return await refuse(request, seen, "security_totp.html", refused, **drawn(offer))
    return await _shown(request, seen, codes, seen.words.gettext("The authenticator app is set up."))


async def _shown(request: Req, seen: Visit, codes: list[str], done: str) -> Response[str]:
    """The recovery codes that only this answer shows; without any, back to the page."""
    if not codes:
        return render.go(request, seen, HOME, done)
    return await render.page(request, seen, "security_codes.html", codes=codes, done=done)


@post("/profile/security/totp/remove", include_in_schema=False, status_code=200)
async def post_totp_removal(request: Req) -> Response[str]:
    """No app any more."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        await totp.remove_totp(seen.desk, person, translate=seen.words.gettext)
    except (ValidationFailed, Forbidden) as refused:
        return await _refuse(request, seen, refused)
    return render.go(request, seen, HOME, seen.words.gettext("The authenticator app is removed."))


@post("/profile/security/codes", include_in_schema=False, status_code=200)
async def post_codes(request: Req) -> Response[str]:
    """Ten new ones; those before are worth nothing."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        codes = await recovery.new_recovery_codes(seen.desk, person)
    except (ValidationFailed, Forbidden) as refused:
        return await _refuse(request, seen, refused)
    return await _shown(request, seen, codes, "")


@post("/profile/security/passkeys/options", include_in_schema=False, status_code=200)
async def post_passkey_options(request: Req) -> Response[str]:
    """What the browser needs to make a passkey, for account.js."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    try:
        return told(seen, await passkeys.add_passkey_options(seen.desk, seen.signed_in()))
    except (ValidationFailed, Forbidden) as refused:
        return said(seen, refused)


@post("/profile/security/passkeys", include_in_schema=False, status_code=200)
async def post_passkey(request: Req) -> Response[str]:
    """The passkey that the browser made."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        added = await passkeys.add_passkey(
            seen.desk, person, form.text("challenge"), form.get("answer", ""), form.text("name"),
            translate=seen.words.gettext,
        )  # fmt: skip
    except (ValidationFailed, Forbidden, Unauthorized) as refused:
        return await _refuse(request, seen, refused)
    return await _shown(request, seen, added.recovery_codes, seen.words.gettext("The passkey is added."))


@post("/profile/security/passkeys/{passkey_id:int}/name", include_in_schema=False, status_code=200)
async def post_passkey_name(request: Req, passkey_id: FromPath[int]) -> Response[str]:
    """What the owner calls it. Refuses: NotFound (also somebody else's)."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    try:
        await passkeys.rename_passkey(seen.desk, seen.signed_in(), passkey_id, form.text("name"))
    except ValidationFailed as refused:
        return await _refuse(request, seen, refused)
    return render.go(request, seen, HOME, seen.words.gettext("Saved."))


@post("/profile/security/passkeys/{passkey_id:int}/remove", include_in_schema=False, status_code=200)
async def post_passkey_removal(request: Req, passkey_id: FromPath[int]) -> Response[str]:
    """Refuses: NotFound (also somebody else's)."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    person = proven(seen, HOME)
    try:
        await passkeys.remove_passkey(seen.desk, person, passkey_id, translate=seen.words.gettext)
    except Forbidden as refused:
        return await _refuse(request, seen, refused)
    return render.go(request, seen, HOME, seen.words.gettext("The passkey is removed."))


@post("/profile/security/sessions/{session_id:int}/end", include_in_schema=False, status_code=200)
async def post_end(request: Req, session_id: FromPath[int]) -> Response[str]:
    """One of the person's own sessions. Refuses: NotFound (somebody else's)."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    person = seen.signed_in()
    await sessions.end_session(seen.desk, person, session_id)
    if session_id == person.session_id:
        seen.end_session()
        return render.redirect(request, "/sign-in", seen.cookies)
    return render.go(request, seen, HOME, seen.words.gettext("That session has ended."))


@post("/profile/security/sessions/end-others", include_in_schema=False, status_code=200)
async def post_end_others(request: Req) -> Response[str]:
    """All but this one."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    ended = await sessions.end_other_sessions(seen.desk, seen.signed_in())
    told_ = seen.words.ngettext("%(num)s session has ended.", "%(num)s sessions have ended.", ended)
    return render.go(request, seen, HOME, told_ % {"num": seen.words.number(ended)})


HANDLERS: list[ControllerRouterHandler] = [
    get_security, post_password, post_totp, post_totp_code, post_totp_removal, post_codes, post_passkey_options,
    post_passkey, post_passkey_name, post_passkey_removal, post_end, post_end_others,
]  # fmt: skip
