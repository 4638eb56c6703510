"""Webhooks: the list, a new one, and one with its settings, its secret and its log."""

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from ringlet import events
from ringlet.errors import Refusal, ValidationFailed, WebhookRejected
from ringlet.idempotency import Once
from ringlet.people.visitor import Visitor
from ringlet.web.pages import records, render, visit, webhook_log
from ringlet.web.pages.visit import Form, Req, Visit
from ringlet.web.pages.webhook_log import checked, owner
from ringlet.webhooks import endpoints, log
from ringlet.webhooks.endpoints import Endpoint, NewEndpoint

FORMS = ("standard", "field")
DESCRIPTION = re.compile(r"[^\x00-\x1f\x7f]{0,255}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


@get("/webhooks", include_in_schema=False)
async def get_webhooks(request: Req) -> Response[str]:
    """The endpoints of the session's mode."""
    seen = await visit.begin(request)
    found = await endpoints.list_endpoints(seen.desk, seen.signed_in().wallet_id)
    return await render.page(
        request, seen, "webhooks.html", found=found, is_full=len(found) >= endpoints.PER_WALLET_MAX
    )


@get("/webhooks/new", include_in_schema=False)
async def get_new(request: Req) -> Response[str]:
    """The form of a new one."""
    seen = await visit.begin(request)
    seen.signed_in()
    return await _new(request, seen, Form([]))


async def _new(request: Req, seen: Visit, form: Form, refused: Refusal | None = None) -> Response[str]:
    return await render.page(
        request, seen, "webhook_new.html", refused.status if refused else 200, form=form, refused=refused,
        chosen=form.many("types"), types=events.TYPES, nonce=nonce(form),
    )  # fmt: skip


@post("/webhooks/new", include_in_schema=False, status_code=200)
async def post_new(request: Req) -> Response[str]:
    """Make it; its secret is shown this once, and again to who sends the same form again."""
    seen = await visit.begin(request)
    person = owner(seen)
    form = await visit.form(request, seen)
    try:
        new = NewEndpoint(form.text("url"), _types(form), _description(form), _form(form))
        made = await endpoints.create(seen.desk, person.wallet_id, new, once(form, person, "create", new))
    except (ValidationFailed, WebhookRejected) as refused:
        return await _new(request, seen, form, refused)
    return await render.page(request, seen, "webhook_secret.html", made=made, is_new=True)


@get("/webhooks/{webhook_id:str}", include_in_schema=False)
async def get_webhook(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """One, with its log. Refuses: NotFound, also for somebody else's."""
    seen = await visit.begin(request)
    return await _detail(request, seen, checked(webhook_id))


async def _detail(
    request: Req, seen: Visit, webhook_id: str, *, form: Form | None = None, refused: Refusal | None = None
) -> Response[str]:  # fmt: skip
    wallet_id = seen.signed_in().wallet_id
    endpoint = await endpoints.look(seen.desk, wallet_id, webhook_id)
    before = records.cursor(request, "before")
    logged = await log.deliveries(seen.desk, wallet_id, webhook_id, before)
    typed = form or Form([("url", endpoint.url), ("description", endpoint.description)])
    return await render.page(
        request, seen, "webhook.html", refused.status if refused else 200, endpoint=endpoint, form=typed,
        refused=refused, chosen=form.many("types") if form else endpoint.types, types=events.TYPES,
        nonce=nonce(None), recover_from=_recover_from(endpoint, seen.signed_in()), is_first=before is None, **webhook_log.log_context(logged),
    )  # fmt: skip


def _recover_from(endpoint: Endpoint, person: Visitor) -> str:
    """For a field: when the failing began, or a day ago."""
    since = endpoint.failing_since or endpoint.disabled_at or datetime.now(UTC) - timedelta(days=1)
    return since.astimezone(ZoneInfo(person.time_zone)).strftime("%Y-%m-%dT%H:%M")


@post("/webhooks/{webhook_id:str}", include_in_schema=False, status_code=200)
async def post_change(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """Another address, description or choice of events."""
    seen = await visit.begin(request)
    person = owner(seen)
    form = await visit.form(request, seen)
    webhook_id = checked(webhook_id)
    try:
        changes = {"url": form.text("url"), "description": _description(form), "types": _types(form)}
        await endpoints.change(seen.desk, person.wallet_id, webhook_id, changes)
    except (ValidationFailed, WebhookRejected) as refused:
        return await _detail(request, seen, webhook_id, form=form, refused=refused)
    return render.go(request, seen, f"/webhooks/{webhook_id}", seen.words.gettext("Saved."))


@post("/webhooks/{webhook_id:str}/enabled", include_in_schema=False, status_code=200)
async def post_enabled(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """On or off; off ends what waits to be sent."""
    seen = await visit.begin(request)
    person = owner(seen)
    form = await visit.form(request, seen)
    is_on = form.text("enabled") == "yes"
    await endpoints.change(seen.desk, person.wallet_id, checked(webhook_id), {"enabled": is_on})
    _ = seen.words.gettext
    said = _("Enabled: from now on it is told again.") if is_on else _("Disabled: nothing is sent there.")
    return render.go(request, seen, f"/webhooks/{webhook_id}", said)


@post("/webhooks/{webhook_id:str}/rotate", include_in_schema=False, status_code=200)
async def post_rotate(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """A new secret, shown this once; those before it sign beside it for a day."""
    seen = await visit.begin(request)
    person = owner(seen)
    form = await visit.form(request, seen)
    webhook_id = checked(webhook_id)
    rotated = once(form, person, "rotate", {"id": webhook_id})
    try:
        made = await endpoints.rotate(seen.desk, person.wallet_id, webhook_id, rotated)
    except WebhookRejected as refused:
        return await _detail(request, seen, webhook_id, refused=refused)
    return await render.page(request, seen, "webhook_secret.html", made=made, is_new=False)


@post("/webhooks/{webhook_id:str}/delete", include_in_schema=False, status_code=200)
async def post_delete(request: Req, webhook_id: FromPath[str]) -> Response[str]:
    """Gone, with all that waits to be sent."""
    seen = await visit.begin(request)
    person = owner(seen)
    await visit.form(request, seen)
    await endpoints.delete(seen.desk, person.wallet_id, checked(webhook_id))
    return render.go(
        request, seen, "/webhooks", seen.words.gettext("Deleted: nothing is sent there any more.")
    )


def nonce(form: Form | None) -> str:
    """What a form says so that sending it twice does it once."""
    known = form.get("nonce", "") if form else ""
    return known if _NONCE.fullmatch(known) else secrets.token_urlsafe(24)


def once(form: Form, person: Visitor, what: str, asked: Any) -> Once | None:
    """The idempotency key of a form that was sent."""
    known = form.get("nonce", "")
    if not _NONCE.fullmatch(known):
        return None
    fingerprint = hashlib.sha256(msgspec.json.encode((what, asked))).digest()
    return Once(person.wallet_id, f"page-{what}-{known}", fingerprint)


def _types(form: Form) -> tuple[str, ...]:
    types = tuple(dict.fromkeys(form.many("types")))
    if not set(types) <= set(events.TYPES):
        raise ValidationFailed("No event is called that", field="types")
    return types


def _description(form: Form) -> str:
    text = form.text("description")
    if not DESCRIPTION.fullmatch(text):
        raise ValidationFailed("One line of at most 255 characters", field="description")
    return text


def _form(form: Form) -> str:
    if form.text("form") not in FORMS:
        raise ValidationFailed("Choose one of the forms")
    return form.text("form")


HANDLERS: list[ControllerRouterHandler] = [
    get_webhooks, get_new, post_new, get_webhook, post_change, post_enabled, post_rotate, post_delete,
    *webhook_log.HANDLERS,
]  # fmt: skip
