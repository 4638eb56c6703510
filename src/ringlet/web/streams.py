"""Event streams: one hub per wallet that somebody listens to, told by news, read once for all its streams.

Events are handed out in the order of their ids, each with its id, once everything up to it has settled (`tide`). While
a transaction is stuck they are handed out as they become visible and without an id, so that a client which resumes
from the last id that it has misses nothing and may hear some again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import LiteralString

import msgspec
import structlog

from ringlet import events
from ringlet.desk import Desk
from ringlet.errors import RateLimited, Refusal
from ringlet.web import told
from ringlet.web.tide import Tide
from ringlet.web.told import Told

PENDING_MAX = 256
STREAMS_MAX = 1_000  # of one wallet in one process
POLL_IN_DOUBT_S = 0.5
READ_AT_ONCE = 200
END_WITHIN_S = 1.0
LISTENS_RENEWED_S = 3_600.0
ANY_ID = 2**63 - 1

log = structlog.get_logger("ringlet.streams")


class Stream:
    """One connection: what is to be sent to it. Its own task sends and looks at `is_over`."""

    def __init__(self, *, is_brief: bool = False) -> None:
        #: told only that something changed, not what
        self.is_brief = is_brief
        #: what it has had already, when it resumes
        self.after = 0
        self.is_over = False
        self.is_sending = False
        self.news = asyncio.Event()
        self._pending: list[bytes] = []
        self._ends_at_s = float("inf")
        self._leash: asyncio.Timeout | None = None

    @contextlib.asynccontextmanager
    async def until_over(self) -> AsyncIterator[None]:
        """The block that sends; it is left when the stream has to end, also while the client does not read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as leash:
                self._leash = leash
                self._pull()
                try:
                    yield
                finally:
                    self._leash = None

    def push(self, block: bytes) -> None:
        """Send this soon. Who does not read what was sent is cut; he may resume."""
        if self.is_sending and len(self._pending) >= PENDING_MAX:
            self.end(within_s=0)
        elif not self.is_over:
            self._pending.append(block)
            self.news.set()

    def take(self) -> bytes:
        """All that is to be sent now."""
        self.news.clear()
        taken, self._pending = b"".join(self._pending), []
        return taken

    def end(self, within_s: float = END_WITHIN_S) -> None:
        """Let the client go; what he does not take until then is dropped."""
        self.is_over = True
        self._ends_at_s = min(self._ends_at_s, asyncio.get_running_loop().time() + within_s)
        self.news.set()
        self._pull()

    def _pull(self) -> None:
        if self.is_over and self._leash is not None and not self._leash.expired():
            self._leash.reschedule(self._ends_at_s)


class Mark(msgspec.Struct, frozen=True):
    """Where a new hub begins: up to which id everything has settled, and what is visible beyond that."""

    settled: int
    early: frozenset[int] = frozenset()


class Hub:
    """The streams of one wallet, and what they have been handed."""

    def __init__(self, mark: Mark) -> None:
        self.streams: set[Stream] = set()
        #: everything up to here was handed out
        self.settled = mark.settled
        #: what was handed out beyond that, before it had settled
        self.early = set(mark.early)

    def hand_out(self, each: Told, *, is_settled: bool) -> None:
        """To every stream, unless it was already."""
        if each.id in self.early:
            return
        if not is_settled:
            self.early.add(each.id)
        block, brief = each.block(is_settled=is_settled), each.brief()
        for stream in self.streams:
            if each.id > stream.after:
                stream.push(brief if stream.is_brief else block)

    def has_settled(self, up_to: int) -> None:
        """Everything up to this id was handed out."""
        if up_to > self.settled:
            self.settled = up_to
            self.early = {each for each in self.early if each > up_to}


class Streams:
    """The event streams of this process; `run` feeds them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tide = Tide(desk)
        self._hubs: dict[int, Hub] = {}
        self._dirty: set[int] = set()
        self._wake = asyncio.Event()
        self._ending = False
        desk.feed.subscribe(self._on_news, self._on_doubt)

    def _on_news(self, topic: str, subject: str) -> None:
        if topic == events.TOPIC and subject.isdigit() and int(subject) in self._hubs:
            self._dirty.add(int(subject))
            self._wake.set()

    def _on_doubt(self) -> None:
        self._dirty.update(self._hubs)
        self._wake.set()

    def __len__(self) -> int:
        return sum(len(hub.streams) for hub in self._hubs.values())

    def end(self) -> None:
        """The process is about to end: every stream ends, and clients resume elsewhere."""
        self._ending = True
        for hub in self._hubs.values():
            for stream in hub.streams:
                stream.end()

    async def ready(self, wallet_id: int, *, resumes: bool) -> Mark:
        """Have this wallet's events written from now on. Refuses: RateLimited, ServiceUnavailable.

        When this returns, every transaction that began without knowing it has ended.
        """
        hub = self._hubs.get(wallet_id)
        if hub is not None and len(hub.streams) >= STREAMS_MAX:
            raise RateLimited(f"There are {STREAMS_MAX:,} streams of this account already")
        if hub is not None and not resumes:
            return Mark(hub.settled)
        await self._listen([wallet_id])
        if await self._tide.settle():
            return Mark(self._tide.settled)
        settled = self._tide.settled
        async with self._desk.db.connection() as tx:
            rows = await (await tx.execute(_VISIBLE, [wallet_id, settled])).fetchall()
        return Mark(settled, frozenset(row[0] for row in rows))

    def join(self, wallet_id: int, stream: Stream, mark: Mark) -> Hub:
        """From now on the stream is told what happens; `leave` ends that."""
        hub = self._hubs.get(wallet_id)
        if hub is None:
            hub = self._hubs[wallet_id] = Hub(mark)
            # What came since the mark was announced to nobody.
            self._dirty.add(wallet_id)
            self._wake.set()
        hub.streams.add(stream)
        if self._ending:
            stream.end()
        return hub

    def leave(self, wallet_id: int, stream: Stream) -> None:
        """The connection is over."""
        hub = self._hubs.get(wallet_id)
        if hub is not None:
            hub.streams.discard(stream)
            if not hub.streams:
                del self._hubs[wallet_id]

    async def past(self, wallet_id: int, after: int, up_to: int) -> AsyncIterator[bytes]:
        """What was told between two settled marks. Refuses: ServiceUnavailable."""
        while after < up_to:
            found = await self._read({wallet_id: after}, up_to)
            if found:
                yield b"".join(each.block(is_settled=True) for each in found)
            after = found[-1].id if len(found) == READ_AT_ONCE else up_to

    async def early(self, ids: Sequence[int]) -> bytes:
        """What was handed out before it had settled. Refuses: ServiceUnavailable."""
        if not ids:
            return b""
        async with self._desk.db.connection() as tx:
            found = await told.these(tx, ids)
        return b"".join(each.block(is_settled=False) for each in found)

    async def renew(self) -> None:
        """Somebody still listens to these wallets. Refuses: ServiceUnavailable."""
        if self._hubs:
            await self._listen(list(self._hubs))

    async def _listen(self, wallet_ids: Sequence[int]) -> None:
        async with self._desk.db.connection() as tx:
            await tx.execute(_LISTEN, [sorted(wallet_ids)])

    async def run(self) -> None:
        """Hand out what happens, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                is_sound = self._desk.feed.sound or not self._hubs
                async with asyncio.timeout(None if is_sound else POLL_IN_DOUBT_S):
                    await self._wake.wait()
            self._wake.clear()
            if not self._desk.feed.sound:
                self._dirty.update(self._hubs)
            dirty, self._dirty = self._dirty, set()
            try:
                await self._round({each: hub for each in dirty if (hub := self._hubs.get(each))})
            except Exception as error:
                if isinstance(error, Refusal):
                    log.warning("cannot_read_events", code=error.code)
                else:
                    log.exception("cannot_read_events")
                self._dirty |= dirty
                self._wake.set()
                await asyncio.sleep(POLL_IN_DOUBT_S)

    async def _round(self, hubs: dict[int, Hub]) -> None:
        if not hubs:
            return
        is_settled = await self._tide.settle()
        up_to = self._tide.settled if is_settled else ANY_ID
        marks = {wallet_id: hub.settled for wallet_id, hub in hubs.items()}
        while marks:
            found = await self._read(marks, up_to)
            for each in found:
                hubs[each.wallet_id].hand_out(each, is_settled=is_settled)
            reached = found[-1].id if len(found) == READ_AT_ONCE else up_to
            if is_settled:
                for hub in hubs.values():
                    hub.has_settled(reached)
            marks = {each: max(mark, reached) for each, mark in marks.items()} if reached < up_to else {}
            await asyncio.sleep(0)  # the streams send before they are handed more

    async def _read(self, marks: dict[int, int], up_to: int) -> list[Told]:
        epoch = await self._desk.flush.epoch()
        async with self._desk.db.connection() as tx:
            found = await told.after(tx, marks, up_to, READ_AT_ONCE)
        if up_to == ANY_ID:  # what has settled is on disk
            await self._desk.flush.flushed(epoch)
        return found


# Written only when it would soon end: a wallet's row is read by every sale of his.
_LISTEN: LiteralString = """
update wallet set listens_until = now() + interval '24 hours'
where id = any(%s) and (listens_until is null or listens_until < now() + interval '22 hours')
"""

_VISIBLE: LiteralString = "select id from event where wallet_id = %s and id > %s"
