"""/v1/user/reuse: the same number once more."""

from typing import Any

from litestar import Request, Response, get

from ringlet.activations import browse, resend
from ringlet.activations.browse import Seen
from ringlet.web.api import about, caller, office
from ringlet.web.fivesim import orders, words
from ringlet.web.fivesim.complaints import NO_REUSE, PRODUCT_INCORRECT, Complaint
from ringlet.web.fivesim.entry import Part

Req = Request[Any, Any, Any]


@get("/reuse/{product:str}/{number:str}")
async def reuse(request: Req, product: Part, number: Part) -> Response[Any]:
    """A new order on a number that has brought its code; at today's price when its lease is over."""
    wallet = caller(request, "activations:write").wallet
    desk = office(request).desk
    if (service := words.read_product(product)) is None:
        raise Complaint(PRODUCT_INCORRECT)
    newest = await browse.newest_with_code(desk, wallet.id, service, number.removeprefix("+"))
    if newest is None:
        raise Complaint(NO_REUSE)
    public_id = about(request, newest)
    resent = await resend.resend(desk, wallet, public_id)
    office(request).statuses.changed(public_id)
    about(request, resent.activation.public_id)
    return orders.answer(orders.of_seen(Seen(resent.activation, ())))
