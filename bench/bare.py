"""The bare route: one constant JSON answer by the same framework on the same server, in its own process."""

import socket
import sys

import uvicorn
import uvloop
from litestar import Litestar, get

from bench.watched import end_with_parent


@get("/bare")
async def bare() -> dict[str, bool]:
    return {"success": True}


async def main(descriptor: int) -> None:
    """The settings are those of `ringlet web`."""
    config = uvicorn.Config(
        Litestar([bare], logging_config=None, openapi_config=None),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=4096,
    )
    server = uvicorn.Server(config)
    end_with_parent(lambda: setattr(server, "should_exit", True))
    await server.serve(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
