"""What the protocol has and we do not: price limits kept for the account, and the side of those who sell."""

from typing import Any

from litestar import Request, Response, delete, get, post

from ringlet.web.api import caller
from ringlet.web.fivesim.complaints import BAD_REQUEST, Complaint
from ringlet.web.wire import encoded

Req = Request[Any, Any, Any]
NOT_SUPPORTED = "not supported"


@get("/max-prices")
async def get_max_prices(request: Req) -> Response[Any]:
    """No limit is ever kept; `maxPrice` of a buy is one."""
    caller(request, "prices:read")
    return encoded(b"[]")


@post("/max-prices")
async def set_max_price() -> Response[Any]:
    """Refused: a yes would promise a limit that nobody watches."""
    raise Complaint(NOT_SUPPORTED)


@delete("/max-prices", status_code=200)
async def delete_max_price() -> Response[Any]:
    """Refused: there is none."""
    raise Complaint(NOT_SUPPORTED)


@get(["/user/vendor", "/vendor/wallets", "/vendor/orders", "/vendor/payments"])
async def get_vendor() -> Response[Any]:
    """Refused: owners of SIM cards have a door of their own."""
    return encoded(b"{}", BAD_REQUEST)


@post("/vendor/withdraw")
async def withdraw() -> Response[Any]:
    """Refused."""
    return encoded(b"{}", BAD_REQUEST)
