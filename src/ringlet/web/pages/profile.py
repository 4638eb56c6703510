"""Profile: API keys, the address, and how the pages look and speak."""

import functools
import zoneinfo
from typing import Any

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.errors import Forbidden, RateLimited, Refusal, ValidationFailed
from ringlet.languages import LANGUAGES
from ringlet.people import change, sessions
from ringlet.web.pages import keys, render, visit
from ringlet.web.pages.account import proven, refuse
from ringlet.web.pages.visit import LANGUAGE, MONTH_S, Form, Req, Visit, cookie
from ringlet.web.pages.words import words

REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@functools.cache
def zones() -> dict[str, list[tuple[str, str]]]:
    """Region → (name, how it is shown), for the choice of a time zone."""
    found: dict[str, list[tuple[str, str]]] = {region: [] for region in REGIONS}
    for name in sorted(zoneinfo.available_timezones()):
        region, _, place = name.partition("/")
        if place and region in found:
            found[region].append((name, place.replace("_", " ").replace("/", " / ")))
    return found


async def _context(seen: Visit, sent: Form | None = None) -> dict[str, Any]:
    """`sent`: the form about the address that was refused."""
    return {**await keys.context(seen), "zones": zones(), "new_email": sent.text("email") if sent else ""}


@get("/profile", include_in_schema=False)
async def get_profile(request: Req) -> Response[str]:
    """All of it on one page."""
    seen = await visit.begin(request)
    seen.signed_in()
    return await render.page(request, seen, "profile.html", **await _context(seen))


@post("/profile/preferences", include_in_schema=False, status_code=200)
async def post_preferences(request: Req) -> Response[str]:
    """Language, time zone and theme together."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person, language = seen.signed_in(), form.text("language")
    language = language if language in LANGUAGES else seen.words.language
    try:
        await sessions.set_preferences(
            seen.desk, person, language=language, time_zone=form.text("time_zone"), theme=form.text("theme")
        )
    except ValidationFailed as refused:
        return await _refuse(request, seen, refused)
    seen.cookies.append(cookie(LANGUAGE, language, 12 * MONTH_S))
    return render.go(request, seen, "/profile", words(language).gettext("Saved."))


@post("/profile/email", include_in_schema=False, status_code=200)
async def post_email(request: Req) -> Response[str]:
    """Ask for another address; it counts when the link of the letter was opened."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = proven(seen, "/profile")
    try:
        await change.change_email(seen.desk, person, form.text("email"), translate=seen.words.gettext)
    except (ValidationFailed, RateLimited, Forbidden) as refused:
        return await _refuse(request, seen, refused, form)
    said = seen.words.gettext("A letter is on its way to the new address: open its link.")
    return render.go(request, seen, "/profile", said)


async def _refuse(request: Req, seen: Visit, refused: Refusal, form: Form | None = None) -> Response[str]:
    return await refuse(request, seen, "profile.html", refused, **await _context(seen, form))


HANDLERS: list[ControllerRouterHandler] = [
    get_profile, post_preferences, post_email, *keys.HANDLERS,
]  # fmt: skip
