"""Ways to pay: every gateway with how it does, and adding one."""

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import gateways
from ringlet.backoffice.gateways import MODES
from ringlet.errors import Refusal, ValidationFailed
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Gateway
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate, payments_form
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req

ADD = "/admin/payments/add"


@get("/admin/payments", include_in_schema=False, opt=wants(Right.SEE))
async def get_gateways(request: Req) -> Response[str]:
    """All of them, in the order that payers see."""
    seen = gate.begin(request)
    async with seen.desk.db.connection() as tx:
        lines = await gateways.lines(tx)
    role = seen.signed_in().role
    return await render.page(
        request, seen, "admin/payments.html", lines=lines, may_add=may(role, Right.OWN),
        may_move=may(role, Right.MONEY), counted_max=gateways.COUNTED_MAX,
    )  # fmt: skip


@get(ADD, include_in_schema=False, opt=wants(Right.OWN))
async def get_add(request: Req) -> Response[str]:
    """First which kind, then its keys."""
    chosen = next((each for each in gateways.kinds() if each.kind == request.query_params.get("kind")), None)
    return await _page(request, chosen, payments_form.fresh(chosen.name if chosen else ""))


@post(ADD, include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_add(request: Req) -> Response[str]:
    """Another gateway, off until it is tested."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, ADD)
    kind = KINDS.get(form.text("kind"))
    if kind is None:
        return await _page(request, None, form)
    try:
        gateway_id = await gateways.add(
            seen.desk, gate.actor(request, seen), kind.kind, form.text("mode"), payments_form.terms(form),
            payments_form.keys(form, kind),
        )  # fmt: skip
    except ValidationFailed as refused:
        return await _page(request, kind, form, refused)
    said = seen.words.gettext("Added. Test its keys, then switch it on.")
    return render.go(request, seen, f"/admin/payments/gateways/{gateway_id}", said)


async def _page(
    request: Req, kind: type[Gateway] | None, form: Form, refused: Refusal | None = None
) -> Response[str]:
    seen = gate.begin(request)
    return await render.page(
        request, seen, "admin/payments_add.html", 422 if refused else 200, kind=kind, form=form, refused=refused,
        kinds=gateways.kinds(), modes=MODES,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_gateways, get_add, post_add]
