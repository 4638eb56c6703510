"""The public spelling of an activation, the same in answers, streams and webhooks: names, numbers, words, JSON.

Money becomes a JSON number here, written from exact decimals, never from a float of ours.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ringlet import money
from ringlet.activations.browse import Seen
from ringlet.activations.states import REFUNDED, State
from ringlet.activations.store import Activation, Message

encode = msgspec.json.Encoder(decimal_format="number").encode

Digits = Annotated[str, Meta(pattern="^[0-9]+$", max_length=18)]
Amount = Decimal
Instant = Annotated[datetime, Meta(tz=True)]

#: state → the number and the words that the reference's clients know
STATUS: dict[State, tuple[int, str]] = {
    State.WAITING: (1, "Waiting Sms"),
    State.RECEIVED: (2, "Sms Received"),
    State.ORDERING: (5, "Ordering"),
    State.FINISHED: (6, "Completed"),
    State.CANCELLED: (8, "Cancelled"),
    State.FAILED: (9, "Failed"),
    State.EXPIRED: (10, "Expired"),
}
WAITING_AGAIN = (3, "Waiting Another Sms")

#: state → the word of the status endpoint
STATUS_WORD: dict[State, str] = {
    State.WAITING: "waiting",
    State.ORDERING: "ordering",
    State.RECEIVED: "completed",
    State.FINISHED: "completed",
    State.CANCELLED: "cancelled",
    State.FAILED: "cancelled",
    State.EXPIRED: "expired",
}


def one_of(values: Iterable[object]) -> Meta:
    """For a schema: one of these."""
    return Meta(extra_json_schema={"enum": sorted(set(values), key=str)})


StatusNumber = Annotated[int, one_of([*(number for number, _ in STATUS.values()), WAITING_AGAIN[0]])]
StateWord = Annotated[str, one_of(str(state) for state in State)]
StatusWord = Annotated[str, one_of(STATUS_WORD.values())]


class PublicMessage(Struct):
    """A message that came for an activation. `late`: after the refund, not charged. `forgotten`: it came, and its
    text and code are not kept any more.
    """

    id: int
    sender: str
    text: str
    code: str | None
    received_at: Instant
    late: bool | UnsetType = UNSET
    forgotten: bool | UnsetType = UNSET


class PublicActivation(Struct):
    """An activation, everywhere the same. `forgotten`: its code came and is not kept any more."""

    id: int
    phone: str | None
    activation_id: Digits
    msg: str
    date_created: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")]
    amount_paid: Amount
    status: StatusNumber
    state: StateWord
    service: str
    country: int
    operator: str
    code: str | None
    messages: list[PublicMessage]
    expires_at: Instant
    reference: str | None
    resent_from: Digits | None
    refunded: bool | UnsetType = UNSET
    forgotten: bool | UnsetType = UNSET


def activation(seen: Seen) -> PublicActivation:
    """An activation as customers see it."""
    row = seen.activation
    status, msg = STATUS[row.state]
    if row.state == State.WAITING and row.resent_from is not None:
        status, msg = WAITING_AGAIN
    return PublicActivation(
        id=row.id,
        phone=row.phone,
        activation_id=str(row.public_id),
        msg=msg,
        date_created=row.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        amount_paid=money.to_amount(row.amount_micros),
        status=status,
        state=str(row.state),
        service=row.service,
        country=row.country,
        operator=row.operator,
        code=row.code or None,
        messages=[spell_message(message) for message in seen.messages],
        expires_at=row.expires_at,
        reference=row.reference,
        resent_from=None if row.resent_from is None else str(row.resent_from),
        refunded=True if row.state in REFUNDED else UNSET,
        forgotten=True if row.is_forgotten else UNSET,
    )


def fresh(row: Activation) -> PublicActivation:
    """A new activation, which has no messages yet."""
    return activation(Seen(row, ()))


def spell_message(message: Message) -> PublicMessage:
    """A message as customers see it."""
    return PublicMessage(
        id=message.id,
        sender=message.sender,
        text=message.text,
        code=message.code or None,
        received_at=message.received_at,
        late=True if message.late else UNSET,
        forgotten=True if message.is_forgotten else UNSET,
    )
