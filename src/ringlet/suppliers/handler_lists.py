"""The handler API's longer answers: messages of a status, the list of active rentals, the price list."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import Struct, field

from ringlet.suppliers.handler_words import Heard, hear, refusal
from ringlet.suppliers.port import TEXT_LENGTH_MAX, Cell, Held, News, OutcomeUnknown, Reason, Standing
from ringlet.suppliers.reading import read_cost, read_phone, read_ref
from ringlet.suppliers.wire import Answer

OPERATOR = "any"
CODE_LENGTH_MAX = 64
SENDER_LENGTH_MAX = 64

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_COUNT = re.compile(r"[0-9]{1,9}")
#: Activation statuses of lists that also show what is over.
_OVER = {"6": Standing.FINISHED, "8": Standing.CANCELLED, "10": Standing.CANCELLED}


def read_word(value: object) -> str | None:
    """A name of a country, service or operator, or None when it is none."""
    text = _text(value)
    return text if _NAME.fullmatch(text) else None


def read_status(ref: str, heard: Heard) -> Held:
    """One rental from getStatus or getStatusV2. Raises Refused OVER."""
    match heard.word:
        case "STATUS_OK" | "STATUS_WAIT_RETRY":
            return Held(ref, Standing.ACTIVE, _news(heard.rest.strip("'\""), None, None))
        case "STATUS_WAIT_CODE" | "STATUS_WAIT_RESEND":
            return Held(ref, Standing.ACTIVE)
        case "STATUS_CANCEL":
            return Held(ref, Standing.CANCELLED)
        case "STATUS_FINISH":
            return Held(ref, Standing.FINISHED)
        case "" if isinstance(heard.value, dict) and not heard.value.keys().isdisjoint(_STATUS_PLACES):
            return Held(ref, Standing.ACTIVE, list(_status_news(heard.value)))
    raise refusal(heard, Reason.OVER)


_STATUS_PLACES = ("verificationType", "sms", "call", "data")


def _status_news(value: Mapping[str, Any]) -> Iterator[News]:
    for place in ("sms", "call", "data"):
        told = value.get(place)
        for message in told if isinstance(told, list) else [told]:
            if isinstance(message, dict):
                sender = message.get("phoneFrom") or message.get("from")
                yield from _news(message.get("code"), message.get("text"), sender)


def _news(code: object, text: object, sender: object) -> Sequence[News]:
    """The message, if there is one. Named by its code, which every kind of answer tells, else by its text."""
    said, written = _text(code), _text(text)
    if not said and not written:
        return ()
    key = hashlib.sha256((said or written).encode()).hexdigest()[:32]
    is_code = 0 < len(said) <= CODE_LENGTH_MAX
    return (News(key, written or said, said if is_code else None, _text(sender)[:SENDER_LENGTH_MAX]),)


def _text(value: object) -> str:
    """Text that a database takes: no half characters and no NUL."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**CODE_LENGTH_MAX:
        value = str(value)
    if not isinstance(value, str):
        return ""
    return value.encode(errors="ignore").decode().replace("\0", "").strip()[:TEXT_LENGTH_MAX]


class Rows(Struct, frozen=True):
    """One page of the list. `count` is how many rows came, readable or not."""

    held: Sequence[Held]
    count: int


def read_active(answer: Answer) -> Rows:
    """The answer of getActiveActivations. A row whose reference cannot be read is nothing that we could act on."""
    heard = hear(answer)
    if heard.word == "NO_ACTIVATIONS":
        return Rows((), 0)
    listed = heard.value
    if isinstance(listed, dict):
        listed = next((found for place in _LISTS if isinstance(found := listed.get(place), list)), None)
    if not isinstance(listed, list):
        raise refusal(heard)
    return Rows([held for row in listed if isinstance(row, dict) for held in _row(row)], len(listed))


_LISTS = ("activeActivations", "data")


def _row(row: Mapping[str, Any]) -> Iterator[Held]:
    try:
        ref = read_ref(row.get("activationId"))
    except OutcomeUnknown:
        return
    yield Held(
        ref,
        _OVER.get(_text(row.get("activationStatus")), Standing.ACTIVE),
        [
            news
            for code, text in zip_longest(_many(row.get("smsCode")), _many(row.get("smsText")))
            for news in _news(code, text, None)
        ],
        phone=_phone(row.get("phoneNumber")),
        country=read_word(row.get("countryCode")),
        service=read_word(row.get("serviceCode")),
        operator=read_word(row.get("activationOperator")),
        cost=read_cost(row.get("activationCost")),
    )


def _many(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def _phone(value: object) -> str | None:
    try:
        return read_phone(value)
    except OutcomeUnknown:  # some hide digits in lists
        return None


class _Price(Struct):
    cost: Any = None
    count: Any = None
    physical: Any = field(name="physicalCount", default=None)


_COUNTRIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PRICES = msgspec.json.Decoder(dict[str, _Price | list[Any] | str | float | bool | None])


def read_prices(answer: Answer) -> Sequence[Cell]:
    """The answer of getPrices for all countries. A line that cannot be read is left out.

    Country by country, so that other threads get a turn in between.
    """
    if answer.body.strip() == b"[]":  # how PHP writes an object without members
        return []
    if answer.status != 200 or answer.body.lstrip()[:1] != b"{":  # noqa: PLR2004
        raise refusal(hear(answer))
    countries = _countries(answer.body)
    read = [cells for name, raw in countries.items() if (cells := _country(name, raw)) is not None]
    if countries and not read:
        raise refusal(hear(answer))
    return [cell for cells in read for cell in cells]


def _countries(body: bytes) -> Mapping[str, msgspec.Raw]:
    try:
        return _COUNTRIES.decode(body)
    except (ValueError, RecursionError) as error:
        raise OutcomeUnknown(f"unreadable price list: {str(error)[:120]}") from None


def _country(name: str, raw: msgspec.Raw) -> Sequence[Cell] | None:
    """The cells of one country; None when this is no country."""
    try:
        prices = _PRICES.decode(raw)
    except msgspec.ValidationError:
        return None
    except (ValueError, RecursionError) as error:
        raise OutcomeUnknown(f"unreadable price list: {str(error)[:120]}") from None
    if not _NAME.fullmatch(name):
        return []
    return [
        Cell(name, service, OPERATOR, cost, _available(price))
        for service, price in prices.items()
        if isinstance(price, _Price)
        and _NAME.fullmatch(service)
        and (cost := read_cost(price.cost)) is not None
    ]


def _available(price: _Price) -> int | None:
    told = _text(price.count if price.physical is None else price.physical)
    return int(told) if _COUNT.fullmatch(told) else None
