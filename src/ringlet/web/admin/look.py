"""Looking at the client's pages through a customer's eyes: begun with a reason, ended by a button or by time."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import impersonate
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people.roles import Right
from ringlet.web.admin import customer, gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import render
from ringlet.web.pages.visit import LOOK, Req, cookie

LOOK_S = 60 * impersonate.LASTS_MINUTES


@post(
    "/admin/customers/{customer_id:int}/look",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.SUPPORT),
)
async def post_look(request: Req, customer_id: FromPath[int]) -> Response[str]:
    """Begin: from here on the client's pages are this customer's, for this browser."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, f"/admin/customers/{customer_id}")
    try:
        token = await impersonate.begin(
            seen.desk, gate.actor(request, seen), seen.signed_in(), customer_id, form.text("reason")
        )
    except ValidationFailed as refused:
        return await customer.page(request, customer_id, 422, form=form, refused=refused, opened="look")
    seen.cookies.append(cookie(LOOK, token, LOOK_S))
    return render.redirect(request, "/", seen.cookies)


@post("/admin/look/leave", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT))
async def post_leave(request: Req) -> Response[str]:
    """Back to the shop's side."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    seen.cookies.append(cookie(LOOK, "", 0))
    try:
        customer_id = await impersonate.leave(seen.desk, gate.actor(request, seen), seen.signed_in())
    except NotFound:
        return render.go(request, seen, "/admin/customers", seen.words.gettext("It was over already."))
    return render.go(
        request, seen, f"/admin/customers/{customer_id}", seen.words.gettext("You are yourself again.")
    )


@get("/admin/look/over", include_in_schema=False, opt=wants(Right.SEE))
async def get_over(request: Req) -> Response[str]:
    """The hour is over, or the session that began it: the browser forgets."""
    seen = gate.begin(request)
    seen.cookies.append(cookie(LOOK, "", 0))
    return await render.page(request, seen, "admin/look_over.html")


HANDLERS: list[ControllerRouterHandler] = [post_look, post_leave, get_over]
