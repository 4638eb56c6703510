"""The terms and keys of a gateway, as they are typed and shown."""

from typing import cast

from ringlet import money
from ringlet.backoffice.gateways import Conditions, Line
from ringlet.payments.port import Gateway
from ringlet.web.admin.pricing_form import amount
from ringlet.web.admin.supplier_form import micros
from ringlet.web.pages.visit import Form

KEY = "key_"
WORDS = ("label", "on_over", "on_under", "on_late")


def terms(form: Form) -> Conditions:
    """What was filled in. Refuses: ValidationFailed."""
    found = {name: form.text(name) for name in WORDS}
    return cast("Conditions", {
        **found,
        "min_micros": micros(form.text("min"), "min"),
        "max_micros": micros(form.text("max"), "max"),
        "surcharge_percent": amount(form.text("surcharge_percent") or "0", "surcharge_percent"),
        "surcharge_micros": micros(form.text("surcharge") or "0", "surcharge"),
    })  # fmt: skip


def keys(form: Form, kind: type[Gateway]) -> dict[str, str]:
    """What was typed into the fields of this kind."""
    return {each.name: form.text(KEY + each.name) for each in kind.fields if KEY + each.name in form}


def fields_of(line: Line) -> Form:
    """The terms as the form shows them."""
    spelled = {
        "min": line.min_micros, "max": line.max_micros, "surcharge": line.surcharge_micros,
    }  # fmt: skip
    return Form([
        *((name, str(getattr(line, name))) for name in WORDS),
        *((name, f"{money.to_amount(value):f}") for name, value in spelled.items()),
        ("surcharge_percent", f"{money.plain(line.surcharge_percent):f}"),
    ])  # fmt: skip


def fresh(label: str) -> Form:
    """What a new gateway begins with."""
    return Form([("label", label), ("min", "5"), ("max", "500"), ("surcharge_percent", "0"), ("surcharge", "0"),
                 ("on_over", "credit"), ("on_under", "credit"), ("on_late", "review")])  # fmt: skip
