"""The admin's home."""

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Req


@get("/admin", include_in_schema=False, opt=wants(Right.SEE))
async def get_home(request: Req) -> Response[str]:
    """How the shop does."""
    seen = gate.begin(request)
    return await render.page(request, seen, "admin/home.html")


HANDLERS: list[ControllerRouterHandler] = [get_home]
