"""Customers who buy from suppliers through a site that dies now and then, and what each of them was told."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from tests.crowd import UNSENT, Answer, Crowd

PLANS = ("keep", "code", "code", "cancel", "cancel_later", "cancel_later")
PATIENT = 0.8  # so many repeat what they do not know the outcome of; the others walk away
REPEAT_PAUSE_S = 0.7
CODE_WITHIN_S = 3
CODE_TRIES = 5
ALLOWED = {0, UNSENT, 200, 409, 503}
UNSURE = {"idempotency_in_progress"}


@dataclass(slots=True)
class Purchase:
    """One customer's walk as he saw it. `bought`: ok, failed (it became nothing), refused, unknown, unsent."""

    key: str
    plan: str
    is_patient: bool
    bought: str = ""
    activation_id: str = ""
    phone: str | None = None
    cancelled: str = ""
    code: str = ""


@dataclass(slots=True)
class Shoppers:
    """At most `at_once` first requests are out; nobody new comes while `is_up` is not set."""

    crowd: Crowd
    rng: random.Random
    at_once: int = 30
    service: str = "fb"
    plans: tuple[str, ...] = PLANS
    purchases: dict[str, Purchase] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    strange: list[Answer] = field(default_factory=list)
    is_up: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def come(self, count: int, per_s: float) -> None:
        """So many customers come and go, until all are done or `stop` is set."""
        turns = asyncio.Semaphore(self.at_once)
        walks: set[asyncio.Task[None]] = set()
        for _ in range(count):
            await self.is_up.wait()
            await turns.acquire()
            if self.stop.is_set():
                break
            walk = asyncio.create_task(self._walk(self._next(), turns))
            walks.add(walk)
            await asyncio.sleep(self.rng.expovariate(per_s))
        await asyncio.gather(*walks)

    def _next(self) -> Purchase:
        key = f"purchase-{len(self.purchases) + 1}"
        made = Purchase(key, self.rng.choice(self.plans), self.rng.random() < PATIENT)
        self.purchases[key] = made
        return made

    async def _walk(self, purchase: Purchase, turns: asyncio.Semaphore) -> None:
        try:
            await self._buy(purchase)
        finally:
            turns.release()
        await self._find_out(purchase)
        if purchase.bought != "ok":
            return
        match purchase.plan:
            case "code":
                await self._await_code(purchase)
            case "cancel":
                await self._cancel(purchase)
            case "cancel_later":
                await asyncio.sleep(self.rng.uniform(0.3, 2.0))
                await self._cancel(purchase)

    async def _find_out(self, purchase: Purchase) -> None:
        """A patient customer repeats his request until he knows; he gives up when the load ends."""
        while purchase.bought in {"unknown", "unsent"} and purchase.is_patient and not self.stop.is_set():
            await asyncio.sleep(REPEAT_PAUSE_S)
            await self._buy(purchase)

    async def _buy(self, purchase: Purchase) -> None:
        answer = self._note(await self.crowd.buy(purchase.key, self.service))
        if answer.is_ok:
            activation = answer.body["activation"]
            purchase.activation_id, purchase.phone = activation["activation_id"], activation["phone"]
            purchase.bought = "failed" if activation["state"] == "failed" else "ok"
        elif answer.is_unknown or answer.code in UNSURE:
            purchase.bought = "unknown"
        elif answer.status == UNSENT:
            purchase.bought = purchase.bought or "unsent"
        else:
            purchase.bought = "refused"

    async def _await_code(self, purchase: Purchase) -> None:
        path = f"/api/v1/resell/virtual/{purchase.activation_id}/status?wait={CODE_WITHIN_S}"
        for _ in range(CODE_TRIES):
            answer = self._note(await self.crowd.call("GET", path))
            if answer.is_ok and answer.body["code"]:
                purchase.code = answer.body["code"]
            if purchase.code or self.stop.is_set():
                return
            if not answer.is_ok:
                await asyncio.sleep(REPEAT_PAUSE_S)

    async def _cancel(self, purchase: Purchase) -> None:
        answer = self._note(await self.crowd.cancel(purchase.activation_id))
        if answer.is_ok:
            purchase.cancelled = "ok"
        elif answer.is_unknown or answer.status == UNSENT:
            purchase.cancelled = "unknown"
        else:
            purchase.cancelled = "refused"

    async def settle(self) -> None:
        """With the site up and quiet: every patient customer who still does not know asks until he does."""
        for purchase in self.purchases.values():
            if purchase.is_patient:
                for _ in range(100):
                    if purchase.bought not in {"unknown", "unsent"}:
                        break
                    await self._buy(purchase)
                    if purchase.bought == "unknown":
                        await asyncio.sleep(REPEAT_PAUSE_S)

    def _note(self, answer: Answer) -> Answer:
        self.statuses[answer.status] += 1
        if answer.status not in ALLOWED or "Traceback" in str(answer.body):
            self.strange.append(answer)
        return answer

    def summary(self) -> str:
        bought = Counter(each.bought for each in self.purchases.values())
        cancelled = Counter(each.cancelled for each in self.purchases.values() if each.cancelled)
        return (
            f"{len(self.purchases)} purchases {dict(bought)}, cancels {dict(cancelled)}, "
            f"codes {sum(bool(each.code) for each in self.purchases.values())}, answers {dict(self.statuses)}"
        )
