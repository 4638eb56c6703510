"""Our money at a supplier, and a test purchase there."""

import secrets
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import supplier_desk, supplier_health, supplier_trial
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.supplying import money as purses
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.pricing_form import country, service
from ringlet.web.admin.supplier import PATH
from ringlet.web.admin.supplier_form import micros
from ringlet.web.admin.trade import may_change, moves_money
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Form, Req

KEY_LENGTH_MAX = 64


@get(PATH + "/money", include_in_schema=False, opt=wants(Right.SEE))
async def get_money(request: Req, source_id: FromPath[int]) -> Response[str]:
    """What lies there by our books and by its own, and every movement."""
    return await _money(request, source_id)


@post(PATH + "/money/compare", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_compare(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Ask it now and put our books beside its figure."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    terms = await supplier_desk.conditions(seen.desk, source_id)
    try:
        compared = await supplier_desk.compare(seen.desk, terms.name)
    except ValidationFailed as refused:
        return await _money(request, source_id, refused=refused)
    return await _money(request, source_id, compared=compared)


@post(PATH + "/money/deposit", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_deposit(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Book that we paid in there, or with a minus took out."""
    seen = gate.begin(request)
    path = f"/admin/suppliers/{source_id}/money"
    form = await gate.sensitive(request, seen, path)
    terms = await supplier_desk.conditions(seen.desk, source_id)
    try:
        sum_micros = micros(form.text("amount"), "amount")
        by = gate.actor(request, seen)
        await purses.deposit(seen.desk, terms.name, sum_micros, form.text("reason"), by)
    except ValidationFailed as refused:
        return await _money(request, source_id, form=form, refused=refused)
    return render.go(request, seen, path, seen.words.gettext("Booked."))


@post(PATH + "/money/settle", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_settle(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Accept its figure: what nothing explains is booked to suspense."""
    seen = gate.begin(request)
    path = f"/admin/suppliers/{source_id}/money"
    form = await gate.sensitive(request, seen, path)
    terms = await supplier_desk.conditions(seen.desk, source_id)
    try:
        await supplier_desk.settle(seen.desk, terms.name, form.text("reason"), gate.actor(request, seen))
    except ValidationFailed as refused:
        return await _money(request, source_id, form=form, refused=refused)
    return render.go(
        request, seen, path, seen.words.gettext("Settled: our books say what the supplier says.")
    )


async def _money(
    request: Req, source_id: int, *, form: Form | None = None, refused: Refusal | None = None, **context: Any
) -> Response[str]:
    seen = gate.begin(request)
    health, size = await supplier_health.one(seen.desk, source_id), supplier_desk.PAGE
    purse, lines = await supplier_desk.statement(seen.desk, source_id, records.cursor(request, "before"))
    return await render.page(
        request, seen, "admin/supplier_money.html", 422 if refused else 200, may_change=may_change(seen), may_move=moves_money(seen), health=health, purse=purse,
        lines=lines[:size], older=lines[size - 1].id if len(lines) > size else None, form=form or Form([]),
        refused=refused, **{"compared": None, **context},
    )  # fmt: skip


@get(PATH + "/try", include_in_schema=False, opt=wants(Right.CATALOGUE))
async def get_try(request: Req, source_id: FromPath[int]) -> Response[str]:
    """The form of a test purchase."""
    return await _try(request, source_id, Form([]))


@post(PATH + "/try", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_try(request: Req, source_id: FromPath[int]) -> Response[str]:
    """Buy one number through exactly this supplier, for the account of whoever tries it."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"/admin/suppliers/{source_id}/try")
    try:
        where, what = country(form.text("country"), "country"), service(form.text("service"), "service")
        if where is None or what is None:
            missing = "country" if where is None else "service"
            raise ValidationFailed("Name a country and a service", field=missing)
        public_id = await supplier_trial.begin(
            seen.desk, gate.actor(request, seen), seen.signed_in().customer_id, source_id, country=where, service=what,
            key=form.text("once")[:KEY_LENGTH_MAX], is_kept="keep" in form,
        )  # fmt: skip
    except Refusal as refused:
        return await _try(request, source_id, form, refused)
    return render.go(request, seen, f"/admin/suppliers/{source_id}?trial={public_id}")


@post(
    PATH + "/try/{public_id:int}/back", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE)
)
async def post_back(request: Req, source_id: FromPath[int], public_id: FromPath[int]) -> Response[str]:
    """Give the number of a test purchase back."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    await supplier_trial.give_back(seen.desk, seen.signed_in().customer_id, public_id)
    return render.go(request, seen, f"/admin/suppliers/{source_id}?trial={public_id}")


async def _try(request: Req, source_id: int, form: Form, refused: Refusal | None = None) -> Response[str]:
    seen = gate.begin(request)
    return await render.page(
        request, seen, "admin/supplier_try.html", refused.status if refused else 200, may_change=may_change(seen), form=form, refused=refused,
        health=await supplier_health.one(seen.desk, source_id), once=form.text("once") or secrets.token_hex(8),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [
    get_money, post_compare, post_deposit, post_settle, get_try, post_try, post_back,
]  # fmt: skip
