"""Owners of SIM cards push their messages here: PUSH_SMS of the agent protocol.

Numbers are JSON numbers, every message is repeated until the answer is SUCCESS, and ours is SUCCESS only when
the message is in the database. Anything else answers `{"status": "ERROR", "error": …}`.
"""

from typing import Annotated, Any

import structlog
from litestar import Request, Response, post
from msgspec import Meta, Struct

from ringlet import metrics, tokens
from ringlet.activations.receive import IncomingMessage, receive
from ringlet.desk import Desk
from ringlet.errors import Refusal, ServiceUnavailable, Unauthorized, ValidationFailed
from ringlet.suppliers import stock
from ringlet.web import wire
from ringlet.web.api import about, office
from ringlet.web.bodies import read

log = structlog.get_logger("ringlet.agent")


class PushSms(Struct):
    """One message that came to one SIM card. `smsId` is the owner's own and never used twice."""

    action: Annotated[str, Meta(extra_json_schema={"enum": ["PUSH_SMS"]})]
    key: str
    smsId: Annotated[int, Meta(ge=0, le=2**63 - 1)]  # noqa: N815 - the protocol's spelling
    phone: Annotated[int, Meta(ge=10_000, le=999_999_999_999_999)]
    text: Annotated[str, Meta(max_length=16_000)]
    phoneFrom: Annotated[str, Meta(max_length=255)] = ""  # noqa: N815


class PushAnswer(Struct, omit_defaults=True):
    status: str
    error: str | None = None


@post("/agent/api/sms", operation_id="pushSms", summary="An owner pushes a message", status_code=200,
      tags=["Number owners"])  # fmt: skip
async def push_sms(request: Request[Any, Any, Any]) -> Response[PushAnswer]:
    """Repeat until the answer is SUCCESS; the same smsId again changes nothing."""
    try:
        push = await read(request, PushSms)
        if push.action != "PUSH_SMS":
            raise ValidationFailed("only PUSH_SMS is taken here", field="action")
        desk = office(request).desk
        source_id = await _source(desk, push.key)
        incoming = IncomingMessage(push.smsId, str(push.phone), push.phoneFrom, push.text)
        receipt = await receive(desk, source_id, incoming)
    except Refusal as refusal:
        metrics.MESSAGES.labels(refusal.code).inc()
        answer = _answer(PushAnswer("ERROR", refusal.message), _status_of(refusal))
        if refusal.retry_after_s is not None:
            answer.headers["Retry-After"] = str(refusal.retry_after_s)
        return answer
    metrics.MESSAGES.labels(receipt.outcome).inc()
    if receipt.public_id is not None:
        about(request, receipt.public_id)
    return _answer(PushAnswer("SUCCESS"))


def _status_of(refusal: Refusal) -> int:
    """Owners' programs read the body; the HTTP status is for the proxies between."""
    return refusal.status if isinstance(refusal, (ServiceUnavailable, Unauthorized)) else 400


async def _source(desk: Desk, key: str) -> int:
    if tokens.is_well_formed(key):
        async with desk.db.connection() as tx:
            source_id = await stock.source_by_agent_key(tx, tokens.fingerprint(desk.settings.secret, key))
        if source_id is not None:
            return source_id
    raise Unauthorized("Unknown key")


def _answer(body: PushAnswer, status_code: int = 200) -> Response[PushAnswer]:
    return wire.encoded(wire.encode(body), status_code)
