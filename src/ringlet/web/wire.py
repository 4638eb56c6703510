"""The public spelling: the only place that knows how things are called outside, and the only one with money as a
JSON number (written from exact decimals, never a float of ours).
"""

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Response
from msgspec import UNSET, Meta, Struct, UnsetType

from ringlet import money
from ringlet.activations.browse import Seen
from ringlet.activations.states import REFUNDED, State
from ringlet.activations.store import Activation, Message
from ringlet.errors import NotFound

encode = msgspec.json.Encoder(decimal_format="number").encode

Digits = Annotated[str, Meta(pattern="^[0-9]+$", max_length=18)]
Amount = Decimal
Instant = Annotated[datetime, Meta(tz=True)]

_ACTIVATION_ID = re.compile(r"[0-9]{1,18}")

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


def _one_of(values: Iterable[object]) -> Meta:
    return Meta(extra_json_schema={"enum": sorted(set(values), key=str)})


StatusNumber = Annotated[int, _one_of([*(number for number, _ in STATUS.values()), WAITING_AGAIN[0]])]
StateWord = Annotated[str, _one_of(str(state) for state in State)]
StatusWord = Annotated[str, _one_of(STATUS_WORD.values())]


class PublicMessage(Struct):
    """A message that came for an activation. `late`: after the refund, not charged."""

    id: int
    sender: str
    text: str
    code: str | None
    received_at: Instant
    late: bool | UnsetType = UNSET


class PublicActivation(Struct):
    """An activation, everywhere the same."""

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


class OrderRef(Struct):
    """The order behind an activation: its id and the customer's own reference."""

    id: Digits
    reference: str | None


class TransactionRef(Struct):
    """The posting that holds the price; 0 when there was nothing to pay."""

    id: int


class BuyAnswer(Struct):
    activation: PublicActivation
    order: OrderRef
    transaction: TransactionRef
    success: bool = True


class StatusAnswer(Struct):
    """`code` is null until it comes; `resend_price` is what asking for another message would cost now."""

    status: StatusWord
    code: str | None
    activation: PublicActivation
    resend_price: Amount | None
    success: bool = True


class ResendAnswer(Struct):
    activation: PublicActivation
    message: str = "Resend requested; new activation created"
    success: bool = True


CANCEL_SCHEDULED = "cancel_scheduled"
CANCEL_LATER = "Cancellation scheduled, refunded as soon as the supplier takes the number back"


class CancelAnswer(Struct):
    """`cancel_accepted`: the money is back. `cancel_scheduled`: it will be, in about `retry_after` seconds."""

    code: Annotated[str, _one_of(["cancel_accepted", CANCEL_SCHEDULED])] = "cancel_accepted"
    message: str = "Cancellation accepted, refund processed"
    retry_after: int | UnsetType = UNSET
    success: bool = True


class ListMeta(Struct):
    """`total_is_exact` is false when a filtered list has more than can be counted quickly."""

    page: int
    per_page: int
    total: int
    last_page: int
    next_cursor: Digits | None
    total_is_exact: bool = True


class ListAnswer(Struct):
    data: list[PublicActivation]
    meta: ListMeta
    success: bool = True


class BalanceAnswer(Struct):
    balance: Amount
    held: Amount
    currency: str
    success: bool = True


class PriceAnswer(Struct):
    """The reference shows exactly these four fields."""

    country: Digits
    service: str
    base_price: Amount
    sell_price: Amount


class PriceCell(Struct):
    base_price: Amount
    sell_price: Amount
    available: int | None


class PricesAnswer(Struct):
    """Country code → service code → price."""

    prices: dict[str, dict[str, PriceCell]]
    success: bool = True


class CountryLine(Struct):
    id: int
    name: str
    iso: str
    prefix: str
    available: int | None


class CountriesAnswer(Struct):
    data: list[CountryLine]
    success: bool = True


class ServiceLine(Struct):
    code: str
    name: str
    available: int | None


class ServicesAnswer(Struct):
    data: list[ServiceLine]
    success: bool = True


class OperatorLine(Struct):
    name: str
    available: int | None


class OperatorsAnswer(Struct):
    data: list[OperatorLine]
    success: bool = True


class FieldError(Struct):
    field: str
    message: str


class Failure(Struct):
    """Every refusal."""

    code: str
    message: str
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET
    min_price: Amount | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET
    activation: PublicActivation | UnsetType = UNSET
    success: bool = False


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
        code=row.code,
        messages=[_message(message) for message in seen.messages],
        expires_at=row.expires_at,
        reference=row.reference,
        resent_from=None if row.resent_from is None else str(row.resent_from),
        refunded=True if row.state in REFUNDED else UNSET,
    )


def fresh(row: Activation) -> PublicActivation:
    """A new activation, which has no messages yet."""
    return activation(Seen(row, ()))


def _message(message: Message) -> PublicMessage:
    return PublicMessage(
        id=message.id,
        sender=message.sender,
        text=message.text,
        code=message.code,
        received_at=message.received_at,
        late=True if message.late else UNSET,
    )


def read_activation_id(text: str) -> int:
    """The number behind an activation_id. Refuses: NotFound for what cannot be one."""
    if not _ACTIVATION_ID.fullmatch(text):
        raise NotFound("No such activation")
    return int(text)


def encoded(body: bytes, status_code: int = 200) -> Response[Any]:
    """A JSON answer that is already text."""
    return Response(body, status_code=status_code, media_type="application/json")


def answer(body: Struct, *, replayed: bool = False) -> Response[Any]:
    """A JSON answer; `replayed` says that an idempotency key had already done it."""
    headers = {"Idempotent-Replayed": "true"} if replayed else None
    return Response(encode(body), media_type="application/json", headers=headers)
