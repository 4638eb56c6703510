"""Messages for numbers that nobody had leased."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.activations.receive import Orphan
from ringlet.backoffice import orphans
from ringlet.backoffice.reveal import masked
from ringlet.errors import Refusal, ValidationFailed
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Form, Req


@get("/admin/inbox", include_in_schema=False, opt=wants(Right.SEE))
async def get_inbox(request: Req) -> Response[str]:
    """A part of them, newest first."""
    return await _page(request)


@post(
    "/admin/inbox/{message_id:int}/reveal", include_in_schema=False, status_code=200, opt=wants(Right.SUPPORT)
)
async def post_reveal(request: Req, message_id: FromPath[int]) -> Response[str]:
    """One text, this once, to who has said why."""
    seen = gate.begin(request)
    form = await gate.sensitive(request, seen, "/admin/inbox")
    try:
        read = await orphans.read(seen.desk, gate.actor(request, seen), message_id, form.text("reason"))
    except ValidationFailed as refused:
        return await _page(request, 422, form=form, refused=refused, opened=f"message-{message_id}")
    return await _page(request, read=read)


async def _page(
    request: Req, status: int = 200, *, form: Form | None = None, refused: Refusal | None = None, opened: str = "",
    read: Orphan | None = None,
) -> Response[str]:  # fmt: skip
    seen = gate.begin(request)
    before = records.cursor(request, "before") if read is None else read.id + 1
    part = await orphans.part(seen.desk, before)
    return await render.page(
        request, seen, "admin/inbox.html", status, part=part, is_first=before is None, read=read, masked=masked,
        form=form or Form([]), refused=refused, opened=opened, may_read=may(seen.signed_in().role, Right.SUPPORT),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_inbox, post_reveal]
