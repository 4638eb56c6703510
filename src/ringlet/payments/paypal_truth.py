"""What PayPal's orders, captures, refunds and disputes mean together: pure, so that every case is a line in the tests."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Self

import msgspec

from ringlet.payments import vendor
from ringlet.payments.port import Notice, PaymentState, Truth, Unreachable

#: how long a payer may take to approve an order
LIVES_S = 3 * 3600
#: between our asking for the order, from which a top-up's time counts, and PayPal's making it
SLACK_S = 300

#: what PayPal calls orders and money, and what we call top-ups
ID = re.compile(r"[A-Za-z0-9-]{1,50}")
OURS = re.compile(r"tu_[0-9A-Za-z]{1,60}")

PAID = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED", "REVERSED"})
GIVEN_BACK = frozenset({"REFUNDED", "REVERSED"})
#: a refund that is pending is on its way
GIVEN = frozenset({"COMPLETED", "PENDING"})
LOST = frozenset({"RESOLVED_BUYER_FAVOUR", "ACCEPTED"})


class Money(msgspec.Struct, frozen=True):
    """As PayPal writes it."""

    currency_code: str
    value: Decimal


class Link(msgspec.Struct, frozen=True):
    """Where to go on from a thing."""

    href: str = ""
    rel: str = ""


class OrderMade(msgspec.Struct, frozen=True):
    """The answer to an order."""

    id: str
    links: list[Link] = []


class _Breakdown(msgspec.Struct, frozen=True):
    paypal_fee: Money | None = None


class _RelatedIds(msgspec.Struct, frozen=True):
    order_id: str = ""


class _Supplementary(msgspec.Struct, frozen=True):
    related_ids: _RelatedIds = _RelatedIds()


class Capture(msgspec.Struct, frozen=True):
    """Money that was taken, or was to be."""

    id: str
    status: str
    amount: Money
    custom_id: str = ""
    create_time: datetime | None = None
    seller_receivable_breakdown: _Breakdown = _Breakdown()
    supplementary_data: _Supplementary = _Supplementary()

    @property
    def order_id(self) -> str:
        """Of the order that it was taken for; only where a capture is asked for by itself."""
        return self.supplementary_data.related_ids.order_id


class Refund(msgspec.Struct, frozen=True):
    """Money that went back."""

    status: str
    amount: Money | None = None

    @property
    def is_given(self) -> bool:
        """It is gone, or going."""
        return self.status in GIVEN


class _Payments(msgspec.Struct, frozen=True):
    captures: list[Capture] = []
    refunds: list[Refund] = []


class Unit(msgspec.Struct, frozen=True):
    """What is paid for. We ask for one."""

    amount: Money
    custom_id: str = ""
    payments: _Payments = _Payments()


class Placed(msgspec.Struct, frozen=True):
    """An order as PayPal has it."""

    id: str
    status: str
    purchase_units: list[Unit]
    create_time: datetime | None = None
    update_time: str = ""

    @property
    def unit(self) -> Unit:
        """The one. Raises Unreachable when it has none or more."""
        if len(self.purchase_units) != 1:
            raise Unreachable("the answer is no order of ours")
        return self.purchase_units[0]

    @property
    def is_approved(self) -> bool:
        """The payer has said yes, and nobody has taken the money."""
        return self.status == "APPROVED" and not self.paid_ids

    @property
    def paid_ids(self) -> list[str]:
        """PayPal's numbers of the money that has come."""
        return [each.id for each in self.unit.payments.captures if each.status in PAID]


class _Outcome(msgspec.Struct, frozen=True):
    outcome_code: str = ""


class Dispute(msgspec.Struct, frozen=True):
    """A payer, or his bank, wants money back."""

    dispute_id: str
    status: str
    dispute_amount: Money
    #: of what is resolved, and then only in its own answer
    dispute_outcome: _Outcome = _Outcome()

    @property
    def is_resolved(self) -> bool:
        """It is decided."""
        return self.status == "RESOLVED"


class Found(msgspec.Struct, frozen=True):
    """A list of disputes."""

    items: list[Dispute] = []


def truth(placed: Placed, disputes: Sequence[Dispute], mode: str) -> Truth:
    """The order in the port's words. Raises Unreachable for what cannot be read."""
    unit = placed.unit
    currency = unit.amount.currency_code
    paid = [each for each in unit.payments.captures if each.status in PAID]
    settled = _sum((each.amount for each in paid), currency)
    fees = (each.seller_receivable_breakdown.paypal_fee for each in paid)
    taken_back = min(settled, _taken_back(unit, disputes, currency))
    return Truth(
        placed.id, unit.custom_id, _state(placed), mode, currency, vendor.micros(vendor.amount(unit.amount.value)),
        settled_micros=vendor.micros(settled), fee_micros=vendor.micros(_sum(fees, currency)),
        refunded_micros=vendor.micros(taken_back), is_late=any(_is_late(placed, each) for each in paid),
    )  # fmt: skip


def _state(placed: Placed) -> PaymentState:
    standings = {each.status for each in placed.unit.payments.captures}
    if standings & PAID:
        return PaymentState.SETTLED
    if "PENDING" in standings:
        return PaymentState.PROCESSING
    if standings:
        return PaymentState.FAILED
    return PaymentState.EXPIRED if placed.status == "VOIDED" else PaymentState.OPEN


def _taken_back(unit: Unit, disputes: Sequence[Dispute], currency: str) -> Fraction:
    """What was given back or is disputed. What was lost in a dispute may stand among the refunds too: it counts once."""
    refunds = _sum((each.amount for each in unit.payments.refunds if each.is_given), currency)
    reversed_ = _sum((each.amount for each in unit.payments.captures if each.status in GIVEN_BACK), currency)
    lost = _sum(
        (each.dispute_amount for each in disputes if each.dispute_outcome.outcome_code in LOST), currency
    )
    held = _sum((each.dispute_amount for each in disputes if not each.is_resolved), currency)
    return max(refunds, reversed_, lost) + held


def _is_late(placed: Placed, capture: Capture) -> bool:
    """Some accounts' orders may be approved for three days."""
    if placed.create_time is None or capture.create_time is None:
        return False
    try:
        return capture.create_time - placed.create_time > timedelta(seconds=LIVES_S + SLACK_S)
    except TypeError:  # one of them names no zone
        raise Unreachable("the answer holds no time") from None


def _sum(amounts: Iterable[Money | None], currency: str) -> Fraction:
    known = [each for each in amounts if each is not None]
    if any(each.currency_code != currency for each in known):
        raise Unreachable("the answer mixes currencies")
    return sum((vendor.amount(each.value) for each in known), Fraction(0))


class _Disputed(msgspec.Struct, frozen=True):
    seller_transaction_id: str = ""
    custom: str = ""


class _Named(msgspec.Struct, frozen=True):
    custom_id: str = ""


class _Resource(msgspec.Struct, frozen=True):
    """What an event is about: an order, a capture, a refund or a dispute, of each what names the payment."""

    id: str = ""
    custom_id: str = ""
    purchase_units: list[_Named] = []
    supplementary_data: _Supplementary = _Supplementary()
    disputed_transactions: list[_Disputed] = []
    links: list[Link] = []


class Event(msgspec.Struct, frozen=True):
    """A notice that is PayPal's."""

    id: str
    resource_type: str
    resource: _Resource

    @classmethod
    def of(cls, raw: bytes) -> Self | None:
        """None: about something that no top-up has."""
        try:
            return msgspec.json.decode(raw, type=cls)
        except (ValueError, ArithmeticError, RecursionError):
            return None

    def notice(self) -> Notice | None:
        """Which payment it names, as far as it does; None: one of somebody else who sells by this account."""
        named = [self.resource.custom_id]
        named += [each.custom_id for each in self.resource.purchase_units]
        named += [each.custom for each in self.resource.disputed_transactions]
        ours = [each for each in named if OURS.fullmatch(each)]
        if any(named) and not ours:
            return None
        is_order = self.resource_type == "checkout-order"
        order_id = self.resource.id if is_order else self.resource.supplementary_data.related_ids.order_id
        return Notice(self.id, order_id if ID.fullmatch(order_id) else "", ours[0] if ours else "")

    @property
    def capture_id(self) -> str:
        """PayPal's number of the money that a dispute or a refund is about."""
        disputed = (each.seller_transaction_id for each in self.resource.disputed_transactions)
        above = (
            each.href.rpartition("/captures/")[2]
            for each in self.resource.links
            if each.rel == "up" and "/captures/" in each.href
        )
        return next(filter(None, (*disputed, *above)), "")
