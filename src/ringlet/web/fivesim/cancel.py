"""/v1/user/cancel and /v1/user/ban: give a number back before its code."""

from typing import Any

from litestar import Request, Response, get

from ringlet.activations import cancel as use_case
from ringlet.errors import CancelRejected
from ringlet.web.api import about, caller, office
from ringlet.web.fivesim import orders
from ringlet.web.fivesim.complaints import EXPIRED, HAS_SMS, TOO_EARLY, Complaint
from ringlet.web.fivesim.entry import Part
from ringlet.web.wire import read_activation_id

Req = Request[Any, Any, Any]


@get("/cancel/{order_id:str}")
async def cancel(request: Req, order_id: Part) -> Response[Any]:
    """The money is back when this answers."""
    return orders.answer(await _give_back(request, order_id))


@get("/ban/{order_id:str}")
async def ban(request: Req, order_id: Part) -> Response[Any]:
    """A number of no use: cancelled like any other."""
    return orders.answer(await _give_back(request, order_id), orders.BANNED)


async def _give_back(request: Req, order_id: str) -> orders.Life:
    wallet = caller(request, "activations:write").wallet
    desk, public_id = office(request).desk, about(request, read_activation_id(order_id))
    life = await orders.look(desk, wallet.id, public_id)
    _refuse(life)
    try:
        await use_case.cancel(desk, wallet.id, life.current.public_id)
    except CancelRejected as refusal:
        if refusal.extra.get("retry_after") is not None:
            raise Complaint(TOO_EARLY) from None
        _refuse(await orders.look(desk, wallet.id, public_id))
        raise Complaint(HAS_SMS) from None
    office(request).statuses.changed(life.current.public_id)
    return await orders.look(desk, wallet.id, public_id)


def _refuse(life: orders.Life) -> None:
    if life.is_over:
        raise Complaint(EXPIRED)
    if life.has_code:
        raise Complaint(HAS_SMS)
