"""What all adapters read out of answers: phones, references, money and texts, from whatever came."""

import re
from decimal import Decimal
from typing import Any

from ringlet.suppliers.port import REF_LENGTH_MAX, TEXT_LENGTH_MAX, OutcomeUnknown
from ringlet.suppliers.wire import Answer

COST_MAX = 1_000_000
AMOUNT_LENGTH_MAX = 40
CODE_LENGTH_MAX = 64
SENDER_LENGTH_MAX = 255

_PHONE = re.compile(r"\+?([0-9]{5,15})")
_REF = re.compile(rf"[A-Za-z0-9_-]{{1,{REF_LENGTH_MAX}}}")
#: no dot in front: in an address that would lead elsewhere
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
#: one digit at least, and no exponent that makes a short text a long number
_AMOUNT = re.compile(r"-?(?=\.?[0-9])[0-9]*\.?[0-9]*([eE][+-]?[0-9]{1,2})?")
#: what a database or a terminal takes for something else than text
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def read_json(answer: Answer, shape: Any = Any) -> Any:
    """The body as JSON of that shape. Raises OutcomeUnknown, also for bytes that are not UTF-8."""
    try:
        return answer.json(shape)
    except (UnicodeDecodeError, ArithmeticError):
        raise OutcomeUnknown("unreadable answer: not text") from None


def read_phone(value: object) -> str:
    """A phone number as digits; a leading plus goes. Raises OutcomeUnknown when it is none."""
    phone = maybe_phone(value)
    if phone is None:
        raise OutcomeUnknown("the answer holds no phone number")
    return phone


def maybe_phone(value: object) -> str | None:
    """A phone number as digits, where a list may also leave it out."""
    found = _PHONE.fullmatch(_plain(value))
    return found[1] if found else None


def read_ref(value: object) -> str:
    """The supplier's reference of a rental. Raises OutcomeUnknown when it cannot be one."""
    text = _plain(value)
    if not _REF.fullmatch(text):
        raise OutcomeUnknown("the answer holds no reference")
    return text


def read_cost(value: object) -> Decimal | None:
    """A price, exactly as it was written; None when the answer does not say it or says nonsense."""
    cost = _amount(value)
    return cost if cost is not None and 0 <= cost <= COST_MAX else None


def read_balance(value: object) -> Decimal:
    """Our balance there, which may be a debt. Raises OutcomeUnknown when it is no number."""
    balance = _amount(value)
    if balance is None:
        raise OutcomeUnknown("the answer holds no balance")
    return balance


def is_word(text: str) -> bool:
    """Whether this can be a supplier's word for something: what may stand in an address as it is."""
    return _WORD.fullmatch(text) is not None


def read_text(value: object, length_max: int = TEXT_LENGTH_MAX) -> str:
    """A text that may be kept and shown: no control characters but ends of lines, and not endless."""
    return _CONTROL.sub("", value[:length_max]).strip() if isinstance(value, str) else ""


def read_code(value: object) -> str | None:
    """The code that the supplier found; None when it found none."""
    text = read_text(_plain(value))
    return text if 0 < len(text) <= CODE_LENGTH_MAX else None


def _plain(value: object) -> str:
    """Text or a whole number as text, and nothing for everything else."""
    if isinstance(value, str):
        return value.strip()
    # Python refuses to write out numbers of thousands of digits.
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**REF_LENGTH_MAX:
        return str(value)
    return ""


def _amount(value: object) -> Decimal | None:
    text = str(value) if isinstance(value, float | Decimal) else _plain(value)
    is_amount = len(text) <= AMOUNT_LENGTH_MAX and _AMOUNT.fullmatch(text)
    return Decimal(text) if is_amount else None
