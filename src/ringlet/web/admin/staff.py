"""Who runs the shop, and what they did."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import acts
from ringlet.backoffice import staff
from ringlet.errors import NotFound, Refusal, ValidationFailed
from ringlet.people.roles import ROLES, Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import records, render
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Form, Req

PAGE = 50


@get("/admin/staff", include_in_schema=False, opt=wants(Right.OWN))
async def get_staff(request: Req) -> Response[str]:
    """Everybody with a role."""
    return await _page(request)


@post("/admin/staff", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_staff(request: Req) -> Response[str]:
    """Appoint somebody who has an account, or change his role."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, "/admin/staff")
    try:
        await staff.appoint(seen.desk, gate.actor(request, seen), form.text("email"), form.text("role"))
    except NotFound:
        said = seen.words.gettext("Nobody has an account with this address: they sign up first.")
        return await _page(request, 422, form=form, refused=ValidationFailed(said, field="email"))
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused)
    return render.go(request, seen, "/admin/staff", seen.words.gettext("Saved."))


@post("/admin/staff/{person_id:int}/dismiss", include_in_schema=False, status_code=200, opt=wants(Right.OWN))
async def post_dismiss(request: Req, person_id: FromPath[int]) -> Response[str]:
    """No role any more."""
    seen = gate.begin(request)
    await gate.sensitive(request, seen, "/admin/staff")
    await staff.dismiss(seen.desk, gate.actor(request, seen), person_id)
    return render.go(request, seen, "/admin/staff", seen.words.gettext("Dismissed."))


async def _page(
    request: Req, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:
    seen = gate.begin(request)
    everybody = await staff.everybody(seen.desk)
    return await render.page(
        request, seen, "admin/staff.html", status, everybody=everybody, roles=tuple(ROLES), form=form, refused=refused
    )  # fmt: skip


@get("/admin/log", include_in_schema=False, opt=wants(Right.SEE))
async def get_log(request: Req) -> Response[str]:
    """What staff did, the newest first, and whether the chain is whole."""
    seen = gate.begin(request)
    asked = {name: request.query_params.get(name, "").strip()[:200] for name in ("act", "about", "actor")}
    async with seen.desk.db.connection() as tx:
        lines = await acts.search(tx, **asked, before=records.cursor(request, "before"), limit=PAGE + 1)
        broken = await acts.first_broken(tx) if "check" in request.query_params else None
    return await render.page(
        request, seen, "admin/log.html", lines=lines[:PAGE], older=lines[PAGE - 1].id if len(lines) > PAGE else None,
        asked=asked, broken=broken, is_checked="check" in request.query_params, names=Names(seen.words),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_staff, post_staff, post_dismiss, get_log]
