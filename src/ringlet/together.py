"""Doing for many at once what each of them asked for alone."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

from ringlet.errors import ServiceUnavailable

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

AT_ONCE = 1
GROUP_MAX = 32
WAITING_MAX = 2_000
PATIENCE_S = 3.0


class Together:
    """Gathers what is asked while earlier groups are served; who is alone is served at once.

    No timer runs: a group is whoever came while the one before was under way, so waiting for company costs nothing
    when there is none. Whoever gave up meanwhile is left out.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, asyncio.Future[Any], float]] = deque()
        self._serving = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(
        self, asked: Asked, serve: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]]
    ) -> Answer:
        """One answer out of a group's; `serve` gives one for each that it was given, or an exception to raise there.

        Everyone asks with the same `serve`. Refuses: ServiceUnavailable (too many wait, or for too long), and
        whatever `serve` fails with.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise ServiceUnavailable
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future, monotonic()))
        if self._serving < AT_ONCE:
            self._serving += 1
            task = asyncio.create_task(self._serve(serve))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _serve(self, serve: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]) -> None:
        try:
            while group := self._next():
                await _answer(group, serve)
        finally:
            self._serving -= 1  # not by the task's callback: who asks before it ran would wait for nobody

    def _next(self) -> list[tuple[Any, asyncio.Future[Any]]]:
        """Those who have waited longest; who has waited too long is told so."""
        group: list[tuple[Any, asyncio.Future[Any]]] = []
        too_old = monotonic() - PATIENCE_S
        while self._waiting and len(group) < GROUP_MAX:
            asked, future, since = self._waiting.popleft()
            if future.done():
                continue
            if since < too_old:
                future.set_exception(ServiceUnavailable())
            else:
                group.append((asked, future))
        return group


async def _answer(
    group: Sequence[tuple[Any, asyncio.Future[Any]]],
    serve: Callable[[Sequence[Any]], Awaitable[Sequence[Any]]],
) -> None:
    try:
        answers = await serve([asked for asked, _ in group])
    except Exception as error:  # noqa: BLE001 - raised where each of them asked
        answers = [error] * len(group)
    except asyncio.CancelledError:
        for _, future in group:
            future.cancel()
        raise
    for (_, future), answer in zip(group, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
