"""Somebody else's server on loopback only, when it knows no other place than every interface of the machine.

`python loopback.py localstripe --port 9001 --from-scratch` is `python -m localstripe …`, with one address changed.
"""

import runpy
import socket
import sys
from typing import Any

HERE = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::ffff:127.0.0.1"}


class Loopback(socket.socket):
    """A socket that listens to this machine alone, whatever it is told."""

    def bind(self, address: Any) -> None:
        """To the port that was asked for."""
        super().bind((HERE[self.family], *address[1:]) if self.family in HERE else address)


if __name__ == "__main__":
    socket.socket = Loopback  # type: ignore[misc]
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
