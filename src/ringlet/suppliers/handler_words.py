"""The words of the handler API: what a supplier's answer says, and which of our refusals that is.

An answer is a word ("NO_NUMBERS"), a word with more ("WRONG_MAX_PRICE:0.025"), or JSON; newer suppliers put the
word into JSON with a status of HTTP (`{"title", "details", "info"}`). Here all of them become one `Heard`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from ringlet.suppliers.port import OutcomeUnknown, Reason, Refused
from ringlet.suppliers.reading import read_cost
from ringlet.suppliers.wire import Answer

#: When a supplier says "too early" and not how long, this is when we ask again.
TOO_EARLY_PAUSE_S = 30.0
_PAUSE_MAX_S = 3600.0

_WORD = re.compile(r"([A-Z][A-Z0-9_]{2,59})(?::(.*))?", re.DOTALL)
_PLACES = ("title", "error", "message", "msg")

_REASONS: Mapping[str, Reason] = {
    word: reason
    for reason, words in {
        Reason.NO_NUMBERS: "NO_NUMBERS OUT_OF_STOCK",
        Reason.NO_BALANCE: "NO_BALANCE NO_BALANCE_FORWARD",
        Reason.PRICE: "WRONG_MAX_PRICE",
        Reason.NOT_SOLD: (
            "BAD_SERVICE WRONG_SERVICE SERVICE_NOT_AVAILABLE WHATSAPP_NOT_AVAILABLE NO_YULA_MAIL "
            "BAD_COUNTRY WRONG_COUNTRY COUNTRY_NOT_AVAILABLE SERVICE_UNAVAILABLE_REGION "
            "BAD_OPERATOR WRONG_OPERATOR OPERATORS_NOT_FOUND WRONG_EXCEPTION_PHONE UNPROCESSABLE_ENTITY"
        ),
        Reason.ACCOUNT: "BAD_KEY NO_KEY WRONG_KEY API_KEY_NOT_VALID ACCOUNT_INACTIVE BANNED",
        Reason.LIMITED: "CHANNELS_LIMIT TOO_MANY_REQUESTS RATE_LIMIT",
        Reason.TOO_EARLY: "EARLY_CANCEL_DENIED",
        Reason.HAS_CODE: "OTP_RECEIVED",
        Reason.OVER: "NO_ACTIVATION WRONG_ACTIVATION_ID NOT_FOUND",
        Reason.UNSUPPORTED: "BAD_ACTION",
    }.items()
    for word in words.split()
}
_BY_STATUS: Mapping[int, Reason] = {401: Reason.ACCOUNT, 402: Reason.NO_BALANCE}
_OF_ANYTHING = (Reason.ACCOUNT, Reason.LIMITED, Reason.UNSUPPORTED)


class Heard(Struct, frozen=True):
    """One answer. `rest` follows the colon of its word; `value` is its JSON, of a success only."""

    status: int
    word: str = ""
    rest: str = ""
    value: Any = None
    info: Mapping[str, Any] = {}


def hear(answer: Answer) -> Heard:
    """Read any answer. Raises OutcomeUnknown for what nobody meant to say, Refused when it limits us."""
    if answer.status == 429:  # noqa: PLR2004 - Too Many Requests
        raise Refused(Reason.LIMITED, "HTTP 429")
    if not (answer.status in (200, 204) or 400 <= answer.status < 500):  # noqa: PLR2004
        raise OutcomeUnknown(f"HTTP {answer.status}")
    value = answer.json() if answer.body.lstrip()[:1] in (b"{", b"[", b'"') else answer.text
    found = _WORD.fullmatch(_spoken(value).strip())
    word, rest = (found[1], found[2] or "") if found else ("", "")
    info = value.get("info") if isinstance(value, dict) else None
    info = info if isinstance(info, dict) else {}
    if answer.status == 200:  # noqa: PLR2004
        return Heard(answer.status, word, rest, value, info)
    # Beside a status that says no, no word says yes.
    return Heard(answer.status, "" if word.startswith(("ACCESS_", "STATUS_")) else word, rest, None, info)


def _spoken(value: object) -> str:
    """Where the word is: the text itself, or one of the places of JSON."""
    if isinstance(value, dict):
        return next((text for place in _PLACES if isinstance(text := value.get(place), str)), "")
    return value if isinstance(value, str) else ""


def refusal(heard: Heard, *expected: Reason) -> Refused | OutcomeUnknown:
    """What to raise for an answer that is no success. A refusal that nobody expects of this question is not
    believed.
    """
    reason = _REASONS.get(heard.word) or _BY_STATUS.get(heard.status)
    if reason is None or reason not in (*expected, *_OF_ANYTHING):
        return OutcomeUnknown(f"unexpected answer: HTTP {heard.status} {heard.word or 'without a word'}")
    return Refused(
        reason,
        heard.word,
        price=_price(heard) if reason is Reason.PRICE else None,
        retry_after_s=_pause_s(heard) if reason is Reason.TOO_EARLY else None,
    )


def _price(heard: Heard) -> Decimal | None:
    return read_cost(heard.rest or heard.info.get("min"))


def _pause_s(heard: Heard) -> float:
    told = read_cost(heard.info.get("minActivationTime"))
    return TOO_EARLY_PAUSE_S if told is None else min(max(float(told), 1.0), _PAUSE_MAX_S)
