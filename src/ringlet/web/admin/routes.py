"""All admin pages under one router with one gate."""

from litestar import Router
from litestar.exceptions import HTTPException

from ringlet.errors import Refusal
from ringlet.web.admin import gate, home, staff
from ringlet.web.pages import errors

router = Router(
    "/",
    route_handlers=[*home.HANDLERS, *staff.HANDLERS],
    guards=[gate.guard],
    exception_handlers={
        Refusal: errors.ErrorPage,
        HTTPException: errors.ErrorPage,
        Exception: errors.ErrorPage,
    },
)
