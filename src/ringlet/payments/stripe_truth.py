"""What Stripe's objects say of a payment: pure, so that every case is a line of a table in the tests."""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from ringlet.money import MICROS_MAX
from ringlet.payments.port import PaymentState, Truth, Unreachable
from ringlet.payments.stripe_amounts import to_micros

#: Stripe's whole units: the largest that the books can hold in any currency
Units = Annotated[int, msgspec.Meta(ge=0, le=MICROS_MAX // 1_000_000)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Currency = Annotated[str, msgspec.Meta(pattern="^[a-z]{3}$")]
#: A dispute of this kind holds no money back: an inquiry (`warning_…`), one that was averted, or one that we have won.
HARMLESS = frozenset({"warning_needs_response", "warning_under_review", "warning_closed", "prevented", "won"})
#: nothing more comes of such a payment once the payer has left the page
DEAD = frozenset({"requires_payment_method", "canceled"})


class Movement(msgspec.Struct, frozen=True):
    """How a charge has moved the account's balance, in the account's own currency."""

    amount: int
    fee: Units
    currency: Currency


class Charge(msgspec.Struct, frozen=True):
    """Money of the payer's, in the currency of the session."""

    id: Id
    amount: Units
    amount_refunded: Units
    created: int
    disputed: bool
    balance_transaction: Movement | str | None = None


class Intent(msgspec.Struct, frozen=True):
    """The payment behind a session."""

    id: Id
    status: str
    amount_received: Units
    latest_charge: Charge | str | None = None


class Dispute(msgspec.Struct, frozen=True):
    """The payer's bank wants so much of a charge back."""

    amount: Units
    currency: Currency
    status: str


class Session(msgspec.Struct, frozen=True):
    """A checkout session. Amounts are Stripe's whole units of `currency`, which is in small letters."""

    id: Id
    livemode: bool
    payment_status: str
    status: str
    currency: Currency
    amount_total: Units
    expires_at: int
    client_reference_id: str | None = None
    metadata: dict[str, str] = {}
    url: str | None = None
    payment_intent: Intent | str | None = None

    @property
    def intent(self) -> Intent | None:
        """The payment, when the answer was asked to hold it."""
        return self.payment_intent if isinstance(self.payment_intent, Intent) else None

    @property
    def charge(self) -> Charge | None:
        """The last charge of the payment, which is the one that succeeded when one did."""
        charge = None if self.intent is None else self.intent.latest_charge
        return charge if isinstance(charge, Charge) else None


def truth_of(session: Session, disputes: Sequence[Dispute]) -> Truth:
    """The payment as it is. Raises Unreachable when a paid session comes without its charge."""
    currency, state = session.currency.upper(), state_of(session)
    charge = session.charge
    if state is PaymentState.SETTLED and charge is None:
        raise Unreachable("paid, and no charge is told")
    return Truth(
        session.id,
        session.client_reference_id or "",
        state,
        "live" if session.livemode else "test",
        currency,
        to_micros(session.amount_total, currency),
        settled_micros=settled_micros(session) if state is PaymentState.SETTLED else 0,
        fee_micros=0 if charge is None else fee_micros(charge, currency),
        refunded_micros=refunded_micros(session, disputes),
        is_late=charge is not None and charge.created > session.expires_at,
    )


def state_of(session: Session) -> PaymentState:
    """How far it is. A payment by bank debit is 'processing' for days after the payer has left the page."""
    if session.payment_status == "paid":
        return PaymentState.SETTLED
    if session.status == "open":
        return PaymentState.OPEN
    status = "" if session.intent is None else session.intent.status
    if session.status == "expired" and status != "processing":
        return PaymentState.EXPIRED
    return PaymentState.FAILED if status in DEAD else PaymentState.PROCESSING


def settled_micros(session: Session) -> int:
    """What has come."""
    return (
        0 if session.intent is None else to_micros(session.intent.amount_received, session.currency.upper())
    )


def refunded_micros(session: Session, disputes: Sequence[Dispute]) -> int:
    """What was given back, or is held back by a dispute that is open or lost; a dispute that was won counts no more.

    All of it at most: a payer who disputes what he has been given back is told so by Stripe.
    """
    charge = session.charge
    if charge is None:
        return 0
    # A bank that disputes in a currency of its own disputes all of it, as far as we can tell.
    held = sum(
        each.amount if each.currency == session.currency else charge.amount
        for each in disputes
        if each.status not in HARMLESS
    )
    return to_micros(min(charge.amount_refunded + held, charge.amount), session.currency.upper())


def fee_micros(charge: Charge, currency: str) -> int:
    """What Stripe keeps of a charge, in the charge's currency; 0 while it does not say."""
    moved = charge.balance_transaction
    if not isinstance(moved, Movement) or moved.amount <= 0:
        return 0
    if moved.currency.upper() == currency:
        return to_micros(moved.fee, currency)
    # The account has another currency: the fee is the same part of the charge in both.
    return to_micros(charge.amount, currency) * moved.fee // moved.amount
