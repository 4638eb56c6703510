"""Gifts: the rules for a bonus on payments, what bringing a customer earns, and who does it most."""

from decimal import Decimal

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import money
from ringlet.backoffice import gifts
from ringlet.backoffice.gifts import NewRule
from ringlet.errors import Refusal, ValidationFailed
from ringlet.payments import book
from ringlet.people.referrals import Terms
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.pricing_form import amount, moment
from ringlet.web.pages import asked, render
from ringlet.web.pages.visit import Form, Req

HOME = "/admin/gifts"
DIGITS_MAX = 6


@get(HOME, include_in_schema=False, opt=wants(Right.SEE))
async def get_gifts(request: Req) -> Response[str]:
    """All of it on one page."""
    return await _page(request)


async def _page(
    request: Req, status: int = 200, *, opened: str = "", form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:  # fmt: skip
    """`opened`: the form that was refused, "rule", "terms" or "stop-12"; the others are as they always are."""
    seen = gate.begin(request)
    shown = await gifts.gifts(seen.desk)
    async with seen.desk.db.connection() as tx:
        gateways = [each for each in await book.everyone(tx) if each.mode == "live"]
    return await render.page(
        request, seen, "admin/gifts.html", status, gifts=shown, gateways=gateways, opened=opened, form=form or Form([]),
        refused=refused, share=money.plain(shown.terms.percent), currency=seen.desk.settings.currency, may_change=may(seen.signed_in().role, Right.MONEY),
    )  # fmt: skip


@post(HOME + "/rules", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_rule(request: Req) -> Response[str]:
    """One more rule."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    try:
        new = _rule(form, seen.signed_in().time_zone)
        await gifts.add_rule(seen.desk, gate.actor(request, seen), new)
    except ValidationFailed as refused:
        return await _page(request, 422, opened="rule", form=form, refused=refused)
    return render.go(request, seen, HOME, seen.words.gettext("Saved."))


def _rule(form: Form, zone: str) -> NewRule:
    """What the form asks for. Refuses: ValidationFailed."""
    return NewRule(
        from_micros=_micros(form, "least") or 0, percent=_percent(form, "percent"), fixed_micros=_micros(form, "fixed") or 0,
        cap_micros=_micros(form, "cap"), is_first_only=form.text("first") == "on", gateway_id=_whole(form, "gateway"),
        starts_at=moment(form.text("starts"), zone, "starts"), ends_at=moment(form.text("ends"), zone, "ends"),
    )  # fmt: skip


def _micros(form: Form, name: str) -> int | None:
    """An amount above nothing; None where nothing stands, or "0"."""
    text = form.text(name)
    if not text or text == "0":
        return None
    found = asked.micros(text)
    if found is None:
        raise ValidationFailed("An amount such as 20 or 12.50", field=name)
    return found


def _percent(form: Form, name: str) -> Decimal:
    """Nothing is nothing per cent."""
    return amount(form.text(name), name) if form.text(name) else Decimal(0)


def _whole(form: Form, name: str) -> int | None:
    """A number without places; None where nothing stands."""
    text = form.text(name)
    if text and not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValidationFailed("A whole number", field=name)
    return int(text) if text else None


@post(HOME + "/rules/{rule_id:int}/end", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_end(request: Req, rule_id: FromPath[int]) -> Response[str]:
    """No payment that is asked for from now on gets it."""
    seen = gate.begin(request)
    await gate.sensitive(request, seen, HOME)
    await gifts.end_rule(seen.desk, gate.actor(request, seen), rule_id)
    said = seen.words.gettext("Ended. Payments that were begun before still get it.")
    return render.go(request, seen, HOME, said)


@post(HOME + "/referral", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_terms(request: Req) -> Response[str]:
    """What a sign-up from now on is worth to who brought it."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    try:
        terms = Terms(_percent(form, "share"), _whole(form, "days"))
        await gifts.set_terms(seen.desk, gate.actor(request, seen), terms)
    except ValidationFailed as refused:
        return await _page(request, 422, opened="terms", form=form, refused=refused)
    return render.go(request, seen, HOME + "#referral", seen.words.gettext("Saved."))


@post(HOME + "/referrers/{customer_id:int}/stop", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))  # fmt: skip
async def post_stop(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """He earns nothing more."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, HOME)
    try:
        await gifts.stop_referrer(seen.desk, gate.actor(request, seen), customer_id, form.text("reason"))
    except ValidationFailed as refused:
        return await _page(request, 422, opened=f"stop-{customer_id}", form=form, refused=refused)
    return render.go(request, seen, HOME + "#best", seen.words.gettext("Stopped."))


HANDLERS: list[ControllerRouterHandler] = [get_gifts, post_rule, post_end, post_terms, post_stop]
