"""What belongs to every page: mode, theme, language, the favicon, and the way out."""

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.errors import ValidationFailed
from ringlet.people import sessions
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import LANGUAGE, MONTH_S, Req, cookie


@post("/mode", include_in_schema=False, status_code=200)
async def post_mode(request: Req) -> Response[str]:
    """Live or test, for this session."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = seen.signed_in()
    await sessions.switch_mode(seen.desk, person, _one_of(form, "mode", ("live", "test")))
    return render.go(request, seen, visit.local(form.get("next")))


@post("/theme", include_in_schema=False, status_code=200)
async def post_theme(request: Req) -> Response[str]:
    """Light, dark or as the system says."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    person = seen.signed_in()
    theme = _one_of(form, "theme", ("light", "dark", "system"))
    await sessions.set_preferences(seen.desk, person, theme=theme)
    return render.go(request, seen, visit.local(form.get("next")))


@post("/language", include_in_schema=False, status_code=200)
async def post_language(request: Req) -> Response[str]:
    """The language of the pages, for this browser, and for the person who is signed in."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    language = _one_of(form, "language", tuple(visit.offers(seen.brand)))
    if seen.visitor is not None:
        await sessions.set_preferences(seen.desk, seen.visitor, language=language)
    seen.cookies.append(cookie(LANGUAGE, language, 12 * MONTH_S))
    return render.go(request, seen, visit.local(form.get("next")))


@get("/favicon.svg", include_in_schema=False)
async def get_favicon() -> Response[str]:
    """The mark, in a colour that is seen on light and on dark tabs."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20" fill="none" stroke="#3b6fd4" stroke-width="2">'
        '<circle cx="10" cy="10" r="7.2"/><circle cx="10" cy="10" r="2.2"/></svg>'
    )
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


def _one_of(form: visit.Form, name: str, allowed: tuple[str, ...]) -> str:
    value = form.text(name)
    if value not in allowed:
        raise ValidationFailed(f"one of {', '.join(allowed)}", field=name)
    return value


HANDLERS: list[ControllerRouterHandler] = [post_mode, post_theme, post_language, get_favicon]
