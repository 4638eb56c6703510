"""What goes in and out of `/webhooks`."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from ringlet.spelling import Digits, Instant
from ringlet.webhooks.endpoints import Endpoint, Made
from ringlet.webhooks.log import Attempt, Logged

EventType = Literal[
    "activation.created", "activation.message", "activation.completed", "activation.cancelled",
    "activation.expired", "activation.failed", "balance.low", "topup.succeeded",
]  # fmt: skip
Form = Literal["standard", "field"]
EndpointId = Annotated[str, Meta(pattern="^wh_[0-9A-Za-z]{22}$")]

#: what is always taken; installations may allow more, and nothing that leads to a private address is sent to
_URL = (
    r"^https://([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\.){1,5}[a-z]{2,20}(:443|:8443)?"
    r"(/[A-Za-z0-9._~/-]{0,500})?(\?[A-Za-z0-9._~/=&-]{0,500})?$"
)
Url = Annotated[
    str,
    Meta(
        max_length=2_000,
        description="Where to: https, port 443 or 8443, a host of the public internet",
        extra_json_schema={"format": "uri", "pattern": _URL},
    ),
]
Types = Annotated[list[EventType], Meta(max_length=20, description="What it is told of; empty = everything")]
Description = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{0,255}\Z", description="Your own words")]


class WebhookBody(Struct):
    """A new webhook. The form `field` is the unsigned message that other platforms send; it has one type."""

    url: Url
    types: Types = []
    description: Description = ""
    form: Form = "standard"


class WebhookChanges(Struct):
    """What is left out stays. `enabled: true` also takes back a disabling by us."""

    url: Url | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class RecoverBody(Struct):
    """From when on."""

    since: Annotated[Instant, Meta(description="From this time on, RFC 3339")]


class PublicWebhook(Struct):
    """A webhook. `failing_since`: every attempt since then has failed; after five days it is disabled."""

    id: EndpointId
    url: str
    types: list[EventType]
    description: str
    form: Form
    enabled: bool
    disabled_at: Instant | None
    disabled_reason: str | None
    failing_since: Instant | None
    created_at: Instant


class WebhookAnswer(Struct):
    webhook: PublicWebhook
    success: bool = True


class WebhookSecretAnswer(Struct):
    """`secret` is shown this once."""

    webhook: PublicWebhook
    secret: Annotated[str, Meta(pattern="^whsec_[A-Za-z0-9+/]+=*$")]
    success: bool = True


class WebhooksAnswer(Struct):
    data: list[PublicWebhook]
    success: bool = True


class WebhookDeletedAnswer(Struct):
    message: str = "No webhook is sent there any more"
    success: bool = True


class PublicAttempt(Struct):
    """One request. `status` and `answer` (its first 2 KiB) are the receiver's; `error` is in our words."""

    attempted_at: Instant
    status: int | None
    error: str | None
    took_ms: int
    answer: str | None


class PublicDelivery(Struct):
    """One event for this webhook. `webhook_id` is the header by which receivers know repetitions."""

    id: Digits
    webhook_id: str
    type: str | None
    activation_id: Digits | None
    state: Literal["pending", "delivered", "failed"]
    next_attempt_at: Instant | None
    created_at: Instant
    attempts: list[PublicAttempt]


class DeliveriesAnswer(Struct):
    data: list[PublicDelivery]
    next_cursor: Digits | None
    success: bool = True


class WebhookQueuedAnswer(Struct):
    """It is sent at once; what came back stands in the deliveries."""

    delivery: Digits
    success: bool = True


class RecoveredAnswer(Struct):
    """How many are sent again: 10,000 at most, so ask again when it was as many."""

    recovered: int
    success: bool = True


def webhook(endpoint: Endpoint) -> PublicWebhook:
    """An endpoint as customers see it."""
    return PublicWebhook(
        id=endpoint.public_id,
        url=endpoint.url,
        types=endpoint.types,  # type: ignore[arg-type]  # checked when they came in
        description=endpoint.description,
        form=endpoint.form,  # type: ignore[arg-type]
        enabled=endpoint.disabled_at is None,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_why,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
    )


def with_secret(made: Made) -> WebhookSecretAnswer:
    """The answer that shows a secret."""
    return WebhookSecretAnswer(webhook(made.endpoint), made.secret)


def delivery(endpoint_id: str, logged: Logged) -> PublicDelivery:
    """A delivery as customers see it."""
    row = logged.delivery
    over: Literal["delivered", "failed"] = "failed" if row.delivered_at is None else "delivered"
    return PublicDelivery(
        id=str(row.id),
        webhook_id=f"evt_{row.event_id}_{endpoint_id}",
        type=row.type,
        activation_id=None if row.public_id is None else str(row.public_id),
        state=over if row.due_at is None else "pending",
        next_attempt_at=row.due_at,
        created_at=row.created_at,
        attempts=[_attempt(each) for each in logged.attempts],
    )


def _attempt(attempt: Attempt) -> PublicAttempt:
    return PublicAttempt(
        attempted_at=attempt.attempted_at,
        status=attempt.status,
        error=attempt.error,
        took_ms=attempt.took_ms,
        answer=attempt.answer,
    )
