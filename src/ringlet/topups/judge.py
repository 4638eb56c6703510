"""What follows from a gateway's truth about a top-up: pure, so that every case is a line of a table in the tests.

Rules T3, T4, T6 and T8 of `payments.md`: only what has settled is credited, only of the payment that we asked for, in
its currency and mode; more, less and late go by the operator's setting.
"""

import msgspec

from ringlet.payments.book import Terms
from ringlet.payments.port import PaymentState, Truth
from ringlet.topups.store import Topup

REVIEW = "review"


class Verdict(msgspec.Struct, frozen=True):
    """The state to be in, what is credited by it (once), and why when staff or the payer must be told."""

    state: str
    credit_micros: int = 0
    why: str = ""


def judge(topup: Topup, terms: Terms, truth: Truth) -> Verdict:
    """The verdict about a top-up that is not credited yet."""
    if topup.state == "rejected":
        return Verdict("rejected", why=topup.why)
    if (wrong := mismatch(topup, truth)) is not None:
        return Verdict(REVIEW, why=wrong)
    if truth.state is PaymentState.SETTLED:
        return _settled(topup, terms, truth)
    if truth.state is PaymentState.EXPIRED:
        return Verdict("expired")
    if truth.state is PaymentState.FAILED:
        return Verdict("failed", why="failed")
    return Verdict("open")


def mismatch(topup: Topup, truth: Truth) -> str | None:
    """What of the payment is not as we asked for it."""
    pairs: tuple[tuple[str, object, object], ...] = (
        ("other_payment", truth.external_id, topup.external_id),
        ("other_reference", truth.reference, topup.reference),
        ("other_mode", truth.mode, topup.mode),
        ("other_currency", truth.currency, topup.currency),
        ("other_amount", truth.asked_micros, topup.charge_micros),
    )
    return next((why for why, theirs, ours in pairs if theirs != ours), None)


def _settled(topup: Topup, terms: Terms, truth: Truth) -> Verdict:
    if truth.refunded_micros >= truth.settled_micros:
        return Verdict("failed", why="refunded")
    if truth.is_late and terms.on_late == REVIEW:
        return Verdict(REVIEW, why="late")
    if truth.settled_micros > topup.charge_micros and terms.on_over == REVIEW:
        return Verdict(REVIEW, why="over")
    if truth.settled_micros < topup.charge_micros and terms.on_under == REVIEW:
        return Verdict(REVIEW, why="under")
    credit_micros = credit_for(topup, truth.settled_micros)
    return Verdict("credited", credit_micros) if credit_micros else Verdict(REVIEW, why="under")


def credit_for(topup: Topup, settled_micros: int) -> int:
    """What so much money is worth as credit: the surcharge is of every part of it."""
    return settled_micros * topup.amount_micros // topup.charge_micros


def to_return(topup: Topup, refunded_micros: int) -> int:
    """What a credited customer owes when so much of the payment was given back or is disputed, less what was taken."""
    if not topup.settled_micros:
        return 0
    given = topup.credited_micros + topup.bonus_micros
    share = min(refunded_micros, topup.settled_micros)
    return given * share // topup.settled_micros - topup.returned_micros
