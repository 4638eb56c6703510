"""Ten thousand steps against a model: buys, messages, cancels, resends, time, and crashes in the middle of each."""

import asyncio
import copy
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ringlet import audit
from ringlet.activations import cancel, receive, rehearse, resend, watch
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.errors import Refusal
from ringlet.idempotency import Once
from ringlet.settings import Settings
from ringlet.suppliers import stock
from tests.crowd import seed_of
from tests.model import SCRIPTS, Model, RefusedError
from tests.modelrig import SERVICES, Cut, Rig

# text, the code in it, the service that it names
TEXTS = (
    ("Your code is 4711", "4711", None),
    ("Instagram code: 81235", "81235", "ig"),
    ("Telegram code 65847", "65847", "tg"),
    ("Welcome! We are glad that you are here.", None, None),
    ("Welcome to Telegram!", None, "tg"),
)
JUMPS = (3, 6, 20, 700, 1300, 31 * 86_400)
UNKNOWN = {"CancelledError", "ServiceUnavailable"}

index = st.integers(0, 63)  # never depends on the state, so that a seed always draws the same
texts = st.sampled_from(TEXTS)
passing = st.sampled_from((0, *JUMPS))  # time goes by before it, so that every step finds something to do
crash = st.one_of(st.none(), st.tuples(st.integers(1, 10), st.booleans()))


@dataclass(frozen=True, slots=True)
class Ended:
    """How an operation ended: what it returned, or the name of what it raised."""

    value: Any
    raised: str | None
    was_cut: bool


class Machine(RuleBasedStateMachine):
    """Every rule does the same to the desk and to the model and compares everything."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.rig = rig
        self.example = rig.example()
        self.model = self.example.model()
        self.sms_id = 0

    # Running an operation, whole or cut at its k-th pause.

    def attempt(
        self, work: Callable[[Desk], Coroutine[Any, Any, Any]], cut: tuple[int, bool] | None
    ) -> Ended:
        return self.rig.run(self._attempt(work, cut))  # type: ignore[no-any-return]

    async def _attempt(
        self, work: Callable[[Desk], Coroutine[Any, Any, Any]], cut: tuple[int, bool] | None
    ) -> Ended:
        at, is_cancel = cut or (0, False)
        value, raised = None, None

        def blow() -> None:
            if is_cancel:
                task.cancel()
            else:
                self.rig.cut_connections()

        cutting = Cut(at, blow)
        task = cutting.start(work(self.rig.front))
        try:
            value = await task
        except (Refusal, asyncio.CancelledError) as error:
            raised = type(error).__name__
        await cutting.ended()
        if cutting.happened:
            await self.rig.mend()
        return Ended(value, raised, cutting.happened)

    def settle(self, ended: Ended, change: Callable[[Model], None]) -> None:
        """The model follows: what was acknowledged happened, what was refused did not, the rest the books tell."""
        if ended.was_cut and ended.raised in UNKNOWN:
            after = copy.deepcopy(self.model)
            try:
                change(after)
            except RefusedError:
                after = self.model
            if after.view() == self.example.view():
                self.model = after
        else:
            refused = None
            try:
                change(self.model)
            except RefusedError as error:
                refused = str(error)
            assert ended.raised == refused, (ended, refused)
        self.compare()

    def compare(self) -> None:
        expected, found = self.model.view(), self.example.view()
        for what, value in expected.items():
            assert found[what] == value, f"{what}: the database has {found[what]}, the model {value}"

    # Customers.

    @rule(who=st.sampled_from("ab"), service=st.sampled_from(SERVICES), key=index, cut=crash)
    def buy(self, who: str, service: str, key: int, cut: tuple[int, bool] | None) -> None:
        self._buy(who, service, f"key-{key % 4}" if key % 3 == 0 else None, cut)

    @rule(service=st.sampled_from([*SCRIPTS, "test_no_numbers"]), key=index, cut=crash)
    def rehearse(self, service: str, key: int, cut: tuple[int, bool] | None) -> None:
        self._buy("t", service, f"key-{key % 4}" if key % 3 == 0 else None, cut)

    def _buy(self, who: str, service: str, key: str | None, cut: tuple[int, bool] | None) -> None:
        wallet = self.example.wallets[who]
        order = Order(service, 6, operators=(self.example.operator,))
        once = Once(wallet.id, key, service.encode()) if key else None
        ended = self.attempt(lambda desk: buy(desk, wallet, order, once), cut)
        if ended.value is None:
            self._settle_no_sale(ended, who, service, key)
        else:
            bought = ended.value.activation
            known = self.model.check_buy(who, service, key)
            assert ended.value.replayed == (known is not None)
            if known is None:
                self.model.buy(who, service, key, bought.public_id, bought.phone)
            assert known in {None, bought.public_id}
        self.compare()
        if ended.was_cut and key is not None:
            self._buy(who, service, key, None)  # the customer tries again with the same key

    def _settle_no_sale(self, ended: Ended, who: str, service: str, key: str | None) -> None:
        """Refused for a good reason; or cut, and then one sale may be there that nobody was told of."""
        refused = None
        try:
            known = self.model.check_buy(who, service, key)
        except RefusedError as error:
            known, refused = None, str(error)
        if not (ended.was_cut and ended.raised in UNKNOWN):
            assert ended.raised == refused, (ended, refused)
            return
        leases = self.example.view()["leases"]
        unheard = leases.keys() - self.model.leases.keys()
        assert len(unheard) <= (1 if refused is None and known is None else 0), unheard
        for public_id in unheard:
            self.model.buy(who, service, key, public_id, leases[public_id][2])

    def _pick(self, number: int) -> int | None:
        return list(self.model.leases)[number % len(self.model.leases)] if self.model.leases else None

    @rule(number=index, stranger=st.sampled_from("abt---"), cut=crash)
    def cancel(self, number: int, stranger: str, cut: tuple[int, bool] | None) -> None:
        public_id = self._pick(number)
        if public_id is None:
            return
        who = self.model.leases[public_id].wallet if stranger == "-" else stranger
        wallet = self.example.wallets[who]
        ended = self.attempt(lambda desk: cancel.cancel(desk, wallet.id, public_id), cut)
        self.settle(ended, lambda model: model.cancel(who, public_id))

    @rule(number=index, seconds=passing, cut=crash)
    def resend(self, number: int, seconds: int, cut: tuple[int, bool] | None) -> None:
        public_id = self._pick(number)
        if public_id is None:
            return
        self.let_time_pass(seconds)
        self.example.align(self.model)
        wallet = self.example.wallets[self.model.leases[public_id].wallet]
        ended = self.attempt(lambda desk: resend.resend(desk, wallet, public_id), cut)
        if ended.value is None:
            unheard = self.example.view()["leases"].keys() - self.model.leases.keys()
            fresh_id = next(iter(unheard), 0)
        else:
            fresh_id = ended.value.activation.public_id
        self.settle(ended, lambda model: model.resend(public_id, fresh_id))

    # Owners.

    @rule(number=index, text=texts, again=st.booleans(), cut=crash)
    def message(
        self, number: int, text: tuple[str, str | None, str | None], again: bool, cut: tuple[int, bool] | None
    ) -> None:
        phone = self.example.phones[number % len(self.example.phones)]
        written, code, names = text
        self.sms_id += 0 if again and self.sms_id else 1
        sms_id = self.sms_id
        unique_id = int(self.example.phones[0]) * 1000 + sms_id
        incoming = receive.IncomingMessage(unique_id, phone, "Example", written)
        ended = self.attempt(lambda desk: receive.receive(desk, self.example.source_id, incoming), cut)
        self.settle(ended, lambda model: model.message(sms_id, phone, written, code, names))

    # Time and workers.

    def let_time_pass(self, seconds: int) -> None:
        self.model.now += seconds
        self.example.let_rests_pass(seconds)

    @rule(seconds=passing, cut=crash)
    def close_due(self, seconds: int, cut: tuple[int, bool] | None) -> None:
        """A worker closes what is due; cut in the middle, some of it."""
        self.let_time_pass(seconds)
        self.example.align(self.model)
        ended = self.attempt(watch.close_due, cut)
        found = self.example.view()["leases"]
        for lease in self.model.due():
            if not (ended.was_cut and found[lease.public_id][3] == lease.state):
                self.model.time_out(lease)
        self.compare()

    @rule(seconds=passing, cut=crash)
    def push_due(self, seconds: int, cut: tuple[int, bool] | None) -> None:
        """A worker pushes the simulated messages that are due; cut in the middle, some of them."""
        self.let_time_pass(seconds)
        self.example.align(self.model)
        ended = self.attempt(rehearse.push_due, cut)
        left = self.example.view()["planned"]
        for lease in self.model.leases.values():
            due = self.model.pushable(lease)
            done = len(lease.planned) - left[lease.public_id] if ended.was_cut else due
            assert 0 <= done <= due, (lease, done, due)
            for _ in range(done):
                self.model.push_first(lease)
        self.compare()

    @rule(cut=crash)
    def wake_rested(self, cut: tuple[int, bool] | None) -> None:
        async def wake(desk: Desk) -> int:
            async with desk.db.transaction() as tx:
                return await stock.wake_rested(tx)

        ended = self.attempt(wake, cut)
        self.settle(Ended(None, ended.raised, ended.was_cut), lambda model: model.wake_rested())

    @rule(seconds=passing)
    def recover(self, seconds: int) -> None:
        """The whole process is gone; one that knows nothing of it does everything that is due."""
        self.let_time_pass(seconds)
        self.rig.cut_connections()
        self.example.align(self.model)
        for lease in self.model.due():
            self.model.time_out(lease)
        self.rig.run(watch.close_due(self.rig.back))
        for lease in self.model.leases.values():
            for _ in range(self.model.pushable(lease)):
                self.model.push_first(lease)
        self.rig.run(rehearse.push_due(self.rig.back))
        self.compare()
        self.rig.run(self.rig.mend())

    def teardown(self) -> None:
        """In the end everything comes to an end, nothing is held any more, and the books balance."""
        for _ in range(3):
            self.recover(1300)
        assert all(held == 0 for _, held, _ in self.model.money.values())
        assert self.model.due() == []
        assert "leased" not in self.model.shelf.values()
        assert audit.run(self.rig.url) == []


@pytest.fixture
def rig(tmp_path: Path, database_url: str) -> Iterator[Rig]:
    found = Settings(home=tmp_path, database_url=database_url, secret=b"s" * 32, rate_limit=0)
    made = Rig(found, database_url)
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it tells of every connection that we cut
    yield made
    logging.getLogger("psycopg").setLevel(logging.NOTSET)
    made.close()


def examine(rig: Rig, examples: int) -> None:
    run = settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @seed(seed_of("model"))
    def machine() -> Machine:
        return Machine(rig)

    run_state_machine_as_test(machine, settings=run)  # type: ignore[no-untyped-call]


def test_the_desk_does_what_the_model_does(rig: Rig) -> None:
    """200 examples of 50 steps, many of them cut in the middle: never a third outcome."""
    examine(rig, 200)


@pytest.mark.soak
def test_the_desk_does_what_the_model_does_for_long(rig: Rig) -> None:
    """2,000 examples of 50 steps."""
    examine(rig, 2_000)
