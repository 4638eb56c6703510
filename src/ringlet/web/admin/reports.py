"""Numbers that were reported."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import reports
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Req

HOME = "/admin/reports"


@get(HOME, include_in_schema=False, opt=wants(Right.SEE))
async def get_reports(request: Req) -> Response[str]:
    """Those that wait; with `?done` those that were dealt with and are not forgotten yet."""
    seen = gate.begin(request)
    is_done = "done" in request.query_params
    found = await reports.listed(seen.desk, is_done=is_done, before=records.cursor(request, "before"))
    older = found[-1].id if len(found) == reports.PAGE else None
    return await render.page(request, seen, "admin/reports.html", reports=found, is_done=is_done, older=older)


@post(HOME + "/{report_id:int}", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT))
async def post_report(request: Req, report_id: FromPath[int]) -> Response[str]:
    """Done, and with `do=block` the number is never leased again; `do=unblock` takes that back."""
    seen = gate.begin(request)
    form = await gate.form(request, seen)
    actor, wish = gate.actor(request, seen), form.text("do")
    if wish == "unblock":
        await reports.unblock(seen.desk, actor, report_id)
        return render.go(request, seen, HOME, seen.words.gettext("The number may be leased again."))
    await reports.done(seen.desk, actor, report_id, block=wish == "block")
    said = (
        seen.words.gettext("Done. The number is never leased again.") if wish == "block"
        else seen.words.gettext("Done.")
    )  # fmt: skip
    return render.go(request, seen, HOME, said)


HANDLERS: list[ControllerRouterHandler] = [get_reports, post_report]
