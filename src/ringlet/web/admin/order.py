"""One order: what staff see and what they do. Texts and codes stay masked until somebody says why they are read."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.activations.states import REFUNDED
from ringlet.backoffice import order, redress, reveal
from ringlet.backoffice.reveal import Revealed, masked
from ringlet.errors import Refusal
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import faults, records, render
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Form, Req, Visit
from ringlet.webhooks import shown


@get("/admin/orders/{order_id:str}", include_in_schema=False, opt=wants(Right.SEE))
async def get_order(request: Req, order_id: FromPath[str]) -> Response[str]:
    """Everything about one order. Refuses: NotFound."""
    return await _page(request, records.number(order_id))


async def _page(
    request: Req, public_id: int, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None,
    opened: str = "", revealed: Revealed | None = None,
) -> Response[str]:  # fmt: skip
    seen = gate.begin(request)
    found = await order.look(seen.desk, public_id)
    told = await shown.about(seen.desk, found.holder.wallet_id, public_id)
    rights = {right for right in Right if may(seen.signed_in().role, right)}
    return await render.page(
        request, seen, "admin/order.html", status, order=found, holder=found.holder, row=found.story.seen.activation,
        told=told, revealed=revealed, texts={each.id: each for each in revealed.messages} if revealed else {},
        masked=masked, rights=rights, Right=Right, form=form or Form([]), refused=refused, opened=opened,
        names=Names(seen.words), refunded=REFUNDED,
    )  # fmt: skip


@post(
    "/admin/orders/{order_id:str}/reveal", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT)
)
async def post_reveal(request: Req, order_id: FromPath[str]) -> Response[str]:
    """The texts and codes, this once, to who has said why."""
    seen = gate.begin(request)
    public_id = records.number(order_id)
    form = await gate.sensitive(request, seen, _at(public_id))
    try:
        revealed = await reveal.reveal(seen.desk, gate.actor(request, seen), public_id, form.text("reason"))
    except Refusal as refused:
        return await _page(request, public_id, refused.status, form=form, refused=refused, opened="reveal")
    return await _page(request, public_id, revealed=revealed)


@post("/admin/orders/{order_id:str}/refund", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_refund(request: Req, order_id: FromPath[str]) -> Response[str]:
    """Give the price back, once."""

    async def refund(seen: Visit, public_id: int, form: Form) -> str:
        await redress.refund(seen.desk, gate.actor(request, seen), public_id, form.text("reason"))
        return seen.words.gettext("The price is back on the customer's balance.")

    return await _do(request, order_id, "refund", refund)


@post(
    "/admin/orders/{order_id:str}/cancel", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT)
)
async def post_cancel(request: Req, order_id: FromPath[str]) -> Response[str]:
    """Cancel what waits for its code."""

    async def cancel(seen: Visit, public_id: int, form: Form) -> str:
        _ = seen.words.gettext
        done = await redress.cancel(seen.desk, gate.actor(request, seen), public_id, form.text("reason"))
        if done.in_s is not None:
            return _("It is cancelled as soon as the supplier allows it.")
        return _("Cancelled: the price is back on the customer's balance.")

    return await _do(request, order_id, "cancel", cancel)


@post("/admin/orders/{order_id:str}/look", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT))
async def post_look(request: Req, order_id: FromPath[str]) -> Response[str]:
    """Ask the supplier now."""

    async def look(seen: Visit, public_id: int, _form: Form) -> str:
        held = await redress.look_now(seen.desk, gate.actor(request, seen), public_id)
        said = seen.words.ngettext(
            "The supplier says: %(standing)s, %(count)s message.", "The supplier says: %(standing)s, %(count)s messages.",
            len(held.messages),
        )  # fmt: skip
        return said % {"standing": held.standing, "count": len(held.messages)}

    return await _do(request, order_id, "ask", look)


async def _do(
    request: Req, order_id: str, name: str, deed: Callable[[Visit, int, Form], Awaitable[Any]]
) -> Response[str]:
    """A deed that may be refused, and back to the order."""
    seen = gate.begin(request)
    public_id = records.number(order_id)
    form = await gate.sensitive(request, seen, _at(public_id))
    try:
        said = await deed(seen, public_id, form)
    except Refusal as refused:
        if refused.code in {"forbidden", "not_found"}:
            raise
        if refused.code == "validation_failed" and refused.extra["errors"][0]["field"] == "reason":
            return await _page(request, public_id, 422, form=form, refused=refused, opened=name)
        return render.go(request, seen, _at(public_id), _why(seen, refused), "bad")
    return render.go(request, seen, _at(public_id), said)


def _why(seen: Visit, refused: Refusal) -> str:
    """For staff the refusal's own words, which say more than the customer's."""
    if refused.code in {"service_unavailable", "cancel_rejected"}:
        return seen.words.gettext(refused.message)
    return faults.fault(refused, None, seen.words) or faults.say(refused, seen.words)[1]


def _at(public_id: int) -> str:
    return f"/admin/orders/{public_id}"


HANDLERS: list[ControllerRouterHandler] = [get_order, post_reveal, post_refund, post_cancel, post_look]
