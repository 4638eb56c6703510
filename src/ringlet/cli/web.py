"""`ringlet web`: one process that answers requests."""

import asyncio
import gc
import socket

import click
import structlog
import uvicorn
import uvloop

from ringlet import logs
from ringlet.app import open_desk
from ringlet.cli.listening import bind
from ringlet.cli.processes import at_end_of_input, with_base
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.settings import Settings, load
from ringlet.web import routes
from ringlet.web.door import Door
from ringlet.web.protocol import Protocol

log = structlog.get_logger("ringlet")

GRACE_S = 5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, help="Port to listen on.")
@click.option("--fd", type=int, hidden=True, help="A bound socket handed down by `ringlet serve`.")
def web(host: str, port: int, fd: int | None) -> None:
    """One web process: the API and the doors for owners' messages."""
    settings = load()
    logs.configure(settings.log_level, room="web")
    listener = socket.socket(fileno=fd) if fd is not None else bind(host, port)
    with_base(
        settings, lambda base: uvloop.run(_web(settings, base.conninfo, listener, watched=fd is not None))
    )


async def _web(settings: Settings, conninfo: str, listener: socket.socket, *, watched: bool) -> None:
    async with open_desk(settings, conninfo) as desk:
        await _load_prices(desk)
        # What is loaded stays: the collector need not look through a hundred thousand offers again and again.
        gc.collect()
        gc.freeze()
        app = routes.make(desk)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=Protocol,
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            timeout_graceful_shutdown=GRACE_S,
            backlog=4096,
        )
        server = Server(config, app)
        if watched:
            at_end_of_input(lambda: setattr(server, "should_exit", True))
        await server.serve(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn's, which would wait for the last long poll before it ends."""

    def __init__(self, config: uvicorn.Config, app: Door) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer who waits, then as uvicorn does."""
        self._app.end()
        await super().shutdown(sockets)


async def _load_prices(desk: Desk) -> None:
    """A web process without prices would answer that nothing is on sale: it waits for the database."""
    while True:
        try:
            return await desk.refresh_prices()
        except Refusal as refusal:
            log.warning("waiting_for_database", code=refusal.code)
            await asyncio.sleep(1)
