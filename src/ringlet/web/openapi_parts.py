"""Parts of the OpenAPI document that stand there as they are: headers, parameters, links and their examples."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

#: example values of the parameters, by name
PARAMETER_EXAMPLES: Mapping[str, object] = {
    "service": "ig", "country": 6, "activation_id": "4390520873", "wait": 0, "page": 1, "per_page": 25,
    "status": "completed", "from": "2025-11-08T00:00:00Z", "to": "2030-01-01T00:00:00Z",
    "reference": "order-1001", "cursor": "737",
    "webhook_id": "wh_0A1b2C3d4E5f6G7h8I9j0K", "delivery_id": "88012",
}  # fmt: skip

#: what is no string of digits in an address
PATH_PATTERNS: Mapping[str, str] = {"webhook_id": "^wh_[0-9A-Za-z]{22}$"}

_WHOLE: Json = {"type": "integer", "minimum": 0}

HEADERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "Names this request in our log", "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
    },
    "RateLimit-Limit": {"description": "Requests a second for this key; absent without limit", "schema": _WHOLE},
    "RateLimit-Remaining": {"description": "Requests that are left at once", "schema": _WHOLE},
    "RateLimit-Reset": {"description": "Seconds until the whole allowance is back", "schema": _WHOLE},
    "Retry-After": {"description": "Seconds to wait before the next try", "schema": _WHOLE},
    "ETag": {
        "description": "Send it back as If-None-Match", "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-z-]+"$'},
    },
    "Idempotent-Replayed": {
        "description": "This key had already done it: the same answer again",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "How to sign in", "required": True, "schema": {"type": "string"}},
}  # fmt: skip

EVERYWHERE = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")

#: status → the headers that it adds
HEADERS_OF = {401: ("WWW-Authenticate",), 409: ("Retry-After",), 429: ("Retry-After",), 503: ("Retry-After",)}

PARAMETERS: Mapping[str, Json] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "What was done under this key is done once; kept 72 hours for the account",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match", "in": "header", "required": False,
        "description": "The ETag of the answer that you have; 304 when it is still the answer",
        "schema": {"type": "string"},
        "example": '"3f786850e387550fdab836ed7e6dc881"',
    },
    "LastEventId": {
        "name": "Last-Event-ID", "in": "header", "required": False,
        "description": "The last `id` that you had: everything since comes first, in order",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}, "example": "40210",
    },
    "LastEventIdQuery": {
        "name": "last_event_id", "in": "query", "required": False,
        "description": "The same for a first connection; the header goes before it. 0 brings all that is kept",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}, "example": "0",
    },
}  # fmt: skip

#: a stream's first bytes and one event
EVENTS_EXAMPLE = """\
retry: 2000

id: 40210
event: activation.created
data: {"type":"activation.created","timestamp":"2026-11-23T09:30:38.584048Z","data":{"sequence":40210}}

"""

_BOUGHT = "$response.body#/activation/activation_id"

#: what follows a purchase
LINKS: Mapping[str, Json] = {
    "status": {"operationId": "getStatus", "parameters": {"activation_id": _BOUGHT}},
    "resend": {"operationId": "resend", "requestBody": {"activation_id": _BOUGHT}},
    "cancel": {"operationId": "cancel", "requestBody": {"activation_id": _BOUGHT}},
}
