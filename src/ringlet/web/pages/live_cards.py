"""What a live card shows: a lease with its messages, what can be done now, and what became of the money."""

import hashlib
import math
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from ringlet import canon, ledger, money, phones
from ringlet.activations import leases, rentals
from ringlet.activations.leases import Lease
from ringlet.activations.rentals import Return
from ringlet.activations.resend import resend_price
from ringlet.activations.states import REFUNDED, State
from ringlet.activations.store import Message
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.ledger import Balance, Wallet
from ringlet.web.pages import counter
from ringlet.web.pages.visit import Visit

#: so long what is over stays beside what is live
OVER_S = 600.0
CARDS_MAX = 20
EARNED = frozenset({State.RECEIVED, State.FINISHED})


class Text(msgspec.Struct, frozen=True):
    """A message that came. `took_s`: how long after the purchase, or after another one was asked for."""

    id: int
    sender: str
    text: str
    code: str | None
    late: bool
    took_s: float


class Card(msgspec.Struct, frozen=True):
    """One live number. `moment` is waiting, arrived or over; `cancel` is now, later, wished or nothing."""

    activation_id: str
    moment: str
    state: str
    service: str
    service_code: str
    country: int
    country_name: str
    iso: str
    operator: str
    phone: str | None
    international: str
    national: str
    expires_at: datetime
    now: datetime
    total_s: float
    code: str | None
    texts: Sequence[Text]
    price_micros: int
    paid_micros: int
    returned_micros: int
    held_micros: int
    currency: str
    cancel: str
    cancel_at: datetime | None
    resend_micros: int | None
    #: another click on the same button is the same request
    once: str

    @property
    def left_s(self) -> int:
        """Whole seconds to the end of the lease."""
        return _left_s(self.expires_at, self.now)

    @property
    def cancel_in_s(self) -> int:
        """Whole seconds until the supplier takes the number back."""
        return 0 if self.cancel_at is None else _left_s(self.cancel_at, self.now)

    @property
    def share(self) -> int:
        """The part of the time that is left, of 100."""
        return min(100, math.ceil(100 * self.left_s / max(1.0, self.total_s)))

    @property
    def groups(self) -> list[str]:
        """The code in groups that an eye can hold: 482 913."""
        return grouped(self.code or "")

    @property
    def mark(self) -> str:
        """Changes with everything that the card shows, but not with the time."""
        return (
            f"{self.activation_id}{self.state}{len(self.texts)}{self.code}{self.cancel}{self.resend_micros}"
        )


class Panel(msgspec.Struct, frozen=True):
    """The cards, how many of them go on, and what tells whether any has changed."""

    cards: Sequence[Card]
    open: int
    is_full: bool
    version: str
    balance: Balance


def grouped(code: str) -> list[str]:
    """A code in groups that an eye can hold: 482 913."""
    if not (code.isascii() and code.isdigit()) or len(code) not in {6, 8, 9}:
        return [code]
    step = 4 if len(code) == 8 else 3  # noqa: PLR2004 - 1234 5678
    return [code[at : at + step] for at in range(0, len(code), step)]


def clock(seconds: int) -> str:
    """Time left as on a clock: 17:42, 1:05:00."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


async def cards(seen: Visit) -> list[Card]:
    """The visitor's numbers that are open, then those that were until a moment ago, newest first. Refuses: ServiceUnavailable."""
    return list((await panel(seen)).cards)


async def panel(seen: Visit) -> Panel:
    """All cards of the wallet of the visitor's mode. Refuses: ServiceUnavailable."""
    visitor = seen.signed_in()
    async with seen.desk.db.connection() as tx:
        wallet = await ledger.wallet(tx, visitor.wallet_id)
        found = await leases.recent(tx, wallet.id, OVER_S, CARDS_MAX)
        found = [each for each in found if each.is_open] + [each for each in found if not each.is_open]
        made = await _cards(tx, seen, wallet, found)
        balance = await ledger.balance(tx, wallet.id)
    marks = [str(balance.available_micros), *(card.mark for card in made)]
    version = f"{visitor.mode}-{hashlib.sha256(chr(10).join(marks).encode()).hexdigest()[:16]}"
    return Panel(made, sum(each.is_open for each in found), len(made) == CARDS_MAX, version, balance)


async def card(seen: Visit, public_id: int) -> tuple[Card, Balance]:
    """The card of the visitor's own activation, or of the one that followed it on its lease. Refuses: NotFound."""
    visitor = seen.signed_in()
    async with seen.desk.db.connection() as tx:
        wallet = await ledger.wallet(tx, visitor.wallet_id)
        found = await leases.of(tx, wallet.id, public_id)
        made = await _cards(tx, seen, wallet, [found])
        return made[0], await ledger.balance(tx, wallet.id)


async def _cards(tx: Tx, seen: Visit, wallet: Wallet, found: Sequence[Lease]) -> list[Card]:
    rented = [each.newest.id for each in found if each.is_waiting and each.newest.is_rented]
    returns = await rentals.returns(tx, rented) if rented else {}
    now = datetime.now(UTC)
    return [_card(seen, wallet, each, returns.get(each.newest.id), now) for each in found]


def _card(seen: Visit, wallet: Wallet, lease: Lease, back: Return | None, now: datetime) -> Card:
    row = lease.newest
    country = canon.countries().get(row.country)
    international, national = phones.spell(row.phone) if row.phone else ("", "")
    is_over = row.state in REFUNDED
    return Card(
        activation_id=str(row.public_id),
        moment=_moment(lease),
        state=str(row.state),
        service=counter.service_name(seen.words, row.service),
        service_code=row.service,
        country=row.country,
        country_name=counter.place(seen.words, row.country),
        iso=country.iso if country else "",
        operator="" if row.operator == "any" else row.operator,
        phone=row.phone,
        international=international,
        national=national,
        expires_at=row.expires_at,
        now=now,
        total_s=(row.expires_at - lease.first.created_at).total_seconds(),
        code=_code(lease),
        texts=_texts(lease),
        price_micros=lease.first.amount_micros,
        paid_micros=sum(each.amount_micros for each in lease.rows if each.state in EARNED),
        returned_micros=row.amount_micros if is_over else 0,
        held_micros=row.amount_micros if lease.is_waiting else 0,
        currency=wallet.currency,
        cancel=_cancel(lease, back, now),
        cancel_at=back.cancel_after if back else None,
        resend_micros=_resend_micros(seen.desk, wallet, lease, now),
        once=secrets.token_urlsafe(12),
    )


def _moment(lease: Lease) -> str:
    if not lease.is_open:
        return "over"
    return "waiting" if lease.is_waiting else "arrived"


def _code(lease: Lease) -> str | None:
    """The newest; while another one is awaited, none."""
    return None if lease.is_waiting else lease.code


def _texts(lease: Lease) -> list[Text]:
    """Newest first."""
    # Of which activation each is, the lease does not say: a message belongs to the last one that began before it.
    return [
        Text(each.id, each.sender, each.text, each.code, each.late, _took_s(lease, each))
        for each in reversed(lease.messages)
    ]


def _took_s(lease: Lease, message: Message) -> float:
    asked = [row.created_at for row in lease.rows if row.created_at <= message.received_at]
    return (message.received_at - asked[-1]).total_seconds() if asked else 0.0


def _cancel(lease: Lease, back: Return | None, now: datetime) -> str:
    if lease.newest.state != State.WAITING:
        return ""
    if back is not None and back.is_wished:
        return "wished"
    return "later" if back and back.cancel_after and back.cancel_after > now else "now"


def _resend_micros(desk: Desk, wallet: Wallet, lease: Lease, now: datetime) -> int | None:
    """What another message costs; nothing where nobody would ask for one, or it would be refused."""
    row = lease.newest
    if row.state not in EARNED or (row.state == State.RECEIVED and row.expires_at <= now):
        return None
    price = resend_price(desk, wallet, row)
    return None if price is None else money.to_micros(price)


def _left_s(at: datetime, now: datetime) -> int:
    return max(0, math.ceil((at - now).total_seconds()))
