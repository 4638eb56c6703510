"""What 5sim's programs are told when we say no: plain text, word for word the protocol's, some of it with status 200."""

from typing import Any

import structlog
from litestar import Request, Response

from ringlet import errors
from ringlet.errors import Refusal, RingletError
from ringlet.web import refusals

BAD_REQUEST = 400
UNAUTHORIZED = 401
OUT_OF_REACH = 503

NO_FREE_PHONES = "no free phones"
BAD_COUNTRY = "bad country"
BAD_OPERATOR = "bad operator"
NO_PRODUCT = "no product"
COUNTRY_INCORRECT = "country is incorrect"
PRODUCT_INCORRECT = "product is incorrect"
NOT_FOUND = "order not found"
EXPIRED = "order expired"
HAS_SMS = "order has sms"
NO_SMS = "order no sms"
TOO_EARLY = "you need to wait time"
NO_REUSE = "reuse not possible"
OFFLINE = "server offline"

#: refusal → status and text. The key's own faults are all 401: no program of this protocol knows 403.
_WORDS: dict[type[Refusal], tuple[int, str]] = {
    errors.NoNumbers: (200, NO_FREE_PHONES),
    errors.MaxPriceExceeded: (200, NO_FREE_PHONES),
    errors.ServiceNotAllowed: (BAD_REQUEST, NO_PRODUCT),
    errors.InsufficientBalance: (BAD_REQUEST, "not enough user balance"),
    errors.NotFound: (BAD_REQUEST, NOT_FOUND),
    errors.CancelRejected: (BAD_REQUEST, TOO_EARLY),
    errors.ResendRejected: (BAD_REQUEST, NO_REUSE),
    errors.IdempotencyInProgress: (BAD_REQUEST, OFFLINE),
    errors.ServiceUnavailable: (BAD_REQUEST, OFFLINE),
    errors.InternalError: (500, "internal error"),
}

log = structlog.get_logger("ringlet.web")


class Complaint(RingletError):  # noqa: N818 - an answer, not an error
    """A no in the protocol's own words."""

    def __init__(self, text: str, status: int = BAD_REQUEST) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def render(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """Whatever was raised, in the protocol's words. What we did not foresee is logged and stays with us."""
    if isinstance(error, Complaint):
        return _say(error.status, error.text, {})
    refusal = refusals.as_refusal(error)
    if isinstance(refusal, errors.InternalError):
        log.error("unforeseen", request_id=str(request.scope["state"].get("request_id", "")), exc_info=error)
    return _say(*_meaning(request, refusal), refusals.headers(refusal))


def _meaning(request: Request[Any, Any, Any], refusal: Refusal) -> tuple[int, str]:
    match refusal:
        case errors.Unauthorized():
            return UNAUTHORIZED, "unauthorized"
        case errors.Forbidden():
            return UNAUTHORIZED, refusal.message.lower()
        case errors.RateLimited() if "retry_after" not in refusal.extra:
            per_s = request.app.state.office.limits.per_s
            return refusal.status, f"api limit is {per_s} requests per second"
        case _:
            return _WORDS.get(type(refusal), (refusal.status, refusal.message.lower()))


def _say(status: int, text: str, headers: dict[str, str]) -> Response[str]:
    return Response(
        text, status_code=status, media_type="text/plain", headers={"Cache-Control": "no-store", **headers}
    )
