"""What may be sold: the categories of the curated list, the rules of the operator, and what they say about one sale."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import canon
from ringlet.backoffice import policy
from ringlet.backoffice.policy import Answer, Scope
from ringlet.desk import Desk
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.policy import CATEGORIES, SWITCHES, RuleLine, curated
from ringlet.web.admin import gate, pricing_form
from ringlet.web.admin.gate import wants
from ringlet.web.admin.policy import shared
from ringlet.web.pages import render
from ringlet.web.pages.visit import Form, Req

RULES = "/admin/policy/rules"
CHECK = "/admin/policy/check"


@get(RULES, include_in_schema=False, opt=wants(Right.SEE))
async def get_rules(request: Req) -> Response[str]:
    """The categories, and every rule."""
    return await _page(request)


async def _page(
    request: Req, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:
    seen = gate.begin(request)
    lines = await policy.rules(seen.desk)
    opened = {each.rule.category for each in lines if _is_for_all(each) and each.rule.is_allowed}
    return await render.page(
        request, seen, "admin/policy_rules.html", status, lines=lines, opened=opened, categories=_categories(),
        shown=await policy.shown(seen.desk), form=form or Form([]), refused=refused, **shared(request),
    )  # fmt: skip


def _is_for_all(line: RuleLine) -> bool:
    return line.rule.customer_id is None and line.rule.country is None


def _categories() -> dict[str, list[canon.Service]]:
    """The services of each category, the best known first."""
    services = sorted((canon.services()[code] for code in curated()), key=lambda each: each.rank)
    return {name: [each for each in services if curated()[each.code] == name] for name in CATEGORIES}


@post(RULES, include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_rule(request: Req) -> Response[str]:
    """A rule is put in force."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, RULES)
    try:
        scope = await _scope(seen.desk, form)
        is_allowed = form.text("do") == "allow"
        await policy.set_rule(
            seen.desk, gate.actor(request, seen), scope, form.text("reason"), is_allowed=is_allowed
        )
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return render.go(request, seen, RULES, seen.words.gettext("Saved."))


@post(RULES + "/{rule_id:int}/remove", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_remove(request: Req, rule_id: FromPath[int]) -> Response[str]:
    """As if there had been no such rule."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, RULES)
    try:
        await policy.drop_rule(seen.desk, gate.actor(request, seen), rule_id, form.text("reason"))
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return render.go(request, seen, RULES, seen.words.gettext("Removed."))


@post(RULES + "/mode", include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_mode(request: Req) -> Response[str]:
    """Whether only what a rule allows is sold."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, RULES)
    switches = {name: int(form.text(name) == "on") for name in SWITCHES}
    try:
        await policy.set_numbers(seen.desk, gate.actor(request, seen), switches, form.text("reason"))
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return render.go(request, seen, RULES, seen.words.gettext("Saved."))


@get(CHECK, include_in_schema=False, opt=wants(Right.SEE))
async def get_check(request: Req) -> Response[str]:
    """Would this sale be allowed, and what decides?"""
    seen, sale, answer, refused, status = gate.begin(request), None, None, None, 200
    form = Form(
        [(name, request.query_params.get(name, "")[:254]) for name in ("account", "service", "country")]
    )
    if form.text("service"):
        try:
            sale, answer = await _answer(seen.desk, form)
        except ValidationFailed as found:
            refused, status = found, 422
    return await render.page(
        request, seen, "admin/policy_check.html", status, sale=sale, answer=answer, form=form, refused=refused, **shared(request)
    )  # fmt: skip


async def _answer(desk: Desk, form: Form) -> tuple[Scope, Answer]:
    scope = await _scope(desk, form)
    if scope.service is None or scope.country is None:
        raise ValidationFailed(
            "Name a service and a country", field="country" if scope.service else "service"
        )
    return scope, await policy.ask(desk, scope.customer_id, scope.service, scope.country)


async def _scope(desk: Desk, form: Form) -> Scope:
    """What a form names. Refuses: ValidationFailed."""
    who = form.text("account").strip()
    service = pricing_form.service(form.text("service"), "service")
    country = pricing_form.country(form.text("country"), "country")
    try:
        customer_id = await policy.account(desk, who) if who else None
    except NotFound:
        raise ValidationFailed("Nobody has an account with this address or number", field="account") from None
    return Scope(
        service=service, category=form.text("category") or None, country=country, customer_id=customer_id
    )


HANDLERS: list[ControllerRouterHandler] = [get_rules, post_rule, post_remove, post_mode, get_check]
