"""One attempt: the request is sent once, within fifteen seconds, and its outcome is a value. Nothing is raised."""

import asyncio
import time
from datetime import UTC, datetime

import aiohttp
import msgspec
import structlog

from ringlet.errors import ValidationFailed
from ringlet.webhooks import payload
from ringlet.webhooks.addresses import ForbiddenAddress, Guard
from ringlet.webhooks.claim import Task

WITHIN_S = 15.0
READ_BYTES_MAX = 20_000
KEPT_BYTES = 2_048
GONE = 410
#: statuses that may say when to come back
BUSY = frozenset({429, 502, 503, 504})

_FORBIDDEN = "this host name does not lead to a public IP address"
log = structlog.get_logger("ringlet.webhooks")

_BROKEN = (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, ValueError)


class Outcome(msgspec.Struct, frozen=True):
    """What came back: a status, or an error in our words."""

    took_ms: int
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """Any 2xx; a redirection is none."""
        return self.error is None and self.status is not None and 200 <= self.status < 300  # noqa: PLR2004

    @property
    def is_gone(self) -> bool:
        """The receiver wants nothing more."""
        return self.status == GONE


async def send(session: aiohttp.ClientSession, guard: Guard, task: Task) -> Outcome:
    """Make one attempt."""
    began_s = time.monotonic()
    status, error, answer, retry_after_s = None, None, None, None
    try:
        guard.check(task.endpoint.url)  # the settings may have changed since it was made
        body, head = _written(task)
        async with (
            asyncio.timeout(WITHIN_S),
            session.post(task.endpoint.url, data=body, headers=head, allow_redirects=False) as response,
        ):
            status, retry_after_s = response.status, _retry_after_s(response)
            answer = await _read(response)
    except TimeoutError:
        error = f"no whole answer within {WITHIN_S:.0f} seconds"
    except ValidationFailed as refusal:
        error = refusal.message
    except _BROKEN as broken:
        error = _spell(broken)
    except Exception:  # one event that cannot be written stops no other
        log.exception("webhook_not_written", event_id=task.event.id)
        error = "it could not be written; ask your provider"
    took_ms = int((time.monotonic() - began_s) * 1_000)
    return Outcome(took_ms, status, error, answer, retry_after_s)


def _written(task: Task) -> tuple[bytes, dict[str, str]]:
    """Body and head of this attempt."""
    form = task.endpoint.form
    assert task.secrets or form == "field", "nothing to sign with"
    body = payload.body(form, task.event, task.seen)
    return body, payload.headers(form, task.webhook_id, task.secrets, body, datetime.now(UTC))


async def _read(response: aiohttp.ClientResponse) -> str:
    """The beginning of the answer. More than we would read is cut off, not waited for."""
    parts, length = [], 0
    async for part in response.content.iter_chunked(4_096):
        parts.append(part)
        length += len(part)
        if length >= READ_BYTES_MAX:
            break
    return b"".join(parts)[:KEPT_BYTES].decode("utf-8", "replace").replace("\0", "")


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Seconds as a number; the other form, a date, is left to our own schedule."""
    text = response.headers.get("Retry-After", "").strip()
    if response.status in BUSY and text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004
        return float(text)
    return None


def _spell(broken: BaseException) -> str:
    """For the customer's log: what went wrong, without what it says about our own network."""
    cause: BaseException | None = broken
    while cause is not None:
        if isinstance(cause, ForbiddenAddress):
            return _FORBIDDEN
        cause = cause.__cause__
    match broken:
        case aiohttp.ClientConnectorDNSError():
            return _FORBIDDEN
        case aiohttp.ClientSSLError():
            return "no connection: TLS failed or the certificate is not good for this host"
        case aiohttp.ClientConnectorError():
            return "no connection"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return "the connection broke before the answer was whole"
        case _:
            return f"not an answer in HTTP ({type(broken).__name__})"
