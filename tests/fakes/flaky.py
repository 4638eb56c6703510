"""A small real HTTP server that misbehaves as it is told: one turn of its script for each request."""

import contextlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Turn:
    """What happens to one request; it arrives whole in any case."""

    status: int = 200
    body: Any = field(default_factory=lambda: {"success": True})
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    #: the connection is reset instead of an answer
    is_reset: bool = False
    #: the answer breaks off in the middle
    is_cut: bool = False
    #: a byte every tenth of a second
    is_dripping: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float


RESET = Turn(is_reset=True)


def refusal(status: int, code: str, **more: Any) -> Turn:
    """A refusal as the API spells it; `retry_after_header` goes into the head."""
    headers = {"Retry-After": str(more.pop("retry_after_header"))} if "retry_after_header" in more else {}
    body = {"success": False, "code": code, "message": f"it is {code}", "request_id": "r-1", **more}
    return Turn(status, body, headers)


class Flaky:
    """On a port of its own; the last turn of a script is repeated for ever.

    `by_verb`: scripts of their own for the last word of a path.
    """

    def __init__(self, *script: Turn) -> None:
        self.script = list(script)
        self.by_verb: dict[str, list[Turn]] = {}
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next(self, seen: Seen) -> Turn:
        with self._lock:
            self.seen.append(seen)
            script = self.by_verb.get(seen.path.partition("?")[0].rpartition("/")[2], self.script)
            return script.pop(0) if len(script) > 1 else script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                head = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, head, self.rfile.read(length), time.monotonic())
                turn = flaky.next(seen)
                time.sleep(turn.delay_s)
                self.close_connection = True
                with contextlib.suppress(OSError):  # the client had enough of it
                    play(self, turn)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def play(handler: BaseHTTPRequestHandler, turn: Turn) -> None:
    if turn.is_reset:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        return
    body = turn.body if isinstance(turn.body, bytes) else json.dumps(turn.body).encode()
    handler.send_response(turn.status)
    for name, value in turn.headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if turn.is_dripping:
        for index in range(len(body)):
            handler.wfile.write(body[index : index + 1])
            time.sleep(0.1)
    else:
        handler.wfile.write(body[: len(body) // 2] if turn.is_cut else body)
