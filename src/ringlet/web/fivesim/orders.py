"""An order as 5sim's programs know it: an activation and what followed it while its lease went on, under one id."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from litestar import Response
from msgspec import Struct

from ringlet import money
from ringlet.activations import store
from ringlet.activations.browse import Seen
from ringlet.activations.states import TERMINAL, State
from ringlet.activations.store import Activation, Message
from ringlet.desk import Desk
from ringlet.web.fivesim import words
from ringlet.web.wire import encode, encoded

PENDING, RECEIVED, BANNED, FINISHED = "PENDING", "RECEIVED", "BANNED", "FINISHED"
CLOSED: dict[State, str] = {
    State.CANCELLED: "CANCELED",
    State.FAILED: "CANCELED",
    State.EXPIRED: "TIMEOUT",
    State.FINISHED: FINISHED,
}
HAS_CODE = frozenset({State.RECEIVED, State.FINISHED})
#: two ends of one lease, each reckoned from its own beginning
SAME = timedelta(milliseconds=1)


class Sms(Struct):
    created_at: str
    date: str
    sender: str
    text: str
    code: str


class InboxSms(Struct):
    ID: int
    created_at: str
    date: str
    sender: str
    text: str
    code: str
    is_wave: bool = False
    wave_uuid: str = ""


class Order(Struct):
    id: int
    phone: str
    operator: str
    product: str
    price: Decimal
    status: str
    expires: str
    sms: list[Sms] | None
    created_at: str
    forwarding: bool
    forwarding_number: str
    country: str


class Life(msgspec.Struct, frozen=True):
    """An activation, those that went on with its lease (somebody asked for another message), and their messages."""

    rows: Sequence[Activation]
    messages: Sequence[Message]

    @property
    def current(self) -> Activation:
        """Where it stands: what cancels and finishes is done to this one."""
        return self.rows[-1]

    @property
    def has_code(self) -> bool:
        """Whether a code has come at any time."""
        return any(row.state in HAS_CODE for row in self.rows)

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self.current.state in TERMINAL


async def look(desk: Desk, wallet_id: int, public_id: int) -> Life:
    """The order of this wallet. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = one_lease(await store.chain_of(tx, wallet_id, public_id))
        messages = await store.messages_of(tx, [row.id for row in rows])
    return Life(rows, [message for row in rows for message in messages[row.id]])


def one_lease(chain: Sequence[Activation]) -> list[Activation]:
    """The first and those that followed it within its lease. A number that was leased again is another order."""
    rows = [chain[0]]
    for row in chain[1:]:
        last = rows[-1]
        if row.resent_from == last.public_id and row.expires_at <= last.expires_at + SAME:
            rows.append(row)
    return rows


def of_seen(seen: Seen) -> Life:
    """One activation by itself, as lists have them."""
    return Life([seen.activation], seen.messages)


def spell(life: Life, status: str | None = None) -> Order:
    """The order as programs see it; `status` where we know better."""
    first, current = life.rows[0], life.current
    return Order(
        id=first.public_id,
        phone=f"+{current.phone}" if current.phone else "",
        operator=current.operator,
        product=words.product_word(first.service),
        price=money.to_amount(first.amount_micros),
        status=status or _status(life),
        expires=instant(current.expires_at),
        sms=[_sms(message) for message in life.messages] or None,
        created_at=instant(first.created_at),
        forwarding=False,
        forwarding_number="",
        country=words.country_word(first.country),
    )


def _status(life: Life) -> str:
    if life.has_code:
        return FINISHED if life.is_over else RECEIVED
    return CLOSED.get(life.current.state, PENDING)


def _sms(message: Message) -> Sms:
    at = instant(message.received_at)
    return Sms(at, at, message.sender, message.text, message.code or "")


def inbox_sms(message: Message) -> InboxSms:
    """A message with its id."""
    at = instant(message.received_at)
    return InboxSms(message.id, at, at, message.sender, message.text, message.code or "")


def instant(at: datetime) -> str:
    """A time with nine places of a second, as the protocol writes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def answer(life: Life, status: str | None = None) -> Response[bytes]:
    """The order as an answer."""
    return encoded(encode(spell(life, status)))
