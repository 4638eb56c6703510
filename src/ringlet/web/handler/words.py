"""The words of refusal, and which of our refusals each stands for. The classic dialect says the word; the later one
says a status of HTTP and `{"title": word, "details", "info"}`.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ringlet import errors
from ringlet.errors import Refusal
from ringlet.web.handler import spell


class Meaning(Struct, frozen=True):
    """How the later dialect says a word: its status, and its title where that is another word."""

    status: int
    title: str | None = None


#: every word that we refuse with
WORDS: Mapping[str, Meaning] = {
    "NO_KEY": Meaning(401, "BAD_KEY"),
    "BAD_KEY": Meaning(401),
    "BANNED": Meaning(403),
    "ACCOUNT_INACTIVE": Meaning(403),
    "SERVICE_NOT_AVAILABLE": Meaning(403),
    "BAD_ACTION": Meaning(404),
    "BAD_SERVICE": Meaning(400),
    "WRONG_SERVICE": Meaning(400),
    "BAD_COUNTRY": Meaning(400),
    "BAD_STATUS": Meaning(400),
    "WRONG_MAX_PRICE": Meaning(400),
    "WRONG_EXCEPTION_PHONE": Meaning(400),
    "WRONG_DATE": Meaning(400),
    "OPERATORS_NOT_FOUND": Meaning(404),
    "NO_BALANCE": Meaning(402),
    "NO_NUMBERS": Meaning(404),
    "NO_ACTIVATION": Meaning(404, "NOT_FOUND"),
    "WRONG_ACTIVATION_ID": Meaning(404, "NOT_FOUND"),
    "ORDER_ALREADY_EXISTS": Meaning(409),
    "EARLY_CANCEL_DENIED": Meaning(409),
    "OTP_RECEIVED": Meaning(409),
    "ACTIVATION_NOT_ACTIVE": Meaning(409),
    "RENEW_ACTIVATION_NOT_AVAILABLE": Meaning(409),
    "CHANNELS_LIMIT": Meaning(429),
    "ERROR_SQL": Meaning(500, "SERVER_ERROR"),
    "UNPROCESSABLE_ENTITY": Meaning(422),
    # of what is not offered here
    "OUT_OF_STOCK": Meaning(404),
    "NO_ID_RENT": Meaning(404),
    "NO_CALL": Meaning(409),
    "WRONG_ADDITIONAL_SERVICE": Meaning(400),
    "CURRENCY_CHANGE_UNAVAILABLE": Meaning(400),
    "BAD_DATA": Meaning(400),
    "INVALID_SIGNATURE": Meaning(400),
}

#: what the classic dialect says for words that it does not have
CLASSIC: Mapping[str, str] = {
    "ACCOUNT_INACTIVE": "BAD_KEY",
    "SERVICE_NOT_AVAILABLE": "BAD_SERVICE",
    "OTP_RECEIVED": "BAD_STATUS",
    "ACTIVATION_NOT_ACTIVE": "BAD_STATUS",
    "UNPROCESSABLE_ENTITY": "ERROR_SQL",  # also said of "a parameter with an impossible value"
}

#: a use case's refusal, by its code → the word
BY_CODE: Mapping[str, str] = {
    "unauthorized": "BAD_KEY",
    "forbidden": "ACCOUNT_INACTIVE",  # the scope or the address; a frozen account is BANNED, see key.py
    "service_not_allowed": "SERVICE_NOT_AVAILABLE",
    "insufficient_balance": "NO_BALANCE",
    "not_found": "NO_ACTIVATION",
    "method_not_allowed": "BAD_ACTION",
    "no_numbers": "NO_NUMBERS",
    "max_price_exceeded": "WRONG_MAX_PRICE",
    "cancel_rejected": "ACTIVATION_NOT_ACTIVE",  # too early: EARLY_CANCEL_DENIED, see change.py
    "resend_rejected": "ACTIVATION_NOT_ACTIVE",
    "webhook_rejected": "ERROR_SQL",  # never said here
    "idempotency_in_progress": "ORDER_ALREADY_EXISTS",
    "idempotency_mismatch": "ORDER_ALREADY_EXISTS",
    "validation_failed": "UNPROCESSABLE_ENTITY",
    "rate_limited": "CHANNELS_LIMIT",
    "internal_error": "ERROR_SQL",
    "service_unavailable": "ERROR_SQL",
}


class No(Exception):  # noqa: N818 - a refusal is an answer, not an error
    """The protocol's refusal: a word, and what follows its colon. `classic` is the JSON in which the classic dialect
    hides the word of some actions; `is_plain` keeps it text in both.
    """

    def __init__(
        self,
        word: str,
        rest: str | None = None,
        *,
        details: str = "",
        info: Mapping[str, Any] | None = None,
        classic: object = None,
        is_plain: bool = False,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(word)
        self.word = word
        self.rest = rest
        self.details = details
        self.info = info or {}
        self.classic = classic
        self.is_plain = is_plain
        self.retry_after_s = retry_after_s

    @property
    def text(self) -> str:
        """What the classic dialect says."""
        word = CLASSIC.get(self.word, self.word)
        return word if self.rest is None else f"{word}:{self.rest}"


def of(refusal: Refusal) -> No:
    """A use case's refusal in the protocol's word."""
    word = BY_CODE.get(refusal.code, "ERROR_SQL")
    if isinstance(refusal, errors.MaxPriceExceeded):
        least = refusal.extra["min_price"]
        return No(word, spell.price_text(least), details=refusal.message, info={"min": spell.amount(least)})
    is_key = isinstance(refusal, errors.Unauthorized)
    return No(
        word,
        details="No such api_key, or it has ended" if is_key else refusal.message,
        is_plain=isinstance(refusal, errors.NoNumbers),
        retry_after_s=refusal.retry_after_s,
    )
