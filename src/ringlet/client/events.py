"""Server-sent events: bytes in, events out, and from where to go on when the connection breaks."""

from collections.abc import Iterator, Mapping

import msgspec

from ringlet.client.errors import BadAnswer, RingletError
from ringlet.client.patience import helps, pause_before, understand
from ringlet.client.talk import Answer, Lost
from ringlet.client.values import Event

EVENTS = "/events"
SILENCE_S = 45.0  # the server sends something every 15 seconds
LINE_BYTES_MAX = 1024 * 1024
OK = 200


class Stream:
    """One caller's stream, over as many connections as it takes."""

    def __init__(self, after: str | None) -> None:
        self._last_id = after
        self._tries = 0
        self._begin()

    def _begin(self) -> None:
        """A new connection knows nothing of the line that the old one broke off in."""
        self._rest = b""
        self._id: str | None = None
        self._data: list[bytes] = []

    def headers(self, ours: Mapping[str, str]) -> dict[str, str]:
        """The head of the next connection: ours, and what we have had."""
        self._begin()
        resume = {} if self._last_id is None else {"Last-Event-ID": self._last_id}
        return {**ours, "Accept": "text/event-stream", **resume}

    def take(self, chunk: bytes) -> Iterator[Event]:
        """The events that are whole now. Raises BadAnswer for what are none."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_BYTES_MAX:
            raise BadAnswer("a line of the event stream has no end")
        for line in lines:
            if (event := self._line(line.removesuffix(b"\r"))) is not None:
                yield event

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._end()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"id":
            self._id = value.decode("ascii", "replace")
        elif field == b"data":
            self._data.append(value)
        return None

    def _end(self) -> Event | None:
        data, event_id = b"\n".join(self._data), self._id
        self._data, self._id = [], None
        if not data:
            return None
        try:
            found = msgspec.json.decode(data, type=Event)
        except msgspec.DecodeError as error:
            raise BadAnswer(f"an event is not what this client knows: {error}") from error
        self._last_id, self._tries = event_id or self._last_id, 0
        return msgspec.structs.replace(found, id=event_id)

    def pause_after(self, reply: Answer | Lost) -> float:
        """Seconds until the next connection. Raises RingletError for a refusal that will stay one."""
        pause_s = pause_before(self._tries, None)
        self._tries += 1
        if isinstance(reply, Answer) and reply.status != OK:
            error: RingletError = understand(reply)
            if not helps(error):
                raise error
            pause_s = max(pause_s, error.retry_after or 0.0)
        return pause_s
