"""/v1/user/finish: no more messages are wanted."""

from typing import Any

from litestar import Request, Response, get

from ringlet.activations import cancel
from ringlet.activations import finish as use_case
from ringlet.activations.states import State
from ringlet.web.api import about, caller, office
from ringlet.web.fivesim import orders
from ringlet.web.fivesim.complaints import EXPIRED, NO_SMS, Complaint
from ringlet.web.fivesim.entry import Part
from ringlet.web.wire import read_activation_id

Req = Request[Any, Any, Any]


@get("/finish/{order_id:str}")
async def finish(request: Req, order_id: Part) -> Response[Any]:
    """The lease ends now. What is finished already is answered as it stands."""
    wallet = caller(request, "activations:write").wallet
    desk, public_id = office(request).desk, about(request, read_activation_id(order_id))
    life = await orders.look(desk, wallet.id, public_id)
    if not life.has_code:
        raise Complaint(EXPIRED if life.is_over else NO_SMS)
    if life.current.state == State.RECEIVED:
        await use_case.finish(desk, wallet.id, life.current.public_id)
    elif not life.is_over:
        # Its code has come, and it waits for another message that costs nothing and is no longer wanted.
        await cancel.cancel(desk, wallet.id, life.current.public_id)
    office(request).statuses.changed(life.current.public_id)
    return orders.answer(await orders.look(desk, wallet.id, public_id))
