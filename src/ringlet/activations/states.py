"""The states of an activation, as data. Pure: no database, no clock.

    ordering → waiting | failed            the outcome at the supplier is not known yet
    waiting  → received | cancelled | expired
    received → finished
    failed, cancelled, expired, finished   terminal

Asking for another message makes a new activation on the same number (the public reference says so), hence no
way leads back from `received` to `waiting`. Money follows the state: `ordering` and `waiting` hold the price,
`received` captures it, `failed`, `cancelled` and `expired` release it.
"""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    #: bought from a supplier whose answer is outstanding
    ORDERING = "ordering"
    #: the number is leased and no code has come
    WAITING = "waiting"
    #: a code has come; the number stays leased to its end, further messages are delivered
    RECEIVED = "received"
    #: the lease is over and a code had come
    FINISHED = "finished"
    #: no number could be had
    FAILED = "failed"
    #: given back by the customer
    CANCELLED = "cancelled"
    #: the time was up before a code came
    EXPIRED = "expired"


class Settlement(StrEnum):
    """What entering a state does to the money that is held."""

    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.ORDERING: frozenset({State.WAITING, State.FAILED}),
    State.WAITING: frozenset({State.RECEIVED, State.CANCELLED, State.EXPIRED}),
    State.RECEIVED: frozenset({State.FINISHED}),
    State.FINISHED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}

#: What the worker does with a row whose `due_at` has passed.
TIMES_OUT_TO: Mapping[State, State] = {
    State.ORDERING: State.FAILED,  # after recovery has asked the supplier
    State.WAITING: State.EXPIRED,
    State.RECEIVED: State.FINISHED,
}

SETTLES: Mapping[State, Settlement] = {
    State.ORDERING: Settlement.HOLD,
    State.WAITING: Settlement.HOLD,
    State.RECEIVED: Settlement.CAPTURE,
    State.FAILED: Settlement.RELEASE,
    State.CANCELLED: Settlement.RELEASE,
    State.EXPIRED: Settlement.RELEASE,
}

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
REFUNDED = frozenset(state for state, what in SETTLES.items() if what is Settlement.RELEASE)
