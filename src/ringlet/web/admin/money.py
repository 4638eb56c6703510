"""Money: what waits for a second person, what was decided, and whether the books balance."""

import asyncio
from collections.abc import Awaitable, Callable

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import audit
from ringlet.acts import Actor
from ringlet.backoffice import adjustments, approve_topup, auditing
from ringlet.desk import Desk
from ringlet.errors import Forbidden, Refusal, ValidationFailed
from ringlet.people.roles import Right, may
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.pages import records, render
from ringlet.web.pages.visit import Req

#: the audits that this process is at; a task that nobody holds may be forgotten
_AUDITS: set[asyncio.Task[bool]] = set()


@get("/admin/money", include_in_schema=False, opt=wants(Right.SEE))
async def get_money(request: Req) -> Response[str]:
    """What waits, what was decided, and the last audit."""
    return await _page(request)


async def _page(request: Req, status: int = 200, *, refused: Refusal | None = None) -> Response[str]:
    seen = gate.begin(request)
    before = records.cursor(request, "before")
    async with seen.desk.db.connection() as tx:
        waiting = await adjustments.waiting(tx)
        decided = await adjustments.decided(tx, before)
        topups = await approve_topup.waiting(tx)
        audited = await auditing.last(tx)
    person = seen.signed_in()
    is_running = audited.began_at is not None and (
        audited.ended_at is None or audited.ended_at < audited.began_at
    )
    return await render.page(
        request, seen, "admin/money.html", status, waiting=waiting, topups=topups, decided=decided[: adjustments.PART],
        older=decided[adjustments.PART - 1].id if len(decided) > adjustments.PART else None, is_first=before is None,
        audited=audited, is_running=is_running, checks=len(audit.CHECKS), may_decide=may(person.role, Right.MONEY),
        refused=refused,
    )  # fmt: skip


@post(
    "/admin/money/{adjustment_id:int}/approve",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.MONEY),
)
async def post_approve(request: Req, adjustment_id: FromPath[int]) -> Response[str]:
    """Post what somebody else has asked for."""
    said = gate.begin(request).words.gettext("Posted.")
    return await _decide(request, adjustment_id, adjustments.approve, said)


@post(
    "/admin/money/{adjustment_id:int}/refuse",
    include_in_schema=False,
    status_code=200,
    opt=wants(Right.MONEY),
)
async def post_refuse(request: Req, adjustment_id: FromPath[int]) -> Response[str]:
    """No money moves."""
    said = gate.begin(request).words.gettext("Refused: no money has moved.")
    return await _decide(request, adjustment_id, adjustments.refuse, said)


async def _decide(
    request: Req, adjustment_id: int, decide: Callable[[Desk, Actor, int], Awaitable[object]], said: str
) -> Response[str]:
    seen = gate.begin(request)
    await gate.sensitive(request, seen, "/admin/money")
    try:
        await decide(seen.desk, gate.actor(request, seen), adjustment_id)
    except (ValidationFailed, Forbidden) as refused:
        return await _page(request, refused.status, refused=refused)
    return render.go(request, seen, "/admin/money", said)


@post("/admin/money/audit", include_in_schema=False, status_code=200, opt=wants(Right.MONEY))
async def post_audit(request: Req) -> Response[str]:
    """Check the books beside everything else; the page shows what was found when it is done."""
    seen = gate.begin(request)
    await gate.form(request, seen)
    _begin_audit(seen.desk)
    return render.go(
        request,
        seen,
        "/admin/money#audit",
        seen.words.gettext("The audit has begun: load the page again in a moment."),
    )


def _begin_audit(desk: Desk) -> None:
    """Of two at once, in whatever process, one finds that the other has begun."""
    task = asyncio.create_task(auditing.audit_now(desk), name="audit")
    _AUDITS.add(task)
    task.add_done_callback(_AUDITS.discard)


HANDLERS: list[ControllerRouterHandler] = [get_money, post_approve, post_refuse, post_audit]
