"""What the bench stands on: the embedded server with its default settings, and the processes of an installation."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from ringlet import migrations
from ringlet.app import Base, open_desk
from ringlet.desk import Desk
from ringlet.settings import Settings, load

T = TypeVar("T")
READY_WITHIN_S = 60
#: a worker has taken up its work after this, is through with it when nothing was done for so long, and may take so long
STARTING_S, RESTS_S, CAUGHT_UP_WITHIN_S = 5, 4, 300


class Ground:
    """One home with one server; databases on it by name. Ends with the `standing` block."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RINGLET_", "DATABASE_URL", "PROMETHEUS_"))
        }
        self.environment = {**kept, "RINGLET_HOME": str(home), "RINGLET_RATE_LIMIT": "0"}
        self.settings: Settings = load(self.environment)
        self._base = Base(self.settings)
        self._metrics = 0

    def release(self) -> None:
        self._base.release()

    def database(self, name: str) -> str:
        """The address of a new database with the schema."""
        parts = conninfo_to_dict(self._base.conninfo)
        with psycopg.connect(self._base.conninfo, autocommit=True) as connection:
            connection.execute(f'create database "{name}"'.encode())
        host = quote(str(parts["host"]), safe="")
        url = f"postgresql://{parts['user']}@/{name}?host={host}&port={parts['port']}"
        migrations.migrate(url)
        return url

    def drop(self, url: str) -> None:
        """Give a database's room back."""
        with psycopg.connect(self._base.conninfo, autocommit=True) as connection:
            name = conninfo_to_dict(url)["dbname"]
            connection.execute(f'drop database "{name}" with (force)'.encode())

    def at_desk(self, url: str, work: Callable[[Desk], Coroutine[None, None, T]]) -> T:
        async def run() -> T:
            async with open_desk(self.settings, url) as desk:
                return await work(desk)

        return asyncio.run(run())

    @contextlib.contextmanager
    def site(self, url: str, *, with_worker: bool = True) -> Iterator["Running"]:
        """One web process and one worker on that database, as `ringlet serve` starts them."""
        self._metrics += 1
        folder = self.home / f"metrics.{self._metrics}"
        folder.mkdir(mode=0o700)
        more = {"DATABASE_URL": url, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
        with contextlib.ExitStack() as stack:
            web = stack.enter_context(self.serving(["-m", "ringlet", "web", "--fd"], "/readyz", more))
            if with_worker:
                stack.enter_context(self._process(["-m", "ringlet", "worker", "--watched"], more))
            yield web

    @contextlib.contextmanager
    def worker(self, url: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker on that database."""
        with self._process(["-m", "ringlet", "worker", "--watched"], {"DATABASE_URL": url}) as process:
            yield process

    @contextlib.contextmanager
    def bare(self) -> Iterator["Running"]:
        """The bare route in its process."""
        with self.serving(["-m", "bench.bare"], "/bare", {}) as running:
            yield running

    @contextlib.contextmanager
    def serving(self, command: list[str], ready: str, more: Mapping[str, str]) -> Iterator["Running"]:
        """A process that takes connections on the socket whose number is put behind `command`."""
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
            port = int(listener.getsockname()[1])
            descriptor = listener.fileno()
            with self._process([*command, str(descriptor)], more, descriptor) as process:
                began = time.monotonic()
                self._wait(process, f"http://127.0.0.1:{port}{ready}")
                yield Running(port, process.pid, time.monotonic() - began)

    @contextlib.contextmanager
    def _process(
        self, command: list[str], more: Mapping[str, str], descriptor: int | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Runs until the block ends, or until this process does: its input closes then."""
        with (self.home / "processes.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**self.environment, **more},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=() if descriptor is None else (descriptor,),
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait(self, process: subprocess.Popen[bytes], url: str) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until and process.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        log = (self.home / "processes.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"a process does not answer:\n{log[-2000:]}")


@dataclass(frozen=True)
class Running:
    """A process that answers."""

    port: int
    pid: int
    started_in_s: float

    def memory_mib(self) -> float:
        """What the process has in memory now."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        kib = next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))
        return int(kib) / 1024

    def call(
        self, path: str, key: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """One request beside the load: status, body as it came, headers."""
        sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=sent)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers


@contextlib.contextmanager
def standing(folder: str | None, *, keep: bool = False) -> Iterator[Ground]:
    """A fresh home under `folder` (default: the system's), removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="ringlet-bench-", dir=folder))
    try:
        ground = Ground(home)
        try:
            yield ground
        finally:
            ground.release()
    finally:
        if keep:
            print(f"kept: {home}", file=sys.stderr)
        else:
            shutil.rmtree(home, ignore_errors=True)


def connect(url: str) -> psycopg.Connection[TupleRow]:
    """A plain session with the database's own planner settings, for filling and for figures."""
    return psycopg.connect(url, autocommit=True)


def settle(url: str) -> None:
    """Let what was filled in reach the disk, so that its writing is not measured with what follows."""
    with connect(url) as connection:
        connection.execute("analyze")
        connection.execute("checkpoint")


def caught_up(ground: Ground, url: str) -> None:
    """Let a worker do what is due with a past that was filled in at once, and that an installation does day by day:
    counting its figures, forgetting its texts, the audit. It is through when the database rests.
    """
    with ground.worker(url), connect(url) as connection:
        until, resting_since = time.monotonic() + CAUGHT_UP_WITHIN_S, time.monotonic() + STARTING_S
        while time.monotonic() < until and time.monotonic() - resting_since < RESTS_S:
            if connection.execute(_AT_WORK).fetchone() != (0,):
                resting_since = time.monotonic()
            time.sleep(0.02)


_AT_WORK = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle' and backend_type = 'client backend'
    and now() - query_start > interval '2 milliseconds'
"""


def query(url: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        return connection.execute(statement.encode(), values).fetchall()
