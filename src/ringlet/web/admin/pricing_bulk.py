"""Changing many rules at once, and taking a change back."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import pricing_change, pricing_history, pricing_rules
from ringlet.backoffice.pricing_preview import Preview
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.pricing_form import bulk, chosen
from ringlet.web.admin.pricing_step import take
from ringlet.web.admin.trade import may_change, places
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req


@get("/admin/pricing/bulk", include_in_schema=False, opt=wants(Right.SEE))
async def get_bulk(request: Req) -> Response[str]:
    """What could become of the rules that the list's filters leave."""
    return await _page(request, Form(list(request.query_params.items())))


@post("/admin/pricing/bulk", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_bulk(request: Req) -> Response[str]:
    """`step` preview shows old and new prices; save does all of it or nothing."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    step = await take(request, form, bulk)
    if step.is_done:
        return render.go(request, seen, "/admin/pricing", seen.words.gettext("Saved. It counts everywhere."))
    return await _page(request, form, 422 if step.refused else 200, shown=step.shown, refused=step.refused)


async def _page(
    request: Req,
    form: Form,
    status: int = 200,
    *,
    shown: Preview | None = None,
    refused: Refusal | None = None,
) -> Response[str]:
    seen = gate.begin(request)
    found, page = chosen(form), None
    try:
        page = await pricing_rules.page(seen.desk, await found.asked(seen.desk))
    except ValidationFailed as error:
        refused, status = refused or error, 422
    return await render.page(
        request, seen, "admin/pricing_bulk.html", status, may_change=may_change(seen), form=form, shown=shown, refused=refused, chosen=found,
        page=page, names=await pricing_rules.names(seen.desk), places=places(seen.words),
    )  # fmt: skip


@get("/admin/pricing/history/{change_id:int}", include_in_schema=False, opt=wants(Right.SEE))
async def get_change(request: Req, change_id: FromPath[int]) -> Response[str]:
    """One change with every rule that it touched, before and after."""
    return await _change(request, change_id)


@post(
    "/admin/pricing/history/{change_id:int}/undo", include_in_schema=False, status_code=200,
    opt=wants(Right.CATALOGUE),
)  # fmt: skip
async def post_undo(request: Req, change_id: FromPath[int]) -> Response[str]:
    """Put back what it replaced."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    try:
        made = await pricing_change.undo(seen.desk, gate.actor(request, seen), change_id)
    except ValidationFailed as refused:
        return await _change(request, change_id, refused=refused)
    return render.go(
        request,
        seen,
        f"/admin/pricing/history/{made}",
        seen.words.gettext("Undone: the prices are as before."),
    )


async def _change(request: Req, change_id: int, refused: Refusal | None = None) -> Response[str]:
    seen = gate.begin(request)
    change, versions = await pricing_history.change(seen.desk, change_id)
    return await render.page(
        request, seen, "admin/pricing_change.html", 422 if refused else 200, may_change=may_change(seen), change=change, versions=versions,
        refused=refused, names=await pricing_rules.names(seen.desk), places=places(seen.words),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_bulk, post_bulk, get_change, post_undo]
