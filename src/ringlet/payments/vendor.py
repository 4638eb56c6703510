"""What adapters share: one request to a gateway, what its failure means, and what is read out of answers and notices."""

import hmac
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from ringlet.money import MICROS_MAX
from ringlet.payments.port import NoticeRefused, Refused, Unreachable
from ringlet.suppliers.port import NotSent, OutcomeUnknown
from ringlet.suppliers.reading import read_json, read_text
from ringlet.suppliers.wire import Answer, Line

WORDS_LENGTH_MAX = 200
#: digits before and behind the point: more is no amount of any money
PLACES_MAX = 40
_REFERENCE = re.compile(r"tu_[0-9A-Za-z]{1,60}")
GOOD = range(200, 300)
NO = range(400, 500)
ASK_AGAIN = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
)


class Interface:
    """A gateway's interface: requests are sent once, and every failure says whether to ask again."""

    def __init__(self, http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        self._line = Line(http, url)
        self._headers = headers

    async def ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """One request; any status that decides something is an answer. Raises Unreachable."""
        try:
            answer = await self._line.ask(method, path, query=query, headers=self._headers, body=body)
        except (NotSent, OutcomeUnknown) as error:
            raise Unreachable(str(error)) from None
        if answer.status not in (*GOOD, *NO) or answer.status in ASK_AGAIN:
            raise Unreachable(f"status {answer.status}")
        return answer


def read(answer: Answer, shape: Any) -> Any:
    """A good answer in that shape. Raises Unreachable for any other."""
    if answer.status not in GOOD:
        raise Unreachable(f"status {answer.status}: {words(answer)}")
    try:
        return read_json(answer, shape)
    except OutcomeUnknown as error:
        raise Unreachable(str(error)) from None


def made(answer: Answer, shape: Any) -> Any:
    """The answer to a request for something new. Raises Unreachable, or Refused with the gateway's words."""
    if answer.status in NO:
        raise Refused(words(answer))
    return read(answer, shape)


class _Complaint(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


def words(answer: Answer) -> str:
    """What a gateway says about its refusal: its code and message, and nothing else of the answer."""
    try:
        said = read_json(answer, _Complaint | list[_Complaint])
    except OutcomeUnknown:
        return f"status {answer.status}"
    first = said if isinstance(said, _Complaint) else next(iter(said), _Complaint())
    text = f"{first.code or answer.status}: {first.message}"
    return read_text(" ".join(text.split()), WORDS_LENGTH_MAX)


def complaint_code(answer: Answer) -> str:
    """The code of a refusal, "" when it has none: tells the gateway's own 404 from that of something in front."""
    try:
        said = read_json(answer, _Complaint)
    except OutcomeUnknown:
        return ""
    return str(said.code or "")


def amount(value: Decimal | None) -> Fraction:
    """An amount of money or coins, exactly. Raises Unreachable for what can be none."""
    if value is None or not value.is_finite() or value < 0:
        raise Unreachable("the answer holds no amount")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "it is finite"
    if value.adjusted() > PLACES_MAX or exponent < -PLACES_MAX:
        raise Unreachable("the answer holds no amount")
    return Fraction(value)


def micros(value: Fraction) -> int:
    """So much money in micro-units, rounded down. Raises Unreachable for more than there is."""
    found = value * 1_000_000
    if found > MICROS_MAX:
        raise Unreachable("the answer holds no amount")
    return found.numerator // found.denominator


def needed(config: Mapping[str, str], name: str, what: str, pattern: re.Pattern[str]) -> str:
    """What the operator entered. Raises Refused when it cannot be that."""
    value = config.get(name, "").strip()
    if not pattern.fullmatch(value):
        raise Refused(f"{what} is missing, or cannot be right")
    return value


def address(text: str, what: str) -> str:
    """An address of the web, without its last slash. Raises Refused for any other."""
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise Refused(f"{what} is no address of the web")
    return text.strip().rstrip("/")


def reference(value: object) -> str:
    """Our id of a top-up; "" for whatever else stands there: one account may take money for other trades too."""
    return str(value) if isinstance(value, str) and _REFERENCE.fullmatch(value) else ""


def secrets(text: str, what: str) -> tuple[bytes, ...]:
    """One secret a line: the new one and, while a gateway still signs with it, the old. Raises Refused for none."""
    found = tuple(each.encode() for each in text.split())
    if not found:
        raise Refused(f"{what} is missing")
    return found


def header(headers: Mapping[str, str], name: str) -> str:
    """The header of that name, however it is written. Raises NoticeRefused when there is none."""
    for key, value in headers.items():
        if key.lower() == name:
            return value
    raise NoticeRefused("it is not signed")


def is_signed(signature: str, keys: Iterable[bytes], texts: Iterable[bytes], digest: str) -> bool:
    """Whether one of our keys has signed one of these texts; takes as long for every wrong signature."""
    theirs = signature.strip().lower().encode("utf-8", "replace")
    told = list(texts)
    found = False
    for key in keys:
        for text in told:
            found |= hmac.compare_digest(hmac.new(key, text, digest).hexdigest().encode(), theirs)
    return found
