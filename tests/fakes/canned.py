"""Adapters under test: in front of a fake supplier on a real socket, or of answers from a can."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from ringlet.suppliers import wire
from ringlet.suppliers.port import Account, Wanted
from ringlet.suppliers.wire import Answer, Line
from tests.fakes import supplier
from tests.fakes.warehouse import Warehouse

encode = msgspec.json.Encoder(decimal_format="number").encode
ACCOUNT = Account(supplier.KEY, unit_cost=Decimal("0.03"))
Adapter = TypeVar("Adapter")


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """The address of an application on a port of its own."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(
    make: Callable[[Line, Account], Adapter], dialect: str, path: str, warehouse: Warehouse,
    *, account: Account = ACCOUNT, deadline_s: float = 5.0,
) -> AsyncIterator[Adapter]:  # fmt: skip
    """An adapter that speaks with a warehouse of its dialect."""
    async with served(supplier.make(dialect, warehouse)) as url, wire.open_session() as session:
        yield make(Line(session, url + path, deadline_s=deadline_s, per_s=1_000), account)


class CannedLine(Line):
    """Gives these answers, one after another and the last for ever, and keeps what was asked."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.url = "http://canned.example"
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def ask(self, method: str, path: str = "", **more: Any) -> Answer:
        self.asked.append((method, path, more))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def canned(body: object, status: int = 200) -> Answer:
    """An answer: text as it is, anything else as JSON."""
    raw = body.encode() if isinstance(body, str) else encode(body)
    return Answer(status, not isinstance(body, str), raw)


def wanted(**changes: Any) -> Wanted:
    """What the tests rent."""
    usual = {"country": "6", "service": "ig", "cost_max": Decimal("0.12"), "reference": "ref-1"}
    return Wanted(**{**usual, **changes})
