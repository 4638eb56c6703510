"""/v1/user/reuse: the same number once more."""

from typing import Any, LiteralString

from litestar import Request, Response, get

from ringlet.activations import resend
from ringlet.activations.browse import Seen
from ringlet.desk import Desk
from ringlet.web.api import about, caller, office
from ringlet.web.fivesim import orders, words
from ringlet.web.fivesim.complaints import NO_REUSE, PRODUCT_INCORRECT, Complaint
from ringlet.web.fivesim.entry import Part

Req = Request[Any, Any, Any]
LOOKED_AT_MAX = (
    10_000  # of the newest activations: there is no index of phones, and old numbers are gone anyway
)


@get("/reuse/{product:str}/{number:str}")
async def reuse(request: Req, product: Part, number: Part) -> Response[Any]:
    """A new order on a number that has brought its code; at today's price when its lease is over."""
    wallet = caller(request, "activations:write").wallet
    desk = office(request).desk
    if (service := words.read_product(product)) is None:
        raise Complaint(PRODUCT_INCORRECT)
    public_id = about(request, await _newest(desk, wallet.id, service, number.removeprefix("+")))
    resent = await resend.resend(desk, wallet, public_id)
    office(request).statuses.changed(public_id)
    about(request, resent.activation.public_id)
    return orders.answer(orders.of_seen(Seen(resent.activation, ())))


async def _newest(desk: Desk, wallet_id: int, service: str, phone: str) -> int:
    async with desk.db.connection() as tx:
        values = {"wallet": wallet_id, "service": service, "phone": phone, "most": LOOKED_AT_MAX}
        row = await (await tx.execute(_NEWEST, values)).fetchone()
    if row is None:
        raise Complaint(NO_REUSE)
    return int(row[0])


_NEWEST: LiteralString = """
select public_id from (
    select id, public_id, service, phone, state from activation where wallet_id = %(wallet)s
    order by id desc limit %(most)s
) as recent
where service = %(service)s and phone = %(phone)s and state in ('received', 'finished')
order by id desc limit 1
"""
