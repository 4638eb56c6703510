"""What an address or a form asks the search for. Whatever cannot be read is not asked: a page is shown all the same."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

import msgspec

from ringlet import canon, finding, money
from ringlet.favourites import Cell
from ringlet.suppliers import simulator

QUANTITY_MAX = 10
DIGITS_MAX = 4
SORTS = ("best", "price", "stock", "success", "time")


class Asked(msgspec.Struct, frozen=True):
    """Words, an order, a highest price, and a row that was chosen."""

    q: str = ""
    sort: str = "best"
    most: Decimal | None = None
    pick: Cell | None = None

    def url(self, path: str = "/", **changed: str) -> str:
        """The address of this search, changed."""
        known = {
            "q": self.q, "sort": "" if self.sort == "best" else self.sort,
            "max": "" if self.most is None else str(self.most),
        }  # fmt: skip
        values = {name: value for name, value in {**known, **changed}.items() if value}
        return path + ("?" + urlencode(values) if values else "")


def read(params: Mapping[str, str]) -> Asked:
    """The address's or the form's search, with nonsense left out."""
    text = "".join(letter if letter.isprintable() else " " for letter in params.get("q", ""))
    sort = params.get("sort", "")
    return Asked(
        q=text.strip()[: finding.QUERY_MAX], sort=sort if sort in SORTS else "best",
        most=amount(params.get("max", "")), pick=cell(params.get("pick", "")),
    )  # fmt: skip


def amount(text: str) -> Decimal | None:
    """A price as people type it, with a point or a comma; None when it is none."""
    value = _decimal(text)
    return value if value is not None and 0 <= value <= money.PRICE_MAX else None


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip().replace(",", ".") if text.isascii() else "")
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def micros(text: str) -> int | None:
    """An amount of money in micro-units, above zero; None when it is none, or has more than six places."""
    value = _decimal(text)
    try:
        found = 0 if value is None else money.to_micros(value)
    except ValueError:
        return None
    return found if found > 0 else None


def cell(text: str) -> Cell | None:
    """wa-6 → the service and the country; None when one of them is not ours."""
    service, _, country = text.rpartition("-")
    if not (country.isascii() and country.isdigit() and len(country) <= DIGITS_MAX):
        return None
    known = service in canon.services() or service in simulator.MAGIC
    return (service, int(country)) if known and int(country) in canon.countries() else None


def count(text: str) -> int:
    """How many; one when it cannot be read, never more than are sold at once."""
    return (
        min(QUANTITY_MAX, max(1, int(text)))
        if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
        else 1
    )
