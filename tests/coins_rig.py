"""Gateways for coins under test: an adapter in front of its fake on a real socket, or of answers from a can."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from ringlet.db import Database
from ringlet.payments.kinds import KINDS
from ringlet.payments.port import Gateway, Order
from ringlet.suppliers import wire
from tests.fakes import gateway
from tests.fakes.canned import served
from tests.fakes.till import Payment, Till

REFERENCE = "tu_0123456789ABCDEFGHIJKL"
NOTICES = "https://shop.example/payments/kind/1"


@dataclass
class Pair:
    """An adapter and the till that it speaks with."""

    till: Till
    adapter: Gateway

    def only(self) -> Payment:
        """The one payment that was made."""
        (made,) = self.till.payments.values()
        return made


@asynccontextmanager
async def pair(kind: str, mode: str = "live", **settings: Any) -> AsyncIterator[Pair]:
    """A fake of this kind, and an adapter for it."""
    till = gateway.till(kind, "")
    async with served(gateway.make(till)) as url, wire.open_session() as session:
        till.url = url
        config = {**till.front.config(url), **settings}
        yield Pair(till, KINDS[kind](config, mode, session, Database("")))


@asynccontextmanager
async def answering(
    kind: str, config: Mapping[str, str], answers: Mapping[str, tuple[int, bytes]]
) -> AsyncIterator[Gateway]:
    """An adapter that gets these answers, by the end of the path that it asks for; "" is for all others."""

    async def answer(request: web.Request) -> web.Response:
        found = next((each for end, each in answers.items() if end and request.path.endswith(end)), None)
        status, body = found or answers[""]
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with served(app) as url, wire.open_session() as session:
        yield KINDS[kind]({**config, "url": url}, "live", session, Database(""))


def order(micros: int = 5_000_000, reference: str = REFERENCE, lives_s: float = 1800) -> Order:
    """What a customer asks for."""
    expires_at = datetime.now(UTC) + timedelta(seconds=lives_s)
    return Order(
        reference, micros, "USD", "Example Numbers", "alice@example.org",
        "https://shop.example/wallet/top-up/1", NOTICES, expires_at,
    )  # fmt: skip


#: what a gateway may answer when it is ill, or is not the gateway
ILL = [
    (200, b""),
    (200, b"<html>"),
    (200, b"\xff\xfe\x00"),
    (200, b"null"),
    (200, b"[]"),
    (200, b"{}"),
    (200, b'{"id": 1, "payment_id": []}'),
    (200, b"[" * 50_000),
    (200, b'{"a": "' + b"x" * 1_100_000 + b'"}'),
    (204, b""),
    (302, b""),
    (404, b"<html>not here</html>"),
    (408, b""),
    (429, b'{"message": "slow down"}'),
    (500, b"Internal Server Error"),
    (502, b"<html>"),
    (503, b"{}"),
    (599, b"{}"),
]
