"""What the REST API answers: its types, made of the public spelling (`spelling.py`), and the answers themselves."""

import re
from typing import Annotated, Any

from litestar import Response
from msgspec import UNSET, Struct, UnsetType

from ringlet.errors import NotFound
from ringlet.spelling import (
    STATUS,
    STATUS_WORD,
    WAITING_AGAIN,
    Amount,
    Digits,
    Instant,
    PublicActivation,
    PublicMessage,
    StateWord,
    StatusNumber,
    StatusWord,
    activation,
    encode,
    fresh,
    one_of,
)

__all__ = ("STATUS", "STATUS_WORD", "WAITING_AGAIN", "Instant", "PublicActivation", "PublicMessage", "StateWord",
           "StatusNumber", "activation", "encode", "fresh")  # fmt: skip

_ACTIVATION_ID = re.compile(r"[0-9]{1,18}")


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

    code: Annotated[str, one_of(["cancel_accepted", CANCEL_SCHEDULED])] = "cancel_accepted"
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
