"""`ringlet worker`: one process that does what is due. It loads nothing of the web: it is ready sooner and smaller."""

import asyncio
import signal

import click
import uvloop

from ringlet import logs
from ringlet.app import open_desk
from ringlet.cli.processes import at_end_of_input, with_base
from ringlet.settings import Settings, load
from ringlet.worker import run


@click.command()
@click.option("--watched", is_flag=True, hidden=True, help="End when standard input closes.")
def worker(watched: bool) -> None:
    """One worker process: expires, refunds, finishes, recovers. Start as many as you like."""
    settings = load()
    logs.configure(settings.log_level, room="worker")
    with_base(settings, lambda base: uvloop.run(_worker(settings, base.conninfo, watched=watched)))


async def _worker(settings: Settings, conninfo: str, *, watched: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if watched:
        at_end_of_input(stop.set)
    async with open_desk(settings, conninfo) as desk:
        await run(desk, stop)
