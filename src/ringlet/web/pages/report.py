"""Report a number: for everybody, signed in or not. And the work that browsers do before such forms."""

import json
from typing import Any

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from ringlet.backoffice import reports
from ringlet.errors import RateLimited, ValidationFailed
from ringlet.people import proof_of_work
from ringlet.web.api import office
from ringlet.web.pages import render, visit
from ringlet.web.pages.account import refuse, sender
from ringlet.web.pages.visit import Form, Req, Visit

PROOF = "proof"


@get("/work", include_in_schema=False)
async def get_work(request: Req) -> Response[str]:
    """What the widget of a form solves; nothing is kept of it."""
    made = json.dumps(proof_of_work.challenge(office(request).desk))
    return Response(made, media_type="application/json", headers=dict(render.HEADERS))


@get("/report", include_in_schema=False)
async def get_report(request: Req) -> Response[str]:
    """The form."""
    seen = await visit.begin(request)
    return await render.page(request, seen, "report.html", **(await _context(seen, Form([]))))


async def _context(seen: Visit, form: Form) -> dict[str, Any]:
    return {"form": form, "asks_for_work": await proof_of_work.is_asked(seen.desk)}


@post("/report", include_in_schema=False, status_code=200)
async def post_report(request: Req) -> Response[str]:
    """Kept for staff. The answer is the same for every number, ours or not."""
    seen = await visit.begin(request)
    form = await visit.form(request, seen)
    try:
        await reports.report(
            seen.desk, form.text("phone"), form.get("story", ""), form.text("email"),
            proof=form.text(PROOF), address=sender(request)[0],
        )  # fmt: skip
    except (ValidationFailed, RateLimited) as refused:
        return await refuse(request, seen, "report.html", refused, **(await _context(seen, form)))
    return render.redirect(request, "/report/sent", seen.cookies)


@get("/report/sent", include_in_schema=False)
async def get_sent(request: Req) -> Response[str]:
    """What happens now."""
    return await render.page(request, await visit.begin(request), "report_sent.html")


HANDLERS: list[ControllerRouterHandler] = [get_work, get_report, post_report, get_sent]
