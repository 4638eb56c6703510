"""/v1/user/check and /v1/user/sms/inbox: what has come for an order."""

from typing import Any

from litestar import Request, Response, get

from ringlet.web.api import about, caller, office
from ringlet.web.fivesim import orders
from ringlet.web.fivesim.entry import Part
from ringlet.web.wire import encode, encoded, read_activation_id

Req = Request[Any, Any, Any]


@get("/check/{order_id:str}")
async def check(request: Req, order_id: Part) -> Response[Any]:
    """The order with its messages."""
    return orders.answer(await _look(request, order_id))


@get("/sms/inbox/{order_id:str}")
async def inbox(request: Req, order_id: Part) -> Response[Any]:
    """The messages of an order, with their ids."""
    found = [orders.inbox_sms(message) for message in (await _look(request, order_id)).messages]
    return encoded(encode({"Data": found, "Total": len(found)}))


async def _look(request: Req, order_id: str) -> orders.Life:
    wallet = caller(request, "activations:read").wallet
    return await orders.look(office(request).desk, wallet.id, about(request, read_activation_id(order_id)))
