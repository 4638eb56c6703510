"""What the admin's lists share: filters that are their own address."""

import re
from decimal import Decimal
from urllib.parse import urlencode

import msgspec

from ringlet import money

_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")
_ID = re.compile(r"[0-9]{1,18}")


class Selection(msgspec.Struct, frozen=True):
    """The filters of an address; a list names its own as fields, each a text that is empty when it is not used."""

    @property
    def is_any(self) -> bool:
        """Whether anything is filtered."""
        return any(msgspec.structs.asdict(self).values())

    def query(self, **changes: str | int) -> str:
        """The address' query with some of it changed; empty when nothing is filtered."""
        known = {**msgspec.structs.asdict(self), **changes}
        spelled = {_spelled(name): value for name, value in known.items() if value}
        return "?" + urlencode(spelled) if spelled else ""


def _spelled(name: str) -> str:
    return {"since": "from", "until": "to"}.get(name, name)


def cell(text: str, length_max: int) -> str:
    """What somebody typed into a field of search."""
    return text.replace("\0", "").strip()[:length_max]


def row_id(text: str) -> str:
    """An id, or nothing when it cannot be one."""
    return text if _ID.fullmatch(text) else ""


def amount_micros(text: str) -> int | None:
    """An amount as people write it (12.50 or 12,50), in micro-units; None when it is none."""
    plain = text.strip().replace(",", ".")
    return money.to_micros(Decimal(plain)) if _AMOUNT.fullmatch(plain) else None
