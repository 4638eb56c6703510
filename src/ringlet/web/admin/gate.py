"""The gate of the admin pages: who may see which, decided in one place before any handler runs.

A page says which right it wants: `@get("/admin/money", include_in_schema=False, opt=wants(Right.MONEY))`. One that says
nothing is shut. For everybody who is no staff these pages do not exist.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from ringlet.acts import Actor
from ringlet.errors import Forbidden, NotFound
from ringlet.people.roles import Right, may
from ringlet.people.visitor import Visitor, address_or_none
from ringlet.web.pages import account, visit
from ringlet.web.pages.visit import Form, Req, SeeOther, Visit

RIGHT = "right"


def wants(right: Right) -> dict[str, Any]:
    """The `opt` of a handler that wants this right."""
    return {RIGHT: right}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar asks before the handler. Refuses: NotFound (no staff), Forbidden (another role); or SeeOther."""
    seen = await visit.begin(connection)  # type: ignore[arg-type]
    person = seen.signed_in()
    if person.role is None:
        raise NotFound
    if not person.has_second_factor and not seen.desk.settings.demo:
        raise SeeOther("/profile/security?staff=1")
    if not may(person.role, handler.opt[RIGHT]):
        raise Forbidden("Your role does not allow this")
    connection.scope["state"]["visit"] = seen


def begin(request: Req) -> Visit:
    """Whom the guard let in."""
    found: Visit = request.scope["state"]["visit"]
    return found


async def form(request: Req, seen: Visit) -> Form:
    """What was sent from a page of ours. Refuses: Forbidden, ValidationFailed."""
    return await visit.form(request, seen)


async def sensitive(request: Req, seen: Visit, onward: str) -> Form:
    """The same for money, roles and keys: who sends it has proved within the hour who he is, or does so first."""
    account.proven(seen, onward)
    return await visit.form(request, seen)


def actor(request: Req, seen: Visit) -> Actor:
    """Who acts, as it stands in the log of what staff did."""
    person: Visitor = seen.signed_in()
    address, agent = account.sender(request)
    return Actor(
        name=person.email, role=person.role or "", person_id=person.person_id, address=address_or_none(address),
        user_agent=agent[:200], request_id=str(request.scope["state"].get("request_id", "")),
    )  # fmt: skip
