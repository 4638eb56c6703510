"""The password is lost, or the address changes: the links of letters, and the pages that they open."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.errors import NotFound, RateLimited, ValidationFailed
from ringlet.people import change, reset
from ringlet.web.pages import render, visit
from ringlet.web.pages.account import refuse, sender
from ringlet.web.pages.visit import Form, Req


@get("/forgot", include_in_schema=False)
async def get_forgot(request: Req) -> Response[str]:
    """The form."""
    return await render.page(request, await visit.begin(request), "forgot.html", form=Form([]))


@post("/forgot", include_in_schema=False, status_code=200)
async def post_forgot(request: Req) -> Response[str]:
    """A letter, if the address has an account; the answer does not tell."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    try:
        await reset.request_reset(
            seen.desk, form.text("email"), address=sender(request)[0], translate=seen.words.gettext
        )
    except (ValidationFailed, RateLimited) as refused:
        return await refuse(request, seen, "forgot.html", refused, form=form)
    return render.redirect(request, "/forgot/sent", seen.cookies)


@get("/forgot/sent", include_in_schema=False)
async def get_sent(request: Req) -> Response[str]:
    """Where to look now."""
    return await render.page(request, await visit.begin(request), "sign_sent.html", purpose="reset")


@get("/reset/{token:str}", include_in_schema=False)
async def get_reset(request: Req, token: FromPath[str]) -> Response[str]:  # noqa: ARG001 - the form sends it back in its address
    """The form; the link is used up by sending it."""
    return await render.page(request, await visit.begin(request), "reset.html")


@post("/reset/{token:str}", include_in_schema=False, status_code=200)
async def post_reset(request: Req, token: FromPath[str]) -> Response[str]:
    """The new password; every session ends, this browser's too."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    try:
        await reset.reset(seen.desk, token, form.get("password", ""), translate=seen.words.gettext)
    except (ValidationFailed, RateLimited) as refused:
        return await refuse(request, seen, "reset.html", refused)
    except NotFound:
        said = seen.words.gettext("This link was used already, or it is too old. Ask for another one.")
        return render.go(request, seen, "/forgot", said, "bad")
    if seen.visitor is not None:
        seen.end_session()
    said = seen.words.gettext("Your password is changed. Sign in with the new one.")
    return render.go(request, seen, "/sign-in", said)


@get("/email/{token:str}", include_in_schema=False)
async def get_email(request: Req, token: FromPath[str]) -> Response[str]:  # noqa: ARG001 - the form sends it back in its address
    """A button, as for the first address."""
    return await render.page(request, await visit.begin(request), "confirm.html", purpose="email")


@post("/email/{token:str}", include_in_schema=False, status_code=200)
async def post_email(request: Req, token: FromPath[str]) -> Response[str]:
    """The new address counts. Refuses: NotFound (used or too old), as a page."""
    seen = await visit.begin(request)
    await visit.form(request, seen)
    try:
        await change.confirm_email(seen.desk, token, translate=seen.words.gettext)
    except ValidationFailed:
        said = seen.words.gettext("There is another account with this address; yours keeps the old one.")
        return render.go(request, seen, "/profile", said, "bad")
    return render.go(request, seen, "/profile", seen.words.gettext("Your new address is confirmed."))


HANDLERS: list[ControllerRouterHandler] = [
    get_forgot, post_forgot, get_sent, get_reset, post_reset, get_email, post_email,
]  # fmt: skip
