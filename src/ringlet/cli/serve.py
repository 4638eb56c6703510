"""`ringlet serve`: the database, web processes and a worker, started, watched and ended together."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import click
import structlog

from ringlet import demo, logs, migrations
from ringlet.app import Base
from ringlet.backoffice.welcome import waiting_code
from ringlet.cli.listening import bind
from ringlet.cli.running import desk_of
from ringlet.errors import StartupError
from ringlet.settings import Settings, load

log = structlog.get_logger("ringlet.serve")

READY_WITHIN_S = 60
END_WITHIN_S = 10
RESTART_PAUSE_S = 0.5
LOOK_AGAIN_S = 0.5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Web processes.")
@click.option("--demo", "with_demo", is_flag=True, help="Make a demo account and 10,000 numbers to try with.")
def serve(host: str, port: int, workers: int, with_demo: bool) -> None:
    """All in one: the embedded database (or DATABASE_URL), web and worker."""
    settings = load()
    logs.configure(settings.log_level, room="serve")
    with bind(host, port) as listener:
        base = Base(settings)
        try:
            migrations.migrate(base.conninfo)
            url = _url(*listener.getsockname()[:2])
            keys = asyncio.run(_demo(settings, base, url)) if with_demo else None
            family = Family(_environment(settings) | (_of_demo(url) if with_demo else {}))
            for _ in range(workers):
                family.add("web", "--fd", str(listener.fileno()), pass_fd=listener.fileno())
            family.add("worker", "--watched")
            code = None if with_demo else waiting_code(base.conninfo, settings)
            family.keep(when_ready=lambda: _greet(url, keys, code), tend=base.tend)
        finally:
            base.release()


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


async def _demo(settings: Settings, base: Base, url: str) -> dict[str, Any]:
    async with desk_of(settings, base) as desk:
        return await demo.prepare(desk, settings.home / "demo.json", url)


def _environment(settings: Settings) -> dict[str, str]:
    """Our own, with a fresh folder in which the processes add up their metrics."""
    folder = settings.home / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}


def _of_demo(url: str) -> dict[str, str]:
    """Letters can be read at /mail, and their links lead here."""
    return {"RINGLET_DEMO": "1", "RINGLET_PUBLIC_URL": os.environ.get("RINGLET_PUBLIC_URL") or url}


@dataclass(slots=True)
class Child:
    """One process of ours and how to start it again."""

    command: tuple[str, ...]
    pass_fds: tuple[int, ...]
    process: subprocess.Popen[bytes]
    started_s: float = field(default_factory=time.monotonic)


class Family:
    """The processes under one roof. A child ends by itself when its parent is gone: it sees its input close."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._children: list[Child] = []
        self._ending = False

    def add(self, *arguments: str, pass_fd: int | None = None) -> None:
        """Start `ringlet ARGUMENTS`."""
        command = (sys.executable, "-m", "ringlet", *arguments)
        pass_fds = () if pass_fd is None else (pass_fd,)
        self._children.append(Child(command, pass_fds, self._start(command, pass_fds)))

    def _start(self, command: tuple[str, ...], pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=pass_fds, env=self._environment)

    def keep(self, *, when_ready: Callable[[], None], tend: Callable[[], None]) -> None:
        """Watch over them until we are told to end, `tend` the database, then end them in good order."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        # Beside the watch: until it is ready, a site needs it most.
        threading.Thread(target=when_ready, name="greet", daemon=True).start()
        while not self._ending:
            time.sleep(LOOK_AGAIN_S)
            _try(tend)
            for child in self._children:
                self._restart_dead(child)
        for child in self._children:
            child.process.terminate()
        self._wait()

    def _end(self, *_: object) -> None:
        self._ending = True

    def _restart_dead(self, child: Child) -> None:
        code = child.process.poll()
        if code is None or self._ending:
            return
        log.error("process_died", process=child.command[3], exit_code=code)
        time.sleep(RESTART_PAUSE_S)  # one that dies at once must not take the machine with it
        child.process, child.started_s = self._start(child.command, child.pass_fds), time.monotonic()

    def _wait(self) -> None:
        until_s = time.monotonic() + END_WITHIN_S
        for child in self._children:
            try:
                child.process.wait(max(0.1, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def _try(tend: Callable[[], None]) -> None:
    """A database that cannot be started now is tried again; web and worker wait for it."""
    try:
        tend()
    except StartupError as error:
        log.error("database_down", error=str(error))  # noqa: TRY400 - the sentence says it all


def _greet(url: str, keys: Mapping[str, Any] | None, code: str | None) -> None:
    """Say where to go, once it can be gone to."""
    if not _is_ready(url):
        click.echo(f"Ringlet is still starting at {url}; the log on standard error says why.", err=True)
    elif code is not None:
        click.echo(WELCOME.format(url=url, code=code))
    elif keys is None:
        click.echo(f"Ringlet is ready at {url}")
    else:
        click.echo(GREETING.format(url=url, path=load().home / "demo.json", **keys))


def _is_ready(url: str) -> bool:
    until_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until_s:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own http address
                return bool(json.load(answer)["status"] == "ready")
        except (OSError, ValueError, urllib.error.URLError):
            time.sleep(0.1)
    return False


WELCOME = """
Ringlet is ready at {url}

  set it up   {url}/admin/welcome
  setup code  {code}
"""
GREETING = """
Ringlet is ready at {url}

  sign in     {client_email}
  password    {client_password}
  letters     {url}/mail

  your key    {api_key}
  test key    {test_key}
  all keys    {path}

A first purchase without the page: a number for Instagram in Indonesia.

  curl -s {url}/api/v1/resell/virtual/buy -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: application/json' -d '{{"service":"ig","country":6}}'

Play the number's owner and push a message to it (put the phone from the answer in place of PHONE):

  curl -s {agent_url} -H 'Content-Type: application/json' \\
    -d '{{"action":"PUSH_SMS","key":"{agent_key}","smsId":1,"phone":PHONE,"phoneFrom":"Instagram","text":"123 456 is your Instagram code"}}'

And ask for the code (put the activation_id from the first answer in place of ID):

  curl -s '{url}/api/v1/resell/virtual/ID/status?wait=30' -H 'Authorization: Bearer {api_key}'

Stop with Ctrl-C; what you did stays in {path}'s folder.
"""
