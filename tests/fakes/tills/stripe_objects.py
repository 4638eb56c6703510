"""Stripe's objects of a payment, with everything expanded; `fold` makes ids of what was not asked for."""

from decimal import Decimal
from typing import Any

from tests.fakes.till import Payment

NO_DECIMALS = {
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "JPY",
    "KMF",
    "KRW",
    "MGA",
    "PYG",
    "RWF",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
}
THREE_DECIMALS = {"BHD", "JOD", "KWD", "OMR", "TND"}
EXPANDABLE = {"payment_intent", "latest_charge", "balance_transaction", "charge"}
INTENT_STATES = {"processing": "processing", "settled": "succeeded", "failed": "requires_payment_method"}
DISPUTE_EVENTS = {"won": "charge.dispute.closed", "lost": "charge.dispute.closed"}


def micros_per_unit(currency: str) -> int:
    """What one of Stripe's units is, in micro-units."""
    if currency in NO_DECIMALS:
        return 1_000_000
    return 1_000 if currency in THREE_DECIMALS else 10_000


def units(amount: Decimal, currency: str) -> int:
    """An amount as Stripe counts it."""
    return int(amount * 1_000_000) // micros_per_unit(currency)


def ids(payment: Payment) -> dict[str, str]:
    """Of the objects that hang on it."""
    tail = payment.id.partition("_")[2]
    return {"payment_intent": f"pi_{tail}", "charge": f"ch_{tail}", "balance_transaction": f"txn_{tail}"}


def session_of(payment: Payment, pages: str) -> dict[str, Any]:
    """The checkout session. A payer who has left has no payment intent before he tries to pay."""
    total = units(payment.amount, payment.currency)
    has_come = payment.state in INTENT_STATES
    return {
        "id": payment.id,
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "client_reference_id": payment.reference,
        "created": int(payment.created_at),
        "currency": payment.currency.lower(),
        "expires_at": payment.extras.get("expires_at", int(payment.created_at) + 82_800),
        "livemode": payment.extras.get("livemode", True),
        "metadata": payment.extras.get("metadata", {}),
        "mode": "payment",
        "payment_intent": intent_of(payment) if has_come else None,
        "payment_status": "paid" if payment.state == "settled" else "unpaid",
        "status": "complete" if has_come else payment.state,
        "success_url": payment.return_url,
        "url": f"{pages}/{payment.id}" if payment.state == "open" else None,
    }


def intent_of(payment: Payment) -> dict[str, Any]:
    """The payment intent, with its charge."""
    return {
        "id": ids(payment)["payment_intent"],
        "object": "payment_intent",
        "amount": units(payment.amount, payment.currency),
        "amount_received": units(payment.settled, payment.currency),
        "currency": payment.currency.lower(),
        "latest_charge": charge_of(payment),
        "metadata": payment.extras.get("intent_metadata", {}),
        "status": INTENT_STATES[payment.state],
    }


def charge_of(payment: Payment) -> dict[str, Any]:
    """The charge. One after the session's time cannot be; the till can all the same."""
    made = payment.extras.get("expires_at", 0) + 1 if payment.is_late else int(payment.created_at) + 1
    return {
        "id": ids(payment)["charge"],
        "object": "charge",
        "amount": units(payment.settled or payment.amount, payment.currency),
        "amount_refunded": units(payment.refunded, payment.currency),
        "balance_transaction": movement_of(payment) if payment.state == "settled" else None,
        "created": made,
        "currency": payment.currency.lower(),
        "disputed": bool(payment.extras.get("disputes")),
        "metadata": payment.extras.get("intent_metadata", {}),
        "payment_intent": {"id": ids(payment)["payment_intent"], "object": "payment_intent"},
        "status": {"settled": "succeeded", "processing": "pending"}.get(payment.state, "failed"),
    }


def movement_of(payment: Payment) -> dict[str, Any]:
    """How the charge moved the account's balance: `rate` of the account's money for one of the payer's."""
    rate, currency = payment.extras.get("rate", (Decimal(1), payment.currency))
    return {
        "id": ids(payment)["balance_transaction"],
        "object": "balance_transaction",
        "amount": units(payment.settled * rate, currency),
        "currency": currency.lower(),
        "exchange_rate": None if rate == 1 else float(rate),
        "fee": units(payment.fee * rate, currency),
        "type": "charge",
    }


def refund_of(payment: Payment, amount: int, metadata: dict[str, str]) -> dict[str, Any]:
    """A refund, which fails afterwards when the payment says so."""
    number = len(payment.extras["refunds"]) + 1
    status = payment.extras.get("refund_status", "succeeded")
    return {
        "id": f"re_{ids(payment)['charge'][3:]}_{number}", "object": "refund", "amount": amount, "metadata": metadata,
        "currency": payment.currency.lower(), "status": status, "charge": ids(payment)["charge"],
        "payment_intent": ids(payment)["payment_intent"],
        **({"failure_reason": "lost_or_stolen_card"} if status == "failed" else {}),
    }  # fmt: skip


def disputes_of(payment: Payment) -> list[dict[str, Any]]:
    """The disputes, newest first: `extras["disputes"]` holds (amount, status)."""
    return [
        {"id": f"dp_{ids(payment)['charge'][3:]}_{n}", "object": "dispute", "amount": units(amount, payment.currency),
         "charge": ids(payment)["charge"], "currency": payment.currency.lower(), "metadata": {}, "status": status,
         "payment_intent": ids(payment)["payment_intent"]}
        for n, (amount, status) in enumerate(payment.extras.get("disputes", []), 1)
    ][::-1]  # fmt: skip


def event_of(payment: Payment, pages: str) -> tuple[str, dict[str, Any]]:
    """The type of the last event about a payment, and what it is about."""
    if payment.extras.get("disputes"):
        last = disputes_of(payment)[0]
        return DISPUTE_EVENTS.get(last["status"], "charge.dispute.created"), last
    if payment.refunded:
        return "charge.refunded", charge_of(payment)
    session = session_of(payment, pages)
    match payment.state:
        case "processing":
            payment.extras["is_slow"] = True
            kind = "completed"
        case "settled":
            kind = "async_payment_succeeded" if payment.extras.get("is_slow") else "completed"
        case "failed":
            kind = "async_payment_failed"
        case "expired":
            kind = "expired"
        case _:
            kind = "completed"
    return f"checkout.session.{kind}", session


def fold(value: Any, expand: set[str], path: str = "") -> Any:
    """Ids instead of the objects that were not asked for."""
    if isinstance(value, list):
        return [fold(each, expand, path) for each in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, each in value.items():
        here = f"{path}.{name}".lstrip(".")
        is_id = name in EXPANDABLE and isinstance(each, dict) and here not in expand
        made[name] = each["id"] if is_id else fold(each, expand, here)
    return made
