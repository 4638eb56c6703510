"""The one renderer of refusals: `{"success": false, "code", "message", …, "request_id"}`."""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from ringlet.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    Refusal,
    ServiceUnavailable,
    ValidationFailed,
)
from ringlet.web.wire import encode

log = structlog.get_logger("ringlet.web")

HTTP_UNAUTHORIZED = 401
HTTP_TOO_LARGE = 413


def body(refusal: Refusal, request_id: str) -> bytes:
    """The JSON text of a refusal."""
    return encode(
        {
            "success": False,
            "code": refusal.code,
            "message": refusal.message,
            **refusal.extra,
            "request_id": request_id,
        }
    )


def headers(refusal: Refusal) -> dict[str, str]:
    """What a refusal adds to the head of its answer."""
    found = {"Cache-Control": "no-store"}
    if refusal.retry_after_s is not None:
        found["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == HTTP_UNAUTHORIZED:
        found["WWW-Authenticate"] = "Bearer"
    return found


def render(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Whatever was raised, as an answer of the contract. What we did not foresee is logged and stays with us."""
    refusal = as_refusal(error)
    request_id = str(request.scope["state"].get("request_id", ""))
    if isinstance(refusal, InternalError):
        log.error("unforeseen", request_id=request_id, exc_info=error)
    elif isinstance(refusal, ServiceUnavailable) and error.__cause__ is not None:
        log.warning("out_of_reach", request_id=request_id, cause=type(error.__cause__).__name__)
    found = headers(refusal)
    if isinstance(error, HTTPException) and error.headers and "allow" in error.headers:
        found["Allow"] = error.headers["allow"]
    return Response(
        body(refusal, request_id), status_code=refusal.status, media_type="application/json", headers=found
    )


def as_refusal(error: Exception) -> Refusal:
    """The public meaning of an exception."""
    match error:
        case Refusal():
            return error
        case ValidationException():
            return _validation_failed(error)
        case HTTPException(status_code=404):
            return NotFound("No such address")
        case HTTPException(status_code=405):
            return MethodNotAllowed()
        case HTTPException(status_code=status) if status < InternalError.status:
            return ValidationFailed(
                "larger than 64 KiB" if status == HTTP_TOO_LARGE else _plain(error.detail)
            )
        case _:
            return InternalError()


def _validation_failed(error: ValidationException) -> ValidationFailed:
    """Litestar's list of what is wrong, in the contract's form."""
    found = [each for each in error.extra if isinstance(each, dict)] if isinstance(error.extra, list) else []
    refusal = ValidationFailed(_plain(error.detail))
    if found:
        errors = [
            {"field": str(each.get("key") or "body"), "message": _plain(str(each.get("message", "")))}
            for each in found
        ]
        refusal = ValidationFailed(errors[0]["message"], field=errors[0]["field"])
        refusal.extra = {"errors": errors}
    return refusal


def _plain(detail: str) -> str:
    """A library's sentence, short and on one line."""
    text = " ".join(detail.split())[:200]
    return text or ValidationFailed.message
