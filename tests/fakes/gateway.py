"""A gateway as a process of its own: `python -m tests.fakes.gateway --kind stripe --port 9001 --settings '{"copies": 20}'`.

Each vendor is a module in `tills/` with `config(url)`, `routes(till)`, `notice(till, payment, event_id)` and
`forged(till, payment)`. The tests steer it by `/_…`, as JSON.
"""

import argparse
import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.till import STEERS, Till

TILL = web.AppKey("till", Till)
#: the answer to this request will not arrive
IS_LOST = web.RequestKey("is_lost", bool)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def till(kind: str, url: str, **settings: Any) -> Till:
    """A till that this vendor speaks for, reached at `url`."""
    made = Till(kind, importlib.import_module(f"tests.fakes.tills.{kind}"), url)
    configure(made, settings)
    return made


def configure(till: Till, settings: dict[str, Any]) -> None:
    """The plain attributes of `Till`."""
    for name, value in settings.items():
        assert hasattr(till, name), name
        setattr(till, name, Decimal(str(value)) if name == "fee_percent" else value)


def make(till: Till) -> web.Application:
    """The application of one gateway."""
    app = web.Application(middlewares=[_spoil], client_max_size=1 << 22)
    app[TILL] = till
    app.router.add_routes(till.front.routes(till))
    app.router.add_get("/_truth", _truth)
    app.router.add_post("/_set", _set)
    for word in STEERS:
        app.router.add_post(f"/_{word}", _steer)
    return app


@web.middleware
async def _spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
    till = request.app[TILL]
    if request.path.startswith("/_"):
        return await handler(request)
    if till.slow_s:
        await asyncio.sleep(till.slow_s)
    if till.random.random() < till.error_share:
        return web.Response(status=500, text="<html>Internal Server Error</html>", content_type="text/html")
    request[IS_LOST] = till.random.random() < till.drop_share
    response = await handler(request)
    if request[IS_LOST] and request.transport is not None:
        request.transport.abort()  # it is done, and nobody hears of it
    return response


async def _truth(request: web.Request) -> web.Response:
    return web.json_response(request.app[TILL].truth())


async def _set(request: web.Request) -> web.Response:
    configure(request.app[TILL], await request.json())
    return web.json_response({})


async def _steer(request: web.Request) -> web.Response:
    """A payer does something to the payment `id`, or to the newest one of `reference`."""
    till, body = request.app[TILL], await request.json()
    found = body.get("id") or next(
        p.id for p in reversed(till.payments.values()) if p.reference == body["reference"]
    )
    STEERS[request.path.removeprefix("/_")](till, till.payments[found], body)
    return web.json_response({"id": found})


async def serve(kind: str, port: int, settings: dict[str, Any]) -> None:
    """Run until killed."""
    runner = web.AppRunner(make(till(kind, f"http://127.0.0.1:{port}", **settings)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, as for /_set")
    args = parser.parse_args()
    asyncio.run(serve(args.kind, args.port, args.settings))


if __name__ == "__main__":
    # The fronts import this module by its name: the keys of an application must be those of that one.
    importlib.import_module("tests.fakes.gateway").main()
