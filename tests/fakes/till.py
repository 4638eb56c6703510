"""What a gateway has and did: its payments, its log, and what it says of them, with a truth of its own.

Every vendor (`tills/<kind>.py`) speaks for the same till. Payers pay as `plan` says, drawn from a seed; notices come
doubled, out of order, before the payer is back, forged, again after minutes, or never. `gateway.py` runs it as a process.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import ModuleType
from typing import Any

import aiohttp

#: what a payer may do: pay as asked, less, more, after the time is up, turn away, or pay and take it back
PLANS = ("exact", "less", "more", "late", "fails", "leaves", "takes_back")
TRIES = 6
CENT = Decimal("0.01")


class No(Exception):  # noqa: N818 - an answer, not an error
    """The gateway refuses; the front spells `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Payment:
    """One payment that somebody (we) had made. Amounts are in `currency`, whatever the payer sends.

    `state`: open, processing (something has come and may still come to nothing), settled, expired, failed.
    """

    id: str
    reference: str
    amount: Decimal
    currency: str
    return_url: str = ""
    notice_url: str = ""
    state: str = "open"
    settled: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    is_late: bool = False
    plan: str = "waits"
    created_at: float = field(default_factory=time.time)
    #: what a vendor keeps besides: the payer's coin, the ids of a charge
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass
class Till:
    """One account at one gateway. What follows `seed` may be set by `/_set` while it runs."""

    kind: str
    front: ModuleType
    url: str
    seed: int = 1
    #: where notices go when the payment names no address of its own
    notice_url: str = ""
    #: plan → share; what is left of 1 waits for `/_pay`
    plans: Mapping[str, float] = field(default_factory=dict)
    pay_after_s: tuple[float, float] = (0.05, 0.5)
    fee_percent: Decimal = Decimal(0)
    #: every notice so often; which of them, by shares: never sent, with forgeries beside it, again much later
    copies: int = 1
    silent_share: float = 0.0
    forged_share: float = 0.0
    replayed_share: float = 0.0
    replay_after_s: float = 300.0
    delay_s: tuple[float, float] = (0.0, 0.0)
    #: of the answers of the vendor's own interface: broken off after the work was done, 500, slow
    drop_share: float = 0.0
    error_share: float = 0.0
    slow_s: float = 0.0

    payments: dict[str, Payment] = field(default_factory=dict)
    by_key: dict[str, tuple[object, str]] = field(default_factory=dict)
    refund_keys: dict[str, Decimal] = field(default_factory=dict)
    log: list[tuple[float, str, str, str]] = field(default_factory=list)
    told: dict[str, int] = field(
        default_factory=lambda: {"accepted": 0, "refused": 0, "stale": 0, "unheard": 0}
    )
    #: forged notices that were believed: there must be none
    believed: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers = itertools.count(1)
        self._events = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._payers = 0

    # What the vendor's interface does.

    def make(
        self, reference: str, amount: Decimal, currency: str, *, key: str | None = None, id_: str | None = None,
        return_url: str = "", notice_url: str = "", **extras: Any,
    ) -> Payment:  # fmt: skip
        """A new payment; the same `key` is the same payment, and another order with it is refused (No "key_reused")."""
        asked = (reference, amount, currency)
        if key is not None and key in self.by_key:
            known, payment_id = self.by_key[key]
            if known != asked:
                raise No("key_reused")
            return self.payments[payment_id]
        made = Payment(id_ or f"{self.kind}_{next(self._numbers)}_{secrets.token_hex(6)}", reference, amount, currency,
                       return_url, notice_url or self.notice_url, extras=extras)  # fmt: skip
        self.payments[made.id] = made
        if key is not None:
            self.by_key[key] = (asked, made.id)
        self._note(made, "made")
        draw = self.random.random()
        for plan, share in self.plans.items():
            if draw < share:
                made.plan = plan
                self._payers += 1
                self._soon(self._act(made))
                break
            draw -= share
        return made

    def find(self, payment_id: str) -> Payment:
        """Refuses: No "unknown"."""
        if payment_id not in self.payments:
            raise No("unknown")
        return self.payments[payment_id]

    def refund(self, payment: Payment, amount: Decimal | None = None, *, key: str | None = None) -> None:
        """So much (else all that is left) goes back to the payer; the same `key` once. Refuses: No "too_much"."""
        if key is not None and key in self.refund_keys:
            return
        amount = payment.settled - payment.refunded if amount is None else amount
        if payment.state != "settled" or payment.refunded + amount > payment.settled:
            raise No("too_much")
        payment.refunded += amount
        if key is not None:
            self.refund_keys[key] = amount
        self._say(payment, f"refunded {amount}")

    # What payers do.

    def pay(self, payment: Payment, amount: Decimal | None = None, *, is_late: bool = False) -> None:
        """So much (else all of it) has settled; a second time changes nothing."""
        if payment.state in {"settled", "failed"}:
            return
        payment.settled = payment.amount if amount is None else amount
        payment.fee = (payment.settled * self.fee_percent / 100).quantize(CENT)
        payment.state, payment.is_late = "settled", is_late
        self._say(payment, f"settled {payment.settled}")

    def move(self, payment: Payment, state: str) -> None:
        """To processing, expired or failed; not away from the end."""
        if payment.state in {"open", "processing"}:
            payment.state = state
            self._say(payment, state)

    async def _act(self, payment: Payment) -> None:
        await asyncio.sleep(self.random.uniform(*self.pay_after_s))
        part = (payment.amount * Decimal("0.4")).quantize(CENT)
        match payment.plan:
            case "exact" | "takes_back":
                self.pay(payment)
            case "less":
                self.pay(payment, payment.amount - part)
            case "more":
                self.pay(payment, payment.amount + part)
            case "late":
                self.move(payment, "expired")
                await asyncio.sleep(self.random.uniform(*self.pay_after_s))
                self.pay(payment, is_late=True)
            case "fails":
                self.move(payment, "failed")
            case "leaves":
                self.move(payment, "expired")
        if payment.plan == "takes_back":
            await asyncio.sleep(self.random.uniform(*self.pay_after_s))
            self.refund(payment)
        self._payers -= 1

    # What it says.

    def _note(self, payment: Payment, what: str) -> None:
        self.log.append((time.time(), payment.id, payment.reference, what))

    def _say(self, payment: Payment, what: str) -> None:
        """Something has happened: the notice is written now, as things are now, and sent when it may be long untrue."""
        self._note(payment, what)
        if not payment.notice_url:
            return
        headers, body = self.front.notice(self, payment, f"evt_{next(self._events)}_{secrets.token_hex(6)}")
        if self.random.random() < self.silent_share:
            self.told["unheard"] += 1
            return
        for _ in range(self.copies):
            self._soon(self._send(payment.notice_url, headers, body, self.random.uniform(*self.delay_s)))
        if self.random.random() < self.replayed_share:
            self._soon(self._send(payment.notice_url, headers, body, self.replay_after_s, is_replay=True))
        if self.random.random() < self.forged_share:
            for forged_headers, forged_body in self.front.forged(self, payment):
                self._soon(self._send(payment.notice_url, forged_headers, forged_body, 0.0, is_forged=True))

    async def _send(
        self, url: str, headers: Mapping[str, str], body: bytes, after_s: float, *, is_forged: bool = False,
        is_replay: bool = False,
    ) -> None:  # fmt: skip
        await asyncio.sleep(after_s)
        for attempt in range(TRIES):
            status = await _post(url, headers, body)
            if is_forged:
                # A server that is down has refused it too.
                self.believed += status == 200
                return
            if status == 200:
                self.told["accepted"] += 1
                return
            if status is not None and status < 500:
                self.told["stale" if is_replay else "refused"] += 1
                return
            await asyncio.sleep(0.4 * 2**attempt)
        self.told["unheard"] += 1

    def _soon(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def quiet(self) -> None:
        """Return when nobody is about to pay or to be told."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def truth(self) -> dict[str, Any]:
        """All of it, for a comparison with our books; amounts as text."""
        return {
            "payments": [
                {"id": p.id, "reference": p.reference, "state": p.state, "plan": p.plan, "amount": str(p.amount),
                 "currency": p.currency, "settled": str(p.settled), "refunded": str(p.refunded), "fee": str(p.fee),
                 "is_late": p.is_late}
                for p in self.payments.values()
            ],
            "told": self.told, "believed": self.believed, "is_paid": not self._payers, "is_quiet": not self._tasks,
        }  # fmt: skip


async def _post(url: str, headers: Mapping[str, str], body: bytes) -> int | None:
    timeout = aiohttp.ClientTimeout(total=15)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=dict(headers)) as answer,
        ):
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


Steer = Callable[[Till, Payment, dict[str, Any]], None]


def _amount(body: dict[str, Any]) -> Decimal | None:
    return Decimal(body["amount"]) if "amount" in body else None


#: what `/_<word>` does to the payment with that id (or of that reference)
STEERS: dict[str, Steer] = {
    "pay": lambda till, payment, body: till.pay(payment, _amount(body), is_late=body.get("late", False)),
    "refund": lambda till, payment, body: till.refund(payment, _amount(body)),
    "move": lambda till, payment, body: till.move(payment, body["state"]),
}
