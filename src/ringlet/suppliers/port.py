"""The port: what Ringlet asks of any supplier, in its own words and money. An adapter speaks one protocol.

Three kinds of "no", and they are never mixed up:

    NotSent         the request did not reach the supplier: nothing happened there
    Refused         the supplier answered no: nothing happened there
    OutcomeUnknown  it may have happened; only asking tells

Whatever an adapter cannot read is `OutcomeUnknown`. Everything a supplier sends is hostile input: adapters check
shapes and lengths, and no text of a supplier reaches a customer as an answer of ours.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from ringlet.errors import RingletError

REF_LENGTH_MAX = 64
TEXT_LENGTH_MAX = 16_000


class NotSent(RingletError):  # noqa: N818 - an answer of a kind
    """Nothing reached the supplier: no address, no connection, or we held the request back ourselves."""


class OutcomeUnknown(RingletError):  # noqa: N818
    """The request was sent and no answer came that says what happened."""


class Reason(StrEnum):
    """Why a supplier refuses."""

    #: of a rent
    NO_NUMBERS = "no_numbers"
    PRICE = "price"  # it costs more than we offered; `price` of the refusal says what, if the supplier does
    NOT_SOLD = "not_sold"  # a service, country or operator that this supplier does not know or sell
    NO_BALANCE = "no_balance"
    #: of anything
    ACCOUNT = "account"  # the key is wrong, blocked or without rights: the operator must look
    LIMITED = "limited"  # too many requests or orders for now
    #: of a cancel
    TOO_EARLY = "too_early"
    HAS_CODE = "has_code"
    #: of anything about one rental: it is over, or the supplier never had it
    OVER = "over"
    #: the supplier cannot do this at all
    UNSUPPORTED = "unsupported"


class Refused(RingletError):  # noqa: N818
    """The supplier said no, plainly. `retry_after_s`: when it may say yes."""

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        price: Decimal | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail[:200]}" if detail else str(reason))
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.price = price


class Standing(StrEnum):
    """Where a rental stands at the supplier."""

    ACTIVE = "active"
    #: over and our money is back
    CANCELLED = "cancelled"
    #: over and paid for
    FINISHED = "finished"


class News(Struct, frozen=True):
    """One message as the supplier tells it. `key` names it within its rental, the same at every asking; `code` is
    what the supplier found, `text` may be empty when it tells only the code.
    """

    key: str
    text: str
    code: str | None = None
    sender: str = ""


class Held(Struct, frozen=True):
    """A rental as the supplier knows it; None where it does not say. `country` and `service` are its words."""

    ref: str
    standing: Standing
    messages: Sequence[News] = ()
    phone: str | None = None
    country: str | None = None
    service: str | None = None
    operator: str | None = None
    cost: Decimal | None = None
    #: the `reference` that we gave with the rent, from suppliers that keep it
    reference: str | None = None


class Wanted(Struct, frozen=True):
    """What to rent: the supplier's words for country and service, prefixes as digits, `cost_max` in its money.

    `reference` names the order on our side and is never used twice.
    """

    country: str
    service: str
    cost_max: Decimal
    reference: str
    operators: Sequence[str] = ()
    excluded_prefixes: Sequence[str] = ()


class Rented(Struct, frozen=True):
    """A number is ours. `cost` in the supplier's money; `lease_s` and `cancel_lock_s` when it says how long it
    waits for a message and for how long it refuses to cancel.
    """

    ref: str
    phone: str
    cost: Decimal | None = None
    operator: str | None = None
    lease_s: float | None = None
    cancel_lock_s: float | None = None


class Cell(Struct, frozen=True):
    """One line of a supplier's price list, in its words and money; `available` None when it does not say."""

    country: str
    service: str
    operator: str
    cost: Decimal
    available: int | None


class Named(Struct, frozen=True):
    """A supplier's word for a country or a service with what it calls it in English, to guess ours by."""

    word: str
    name: str


class Traits(Struct, frozen=True, kw_only=True):
    """What a protocol can do, for those who plan around it."""

    #: `held` lists what is active: unknown outcomes can be found out
    lists_held: bool
    #: `held` lists what is active with its messages: one question watches all
    watches_together: bool
    #: an allotted number costs money before we confirm it; otherwise an unknown outcome risks nothing
    charges_on_rent: bool = True
    #: messages are pushed to us and there is nothing to ask for: `look` and `held` are UNSUPPORTED
    is_pushed: bool = False
    #: the same `reference` never rents twice
    rents_once: bool = False
    #: seconds between two questions while an order is young, and later
    young_pause_s: float = 2.0
    old_pause_s: float = 8.0
    #: seconds after a rent in which the supplier refuses to cancel, as far as its documents say
    cancel_lock_s: float = 0.0


class Account(Struct, frozen=True):
    """Our account at a supplier: its key, and what a number costs where the protocol names no prices."""

    key: str
    unit_cost: Decimal | None = None


class Port(Protocol):
    """One supplier. Made by `Adapter(line, account)`; keeps nothing that a restart may not lose.
    Every method is one question (or one page after another) with a deadline of its own.

    All may raise NotSent, OutcomeUnknown and Refused (ACCOUNT, LIMITED) besides what they name.
    """

    @property
    def traits(self) -> Traits:
        """What the protocol can do."""

    async def rent(self, wanted: Wanted) -> Rented:
        """Rent a number. Never repeated by the adapter. Refused: NO_NUMBERS, PRICE, NOT_SOLD, NO_BALANCE."""

    async def look(self, ref: str) -> Held:
        """One rental with its messages. Refused: OVER when the supplier does not know it."""

    async def held(self, refs: Sequence[str]) -> Sequence[Held]:
        """Every active rental of this account, also those that we do not know of. `refs` are those we know to be
        open: adapters whose list also holds what is over may stop when they have seen them all.
        Refused: UNSUPPORTED.
        """

    async def cancel(self, ref: str) -> None:
        """Give it back; returns when the supplier has confirmed that our money is back, also when it had been
        cancelled before. Refused: TOO_EARLY, HAS_CODE, OVER.
        """

    async def finish(self, ref: str) -> None:
        """We need no more messages. Also fine when it was finished before. Refused: OVER, HAS_CODE never."""

    async def again(self, ref: str) -> None:
        """Ask for another message on the same rental. Refused: OVER, UNSUPPORTED."""

    async def balance(self) -> Decimal:
        """Our balance there, in its money."""

    async def cells(self) -> Sequence[Cell]:
        """The whole price list."""

    async def names(self) -> tuple[Sequence[Named], Sequence[Named]]:
        """Its countries and services. Protocols that use the canonical codes return nothing."""
