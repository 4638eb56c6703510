"""The worker: jobs over due rows, again and again. Any number of workers on any number of hosts."""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ringlet import idempotency, metrics, standing, success, velocity
from ringlet.activations import give_back, hints, poll, rehearse, resale, watch
from ringlet.backoffice import (
    adjustments,
    auditing,
    impersonate,
    people_data,
    referral_shares,
    retention,
    tally,
)
from ringlet.backoffice.presence import TOLD_EVERY_S, Presence
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.feed import announce
from ringlet.people import forget as forget_people
from ringlet.people import post
from ringlet.suppliers import book, calls, stock
from ringlet.suppliers.book import Supplier
from ringlet.supplying import money, sync
from ringlet.topups import look, notices, probe, proof, reconcile, refund
from ringlet.webhooks import alerts, deliver, forget, identity

log = structlog.get_logger("ringlet.worker")


@dataclass(frozen=True, slots=True)
class Job:
    """`work` returns how many rows it took up; with some it is done again at once, else after `pause_s`."""

    name: str
    work: Callable[[Desk], Awaitable[int]]
    pause_s: float


async def _wake_rested(desk: Desk) -> int:
    async with desk.db.transaction() as tx:
        return await stock.wake_rested(tx)


async def _count_stock(desk: Desk) -> int:
    async with desk.db.transaction() as tx:
        if await stock.count(tx):
            await announce(tx, "catalogue")
    return 0


async def _fold_outcomes(desk: Desk) -> int:
    policy = await desk.policy.fresh()
    async with desk.db.transaction() as tx:
        folded = await success.fold(tx)
        await standing.judge(tx, policy.limits, folded.customers)
    return folded.notes


async def _forget_outcomes(desk: Desk) -> int:
    async with desk.db.transaction() as tx:
        await success.forget_old(tx)
        await calls.forget_old(tx)
        await standing.forget_old(tx)
    return 0


async def _forget_pace(desk: Desk) -> int:
    async with desk.db.transaction() as tx:
        return await velocity.forget_old(tx)


async def _forget_keys(desk: Desk) -> int:
    async with desk.db.transaction() as tx:
        return await idempotency.forget_old(tx)


JOBS = (
    Job("close_due", watch.close_due, 0.25),
    Job("simulated_messages", rehearse.push_due, 0.25),
    Job("wake_rested", _wake_rested, 5),
    Job("count_stock", _count_stock, 5),
    Job("forget_idempotency_keys", _forget_keys, 60),
    Job("fold_outcomes", _fold_outcomes, 5),
    Job("forget_outcomes", _forget_outcomes, 3_600),
    Job("forget_pace", _forget_pace, 60),
    Job("sync_suppliers", sync.sync_due, 5),
    Job("check_balances", money.check_balances, 60),
    Job("refresh_exposure", money.refresh_exposure, 1),
    Job("fold_supplier_postings", money.fold, 60),
    Job("count_figures", tally.fold, 5),
    Job("count_spending", referral_shares.fold, 5),
    Job("post_referrals", referral_shares.post_due, 2),
    Job("expire_adjustments", adjustments.expire, 60),
    Job("end_looks", impersonate.end_due, 30),
    Job("tell_low_balances", alerts.tell_low_balances, 3),
    Job("write_low_balances", alerts.write_letters, 10),
    Job("forget_news", forget.forget_old, 600),
    Job("send_letters", post.send_due, 1),
    Job("post_shares", resale.post_due, 1),
    Job("return_shares", resale.post_returns, 60),
    Job("forget_people", forget_people.forget_old, 3_600),
    Job("forget_messages", retention.forget_due, 60),
    Job("erase_people", people_data.erase_due, 60),
    Job("look_at_topups", look.look_due, 0.5),
    Job("adopt_payments", notices.adopt_due, 5),
    Job("collect_debts", look.collect_debts, 30),
    Job("end_unpaid_topups", look.end_waiting, 60),
    Job("forget_notices", notices.forget_old, 3_600),
    Job("give_back_payments", refund.ask_due, 1),
    Job("check_gateways", probe.check_due, 15),
    Job("compare_gateways", reconcile.compare_due, 30),
    Job("forget_proofs", proof.forget_old, 3_600),
    Job("ask_identity", identity.ask_due, 5),
)

WATCH_CLAIMED_S = 6.0
WATCH_RENEWED_S = 2.0
RETURNS_PAUSE_S = 0.5
SWEEP_ENDS_WITHIN_S = 3.0


async def run(desk: Desk, stop: asyncio.Event) -> None:
    """Do all jobs until `stop` is set; a round that is under way is finished."""
    presence = Presence("worker")
    jobs = (_repeat(desk, job, stop, presence) for job in JOBS)
    told = _repeat(desk, Job("tell_presence", presence.tell, TOLD_EVERY_S), stop, presence)
    rest = Watches(desk, stop).run(), deliver.run(desk, stop), auditing.run(desk, stop)
    await asyncio.gather(*jobs, told, *rest)
    with contextlib.suppress(Refusal):
        await presence.leave(desk)


class Watches:
    """Which suppliers this worker attends to: a claim in the database, renewed, and a task for each."""

    def __init__(self, desk: Desk, stop: asyncio.Event) -> None:
        self._desk = desk
        self._stop = stop
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._tasks: dict[int, tuple[Supplier, asyncio.Event, asyncio.Task[None]]] = {}
        desk.feed.subscribe(self._on_news, lambda: None)

    def _on_news(self, topic: str, subject: str) -> None:
        if topic == hints.TOPIC and subject.isdigit() and (found := self._tasks.get(int(subject))):
            found[1].set()

    async def run(self) -> None:
        """Until the worker stops."""
        while not self._stop.is_set():
            try:
                await self._renew()
            except Refusal as refusal:
                log.warning("cannot_claim_suppliers", code=refusal.code)
            except Exception:
                log.exception("cannot_claim_suppliers")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), WATCH_RENEWED_S)
        tasks = [task for _, _, task in self._tasks.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=SWEEP_ENDS_WITHIN_S)
        for task in tasks:
            task.cancel()  # a slow supplier: the next worker's sweep asks again
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Refusal):
            async with self._desk.db.transaction() as tx:
                await book.end_watch(tx, self._name)

    async def _renew(self) -> None:
        await self._desk.refresh_suppliers()
        async with self._desk.db.transaction() as tx:
            mine = await book.claim_watch(tx, self._name, WATCH_CLAIMED_S)
        wanted = {source_id: found for source_id in mine if (found := self._desk.book.get(source_id))}
        for source_id, (supplier, _, task) in list(self._tasks.items()):
            if wanted.get(source_id) is not supplier or task.done():
                task.cancel()
                del self._tasks[source_id]
        for source_id, supplier in wanted.items():
            if source_id not in self._tasks:
                hint = asyncio.Event()
                task = asyncio.create_task(self._attend(supplier, hint), name=f"supplier {supplier.name}")
                self._tasks[source_id] = (supplier, hint, task)

    async def _attend(self, supplier: Supplier, hint: asyncio.Event) -> None:
        """Sweeps and returns side by side; a supplier that is slow in one or the other delays no other supplier."""

        async def give_back_due(desk: Desk) -> int:
            return await give_back.to_supplier(desk, supplier)

        await asyncio.gather(
            poll.watch(self._desk, supplier, self._stop, hint),
            _repeat(self._desk, Job("give_back", give_back_due, RETURNS_PAUSE_S), self._stop),
        )


async def _repeat(desk: Desk, job: Job, stop: asyncio.Event, presence: Presence | None = None) -> None:
    while not stop.is_set():
        taken = await _round(desk, job, presence)
        if not taken:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), job.pause_s)


async def _round(desk: Desk, job: Job, presence: Presence | None = None) -> int:
    """One round; a failure is logged and the rows are still due."""
    began, taken, error = time.monotonic(), 0, None
    try:
        taken = await job.work(desk)
    except Refusal as refusal:
        log.warning("job_refused", job=job.name, code=refusal.code)
        error = refusal.code
    except Exception as wrong:
        log.exception("job_failed", job=job.name)
        error = type(wrong).__name__  # its text may hold what is nobody's business
    if error is not None:
        metrics.JOB_FAILURES.labels(job.name).inc()
    else:
        metrics.CLOSED.labels(job.name).inc(taken)
    if presence is not None:
        presence.note(job.name, began, taken, error)
    return taken
