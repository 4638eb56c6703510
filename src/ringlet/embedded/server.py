"""Acquire and release the embedded server."""

import os
from pathlib import Path

from ringlet.embedded import layout as layouts
from ringlet.embedded import locks
from ringlet.embedded.address import Address
from ringlet.embedded.errors import FolderError
from ringlet.embedded.layout import Layout
from ringlet.embedded.start import answers, start_or_adopt
from ringlet.embedded.stop import stop


def acquire(home: Path) -> "EmbeddedServer":
    """Start the PostgreSQL server of this home or adopt the running one; it accepts connections on return.

    Blocks: call it through asyncio.to_thread. Refuses: EmbeddedError with a sentence for the operator.
    """
    try:
        layout = layouts.prepare(home)
        with locks.starting_or_stopping(layout):
            return _acquire(layout)
    except OSError as error:
        raise FolderError(
            f"The database cannot use {error.filename or home}: {error.strerror}. "
            "Set RINGLET_HOME to a folder of the user who runs Ringlet, on a disk with free space."
        ) from error


def _acquire(layout: Layout) -> "EmbeddedServer":
    layouts.make_server_folder(layout, layout.run)
    users = locks.join_users(layout)
    address = Address(layout)
    try:
        start_or_adopt(layout, address)
    except BaseException:
        address.close()
        os.close(users)
        raise
    return EmbeddedServer(layout, address, users)


class EmbeddedServer:
    """A PostgreSQL server with its data under home/postgres, kept running for as long as someone uses it."""

    def __init__(self, layout: Layout, address: Address, users: int) -> None:
        self._layout = layout
        self._address = address
        self._users: int | None = users

    @property
    def dsn(self) -> str:
        """For psycopg in this process only: another process makes its own with `acquire`."""
        return self._address.conninfo()

    def ensure(self) -> None:
        """Start the server again if it has died; cheap while it lives. Refuses: EmbeddedError."""
        if answers(self._address):
            return
        with locks.starting_or_stopping(self._layout):
            start_or_adopt(self._layout, self._address)

    def release(self) -> None:
        """This process no longer needs the server: the last user to say so stops it. Twice is harmless."""
        if self._users is None:
            return
        with locks.starting_or_stopping(self._layout):
            os.close(self._users)
            self._users = None
            if not locks.anyone_uses(self._layout):
                stop(self._layout)
        self._address.close()
