"""What tests stand on: a filled shop at a desk, and a whole installation as real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ringlet import accounts, ledger, pricing, stocktaking
from ringlet.activations.receive import IncomingMessage, receive
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.stocktaking import NumberRow
from tests import commands

SERVICES = ("ig", "wa", "tg", "go")
PRICE = Decimal("0.1114892")
PRICE_MICROS = 111_489


@dataclass
class Shop:
    """`alice` and `bob` are live wallets with 100.00 each, `rehearsal` is alice's test wallet."""

    alice: ledger.Wallet
    bob: ledger.Wallet
    rehearsal: ledger.Wallet
    alice_key: str
    alice_test_key: str
    bob_key: str
    agent_key: str
    source_id: int
    _sms_ids: Any = field(default_factory=lambda: iter(range(1, 10**9)))

    async def push(self, desk: Desk, activation: Activation, text: str, sender: str = "Example") -> None:
        """The number's owner pushes a message that he has not pushed before."""
        assert activation.phone is not None
        incoming = IncomingMessage(next(self._sms_ids), activation.phone, sender, text)
        await receive(desk, self.source_id, incoming)


async def fill_shop(
    desk: Desk, numbers: int = 50, services: tuple[str, ...] | None = SERVICES, balance: int = 100_000_000
) -> Shop:
    """Two customers and own numbers of country 6, every service at the reference's price."""
    alice = await accounts.open_account(desk, "alice@example.org", balance, actor="test")
    bob = await accounts.open_account(desk, "bob@example.org", balance, actor="test")
    async with desk.db.transaction() as tx:
        await pricing.set_rule(tx, customer_id=None, country=6, service=None, kind="price", value=PRICE)
    rows = [NumberRow(f"6289540{index:06}", 6, "telkomsel", services) for index in range(numbers)]
    async for _ in stocktaking.load(desk, "owner", rows, Decimal("0.0334")):
        pass
    agent_key = await stocktaking.issue_agent_key(desk, "owner")
    await desk.refresh_prices()
    async with desk.db.connection() as tx:
        found = await (await tx.execute("select id from source where name = 'owner'")).fetchone()
        assert found is not None
        return Shop(
            alice=await ledger.wallet(tx, await accounts.wallet_id(tx, alice.id, "live")),
            bob=await ledger.wallet(tx, await accounts.wallet_id(tx, bob.id, "live")),
            rehearsal=await ledger.wallet(tx, await accounts.wallet_id(tx, alice.id, "test")),
            alice_key=alice.api_key,
            alice_test_key=alice.test_key,
            bob_key=bob.api_key,
            agent_key=agent_key,
            source_id=found[0],
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """`ringlet serve --demo` in a process group of its own. Without `database_url`: the embedded server."""

    serve: tuple[str, ...] = ("serve", "--demo")

    def __init__(self, home: Path, database_url: str | None = None, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.parent / f"{home.name}.log"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("RINGLET_", "DATABASE_URL"))
            },
            "RINGLET_HOME": str(home),
            "RINGLET_RATE_LIMIT": "0",
            **({"DATABASE_URL": database_url} if database_url else {}),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def demo(self) -> dict[str, Any]:
        """The keys of the demo."""
        found: dict[str, Any] = json.loads((self.home / "demo.json").read_text())
        return found

    def start(self, *arguments: str, ready_within_s: float = 60) -> float:
        """Start and wait until ready; returns the seconds that it took."""
        began = time.monotonic()
        command = [sys.executable, "-m", "ringlet", *self.serve, "--port", str(self.port), *arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self.is_ready():
            assert self.process.poll() is None, f"serve ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() - began < ready_within_s, f"not ready: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)
        return time.monotonic() - began

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL to the whole process group, as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def ringlet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the command line against this installation."""
        return commands.run(arguments, self.environment)

    def audit(self) -> str:
        """What the audit prints; empty when the books balance."""
        done = self.ringlet("audit")
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """One request; returns status, decoded body and headers. `key`: "" is the demo's, None is none."""
        sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.demo['api_key']}"
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=70) as answer:
                status, raw, head = answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            status, raw, head = error.code, error.read(), dict(error.headers)
        try:
            return status, json.loads(raw), head
        except ValueError:
            return status, raw, head

    def push(self, phone: str, text: str, sms_id: int, sender: str = "Example") -> Any:
        """The demo's owner pushes a message."""
        body = {"action": "PUSH_SMS", "key": self.demo["agent_key"], "smsId": sms_id, "phone": int(phone),
                "phoneFrom": sender, "text": text}  # fmt: skip
        return self.call("POST", "/agent/api/sms", body, key=None)[1]
