"""Where this process finds the socket."""

import os

from psycopg.conninfo import make_conninfo

from ringlet.embedded.layout import Layout
from ringlet.embedded.settings import DATABASE, PORT, ROLE, SOCKET

MAX_SOCKET_PATH_BYTES = 107
_CONNECT_TIMEOUT_S = 10


class Address:
    """A way to the socket that stays good until `close`."""

    def __init__(self, layout: Layout) -> None:
        self._fd: int | None = None
        self._host = str(layout.run)
        # A comma would divide the host into two for libpq.
        if len(os.fsencode(layout.run / SOCKET)) > MAX_SOCKET_PATH_BYTES or "," in self._host:
            self._fd = os.open(layout.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._host = f"/proc/self/fd/{self._fd}"

    def conninfo(self, database: str = DATABASE) -> str:
        return make_conninfo(
            host=self._host, port=PORT, user=ROLE, dbname=database, connect_timeout=_CONNECT_TIMEOUT_S
        )

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
