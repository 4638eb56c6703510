"""A site that takes money by a fake gateway, a process of its own, and the comparison of its books with that till's truth."""

import asyncio
import importlib
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from ringlet import accounts, money
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.payments import book
from ringlet.settings import Settings
from ringlet.topups import begin
from tests.site import free_port

ROOT = Path(__file__).parent.parent
START_WITHIN_S = 20.0
CENTS = 10_000


class FakeGateway:
    """`tests.fakes.gateway` as a process that no kill of a site reaches."""

    def __init__(self, kind: str, **said: Any) -> None:
        self.kind = kind
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.gateway", "--kind", kind, "--port", str(port), "--settings", json.dumps(said)],
            cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + START_WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, f"{kind} ended"
            assert time.monotonic() < until, f"{kind} did not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError):
            self.truth()
            return True
        return False

    @property
    def config(self) -> dict[str, str]:
        """What the operator enters."""
        found: dict[str, str] = importlib.import_module(f"tests.fakes.tills.{self.kind}").config(self.url)
        return found

    def truth(self) -> dict[str, Any]:
        """What it knows."""
        with urllib.request.urlopen(f"{self.url}/_truth", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def ask(self, word: str, **said: Any) -> Any:
        """Steer it: set, pay, refund, move."""
        request = urllib.request.Request(
            f"{self.url}/_{word}", json.dumps(said).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)


async def open_gateway(desk: Desk, gateway: FakeGateway, site_url: str, **more: Any) -> int:
    """The gateway is on offer for live money, credits whatever settles, and knows where to tell."""
    async with desk.db.transaction() as tx:
        new = book.New(gateway.kind, gateway.kind, "live", gateway.config, 10_000, 10**12, is_on=True)
        gateway_id = await book.add(tx, desk.settings.secret, new)
        await tx.execute("update gateway set on_late = 'credit' where id = %s", [gateway_id])
    address = f"{site_url}/payments/{gateway.kind}/{gateway_id}"
    await asyncio.to_thread(gateway.ask, "set", notice_url=address, **more)
    return gateway_id


@dataclass
class Payers:
    """Customers who ask for payments all the time, whatever happens to the site."""

    settings: Settings
    gateway_id: int
    rng: random.Random
    began: int = 0

    async def come(self, count: int, per_s: float) -> None:
        """So many payments; each form is sent until there is an answer, as people do."""
        assert self.settings.database_url is not None
        async with open_desk(self.settings, self.settings.database_url) as desk:
            wallets = [await _customer(desk, index) for index in range(max(10, count // 4))]
            coming = []
            for index in range(count):
                # In turn: nobody has more payments open than he may.
                wallet_id = wallets[index % len(wallets)]
                coming.append(asyncio.create_task(self._one(desk, wallet_id, f"form {index}")))
                await asyncio.sleep(self.rng.expovariate(per_s))
            await asyncio.gather(*coming)

    async def _one(self, desk: Desk, wallet_id: int, once: str) -> None:
        amount_micros = self.rng.randrange(500, 50_000) * CENTS
        for _ in range(40):
            with suppress(Refusal):
                topup = await begin.begin(desk, wallet_id, self.gateway_id, amount_micros, once)
                self.began += 1
                assert topup.amount_micros == amount_micros
                return
            await asyncio.sleep(0.5)
        raise AssertionError("never begun")


async def _customer(desk: Desk, index: int) -> int:
    made = await accounts.open_account(desk, f"payer{index}@example.org", 0, actor="test")
    async with desk.db.connection() as tx:
        return await accounts.wallet_id(tx, made.id, "live")


def compare(database_url: str, truth: dict[str, Any]) -> list[str]:
    """Every difference between what settled at the gateway and what was credited (less what was taken back)."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select external_id, state::text, credited_micros, returned_micros from topup where external_id is not null"
        ).fetchall()
    ours = {row[0]: row[1:] for row in rows}
    found = []
    for payment in truth["payments"]:
        settled, refunded = (money.to_micros(Decimal(payment[each])) for each in ("settled", "refunded"))
        state, credited, returned = ours.get(payment["id"], ("unknown", 0, 0))
        # Taken back before anybody looked: never credited at all.
        if credited - returned != settled - refunded or (credited and credited != settled):
            found.append(f"{payment}: {state}, credited {credited}, returned {returned}")
    return found


def credits_of(database_url: str) -> Counter[str]:
    """How often each top-up was credited."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select reference from posting where kind = 'credit' and starts_with(reference, 'tu_')"
        ).fetchall()
    return Counter(row[0] for row in rows)


async def agreed(database_url: str, gateway: FakeGateway, within_s: float) -> tuple[float, list[str]]:
    """Wait until books and till agree; how long that took since everybody had paid, and what differs in the end."""
    while not (truth := await asyncio.to_thread(gateway.truth))["is_paid"]:
        await asyncio.sleep(0.2)
    began = time.monotonic()
    while True:
        found = compare(database_url, truth)
        took_s = time.monotonic() - began
        if not found or took_s > within_s:
            return took_s, found
        await asyncio.sleep(0.5)


async def quiet(gateway: FakeGateway) -> None:
    """Wait until everything was said that is to be said, the replays too."""
    while not (await asyncio.to_thread(gateway.truth))["is_quiet"]:
        await asyncio.sleep(0.2)
