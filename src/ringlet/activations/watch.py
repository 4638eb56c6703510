"""What the worker does for activations: close those whose time is up, find out what a crash left open."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

import structlog

from ringlet.activations import close, recover, rehearse, rentals, store
from ringlet.activations.states import TIMES_OUT_TO, State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Refusal

BATCH = 400
TOGETHER = 50  # of one wallet in one transaction: one commit instead of fifty
AT_ONCE = 4
POSTPONED_S = 60
SUPPLIER_SILENT_S = 600

log = structlog.get_logger("ringlet.watch")


async def close_due(desk: Desk) -> int:
    """Settle every activation that is due; returns how many it settled.

    Several workers may do this at once and die in the middle: the state is changed by compare-and-set, and what
    was not changed is still due. Refuses: ServiceUnavailable.
    """
    async with desk.db.connection() as tx:
        due = await store.due(tx, BATCH)
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(group: Sequence[int]) -> int:
        async with turns:
            return await _settle(desk, group)

    return sum(await asyncio.gather(*(in_turn(group) for group in _by_wallet(due))))


def _by_wallet(due: Sequence[Activation]) -> list[list[int]]:
    """Ids of one wallet each: activations of one wallet wait for the same balance, of two never."""
    ordered = sorted(due, key=lambda each: each.wallet_id)
    groups = [[each.id for each in group] for _, group in groupby(ordered, key=lambda each: each.wallet_id)]
    return [group[at : at + TOGETHER] for group in groups for at in range(0, len(group), TOGETHER)]


async def _settle(desk: Desk, ids: Sequence[int]) -> int:
    """One row that cannot be settled must not keep the others waiting: then they are settled one by one."""
    try:
        async with desk.db.transaction() as tx:
            # All rows before any balance: who cancels one of them holds its row and waits for the balance.
            claimed = await store.claim_due(tx, ids)
            for activation in claimed:
                await _time_out(tx, desk, activation)
            return len(claimed)
    except Refusal:
        raise
    except Exception:
        if len(ids) == 1:
            log.exception("cannot_settle", activation_row=ids[0])
            await _postpone(desk, ids[0])
            return 0
    return sum([await _settle(desk, [each]) for each in ids])


async def _postpone(desk: Desk, row_id: int) -> None:
    """Try this one again later, so that many of its kind cannot fill every round; the audit names it meanwhile."""
    async with desk.db.connection() as tx:
        await store.postpone(tx, row_id, POSTPONED_S)


async def _time_out(tx: Tx, desk: Desk, activation: Activation) -> None:
    match TIMES_OUT_TO[activation.state]:
        case State.EXPIRED:
            await _expire(tx, desk, activation)
        case State.FINISHED:
            await close.finish(tx, desk, activation)
        case _ if activation.is_rented:
            log.warning("possible_loss", activation=str(activation.public_id), source=activation.source_id)
            await recover.fail(tx, activation)
        case _:
            await rehearse.find_out(tx, activation)


async def _expire(tx: Tx, desk: Desk, activation: Activation) -> None:
    """An own number's time is up. A rented one's too, but its supplier may just have got the code, and decides:
    the refund follows his answer, or comes without it when he is silent for too long.
    """
    rental = await rentals.of_activation(tx, activation.id) if activation.is_rented else None
    if rental is None or -await store.lease_left_s(tx, activation) > SUPPLIER_SILENT_S:
        wished = rental is not None and rental.is_customers_wish
        await close.refund(tx, desk, activation, State.CANCELLED if wished else State.EXPIRED)
    else:
        if rental.wish is None:
            await rentals.wish_cancel(tx, rental, is_customers=False, in_s=0)
        await store.postpone(tx, activation.id, POSTPONED_S)
