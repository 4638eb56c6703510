"""How fast anybody may buy, and how well he must use what he buys."""

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet import limits, money
from ringlet.backoffice import policy
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.policy import shared
from ringlet.web.pages import asked, render
from ringlet.web.pages.visit import Form, Req, Visit

LIMITS = "/admin/policy/limits"
MONEY = "first_day_micros"
DIGITS_MAX = 12


@get(LIMITS, include_in_schema=False, opt=wants(Right.SEE))
async def get_limits(request: Req) -> Response[str]:
    """The limits of everybody, or with `account` those of one."""
    return await _page(request, request.query_params.get("account", "")[:254].strip())


async def _page(
    request: Req, who: str, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:
    seen, customer_id = gate.begin(request), None
    try:
        customer_id = await _account(seen, who)
    except ValidationFailed as found:
        refused, status, who = found, 422, ""
    return await render.page(
        request, seen, "admin/policy_limits.html", status, shown=await policy.shown(seen.desk, customer_id),
        shipped=limits.SHIPPED, who=who, form=form, refused=refused, names_of=limits.NAMES,
        currency=seen.desk.settings.currency, to_amount=money.to_amount, **shared(request),
    )  # fmt: skip


@post(LIMITS, include_in_schema=False, status_code=200, opt=wants(Right.CATALOGUE))
async def post_limits(request: Req) -> Response[str]:
    """Limits are set, or as they were shipped again. An empty field is no limit."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, LIMITS)
    who, by = form.text("account").strip(), gate.actor(request, seen)
    try:
        customer_id = await _account(seen, who)
        if form.text("do") == "forget":
            await policy.forget_limits(seen.desk, by, customer_id, form.text("reason"))
        else:
            numbers = {name: _number(name, form.text(name).strip()) for name in limits.NAMES}
            await policy.set_numbers(seen.desk, by, numbers, form.text("reason"), customer_id=customer_id)
    except ValidationFailed as refused:
        return await _page(request, who, 422, form=form, refused=refused)
    return render.go(request, seen, LIMITS, seen.words.gettext("Saved."))


async def _account(seen: Visit, who: str) -> int | None:
    try:
        return await policy.account(seen.desk, who) if who else None
    except NotFound:
        raise ValidationFailed("Nobody has an account with this address or number", field="account") from None


def _number(name: str, text: str) -> int | None:
    """What a field says; money is typed as an amount. Refuses: ValidationFailed."""
    if not text:
        return None
    if name == MONEY:
        micros = asked.micros(text)
        if micros is None:
            raise ValidationFailed("An amount such as 50.00", field=name)
        return micros
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValidationFailed("A whole number, or nothing for no limit", field=name)
    return int(text)


HANDLERS: list[ControllerRouterHandler] = [get_limits, post_limits]
