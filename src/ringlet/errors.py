"""Everything that Ringlet refuses, one class per public code.

    Refusal
    ├── Unauthorized           401 unauthorized
    ├── Forbidden              403 forbidden
    ├── ServiceNotAllowed      403 service_not_allowed
    ├── InsufficientBalance    402 insufficient_balance
    ├── NotFound               404 not_found
    ├── MethodNotAllowed       405 method_not_allowed
    ├── NoNumbers              409 no_numbers
    ├── MaxPriceExceeded       409 max_price_exceeded      + min_price
    ├── CancelRejected         409 cancel_rejected         (+ retry_after)
    ├── ResendRejected         409 resend_rejected
    ├── WebhookRejected        409 webhook_rejected
    ├── IdempotencyInProgress  409 idempotency_in_progress + Retry-After
    ├── IdempotencyMismatch    422 idempotency_mismatch
    ├── ValidationFailed       422 validation_failed       + errors
    ├── RateLimited            429 rate_limited            + Retry-After
    ├── InternalError          500 internal_error
    └── ServiceUnavailable     503 service_unavailable     + Retry-After

A refusal is an answer, not an accident: its text is for the customer and holds nothing of ours.
One renderer (`web/refusals.py`) turns it into `{"success": false, "code", "message", …}`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar


def translatable(sentence: str) -> str:
    """The same; the catalogues find it by this where it stands apart from its refusal."""
    return sentence


class RingletError(Exception):
    """Base of all errors that we raise on purpose."""


class StartupError(RingletError):
    """Ringlet cannot start like this; the text says what to change."""


class Refusal(RingletError):  # noqa: N818 - a refusal is an answer, not an error
    """An answer that says no. `message` is public; `extra` is added to the body.

    With `values` the message is a pattern with their names in it, "At most %(most)s": pages translate the `pattern`, then
    put them in.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    message: str

    def __init__(
        self, message: str | None = None, *, values: Mapping[str, object] | None = None, **extra: Any
    ) -> None:
        self.pattern, self.values = message or self.message, values
        if message is not None:
            self.message = message if values is None else message % values
        super().__init__(self.message)
        self.extra: Mapping[str, Any] = extra

    @property
    def retry_after_s(self) -> int | None:
        """Seconds for the `Retry-After` header, when waiting helps."""
        return None


class Unauthorized(Refusal):
    code = "unauthorized"
    status = 401
    message = "A valid API key is needed: send the header 'Authorization: Bearer <token>'"


class Forbidden(Refusal):
    code = "forbidden"
    status = 403
    message = "This API key may not do that"


class ServiceNotAllowed(Refusal):
    code = "service_not_allowed"
    status = 403
    message = "This service is not sold here"


class InsufficientBalance(Refusal):
    code = "insufficient_balance"
    status = 402
    message = "Not enough balance to place the order"


class NotFound(Refusal):
    code = "not_found"
    status = 404
    message = "Nothing here by that name"


class MethodNotAllowed(Refusal):
    code = "method_not_allowed"
    status = 405
    message = "This address does not take that method"


class NoNumbers(Refusal):
    code = "no_numbers"
    status = 409
    message = "No numbers available for this service in the selected country"


class MaxPriceExceeded(Refusal):
    code = "max_price_exceeded"
    status = 409
    message = "Numbers are available, but none at or below max_price"

    def __init__(self, min_price: Decimal) -> None:
        super().__init__(min_price=min_price)


class CancelRejected(Refusal):
    code = "cancel_rejected"
    status = 409
    message = "Cancellation rejected — activation already completed or not refundable"


class ResendRejected(Refusal):
    code = "resend_rejected"
    status = 409
    message = "Resend rejected — the number is no longer held for this activation"


class WebhookRejected(Refusal):
    code = "webhook_rejected"
    status = 409
    message = "There is such a webhook already, there are too many, or this one is disabled"


class IdempotencyInProgress(Refusal):
    code = "idempotency_in_progress"
    status = 409
    message = "The first request with this Idempotency-Key is still running"

    @property
    def retry_after_s(self) -> int:
        """The first request is soon done."""
        return 1


class IdempotencyMismatch(Refusal):
    code = "idempotency_mismatch"
    status = 422
    message = "This Idempotency-Key was used for another request"


class ValidationFailed(Refusal):
    code = "validation_failed"
    status = 422
    message = "The request is not valid"

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        """`field` names what is wrong, as the customer spelled it; the message says how."""
        pattern = message or self.message
        text = pattern if values is None else pattern % values
        super().__init__(
            f"{field}: {text}" if field else text, errors=[{"field": field or "body", "message": text}]
        )
        self.pattern, self.values = pattern, values


class RateLimited(Refusal):
    code = "rate_limited"
    status = 429
    message = "Too many requests with this API key"

    @property
    def retry_after_s(self) -> int:
        """As it says itself; a second refills the whole allowance of a key."""
        return int(self.extra.get("retry_after", 1))


class InternalError(Refusal):
    code = "internal_error"
    status = 500
    message = "Something went wrong here; the request_id names it in our log"


class ServiceUnavailable(Refusal):
    code = "service_unavailable"
    status = 503
    message = "The service is out of reach for a moment; try again"

    @property
    def retry_after_s(self) -> int:
        """What is out of reach is usually back within seconds."""
        return 1
