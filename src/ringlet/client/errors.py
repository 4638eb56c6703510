"""Everything that can go wrong for a caller, one class per public code.

RingletError                 code, message, status, request_id, retry_after, min_price, activation, errors,
│                            idempotency_key
├── NotConfigured            no usable key or address
├── Unreachable              no answer in the time that we may take
├── BadAnswer                an answer that is not of this API, for instance a proxy's page
├── NotVerified              a webhook that the installation did not sign
├── NoCode                   wait_for_code ended without one; `activation` says where it stands
│   ├── CodeTimeout          the time was up, the activation is still open
│   └── ActivationOver       it expired, failed or was cancelled
└── Refused                  the API said no; a code that this version does not know is a plain Refused
    ├── Unauthorized            401 unauthorized
    ├── InsufficientBalance     402 insufficient_balance
    ├── Forbidden               403 forbidden
    ├── ServiceNotAllowed       403 service_not_allowed
    ├── NotFound                404 not_found
    ├── MethodNotAllowed        405 method_not_allowed
    ├── NoNumbers               409 no_numbers
    ├── MaxPriceExceeded        409 max_price_exceeded      + min_price
    ├── CancelRejected          409 cancel_rejected         (+ retry_after)
    ├── ResendRejected          409 resend_rejected
    ├── WebhookRejected         409 webhook_rejected
    ├── IdempotencyInProgress   409 idempotency_in_progress
    ├── IdempotencyMismatch     422 idempotency_mismatch
    ├── ValidationFailed        422 validation_failed       + errors
    ├── RateLimited             429 rate_limited            + retry_after
    ├── InternalError           500 internal_error
    └── ServiceUnavailable      503 service_unavailable     (+ activation: its outcome is not known yet)
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from ringlet.client.values import Activation, FieldError


class RingletError(Exception):
    """Base of all. What an answer did not say is None."""

    code: str = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        min_price: Decimal | None = None,
        activation: Activation | None = None,
        errors: Sequence[FieldError] = (),
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.min_price = min_price
        self.activation = activation
        self.errors = tuple(errors)
        #: the key of the POST that failed: the same call with it is done once at the most
        self.idempotency_key: str | None = None

    def __str__(self) -> str:
        """For a log: the code, the sentence, and what the operator can find it by."""
        found = f"{self.code}: {self.message}"
        return f"{found} (request {self.request_id})" if self.request_id else found


class NotConfigured(RingletError):  # noqa: N818 - named for what happened
    code = "not_configured"


class Unreachable(RingletError):  # noqa: N818 - named for what happened
    code = "unreachable"


class BadAnswer(RingletError):  # noqa: N818 - named for what happened
    code = "bad_answer"


class NotVerified(RingletError):  # noqa: N818 - named for what happened
    code = "not_verified"


class NoCode(RingletError):  # noqa: N818 - named for what happened
    """No code came. Unlike the others it always has its `activation`."""

    code = "no_code"


class CodeTimeout(NoCode):
    code = "code_timeout"


class ActivationOver(NoCode):
    code = "activation_over"


class Refused(RingletError):  # noqa: N818 - named for what happened
    code = "refused"


class Unauthorized(Refused):
    code = "unauthorized"


class InsufficientBalance(Refused):
    code = "insufficient_balance"


class Forbidden(Refused):
    code = "forbidden"


class ServiceNotAllowed(Refused):
    code = "service_not_allowed"


class NotFound(Refused):
    code = "not_found"


class MethodNotAllowed(Refused):
    code = "method_not_allowed"


class NoNumbers(Refused):
    code = "no_numbers"


class MaxPriceExceeded(Refused):
    code = "max_price_exceeded"


class CancelRejected(Refused):
    code = "cancel_rejected"


class ResendRejected(Refused):
    code = "resend_rejected"


class WebhookRejected(Refused):
    code = "webhook_rejected"


class IdempotencyInProgress(Refused):
    code = "idempotency_in_progress"


class IdempotencyMismatch(Refused):
    code = "idempotency_mismatch"


class ValidationFailed(Refused):
    code = "validation_failed"


class RateLimited(Refused):
    code = "rate_limited"


class InternalError(Refused):
    code = "internal_error"


class ServiceUnavailable(Refused):
    code = "service_unavailable"


def _refusals(kind: type[Refused]) -> Iterator[type[Refused]]:
    for below in kind.__subclasses__():
        yield below
        yield from _refusals(below)


BY_CODE = {kind.code: kind for kind in _refusals(Refused)}
