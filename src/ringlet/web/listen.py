"""GET /events: one connection of server-sent events, from the first byte to the last."""

import asyncio
import contextlib
from typing import cast

from litestar import Router, get
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Receive, Scope, Send

from ringlet.errors import Refusal, ServiceUnavailable, ValidationFailed
from ringlet.web.api import Office, Req, caller, office
from ringlet.web.streams import Mark, Stream

SCOPE = "activations:read"
HEARTBEAT_S = 15.0
HEARTBEAT = b": \n\n"
RETRY = b"retry: 2000\n\n"
FAREWELL_WITHIN_S = 0.5
ID_DIGITS_MAX = 18

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until a buffer is full
)


@get("/events", operation_id="listen", summary="Hear what happens", tags=["Activations"])
async def get_events(request: Req) -> ASGIApp:
    """What happens to your activations as server-sent events, as it happens, on a connection that stays open.

    After a break send the last `id` that you had as `Last-Event-ID`.
    """
    who, after = caller(request, SCOPE), _after(request)
    mark = await office(request).streams.ready(who.wallet.id, resumes=after is not None)
    return KeyConnection(office(request), who.wallet.id, mark, after).serve


def _after(request: Req) -> int | None:
    """The header goes before the parameter: a browser that connects again repeats the address as it was."""
    text = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX):
        raise ValidationFailed("the id of an event: digits", field="last_event_id")
    return int(text)


class Connection:
    """One client that listens."""

    def __init__(
        self, office: Office, wallet_id: int, mark: Mark, after: int | None = None, *, is_brief: bool = False
    ) -> None:
        self._office = office
        self._wallet_id = wallet_id
        self._mark = mark
        self._after = after
        self._stream = Stream(is_brief=is_brief)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the client goes, may not listen any more, it does not read, or the process ends."""
        stream = self._stream
        watch = asyncio.create_task(_until_gone(receive, stream))
        try:
            if self._after is None:
                self._office.streams.join(self._wallet_id, stream, self._mark)
            await _begin(send)
            async with stream.until_over():
                if self._after is not None:
                    await self._catch_up(self._after, send)
                await self._tell(cast("HTTPScope", scope), send)
        except ServiceUnavailable:
            pass  # the client comes again after `retry`
        finally:
            self._office.streams.leave(self._wallet_id, stream)
            watch.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_WITHIN_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _catch_up(self, after: int, send: Send) -> None:
        """First what is past, then, once the stream has joined, what came meanwhile."""
        streams, settled = self._office.streams, self._mark.settled
        # An id that nobody can have had yet must not hold back what comes.
        async for block in streams.past(self._wallet_id, min(after, settled), settled):
            await _send(send, block)
        self._stream.after = settled
        hub = streams.join(self._wallet_id, self._stream, self._mark)
        early = [each for each in hub.early if each > settled]
        async for block in streams.past(self._wallet_id, settled, hub.settled):
            await _send(send, block)
        await _send(send, await streams.early(early))

    async def _tell(self, scope: HTTPScope, send: Send) -> None:
        stream, clock = self._stream, asyncio.get_running_loop().time
        beats_at_s = clock() + HEARTBEAT_S
        while not stream.is_over:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(beats_at_s):
                    await stream.news.wait()
            block = stream.take()
            if clock() >= beats_at_s:
                if not await self._is_let_in(scope):
                    return
                beats_at_s = clock() + HEARTBEAT_S
                block = block or HEARTBEAT
            stream.is_sending = True
            await _send(send, block)
            stream.is_sending = False

    async def _is_let_in(self, _scope: HTTPScope) -> bool:
        """Asked with every heartbeat."""
        return True


class KeyConnection(Connection):
    """A client with an API key."""

    async def _is_let_in(self, scope: HTTPScope) -> bool:
        """Whether the key is still good; a database that is away changes nothing about that."""
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        client = scope.get("client")
        try:
            who = await self._office.keys.caller(
                authorization.decode("latin-1"), client[0] if client else None
            )
        except ServiceUnavailable:
            return True
        except Refusal:
            return False
        return SCOPE in who.key.scopes


async def _until_gone(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end(within_s=0)


async def _begin(send: Send) -> None:
    start: HTTPResponseStartEvent = {
        "type": "http.response.start", "status": 200, "headers": list(HEADERS),
    }  # fmt: skip
    await send(start)
    await _send(send, RETRY)


async def _send(send: Send, block: bytes) -> None:
    if block:
        await send({"type": "http.response.body", "body": block, "more_body": True})


router = Router("/api/v1", route_handlers=[get_events])
