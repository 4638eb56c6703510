"""Holding abuse down: what is stopped now, and the switches that stop a service, an account or a supplier at once."""

from collections.abc import Awaitable
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import policy, standing
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.people.roles import Right, may
from ringlet.supplying import enlist
from ringlet.web.admin import gate, pricing_form
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Form, Req

HOME = "/admin/policy"


def shared(request: Req) -> dict[str, Any]:
    """What every page of these needs: names of codes, and what this visitor may change."""
    seen = gate.begin(request)
    rights = {right for right in Right if may(seen.signed_in().role, right)}
    return {"names": Names(seen.words), "rights": rights, "Right": Right}


@get(HOME, include_in_schema=False, opt=wants(Right.SEE))
async def get_policy(request: Req) -> Response[str]:
    """Who and what is stopped now."""
    return await _page(request)


async def _page(
    request: Req, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:
    desk = gate.begin(request).desk
    suppliers = sorted(desk.book.all(), key=lambda each: each.name)
    return await render.page(
        request, gate.begin(request), "admin/policy.html", status, stopped=await policy.stopped(desk),
        suppliers=suppliers, form=form or Form([]), refused=refused, **shared(request),
    )  # fmt: skip


@post(HOME + "/services", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_service(request: Req) -> Response[str]:
    """Freeze a service, or thaw it."""
    form, by = await _form(request)
    return await _done(request, form, _change_service(request, form, by))


async def _change_service(request: Req, form: Form, by: Any) -> None:
    change = policy.thaw if form.text("do") == "thaw" else policy.freeze
    code = pricing_form.service(form.text("service"), "service")
    if code is None:
        raise ValidationFailed("There is no such service: its code or its name", field="service")
    await change(gate.begin(request).desk, by, code, form.text("reason"))


@post(HOME + "/accounts", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT))
async def post_account(request: Req) -> Response[str]:
    """Freeze an account, thaw it, end its rest, or vouch for it."""
    form, by = await _form(request)
    return await _done(request, form, _change_account(request, form, by))


async def _change_account(request: Req, form: Form, by: Any) -> None:
    desk, reason = gate.begin(request).desk, form.text("reason")
    try:
        customer_id = await policy.account(desk, form.text("account").strip())
    except NotFound:
        raise ValidationFailed("Nobody has an account with this address or number", field="account") from None
    match form.text("do"):
        case "thaw":
            await standing.thaw(desk, by, customer_id, reason)
        case "pardon":
            await policy.pardon(desk, by, customer_id, reason)
        case "vouch" | "doubt":
            await policy.vouch(desk, by, customer_id, reason, is_vouched=form.text("do") == "vouch")
        case _:
            await standing.freeze(desk, by, customer_id, reason)


@post(
    HOME + "/suppliers/{source_id:int}", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE)
)
async def post_supplier(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Pause a supplier, or sell it again."""
    form, by = await _form(request)
    desk = gate.begin(request).desk
    supplier = desk.book.get(source_id)
    if supplier is None:
        raise NotFound
    change = enlist.resume if form.text("do") == "resume" else enlist.pause
    return await _done(request, form, change(desk, supplier.name, by, form.text("reason")[:200]))


async def _form(request: Req) -> tuple[Form, Any]:
    """What was sent, and who acts. To stop something nobody is asked for a password again."""
    seen = gate.begin(request)
    return await gate.form(request, seen), gate.actor(request, seen)


async def _done(request: Req, form: Form, change: Awaitable[None]) -> Response[str]:
    seen = gate.begin(request)
    try:
        await change
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    # The page that comes next reads what this process knows.
    await seen.desk.refresh_prices()
    return render.go(request, seen, HOME, seen.words.gettext("Done, in every process at once."))


HANDLERS: list[ControllerRouterHandler] = [get_policy, post_service, post_account, post_supplier]
