"""Who a customer is: the operator's service is asked, or staff who have looked themselves say it."""

from litestar import Response, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import reasons
from ringlet.errors import NotFound, ValidationFailed
from ringlet.identities import PENDING, REFUSED, VERIFIED
from ringlet.people import identity
from ringlet.people.roles import Right
from ringlet.web.admin import customer, gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Req


@post(
    "/admin/customers/{customer_id:int}/identity/{verdict:str}",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.SUPPORT),
)
async def post_identity(request: Req, customer_id: FromPath[int], verdict: FromPath[str]) -> Response[str]:
    """`pending` asks the service, `verified` and `refused` are decisions; each with its reason. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"/admin/customers/{customer_id}")
    if verdict not in {PENDING, VERIFIED, REFUSED}:
        raise NotFound
    actor, opened = gate.actor(request, seen), f"identity-{verdict}"
    try:
        reason = reasons.read(form.text("reason"))
        opened = ""  # what is refused from here on may have no button any more
        if verdict == PENDING:
            await identity.ask(seen.desk, actor, customer_id, reason)
        else:
            await identity.decide(seen.desk, actor, customer_id, verdict, reason)
    except ValidationFailed as refused:
        return await customer.page(request, customer_id, 422, form=form, refused=refused, opened=opened)
    return render.go(request, seen, f"/admin/customers/{customer_id}#identity", seen.words.gettext("Saved."))


HANDLERS: list[ControllerRouterHandler] = [post_identity]
