"""The form that adds credit: the ways to pay that are on offer, amounts at a click, and what was asked for."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from ringlet import ledger
from ringlet.errors import ValidationFailed
from ringlet.payments import book
from ringlet.payments.book import Terms
from ringlet.topups import redeem, store
from ringlet.topups.store import Topup
from ringlet.web.pages import asked, find
from ringlet.web.pages.buy import ONCE
from ringlet.web.pages.visit import Form, Visit

UNIT_MICROS = 1_000_000
QUICK_MAX = 5
#: payments that stand beside the form; all of them have a page of their own
SHOWN = 5


class Wish(msgspec.Struct, frozen=True):
    """A payment that a form asks for; `once` is the same when the same form comes twice."""

    gateway_id: int
    amount_micros: int
    once: str


def quick(methods: Sequence[Terms]) -> list[int]:
    """Round amounts at a click, in micro-units: 1, 2, 5, 10, … from about the least that is taken."""
    low = 2 * min(each.min_micros for each in methods)
    high = max(each.max_micros for each in methods)
    steps = (digit * 10**power * UNIT_MICROS for power in range(10) for digit in (1, 2, 5))
    return [each for each in steps if low <= each <= high][:QUICK_MAX]


async def context(seen: Visit, form: Form | None, typed: str) -> dict[str, Any]:
    """For the page: the ways to pay, what was chosen and typed, and the newest payments."""
    person = seen.signed_in()
    async with seen.desk.db.connection() as tx:
        methods = await book.on_offer(tx, person.mode)
        newest = await store.part(tx, person.wallet_id)
        has_vouchers = person.mode == "live" and await redeem.is_offered(tx)
    form = form or Form([])
    chosen = next((each for each in methods if str(each.id) == form.text("method")), None)
    return {
        "methods": methods, "quick": quick(methods) if methods else [], "payments": newest[:SHOWN],
        "has_more_payments": len(newest) > SHOWN, "topup_once": find.once(), "amount_typed": form.text("amount", typed),
        "chosen_method": chosen or next(iter(methods), None), "has_vouchers": has_vouchers,
        "voucher_typed": form.text("voucher"),
    }  # fmt: skip


async def read(seen: Visit, form: Form) -> Wish:
    """What the form asks for. Sent twice it asks once; changed, it asks for another payment. Refuses: ValidationFailed."""
    if not ONCE.fullmatch(form.text("once")):
        raise ValidationFailed("This page has become old: load it again, then send the form once more")
    person, _ = seen.signed_in(), seen.words.gettext
    async with seen.desk.db.connection() as tx:
        methods = await book.on_offer(tx, person.mode)
        currency = (await ledger.wallet(tx, person.wallet_id)).currency
    terms = next((each for each in methods if str(each.id) == form.text("method")), None)
    if terms is None:
        raise ValidationFailed(_("Choose a way to pay"), field="method")
    amount_micros = asked.micros(form.text("amount"))
    if amount_micros is None:
        raise ValidationFailed(_("An amount such as 20 or 12.50"), field="amount")
    if not terms.min_micros <= amount_micros <= terms.max_micros:
        # The rule is that of `topups/begin.py`; here it is said in the payer's language.
        low, high = (seen.words.micros(each, currency) for each in (terms.min_micros, terms.max_micros))
        raise ValidationFailed(
            _("Enter an amount from %(low)s to %(high)s") % {"low": low, "high": high}, field="amount"
        )
    return Wish(terms.id, amount_micros, f"{form.text('once')}:{terms.id}:{amount_micros}")


def version(payments: Sequence[Topup], available_micros: int) -> str:
    """Changes with everything that a list of payments and the balance beside it show."""
    marks = [(each.public_id, each.state, each.credited_micros, each.returned_micros) for each in payments]
    return hashlib.sha256(repr((marks, available_micros)).encode()).hexdigest()[:16]
