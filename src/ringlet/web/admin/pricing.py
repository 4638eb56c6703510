"""The price rules in the order in which they are tried, and why somebody pays what."""

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import pricing_history, pricing_rules
from ringlet.backoffice.pricing_rules import Asked
from ringlet.backoffice.pricing_why import Why, why
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.people.roles import Right
from ringlet.pricing import KINDS
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.pricing_form import amount, chosen, country, service
from ringlet.web.admin.selection import cell
from ringlet.web.admin.trade import may_change, places
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Req


@get("/admin/pricing", include_in_schema=False, opt=wants(Right.SEE))
async def get_pricing(request: Req) -> Response[str]:
    """A page of the rules, general first; those that are still to come stand by themselves."""
    seen = gate.begin(request)
    found, refused, page, coming = chosen(request.query_params), None, None, None
    try:
        asked = await found.asked(seen.desk)
        page = await pricing_rules.page(seen.desk, asked, cell(request.query_params.get("after", ""), 40))
        if not found.is_any:
            coming = await pricing_rules.page(seen.desk, Asked(state="pending"))
    except ValidationFailed as error:
        refused = error
    return await render.page(
        request, seen, "admin/pricing.html", 200 if refused is None else 422, may_change=may_change(seen), page=page, coming=coming, chosen=found,
        names=await pricing_rules.names(seen.desk), kinds=KINDS, places=places(seen.words), refused=refused,
    )  # fmt: skip


@get("/admin/pricing/why", include_in_schema=False, opt=wants(Right.SEE))
async def get_why(request: Req) -> Response[str]:
    """What an account would pay for a service in a country, and each rule that has a say in it."""
    seen = gate.begin(request)
    asked = {
        name: cell(request.query_params.get(name, ""), 320)
        for name in ("account", "country", "service", "cost")
    }
    found, refused = None, None
    if asked["country"] or asked["service"]:
        try:
            found = await _why(seen.desk, asked)
        except ValidationFailed as error:
            refused = error
    return await render.page(
        request, seen, "admin/pricing_why.html", 200 if refused is None else 422, may_change=may_change(seen), asked=asked, found=found,
        places=places(seen.words), refused=refused,
    )  # fmt: skip


async def _why(desk: Desk, asked: dict[str, str]) -> Why:
    where, what = country(asked["country"], "country"), service(asked["service"], "service")
    if where is None or what is None:
        missing = "country" if where is None else "service"
        raise ValidationFailed("Name a country and a service", field=missing)
    cost = amount(asked["cost"], "cost") if asked["cost"] else None
    return await why(desk, where, what, asked["account"] or None, cost)


@get("/admin/pricing/history", include_in_schema=False, opt=wants(Right.SEE))
async def get_history(request: Req) -> Response[str]:
    """Who changed prices when, newest first; of one rule when `rule` names it."""
    seen = gate.begin(request)
    rule_id = records.cursor(request, "rule")
    changes = await pricing_history.changes(seen.desk, records.cursor(request, "before"), rule_id)
    size = pricing_history.PAGE
    return await render.page(
        request, seen, "admin/pricing_history.html", may_change=may_change(seen), changes=changes[:size], rule_id=rule_id,
        older=changes[size - 1].id if len(changes) > size else None,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_pricing, get_why, get_history]
