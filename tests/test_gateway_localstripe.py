"""The SDK over our line, and the check of signatures, against localstripe: a stand-in for Stripe that others wrote.

It is GPL and a program of its own: installed by `make setup` into an environment of its own, started as a process, and
imported by nothing of ours. It knows no Checkout, so it is a second opinion on payment intents, refunds, declines and
signed events. Its own copy of what it was told lies in /tmp/localstripe.pickle, and is never read here.
"""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from ringlet.db import Database
from ringlet.payments import stripe_line
from ringlet.payments.port import NoticeRefused, Refused, Unreachable
from ringlet.payments.stripe import Stripe
from ringlet.suppliers import wire
from tests.fakes.canned import served
from tests.site import free_port

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv/localstripe/bin/python"
START_WITHIN_S = 20.0
TOLD_WITHIN_S = 20.0
KEY = "sk_test_12345"
SECRET = "whsec_localstripe"
LISTENING = "0A"


class Made(msgspec.Struct):
    id: str
    status: str = ""
    amount: int = 0
    metadata: dict[str, str] = {}


class Listed(msgspec.Struct):
    data: list[Made]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where localstripe listens."""
    assert PYTHON.exists(), "localstripe is not installed: make setup"
    found = free_port()
    log = (tmp_path_factory.mktemp("localstripe") / "log").open("wb")
    process = subprocess.Popen(
        [PYTHON, ROOT / "tests/fakes/loopback.py", "localstripe", "--from-scratch", "--port", str(found)],
        cwd=tmp_path_factory.getbasetemp(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        until = time.monotonic() + START_WITHIN_S
        while not _listeners(found):
            assert process.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < until, "localstripe did not start"
            time.sleep(0.05)
        yield found
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _listeners(port: int) -> set[str]:
    """The addresses, as the kernel writes them, on which somebody listens at this port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, _, state = line.split()[1:4]
            if state == LISTENING and int(address.rpartition(":")[2], 16) == port:
                found.add(address.rpartition(":")[0])
    return found


@dataclass
class Peer:
    """localstripe, and the SDK in front of it as our adapter has it."""

    url: str
    http: aiohttp.ClientSession
    adapter: Stripe
    #: what it told us: headers and body
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def api(self) -> Any:
        return stripe_line.client(KEY, wire.Line(self.http, self.url)).v1

    async def pay(self, number: str = "4242424242424242", **more: Any) -> Made:
        """A payment of 12.34 with this card."""
        card = {"number": number, "exp_month": 12, "exp_year": 2036, "cvc": "123"}
        method = await stripe_line.ask(
            self.api.payment_methods.create_async({"type": "card", "card": card}), Made
        )
        params = {"amount": 1234, "currency": "usd", "payment_method": method.id, "confirm": True, **more}
        return await stripe_line.ask(self.api.payment_intents.create_async(params), Made)

    def about(self, made: Made) -> list[tuple[dict[str, str], bytes]]:
        """What it told us of this payment."""
        return [(headers, body) for headers, body in self.told if made.id.encode() in body]

    async def take(self, request: web.Request) -> web.Response:
        self.told.append((dict(request.headers), await request.read()))
        return web.Response()


@pytest.fixture
async def peer(port: int) -> AsyncIterator[Peer]:
    url = f"http://127.0.0.1:{port}"
    async with wire.open_session() as session:
        config = {"secret_key": KEY, "webhook_secret": SECRET, "url": url}
        yield Peer(url, session, Stripe(config, "test", session, Database("")))


def test_nobody_else_reaches_it(port: int) -> None:
    """It would listen on every interface; here it listens on this machine's own."""
    assert _listeners(port) == {"0000000000000000FFFF00000100007F"}


async def test_a_payment_and_its_refunds(peer: Peer) -> None:
    """Made and confirmed at once, with what we write on it; given back in two parts."""
    made = await peer.pay(metadata={"topup": "tu_1"})
    assert (made.status, made.amount, made.metadata) == ("succeeded", 1234, {"topup": "tu_1"})
    again = await stripe_line.look(peer.api.payment_intents.retrieve_async(made.id), Made)
    assert again == made
    for amount in (1000, 234):
        given = await stripe_line.ask(
            peer.api.refunds.create_async({"payment_intent": made.id, "amount": amount}), Made
        )
        assert (given.status, given.amount) == ("succeeded", amount)
    listed = await stripe_line.look(peer.api.refunds.list_async({"payment_intent": made.id}), Listed)
    assert sorted(each.amount for each in listed.data) == [234, 1000]


async def test_a_card_that_is_declined(peer: Peer) -> None:
    """The SDK's own error for it is a no that stays one."""
    with pytest.raises(Refused, match="declined"):
        await peer.pay("4000000000000341")


async def test_a_no_without_stripes_own_word_for_it(peer: Peer) -> None:
    """It says 404 and no `resource_missing`, and has no such door: neither tells anything about a payment of ours."""
    with pytest.raises(Unreachable):
        await stripe_line.look(peer.api.payment_intents.retrieve_async("pi_nobody"), Made)
    with pytest.raises(Unreachable):
        await peer.adapter.fetch("cs_test_nobody")


async def test_events_that_somebody_else_signed(peer: Peer) -> None:
    """By its own code, not the SDK's: our check takes them, and none that was changed on the way."""
    app = web.Application()
    app.router.add_post("/", peer.take)
    async with served(app) as url:
        hook = {"url": url, "secret": SECRET}
        async with peer.http.post(f"{peer.url}/_config/webhooks/ringlet", json=hook) as answer:
            assert answer.status == 200
        made = await peer.pay()
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_WITHIN_S):
                while not any(b"payment_intent.succeeded" in body for _, body in peer.about(made)):
                    await asyncio.sleep(0.1)
    about = peer.about(made)
    assert any(b"payment_intent.succeeded" in body for _, body in about)
    for headers, body in about:
        # Signed well, and about nothing of ours: it was made by no checkout session.
        assert await peer.adapter.read_notice(body, headers) is None
        for changed in (body.replace(b"1234", b"9234"), body + b" ", body.replace(b"\n", b"")):
            with pytest.raises(NoticeRefused):
                await peer.adapter.read_notice(changed, headers)
        with pytest.raises(NoticeRefused):
            await peer.adapter.read_notice(
                body, {**headers, "Stripe-Signature": headers["Stripe-Signature"][:-1]}
            )
