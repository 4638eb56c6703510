"""What is asked: parameters of the query string, and of a form if one was posted, in any case of their names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.exceptions import HTTPException

from ringlet import canon, money
from ringlet.customers import ApiKey
from ringlet.errors import ValidationFailed
from ringlet.ledger import Wallet
from ringlet.suppliers import simulator
from ringlet.web.api import Office
from ringlet.web.handler.words import No

FIELDS_MAX = 200
ID_DIGITS_MAX = 18
YES = frozenset({"1", "true", "yes", "on"})
ANY = "any"
#: what a request without a country means everywhere in the field
COUNTRY = 0

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Parameters:
    """The parameters of one request by their name in small letters; the last of a name counts."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._values = pairs

    def text(self, *names: str) -> str:
        """The first of these that is there and not empty, or nothing."""
        return next((value for name in names if (value := self._values.get(name.lower(), ""))), "")

    def flag(self, name: str) -> bool:
        """Whether it says yes."""
        return self.text(name).lower() in YES

    def whole(self, *names: str, default: int, most: int) -> int:
        """A whole number from 0 to `most`; larger ones count as `most`. Refuses: ValidationFailed."""
        text = self.text(*names)
        if not text:
            return default
        if not _is_digits(text, 9):
            raise ValidationFailed("a whole number", field=names[0])
        return min(int(text), most)

    def price(self, name: str) -> Decimal | None:
        """An amount of money. Refuses: ValidationFailed."""
        text = self.text(name)
        if not text:
            return None
        try:
            value = Decimal(text) if len(text) <= 40 and text.isascii() else Decimal("NaN")  # noqa: PLR2004
        except InvalidOperation:
            value = Decimal("NaN")
        if not (value.is_finite() and 0 <= value <= money.PRICE_MAX):
            raise ValidationFailed(f"a number from 0 to {money.PRICE_MAX}", field=name)
        return value

    def moment(self, name: str) -> datetime | None:
        """A moment in seconds since 1970, or as ISO 8601. Refuses: No WRONG_DATE."""
        text = self.text(name)
        if not text:
            return None
        try:
            if _is_digits(text, 11):
                return datetime.fromtimestamp(int(text), UTC)
            found = datetime.fromisoformat(text)
        except (ValueError, OverflowError, OSError):
            raise No("WRONG_DATE") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def line(self, *names: str) -> str | None:
        """Text that may be kept: one line of at most 255 characters."""
        text = _CONTROL.sub("", self.text(*names)).strip()[:255]
        return text or None

    def activation_id(self, *names: str) -> int | None:
        """An id that may be one of ours."""
        text = self.text(*names)
        return int(text) if _is_digits(text, ID_DIGITS_MAX) else None


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: who asks, what, and in which dialect."""

    request: Request[Any, Any, Any]
    office: Office
    wallet: Wallet
    key: ApiKey
    given: Parameters
    is_later: bool

    @property
    def address(self) -> str | None:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else None

    def service(self, name: str = "service", refused_as: str = "BAD_SERVICE") -> str:
        """The service that is asked for. Refuses: No BAD_SERVICE."""
        return self.known_service(self.given.text(name), refused_as)

    def known_service(self, text: str, refused_as: str = "BAD_SERVICE") -> str:
        """One that can be bought with this key. Refuses: No BAD_SERVICE."""
        if text in canon.services() or (self.wallet.mode == "test" and text in simulator.MAGIC):
            return text
        raise No(refused_as, details="No such service; getServicesList has them")

    def country(self) -> int | None:
        """The country, the field's usual one when none is named, or None for "any". Refuses: No BAD_COUNTRY."""
        text = self.given.text("country")
        return None if text.lower() == ANY else read_country(text or str(COUNTRY))


def read_country(text: str) -> int:
    """A country of the code table. Refuses: No BAD_COUNTRY."""
    if _is_digits(text, 4) and int(text) in canon.countries():
        return int(text)
    raise No("BAD_COUNTRY", details="No such country; getCountries has them")


def _is_digits(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most


async def read(request: Request[Any, Any, Any]) -> Parameters:
    """GET and POST are the same. Refuses: ValidationFailed (too many parameters, or a form that is none)."""
    pairs = _pairs(request.scope["query_string"].decode("latin-1"))
    if request.method == "POST":
        try:
            form = await request.form()
        except (HTTPException, ValueError, LookupError):
            raise ValidationFailed("not a form of at most 64 KiB", field="body") from None
        pairs += [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return Parameters({name.lower(): value.strip() for name, value in pairs})


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise ValidationFailed(f"at most {FIELDS_MAX} parameters", field="query") from None
