"""Who watches his live numbers hears which of them has changed; his page then asks for that card."""

import asyncio

from litestar.types import Receive, Scope, Send

from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.people import watch
from ringlet.people.visitor import Visitor
from ringlet.web.api import Office
from ringlet.web.listen import Connection
from ringlet.web.streams import Mark, Stream

CHECK_S = 3.0


class Guard:
    """Ends the streams whose session has ended, or shows another wallet now: one question for all of a process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._watched: dict[Stream, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def join(self, stream: Stream, visitor: Visitor) -> None:
        """Look after this stream."""
        self._watched[stream] = (visitor.session_id, visitor.wallet_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="live guard")

    def leave(self, stream: Stream) -> None:
        """It is over."""
        self._watched.pop(stream, None)

    async def _run(self) -> None:
        while self._watched:
            await asyncio.sleep(CHECK_S)
            asked = dict(self._watched)  # who joins while we ask is asked about the next time
            try:
                shown = await watch.shown(self._desk, list({each for each, _ in asked.values()}))
            except Refusal:
                continue  # a database that is away changes nothing about who may listen
            for stream, (session_id, wallet_id) in asked.items():
                if shown.get(session_id) != wallet_id:
                    stream.end()


class PageConnection(Connection):
    """A browser that shows live numbers. It never resumes: with every beginning it asks for its panel."""

    def __init__(self, office: Office, guard: Guard, visitor: Visitor, mark: Mark) -> None:
        super().__init__(office, visitor.wallet_id, mark, is_brief=True)
        self._guard = guard
        self._visitor = visitor

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As long as the session shows this wallet."""
        self._guard.join(self._stream, self._visitor)
        try:
            await super().serve(scope, receive, send)
        finally:
            self._guard.leave(self._stream)
