"""Asking again: when that can help, after how long, and for how long at all.

Every POST carries its Idempotency-Key, so asking again never does a thing twice.
"""

import random
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from time import monotonic

import msgspec

from ringlet.client.errors import (
    BY_CODE,
    BadAnswer,
    IdempotencyInProgress,
    RateLimited,
    Refused,
    RingletError,
    ServiceUnavailable,
    Unreachable,
)
from ringlet.client.talk import Answer, Ask, Lost, Pause, Reply, Talk
from ringlet.client.values import Activation, FieldError

FIRST_PAUSE_S = 0.2
PAUSE_S_MAX = 5.0
OK_MAX = 299
TOO_MANY = 429
GATEWAYS = frozenset({502, 503, 504})


class _Failure(msgspec.Struct):
    code: str
    message: str = ""
    request_id: str | None = None
    min_price: Decimal | None = None
    retry_after: float | None = None
    activation: Activation | None = None
    errors: list[FieldError] = []


def new_key() -> str:
    """An Idempotency-Key that nobody else will think of."""
    return secrets.token_urlsafe(18)


def insist(ask: Ask, total_s: float) -> Talk[Answer]:
    """A good answer, asked for again for up to `total_s` seconds where that helps. Raises RingletError."""
    until = monotonic() + total_s
    tries = 0
    while True:
        reply = yield ask
        if isinstance(reply, Answer) and reply.status <= OK_MAX:
            return reply
        error = understand(reply)
        error.idempotency_key = ask.key
        pause_s = pause_before(tries, error.retry_after)
        left_s = until - monotonic() - pause_s
        if not helps(error) or left_s < 0:
            raise error
        yield Pause(pause_s)
        tries += 1
        ask = replace(ask, left_s=left_s)


def helps(error: RingletError) -> bool:
    """Whether the same request may fare better soon. An unknown outcome that has its activation is an answer."""
    if error.activation is not None:
        return False
    return isinstance(error, Unreachable | RateLimited | IdempotencyInProgress | ServiceUnavailable)


def pause_before(tries: int, retry_after: float | None) -> float:
    """Seconds: twice as long each time and never the same for all, but not before the server wants to be asked."""
    backoff_s = min(PAUSE_S_MAX, FIRST_PAUSE_S * (1 << min(tries, 10)))
    return max(retry_after or 0.0, 0.0) + backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - only spreads callers


def understand(reply: Reply) -> RingletError:
    """What went wrong, as an exception."""
    if not isinstance(reply, Answer):
        return Unreachable(reply.why if isinstance(reply, Lost) else "no answer")
    try:
        failure = msgspec.json.decode(reply.body, type=_Failure)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _wordless(reply)
    kind = BY_CODE.get(failure.code, Refused)
    return kind(
        failure.message,
        code=failure.code,
        status=reply.status,
        request_id=failure.request_id,
        retry_after=_retry_after(reply) if failure.retry_after is None else failure.retry_after,
        min_price=failure.min_price,
        activation=failure.activation,
        errors=failure.errors,
    )


def _wordless(answer: Answer) -> RingletError:
    """A failure without a word of ours, for instance from a proxy in front of the installation."""
    kind: type[RingletError] = BadAnswer
    if answer.status in GATEWAYS:
        kind = ServiceUnavailable
    elif answer.status == TOO_MANY:
        kind = RateLimited
    return kind(
        f"HTTP {answer.status} without an answer of this API",
        status=answer.status,
        retry_after=_retry_after(answer),
    )


def _retry_after(answer: Answer) -> float | None:
    """The header, in either of its forms."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
