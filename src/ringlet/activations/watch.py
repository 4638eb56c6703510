"""What the worker does for activations: close those whose time is up, find out what a crash left open."""

import structlog

from ringlet.activations import close, rehearse, store
from ringlet.activations.states import TIMES_OUT_TO, State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Refusal

BATCH = 200

log = structlog.get_logger("ringlet.watch")


async def close_due(desk: Desk) -> int:
    """Settle every activation that is due, each in a transaction of its own; returns how many it settled.

    Several workers may do this at once and die in the middle: the state is changed by compare-and-set, and what
    was not changed is still due.
    """
    async with desk.db.connection() as tx:
        due = await store.due(tx, BATCH)
    settled = [await _settle(desk, activation) for activation in due]
    return sum(settled)


async def _settle(desk: Desk, activation: Activation) -> bool:
    """One row that cannot be settled must not keep the others waiting. Refuses: ServiceUnavailable."""
    try:
        async with desk.db.transaction() as tx:
            await _time_out(tx, desk, activation)
    except Refusal:
        raise
    except Exception:
        log.exception("cannot_settle", activation=activation.public_id, state=activation.state)
        return False
    return True


async def _time_out(tx: Tx, desk: Desk, activation: Activation) -> None:
    match TIMES_OUT_TO[activation.state]:
        case State.EXPIRED:
            await close.refund(tx, desk, activation, State.EXPIRED)
        case State.FINISHED:
            await close.finish(tx, desk, activation)
        case _:
            await rehearse.find_out(tx, activation)
