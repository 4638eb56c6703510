"""Status answers: a copy in memory that news from the database keeps true, and long polls that wait for news.

Most requests of this trade ask whether the code has come, and most of the time it has not: the answer of a
moment ago is still the answer, until the database says that this activation changed. While the news is in
doubt (`Feed.sound` is false) nothing is kept and every question goes to the database.
"""

import asyncio
import contextlib

import msgspec

from ringlet.activations import browse
from ringlet.activations.browse import Seen
from ringlet.activations.resend import resend_price
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.ledger import Wallet
from ringlet.web import wire

KEPT_MAX = 20_000
POLL_IN_DOUBT_S = 0.5


class Kept(msgspec.Struct, frozen=True):
    """An encoded answer; it is only for its wallet and only under these price rules."""

    wallet_id: int
    rules_version: int
    body: bytes
    is_waiting: bool


class Statuses:
    """The status answers of this process."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[int, Kept] = {}
        #: one mark per look-up that is under way; news removes it, and then its result is not kept
        self._marks: dict[int, object] = {}
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._ending = False
        desk.feed.subscribe(self._on_news, self._on_doubt)

    def _on_news(self, topic: str, subject: str) -> None:
        if topic == "activation":
            self.changed(int(subject))

    def changed(self, public_id: int) -> None:
        """Forget what is kept of this activation and wake who waits for it."""
        self._kept.pop(public_id, None)
        self._marks.pop(public_id, None)
        for event in self._waiting.get(public_id, ()):
            event.set()

    def end(self) -> None:
        """The process is about to end: who waits is answered with what is known now."""
        self._ending = True
        self._wake_all()

    def _on_doubt(self) -> None:
        self._kept.clear()
        self._marks.clear()
        self._wake_all()

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()

    def kept(self, wallet: Wallet, public_id: int) -> bytes | None:
        """The answer, if it is in memory, this wallet's and still true."""
        kept = self._true(public_id)
        return kept.body if kept is not None and kept.wallet_id == wallet.id else None

    def _true(self, public_id: int) -> Kept | None:
        kept = self._kept.get(public_id)
        return kept if kept is not None and kept.rules_version == self._rules_version() else None

    def _rules_version(self) -> int:
        return self._desk.prices.rules_version

    async def answer(self, wallet: Wallet, public_id: int, wait_s: int) -> bytes:
        """The status answer; with `wait_s` and no code yet, the one after the next change or the time is up.

        Holds neither a connection nor a transaction while it waits. Refuses: NotFound, ServiceUnavailable.
        """
        if wait_s == 0:
            return (await self._look(wallet, public_id)).body
        event = asyncio.Event()
        self._waiting.setdefault(public_id, set()).add(event)
        try:
            return await self._wait(wallet, public_id, event, wait_s)
        finally:
            waiting = self._waiting[public_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[public_id]

    async def _wait(self, wallet: Wallet, public_id: int, event: asyncio.Event, wait_s: int) -> bytes:
        clock = asyncio.get_running_loop().time
        until = clock() + wait_s
        first = await self._look(wallet, public_id)
        now = first
        while not self._ending and _is_same(first, now) and (left_s := until - clock()) > 0:
            if not self._desk.feed.sound:
                left_s = min(left_s, POLL_IN_DOUBT_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), left_s)
            event.clear()
            now = await self._look(wallet, public_id)
        return now.body

    async def _look(self, wallet: Wallet, public_id: int) -> Kept:
        rules_version = self._rules_version()
        kept = self._true(public_id)
        if kept is None:
            mark = self._marks[public_id] = object()
            try:
                kept = self._render(
                    wallet, await browse.look(self._desk, wallet.id, public_id), rules_version
                )
                if self._desk.feed.sound and self._marks.get(public_id) is mark:
                    self._keep(public_id, kept)
            finally:
                if self._marks.get(public_id) is mark:
                    del self._marks[public_id]
        if kept.wallet_id != wallet.id:
            raise NotFound("No such activation")
        return kept

    def _keep(self, public_id: int, kept: Kept) -> None:
        if len(self._kept) >= KEPT_MAX:
            self._kept.pop(next(iter(self._kept)))
        self._kept[public_id] = kept

    def _render(self, wallet: Wallet, seen: Seen, rules_version: int) -> Kept:
        row = seen.activation
        body = wire.encode(
            wire.StatusAnswer(
                status=wire.STATUS_WORD[row.state],
                code=row.code or None,
                activation=wire.activation(seen),
                resend_price=resend_price(self._desk, wallet, row),
            )
        )
        return Kept(wallet.id, rules_version, body, row.state in {State.WAITING, State.ORDERING})


def _is_same(first: Kept, now: Kept) -> bool:
    """Whether there is still nothing to tell."""
    return now.is_waiting and now.body == first.body
