"""Putting rules in force: the same markup or price for one place or for many, looked at before it counts."""

from typing import Any

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import pricing_rules
from ringlet.backoffice.pricing_preview import Preview
from ringlet.errors import Refusal
from ringlet.people.roles import Right
from ringlet.pricing import KINDS
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.pricing_form import fields_of, put
from ringlet.web.admin.pricing_step import take
from ringlet.web.admin.trade import may_change, places
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Form, Req


@get("/admin/pricing/rule", include_in_schema=False, opt=wants(Right.SEE))
async def get_rule(request: Req) -> Response[str]:
    """An empty form, or the rule that `rule` names."""
    seen = gate.begin(request)
    rule_id = records.cursor(request, "rule")
    if rule_id is None:
        return await _page(request, Form([("who", "everybody"), ("kind", "markup")]))
    line = await pricing_rules.line(seen.desk, rule_id)
    return await _page(
        request, Form(list(fields_of(line, seen.signed_in().time_zone).items())), rule_id=rule_id
    )


@post("/admin/pricing/rule", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_rule(request: Req) -> Response[str]:
    """`step` preview shows what it changes; save does it, when nobody changed prices since the preview."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    step = await take(request, form, put)
    if step.is_done:
        return render.go(request, seen, "/admin/pricing", seen.words.gettext("Saved. It counts everywhere."))
    return await _page(request, form, 422 if step.refused else 200, shown=step.shown, refused=step.refused)


async def _page(
    request: Req, form: Form, status: int = 200, *, shown: Preview | None = None, refused: Refusal | None = None,
    **context: Any,
) -> Response[str]:  # fmt: skip
    seen = gate.begin(request)
    return await render.page(
        request, seen, "admin/pricing_rule.html", status, may_change=may_change(seen), form=form, shown=shown, refused=refused, kinds=KINDS,
        names=await pricing_rules.names(seen.desk), places=places(seen.words), **{"rule_id": None, **context},
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_rule, post_rule]
