"""What is typed about prices: places, amounts, moments, and which rules are meant."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from ringlet import canon
from ringlet.backoffice import pricing_rules
from ringlet.backoffice.pricing_plan import RULES_MAX, WAYS, Drop, Put, Shift
from ringlet.backoffice.pricing_rules import STATES, Asked, Line
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.pricing import KINDS
from ringlet.web.admin.selection import Selection, cell, row_id
from ringlet.web.pages.visit import Form

TEXT_MAX = 4_000
AMOUNT_LENGTH_MAX = 32
PERCENT = Decimal(100)


class Chosen(Selection, frozen=True):
    """The filters of the list's address, which are also what a bulk change is about."""

    who: str = ""
    account: str = ""
    country: str = ""
    service: str = ""
    kind: str = ""
    state: str = ""
    rule: str = ""

    async def asked(self, desk: Desk) -> Asked:
        """The same for the use case. Refuses: ValidationFailed."""
        owner_id = None
        if ":" in self.who or (self.who == "account" and self.account):
            found = await pricing_rules.owner(desk, self.who, self.account)
            owner_id = found.customer_id or found.group_id or found.brand_id
        rule_id = int(self.rule) if self.rule else None
        return Asked(
            owner=self.who.partition(":")[0], owner_id=owner_id, country=country(self.country, "country"),
            service=service(self.service, "service"), kind=self.kind, rule_id=rule_id,
            state=self.state or ("in force" if rule_id is None else "any"),
        )  # fmt: skip


def chosen(given: Any) -> Chosen:
    """From an address' query or from a form; what makes no sense is not asked for."""
    texts = {
        name: cell(given.get(name, ""), 320)
        for name in ("who", "account", "country", "service", "kind", "state")
    }
    kind = texts["who"].partition(":")[0]
    return Chosen(
        who=texts["who"] if kind in pricing_rules.OWNERS else "", account=texts["account"], country=texts["country"],
        service=texts["service"], kind=texts["kind"] if texts["kind"] in KINDS else "",
        state=texts["state"] if texts["state"] in STATES else "", rule=row_id(given.get("rule", "")),
    )  # fmt: skip


def country(text: str, field: str) -> int | None:
    """A country by its number, its ISO code or its English name; None for nothing. Refuses: ValidationFailed."""
    plain = text.strip().casefold()
    if not plain:
        return None
    for each in canon.countries().values():
        if plain in {str(each.id), each.iso.casefold(), each.name.casefold()}:
            return each.id
    raise ValidationFailed(
        "There is no such country: its number, its two letters or its English name", field=field
    )


def service(text: str, field: str) -> str | None:
    """A service by its code or its name; None for nothing. Refuses: ValidationFailed."""
    plain = text.strip().casefold()
    if not plain:
        return None
    if plain in canon.services():
        return plain
    for each in canon.services().values():
        names = each.name.casefold()
        if plain in {names, *names.replace("+", "/").split("/")}:
            return each.code
    raise ValidationFailed("There is no such service: its code or its name", field=field)


def _several(text: str) -> list[str]:
    return list(
        dict.fromkeys(each.strip() for each in text[:TEXT_MAX].replace("\n", ",").split(",") if each.strip())
    )


def amount(text: str, field: str) -> Decimal:
    """A number as people type it. Refuses: ValidationFailed."""
    try:
        found = Decimal(text.strip().removesuffix("%").strip().replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if len(text) > AMOUNT_LENGTH_MAX or not found.is_finite():
        raise ValidationFailed("This is not a number such as 12.5", field=field)
    return found


def moment(text: str, zone: str, field: str) -> datetime | None:
    """A time of the reader's clock such as 2026-11-27T18:00; None for nothing. Refuses: ValidationFailed."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()[:32]).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationFailed("This is not a time", field=field) from None


def local(at: datetime | None, zone: str) -> str:
    """The same back, for a field of the form."""
    return "" if at is None else at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")


async def put(desk: Desk, form: Form, zone: str) -> Put:
    """The rules that a form asks for. Refuses: ValidationFailed."""
    kind = form.text("kind")
    if kind == "below_cost":
        value = Decimal(int(form.text("loss") == "yes"))
    else:
        value = amount(form.text("value"), "value")
    countries = tuple(country(each, "countries") for each in _several(form.text("countries"))) or (None,)
    services = tuple(service(each, "services") for each in _several(form.text("services"))) or (None,)
    if len(countries) * len(services) > RULES_MAX:
        raise ValidationFailed(
            "These are more than 1,000 rules: choose fewer countries or services", field="services"
        )
    return Put(
        owner=await pricing_rules.owner(desk, form.text("who"), form.text("account")), countries=countries,
        services=services, values={kind: value / PERCENT if kind == "markup" else value},
        starts_at=moment(form.text("starts_at"), zone, "starts_at"),
        ends_at=moment(form.text("ends_at"), zone, "ends_at"),
    )  # fmt: skip


async def bulk(desk: Desk, form: Form, zone: str) -> Shift | Drop:
    """What becomes of the rules that were chosen. Refuses: ValidationFailed."""
    asked = await chosen(form).asked(desk)
    if form.text("way") == "remove":
        return Drop(asked)
    if form.text("way") not in WAYS:
        raise ValidationFailed("Choose what happens", field="way")
    return Shift(
        asked=asked, way=form.text("way"), amount=amount(form.text("amount"), "amount"),
        starts_at=moment(form.text("starts_at"), zone, "starts_at"),
    )  # fmt: skip


def fields_of(line: Line, zone: str) -> dict[str, str]:
    """A rule as the form shows it."""
    value = line.value * PERCENT if line.kind == "markup" else line.value
    return {
        "who": pricing_rules.who(line.owner), "account": f"#{line.customer_id}" if line.customer_id else "",
        "countries": "" if line.country is None else str(line.country), "services": line.service or "",
        "kind": line.kind, "value": f"{value.normalize():f}", "loss": "yes" if line.value else "no",
        "starts_at": local(line.starts_at, zone), "ends_at": local(line.ends_at, zone),
    }  # fmt: skip


def seen_version(form: Form) -> int:
    """The version that the preview showed; a form without it was never previewed. Refuses: ValidationFailed."""
    text = row_id(form.text("version"))
    if not text:
        raise ValidationFailed("Look at what it changes first")
    return int(text)
