"""What the API answers, typed. Money is exact: a Decimal read from the text of the JSON number."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

OPEN = frozenset({"ordering", "waiting"})


class Message(Struct, frozen=True, kw_only=True):
    """A message that came for an activation. `late`: after the refund, not charged. `forgotten`: no longer kept."""

    id: int
    sender: str
    text: str
    code: str | None
    received_at: datetime
    late: bool = False
    forgotten: bool = False


class Activation(Struct, frozen=True, kw_only=True):
    """A leased number. `state`: ordering, waiting, received, finished, cancelled, failed or expired."""

    activation_id: str
    phone: str | None
    state: str
    service: str
    country: int
    operator: str
    amount_paid: Decimal
    code: str | None
    messages: tuple[Message, ...]
    expires_at: datetime
    reference: str | None
    resent_from: str | None
    id: int
    status: int
    msg: str
    date_created: str
    refunded: bool = False
    forgotten: bool = False

    @property
    def is_open(self) -> bool:
        """A code may still come, and the money is held."""
        return self.state in OPEN

    @property
    def created_at(self) -> datetime:
        """`date_created` as a time; the API writes it in UTC."""
        return datetime.strptime(self.date_created, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


class Status(Struct, frozen=True, kw_only=True):
    """Where an activation stands: waiting, ordering, completed, cancelled or expired.

    `resend_price`: what asking for another message would cost now, None when that is not possible.
    """

    status: str
    code: str | None
    activation: Activation
    resend_price: Decimal | None = None


class Cancelled(Struct, frozen=True, kw_only=True):
    """`cancel_accepted`: the money is back. `cancel_scheduled`: it will be, in about `retry_after` seconds."""

    code: str
    message: str
    retry_after: int | None = None

    @property
    def is_scheduled(self) -> bool:
        """The supplier does not take the number back yet."""
        return self.code == "cancel_scheduled"


class Price(Struct, frozen=True, kw_only=True):
    """The price of one service in one country."""

    country: int
    service: str
    base_price: Decimal
    sell_price: Decimal


class Cell(Struct, frozen=True, kw_only=True):
    """A place in the table of all prices. `available` is None where nobody can count."""

    base_price: Decimal
    sell_price: Decimal
    available: int | None


class Balance(Struct, frozen=True, kw_only=True):
    """`balance` can be spent; `held` is for open activations."""

    balance: Decimal
    held: Decimal
    currency: str


class Country(Struct, frozen=True, kw_only=True):
    id: int
    name: str
    iso: str
    prefix: str
    available: int | None


class Service(Struct, frozen=True, kw_only=True):
    code: str
    name: str
    available: int | None


class Operator(Struct, frozen=True, kw_only=True):
    name: str
    available: int | None


class Span(Struct, frozen=True, kw_only=True):
    """The share of orders that brought a code, and the average seconds to it; None where there were too few."""

    success_rate: float | None
    seconds_to_code: float | None


class Figures(Struct, frozen=True, kw_only=True):
    """How often a code came for one service of one operator in one country."""

    service: str
    country: int
    operator: str
    last_24h: Span
    last_7d: Span


class FieldError(Struct, frozen=True, kw_only=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Webhook(Struct, frozen=True, kw_only=True):
    """Where events go. `types` empty: all of them. `failing_since`: every attempt since then has failed."""

    id: str
    url: str
    types: tuple[str, ...]
    description: str
    form: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


class NewWebhook(Struct, frozen=True, kw_only=True):
    """`secret` is shown this once: keep it for `verify_webhook`."""

    webhook: Webhook
    secret: str

    def __repr__(self) -> str:
        return f"NewWebhook(webhook={self.webhook!r})"


class Attempt(Struct, frozen=True, kw_only=True):
    """One request to a webhook; `error` when there was no answer."""

    attempted_at: datetime
    status: int | None
    error: str | None
    took_ms: int
    answer: str | None


class Delivery(Struct, frozen=True, kw_only=True):
    """One event for one webhook. `state`: pending, delivered or failed."""

    id: str
    webhook_id: str
    type: str | None
    activation_id: str | None
    state: str
    next_attempt_at: datetime | None
    created_at: datetime
    attempts: tuple[Attempt, ...]


class Content(Struct, frozen=True, kw_only=True):
    """What an event is about: an activation as it was then, the message that came, or numbers of the account."""

    sequence: int
    activation: Activation | None = None
    message: Message | None = None
    account: dict[str, Any] | None = None


class Event(Struct, frozen=True, kw_only=True):
    """Something happened. `id` is where a stream can be resumed; None on one that came out of order."""

    type: str
    timestamp: datetime
    data: Content
    id: str | None = None
