"""Signing up, in and out. An address that has an account and one that has none look the same on every page here."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.errors import RateLimited, Unauthorized, ValidationFailed
from ringlet.people import acceptable_use, proof_of_work, sessions, sign_in, sign_up
from ringlet.web.pages import recover, referral, render, rules, second_factor, visit
from ringlet.web.pages.account import onward_of, refuse, sender, with_next
from ringlet.web.pages.report import PROOF
from ringlet.web.pages.visit import Form, Req, Visit


@get("/sign-in", include_in_schema=False)
async def get_sign_in(request: Req) -> Response[str]:
    """The form; whoever is signed in goes on at once."""
    seen = await visit.begin(request)
    onward = onward_of(request)
    if seen.visitor is not None:
        is_half = seen.visitor.awaits_second_factor
        return render.redirect(
            request, with_next("/second-factor", onward) if is_half else onward, seen.cookies
        )
    return await render.page(request, seen, "sign_in.html", form=Form([]), onward=onward)


@post("/sign-in", include_in_schema=False, status_code=200)
async def post_sign_in(request: Req) -> Response[str]:
    """A new session under a new token; who was signed in before in this browser is not any more."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    onward = visit.local(form.get("next"))
    try:
        opened = await sign_in.sign_in(
            seen.desk, form.text("email"), form.get("password", ""), *sender(request)
        )
    except (Unauthorized, RateLimited, ValidationFailed) as refused:
        return await refuse(request, seen, "sign_in.html", refused, form=form, onward=onward)
    if seen.visitor is not None:
        await sessions.sign_out(seen.desk, seen.visitor)
    seen.begin_session(opened.token)
    return render.redirect(
        request, with_next("/second-factor", onward) if opened.awaits_second_factor else onward, seen.cookies
    )


@post("/sign-out", include_in_schema=False, status_code=200)
async def post_sign_out(request: Req) -> Response[str]:
    """This session is over, and the browser keeps nothing of it."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    if seen.visitor is not None:
        await sessions.sign_out(seen.desk, seen.visitor)
    seen.end_session()
    made = render.redirect(request, "/", seen.cookies)
    made.headers["Clear-Site-Data"] = '"cache", "storage"'
    return made


@get("/sign-up", include_in_schema=False)
async def get_sign_up(request: Req) -> Response[str]:
    """The form."""
    seen = await visit.begin(request)
    if seen.visitor is not None:
        return render.redirect(request, "/", seen.cookies)
    return await render.page(request, seen, "sign_up.html", form=Form([]), **(await _asked(seen)))


async def _asked(seen: Visit) -> dict[str, Any]:
    """What signing up asks for besides an address and a password."""
    return {
        "rules": await acceptable_use.shown(seen.desk),
        "asks_for_work": await proof_of_work.is_asked(seen.desk),
    }


@post("/sign-up", include_in_schema=False, status_code=200)
async def post_sign_up(request: Req) -> Response[str]:
    """A letter with a link: to confirm the address, or to tell the owner of an account that he has one."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    try:
        await sign_up.sign_up(
            seen.desk, form.text("email"), form.get("password", ""), language=seen.words.language,
            address=sender(request)[0], translate=seen.words.gettext, agreed=rules.agreed(form),
            proof=form.text(PROOF), via=referral.via(request, seen),
        )  # fmt: skip
    except (ValidationFailed, RateLimited) as refused:
        return await refuse(request, seen, "sign_up.html", refused, form=form, **(await _asked(seen)))
    return render.redirect(request, "/sign-up/sent", seen.cookies + referral.forgotten(request))


@get("/sign-up/sent", include_in_schema=False)
async def get_sent(request: Req) -> Response[str]:
    """Where to look now."""
    return await render.page(request, await visit.begin(request), "sign_sent.html", purpose="confirm")


@get("/confirm/{token:str}", include_in_schema=False)
async def get_confirm(request: Req, token: FromPath[str]) -> Response[str]:
    """A button: programs that open every link of a letter must not confirm anything."""
    seen = await visit.begin(request)
    return await render.page(request, seen, "confirm.html", token_in_link=token, purpose="confirm")


@post("/confirm/{token:str}", include_in_schema=False, status_code=200)
async def post_confirm(request: Req, token: FromPath[str]) -> Response[str]:
    """The address is its owner's. Refuses: NotFound (used or too old), as a page."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    await sign_up.confirm(seen.desk, token)
    is_in = seen.visitor is not None and not seen.visitor.awaits_second_factor
    said = (
        seen.words.gettext("Your address is confirmed.") if is_in
        else seen.words.gettext("Your address is confirmed. Sign in to begin.")
    )  # fmt: skip
    return render.go(request, seen, "/" if is_in else "/sign-in", said)


@post("/confirm-again", include_in_schema=False, status_code=200)
async def post_confirm_again(request: Req) -> Response[str]:
    """The first letter once more."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    try:
        await sign_up.confirm_again(seen.desk, seen.signed_in(), translate=seen.words.gettext)
    except ValidationFailed:
        return render.go(request, seen, "/profile", seen.words.gettext("Your address is confirmed."))
    return render.go(request, seen, "/profile", seen.words.gettext("The letter is on its way."))


HANDLERS: list[ControllerRouterHandler] = [
    get_sign_in, post_sign_in, post_sign_out, get_sign_up, post_sign_up, get_sent, get_confirm, post_confirm,
    post_confirm_again, *recover.HANDLERS, *second_factor.HANDLERS,
]  # fmt: skip
