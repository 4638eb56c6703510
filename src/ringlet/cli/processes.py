"""What `ringlet web` and `ringlet worker` have in common. `ringlet serve` starts and watches them."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

from ringlet.app import Base
from ringlet.settings import Settings


def with_base(settings: Settings, work: Callable[[Base], None]) -> None:
    """Work on the installation's database, which runs for as long as that takes."""
    base = Base(settings)
    try:
        work(base)
    finally:
        base.release()


def at_end_of_input(then: Callable[[], None]) -> None:
    """Our parent holds the other end of standard input: when it is gone, so are we."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def look() -> None:
        with contextlib.suppress(BlockingIOError):
            if os.read(descriptor, 64) == b"":
                loop.remove_reader(descriptor)
                then()

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, look)
