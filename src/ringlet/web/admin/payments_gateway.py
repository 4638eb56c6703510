"""One way to pay: its state, its terms, its keys, and asking it now."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import gateways
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.payments import book
from ringlet.payments.kinds import KINDS
from ringlet.people.roles import Right, may
from ringlet.topups import probe, reconcile
from ringlet.web.admin import gate, payments_form
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req

PATH = "/admin/payments/gateways/{gateway_id:int}"


def _address(gateway_id: int) -> str:
    return f"/admin/payments/gateways/{gateway_id}"


@get(PATH, include_in_schema=False, opt=wants(Right.SEE))
async def get_gateway(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """Its page. Refuses: NotFound."""
    return await _page(request, gateway_id)


@post(PATH + "/terms", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_terms(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """Its name, limits, surcharge, and what becomes of more, less and late. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(gateway_id))
    try:
        await gateways.change(seen.desk, gate.actor(request, seen), gateway_id, payments_form.terms(form))
    except ValidationFailed as refused:
        return await _page(request, gateway_id, form=form, refused=refused)
    return render.go(request, seen, _address(gateway_id), seen.words.gettext("Saved."))


@post(PATH + "/keys", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_keys(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """Its keys; an empty secret stays. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(gateway_id))
    async with seen.desk.db.connection() as tx:
        line = await gateways.line(tx, gateway_id)
    given = payments_form.keys(form, KINDS[line.kind])
    try:
        changed = await gateways.set_keys(seen.desk, gate.actor(request, seen), gateway_id, given)
    except ValidationFailed as refused:
        return await _page(request, gateway_id, keys_form=form, refused=refused)
    said = (
        seen.words.gettext("Saved. Test them now.") if changed else seen.words.gettext("Nothing has changed.")
    )
    return render.go(request, seen, _address(gateway_id), said)


@post(PATH + "/switch", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_switch(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """Offer it, or no more. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(gateway_id))
    is_on = form.text("on") == "yes"
    try:
        await gateways.switch(seen.desk, gate.actor(request, seen), gateway_id, is_on=is_on)
    except ValidationFailed as refused:
        return await _page(request, gateway_id, refused=refused)
    said = (
        seen.words.gettext("On: customers can pay by it.")
        if is_on
        else seen.words.gettext("Off: nobody can begin a payment by it. What was begun goes on.")
    )
    return render.go(request, seen, _address(gateway_id), said)


@post(PATH + "/move", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_move(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """One place up or down. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    await gateways.move(seen.desk, gate.actor(request, seen), gateway_id, is_up=form.text("to") == "up")
    return render.go(request, seen, "/admin/payments")


@post(PATH + "/check", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_check(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """Ask it now whether its keys are good. Refuses: NotFound."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    return await _page(request, gateway_id, checked=await probe.check(seen.desk, gateway_id))


@post(PATH + "/compare", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_compare(request: Req, gateway_id: FromPath[int]) -> Response[str]:
    """Compare it with our books now. Refuses: NotFound."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    try:
        await reconcile.compare(seen.desk, gateway_id)
    except ValidationFailed as refused:
        return await _page(request, gateway_id, refused=refused)
    return render.go(request, seen, f"{_address(gateway_id)}#compared", seen.words.gettext("Compared."))


async def _page(
    request: Req, gateway_id: int, *, form: Form | None = None, keys_form: Form | None = None,
    refused: Refusal | None = None, **context: Any,
) -> Response[str]:  # fmt: skip
    seen = gate.begin(request)
    async with seen.desk.db.connection() as tx:
        line, terms = await gateways.line(tx, gateway_id), await book.load(tx, gateway_id)
    if terms is None:
        raise NotFound
    role = seen.signed_in().role
    return await render.page(
        request, seen, "admin/payments_gateway.html", 422 if refused else 200, line=line, kind=KINDS[line.kind],
        shown=gateways.shown(seen.desk, terms), notice_url=gateways.notice_url(seen.desk, terms),
        form=form or payments_form.fields_of(line), keys_form=keys_form, refused=refused,
        may_move=may(role, Right.MONEY), may_own=may(role, Right.OWN), **{"checked": None, **context},
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    get_gateway, post_terms, post_keys, post_switch, post_move, post_check, post_compare,
]  # fmt: skip
