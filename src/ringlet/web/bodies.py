"""What customers send: decoded and checked against a type, every fault named."""

import functools
import hashlib
import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, InternalServerException
from msgspec import Meta, Struct

from ringlet import money
from ringlet.errors import ValidationFailed
from ringlet.idempotency import Once


class Price(Decimal):
    """An exact decimal that must be sent as a JSON number, not as text."""


# Patterns end with \Z: Python's $ would let a last newline pass.
ServiceCode = Annotated[
    str, Meta(pattern=r"^[a-z0-9_]{1,32}\Z", description="A service code of /services", examples=["ig"])
]
CountryCode = Annotated[int, Meta(ge=0, le=9_999, description="A country number of /countries", examples=[6])]
ActivationId = Annotated[
    str, Meta(pattern=r"^[0-9]{1,18}\Z", description="As the buy answered it", examples=["4390520873"])
]
# A line of printable text: what is shown to people and written to files must hold no control characters.
Line = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,255}\Z")]
Operators = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,-]{1,255}\Z")]
Prefix = Annotated[str, Meta(pattern=r"^[0-9]{1,15}\Z")]


class BuyBody(Struct):
    """An order. `operator` may name several, with commas; `reference` is your own and comes back everywhere."""

    service: ServiceCode
    country: CountryCode
    max_price: Annotated[
        Price | None,
        Meta(
            description="The most that the number may cost, else the order is refused",
            extra_json_schema={"minimum": 0, "maximum": 1_000_000, "examples": [0.12]},
        ),
    ] = None
    operator: Annotated[
        Operators | None, Meta(description="An operator of /operators, or several with commas")
    ] = None
    exclude_prefixes: Annotated[
        Annotated[list[Prefix], Meta(max_length=50)] | None,
        Meta(description="No number that begins with one of these digits, country code first"),
    ] = None
    reference: Annotated[
        Line | None, Meta(description="Your own name for the order; it comes back everywhere")
    ] = None


class ResendBody(Struct):
    """The activation whose number should wait for another message."""

    activation_id: ActivationId


class CancelBody(Struct):
    """`when_allowed`: accept now and cancel as soon as the supplier lets us."""

    activation_id: ActivationId
    when_allowed: bool = False


T = TypeVar("T", bound=Struct)

_FIELD = re.compile(r" - at `\$\.?([^`]*)`$")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")


async def read(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The body as `kind`. Refuses: ValidationFailed (not JSON, wrong types, too large)."""
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not (content_type == "application/json" or content_type.endswith("+json")):
        raise ValidationFailed("send JSON with 'Content-Type: application/json'", field="body")
    try:
        decoded: T = _decoder(kind).decode(await request.body())
    except msgspec.ValidationError as error:
        raise _not_valid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        raise ValidationFailed("not valid JSON", field="body") from error
    except (ClientException, InternalServerException) as error:  # the second: the client went away
        raise ValidationFailed("larger than 64 KiB or cut off", field="body") from error
    return decoded


@functools.cache
def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind, dec_hook=_price, float_hook=Decimal)


def _price(_: type, value: object) -> Price:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ValueError("Expected a number")  # noqa: TRY004 - msgspec adds the place to a ValueError
    return Price(value)


def _not_valid(text: str) -> ValidationFailed:
    found = _FIELD.search(text)
    field = found.group(1) if found and found.group(1) else None
    if field is None and (missing := re.search(r"required field `([^`]+)`", text)):
        return ValidationFailed("this field is required", field=missing.group(1))
    return ValidationFailed(_FIELD.sub("", text), field=field)


def max_price(value: Decimal | None) -> Decimal | None:
    """A price limit in range. Refuses: ValidationFailed."""
    if value is not None and not (value.is_finite() and 0 <= value <= money.PRICE_MAX):
        raise ValidationFailed(f"must be a number from 0 to {money.PRICE_MAX}", field="max_price")
    return value


def operators(text: str | None) -> tuple[str, ...]:
    """The operators that a customer wants; none or "any" means every one."""
    names = tuple(name for name in (text or "").lower().split(",") if name)
    return () if "any" in names else names


async def once(request: Request[Any, Any, Any], wallet_id: int) -> Once | None:
    """The request's Idempotency-Key with a fingerprint of what it asks. Refuses: ValidationFailed."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise ValidationFailed("1 to 255 printable ASCII characters", field="Idempotency-Key")
    asked = request.scope["path"].encode() + b"\0" + await request.body()
    return Once(wallet_id, key, hashlib.sha256(asked).digest())
