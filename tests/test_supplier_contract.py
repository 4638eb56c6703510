"""One contract for every protocol: its adapter against a real server that speaks it.

A new dialect is one row of `DIALECTS` and one front in `fakes/fronts/`. What a protocol cannot do is read from its
traits; where its words differ, its row says so.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from ringlet.suppliers import wire
from ringlet.suppliers.agent import Agent
from ringlet.suppliers.fivesim import FiveSim
from ringlet.suppliers.handler_api import HandlerApi
from ringlet.suppliers.handler_api_http import HandlerApiHttp
from ringlet.suppliers.port import (
    Account,
    Held,
    NotSent,
    OutcomeUnknown,
    Port,
    Reason,
    Refused,
    Rented,
    Standing,
    Wanted,
)
from ringlet.suppliers.ringlet import Ringlet
from ringlet.suppliers.wire import Line
from tests.fakes import supplier
from tests.fakes.warehouse import ANSWER_FAULTS, Warehouse

#: The fronts name a fault by a plain word.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")


@dataclass(frozen=True)
class Dialect:
    """One row: how the protocol is spoken, and in which words."""

    name: str
    adapter: Callable[[Line, Account], Port]
    path: str = ""  # what follows the host in the supplier's URL
    country: str = "6"
    service: str = "ig"
    operator: str = "any"
    #: an unknown service, in its words
    unknown_service: str = "zz"
    #: refusals that this protocol has other words for: warehouse's reason → ours
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    tells_cost: bool = True
    can_ask_again: bool = True
    has_balance: bool = True
    has_cells: bool = True
    #: it says by itself when a cancel comes too early
    says_too_early: bool = True
    #: it wants to be told when no more messages are needed, and when one more is
    wants_finish: bool = True
    wants_again: bool = True
    #: it says that a rental has a code, is over, or is unknown; otherwise it confirms whatever we say
    says_no: bool = True

    @property
    def traits(self):
        return self.adapter.traits


DIALECTS = (
    Dialect("handler-api", HandlerApi, "/stubs/handler_api.php"),
    Dialect("handler-api-http", HandlerApiHttp, "/stubs/handler_api.php"),
    Dialect(
        "fivesim", FiveSim, "/v1", country="indonesia", service="instagram", reasons={"price": Reason.NO_NUMBERS},
        wants_again=False,
    ),
    Dialect("ringlet", Ringlet, wants_finish=False, wants_again=False),
    Dialect(
        "agent", Agent, "/agent", reasons={"no_balance": Reason.NOT_SOLD}, has_balance=False, has_cells=False,
        says_too_early=False, says_no=False,
    ),
)  # fmt: skip


def of(fits: Callable[[Dialect], bool]) -> pytest.MarkDecorator:
    """Only for the protocols that have it."""
    chosen = [each for each in DIALECTS if fits(each)]
    return pytest.mark.parametrize("dialect", chosen, indirect=True, ids=lambda each: each.name)


@dataclass
class Rig:
    """A supplier that runs, and our adapter to it."""

    dialect: Dialect
    warehouse: Warehouse
    session: aiohttp.ClientSession
    url: str
    orders: int = 0

    def port(self, *, key: str = supplier.KEY, deadline_s: float = 5, url: str | None = None) -> Port:
        line = Line(self.session, url or self.url, deadline_s=deadline_s, per_s=10_000)
        return self.dialect.adapter(line, Account(key, Decimal("0.05")))

    def wanted(self, *, service: str | None = None, cost_max: str = "1") -> Wanted:
        self.orders += 1
        return Wanted(
            self.dialect.country,
            service or self.dialect.service,
            Decimal(cost_max),
            f"order-{self.orders}",
        )

    @property
    def requests(self) -> int:
        return sum(self.warehouse.requests.values())


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
async def rig(dialect: Dialect) -> AsyncIterator[Rig]:
    warehouse = Warehouse(seed=7)
    warehouse.stock(dialect.country, dialect.service, "0.05", 50, dialect.operator)
    runner = web.AppRunner(
        supplier.make(dialect.name, warehouse),
        access_log=None,
        shutdown_timeout=0.1,
        handler_cancellation=True,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    session = wire.open_session()
    host, port = runner.addresses[0][:2]
    yield Rig(dialect, warehouse, session, f"http://{host}:{port}{dialect.path}")
    await session.close()
    await runner.cleanup()


async def find(rig: Rig, phone: str) -> Held:
    """The rental of that phone in the list of active ones."""
    return next(held for held in await rig.port().held([]) if held.phone == phone)


async def refused(asked) -> Refused:
    with pytest.raises(Refused) as caught:
        await asked
    return caught.value


async def test_a_rent_gives_what_was_allotted(rig: Rig) -> None:
    """The reference, the phone and the price are those of the supplier's books."""
    rented = await rig.port().rent(rig.wanted())
    allotment = rig.warehouse.allotments[rented.ref]
    assert rented.phone == allotment.phone
    assert rented.cost == (allotment.cost if rig.dialect.tells_cost else None)
    assert rig.requests == 1


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("no_numbers", Reason.NO_NUMBERS),
        ("no_balance", Reason.NO_BALANCE),
        ("price", Reason.PRICE),
        ("not_sold", Reason.NOT_SOLD),
        ("bad_key", Reason.ACCOUNT),
    ],
)
async def test_a_refused_rent_says_why(rig: Rig, case: str, reason: Reason) -> None:
    """Each refusal of a supplier arrives as the one reason that we know it by, and nothing is allotted."""
    dialect, wanted = rig.dialect, rig.wanted()
    match case:
        case "no_numbers":
            rig.warehouse.stock(dialect.country, dialect.service, "0.05", 0, dialect.operator)
        case "no_balance":
            rig.warehouse.balance = Decimal("0.01")
        case "price":
            wanted = rig.wanted(cost_max="0.01")
        case "not_sold":
            wanted = rig.wanted(service=dialect.unknown_service)
    port = rig.port(key="wrong-key" if case == "bad_key" else supplier.KEY)
    no = await refused(port.rent(wanted))
    assert no.reason is dialect.reasons.get(case, reason)
    if no.reason is Reason.PRICE:
        assert no.price in (None, Decimal("0.05"))
    assert rig.warehouse.allotments == {}


@pytest.mark.parametrize("fault", ANSWER_FAULTS)
async def test_a_spoiled_answer_is_an_unknown_outcome(rig: Rig, fault: str) -> None:
    """A number that was allotted behind a spoiled answer is never taken for refused, and the list shows it."""
    rig.warehouse.faults = {fault: 1.0}
    with pytest.raises(OutcomeUnknown):
        await rig.port(deadline_s=0.4).rent(rig.wanted())
    rig.warehouse.faults = {}
    [allotment] = rig.warehouse.allotments.values()
    if rig.dialect.traits.lists_held:
        held = await find(rig, allotment.phone)
        assert (held.ref, held.standing) == (allotment.ref, Standing.ACTIVE)
        assert held.service in (None, rig.dialect.service)
        assert held.country in (None, rig.dialect.country)
        assert held.cost in (None, allotment.cost)
        assert held.reference in (None, allotment.reference)


async def test_a_dropped_rent_is_sent_once(rig: Rig) -> None:
    """No library repeats a rent whose connection broke, also not on a connection that was kept alive."""
    port = rig.port()
    if rig.dialect.has_balance:
        await port.balance()
    before, rig.warehouse.faults = rig.requests, {"drop": 1.0}
    with pytest.raises(OutcomeUnknown):
        await port.rent(rig.wanted())
    assert rig.requests == before + 1
    assert len(rig.warehouse.allotments) == 1


async def test_no_connection_is_not_sent(rig: Rig, unused_tcp_port: int) -> None:
    """Where nobody listens nothing happened: the next supplier may be asked."""
    port = rig.port(url=f"http://127.0.0.1:{unused_tcp_port}{rig.dialect.path}")
    with pytest.raises(NotSent):
        await port.rent(rig.wanted())


@of(lambda d: not d.traits.is_pushed)
async def test_a_message_has_one_key_wherever_it_is_told(rig: Rig) -> None:
    """The same message from the list and from a single question is one message."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    assert (await port.look(rented.ref)).messages == () or not (await port.look(rented.ref)).messages
    rig.warehouse.sms(rented.ref, "Your code is 482913. Don't share it.", "482913")
    looked = await port.look(rented.ref)
    [news] = looked.messages
    assert (news.code, looked.standing) == ("482913", Standing.ACTIVE)
    assert news.text in ("", "482913", "Your code is 482913. Don't share it.")
    if rig.dialect.traits.watches_together:
        [listed] = (await find(rig, rented.phone)).messages
        assert (listed.key, listed.code) == (news.key, news.code)


@of(lambda d: not d.traits.is_pushed)
async def test_a_message_without_a_code_is_told(rig: Rig) -> None:
    """A text in which the supplier finds no code reaches us all the same, under one key."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    rig.warehouse.sms(rented.ref, "Welcome! We are glad that you are here.", None)
    [news] = (await port.look(rented.ref)).messages
    assert "Welcome" in news.text
    if rig.dialect.traits.watches_together:
        [listed] = (await find(rig, rented.phone)).messages
        assert listed.key == news.key


@of(lambda d: not d.traits.is_pushed)
async def test_an_unknown_rental_is_over(rig: Rig) -> None:
    """A rental that the supplier does not know is told from one that waits."""
    port = rig.port()
    for ask in (port.look, port.cancel, *([port.finish] if rig.dialect.wants_finish else [])):
        assert (await refused(ask("999"))).reason is Reason.OVER


async def test_a_cancel_gives_the_money_back_once(rig: Rig) -> None:
    """A repeated cancel is confirmed like the first, and pays once."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    await port.cancel(rented.ref)
    await port.cancel(rented.ref)
    assert rig.warehouse.allotments[rented.ref].standing == "cancelled"
    assert rig.warehouse.balance == 10_000
    if not rig.dialect.traits.is_pushed:
        assert (await port.look(rented.ref)).standing is Standing.CANCELLED
    if rig.dialect.traits.lists_held:
        assert [held.ref for held in await port.held([]) if held.standing is Standing.ACTIVE] == []


@of(lambda d: d.says_too_early)
async def test_a_cancel_too_early_says_when(rig: Rig) -> None:
    """Who is too early learns when to come again."""
    rig.warehouse.cancel_lock_s = 90
    port = rig.port()
    rented = await port.rent(rig.wanted())
    no = await refused(port.cancel(rented.ref))
    assert no.reason is Reason.TOO_EARLY
    assert no.retry_after_s is not None
    assert 1 <= no.retry_after_s <= 120
    assert rig.warehouse.allotments[rented.ref].standing == "active"


@of(lambda d: d.says_no)
async def test_a_cancel_with_a_code_is_refused(rig: Rig) -> None:
    """A code that came is paid for, and the refusal says so."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    rig.warehouse.sms(rented.ref, "Your code is 482913", "482913")
    assert (await refused(port.cancel(rented.ref))).reason is Reason.HAS_CODE
    assert rig.warehouse.allotments[rented.ref].standing == "active"


async def test_a_finished_rental_is_paid(rig: Rig) -> None:
    """Finishing takes it off the list of active ones, and finishing twice is fine."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    rig.warehouse.sms(rented.ref, "Your code is 482913", "482913")
    await port.finish(rented.ref)
    await port.finish(rented.ref)
    if not rig.dialect.wants_finish:
        return
    assert rig.warehouse.allotments[rented.ref].standing == "finished"
    if rig.dialect.traits.lists_held:
        assert [held.ref for held in await port.held([]) if held.standing is Standing.ACTIVE] == []
    if rig.dialect.says_no:
        assert (await refused(port.cancel(rented.ref))).reason in (Reason.HAS_CODE, Reason.OVER)


@of(lambda d: d.wants_finish and d.says_no)
async def test_a_cancelled_rental_cannot_be_finished(rig: Rig) -> None:
    """What was given back is not quietly taken for paid."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    await port.cancel(rented.ref)
    assert (await refused(port.finish(rented.ref))).reason is Reason.OVER


@of(lambda d: not d.traits.is_pushed)
async def test_a_second_message_after_asking_again(rig: Rig) -> None:
    """After `again` the next message is news, and the first is not told as new."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    rig.warehouse.sms(rented.ref, "Your code is 111111", "111111")
    [first] = (await port.look(rented.ref)).messages
    if not rig.dialect.can_ask_again:
        assert (await refused(port.again(rented.ref))).reason is Reason.UNSUPPORTED
        return
    await port.again(rented.ref)
    await port.again(rented.ref)
    assert {news.key for news in (await port.look(rented.ref)).messages} <= {first.key}
    rig.warehouse.sms(rented.ref, "Your code is 222222", "222222")
    second = (await port.look(rented.ref)).messages[-1]
    assert (second.code, second.key != first.key) == ("222222", True)
    if rig.dialect.traits.watches_together:
        assert second.key in {news.key for news in (await find(rig, rented.phone)).messages}


@of(lambda d: d.wants_again and not d.traits.is_pushed)
async def test_again_after_the_end_is_over(rig: Rig) -> None:
    """No message is waited for on a number that was given back."""
    port = rig.port()
    rented = await port.rent(rig.wanted())
    await port.cancel(rented.ref)
    reason = (await refused(port.again(rented.ref))).reason
    assert reason is (Reason.OVER if rig.dialect.can_ask_again else Reason.UNSUPPORTED)


@of(lambda d: d.traits.lists_held)
async def test_many_rentals_are_listed_completely(rig: Rig) -> None:
    """A list that comes in pages is whole: exactly a page, and more than two."""
    rig.warehouse.stock(rig.dialect.country, rig.dialect.service, "0.05", 1_000, rig.dialect.operator)
    port, rented = rig.port(), list[Rented]()
    for count in (100, 250):
        rented += [await port.rent(rig.wanted()) for _ in range(count - len(rented))]
        held = await port.held([each.ref for each in rented])
        assert sorted(each.ref for each in held) == sorted(each.ref for each in rented)


@of(lambda d: d.has_balance)
async def test_the_balance_is_theirs(rig: Rig) -> None:
    """The balance is the supplier's, to the cent."""
    rig.warehouse.balance = Decimal("123.45")
    assert await rig.port().balance() == Decimal("123.45")
    assert (await refused(rig.port(key="wrong-key").balance())).reason is Reason.ACCOUNT


@of(lambda d: d.has_cells)
async def test_the_price_list_is_read(rig: Rig) -> None:
    """Every cell is read with its price, exactly as written, and its numbers."""
    rig.warehouse.stock(rig.dialect.country, rig.dialect.service, "0.1114892", 7, rig.dialect.operator)
    [cell] = await rig.port().cells()
    assert (cell.country, cell.service, cell.operator) == (
        rig.dialect.country,
        rig.dialect.service,
        rig.dialect.operator,
    )
    assert (cell.cost, cell.available) == (Decimal("0.1114892"), 7)
