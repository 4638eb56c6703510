"""Watching rentals: one sweep after another over each supplier, not one timer for each order.

A sweep asks what the supplier holds for us (in one question where the protocol allows it), hands on what has changed
since the last one, and finds out what became of lost answers. Nothing is remembered that a restart may not lose:
the first sweep after it hands everything on once more, and what is known changes nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Container, Sequence
from operator import itemgetter

import structlog

from ringlet import metrics
from ringlet.activations import asking, follow, recover, rentals
from ringlet.activations.rentals import Live
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import Held, NotSent, OutcomeUnknown, Reason, Refused, Standing

YOUNG_S = 180.0  # codes come early or not at all
IDLE_LIST_S = 20.0  # nothing open: only an answer that came too late to be known can turn up
FAILED_PAUSE_S = 5.0
LIST_WITHIN_S = 60.0
LOOK_WITHIN_S = 15.0
LOOKS_AT_ONCE = 16
NEVER = float("-inf")
#: what is still due then comes with the next sweep, which knows of new rentals
LOOK_FOR_S = 2.0
#: a rental that the list lacks may be too new for it
MISSING_AFTER_S = 10.0

log = structlog.get_logger("ringlet.poll")


class Watch:
    """What one worker remembers of one supplier between two sweeps."""

    def __init__(self, supplier: Supplier) -> None:
        self.supplier = supplier
        self._seen: dict[str, tuple[object, ...]] = {}
        self._looked_at: dict[str, float] = {}
        self._can_list = supplier.port.traits.lists_held
        self._listed_at = NEVER
        self._is_behind = False
        #: orders for which the last list had nothing; a list that comes in pages may have skipped a line
        self._empty_handed: set[int] = set()

    async def sweep(self, desk: Desk) -> float:
        """Ask once about everything that is open; returns the seconds to the next time.

        Raises NotSent, OutcomeUnknown, Refused and TimeoutError when the supplier gives no usable answer.
        """
        supplier, traits = self.supplier, self.supplier.port.traits
        questions = await recover.overdue(desk, supplier)
        async with desk.db.connection() as tx:
            live = await rentals.live(tx, supplier.terms.source_id)
        if traits.is_pushed or not self._can_list:
            await recover.settle_without_list(desk, supplier, questions)
        if traits.is_pushed or not (live or questions or self._is_list_due()):
            return traits.young_pause_s
        watched = [each for each in live if each.state != "stray"]
        if self._can_list:
            watched = await self._list(desk, live, watched, questions)
        else:
            self._forget({each.supplier_ref for each in live})
        await self._look_each(desk, watched)
        return self._pause_s(live)

    def _is_list_due(self) -> bool:
        return time.monotonic() - self._listed_at > IDLE_LIST_S

    async def _list(
        self, desk: Desk, live: Sequence[Live], watched: Sequence[Live], questions: Sequence[asking.Asking]
    ) -> list[Live]:
        """One question for all; returns those that must be asked about one by one."""
        supplier = self.supplier
        # Where an answer was lost the list must not end before what we do not know of.
        refs = [] if questions else [each.supplier_ref for each in watched]
        try:
            async with asyncio.timeout(LIST_WITHIN_S):
                listed = await supplier.port.held(refs)
        except Refused as refusal:
            if refusal.reason != Reason.UNSUPPORTED:
                raise
            log.warning("supplier_cannot_list", supplier=supplier.name)
            self._can_list = False
            return list(watched)
        self._listed_at = time.monotonic()
        by_ref = {held.ref: held for held in listed}
        known = {each.supplier_ref: each for each in live}
        for ref in known.keys() & by_ref.keys():
            await self._note_missing(desk, known[ref], is_missing=False)
            await self._hand_on(desk, by_ref[ref])
        strange = [h for h in listed if h.ref not in known and h.standing == Standing.ACTIVE]
        if strange:
            await recover.add_strays(desk, supplier, strange)
        for held in strange:
            if held.messages:  # of a lease that is over: shown to whoever had it
                await self._hand_on(desk, held)
        self._forget(known.keys() | by_ref.keys())
        await recover.settle(desk, supplier, questions, listed, self._empty_handed)
        if not supplier.port.traits.watches_together:
            return list(watched)
        return [w for w in watched if w.supplier_ref not in by_ref and w.age_s > MISSING_AFTER_S]

    async def _hand_on(self, desk: Desk, held: Held) -> None:
        """Pass on what has changed. It counts as seen once it is in the database."""
        seen = follow.seen_as(held.messages, held.standing)
        if self._seen.get(held.ref) == seen:
            return
        if held.messages or held.standing != Standing.ACTIVE:
            activation = await follow.take(desk, self.supplier.terms.source_id, held)
            if activation is None and held.messages:
                return  # a stray: its message belongs to whoever will have it
            if activation is not None and activation.state == State.WAITING and held.messages:
                await self._ask_again(held.ref)
        self._seen[held.ref] = seen

    async def _ask_again(self, ref: str) -> None:
        """What came had no code: some suppliers send nothing more unless they are told to."""
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                await self.supplier.port.again(ref)
        except (Refused, NotSent, OutcomeUnknown, TimeoutError) as error:
            log.info("cannot_ask_again", supplier=self.supplier.name, supplier_ref=ref, why=str(error))

    async def _look_each(self, desk: Desk, watched: Sequence[Live]) -> None:
        """One question for each whose time has come, some at once, at the pace that the supplier allows.

        Where he does not allow enough, the young get a larger share: first is who is the latest for its age.
        """
        began = time.monotonic()
        late = [
            ((began - self._looked_at.get(each.supplier_ref, NEVER)) / self._interval_s(each.age_s), each)
            for each in watched
        ]
        late.sort(key=itemgetter(0), reverse=True)
        due = deque(each for lateness, each in late if lateness >= 1)

        async def one_after_another() -> None:
            while due and time.monotonic() - began < LOOK_FOR_S:
                each = due.popleft()
                self._looked_at[each.supplier_ref] = time.monotonic()
                await self.look(desk, each)

        await asyncio.gather(*(one_after_another() for _ in range(min(LOOKS_AT_ONCE, len(due)))))
        self._is_behind = bool(due)

    async def look(self, desk: Desk, live: Live) -> None:
        """Ask about one rental, and pass on what has changed."""
        ref = live.supplier_ref
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                held = await self.supplier.port.look(ref)
        except Refused as refusal:
            if refusal.reason != Reason.OVER:
                log.warning("cannot_look", supplier=self.supplier.name, supplier_ref=ref, why=str(refusal))
                return
            await self._note_missing(desk, live, is_missing=True)  # the end of the lease decides
            return
        except (NotSent, OutcomeUnknown, TimeoutError) as error:
            log.info("cannot_look", supplier=self.supplier.name, supplier_ref=ref, why=str(error))
            return
        await self._note_missing(desk, live, is_missing=False)
        await self._hand_on(desk, held)

    async def _note_missing(self, desk: Desk, live: Live, *, is_missing: bool) -> None:
        if live.is_missing != is_missing:
            async with desk.db.connection() as tx:
                await rentals.note_missing(
                    tx, self.supplier.terms.source_id, live.supplier_ref, is_missing=is_missing
                )

    def _interval_s(self, age_s: float) -> float:
        traits = self.supplier.port.traits
        return traits.young_pause_s if age_s < YOUNG_S else traits.old_pause_s

    def _pause_s(self, live: Sequence[Live]) -> float:
        if self._is_behind:
            return 0.0
        return self._interval_s(min((each.age_s for each in live), default=0.0))

    def _forget(self, live: Container[str]) -> None:
        for memory in (self._seen, self._looked_at):
            for ref in [ref for ref in memory if ref not in live]:
                del memory[ref]


async def watch(desk: Desk, supplier: Supplier, stop: asyncio.Event, hint: asyncio.Event) -> None:
    """Sweep over one supplier until `stop`; `hint` makes the next sweep come at once."""
    watched = Watch(supplier)
    while not stop.is_set():
        pause_s = await _sweep(desk, watched)
        until = time.monotonic() + pause_s
        while not stop.is_set() and not hint.is_set() and (left_s := until - time.monotonic()) > 0:
            await _first_of(hint, stop, left_s)
        hint.clear()


async def _first_of(hint: asyncio.Event, stop: asyncio.Event, longest_s: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (hint, stop)]
    try:
        await asyncio.wait(waits, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def _sweep(desk: Desk, watched: Watch) -> float:
    supplier = watched.supplier
    began = time.monotonic()
    try:
        pause_s = await watched.sweep(desk)
    except (NotSent, OutcomeUnknown, Refused, TimeoutError) as error:
        log.warning("sweep_failed", supplier=supplier.name, why=str(error) or "no answer in time")
        metrics.SWEEP_FAILURES.labels(supplier.name).inc()
        return FAILED_PAUSE_S
    except Refusal as refusal:
        log.warning("sweep_refused", supplier=supplier.name, code=refusal.code)
        return FAILED_PAUSE_S
    except Exception:
        log.exception("sweep_broke", supplier=supplier.name)
        metrics.SWEEP_FAILURES.labels(supplier.name).inc()
        return FAILED_PAUSE_S
    took_s = time.monotonic() - began
    metrics.SWEEP_SECONDS.labels(supplier.name).observe(took_s)
    # From beginning to beginning; a list that takes longer than that leaves the supplier some air all the same.
    return max(pause_s - took_s, pause_s / 4)
