"""Who comes in: users by their key, as everywhere; guests by their address, or with the prices of their key."""

from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter

from ringlet.desk import Desk
from ringlet.errors import Forbidden, RateLimited, Unauthorized
from ringlet.pricing import View
from ringlet.web.api import Office
from ringlet.web.auth import Caller
from ringlet.web.fivesim.complaints import OUT_OF_REACH, Complaint
from ringlet.web.fivesim.prices import Tables
from ringlet.web.limits import Limits

NOBODY = 0  # no customer has this id
GUEST_LIMIT = 20  # requests a second from one address
NEIGHBOURS_BITS = 64  # of an IPv6 address: what one household has

Connection = ASGIConnection[Any, Any, Any, Any]
#: a part of the address
Part = Annotated[str, PathParameter()]


class Foyer:
    """What guests share: prices, and how often each may ask."""

    def __init__(self, desk: Desk) -> None:
        self.limits = Limits(GUEST_LIMIT)
        self.tables = Tables(desk)


def foyer(connection: Connection) -> Foyer:
    """This process's foyer, opened by the first guest."""
    state = connection.app.state
    if "fivesim" not in state:
        state["fivesim"] = Foyer(state.office.desk)
    found: Foyer = state["fivesim"]
    return found


async def let_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Refuses: Unauthorized, Forbidden, RateLimited, ServiceUnavailable."""
    office: Office = connection.app.state.office
    caller = await office.keys.caller(connection.headers.get("authorization", ""), _address(connection))
    connection.scope["state"]["caller"] = caller
    if office.limits.per_s:
        office.limits.take(caller.key.id)


async def let_guest_in(connection: Connection, handler: BaseRouteHandler) -> None:
    """With a good key as its owner, otherwise as anybody. Refuses: RateLimited, Complaint, ServiceUnavailable."""
    if "authorization" in connection.headers:
        try:
            await let_in(connection, handler)
        except (Unauthorized, Forbidden):
            pass
        else:
            return
    try:
        foyer(connection).limits.take(_neighbours(_address(connection)))
    except RateLimited:
        text = f"ip address limit is {GUEST_LIMIT} requests per second"
        raise Complaint(text, OUT_OF_REACH) from None


def view(connection: Connection) -> View:
    """Whose prices are shown: the caller's, or those for everybody of the brand whose address this is."""
    caller: Caller | None = connection.scope["state"].get("caller")
    desk: Desk = connection.app.state.office.desk
    if caller is None or "prices:read" not in caller.key.scopes:
        return desk.prices.rules.view(NOBODY, desk.brands.of_host(connection.headers.get("host", "")).id)
    return desk.prices.rules.view(caller.wallet.customer_id, caller.wallet.brand_id)


def _address(connection: Connection) -> str | None:
    return connection.client.host if connection.client else None


def _neighbours(address: str | None) -> int:
    """A number for who shares an allowance: an address, of IPv6 a network."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return 0
    return int(found) >> NEIGHBOURS_BITS if isinstance(found, IPv6Address) else int(found)
