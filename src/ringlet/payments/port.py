"""What every gateway can be asked, and the words in which it answers.

A gateway is asked to make a payment, says something later (a notice: verified on its raw bytes, and never more than
a hint), and is asked for the truth. Only the truth moves money. All amounts are micro-units of the wallet's currency,
whatever the payer sends.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

import aiohttp
import msgspec

from ringlet.db import Database
from ringlet.errors import RingletError


class Unreachable(RingletError):  # noqa: N818 - an answer of a kind
    """The gateway cannot be reached, or answers nothing that can be read: what it did is unknown, ask again."""


class Refused(RingletError):  # noqa: N818
    """The gateway says no, and would say so again: its own words, for the operator."""


class NoticeRefused(RingletError):  # noqa: N818
    """This is no notice of that gateway: not signed, wrongly, with another key, or too long ago."""


class Field(msgspec.Struct, frozen=True):
    """One thing that the operator enters to set a gateway up. `is_secret`: shown to nobody again."""

    name: str
    label: str
    is_secret: bool = False
    is_needed: bool = True
    help: str = ""
    is_long: bool = False


class Capabilities(msgspec.Struct, frozen=True):
    """What a gateway can do.

    `fetches`: it knows the truth (else staff do). `refunds`: it gives money back when asked. `lists`: it tells what has
    settled in a time, for the daily comparison. `asks`: payers choose it and name an amount. `lives_s`: how long a payer
    may take.
    """

    fetches: bool = True
    refunds: bool = False
    lists: bool = False
    asks: bool = True
    lives_s: int = 24 * 3600


class Order(msgspec.Struct, frozen=True):
    """A payment to be made. `id` is the top-up's and the idempotency key: the same id is the same payment."""

    id: str
    charge_micros: int
    currency: str
    #: what the payer reads: the shop's name
    title: str
    email: str
    #: where the payer goes afterwards, and where the gateway tells
    return_url: str
    notice_url: str
    expires_at: datetime


class Made(msgspec.Struct, frozen=True):
    """The payment as the gateway knows it: a page to send the payer to, or an address for the coins."""

    external_id: str
    url: str | None = None
    address: str | None = None
    #: exactly what is to be sent there, and of what: "0.00231", "BTC"
    amount: str | None = None
    currency: str | None = None


class Notice(msgspec.Struct, frozen=True):
    """What a gateway said: about which payment of its own, or which top-up (`reference`); "" where it names none.

    `event_id` is the same when it says the same again.
    """

    event_id: str
    external_id: str = ""
    reference: str = ""


class PaymentState(StrEnum):
    """How far a payment is, in the gateway's eyes."""

    #: nothing has come
    OPEN = "open"
    #: something has come and may still turn out to be nothing
    PROCESSING = "processing"
    #: what has come will stay; `settled_micros` tells how much it is
    SETTLED = "settled"
    #: over, and nothing has come
    EXPIRED = "expired"
    FAILED = "failed"


class Truth(msgspec.Struct, frozen=True):
    """A payment as its gateway knows it now.

    `reference` is our id of the top-up as the gateway has it, `asked_micros` what it asks the payer for.
    `settled_micros` and `refunded_micros` (given back, or disputed) are totals and only grow. `fee_micros` is what the
    gateway keeps. `is_late`: paid after its time.
    """

    external_id: str
    reference: str
    state: PaymentState
    mode: str
    currency: str
    asked_micros: int
    settled_micros: int = 0
    fee_micros: int = 0
    refunded_micros: int = 0
    is_late: bool = False


class Settled(msgspec.Struct, frozen=True):
    """One line of what a gateway says has settled."""

    external_id: str
    reference: str
    settled_micros: int
    refunded_micros: int
    currency: str


class Gateway(Protocol):
    """One account at one gateway. Every method that asks it raises Unreachable or Refused."""

    #: as it is stored, in addresses and on pages: "stripe", "Stripe"
    kind: ClassVar[str]
    name: ClassVar[str]
    fields: ClassVar[Sequence[Field]]
    can: ClassVar[Capabilities]

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        """`config`: what the operator entered for `fields`; `mode`: "live" or "test". Raises Refused for what cannot be."""

    async def create(self, order: Order) -> Made:
        """Make the payment, or find the one that was made for this order before."""

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """What these bytes say; None: signed well, and about nothing of ours. Raises NoticeRefused."""

    async def fetch(self, external_id: str) -> Truth:
        """The payment as it is now."""

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """Give so much back to the payer; the same key once."""

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """What has settled in this time."""

    async def check(self) -> str:
        """Whether the keys are good; returns a word to show, such as the account's name."""
