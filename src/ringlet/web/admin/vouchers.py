"""Vouchers: batches of codes, made and shown once, counted, revoked."""

import secrets
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import brands, money
from ringlet.backoffice import vouchers
from ringlet.backoffice.vouchers import Made, Wish
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.supplier_form import micros
from ringlet.web.pages import export, records, render
from ringlet.web.pages.visit import Form, Req

DIGITS_MAX = 6
ONCE_MAX = 64
HEAD = ("code", "amount", "currency")


@get("/admin/vouchers", include_in_schema=False, opt=wants(Right.SEE))
async def get_vouchers(request: Req) -> Response[str]:
    """The batches, newest first, and a form for another one."""
    return await _page(request)


@post("/admin/vouchers", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_vouchers(request: Req) -> Response[Any]:
    """Make a batch; its codes are in the answer, as a page or as a file, and nowhere else."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, "/admin/vouchers")
    try:
        wish = Wish(
            _whole(form, "count"), micros(form.text("amount"), "amount"), _whole(form, "days"), form.text("note"),
            form.text("once")[:ONCE_MAX],
        )  # fmt: skip
        made = await vouchers.make(seen.desk, gate.actor(request, seen), wish)
    except ValidationFailed as refused:
        return await _page(request, form=form, refused=refused)
    if form.text("as") == "csv":
        return _file(made, wish)
    return await _page(request, made=made)


def _whole(form: Form, name: str) -> int:
    text = form.text(name)
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValidationFailed("This is not a whole number", field=name)
    return int(text)


def _file(made: Made, wish: Wish) -> Response[str]:
    rows = [(code, money.to_amount(wish.amount_micros), made.currency) for code in made.codes]
    headers = {
        **render.HEADERS, "Content-Disposition": f'attachment; filename="vouchers-{made.id}.csv"',
    }  # fmt: skip
    return Response(export.lines([HEAD, *rows]), media_type=export.CSV, headers=headers)


@post(
    "/admin/vouchers/{batch_id:int}/revoke", include_in_schema=False, status_code=200, opt=wants(Right.MONEY)
)
async def post_revoke(request: Req, batch_id: FromPath[int]) -> Response[str]:
    """What nobody has redeemed is worth nothing any more. Refuses: NotFound."""
    seen = gate.begin(request)
    await gate.sensitive(request, seen, "/admin/vouchers")
    try:
        left = await vouchers.revoke(seen.desk, gate.actor(request, seen), batch_id)
    except ValidationFailed as refused:
        return await _page(request, refused=refused)
    said = seen.words.ngettext(
        "Revoked: %(num)s code is worth nothing any more.",
        "Revoked: %(num)s codes are worth nothing any more.",
        left,
    )
    return render.go(request, seen, "/admin/vouchers", said % {"num": left})


async def _page(
    request: Req, *, form: Form | None = None, refused: Refusal | None = None, made: Made | None = None
) -> Response[str]:
    seen = gate.begin(request)
    before = records.cursor(request, "before")
    async with seen.desk.db.connection() as tx:
        batches = await vouchers.batches(tx, before)
        currency = await brands.currency(tx, seen.desk.settings)
    return await render.page(
        request, seen, "admin/vouchers.html", refused.status if refused else 200, batches=batches[: vouchers.PART],
        older=batches[vouchers.PART - 1].id if len(batches) > vouchers.PART else None, is_first=before is None,
        form=form or Form([("count", "10"), ("days", "365")]), refused=refused, made=made, currency=currency,
        may_make=may(seen.signed_in().role, Right.MONEY), once=secrets.token_urlsafe(12), count_max=vouchers.COUNT_MAX,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_vouchers, post_vouchers, post_revoke]
