"""What is special to 5sim's protocol: complaints in plain text, and a history instead of a list."""

import time
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ringlet.suppliers.fivesim import PAGE, FiveSim
from ringlet.suppliers.port import Account, OutcomeUnknown, Reason, Refused, Standing, Wanted
from tests.fakes.canned import ACCOUNT, CannedLine, canned, connected
from tests.fakes.warehouse import Warehouse

#: The fronts name a fault by a plain word.
pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")

WANTED = Wanted(country="indonesia", service="facebook", cost_max=Decimal("0.12"), reference="r1")


@pytest.fixture
def warehouse() -> Warehouse:
    warehouse = Warehouse()
    warehouse.stock("indonesia", "facebook", "0.1114892", 5_000, "virtual21")
    warehouse.stock("indonesia", "facebook", "0.2", 10, "telkomsel")
    warehouse.stock("england", "openai", "1.5", 7, "virtual4")
    return warehouse


@pytest.fixture
async def port(warehouse: Warehouse) -> AsyncIterator[FiveSim]:
    async with connected(FiveSim, "fivesim", "/v1", warehouse) as port:
        yield port


def order(ref: int, status: str = "PENDING", age_s: float = 0, **more: object) -> dict[str, object]:
    made_at = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime(time.time() - age_s))
    return {
        "id": ref,
        "phone": f"+62812{ref:06}",
        "status": status,
        "created_at": made_at,
        "price": 0.1,
        **more,
    }


async def test_a_number_comes_with_all_that_the_order_says(port: FiveSim) -> None:
    """The plus goes, the price stays exact, and the lease is read from the order's own times."""
    rented = await port.rent(WANTED)
    assert rented.phone.isdigit()
    assert (rented.cost, rented.operator) == (Decimal("0.1114892"), "virtual21")
    assert rented.lease_s == pytest.approx(1200, abs=1)


async def test_the_limit_goes_only_with_any_operator() -> None:
    """With a named operator the protocol takes no price limit, and exactly one operator is asked."""
    line = CannedLine([canned(order(1))])
    port = FiveSim(line, ACCOUNT)
    await port.rent(WANTED)
    await port.rent(Wanted("indonesia", "facebook", Decimal("1E-7"), "r2"))
    await port.rent(Wanted("indonesia", "facebook", Decimal(1), "r3", operators=("telkomsel", "virtual21")))
    (_, path, first), (_, _, second), (_, named, third) = line.asked
    assert path == "/user/buy/activation/indonesia/any/facebook"
    assert first["query"] == {"maxPrice": "0.12"}
    assert second["query"] == {"maxPrice": "0.0000001"}
    assert named == "/user/buy/activation/indonesia/telkomsel/facebook"
    assert third["query"] is None


@pytest.mark.parametrize("word", ["..", "a/b", "", "a?b", "a b", "%2e%2e", "é", "x" * 65])
async def test_words_cannot_lead_elsewhere(word: str) -> None:
    """A word from a supplier's list becomes a part of an address: it must not change which one."""
    line = CannedLine([canned(order(1))])
    with pytest.raises(Refused) as caught:
        await FiveSim(line, ACCOUNT).rent(Wanted(word, "facebook", Decimal(1), "r"))
    assert caught.value.reason is Reason.NOT_SOLD
    assert line.asked == []


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (200, "no free phones", Reason.NO_NUMBERS),
        (400, "no free phones\n", Reason.NO_NUMBERS),
        (400, "not enough user balance", Reason.NO_BALANCE),
        (400, "not enough rating", Reason.ACCOUNT),
        (400, "Bad Country", Reason.NOT_SOLD),
        (400, '"no product"', Reason.NOT_SOLD),
        (401, "", Reason.ACCOUNT),
        (429, "api limit is 100 requests per second", Reason.LIMITED),
        (503, "ip address limit is 100 requests per second", Reason.LIMITED),
    ],
)
async def test_complaints_of_a_rent(status: int, text: str, reason: Reason) -> None:
    """Every documented complaint has its reason, whatever its status."""
    with pytest.raises(Refused) as caught:
        await FiveSim(CannedLine([canned(text, status)]), ACCOUNT).rent(WANTED)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "server offline"),
        (400, "internal error"),
        (400, "order not found"),
        (400, "something new"),
        (500, "no free phones"),
        (502, "<html>"),
        (503, "Service Unavailable"),
        (200, "<html>"),
        (200, ""),
        (200, "{}"),
        (302, ""),
        (200, '{"id": 1, "phone": "+1", "status": "PENDING"}'),
        (200, '{"id": "../1", "phone": "+6281234567", "status": "PENDING"}'),
        (200, '{"id": 1, "phone": "+6281234567", "status": "NEW"}'),
    ],
)
async def test_what_leaves_a_rent_open(status: int, text: str) -> None:
    """Anything that does not plainly say no may have rented a number."""
    with pytest.raises(OutcomeUnknown):
        await FiveSim(CannedLine([canned(text, status)]), ACCOUNT).rent(WANTED)


async def test_messages_keep_their_keys(port: FiveSim, warehouse: Warehouse) -> None:
    """A message has no id there: its key is the same at every asking and by either way, and differs from others."""
    ref = (await port.rent(WANTED)).ref
    warehouse.sms(ref, "Your code is 0042", "0042", "FB")
    warehouse.sms(ref, "hello", None)
    looked = await port.look(ref)
    (listed,) = await port.held([ref])
    assert listed == looked
    assert [(each.text, each.code, each.sender) for each in looked.messages] == [
        ("Your code is 0042", "0042", "FB"),
        ("hello", None, "Example"),
    ]
    assert len({each.key for each in looked.messages}) == 2


async def test_what_is_over_is_listed_as_such(port: FiveSim, warehouse: Warehouse) -> None:
    """The history tells how a rental ended, so nobody has to ask again."""
    refs = [(await port.rent(WANTED)).ref for _ in range(3)]
    warehouse.sms(refs[0], "code 1234", "1234")
    await port.finish(refs[0])
    await port.cancel(refs[1])
    held = {each.ref: each.standing for each in await port.held(refs)}
    assert [held[ref] for ref in refs] == [Standing.FINISHED, Standing.CANCELLED, Standing.ACTIVE]


async def test_one_page_is_enough_when_all_are_seen(port: FiveSim, warehouse: Warehouse) -> None:
    """Watching costs one request as long as what is open is new, however long the history."""
    for _ in range(3 * PAGE):
        warehouse.cancel(warehouse.rent("indonesia", "facebook").ref)
    refs = [(await port.rent(WANTED)).ref for _ in range(3)]
    assert {each.ref for each in await port.held(refs) if each.standing is Standing.ACTIVE} == set(refs)
    assert warehouse.requests["orders"] == 1


async def test_an_old_rental_is_found_behind_new_ones(port: FiveSim, warehouse: Warehouse) -> None:
    """What we know to be open is looked for behind pages of what is over."""
    ref = (await port.rent(WANTED)).ref
    for _ in range(2 * PAGE + 10):
        warehouse.cancel(warehouse.rent("indonesia", "facebook").ref)
    assert ref in {each.ref for each in await port.held([ref])}
    assert warehouse.requests["orders"] == 3


async def test_strangers_are_found_behind_new_ones(port: FiveSim, warehouse: Warehouse) -> None:
    """Without references the list goes back to where nothing can be active: a lost rent must come to light."""
    lost = warehouse.rent("indonesia", "facebook").ref
    for _ in range(2 * PAGE + 10):
        warehouse.cancel(warehouse.rent("indonesia", "facebook").ref)
    active = [each.ref for each in await port.held([]) if each.standing is Standing.ACTIVE]
    assert active == [lost]


@pytest.mark.parametrize("refs", [[], ["5"]])
async def test_the_old_history_is_not_read(refs: list[str]) -> None:
    """Behind a page on which all is over and old there can be nothing active: reading stops."""
    old = canned({"Data": [order(1_000 - each, "FINISHED", each * 60) for each in range(PAGE)]})
    line = CannedLine([old])
    await FiveSim(line, ACCOUNT).held(refs)
    assert len(line.asked) == 1


async def test_reading_has_an_end() -> None:
    """A supplier that repeats a page for ever is not read for ever."""
    line = CannedLine([canned({"Data": [order(each) for each in range(1, PAGE + 1)]})])
    assert len(await FiveSim(line, ACCOUNT).held([])) == PAGE
    assert len(line.asked) == 100


async def test_cancelling_says_why_not(port: FiveSim, warehouse: Warehouse) -> None:
    """Too early, a message came, never heard of: each is its own refusal; cancelled before is fine."""
    warehouse.cancel_lock_s = 60
    ref = (await port.rent(WANTED)).ref
    with pytest.raises(Refused) as early:
        await port.cancel(ref)
    assert (early.value.reason, early.value.retry_after_s) == (Reason.TOO_EARLY, 30)
    warehouse.cancel_lock_s = 0
    await port.cancel(ref)
    await port.cancel(ref)
    with_sms = (await port.rent(WANTED)).ref
    warehouse.sms(with_sms, "code 1234", "1234")
    with pytest.raises(Refused) as has_code:
        await port.cancel(with_sms)
    await port.finish(with_sms)
    with pytest.raises(Refused) as finished:
        await port.cancel(with_sms)
    assert has_code.value.reason is finished.value.reason is Reason.HAS_CODE
    with pytest.raises(Refused) as over:
        await port.cancel("1")
    assert over.value.reason is Reason.OVER


async def test_finishing_twice_is_fine(port: FiveSim, warehouse: Warehouse) -> None:
    """An answer that got lost is repeated: finished is finished; cancelled is over."""
    ref = (await port.rent(WANTED)).ref
    warehouse.sms(ref, "code 1234", "1234")
    await port.finish(ref)
    await port.finish(ref)
    cancelled = (await port.rent(WANTED)).ref
    with pytest.raises(Refused) as empty:
        await port.finish(cancelled)
    assert empty.value.reason is Reason.UNSUPPORTED
    await port.cancel(cancelled)
    with pytest.raises(Refused) as over:
        await port.finish(cancelled)
    assert over.value.reason is Reason.OVER


async def test_a_cancel_that_did_not_cancel_is_unknown() -> None:
    """Only an order that says it is cancelled means that our money is back."""
    with pytest.raises(OutcomeUnknown):
        await FiveSim(CannedLine([canned(order(1, "RECEIVED"))]), ACCOUNT).cancel("1")


async def test_prices_by_operator(port: FiveSim) -> None:
    """Each operator's cell keeps its own name, cost and stock; the costs are exact."""
    cells = {
        (each.country, each.service, each.operator): (each.cost, each.available)
        for each in await port.cells()
    }
    assert cells == {
        ("indonesia", "facebook", "virtual21"): (Decimal("0.1114892"), 5_000),
        ("indonesia", "facebook", "telkomsel"): (Decimal("0.2"), 10),
        ("england", "openai", "virtual4"): (Decimal("1.5"), 7),
    }


async def test_bad_lines_of_the_price_list_are_left_out() -> None:
    """No price, no word: no cell; the rest of the list still counts."""
    good = {"cost": 0.5, "count": -3}
    prices = {
        "a/b": {"x": {"y": good}},
        "peru": {"": {"y": good}, "x": {"y": good, "free": {"cost": 0}, "debt": {"cost": -1}, "mad": {"cost": 1e300}}},
    }  # fmt: skip
    cells = await FiveSim(CannedLine([canned(prices)]), ACCOUNT).cells()
    assert [(each.country, each.operator, each.available) for each in cells] == [("peru", "y", 0)]
    assert await FiveSim(CannedLine([canned(None)]), ACCOUNT).cells() == []


async def test_names_and_balance(port: FiveSim) -> None:
    """Countries have English names, products are called by their words."""
    countries, products = await port.names()
    assert [(each.word, each.name) for each in countries] == [
        ("england", "England"),
        ("indonesia", "Indonesia"),
    ]
    assert [(each.word, each.name) for each in products] == [("facebook", "facebook"), ("openai", "openai")]
    assert await port.balance() == 10_000


async def test_a_wrong_key_is_the_accounts_fault(warehouse: Warehouse) -> None:
    """The operator must learn that the key is wrong, whatever we asked."""
    async with connected(FiveSim, "fivesim", "/v1", warehouse, account=Account("wrong")) as port:
        for ask in (port.rent(WANTED), port.look("1"), port.held([]), port.cancel("1"), port.balance()):
            with pytest.raises(Refused) as caught:
                await ask
            assert caught.value.reason is Reason.ACCOUNT
