"""`/webhooks`: where customers say what they want to be told, and see what was sent."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, delete, get, patch, post, route
from litestar.params import Parameter

from ringlet.errors import NotFound
from ringlet.web import bodies, wire
from ringlet.web import webhook_wire as spell
from ringlet.web.api import Req, caller, office
from ringlet.webhooks import endpoints, log

SCOPE = "webhooks:write"
TAG = ["Webhooks"]

WebhookId = Annotated[str, Parameter(description="As its creation answered it")]
DeliveryId = Annotated[str, Parameter(description="As the deliveries name it")]
Cursor = Annotated[
    str | None, Parameter(pattern=r"^[0-9]{1,18}\Z", description="`next_cursor` of the page before")
]


@post("/webhooks", operation_id="createWebhook", summary="A new webhook", status_code=200, tags=TAG)
async def post_webhook(request: Req) -> Response[spell.WebhookSecretAnswer]:
    """At most 20. The secret is shown this once. The same url (in the same form) is refused while there is one."""
    wallet = caller(request, SCOPE).wallet
    body = await bodies.read(request, spell.WebhookBody)
    new = endpoints.NewEndpoint(body.url, body.types, body.description, body.form)
    once = await bodies.once(request, wallet.id)
    made = await endpoints.create(office(request).desk, wallet.id, new, once)
    return _answer(spell.with_secret(made), replayed=made.replayed)


@get("/webhooks", operation_id="listWebhooks", summary="Your webhooks", tags=TAG)
async def get_webhooks(request: Req) -> Response[spell.WebhooksAnswer]:
    """Oldest first, without their secrets."""
    wallet = caller(request, SCOPE).wallet
    found = await endpoints.list_endpoints(office(request).desk, wallet.id)
    return _answer(spell.WebhooksAnswer([spell.webhook(each) for each in found]))


@get("/webhooks/{webhook_id:str}", operation_id="getWebhook", summary="One webhook", tags=TAG)
async def get_webhook(request: Req, webhook_id: WebhookId) -> Response[spell.WebhookAnswer]:
    """Without its secret."""
    wallet = caller(request, SCOPE).wallet
    found = await endpoints.look(office(request).desk, wallet.id, _id(webhook_id))
    return _answer(spell.WebhookAnswer(spell.webhook(found)))


@patch("/webhooks/{webhook_id:str}", operation_id="changeWebhook", summary="Change a webhook", tags=TAG)
async def patch_webhook(request: Req, webhook_id: WebhookId) -> Response[spell.WebhookAnswer]:
    """What is left out stays as it is. Disabling ends what waits to be sent; `recover` brings it back."""
    wallet = caller(request, SCOPE).wallet
    body = await bodies.read(request, spell.WebhookChanges)
    changes = {
        name: value for name, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET
    }
    changed = await endpoints.change(office(request).desk, wallet.id, _id(webhook_id), changes)
    return _answer(spell.WebhookAnswer(spell.webhook(changed)))


@delete("/webhooks/{webhook_id:str}", operation_id="deleteWebhook", summary="Delete a webhook", status_code=200,
        tags=TAG)  # fmt: skip
async def delete_webhook(request: Req, webhook_id: WebhookId) -> Response[spell.WebhookDeletedAnswer]:
    """With all that waits to be sent."""
    wallet = caller(request, SCOPE).wallet
    await endpoints.delete(office(request).desk, wallet.id, _id(webhook_id))
    return _answer(spell.WebhookDeletedAnswer())


@post("/webhooks/{webhook_id:str}/rotate", operation_id="rotateWebhookSecret", summary="A new secret",
      status_code=200, tags=TAG)  # fmt: skip
async def post_rotate(request: Req, webhook_id: WebhookId) -> Response[spell.WebhookSecretAnswer]:
    """For 24 hours webhooks are signed with the new and the old ones."""
    wallet = caller(request, SCOPE).wallet
    once = await bodies.once(request, wallet.id)
    made = await endpoints.rotate(office(request).desk, wallet.id, _id(webhook_id), once)
    return _answer(spell.with_secret(made), replayed=made.replayed)


@post("/webhooks/{webhook_id:str}/test", operation_id="testWebhook", summary="Send a test event", status_code=200,
      tags=TAG)  # fmt: skip
async def post_test(request: Req, webhook_id: WebhookId) -> Response[spell.WebhookQueuedAnswer]:
    """An event of type `webhook.test`, to this webhook alone; in the form `field` a made-up message."""
    wallet = caller(request, SCOPE).wallet
    once = await bodies.once(request, wallet.id)
    sent = await log.send_test(office(request).desk, wallet.id, _id(webhook_id), once)
    return _answer(spell.WebhookQueuedAnswer(str(sent.delivery_id)), replayed=sent.replayed)


@get(
    "/webhooks/{webhook_id:str}/deliveries", operation_id="listDeliveries", summary="What was sent", tags=TAG
)
async def get_deliveries(
    request: Req, webhook_id: WebhookId, cursor: Cursor = None
) -> Response[spell.DeliveriesAnswer]:
    """Newest first, 25 on a page, each with its attempts; kept for 30 days."""
    wallet = caller(request, SCOPE).wallet
    before = None if cursor is None else int(cursor)
    found = await log.deliveries(office(request).desk, wallet.id, _id(webhook_id), before)
    return _answer(
        spell.DeliveriesAnswer(
            data=[spell.delivery(webhook_id, each) for each in found],
            next_cursor=str(found[-1].delivery.id) if len(found) == log.PER_PAGE else None,
        )
    )


@post("/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/replay", operation_id="replayDelivery",
      summary="Send one again", status_code=200, tags=TAG)  # fmt: skip
async def post_replay(
    request: Req, webhook_id: WebhookId, delivery_id: DeliveryId
) -> Response[spell.WebhookQueuedAnswer]:
    """At once, whatever became of it before. It keeps its `webhook-id`."""
    wallet = caller(request, SCOPE).wallet
    if not (delivery_id.isascii() and delivery_id.isdigit() and len(delivery_id) <= 18):  # noqa: PLR2004
        raise NotFound("No such delivery")
    once = await bodies.once(request, wallet.id)
    sent = await log.replay(office(request).desk, wallet.id, _id(webhook_id), int(delivery_id), once)
    return _answer(spell.WebhookQueuedAnswer(delivery_id), replayed=sent.replayed)


@post("/webhooks/{webhook_id:str}/recover", operation_id="recoverWebhook", summary="Send all failed ones again",
      status_code=200, tags=TAG)  # fmt: skip
async def post_recover(request: Req, webhook_id: WebhookId) -> Response[spell.RecoveredAnswer]:
    """All events since then whose delivery has failed for good, after a receiver's long outage."""
    wallet = caller(request, SCOPE).wallet
    body = await bodies.read(request, spell.RecoverBody)
    once = await bodies.once(request, wallet.id)
    done = await log.recover(office(request).desk, wallet.id, _id(webhook_id), body.since, once)
    return _answer(spell.RecoveredAnswer(done.count), replayed=done.replayed)


def _id(text: str) -> str:
    """What cannot be one is not looked for: PostgreSQL's text holds no NUL."""
    if not (text.isascii() and text.isprintable()):
        raise NotFound("No such webhook")
    return text


def _answer(body: msgspec.Struct, *, replayed: bool = False) -> Response[Any]:
    """These answers hold secrets or change all the time."""
    answer = wire.answer(body, replayed=replayed)
    answer.headers["Cache-Control"] = "no-store"
    return answer


# Litestar's own answer to OPTIONS names only the method that was registered first.
@route("/webhooks", http_method="OPTIONS", include_in_schema=False)
async def options_of_all() -> Response[None]:
    """What can be done here."""
    return Response(None, status_code=204, headers={"Allow": "GET, OPTIONS, POST"})


@route("/webhooks/{webhook_id:str}", http_method="OPTIONS", include_in_schema=False)
async def options_of_one() -> Response[None]:
    """What can be done here."""
    return Response(None, status_code=204, headers={"Allow": "DELETE, GET, OPTIONS, PATCH"})


router = Router(
    "/api/v1",
    route_handlers=[
        options_of_all, options_of_one,
        post_webhook, get_webhooks, get_webhook, patch_webhook, delete_webhook, post_rotate, post_test,
        get_deliveries, post_replay, post_recover,
    ],
)  # fmt: skip
