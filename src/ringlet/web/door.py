"""The door: every request passes it, once in and once out.

In: a request id; for the API the key and its rate. Out: the headers that every answer carries, a log line, a
count. It is plain ASGI around the application because it stands in the way of every request.
"""

import re
import secrets
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from ringlet import logs, metrics
from ringlet.errors import NotFound, Refusal
from ringlet.web import refusals
from ringlet.web.api import Office
from ringlet.web.auth import Caller

API = "/api/v1/"
STATUS_ROUTE = "/api/v1/resell/virtual/{activation_id:str}/status"
_STATUS_PATH = re.compile(r"/api/v1/resell/virtual/([0-9]{1,18})/status")
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

Headers = list[tuple[bytes, bytes]]


class Door:
    """Wraps the application; `office` is set by its start."""

    def __init__(self, app: ASGIApp, office: Office) -> None:
        self._app = app
        self._office = office
        self._limit = str(office.limits.per_s).encode()

    def end(self) -> None:
        """The process is about to end: nobody is kept waiting."""
        self._office.statuses.end()
        self._office.streams.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        began_s = perf_counter()
        request_id = secrets.token_hex(8)
        added: Headers = [
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        path: str = scope["path"]
        try:
            if "//" in path:  # the router would read it as one slash, past this door
                raise NotFound("No such address")
            if path.startswith(API):
                await self._let_in(scope, state, added)
                if await self._answer_kept(scope, state, send_on):
                    return
            await self._app(scope, receive, send_on)
        except Refusal as refusal:
            await _refuse(refusal, request_id, send_on)
        finally:
            if path not in QUIET:
                self._note(scope, state, status, perf_counter() - began_s)

    async def _let_in(self, scope: HTTPScope, state: dict[str, Any], added: Headers) -> None:
        """Refuses: Unauthorized, Forbidden, RateLimited, ServiceUnavailable."""
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        client = scope.get("client")
        caller = await self._office.keys.caller(
            authorization.decode("latin-1"), client[0] if client else None
        )
        state["caller"] = caller
        if self._office.limits.per_s:
            added += [(b"ratelimit-limit", self._limit), (b"ratelimit-reset", b"1")]
            try:
                left = self._office.limits.take(caller.key.id)
            except Refusal:
                added.append((b"ratelimit-remaining", b"0"))
                raise
            added.append((b"ratelimit-remaining", str(left).encode()))

    async def _answer_kept(self, scope: HTTPScope, state: dict[str, Any], send: Send) -> bool:
        """The question that is asked most, answered from memory without going further; false when it cannot be.

        Says word for word what `api.get_status` would say; decision 5 tells why.
        """
        found = _STATUS_PATH.fullmatch(scope["path"])
        if found is None or scope["query_string"] or scope["method"] != "GET":
            return False
        caller: Caller = state["caller"]
        body = self._office.statuses.kept(caller.wallet, int(found[1]))
        if body is None or "activations:read" not in caller.key.scopes:
            return False
        scope["path_template"] = STATUS_ROUTE
        state["activation"] = found[1]
        await _send_json(send, 200, body)
        return True

    def _note(self, scope: HTTPScope, state: dict[str, Any], status: int, took_s: float) -> None:
        route = _route(scope)
        metrics.request_series(route, scope["method"], status).inc()
        metrics.seconds_series(route).observe(took_s)
        caller = state.get("caller")
        logs.write_request(
            logs.RequestLine(
                request_id=state["request_id"],
                method=scope["method"],
                route=route,
                status=status,
                ms=round(took_s * 1000, 2),
                customer=caller.wallet.customer_id if caller else None,
                key=caller.key.id if caller else None,
                activation=state.get("activation"),
                at=datetime.now(UTC),
            )
        )


def _route(scope: HTTPScope) -> str:
    """The pattern of the address, never the address itself: what a client sends is no label and no log line."""
    return scope.get("path_template") or "unknown"


async def _refuse(refusal: Refusal, request_id: str, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in refusals.headers(refusal).items()]
    await _send_json(send, refusal.status, refusals.body(refusal, request_id), headers)


async def _send_json(send: Send, status: int, body: bytes, added: Headers | None = None) -> None:
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *(added or ()),
    ]
    start: HTTPResponseStartEvent = {
        "type": "http.response.start", "status": status, "headers": headers,
    }  # fmt: skip
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
