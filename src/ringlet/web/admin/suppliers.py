"""All suppliers at a glance, and adding one."""

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import supplier_health
from ringlet.errors import ValidationFailed
from ringlet.people.roles import Right
from ringlet.suppliers.protocols import PROTOCOLS
from ringlet.supplying import enlist, survey
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.supplier_form import read
from ringlet.web.admin.trade import may_change
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req


@get("/admin/suppliers", include_in_schema=False, opt=wants(Right.SEE))
async def get_suppliers(request: Req) -> Response[str]:
    """A card for each, with a word for how it does."""
    seen = gate.begin(request)
    found = await supplier_health.everybody(seen.desk)
    return await render.page(
        request, seen, "admin/suppliers.html", may_change=may_change(seen), suppliers=found
    )


@get("/admin/suppliers/new", include_in_schema=False, opt=wants(Right.CATALOGUE))
async def get_new(request: Req) -> Response[str]:
    """An empty form."""
    return await _form(request, Form([]))


@post("/admin/suppliers/new", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_new(request: Req) -> Response[str]:
    """Add it and ask it at once; its tokens are shown this one time."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, "/admin/suppliers/new")
    try:
        made = await enlist.add(
            seen.desk, form.text("name"), form.text("protocol"), form.text("url"), form.text("key"),
            by=gate.actor(request, seen), **read(form),
        )  # fmt: skip
    except ValidationFailed as refused:
        return await _form(request, form, refused)
    # Added in any case: what is wrong with it is said, and mended on its page.
    checked = await survey.check(seen.desk, made.name)
    return await render.page(
        request, seen, "admin/supplier_added.html", may_change=may_change(seen), made=made, checked=checked
    )


async def _form(request: Req, form: Form, refused: ValidationFailed | None = None) -> Response[str]:
    seen = gate.begin(request)
    return await render.page(
        request, seen, "admin/supplier_new.html", 422 if refused else 200, may_change=may_change(seen), form=form, refused=refused,
        protocols=tuple(PROTOCOLS),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_suppliers, get_new, post_new]
