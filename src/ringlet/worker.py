"""The worker: jobs over due rows, again and again. Any number of workers on any number of hosts."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ringlet import idempotency, metrics
from ringlet.activations import rehearse, watch
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.feed import announce
from ringlet.suppliers import stock

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


async def _forget_keys(desk: Desk) -> int:
    async with desk.db.transaction() as tx:
        return await idempotency.forget_old(tx)


JOBS = (
    Job("close_due", watch.close_due, 0.25),
    Job("simulated_messages", rehearse.push_due, 0.25),
    Job("wake_rested", _wake_rested, 5),
    Job("count_stock", _count_stock, 5),
    Job("forget_idempotency_keys", _forget_keys, 60),
)


async def run(desk: Desk, stop: asyncio.Event) -> None:
    """Do all jobs until `stop` is set; a round that is under way is finished."""
    await asyncio.gather(*(_repeat(desk, job, stop) for job in JOBS))


async def _repeat(desk: Desk, job: Job, stop: asyncio.Event) -> None:
    while not stop.is_set():
        taken = await _round(desk, job)
        if not taken:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), job.pause_s)


async def _round(desk: Desk, job: Job) -> int:
    """One round; a failure is logged and the rows are still due."""
    try:
        taken = await job.work(desk)
    except Refusal as refusal:
        log.warning("job_refused", job=job.name, code=refusal.code)
        metrics.JOB_FAILURES.labels(job.name).inc()
        return 0
    except Exception:
        log.exception("job_failed", job=job.name)
        metrics.JOB_FAILURES.labels(job.name).inc()
        return 0
    metrics.CLOSED.labels(job.name).inc(taken)
    return taken
