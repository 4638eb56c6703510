"""Stop the server. Called by one process at a time (start.lock)."""

import signal
import time

from ringlet.embedded import locks, processes
from ringlet.embedded.layout import Layout

_FAST_TIMEOUT_S = 10.0
_IMMEDIATE_TIMEOUT_S = 5.0
_POLL_S = 0.01


def stop(layout: Layout) -> None:
    """Return when no process of the server is left: politely first, in the end by force."""
    for sig, timeout_s in ((signal.SIGINT, _FAST_TIMEOUT_S), (signal.SIGQUIT, _IMMEDIATE_TIMEOUT_S)):
        if not processes.send(layout, sig):
            break
        if _gone_within(layout, timeout_s):
            return
    processes.kill_all(layout)
    _gone_within(layout, _IMMEDIATE_TIMEOUT_S)


def _gone_within(layout: Layout, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while locks.server_runs(layout):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
