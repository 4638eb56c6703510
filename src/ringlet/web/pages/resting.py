"""/resting: an account that used too little of what it bought, and its owner's own way out."""

from datetime import UTC, datetime

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.activations import admit
from ringlet.errors import Forbidden, Refusal
from ringlet.limits import SHIPPED
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import Req


@get("/resting", include_in_schema=False)
async def get_resting(request: Req) -> Response[str]:
    """Whether the account rests, why and until when."""
    return await _page(request)


async def _page(request: Req, status: int = 200, refused: Refusal | None = None) -> Response[str]:
    seen = await visit.begin(request)
    person = seen.signed_in()
    standing = await seen.desk.standings.of(person.customer_id)
    limits = (await seen.desk.policy.fresh()).limits(person.customer_id, standing.is_vouched)
    lifts_left = None if limits.floor_lifts is None else max(0, limits.floor_lifts - standing.lifts)
    percent = SHIPPED.floor_percent if limits.floor_percent is None else limits.floor_percent
    return await render.page(
        request, seen, "resting.html", status, standing=standing, lifts_left=lifts_left, percent=percent,
        is_resting=standing.rest_left_s(datetime.now(UTC)) > 0, refused=refused,
    )  # fmt: skip


@post("/resting", include_in_schema=False, status_code=200)
async def post_resting(request: Req) -> Response[str]:
    """The owner ends the rest."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    await visit.form(request, seen)
    try:
        await admit.lift(seen.desk, person.customer_id)
    except Forbidden as refused:
        return await _page(request, 403, refused)
    return render.go(request, seen, "/", seen.words.gettext("You can buy again."))


HANDLERS: list[ControllerRouterHandler] = [get_resting, post_resting]
