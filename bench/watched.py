"""Processes of the bench end with it: its end of their standard input closes when it is gone."""

import asyncio
import os
import sys
from collections.abc import Callable


def end_with_parent(then: Callable[[], None]) -> None:
    """Call `then` when standard input closes."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def look() -> None:
        if os.read(descriptor, 64) == b"":
            loop.remove_reader(descriptor)
            then()

    loop.add_reader(descriptor, look)
