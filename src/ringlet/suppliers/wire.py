"""HTTP to suppliers: one session per process, one `Line` per supplier, and what its failures mean.

The library would repeat a GET by itself when the connection broke after it was sent. In these protocols a GET
rents a number: a repetition rents two. That is switched off, and `tests/test_suppliers_wire.py` counts.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from ringlet.suppliers.port import NotSent, OutcomeUnknown

ANSWER_BYTES_MAX = 1_000_000
LIST_BYTES_MAX = 64_000_000
CONNECT_WITHIN_S = 5.0
CONNECTIONS_MAX = 1_000
AGENT = "Ringlet/0.1 (+https://ringlet.example)"

_encode = msgspec.json.Encoder(decimal_format="number").encode

#: Before these the request had not been written.
_BEFORE_SENDING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ClientConnectorCertificateError,
)
_BROKEN = (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, ValueError)


def open_session() -> aiohttp.ClientSession:
    """The session that all suppliers share; keeps connections, follows no redirects, keeps no cookies."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, limit_per_host=0, ttl_dns_cache=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": AGENT},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S),
        trust_env=False,
    )
    session._retry_connection = False  # noqa: SLF001 - see above; the library's own test client does the same
    return session


class Pace:
    """At most so many requests a second, evenly; who comes too early waits for the next gap."""

    def __init__(self, per_s: float) -> None:
        self._gap_s = 1 / per_s
        self._next = 0.0

    async def turn(self, *, longest_s: float = 10.0) -> None:
        """Wait for a turn. Raises NotSent when it would take longer than that."""
        now = time.monotonic()
        # A second's worth may go at once after a rest.
        at = max(self._next, now - 1.0)
        if at - now > longest_s:
            raise NotSent("too many requests are waiting for this supplier's rate limit")
        self._next = at + self._gap_s
        if at > now:
            await asyncio.sleep(at - now)


class Answer(msgspec.Struct, frozen=True):
    """What came back, whole."""

    status: int
    is_json: bool
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever bytes it holds."""
        return self.body.decode("utf-8", "replace").strip()

    def json(self, shape: Any = Any) -> Any:
        """The body as JSON of that shape. Raises OutcomeUnknown when it is not."""
        try:
            return msgspec.json.decode(self.body, type=shape, strict=False)
        except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
            raise OutcomeUnknown(f"unreadable answer: {str(error)[:120]}") from None


class Line:
    """Requests to one supplier."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, deadline_s: float = 15.0, per_s: float = 20.0
    ) -> None:
        self._session = session
        self.url = url.rstrip("/")
        self._deadline_s = deadline_s
        self._pace = Pace(per_s)

    async def ask(
        self,
        method: str,
        path: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        raw: bytes | None = None,
        deadline_s: float | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
        is_urgent: bool = False,
    ) -> Answer:
        """Send one request once and read the whole answer within the deadline.

        `body` goes as JSON; `raw` as it is, for those who sign bytes, as JSON unless `headers` name another type.
        Urgent requests (a customer waits) do not queue behind the rate limit for long.
        Raises NotSent or OutcomeUnknown; any HTTP status is an answer.
        """
        await self._pace.turn(longest_s=2.0 if is_urgent else 10.0)
        data = raw if body is None else _encode(body)
        sent = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
        try:
            async with asyncio.timeout(deadline_s or self._deadline_s):
                async with self._session.request(
                    method, self.url + path, params=query, headers=sent, data=data, allow_redirects=False
                ) as response:
                    return Answer(
                        response.status,
                        "json" in response.headers.get("Content-Type", ""),
                        await _read(response, bytes_max),
                    )
        except _BEFORE_SENDING as error:
            raise NotSent(f"no connection to {host_of(self.url)}{_spell(error)}") from None
        except TimeoutError:
            raise OutcomeUnknown(f"no answer from {host_of(self.url)} in time") from None
        except _BROKEN as error:
            raise OutcomeUnknown(f"{host_of(self.url)} broke off{_spell(error)}") from None


def _spell(error: Exception) -> str:
    """Why, in words of ours: the error's own text may hold the address, and the address the key."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return ": nobody knows this host name"
        case aiohttp.ClientSSLError():
            return ": its certificate is not good, or TLS failed"
        case aiohttp.ConnectionTimeoutError():
            return f": nothing answers within {CONNECT_WITHIN_S:.0f} s"
        case aiohttp.InvalidURL():
            return ": this is no address"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return ": nothing listens there"
        case _:
            return ""


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    parts, length = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        length += len(part)
        if length > bytes_max:
            raise OutcomeUnknown(f"answer longer than {bytes_max} bytes")
        parts.append(part)
    return b"".join(parts)


def host_of(url: str) -> str:
    """The part of an address that may be logged."""
    return urlsplit(url).netloc.rpartition("@")[2]
