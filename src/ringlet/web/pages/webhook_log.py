"""What was sent to a webhook: the log, one delivery in full, a test, sending again."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet.errors import Forbidden, NotFound, Refusal, ValidationFailed, WebhookRejected
from ringlet.people.visitor import Visitor
from ringlet.web.pages import records, render, visit
from ringlet.web.pages.visit import Req, Visit
from ringlet.webhooks import endpoints, log, shown
from ringlet.webhooks.log import Logged

#: what is due so soon is looked for again by the page itself
SOON = timedelta(seconds=20)
_ID = re.compile(r"wh_[0-9A-Za-z]{22}")


def log_context(logged: Sequence[Logged]) -> dict[str, Any]:
    """What the log's template needs."""
    soon = datetime.now(UTC) + SOON
    return {
        "logged": logged,
        "older": logged[-1].delivery.id if len(logged) == log.PER_PAGE else None,
        "is_waiting": any(each.delivery.due_at and each.delivery.due_at < soon for each in logged),
    }


@get("/webhooks/{webhook_id:str}/log", include_in_schema=False)
async def get_log(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """The newest of the log alone, for a page that waits for an outcome."""
    seen = await visit.begin(request)
    wallet_id = seen.signed_in().wallet_id
    webhook_id = checked(webhook_id)
    if not visit.is_swap(request):
        return render.go(request, seen, f"/webhooks/{webhook_id}#log")
    logged = await log.deliveries(seen.desk, wallet_id, webhook_id, None)
    endpoint = await endpoints.look(seen.desk, wallet_id, webhook_id)
    return render.part(
        seen, "parts/webhook_log.html", endpoint=endpoint, is_first=True, **log_context(logged)
    )


@get("/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}", include_in_schema=False)
async def get_delivery(request: Req, webhook_id: FromPath[str], delivery_id: FromPath[str]) -> Response[str]:
    """One delivery: the request as it is sent, and what came back each time. Refuses: NotFound."""
    seen = await visit.begin(request)
    return await _delivery(request, seen, checked(webhook_id), records.number(delivery_id))


async def _delivery(
    request: Req, seen: Visit, webhook_id: str, delivery_id: int, refused: Refusal | None = None
) -> Response[str]:
    one = await shown.delivery(seen.desk, seen.signed_in().wallet_id, webhook_id, delivery_id)
    return await render.page(
        request, seen, "webhook_delivery.html", refused.status if refused else 200, one=one, refused=refused,
        delivery=one.logged.delivery, endpoint=one.endpoint, body=_pretty(one.body or ""),
    )  # fmt: skip


def _pretty(body: str) -> str:
    return msgspec.json.format(body, indent=2) if body else ""


@post("/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}", include_in_schema=False, status_code=200)
async def post_replay(request: Req, webhook_id: FromPath[str], delivery_id: FromPath[str]) -> Response[str]:
    """Send it again, whatever became of it."""
    seen = await visit.begin(request)
    person = owner(seen)
    await visit.form(request, seen)
    webhook_id, number = checked(webhook_id), records.number(delivery_id)
    try:
        await log.replay(seen.desk, person.wallet_id, webhook_id, number)
    except WebhookRejected as refused:
        return await _delivery(request, seen, webhook_id, number, refused)
    return render.go(request, seen, f"/webhooks/{webhook_id}#log", seen.words.gettext("Sent again."))


@post("/webhooks/{webhook_id:str}/test", include_in_schema=False, status_code=200)
async def post_test(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """An event of no consequence, to this webhook alone."""
    seen = await visit.begin(request)
    person = owner(seen)
    await visit.form(request, seen)
    webhook_id = checked(webhook_id)
    try:
        await log.send_test(seen.desk, person.wallet_id, webhook_id)
    except WebhookRejected as refused:
        return _back(request, seen, webhook_id, refused)
    said = seen.words.gettext("A test is on its way; what comes back stands in the log.")
    return render.go(request, seen, f"/webhooks/{webhook_id}#log", said)


@post("/webhooks/{webhook_id:str}/recover", include_in_schema=False, status_code=200)
async def post_recover(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """Send again all that has failed for good since then."""
    seen = await visit.begin(request)
    person = owner(seen)
    form = await visit.form(request, seen)
    webhook_id = checked(webhook_id)
    try:
        since = _since(form.text("since"), person)
        done = await log.recover(seen.desk, person.wallet_id, webhook_id, since)
    except (ValidationFailed, WebhookRejected) as refused:
        return _back(request, seen, webhook_id, refused)
    said = seen.words.ngettext("%(n)s webhook is sent again.", "%(n)s webhooks are sent again.", done.count)
    return render.go(
        request, seen, f"/webhooks/{webhook_id}#log", said % {"n": seen.words.number(done.count)}
    )


def _since(text: str, person: Visitor) -> datetime:
    """What a field for a moment says, in the person's time zone. Refuses: ValidationFailed."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationFailed("Say from when on") from None
    if not 2000 <= found.year <= 2200:  # noqa: PLR2004 - what a database can hold, with room
        raise ValidationFailed("Say from when on")
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(person.time_zone))


def _back(request: Req, seen: Visit, webhook_id: str, refused: Refusal) -> Response[str]:
    """To the webhook's page, which says why not."""
    return render.go(request, seen, f"/webhooks/{webhook_id}", seen.words.gettext(refused.message), "bad")


def owner(seen: Visit) -> Visitor:
    """The person, who may change things. Refuses: SeeOther, Forbidden."""
    person = seen.signed_in()
    if person.is_frozen:
        raise Forbidden("This account is frozen")
    return person


def checked(webhook_id: str) -> str:
    """Refuses: NotFound for what cannot be one."""
    if not _ID.fullmatch(webhook_id):
        raise NotFound
    return webhook_id


HANDLERS: list[ControllerRouterHandler] = [get_log, get_delivery, post_replay, post_test, post_recover]
