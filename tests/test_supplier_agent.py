"""What is special to the agent protocol: one address, JSON numbers, pushed messages, paid only when sold."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ringlet.suppliers.agent import Agent
from ringlet.suppliers.port import Account, OutcomeUnknown, Reason, Refused
from tests.fakes.canned import ACCOUNT, CannedLine, canned, connected, served, wanted
from tests.fakes.fronts import agent as front
from tests.fakes.warehouse import Warehouse

#: The fronts name a fault by a plain word.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")


@pytest.fixture
def warehouse() -> Warehouse:
    warehouse = Warehouse()
    warehouse.stock("russia", "vk", "0.01", 10, "beeline")
    warehouse.stock("russia", "wa", "0.01", 32, "megafon")
    warehouse.stock("6", "ig", "0.01", 5)
    return warehouse


@pytest.fixture
async def port(warehouse: Warehouse) -> AsyncIterator[Agent]:
    async with connected(Agent, "agent", "/agent", warehouse) as port:
        yield port


async def test_what_a_rent_sends() -> None:
    """Numbers are JSON numbers, also a country that is a number; the key is in the body; three seconds, no more."""
    line = CannedLine([canned({"status": "SUCCESS", "number": 79281234567, "activationId": 355})])
    port = Agent(line, Account("k", unit_cost=Decimal("0.0300000")))
    rented = await port.rent(wanted(operators=("xl", "tsel"), excluded_prefixes=["7918"]))
    await port.rent(wanted(country="russia"))
    (method, path, first), (_, _, second) = line.asked
    assert (method, path, first["deadline_s"]) == ("POST", "", 3.0)
    assert first["body"] == {
        "action": "GET_NUMBER", "key": "k", "country": 6, "operator": "xl", "service": "ig",
        "sum": Decimal("0.03"), "currency": 840, "exceptionPhoneSet": ["7918"],
    }  # fmt: skip
    assert (second["body"]["country"], second["body"]["operator"]) == ("russia", "any")
    assert (rented.ref, rented.phone, rented.cost) == ("355", "79281234567", Decimal("0.03"))


async def test_ends_are_told_with_numbers(port: Agent, warehouse: Warehouse) -> None:
    """Sold pays the owner, cancelled gives the number back; both may be repeated until they are answered."""
    sold, cancelled = [(await port.rent(wanted())).ref for _ in range(2)]
    for _ in range(2):
        await port.finish(sold)
        await port.cancel(cancelled)
    assert warehouse.allotments[sold].standing == "finished"
    assert warehouse.allotments[cancelled].standing == "cancelled"
    with pytest.raises(Refused) as over:
        await port.cancel("1")
    assert over.value.reason is Reason.OVER


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"status": "NO_NUMBERS"}, 200, Reason.NO_NUMBERS),
        ({"status": "ERROR", "error": "Turkey is not sold"}, 200, Reason.NOT_SOLD),
        ({"status": "ERROR"}, 400, Reason.NOT_SOLD),
        ({"status": "ERROR", "error": "Unknown API_KEY"}, 200, Reason.ACCOUNT),
        ("Forbidden", 403, Reason.ACCOUNT),
        ("", 429, Reason.LIMITED),
    ],
)
async def test_refusals_of_a_rent(body: object, status: int, reason: Reason) -> None:
    """An owner's no is a no, in the body or by the HTTP status."""
    with pytest.raises(Refused) as caught:
        await Agent(CannedLine([canned(body, status)]), ACCOUNT).rent(wanted())
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "SUCCESS"}, 200),
        ({"status": "SUCCESS", "number": 12, "activationId": 1}, 200),
        ({"status": "SUCCESS", "number": 79281234567, "activationId": -1.5}, 200),
        ({"status": "SUCCESS", "number": 79281234567, "activationId": "a b"}, 200),
        ({"status": "MAYBE"}, 200),
        ({"status": "NO_NUMBERS"}, 500),
        ("<html>", 200),
        ("[]", 200),
    ],
)
async def test_what_leaves_a_rent_open(body: object, status: int) -> None:
    """Anything else is an unknown outcome, although it costs nothing here."""
    assert not Agent.traits.charges_on_rent
    with pytest.raises(OutcomeUnknown):
        await Agent(CannedLine([canned(body, status)]), ACCOUNT).rent(wanted())


async def test_the_price_is_what_was_agreed(port: Agent) -> None:
    """The protocol names no prices: every cell costs the unit cost, and the word for an operator stays."""
    cells = {
        (each.country, each.service): (each.operator, each.cost, each.available)
        for each in await port.cells()
    }
    assert cells == {
        ("russia", "vk"): ("beeline", Decimal("0.03"), 10),
        ("russia", "wa"): ("megafon", Decimal("0.03"), 32),
        ("6", "ig"): ("any", Decimal("0.03"), 5),
    }
    countries, services = await port.names()
    assert [each.word for each in countries] == ["6", "russia"]
    assert services == []


async def test_without_a_price_nothing_is_sold() -> None:
    """No unit cost, or one above the limit: nothing is asked."""
    line = CannedLine([canned({})])
    with pytest.raises(Refused) as unset:
        await Agent(line, Account("k")).cells()
    with pytest.raises(Refused) as rent:
        await Agent(line, Account("k")).rent(wanted())
    with pytest.raises(Refused) as dear:
        await Agent(line, Account("k", unit_cost=Decimal("0.5"))).rent(wanted())
    assert unset.value.reason is rent.value.reason is Reason.NOT_SOLD
    assert "unit cost" in str(unset.value)
    assert (dear.value.reason, dear.value.price) == (Reason.PRICE, Decimal("0.5"))
    assert line.asked == []


async def test_there_is_nothing_to_ask_for(port: Agent) -> None:
    """What the protocol does not have is refused plainly, not guessed."""
    for ask in (port.look("1"), port.held([]), port.balance()):
        with pytest.raises(Refused) as caught:
            await ask
        assert caught.value.reason is Reason.UNSUPPORTED
    await port.again("1")


async def test_the_fake_owner_pushes_until_it_is_taken(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake keeps to the protocol: numbers are numbers, a failed push is repeated, a taken one is not."""
    monkeypatch.setattr(front, "PUSH_EVERY_S", 0.02)
    pushed: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        pushed.append(await request.json())
        return web.json_response({"status": "ERROR" if len(pushed) == 1 else "SUCCESS"})

    receiver = web.Application()
    receiver.router.add_post("/agent/api/sms", take)
    async with served(receiver) as url, connected(Agent, "agent", "/agent", warehouse) as port:
        warehouse.push_url, warehouse.push_key = f"{url}/agent/api/sms", "push-key"
        rented = await port.rent(wanted())
        warehouse.sms(rented.ref, "Your code is 0042", "0042", "Ig")
        await asyncio.sleep(0.3)
    expected = {
        "action": "PUSH_SMS", "key": "push-key", "smsId": 1, "phone": int(rented.phone),
        "phoneFrom": "Ig", "text": "Your code is 0042",
    }  # fmt: skip
    assert pushed == [expected, expected]
