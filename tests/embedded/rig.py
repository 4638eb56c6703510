"""Servers, user processes and strangers for the tests of the embedded server."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from ringlet.embedded import (
    EmbeddedServer,
    layout,
    processes,
)
from ringlet.embedded.stop import stop

AS_ROOT = os.geteuid() == 0
STRANGER = 65533

# A process that uses the server until its standard input closes.
USER_PROCESS = """
import pathlib, sys
from ringlet.embedded import acquire, processes
server = acquire(pathlib.Path(sys.argv[1]))
print(processes.postmaster(server._layout), flush=True)
sys.stdin.read()
server.release()
"""


def stop_any(home: Path) -> None:
    if (home / "postgres").exists():
        stop(layout.prepare(home))


def query(server: EmbeddedServer, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


def execute(server: EmbeddedServer, sql: str) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute(sql.encode())


def postmaster(home: Path) -> int | None:
    return processes.postmaster(layout.prepare(home))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def spawn(home: Path, *prefix: str, script: str = USER_PROCESS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> str:
    """Let a user process end by itself; what it said on standard error."""
    return process.communicate(timeout=30)[1]


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_alone(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    process.communicate()


def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.001)


def as_user(uid: int, attempt: Callable[[], object]) -> str:
    """What `attempt` says when another user of this machine makes it; "" when it succeeds."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            attempt()
        except BaseException as error:  # noqa: BLE001 (the child has nobody to raise to)
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said
