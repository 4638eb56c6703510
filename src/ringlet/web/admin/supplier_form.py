"""The terms with a supplier, as they are typed and shown."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from ringlet import money
from ringlet.backoffice.supplier_desk import Conditions
from ringlet.errors import ValidationFailed
from ringlet.supplying.enlist import Conditions as Given
from ringlet.web.admin.pricing_form import amount
from ringlet.web.pages.visit import Form

DECIMALS = ("currency_rate", "weight")
WHOLE = ("deadline_s", "requests_per_s", "sync_every_s", "stale_after_s")
AMOUNTS = {"exposure_cap": "exposure_cap_micros", "balance_alert": "balance_alert_micros"}
DIGITS_MAX = 9


def read(form: Form) -> Given:
    """What was filled in; an empty field of an amount takes it away, another one is left. Refuses: ValidationFailed."""
    found: dict[str, Any] = {name: amount(form.text(name), name) for name in DECIMALS if form.text(name)}
    found |= {name: _whole(form.text(name), name) for name in WHOLE if form.text(name)}
    if "unit_cost" in form:
        found["unit_cost"] = amount(form.text("unit_cost"), "unit_cost") if form.text("unit_cost") else None
    for name, field in AMOUNTS.items():
        if name in form:
            found[field] = micros(form.text(name), name) if form.text(name) else None
    return cast("Given", found)


def _whole(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise ValidationFailed("This is not a whole number", field=field)
    return int(text)


def micros(text: str, field: str) -> int:
    """An amount of our money in micro-units. Refuses: ValidationFailed."""
    try:
        return money.to_micros(amount(text, field))
    except ValueError:
        raise ValidationFailed("This is not an amount with at most six decimal places", field=field) from None


def changed(given: Given, before: Conditions) -> Given:
    """What is other than it was: a form sends everything, and what stays is no change."""
    return cast("Given", {name: value for name, value in given.items() if value != getattr(before, name)})


def fields_of(known: Conditions) -> Form:
    """The terms as the form shows them; never the key."""
    spelled: Callable[[Decimal], str] = lambda value: f"{money.plain(value):f}"  # noqa: E731
    pairs = [
        ("url", known.url), *((name, spelled(getattr(known, name))) for name in DECIMALS),
        *((name, str(getattr(known, name))) for name in WHOLE),
        ("unit_cost", "" if known.unit_cost is None else spelled(known.unit_cost)),
        *((name, _amount(getattr(known, field))) for name, field in AMOUNTS.items()),
    ]  # fmt: skip
    return Form(pairs)


def _amount(value: int | None) -> str:
    return "" if value is None else f"{money.to_amount(value):f}"
