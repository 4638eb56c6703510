"""A supplier as a process of its own: `python -m tests.fakes.supplier --dialect handler-api --port 9001 --seed 7`.

Each dialect is a module in `fronts/` with `routes(warehouse)`; a handler of a rent sets `request[FAULT]` to the
allotment's fault, and the answer is spoiled here. The tests steer it by `/_…`, as JSON.
"""

import argparse
import asyncio
import importlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.warehouse import Warehouse

KEY = "supplier-key"
WAREHOUSE = web.AppKey("warehouse", Warehouse)
#: what is to happen to the answer, set by the handler of a rent
FAULT = web.RequestKey("fault", object)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make(dialect: str, warehouse: Warehouse) -> web.Application:
    """The application of one supplier."""
    front = importlib.import_module(f"tests.fakes.fronts.{dialect.replace('-', '_')}")
    app = web.Application(middlewares=[_spoil], client_max_size=1 << 26)
    app[WAREHOUSE] = warehouse
    app.router.add_routes(front.routes(warehouse))
    app.router.add_get("/_truth", _truth)
    app.router.add_post("/_set", _set)
    app.router.add_post("/_sms", _sms)
    if hasattr(front, "background"):
        app.cleanup_ctx.append(_beside(front.background, warehouse))
    return app


def _beside(
    work: Callable[[Warehouse], Coroutine[Any, Any, None]], warehouse: Warehouse
) -> Callable[[web.Application], AsyncIterator[None]]:
    """A front's own work, done for as long as the application runs."""

    async def run(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(work(warehouse))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return run


@web.middleware
async def _spoil(request: web.Request, handler: Handler) -> web.StreamResponse:  # noqa: PLR0911
    warehouse = request.app[WAREHOUSE]
    if not request.path.startswith("/_") and warehouse.slow_s:
        await asyncio.sleep(warehouse.slow_s)
    response = await handler(request)
    fault = request.get(FAULT)
    if fault is None or not isinstance(response, web.Response):
        return response
    body = response.body if isinstance(response.body, bytes) else b""
    match fault:
        case "timeout":
            await asyncio.sleep(120)
        case "drop":
            assert request.transport is not None
            request.transport.abort()
        case "garbage":
            return web.Response(body=random.Random(len(body)).randbytes(300))
        case "html":
            return web.Response(
                text="<html><body><h1>502 Bad Gateway</h1></body></html>", content_type="text/html"
            )
        case "error_sql":
            return web.Response(text="ERROR_SQL")
        case "half":
            return web.Response(body=body[: len(body) // 2], content_type=response.content_type)
        case "server_error":
            return web.Response(status=500, text="Internal Server Error")
    return response


async def _truth(request: web.Request) -> web.Response:
    return web.json_response(request.app[WAREHOUSE].truth())


async def _set(request: web.Request) -> web.Response:
    """Any of: cells [[country, service, operator, cost, available]], faults {}, and the plain attributes."""
    warehouse, body = request.app[WAREHOUSE], await request.json()
    for country, service, operator, cost, available in body.pop("cells", ()):
        warehouse.stock(country, service, cost, available, operator)
    for name, value in body.items():
        assert hasattr(warehouse, name), name
        setattr(warehouse, name, Decimal(value) if name == "balance" else value)
    return web.json_response({})


async def _sms(request: web.Request) -> web.Response:
    """A message for `ref`, or for the newest active allotment of `phone`."""
    warehouse, body = request.app[WAREHOUSE], await request.json()
    ref = body.get("ref") or next(
        a.ref for a in reversed(warehouse.allotments.values())
        if a.phone == body["phone"] and a.standing == "active"
    )  # fmt: skip
    warehouse.sms(ref, body["text"], body.get("code"), body.get("sender", "Example"))
    return web.json_response({"ref": ref})


async def deliver_codes(warehouse: Warehouse) -> None:
    """Codes come by themselves, as the warehouse's shares say."""
    planned: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        for ref, allotment in list(warehouse.allotments.items()):
            if ref not in planned:
                lucky = warehouse.random.random() < warehouse.code_share
                planned[ref] = loop.time() + warehouse.random.uniform(*warehouse.code_after_s) if lucky else 0
            if planned[ref] and loop.time() >= planned[ref] and allotment.standing == "active":
                planned[ref] = 0
                code = f"{warehouse.random.randrange(10**6):06}"
                warehouse.sms(ref, f"Your code is {code}. Don't share it.", code)
        await asyncio.sleep(0.05)


async def serve(dialect: str, port: int, warehouse: Warehouse, settings: dict[str, Any]) -> None:
    """Run until killed."""
    for country, service, operator, cost, available in settings.pop("cells", ()):
        warehouse.stock(country, service, cost, available, operator)
    for name, value in settings.items():
        setattr(warehouse, name, value)
    runner = web.AppRunner(make(dialect, warehouse), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await deliver_codes(warehouse)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON, as for /_set")
    args = parser.parse_args()
    asyncio.run(serve(args.dialect, args.port, Warehouse(args.seed), args.settings))


if __name__ == "__main__":
    # The fronts import this module by its name: the keys of a request must be those of that one.
    importlib.import_module("tests.fakes.supplier").main()
