"""The official Stripe SDK over our own line: one request, one answer, a deadline, and no repetition behind our back."""

from collections.abc import Awaitable, Mapping
from typing import ClassVar, Protocol, TypeVar

import msgspec
import stripe

from ringlet.payments.port import Refused, Unreachable
from ringlet.suppliers.port import NotSent, OutcomeUnknown
from ringlet.suppliers.wire import Line

#: a part of a list, with all that hangs on its sessions
ANSWER_BYTES_MAX = 2_000_000
#: What the SDK raises for a no that stays one. Too many requests, another one with this key under way, and whatever
#: it makes of answers that are none of Stripe's is anything else.
NO = (
    stripe.InvalidRequestError,
    stripe.IdempotencyError,
    stripe.AuthenticationError,
    stripe.PermissionError,
    stripe.CardError,
)
WORDS_MAX = 200

# The SDK would tell Stripe of this machine and how long its answers took.
stripe.enable_telemetry = False


class Unknown(Refused):
    """There is no such thing in this account."""


class AskedBefore(Refused):
    """The key was used before, for something else."""


class _Transport(stripe.HTTPClient):
    name: ClassVar[str] = "ringlet"

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        answer = await self._line.ask(
            method.upper(),
            url.removeprefix(self._line.url),
            headers=headers,
            raw=None if post_data is None else post_data.encode(),
            bytes_max=ANSWER_BYTES_MAX,
        )
        # The SDK trips over an answer that is JSON and no object.
        answer.json(dict[str, msgspec.Raw])
        return answer.body, answer.status, {}


def client(key: str, line: Line) -> stripe.StripeClient:
    """The SDK with this key, speaking through this line."""
    return stripe.StripeClient(
        key, base_addresses={"api": line.url}, http_client=_Transport(line), max_network_retries=0
    )


class _Answered(Protocol):
    @property
    def last_response(self) -> object: ...


T = TypeVar("T")


async def ask(call: Awaitable[_Answered], shape: type[T]) -> T:
    """The SDK's answer in our shape. Raises Unreachable, Refused (Unknown when there is no such thing)."""
    try:
        answer = (await call).last_response
        assert isinstance(answer, stripe.StripeResponse), "every answer of a request has one"
    except (NotSent, OutcomeUnknown) as error:
        raise Unreachable(str(error)) from None
    except stripe.StripeError as error:
        raise _meaning(error) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        # What the SDK does with answers that are none of Stripe's.
        raise Unreachable(f"unreadable answer: {type(error).__name__}") from None
    return read(answer.body, shape)


def read(body: str | msgspec.Raw, shape: type[T]) -> T:
    """JSON of Stripe's in our shape. Raises Unreachable when it is not of that shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
        raise Unreachable(f"unreadable answer: {str(error)[:WORDS_MAX]}") from None


async def look(call: Awaitable[_Answered], shape: type[T]) -> T:
    """Like `ask`, for what changes nothing: keys that are refused today say nothing about the payment.

    Raises Unreachable, Unknown.
    """
    try:
        return await ask(call, shape)
    except Unknown:
        raise
    except Refused as error:
        raise Unreachable(str(error)) from None


def _meaning(error: stripe.StripeError) -> Unreachable | Refused:
    words = str(error.user_message or type(error).__name__)[:WORDS_MAX]
    if not isinstance(error, NO):
        return Unreachable(f"{error.http_status}: {words}")
    if isinstance(error, stripe.IdempotencyError):
        return AskedBefore(words)
    # Else it is the 404 of something that stands in front.
    return Unknown(words) if error.code == "resource_missing" else Refused(words)
