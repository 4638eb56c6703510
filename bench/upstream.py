"""The tests' fake supplier with thousands of numbers allotted to us, and a note of how often it is asked for each.

`python -m bench.upstream FD --count 10000 --list pages|whole|none`; it ends when its standard input closes.
"""

import argparse
import asyncio
import json
import socket
import time

from aiohttp import web
from tests.fakes import supplier
from tests.fakes.fronts import handler_api
from tests.fakes.warehouse import Allotment, Warehouse

from bench.watched import end_with_parent

COUNTRY, SERVICE, COST = "6", "ig", "0.10"
LISTS = ("pages", "whole", "none")
LEASE_S = 86_400.0
FIRST_REF = 700_000_001
FIRST_PHONE = 628_120_000_000
LIST = "getActiveActivations"


def filled(count: int) -> Warehouse:
    """Refs and phones count up from the first ones."""
    warehouse = Warehouse(lease_s=LEASE_S)
    warehouse.stock(COUNTRY, SERVICE, COST, 1_000_000)
    cost = warehouse.cells[COUNTRY, SERVICE, "any"].cost
    for index in range(count):
        ref = str(FIRST_REF + index)
        allotment = Allotment(ref, str(FIRST_PHONE + index), COUNTRY, SERVICE, "any", cost, None, None)
        warehouse.allotments[ref] = warehouse._open[ref] = allotment  # noqa: SLF001 - there is no quicker rent
    return warehouse


class Front(handler_api.Front):
    """Pages of a hundred; with `whole` everything at once; with `none` the list is an unknown action."""

    def __init__(self, warehouse: Warehouse, lists: str) -> None:
        super().__init__(warehouse)
        self.lists = lists
        #: what was asked for (a page, or one rental) → when last, and the longest time between two
        self.asked: dict[str, tuple[float, float]] = {}
        #: the rows as they are; only a message changes them
        self.rows = {ref: handler_api.row_of(each) for ref, each in warehouse.allotments.items()}

    async def answer(self, request: web.Request) -> web.Response:
        query = request.query
        action = query.get("action", "")
        if action == LIST and self.lists == "none":
            self.warehouse.count(action)
            return self.word("BAD_ACTION")
        if action == LIST or action.startswith("getStatus"):
            self._note(query.get("id") or query.get("start", "0"))
        return await super().answer(request)

    def _note(self, subject: str) -> None:
        now = time.monotonic()
        last, longest = self.asked.get(subject, (now, 0.0))
        self.asked[subject] = (now, max(longest, now - last))

    def getActiveActivations(self, query: handler_api.Query) -> web.Response:  # noqa: N802
        rows = list(self.rows.values())
        start = int(query.get("start") or 0)
        return self.active(rows if self.lists == "whole" else rows[start : start + 100])

    async def asks(self, _: web.Request) -> web.Response:
        """What it was asked since the last time, and the longest gap between two askings for the same."""
        now = time.monotonic()
        gaps = [max(longest, now - last) for last, longest in self.asked.values()]
        found = {
            "requests": dict(self.warehouse.requests),
            "asked_for": len(gaps),
            "gap_s": max(gaps, default=0),
        }
        self.asked.clear()
        self.warehouse.requests.clear()
        return web.json_response(found)

    async def sms(self, request: web.Request) -> web.Response:
        """A message for one rental."""
        body = await request.json()
        self.warehouse.sms(body["ref"], body["text"], body["code"])
        self.rows[body["ref"]] = handler_api.row_of(self.warehouse.allotments[body["ref"]])
        return web.json_response({})


async def serve(listener: socket.socket, warehouse: Warehouse, lists: str) -> None:
    front, end = Front(warehouse, lists), asyncio.Event()
    app = web.Application()
    app[supplier.WAREHOUSE] = warehouse
    app.router.add_get(handler_api.PATH, front.answer)
    app.router.add_get("/_asks", front.asks)
    app.router.add_post("/_sms", front.sms)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    end_with_parent(end.set)
    await end.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fd", type=int)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--list", choices=LISTS, default="pages")
    arguments = parser.parse_args()
    listener = socket.socket(fileno=arguments.fd)
    asyncio.run(serve(listener, filled(arguments.count), arguments.list))


def as_json(**body: object) -> bytes:
    return json.dumps(body).encode()


if __name__ == "__main__":
    main()
