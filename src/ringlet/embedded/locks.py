"""Three lock files. The kernel drops a lock with the last process that holds it, however that one ends.

start.lock   exclusive, held while deciding to start or stop
users.lock   shared, held by each process that uses the server for as long as it does
server.lock  exclusive, inherited by initdb, the server and all its children: taken means something still runs
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from ringlet.embedded.errors import WaitError
from ringlet.embedded.layout import Layout, open_ours

START_LOCK_TIMEOUT_S = 180.0


@contextlib.contextmanager
def starting_or_stopping(layout: Layout) -> Iterator[None]:
    """Only one process at a time decides about the server. Refuses: WaitError."""
    fd = open_ours(layout, layout.start_lock, os.O_RDWR)
    try:
        deadline = time.monotonic() + START_LOCK_TIMEOUT_S
        while not _try(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise WaitError(
                    f"Another Ringlet process has been starting or stopping the database "
                    f"for {START_LOCK_TIMEOUT_S:.0f} seconds; `fuser {layout.start_lock}` shows which."
                )
            time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def join_users(layout: Layout) -> int:
    """Count this process among the users until the returned descriptor is closed."""
    fd = open_ours(layout, layout.users_lock, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def anyone_uses(layout: Layout) -> bool:
    fd = open_ours(layout, layout.users_lock, os.O_RDWR)
    try:
        return not _try(fd, fcntl.LOCK_EX)
    finally:
        os.close(fd)


def take_server(layout: Layout) -> int | None:
    """The lock for a new server to inherit, or None while a server or a remainder of one runs."""
    fd = open_ours(layout, layout.server_lock, os.O_RDWR)
    if _try(fd, fcntl.LOCK_EX):
        return fd
    os.close(fd)
    return None


def server_runs(layout: Layout) -> bool:
    fd = take_server(layout)
    if fd is None:
        return True
    os.close(fd)
    return False


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
