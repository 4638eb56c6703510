"""Start the server, or adopt the one that runs. Called by one process at a time (start.lock)."""

import os
import shutil
import subprocess
import time
from contextlib import suppress

import psycopg
from psycopg import pq

from ringlet.embedded import locks, log, processes, road, settings, wheel
from ringlet.embedded.address import Address
from ringlet.embedded.errors import FolderError, MajorVersionError, StartError, WaitError
from ringlet.embedded.layout import Layout, make_server_folder
from ringlet.embedded.road import Road

START_TIMEOUT_S = 120.0
_ORPHAN_GRACE_S = 1.0
_POLL_MIN_S = 0.01
_POLL_MAX_S = 0.2


def start_or_adopt(layout: Layout, address: Address) -> None:
    """Return when the server answers. Refuses: all of EmbeddedError."""
    log.shorten(layout)
    begun_at = time.monotonic()
    started = False
    while not answers(address):
        lock = locks.take_server(layout)
        if lock is not None:
            try:
                if started:
                    raise StartError("PostgreSQL did not start." + log.tail(layout))
                _start(layout, lock)
                started = True
            finally:
                os.close(lock)
        waited_s = time.monotonic() - begun_at
        if not started and waited_s > _ORPHAN_GRACE_S:
            _clear_remains(layout)
        if waited_s > START_TIMEOUT_S:
            raise WaitError(f"PostgreSQL did not answer within {waited_s:.0f} seconds." + log.tail(layout))
        # Each early ping leaves a line in the log: fewer of them during a long recovery.
        time.sleep(min(_POLL_MAX_S, max(_POLL_MIN_S, waited_s / 10)))
    _make_database(layout, address)


def answers(address: Address) -> bool:
    """Whether the server takes connections now."""
    # A ping is answered even when all connections are taken.
    return pq.PGconn.ping(address.conninfo("postgres").encode()) == pq.Ping.OK


def _start(layout: Layout, lock: int) -> None:
    """Nothing of an earlier server lives, as we hold its lock: what it left behind is stale."""
    programs = wheel.find()
    settings.write(layout)
    chosen = road.choose(layout, programs)
    if layout.data.exists() and not any(layout.data.iterdir()):
        layout.data.rmdir()
    if not layout.data.exists():
        _initialise(layout, chosen, lock)
    _check_version(layout)
    make_server_folder(layout, layout.run)
    for stale in (layout.data / "postmaster.pid", *layout.run.glob(settings.SOCKET + "*")):
        stale.unlink(missing_ok=True)
    # setsid: the server outlives us and does not get the signals sent to our group or terminal.
    _run(layout, ("setsid", "--fork", *chosen.prefix, *settings.command(chosen)), lock)


def _initialise(layout: Layout, chosen: Road, lock: int) -> None:
    if layout.data_new.exists():
        shutil.rmtree(layout.data_new)
    make_server_folder(layout, layout.data_new)
    command = (
        str(chosen.wheel.initdb), "-D", str(chosen.folder / "data.new"), "--username", settings.ROLE,
        "--auth", "reject", "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin",
        "--builtin-locale", "C.UTF-8", "--data-checksums", "--no-instructions",
    )  # fmt: skip
    if _run(layout, (*chosen.prefix, *command), lock) != 0:
        raise StartError("PostgreSQL could not create its data folder." + log.tail(layout))
    # Ours stand in settings/; a server started by hand on these would escape our locks.
    for unused in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        (layout.data_new / unused).unlink()
    layout.data_new.rename(layout.data)
    _sync_folder(layout)


def _run(layout: Layout, command: tuple[str, ...], lock: int) -> int:
    # The child inherits the lock: whatever of it stays alive keeps the lock taken, even when we are killed.
    output = log.open_to_append(layout)
    try:
        return subprocess.run(  # noqa: S603 (our own command line, no shell)
            command, env=road.ENVIRONMENT, cwd="/", pass_fds=(lock,), check=False,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        ).returncode  # fmt: skip
    finally:
        os.close(output)


def _sync_folder(layout: Layout) -> None:
    fd = os.open(layout.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _check_version(layout: Layout) -> None:
    try:
        found = (layout.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise FolderError(
            f"{layout.data} is not empty but holds no PostgreSQL data (PG_VERSION is missing). "
            "Restore it from a backup, or move it away to begin with an empty database."
        ) from None
    if found != str(wheel.MAJOR_VERSION):
        raise MajorVersionError(
            f"The data in {layout.data} was written by PostgreSQL {found}; this Ringlet carries "
            f"PostgreSQL {wheel.MAJOR_VERSION}. Install the earlier Ringlet again, export the data with it, "
            "move the folder away and import the export."
        )


def _clear_remains(layout: Layout) -> None:
    """Kill backends that outlived their postmaster: a busy one would notice only when its query ends."""
    if (layout.data / "postmaster.pid").exists() and processes.postmaster(layout) is None:
        processes.kill_all(layout)


def _make_database(layout: Layout, address: Address) -> None:
    with suppress(psycopg.OperationalError), psycopg.connect(address.conninfo()):
        return
    try:
        with psycopg.connect(address.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {settings.DATABASE}")
    except psycopg.errors.DuplicateDatabase:
        return
    except psycopg.OperationalError as error:
        raise StartError(f"PostgreSQL runs but refuses us: {error}" + log.tail(layout)) from error
