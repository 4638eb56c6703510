"""A steady load of purchases with everything written down as the customers saw it, and the check against the books.

An operation that was acknowledged must be in the books, one that was refused must not be, and one of which nobody
knows is either there or not there: never half, never twice.
"""

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg

from tests.crowd import UNSENT, Answer, Crowd

IN_FLIGHT_MAX = 150
REPEAT_PAUSE_S = 0.25
PLANS = ("keep", "code", "code", "cancel", "both", "resend")
PATIENT = 0.75  # so many customers repeat what they do not know the outcome of; the others walk away
EARNED = {"received", "finished"}
OPEN = {"ordering", "waiting"}


@dataclass(slots=True)
class Purchase:
    """One customer's walk as he saw it; every outcome is "ok", "refused", "unknown" or "" (never tried)."""

    key: str
    plan: str
    is_patient: bool
    bought: str = ""
    activation_id: str = ""
    phone: str = ""
    sms_id: int = 0
    pushed: str = ""
    cancelled: str = ""
    resent: str = ""
    resent_id: str = ""


def code_of(purchase: Purchase) -> str:
    """The code that its number's owner pushes."""
    return str(100_000 + purchase.sms_id)


def outcome(answer: Answer, before: str = "") -> str:
    """What is known after this answer, given what was known `before` (of an earlier try with the same key)."""
    if answer.is_ok:
        return "ok"
    if answer.is_unknown or (answer.status == UNSENT and before == "unknown"):
        return "unknown"
    return "refused"


@dataclass(slots=True)
class Load:
    """Customers who come at `per_s`, until `stop` is set."""

    crowd: Crowd
    rng: random.Random
    per_s: float
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    purchases: list[Purchase] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    #: answers that no customer may ever see
    strange: list[Answer] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Customers come while the block runs; all of them have left when it ends."""
        coming = asyncio.create_task(self._come())
        try:
            yield
        finally:
            self.stop.set()
            await coming

    async def _come(self) -> None:
        walks: set[asyncio.Task[None]] = set()
        while not self.stop.is_set():
            if len(walks) < IN_FLIGHT_MAX:
                walk = asyncio.create_task(self._walk(self._next()))
                walks.add(walk)
                walk.add_done_callback(walks.discard)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), self.rng.expovariate(self.per_s))
        await asyncio.gather(*walks)

    def _next(self) -> Purchase:
        number = len(self.purchases) + 1
        made = Purchase(
            key=f"purchase-{number}",
            plan=self.rng.choice(PLANS),
            is_patient=self.rng.random() < PATIENT,
            sms_id=number,
        )
        self.purchases.append(made)
        return made

    async def _walk(self, purchase: Purchase) -> None:
        await self._buy(purchase)
        if purchase.bought != "ok":
            return
        match purchase.plan:
            case "code":
                await self._push(purchase)
            case "cancel":
                await self._cancel(purchase)
            case "both":
                await asyncio.gather(self._push(purchase), self._cancel(purchase))
            case "resend":
                await self._resend(purchase)
        self._note(await self.crowd.status(purchase.activation_id))

    async def _buy(self, purchase: Purchase) -> None:
        while True:
            answer = self._note(await self.crowd.buy(purchase.key))
            purchase.bought = outcome(answer, purchase.bought)
            if answer.is_ok:
                activation = answer.body["activation"]
                purchase.activation_id, purchase.phone = activation["activation_id"], activation["phone"]
            if purchase.bought != "unknown" or not await self._repeats(purchase):
                return

    async def _push(self, purchase: Purchase) -> None:
        text = f"Your code is {code_of(purchase)}"
        while True:
            answer = self._note(await self.crowd.push(purchase.phone, text, purchase.sms_id))
            purchase.pushed = outcome(answer, purchase.pushed)
            if purchase.pushed != "unknown" or not await self._repeats(purchase):
                return

    async def _cancel(self, purchase: Purchase) -> None:
        answer = self._note(await self.crowd.cancel(purchase.activation_id))
        purchase.cancelled = outcome(answer)

    async def _resend(self, purchase: Purchase) -> None:
        answer = self._note(await self.crowd.resend(purchase.activation_id))
        purchase.resent = outcome(answer)
        if answer.is_ok:
            purchase.resent_id = answer.body["activation"]["activation_id"]

    async def _repeats(self, purchase: Purchase) -> bool:
        """Whether this customer tries again; the site may be away for a while."""
        if not purchase.is_patient or self.stop.is_set():
            return False
        await asyncio.sleep(REPEAT_PAUSE_S)
        return True

    async def settle(self) -> None:
        """With the site up again: every patient customer who still does not know asks once more."""
        for purchase in self.purchases:
            if not purchase.is_patient:
                continue
            if purchase.bought == "unknown":
                await self._buy(purchase)
                assert purchase.bought == "ok", purchase
            if purchase.pushed == "unknown":
                await self._push(purchase)
                assert purchase.pushed == "ok", purchase

    def _note(self, answer: Answer) -> Answer:
        self.statuses[answer.status] += 1
        allowed = {0, UNSENT, 200, 409, 503}
        if answer.status not in allowed or "Traceback" in str(answer.body):
            self.strange.append(answer)
        if answer.status == 503 and (
            "Retry-After" not in answer.headers or "psycopg" in str(answer.body).lower()
        ):
            self.strange.append(answer)
        return answer

    def summary(self) -> str:
        bought = Counter(purchase.bought for purchase in self.purchases)
        return f"{len(self.purchases)} purchases {dict(bought)}, answers {dict(self.statuses)}"


@dataclass(frozen=True, slots=True)
class Row:
    """An activation in the books."""

    activation_id: str
    phone: str
    state: str
    amount_micros: int
    code: str | None
    resent_from: str | None


def check(conninfo: str, load: Load, first_balance_micros: int) -> None:
    """The books say what the customers were told. Fails with the first anomaly."""
    assert load.strange == []
    with psycopg.connect(conninfo) as connection:
        rows = [Row(*row) for row in connection.execute(_ACTIVATIONS)]
        by_key = dict(connection.execute(_KEYS).fetchall())
        sms_ids = [row[0] for row in connection.execute("select source_sms_id from message")]
        charged_late = connection.execute(_CHARGED_LATE).fetchall()
        available, held, revenue = connection.execute(_BALANCES).fetchone()  # type: ignore[misc]
    by_id = {row.activation_id: row for row in rows}
    _check_sales(load, rows, by_id, by_key)
    pushed: defaultdict[str, set[str]] = defaultdict(set)
    for purchase in load.purchases:
        if purchase.pushed:
            pushed[purchase.phone].add(code_of(purchase))
    for purchase in load.purchases:
        if purchase.bought == "ok":
            _check_ending(purchase, by_id, pushed[purchase.phone])
    assert len(sms_ids) == len(set(sms_ids))
    assert set(sms_ids) >= {each.sms_id for each in load.purchases if each.pushed == "ok"}
    assert charged_late == []
    assert held == sum(row.amount_micros for row in rows if row.state in OPEN)
    assert revenue == sum(row.amount_micros for row in rows if row.state in EARNED)
    assert available == first_balance_micros - held - revenue


def _check_sales(load: Load, rows: list[Row], by_id: dict[str, Row], by_key: dict[str, str]) -> None:
    """Every acknowledged sale is there once, none that was refused, and no sale without a request."""
    sent = {purchase.key: purchase for purchase in load.purchases}
    assert by_key.keys() <= sent.keys()
    for key, purchase in sent.items():
        match purchase.bought:
            case "ok":
                assert by_key.get(key) == purchase.activation_id, purchase
                assert by_id[purchase.activation_id].phone == purchase.phone, purchase
            case "refused":
                assert key not in by_key, purchase
    sales = [row for row in rows if row.resent_from is None]
    assert len(sales) == len(by_key) == len(set(by_key.values()))
    resent = Counter(row.resent_from for row in rows if row.resent_from is not None)
    assert set(resent.values()) <= {1}
    assert resent.keys() <= {each.activation_id for each in load.purchases if each.plan == "resend"}


def _check_ending(purchase: Purchase, by_id: dict[str, Row], codes: set[str]) -> None:
    """What was acknowledged about this activation is true; what was refused did not happen.

    A number that was given back is sold again, and a message that its owner repeats reaches whoever has it then:
    `codes` are all that were pushed to this number.
    """
    row = by_id[purchase.activation_id]
    if purchase.cancelled == "ok":
        assert row.state == "cancelled", (purchase, row)
    elif purchase.cancelled == "refused":
        assert row.state in EARNED | {"expired"}, (purchase, row)
    if purchase.plan == "code" and purchase.pushed == "ok":
        assert row.state in EARNED | {"expired"}, (purchase, row)
    if row.state in EARNED:
        assert row.code in codes, (purchase, row)
    if purchase.plan == "keep":
        assert row.state in {"waiting", "expired"} or row.code in codes, (purchase, row)
    if purchase.resent == "ok":
        assert by_id[purchase.resent_id].resent_from == purchase.activation_id, (purchase, row)
        assert row.state == "cancelled" or row.code in codes, (purchase, row)


_ACTIVATIONS = """
select a.public_id::text, a.phone, a.state, a.amount_micros, a.code, a.resent_from::text
from activation a join wallet w on w.id = a.wallet_id where w.mode = 'live'
"""
_KEYS = "select i.key, a.public_id::text from idempotency i join activation a on a.id = i.activation_id"
_CHARGED_LATE = """
select a.public_id from message m join activation a on a.id = m.activation_id
where m.code is not null and not m.late and a.state in ('cancelled', 'expired', 'failed')
"""
_BALANCES = """
select sum(balance_micros) filter (where kind = 'available')::bigint,
    sum(balance_micros) filter (where kind = 'held')::bigint,
    sum(balance_micros) filter (where kind = 'revenue')::bigint
from ledger_account a join wallet w on w.id = a.wallet_id where w.mode = 'live'
"""
