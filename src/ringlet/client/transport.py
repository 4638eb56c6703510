"""What both clients share at the wire: headers, time limits, and an answer as it comes in."""

from time import monotonic

import httpx2

from ringlet.client.access import Access
from ringlet.client.talk import Answer, Ask

CONNECT_S = 5.0
ANSWER_BYTES_MAX = 128 * 1024 * 1024
#: No whole answer: the connection broke, took too long, or what came cannot be unpacked.
LOST = (httpx2.TransportError, httpx2.DecodingError, TimeoutError)


def limits(within_s: float) -> httpx2.Timeout:
    """A limit for each step of a request."""
    return httpx2.Timeout(within_s, connect=min(CONNECT_S, within_s))


def headers_of(access: Access, ask: Ask) -> dict[str, str]:
    """The whole head of a request."""
    return {
        "Authorization": f"Bearer {access.api_key}",
        "Accept": "application/json",
        "User-Agent": "ringlet-python",
        **ask.headers,
    }


class Reading:
    """The body of an answer as it comes in: one that drips is given up when its time is over."""

    def __init__(self, within_s: float) -> None:
        self._until = monotonic() + within_s
        self._body = bytearray()

    def take(self, chunk: bytes) -> None:
        """One more piece. Raises TimeoutError, and httpx2.DecodingError for what never ends."""
        self._body += chunk
        if len(self._body) > ANSWER_BYTES_MAX:
            raise httpx2.DecodingError("the answer is too large")
        if monotonic() > self._until:
            raise TimeoutError("the answer did not end in time")

    def answer(self, response: httpx2.Response) -> Answer:
        """The whole."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(self._body))
