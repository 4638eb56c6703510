"""What schemathesis may not make up: a minute's wait, one Idempotency-Key for two orders, a float for a count."""

import itertools
import os
import re
from typing import Any

import schemathesis

_numbers = itertools.count()
_IDEMPOTENCY_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
_WHOLE = ("country", "smsId", "phone")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Wait a second at most; a number of its own before each good idempotency key; 6 where JSON Schema says 6.0."""
    wait = str((case.query or {}).get("wait", ""))
    if wait.isdigit() and 1 < int(wait) <= 60:
        case.query["wait"] = 1
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and _IDEMPOTENCY_KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{next(_numbers)}-{key}"[:255].strip()
    for name in _WHOLE:
        if (
            isinstance(case.body, dict)
            and isinstance(value := case.body.get(name), float)
            and value.is_integer()
        ):
            case.body[name] = int(value)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Every other message comes from an owner whom the site knows."""
    if isinstance(body, dict) and isinstance(body.get("key"), str) and len(body["key"]) % 2 == 0:
        body["key"] = os.environ["AGENT_KEY"]
    return body
