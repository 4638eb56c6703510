"""One payment for staff: all that happened to it, approving, rejecting, giving back, and what the payer has shown."""

import secrets
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import approve_topup, payments, reasons, refund_topup
from ringlet.errors import Forbidden, Refusal, ValidationFailed
from ringlet.people.roles import Right, may
from ringlet.topups.proof import JPEG, PDF, PNG
from ringlet.topups.refund import Wish
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.supplier_form import micros
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req

PATH = "/admin/payments/top-ups/{public_id:str}"
ENDINGS = {PNG: "png", JPEG: "jpg", PDF: "pdf"}
ONCE_MAX = 64
#: a stranger's file is kept away from ours, whatever a browser makes of it
PAPER_HEADERS = {
    **render.HEADERS, "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff",
}  # fmt: skip


def _address(public_id: str) -> str:
    return f"/admin/payments/top-ups/{public_id}"


@get(PATH, include_in_schema=False, opt=wants(Right.SEE))
async def get_topup(request: Req, public_id: FromPath[str]) -> Response[str]:
    """Its page. Refuses: NotFound."""
    return await _page(request, public_id)


@post(PATH + "/approve", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_approve(request: Req, public_id: FromPath[str]) -> Response[str]:
    """So much came. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(public_id))
    try:
        came_micros = micros(form.text("amount"), "amount")
        is_credited = await approve_topup.approve(
            seen.desk, gate.actor(request, seen), public_id, came_micros
        )
    except (ValidationFailed, Forbidden) as refused:
        return await _page(request, public_id, form=form, refused=refused, opened="approve")
    said = (
        seen.words.gettext("Credited.")
        if is_credited
        else seen.words.gettext("This is more than you approve alone: it waits for a second person.")
    )
    return render.go(request, seen, _onward(form, public_id), said)


def _onward(form: Form, public_id: str) -> str:
    return "/admin/money" if form.text("from") == "money" else _address(public_id)


@post(PATH + "/reject", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_reject(request: Req, public_id: FromPath[str]) -> Response[str]:
    """Nothing is credited. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(public_id))
    try:
        await approve_topup.reject(seen.desk, gate.actor(request, seen), public_id, form.text("reason"))
    except (ValidationFailed, Forbidden) as refused:
        return await _page(request, public_id, form=form, refused=refused, opened="reject")
    said = seen.words.gettext("Rejected: no money has moved.")
    return render.go(request, seen, _onward(form, public_id), said)


@post(PATH + "/withdraw", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_withdraw(request: Req, public_id: FromPath[str]) -> Response[str]:
    """What the first person has said is not so. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(public_id))
    try:
        await approve_topup.withdraw(seen.desk, gate.actor(request, seen), public_id)
    except (ValidationFailed, Forbidden) as refused:
        return await _page(request, public_id, form=form, refused=refused)
    return render.go(
        request, seen, _onward(form, public_id), seen.words.gettext("Taken back: it waits as before.")
    )


@post(PATH + "/look", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_look(request: Req, public_id: FromPath[str]) -> Response[str]:
    """Have the gateway asked. Refuses: NotFound."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    await payments.look_again(seen.desk, public_id)
    said = seen.words.gettext("The gateway is asked at this moment: load the page again.")
    return render.go(request, seen, _address(public_id), said)


@post(PATH + "/refund", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_refund(request: Req, public_id: FromPath[str]) -> Response[str]:
    """Give so much back to the payer. Refuses: NotFound."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, _address(public_id))
    try:
        wish = Wish(
            micros(form.text("amount"), "amount"),
            reasons.read(form.text("reason")),
            form.text("once")[:ONCE_MAX],
        )
        await refund_topup.refund(seen.desk, gate.actor(request, seen), public_id, wish)
    except (ValidationFailed, Forbidden) as refused:
        return await _page(request, public_id, form=form, refused=refused, opened="refund")
    said = seen.words.gettext("The balance has given it; the gateway is asked at this moment.")
    return render.go(request, seen, _address(public_id), said)


@get(PATH + "/proofs/{proof_id:int}", include_in_schema=False, opt=wants(Right.MONEY))
async def get_proof(request: Req, public_id: FromPath[str], proof_id: FromPath[int]) -> Response[bytes]:
    """What the payer has shown, as a file to keep. Refuses: NotFound."""
    paper = await payments.paper(gate.begin(request).desk, public_id, proof_id)
    name = f"proof-{proof_id}.{ENDINGS[paper.media_type]}"
    headers = {**PAPER_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(paper.content, media_type=paper.media_type, headers=headers)


async def _page(
    request: Req, public_id: str, *, form: Form | None = None, refused: Refusal | None = None, **context: Any
) -> Response[str]:
    seen = gate.begin(request)
    whole = await payments.whole(seen.desk, public_id)
    role = seen.signed_in().role
    return await render.page(
        request, seen, "admin/payments_topup.html", refused.status if refused else 200, whole=whole, topup=whole.topup,
        form=form or Form([]), refused=refused, once=secrets.token_urlsafe(12), may_move=may(role, Right.MONEY),
        **{"opened": "", **context},
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    get_topup, post_approve, post_reject, post_withdraw, post_look, post_refund, get_proof,
]  # fmt: skip
