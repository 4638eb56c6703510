"""The machine room: what runs, what waits, what is set, and buttons that try it."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import checks, settings_shown, system
from ringlet.backoffice.checks import Tried
from ringlet.people.roles import Right
from ringlet.supplying import survey
from ringlet.supplying.survey import Checked
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.api import Req as AnyReq
from ringlet.web.api import office
from ringlet.web.pages import render
from ringlet.web.pages.visit import Req


@get("/admin/system", include_in_schema=False, opt=wants(Right.SEE))
async def get_system(request: Req) -> Response[str]:
    """All of it on one page."""
    return await _page(request)


@post("/admin/system/letter", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_letter(request: Req) -> Response[str]:
    """A letter to oneself, now."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    return await _page(request, letter=await checks.send_letter(seen.desk, seen.signed_in().email))


@post("/admin/system/address", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_address(request: Req) -> Response[str]:
    """Does the public address lead to us."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    return await _page(request, address=await checks.reach_ourselves(seen.desk.settings))


@post("/admin/system/suppliers", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_supplier(request: Req) -> Response[str]:
    """Ask one supplier now. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    return await _page(request, supplier=await survey.check(seen.desk, form.text("supplier")))


async def _page(
    request: Req,
    *,
    letter: Tried | None = None,
    address: Tried | None = None,
    supplier: Checked | None = None,
) -> Response[str]:
    seen = gate.begin(request)
    context: dict[str, Any] = {
        "system": await system.look(seen.desk),
        "settings": settings_shown.shown(seen.desk.settings),
        "suppliers": await survey.lines(seen.desk),
    }
    return await render.page(
        request, seen, "admin/system.html", counted_max=system.COUNTED_MAX, tried_letter=letter,
        tried_address=address, tried_supplier=supplier, **context,
    )  # fmt: skip


@get("/reached/{nonce:str}", include_in_schema=False, media_type="text/plain")
async def get_reached(request: AnyReq, nonce: FromPath[str]) -> str:
    """Whoever holds our secret gives this answer: the button above asks for it. Refuses: NotFound."""
    return checks.echo(office(request).desk.settings, nonce)


HANDLERS: list[ControllerRouterHandler] = [get_system, post_letter, post_address, post_supplier]
