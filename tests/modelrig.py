"""The real desk beside the model: operations run against PostgreSQL, are cut in the middle, and are looked at."""

import asyncio
import contextvars
import dataclasses
import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import conninfo

from ringlet import accounts, ledger, pricing, stocktaking
from ringlet.app import open_desk
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ServiceUnavailable
from ringlet.settings import Settings
from ringlet.stocktaking import NumberRow
from tests.model import ANY, Model
from tests.site import PRICE, PRICE_MICROS

SERVICES = ("ig", "tg")
NUMBERS = 3
AFFORDS = 6
TEST_MICROS = accounts.TEST_BALANCE_MICROS
FRONT = "ringlet_model_front"


class Cut:
    """Does `blow` at the `at`-th pause of a work and of the tasks that it starts, just before that waits for the outside."""

    def __init__(self, at: int, blow: Callable[[], object]) -> None:
        self.at, self.blow = at, blow
        self.pauses = 0
        self.happened = False
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """The work as a task. A sale is served by a task of its own, which may be cut like the buyer who waits for it."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_cut_tasks)
        context = contextvars.copy_context()
        context.run(_CUTTING.set, self)
        return loop.create_task(work, context=context)

    async def ended(self) -> None:
        """Return when nothing of it runs any more."""
        _, running = await asyncio.wait(self.tasks, timeout=10)
        assert not running, running

    async def steps(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await _Steps(self, work)

    def pause(self) -> None:
        self.pauses += 1
        if self.pauses == self.at:
            self.happened = True
            self.blow()


_CUTTING: contextvars.ContextVar[Cut | None] = contextvars.ContextVar("cutting", default=None)


def _cut_tasks(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    context = options.get("context")
    cut = _CUTTING.get() if context is None else context.get(_CUTTING)
    if cut is None:
        return asyncio.Task(work, loop=loop, **options)
    task = asyncio.Task(cut.steps(work), loop=loop, **options)
    cut.tasks.append(task)
    return task


@dataclasses.dataclass
class _Steps:
    cut: Cut
    work: Coroutine[Any, Any, Any]

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.work.__await__()
        error: BaseException | None = None
        while True:
            try:
                waits_for = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            self.cut.pause()
            try:
                yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - handed on to the work at the next turn
                error = thrown
            else:
                error = None


class Rig:
    """One database and two desks for the whole run: `front` is the one that things happen to, `back` recovers."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.url = url
        self.runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._examples = itertools.count(1)
        self.outside = psycopg.connect(url, autocommit=True)
        # No server dies here, so commits need not reach the disk: it is three times as fast.
        self.outside.execute(f"alter database {self.outside.info.dbname} set synchronous_commit = off")
        # One connection: when it has answered after a cut, no other can still be a dead one.
        single = dataclasses.replace(settings, db_pool=1)
        self.front = self.run(self._open(single, conninfo.make_conninfo(url, application_name=FRONT)))
        self.back = self.run(self._open(settings, url))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _open(self, settings: Settings, url: str) -> Desk:
        return await self._stack.enter_async_context(open_desk(settings, url))

    def close(self) -> None:
        self.run(self._stack.aclose())
        self.outside.close()
        self.runner.close()

    def cut_connections(self) -> None:
        """What a crash of the process looks like from the database."""
        cut = [row[0] for row in self.outside.execute(_CUT, [FRONT])]
        until = time.monotonic() + 10
        while self.outside.execute(_ALIVE, [cut]).fetchone() is not None:
            assert time.monotonic() < until, "connections that cannot be cut"

    async def mend(self) -> None:
        """Return when the front's connections are new ones that work."""
        until = time.monotonic() + 10
        while True:
            try:
                for pool in (self.front.db, self.front.sales, self.front.tills):
                    async with pool.connection() as tx:
                        await tx.execute("select 1")
                await self.front.flush.flushed(await self.front.flush.epoch())
            except ServiceUnavailable:
                assert time.monotonic() < until, "no new connection"
            else:
                return

    def example(self) -> "Example":
        return self.run(self._example(next(self._examples)))

    async def _example(self, number: int) -> "Example":
        """Fresh customers and numbers; the operator's name keeps the shelves of examples apart."""
        desk, operator = self.back, f"op{number}"
        async with desk.db.transaction() as tx:
            await pricing.set_rule(tx, customer_id=None, country=6, service=None, kind="price", value=PRICE)
        phones = [f"62{number:07}{index}" for index in range(NUMBERS)]
        rows = [NumberRow(phone, 6, operator, SERVICES) for phone in phones]
        async for _ in stocktaking.load(desk, "owner", rows, Decimal("0.0334")):
            pass
        wallets: dict[str, ledger.Wallet] = {}
        for name in ("a", "b"):
            made = await accounts.open_account(
                desk, f"{name}{number}@example.org", AFFORDS * PRICE_MICROS, actor="test"
            )
            async with desk.db.connection() as tx:
                wallets[name] = await _wallet(tx, made.id, "live")
                if name == "a":
                    wallets["t"] = await _wallet(tx, made.id, "test")
        await self.front.refresh_prices()
        async with desk.db.connection() as tx:
            source = await (await tx.execute("select id from source where name = 'owner'")).fetchone()
        assert source is not None
        return Example(self, operator, phones, wallets, source[0])


async def _wallet(tx: Tx, customer_id: int, mode: str) -> ledger.Wallet:
    return await ledger.wallet(tx, await accounts.wallet_id(tx, customer_id, mode))


class Example:
    """One example's customers and numbers, as they stand in the database."""

    def __init__(
        self,
        rig: Rig,
        operator: str,
        phones: Sequence[str],
        wallets: dict[str, ledger.Wallet],
        source_id: int,
    ) -> None:
        self.rig, self.operator, self.phones = rig, operator, phones
        self.wallets, self.source_id = wallets, source_id
        self._names = {wallet.id: name for name, wallet in wallets.items()}

    def model(self) -> Model:
        """The model of the beginning."""
        return Model(
            price=PRICE_MICROS,
            money={
                "a": [AFFORDS * PRICE_MICROS, 0, 0],
                "b": [AFFORDS * PRICE_MICROS, 0, 0],
                "t": [TEST_MICROS, 0, 0],
            },
            shelf={(phone, service): "free" for phone in self.phones for service in SERVICES},
        )

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.rig.outside.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def view(self) -> dict[str, Any]:
        """What the database says, in the words of `Model.view`."""
        ids = list(self._names)
        leases, messages = {}, defaultdict(list)
        for row in self._ask(_LEASES, ids):
            public_id, wallet_id, service, phone, state, amount, code, resent_from, used, due_is_right = row
            assert due_is_right, f"activation {public_id} ({state}) is due at the wrong time"
            name = self._names[wallet_id]
            if name == "t":
                phone, code = phone and ANY, code and ANY
            leases[public_id] = (name, service, phone, state, amount, code, resent_from, used)
        orphans = []
        for public_id, text, code, late in self._ask(_MESSAGES, list(leases), list(self.phones)):
            if public_id is None:
                orphans.append(text)
            elif leases[public_id][0] == "t":
                messages[public_id].append((ANY, code and ANY, late))
            else:
                messages[public_id].append((text, code, late))
        return {
            "money": {self._names[wallet_id]: tuple(each) for wallet_id, *each in self._ask(_MONEY, ids)},
            "shelf": {(phone, service): state for phone, service, state in self._ask(_SHELF, self.operator)},
            "leases": leases,
            "messages": dict(messages),
            "planned": Counter(dict(self._ask(_PLANNED, self.wallets["t"].id))),
            "orphans": orphans,
            "keys": {(self._names[each[0]], each[1]): each[2] for each in self._ask(_KEYS, ids)},
        }

    def align(self, model: Model) -> None:
        """Give the database the model's time. Only the sign matters, so that a slow machine changes nothing."""
        leases = list(model.leases.values())
        self.rig.outside.execute(
            _ALIGN_LEASES,
            [
                [each.public_id for each in leases],
                [_far(each.expires - model.now) for each in leases],
                [_far(each.due - model.now) for each in leases],
            ],
        )
        planned = [
            (each.public_id, rank, _far(due - model.now))
            for each in leases
            for rank, (due, _) in enumerate(each.planned, 1)
        ]
        if planned:
            self.rig.outside.execute(
                _ALIGN_PLANNED,
                [self.wallets["t"].id, *(list(column) for column in zip(*planned, strict=True))],
            )

    def let_rests_pass(self, seconds: float) -> None:
        self._do(_PASS_RESTS, seconds, self.operator)

    def _do(self, statement: str, *values: object) -> None:
        self.rig.outside.execute(statement, values)  # type: ignore[arg-type]


def _far(seconds: float) -> float:
    """The same order, with room between now and then."""
    return seconds * 30 if abs(seconds) < 60 else seconds


_CUT = "select pid, pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"
_ALIVE = "select from pg_stat_activity where pid = any(%s) limit 1"
_LEASES = """
select a.public_id, a.wallet_id, a.service, a.phone, a.state, a.amount_micros, a.code, a.resent_from,
    a.number_used, case when a.state in ('waiting', 'received') then a.due_at = a.expires_at
        when a.state = 'ordering' then a.due_at < a.expires_at else a.due_at is null end
from activation a where a.wallet_id = any(%s) order by a.id
"""
_MESSAGES = """
select a.public_id, m.text, m.code, m.late from message m left join activation a on a.id = m.activation_id
where a.public_id = any(%s) or (m.activation_id is null and m.phone = any(%s)) order by m.id
"""
_MONEY = """
select wallet_id, sum(balance_micros) filter (where kind = 'available')::bigint,
    sum(balance_micros) filter (where kind = 'held')::bigint,
    sum(balance_micros) filter (where kind = 'revenue')::bigint
from ledger_account where wallet_id = any(%s) group by wallet_id
"""
_SHELF = """
select s.phone, o.service, s.state from stock s join offer o on o.id = s.offer_id where o.operator = %s
"""
_PLANNED = """
select a.public_id, count(*) from simulated_message s join activation a on a.id = s.activation_id
where a.wallet_id = %s group by a.public_id
"""
_KEYS = """
select i.wallet_id, i.key, a.public_id from idempotency i join activation a on a.id = i.activation_id
where i.wallet_id = any(%s)
"""
_ALIGN_LEASES = """
update activation a set expires_at = now() + make_interval(secs => v.expires),
    due_at = now() + make_interval(secs => v.due)
from unnest(%s::bigint[], %s::float8[], %s::float8[]) as v (id, expires, due)
where a.public_id = v.id and a.due_at is not null
"""
_ALIGN_PLANNED = """
with ranked as (
    select s.id, a.public_id, row_number() over (partition by a.id order by s.id) as rank
    from simulated_message s join activation a on a.id = s.activation_id where a.wallet_id = %s
)
update simulated_message s set due_at = now() + make_interval(secs => v.due)
from ranked, unnest(%s::bigint[], %s::int[], %s::float8[]) as v (id, rank, due)
where ranked.id = s.id and (ranked.public_id, ranked.rank) = (v.id, v.rank)
"""
_PASS_RESTS = """
update stock s set due_at = s.due_at - make_interval(secs => %s)
from offer o where o.id = s.offer_id and o.operator = %s and s.due_at is not null
"""
