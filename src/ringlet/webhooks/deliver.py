"""The courier: claims what is due, sends it, writes down what came back. As many of them as there are workers.

It is woken by the news that an event was written and looks every half second besides, for retries and for what it may
have missed. Nothing of the database is held while a receiver is waited for.
"""

import asyncio
import contextlib
from collections import Counter

import aiohttp
import structlog

from ringlet import events
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.webhooks import claim, post, record
from ringlet.webhooks.addresses import Guard
from ringlet.webhooks.claim import Task

#: requests at once, per worker
AT_ONCE_MAX = 200
#: of these, to endpoints that fail at present: half can always be had by those that do not
FAILING_AT_ONCE_MAX = 100
#: requests at once to one endpoint; to one that fails it is one
PER_ENDPOINT_MAX = 4
LOOK_AGAIN_S = 0.5
#: an endpoint that refuses at once is not asked more often than this
FAILING_GAP_S = 0.05
END_WITHIN_S = 3.0
TRY_AGAIN_S = 1.0

log = structlog.get_logger("ringlet.webhooks")


async def run(desk: Desk, stop: asyncio.Event) -> None:
    """Deliver until `stop` is set; what is under way is given a moment."""
    guard = Guard(desk.settings)
    async with guard.session() as session:
        await Courier(desk, guard, session).run(stop)


class Courier:
    """What one worker has under way."""

    def __init__(self, desk: Desk, guard: Guard, session: aiohttp.ClientSession) -> None:
        self._desk = desk
        self._guard = guard
        self._session = session
        self._running: dict[asyncio.Task[None], Task] = {}
        self._failing = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        desk.feed.subscribe(self._on_news, self._wake.set)

    def _on_news(self, topic: str, _: str) -> None:
        if topic == events.TOPIC:
            self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        looking = asyncio.create_task(self._look_for_failing(stop), name="failing webhooks")
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        while not stop.is_set():
            self._wake.clear()
            if await self._try(failing=False) == 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_AGAIN_S)
        looking.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=END_WITHIN_S)
        for task in self._running:
            task.cancel()  # its claim ends by itself
        await asyncio.gather(looking, *self._running, return_exceptions=True)

    async def _look_for_failing(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._room.clear()
            await self._try(failing=True)
            await asyncio.sleep(FAILING_GAP_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), LOOK_AGAIN_S)

    async def _try(self, *, failing: bool) -> int:
        """A round that outlives a database that is away."""
        try:
            return await self.round(failing=failing)
        except Refusal as refusal:
            log.warning("cannot_claim_webhooks", code=refusal.code)
        except Exception:
            log.exception("cannot_claim_webhooks")
        await asyncio.sleep(TRY_AGAIN_S)
        return 0

    async def round(self, *, failing: bool) -> int:
        """Claim what there is room for and begin to send it; returns how many. Refuses: ServiceUnavailable."""
        slots = AT_ONCE_MAX - len(self._running)
        if failing:
            slots = min(slots, FAILING_AT_ONCE_MAX - self._failing)
        if slots <= 0:
            return 0
        counts = Counter(each.claimed.endpoint_id for each in self._running.values())
        taken = await claim.claim(
            self._desk, slots=slots, window=PER_ENDPOINT_MAX, running=counts, failing=failing
        )
        for each in taken:
            self._begin(each, failing=failing)
        return len(taken)

    def _begin(self, task: Task, *, failing: bool) -> None:
        running = asyncio.create_task(self._deliver(task))
        self._running[running] = task
        self._failing += failing

        def end(_: object) -> None:
            del self._running[running]
            self._failing -= failing
            self._wake.set()  # there is room for the next one
            self._room.set()

        running.add_done_callback(end)

    async def _deliver(self, task: Task) -> None:
        try:
            outcome = await post.send(self._session, self._guard, task)
            await record.record(self._desk, task, outcome)
        except Refusal as refusal:
            log.warning("webhook_not_recorded", endpoint=task.endpoint.public_id, code=refusal.code)
        except Exception:
            log.exception("webhook_failed", endpoint=task.endpoint.public_id)

    async def settle(self) -> None:
        """Deliver all that is due now and wait for it."""
        while await self.round(failing=False) + await self.round(failing=True) or self._running:
            if self._running:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
