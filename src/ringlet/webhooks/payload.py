"""What a webhook says: the bytes of its body, in the form that the endpoint wants, and its signature."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from standardwebhooks import Webhook

from ringlet import money, spelling
from ringlet.activations.browse import Seen
from ringlet.activations.states import State
from ringlet.activations.store import Activation, Message
from ringlet.spelling import PublicActivation, PublicMessage

#: Standard Webhooks: below 20 kilobytes, so that every receiver's limit is far away
BODY_BYTES_MAX = 19_000
CUT_TO = 1_000
TEST = "webhook.test"


class Event(Struct, frozen=True):
    """A row of `event`: what was true when it happened."""

    id: int
    wallet_id: int
    type: str
    activation_id: int | None
    message_id: int | None
    state: str | None
    code: str | None
    data: dict[str, Any] | None
    created_at: datetime


class Content(Struct):
    """`sequence` counts up, with gaps. What belongs to no activation comes in `account`."""

    sequence: int
    activation: PublicActivation | UnsetType = UNSET
    message: PublicMessage | UnsetType = UNSET
    account: dict[str, Any] | UnsetType = UNSET


class Payload(Struct):
    """The body of a webhook, by Standard Webhooks."""

    type: str
    timestamp: datetime
    data: Content


class FieldPayload(Struct, rename="camel"):
    """The body that programs of this trade know: a message, nothing else."""

    activation_id: int
    service: str
    text: str
    code: str | None
    country: int
    received_at: str


def then(event: Event, activation: Activation, messages: Sequence[Message]) -> Seen:
    """The activation as it was when the event happened; its phone and the like do not change."""
    if event.state is not None:
        activation = msgspec.structs.replace(activation, state=State(event.state), code=event.code)
    known = [each for each in messages if each.id == event.message_id or each.received_at <= event.created_at]
    return Seen(activation, known)


def body(form: str, event: Event, seen: Seen | None) -> bytes:
    """The bytes to send. The same event says the same again, whenever it is tried."""
    if form == "field":
        return spelling.encode(_field(event, seen))
    content = Content(sequence=event.id)
    if event.data is not None:
        content.account = _amounts(event.data)
    if seen is not None:
        content.activation = spelling.activation(seen)
        content.message = _message(event, seen) or UNSET
    return _short(Payload(event.type, event.created_at.astimezone(UTC), content))


def _message(event: Event, seen: Seen) -> PublicMessage | None:
    return next((spelling.spell_message(each) for each in seen.messages if each.id == event.message_id), None)


def _amounts(values: dict[str, Any]) -> dict[str, Any]:
    """`balance_micros` of an event is `balance` outside, as a number."""
    return {
        name.removesuffix("_micros"): money.to_amount(value) if name.endswith("_micros") else value
        for name, value in values.items()
    }


def _short(payload: Payload) -> bytes:
    """Without the oldest messages when they are too many, and with long texts cut when that is not enough."""
    encoded = spelling.encode(payload)
    activation = payload.data.activation
    if activation is UNSET:
        return encoded
    while len(encoded) > BODY_BYTES_MAX and len(activation.messages) > 1:
        activation.messages = activation.messages[len(activation.messages) // 2 :]
        encoded = spelling.encode(payload)
    if len(encoded) > BODY_BYTES_MAX:
        told = payload.data.message
        for each in [*activation.messages, *([] if told is UNSET else [told])]:
            each.text = each.text[:CUT_TO]
        encoded = spelling.encode(payload)
    return encoded


def _field(event: Event, seen: Seen | None) -> FieldPayload:
    message = None if seen is None else _message(event, seen)
    if seen is None or message is None:
        return FieldPayload(0, "go", "Your code is 12345", "12345", 0, _seconds(event.created_at))
    row = seen.activation
    return FieldPayload(
        row.public_id,
        row.service,
        message.text,
        message.code or None,
        row.country,
        _seconds(message.received_at),
    )


def _seconds(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def headers(form: str, webhook_id: str, secrets: Sequence[str], text: bytes, now: datetime) -> dict[str, str]:
    """The head of one attempt at `now`, signed with every secret that is good. The field form is not signed."""
    found = {"Content-Type": "application/json", "webhook-id": webhook_id}
    if form == "field":
        return found
    signatures = [Webhook(secret).sign(webhook_id, now, text.decode()) for secret in secrets]
    return {
        **found,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
