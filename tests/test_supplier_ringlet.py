"""What is special to our own API as a protocol: it never rents twice, its list is filtered, its leases end alone."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from ringlet.suppliers import wire
from ringlet.suppliers.port import Account, OutcomeUnknown, Reason, Refused, Standing
from ringlet.suppliers.ringlet import Ringlet
from ringlet.suppliers.wire import Line
from tests.fakes.canned import ACCOUNT, CannedLine, canned, connected, wanted
from tests.fakes.warehouse import Warehouse
from tests.site import Site

#: The fronts name a fault by a plain word.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")


@pytest.fixture
def warehouse() -> Warehouse:
    warehouse = Warehouse()
    warehouse.stock("6", "ig", "0.1114892", 5_000)
    warehouse.stock("0", "wa", "0.2", 3)
    return warehouse


@pytest.fixture
async def port(warehouse: Warehouse) -> AsyncIterator[Ringlet]:
    async with connected(Ringlet, "ringlet", "", warehouse) as port:
        yield port


def failure(code: str, **more: object) -> dict[str, object]:
    return {"success": False, "code": code, "message": "No.", "request_id": "r", **more}


def activation(state: str, **more: object) -> dict[str, Any]:
    return {"activation_id": "7", "state": state, "phone": "6281234567", "amount_paid": 0.1, **more}


async def test_a_number_comes_with_all_that_the_activation_says(port: Ringlet, warehouse: Warehouse) -> None:
    """The price is exact, the lease is read from the activation's own times, and the reference went along."""
    rented = await port.rent(wanted())
    assert rented.cost == Decimal("0.1114892")
    assert rented.lease_s == pytest.approx(1200, abs=1.5)
    assert warehouse.allotments[rented.ref].reference == "ref-1"


async def test_what_a_rent_sends() -> None:
    """Numbers are numbers, several operators go with commas, and the reference is the Idempotency-Key."""
    line = CannedLine([canned({"activation": activation("waiting")})])
    port = Ringlet(line, Account("k"))
    await port.rent(wanted(operators=("tsel", "xl"), excluded_prefixes=[str(each) for each in range(60)]))
    await port.rent(wanted(cost_max=Decimal(10) ** 9, operators=("any",)))
    (method, path, first), (_, _, second) = line.asked
    assert (method, path) == ("POST", "/api/v1/resell/virtual/buy")
    assert first["headers"]["Idempotency-Key"] == "ref-1"
    assert first["headers"]["Authorization"] == "Bearer k"
    assert first["body"] == {
        "service": "ig", "country": 6, "max_price": Decimal("0.12"), "reference": "ref-1", "operator": "tsel,xl",
        "exclude_prefixes": [str(each) for each in range(50)],
    }  # fmt: skip
    assert second["body"] == {"service": "ig", "country": 6, "max_price": 1_000_000, "reference": "ref-1"}


async def test_the_same_reference_rents_once(port: Ringlet, warehouse: Warehouse) -> None:
    """After an answer that was lost, asking again with the same reference finds the same number."""
    warehouse.faults = {"half": 1.0}
    with pytest.raises(OutcomeUnknown):
        await port.rent(wanted())
    rented = await port.rent(wanted())
    assert list(warehouse.allotments) == [rented.ref]


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
async def test_a_reference_that_is_over_is_no_number(state: str) -> None:
    """The answer to a repeated reference may be an activation that ended: nothing is ours, nothing is owed."""
    with pytest.raises(Refused) as caught:
        await Ringlet(CannedLine([canned({"activation": activation(state)})]), ACCOUNT).rent(wanted())
    assert caught.value.reason is Reason.NO_NUMBERS


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (409, failure("no_numbers"), Reason.NO_NUMBERS),
        (409, failure("max_price_exceeded", min_price=0.5), Reason.PRICE),
        (402, failure("insufficient_balance"), Reason.NO_BALANCE),
        (404, failure("not_found"), Reason.NOT_SOLD),
        (403, failure("service_not_allowed"), Reason.NOT_SOLD),
        (422, failure("validation_failed", errors=[]), Reason.NOT_SOLD),
        (401, failure("unauthorized"), Reason.ACCOUNT),
        (403, failure("forbidden"), Reason.ACCOUNT),
        (403, "<html>a proxy's own</html>", Reason.ACCOUNT),
        (429, failure("rate_limited"), Reason.LIMITED),
        (429, "slow down", Reason.LIMITED),
    ],
)
async def test_refusals_of_a_rent(status: int, body: object, reason: Reason) -> None:
    """Every public code has its reason; `min_price` tells what it would have cost."""
    with pytest.raises(Refused) as caught:
        await Ringlet(CannedLine([canned(body, status)]), ACCOUNT).rent(wanted())
    assert caught.value.reason is reason
    assert caught.value.price == (Decimal("0.5") if reason is Reason.PRICE else None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, failure("service_unavailable", activation=activation("ordering"))),
        (503, failure("service_unavailable")),
        (500, failure("internal_error")),
        (409, failure("idempotency_in_progress")),
        (422, failure("idempotency_mismatch")),
        (409, failure("something_new")),
        (503, failure("no_numbers")),
        (404, "<html>a proxy's own</html>"),
        (409, "{}"),
        (200, failure("no_numbers")),
        (200, {"activation": activation("dreaming")}),
        (200, {"activation": activation("waiting", phone=None)}),
        (200, {"activation": activation("waiting", phone="12")}),
        (200, {"activation": activation("waiting", activation_id="../x")}),
        (201, {"activation": activation("waiting")}),
    ],
)
async def test_what_leaves_a_rent_open(status: int, body: object) -> None:
    """Anything that does not plainly say no may have rented a number."""
    with pytest.raises(OutcomeUnknown):
        await Ringlet(CannedLine([canned(body, status)]), ACCOUNT).rent(wanted())


@pytest.mark.parametrize("country", ["indonesia", "", "12345", "٦", "-1"])
async def test_countries_are_numbers(country: str) -> None:
    """A word that is no country number there is not sold there, and nothing is asked."""
    line = CannedLine([canned({})])
    with pytest.raises(Refused) as caught:
        await Ringlet(line, ACCOUNT).rent(wanted(country=country))
    assert caught.value.reason is Reason.NOT_SOLD
    assert line.asked == []


async def test_all_that_is_active_is_listed(port: Ringlet, warehouse: Warehouse) -> None:
    """Waiting or with a code, on one page or many: with its reference and messages, and nothing that is over."""
    refs = [(await port.rent(wanted(reference=f"r{each}"))).ref for each in range(230)]
    for ref in refs[:105]:
        warehouse.sms(ref, "Your code is 0042", "0042")
    await port.cancel(refs[-1])
    held = {each.ref: each for each in await port.held([])}
    assert set(held) == set(refs[:-1])
    assert {each.standing for each in held.values()} == {Standing.ACTIVE}
    assert held[refs[3]].reference == "r3"
    assert [each.code for each in held[refs[3]].messages] == ["0042"]
    assert held[refs[3]] == await port.look(refs[3])


async def test_a_long_history_costs_nothing(port: Ringlet, warehouse: Warehouse) -> None:
    """Watching takes two requests, whatever is over."""
    for _ in range(500):
        warehouse.cancel(warehouse.rent("6", "ig").ref)
    await port.rent(wanted())
    assert len(await port.held([])) == 1
    assert warehouse.requests["activations"] == 2


async def test_what_is_still_ordered_is_not_listed() -> None:
    """An order there without a number is nothing yet; a side that does not filter changes nothing."""
    rows = [activation(state, activation_id=state) for state in ("ordering", "waiting", "expired")]
    line = CannedLine([canned({"data": rows, "meta": {"next_cursor": None}})])
    assert [each.ref for each in await Ringlet(line, ACCOUNT).held([])] == ["waiting"]


async def test_a_list_without_an_end_is_unknown() -> None:
    """Half a list must not be taken for all of it."""
    line = CannedLine([canned({"data": [activation("waiting")], "meta": {"next_cursor": "7"}})])
    with pytest.raises(OutcomeUnknown):
        await Ringlet(line, ACCOUNT).held([])


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        ("ordering", Standing.ACTIVE),
        ("waiting", Standing.ACTIVE),
        ("received", Standing.ACTIVE),
        ("finished", Standing.FINISHED),
        ("failed", Standing.CANCELLED),
        ("cancelled", Standing.CANCELLED),
        ("expired", Standing.CANCELLED),
    ],
)
async def test_every_state_has_its_standing(state: str, standing: Standing) -> None:
    """Our money is back exactly where the other side refunds."""
    line = CannedLine([canned({"activation": activation(state)})])
    assert (await Ringlet(line, ACCOUNT).look("7")).standing is standing


async def test_a_proxys_404_ends_nothing() -> None:
    """Only our own kind's `not_found` says that a rental is over; a wrong address or a proxy does not."""
    with pytest.raises(OutcomeUnknown):
        await Ringlet(CannedLine([canned("<html>", 404)]), ACCOUNT).look("7")
    with pytest.raises(Refused) as over:
        await Ringlet(CannedLine([canned(failure("not_found"), 404)]), ACCOUNT).look("7")
    assert over.value.reason is Reason.OVER


async def test_cancelling_says_why_not(port: Ringlet, warehouse: Warehouse) -> None:
    """Too early with its seconds, a code came, never heard of; cancelled before is fine."""
    warehouse.cancel_lock_s = 60
    ref = (await port.rent(wanted())).ref
    with pytest.raises(Refused) as early:
        await port.cancel(ref)
    assert (early.value.reason, early.value.retry_after_s) == (Reason.TOO_EARLY, 60)
    warehouse.cancel_lock_s = 0
    await port.cancel(ref)
    await port.cancel(ref)
    with_code = (await port.rent(wanted(reference="ref-2"))).ref
    warehouse.sms(with_code, "code 1234", "1234")
    with pytest.raises(Refused) as has_code:
        await port.cancel(with_code)
    assert has_code.value.reason is Reason.HAS_CODE
    with pytest.raises(Refused) as over:
        await port.cancel("1")
    assert over.value.reason is Reason.OVER


async def test_a_cancel_rejected_for_nothing_is_unknown() -> None:
    """Rejected although it waits without a message: somebody else is at it, ask again."""
    line = CannedLine(
        [canned(failure("cancel_rejected"), 409), canned({"activation": activation("waiting")})]
    )
    with pytest.raises(OutcomeUnknown):
        await Ringlet(line, ACCOUNT).cancel("7")


async def test_ending_and_asking_again_need_no_word() -> None:
    """The lease there ends by itself and delivers until then: nothing is sent."""
    line = CannedLine([canned({})])
    await Ringlet(line, ACCOUNT).finish("7")
    await Ringlet(line, ACCOUNT).again("7")
    assert line.asked == []


async def test_prices_are_what_they_sell_for(port: Ringlet) -> None:
    """Their sell price is our cost, exactly; country 0 is a country."""
    cells = {
        (each.country, each.service): (each.operator, each.cost, each.available)
        for each in await port.cells()
    }
    assert cells == {
        ("6", "ig"): ("any", Decimal("0.1114892"), 5_000),
        ("0", "wa"): ("any", Decimal("0.2"), 3),
    }
    assert await port.names() == ([], [])
    assert await port.balance() == 10_000


async def test_it_speaks_with_a_real_installation(site: Site) -> None:
    """The fake may imitate wrongly: the whole life of a number against the program itself."""
    account = Account(site.demo["api_key"])
    async with wire.open_session() as session:
        port = Ringlet(Line(session, site.demo["base_url"], per_s=1_000), account)
        before = await port.balance()
        rented, same = await port.rent(wanted()), await port.rent(wanted())
        assert rented.ref == same.ref
        assert rented.cost == Decimal("0.111489")
        assert rented.lease_s is not None
        other = await port.rent(wanted(reference="ref-2", operators=("any",), excluded_prefixes=["1"]))
        site.push(rented.phone, "Your code is 004217", 1)
        held = {each.ref: each for each in await port.held([])}
        assert {ref: each.reference for ref, each in held.items()} == {
            rented.ref: "ref-1",
            other.ref: "ref-2",
        }
        assert [each.code for each in held[rented.ref].messages] == ["004217"]
        assert await port.look(rented.ref) == held[rented.ref]
        await port.cancel(other.ref)
        await port.cancel(other.ref)
        for ref, reason in ((rented.ref, Reason.HAS_CODE), ("1", Reason.OVER)):
            with pytest.raises(Refused) as caught:
                await port.cancel(ref)
            assert caught.value.reason is reason
        with pytest.raises(Refused) as dear:
            await port.rent(wanted(reference="ref-3", cost_max=Decimal("0.01")))
        assert (dear.value.reason, dear.value.price) == (Reason.PRICE, Decimal("0.1114892"))
        assert await port.balance() == before - rented.cost
        assert ("6", "ig", Decimal("0.1114892")) in {
            (each.country, each.service, each.cost) for each in await port.cells()
        }
