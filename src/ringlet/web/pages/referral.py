"""Bringing somebody: the customer's own link, what it has earned, and where it leads."""

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.errors import Forbidden, ValidationFailed
from ringlet.people import referrals
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import MONTH_S, Req, Visit, cookie

VIA = "__Host-via"
HOME = "/referral"


@get(HOME, include_in_schema=False)
async def get_referral(request: Req) -> Response[str]:
    """The link, how many came by it, and what they have earned; of live money, whatever the mode."""
    seen = await visit.begin(request)
    return await _page(request, seen)


async def _page(
    request: Req, seen: Visit, status: int = 200, refused: ValidationFailed | Forbidden | None = None
) -> Response[str]:
    person = seen.signed_in()
    async with seen.desk.db.connection() as tx:
        brings = await referrals.terms_in(tx, seen.brand)
        referrer = await referrals.referrer(tx, person.customer_id)
    link = f"{seen.desk.settings.public_url}/r/{referrer.code}" if referrer else ""
    return await render.page(
        request, seen, "referral.html", status, brings=brings, referrer=referrer, link=link, refused=refused
    )


@post(HOME, include_in_schema=False, status_code=200)
async def post_referral(request: Req) -> Response[str]:
    """The customer wants a link."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    await visit.form(request, seen)
    try:
        await referrals.make_code(seen.desk, seen.brand, person)
    except (ValidationFailed, Forbidden) as refused:
        return await _page(request, seen, refused.status, refused)
    return render.go(request, seen, HOME, seen.words.gettext("Here is your link."))


@get("/r/{code:str}", include_in_schema=False)
async def get_via(request: Req, code: FromPath[str]) -> Response[str]:
    """On to the shop; the browser keeps by whose link it came. Nobody learns here whether there is such a code."""
    seen = await visit.begin(request)
    return arrive(request, seen, code)


def arrive(request: Req, seen: Visit, code: str) -> Response[str]:
    """On to the shop, with the code kept for a month; who has an account already was brought by nobody."""
    if seen.visitor is None and referrals.is_code(code):
        seen.cookies.append(cookie(VIA, code, MONTH_S))
    return render.redirect(request, "/", seen.cookies)


def via(request: Req, seen: Visit) -> str:
    """The code of whoever brought this visitor, when he signs up; "" when nobody did."""
    return request.cookies.get(VIA, "") if seen.visitor is None else ""


def forgotten(request: Req) -> list[Cookie]:
    """Once signed up, the code has done its work."""
    return [cookie(VIA, "", 0)] if VIA in request.cookies else []


HANDLERS: list[ControllerRouterHandler] = [get_referral, post_referral, get_via]
