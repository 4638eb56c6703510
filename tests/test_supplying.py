"""Suppliers: adding, checking, pausing, code maps, and price lists of which only the changes are written."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.suppliers.port import Cell, OutcomeUnknown
from ringlet.supplying import codes, enlist, known, survey, sync
from ringlet.supplying.prices import read
from tests.fakes.supplier import KEY
from tests.fakes.warehouse import Warehouse
from tests.suppliers_rig import serving
from tests.upstream import NOWHERE, add, offers, row, take_over


@pytest.fixture
async def warehouse() -> Warehouse:
    """Three cells of country 6 and one that nobody here has a name for."""
    made = Warehouse()
    made.stock("6", "ig", "0.02", 100)
    made.stock("6", "wa", "0.05", 3)
    made.stock("187", "tg", "0.3", 0)
    made.stock("6", "q9q", "0.01", 5)
    return made


@pytest.fixture
async def url(warehouse: Warehouse) -> AsyncIterator[str]:
    async with serving("handler-api", warehouse) as address:
        yield address


async def state(desk: Desk, name: str = "up") -> str:
    return next(line.state for line in await survey.lines(desk) if line.name == name)


# Adding.


async def test_a_supplier_is_added_with_its_key_sealed(desk: Desk) -> None:
    """No text of the key stands in any row, and the adapter gets it all the same."""
    made = await add(desk, NOWHERE, currency_rate=Decimal("0.011"))
    assert made.hint_token.startswith("rl_hint_")
    assert made.agent_key is None
    assert made.notes == ()
    stored = await row(desk, "select s::text || encode(s.sealed_key, 'escape') from supplier s")
    assert KEY not in stored[0]
    assert KEY.encode().hex() not in stored[0]
    assert made.hint_token not in stored[0]
    assert desk.book.named("up") is not None
    assert (await known.reach(desk, "up")).terms.currency_rate == Decimal("0.011")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"protocol": "gopher"}, "protocol"), ({"name": " "}, "name"), ({"name": "x" * 65}, "name"),
        ({"url": "ftp://supplier.example"}, "url"), ({"url": "https://user:secret@supplier.example"}, "url"),
        ({"url": "https://supplier.example/?api_key=1"}, "url"), ({"url": "https://"}, "url"),
        ({"url": "https://supplier.example:99999"}, "url"), ({"key": ""}, "key"), ({"key": "a b"}, "key"),
        ({"currency_rate": Decimal(0)}, "currency_rate"), ({"weight": Decimal("NaN")}, "weight"),
        ({"deadline_s": 61}, "deadline_s"), ({"exposure_cap_micros": -1}, "exposure_cap_micros"),
        ({"stale_after_s": 60}, "stale_after_s"), ({"protocol": "agent"}, "unit_cost"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(desk: Desk, changed: dict[str, Any], field: str) -> None:
    """Each wrong term is named, and nothing is left behind."""
    given = {"name": "up", "protocol": "handler-api", "url": NOWHERE, "key": KEY, **changed}
    with pytest.raises(ValidationFailed) as refused:
        await enlist.add(desk, **given)
    assert refused.value.extra["errors"][0]["field"] == field
    assert await survey.lines(desk) == []


async def test_a_name_is_given_once(desk: Desk) -> None:
    """Also an owner of numbers has his name."""
    await add(desk, NOWHERE)
    with pytest.raises(ValidationFailed, match="already"):
        await add(desk, NOWHERE)


async def test_an_address_in_the_clear_is_noted(desk: Desk) -> None:
    """The key would travel where others read it; on this machine nobody does."""
    assert (await add(desk, "http://supplier.example", "clear")).notes
    assert not (await add(desk, "https://supplier.example", "secret")).notes
    assert not (await add(desk, "http://localhost:1234", "here")).notes


async def test_an_owner_of_sim_cards_gets_a_key_for_his_messages(desk: Desk) -> None:
    """His stock is asked for every quarter of a minute."""
    made = await add(desk, NOWHERE, "owner", "agent", unit_cost=Decimal("0.02"))
    assert made.agent_key is not None
    assert made.agent_key.startswith("rl_agent_")
    terms = (await known.reach(desk, "owner")).terms
    assert (terms.sync_every_s, terms.stale_after_s) == (15, 120)


async def test_changing_terms(desk: Desk, url: str) -> None:
    """What is named changes, the rest stays; what changes prices takes the supplier off the list until it is synced."""
    await add(desk, url, weight=Decimal(2))
    await take_over(desk)
    assert await state(desk) == "offered"
    await enlist.change(desk, "up", exposure_cap_micros=5_000_000, key="other")
    terms = (await known.reach(desk, "up")).terms
    assert (terms.weight, terms.exposure_cap_micros, terms.is_offered) == (2, 5_000_000, True)
    await enlist.change(desk, "up", exposure_cap_micros=None, currency_rate=Decimal(3), key=KEY)
    terms = (await known.reach(desk, "up")).terms
    assert (terms.exposure_cap_micros, terms.is_offered) == (None, False)
    await take_over(desk)
    assert (await offers(desk))[6, "ig", "any"] == (Decimal("0.06"), 100)
    with pytest.raises(NotFound):
        await enlist.change(desk, "nobody", weight=Decimal(1))


async def test_a_paused_supplier_is_not_offered(desk: Desk, url: str) -> None:
    """Pausing and resuming are one statement each, and the book follows."""
    await add(desk, url)
    await take_over(desk)
    await enlist.pause(desk, "up")
    await desk.refresh_prices()
    found = desk.book.named("up")
    assert found is not None
    assert (found.is_offered(), await state(desk)) == (False, "paused")
    await enlist.resume(desk, "up")
    await desk.refresh_prices()
    assert (found.is_offered(), await state(desk)) == (True, "offered")


# Checking.


async def test_a_check_tells_balance_and_price_list(desk: Desk, url: str) -> None:
    """What is there, how fast it answers, and what the protocol can do."""
    await add(desk, url)
    checked = await survey.check(desk, "up")
    assert (checked.balance, checked.cells, checked.problems) == ("10000", 4, ())
    assert checked.latency_ms is not None
    assert checked.can


async def test_a_check_says_what_is_wrong(desk: Desk, url: str) -> None:
    """A wrong key, a closed door and an answer that is none: one sentence each, never with the key in it."""
    await enlist.add(desk, "key", "handler-api", url, "wrong-key")
    await add(desk, NOWHERE, "door")
    await add(desk, url.replace("handler_api", "elsewhere"), "page")
    for name, says in (("key", "key is wrong"), ("door", "cannot be reached"), ("page", "cannot be read")):
        (problem,) = (await survey.check(desk, name)).problems
        assert says in problem
        assert "wrong-key" not in problem


# Price lists.


async def test_a_sync_takes_the_list_over(desk: Desk, url: str) -> None:
    """Known words become offers in our money; an unknown one is listed and not sold."""
    await add(desk, url, currency_rate=Decimal("0.5"))
    assert await state(desk) == "never synced"
    synced = await take_over(desk)
    assert (synced.cells, synced.new, synced.changed, synced.gone, synced.unmapped) == (3, 3, 0, 0, 1)
    assert await offers(desk) == {
        (6, "ig", "any"): (Decimal("0.01"), 100),
        (6, "wa", "any"): (Decimal("0.025"), 3),
        (187, "tg", "any"): (Decimal("0.15"), 0),
    }
    assert [word.theirs for word in await codes.unmapped(desk, "up")] == ["q9q"]
    (line,) = await survey.lines(desk)
    assert (line.state, line.cells_on_offer, line.unmapped, line.sync_error) == ("offered", 2, 1, None)
    assert line.host.startswith("127.0.0.1:")
    assert (await row(desk, "select count(*) from offer where changed_at < now()"))[0] == 3


async def test_a_sync_writes_only_what_changed(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """A second list that is the same writes nothing; one price changed is one row."""
    await add(desk, url)
    await take_over(desk)
    at = "select array_agg(xmin::text || changed_at order by id) from offer"
    (before,) = await row(desk, at)
    synced = await take_over(desk)
    assert (synced.new, synced.changed, synced.gone) == (0, 0, 0)
    assert await row(desk, at) == (before,)
    warehouse.stock("6", "wa", "0.06", 3)
    synced = await take_over(desk)
    assert (synced.new, synced.changed, synced.gone) == (0, 1, 0)
    (after,) = await row(desk, at)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    assert next(iter(desk.prices.shop.cell(6, "wa"))).base_price == Decimal("0.06")


async def test_what_is_no_longer_listed_is_sold_out(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """A vanished cell stays with none available, and comes back with its numbers."""
    await add(desk, url)
    await take_over(desk)
    del warehouse.cells["6", "ig", "any"]
    assert (await take_over(desk)).gone == 1
    assert (await offers(desk))[6, "ig", "any"] == (Decimal("0.02"), 0)
    assert (await take_over(desk)).gone == 0
    warehouse.stock("6", "ig", "0.02", 7)
    assert (await take_over(desk)).changed == 1
    assert (await offers(desk))[6, "ig", "any"] == (Decimal("0.02"), 7)


async def test_an_empty_list_is_a_broken_one(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """What was on offer stays until it is too old, and the reason is shown."""
    await add(desk, url)
    await take_over(desk)
    warehouse.cells.clear()
    with pytest.raises(OutcomeUnknown):
        await take_over(desk)
    assert (await offers(desk))[6, "ig", "any"] == (Decimal("0.02"), 100)
    (line,) = await survey.lines(desk)
    assert (line.state, "empty" in (line.sync_error or "")) == ("offered", True)


async def test_a_supplier_that_stops_answering_is_no_longer_offered(desk: Desk, url: str) -> None:
    """Its prices are believed for a while and no longer; it is tried once per interval, and a success brings it back."""
    await add(desk, url, stale_after_s=100)
    await take_over(desk)
    await enlist.change(desk, "up", key="wrong")
    async with desk.db.connection() as tx:
        await tx.execute("update supplier set synced_at = synced_at - interval '99 seconds'")
    await desk.refresh_prices()
    supplier = desk.book.named("up")
    assert supplier is not None
    assert supplier.is_offered()
    assert await sync.sync_due(desk) == 0
    assert await sync.sync_due(desk) == 0
    async with desk.db.connection() as tx:
        await tx.execute("update supplier set synced_at = synced_at - interval '2 seconds'")
    await desk.refresh_prices()
    assert not supplier.is_offered()
    (line,) = await survey.lines(desk)
    assert line.state == "stale"
    assert "key is wrong" in (line.sync_error or "")
    await enlist.change(desk, "up", key=KEY)
    await desk.refresh_prices()
    assert await sync.sync_due(desk) == 1
    await desk.refresh_prices()
    again = desk.book.named("up")
    assert again is not None
    assert again.is_offered()
    assert (await survey.lines(desk))[0].sync_error is None


async def test_a_failing_supplier_is_tried_once_per_interval(
    desk: Desk, url: str, warehouse: Warehouse
) -> None:
    """Rounds come every few seconds; a supplier that refuses is not asked with each of them."""
    await add(desk, url)
    await enlist.change(desk, "up", key="wrong")
    await desk.refresh_prices()
    for _ in range(5):
        await sync.sync_due(desk)
    assert warehouse.requests == {"getPrices": 1}


async def test_due_suppliers_are_synced_and_others_are_not(desk: Desk, url: str) -> None:
    """New ones at once, fresh and paused ones not, and one that fails stops no other."""
    for name in ("one", "two", "paused"):
        await add(desk, url, name)
    await add(desk, NOWHERE, "broken")
    await enlist.pause(desk, "paused")
    await desk.refresh_prices()
    assert await sync.sync_due(desk) == 2
    assert await sync.sync_due(desk) == 0
    states = {line.name: line.state for line in await survey.lines(desk)}
    assert states == {"one": "offered", "two": "offered", "paused": "paused", "broken": "never synced"}


async def test_two_processes_do_not_write_one_list_twice(desk: Desk, url: str) -> None:
    """Whoever comes second sees that the list was taken over meanwhile and leaves."""
    await add(desk, url)
    supplier = await known.reach(desk, "up")
    done = await asyncio.gather(*(sync.sync(desk, supplier) for _ in range(4)))
    written = [each for each in done if each is not None]
    assert [each.new for each in written] == [3]


async def test_a_sync_keeps_no_sale_waiting(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """While a list is written and not yet committed, every offer can be read and locked for a key share at once."""
    await add(desk, url)
    await take_over(desk)
    warehouse.stock("6", "ig", "0.03", 50)
    supplier = await known.reach(desk, "up")
    cells = await supplier.port.cells()
    async with desk.db.transaction() as tx:
        words = await codes.load(tx, supplier.terms.source_id)
        assert (await sync._merge(tx, supplier.terms.source_id, read(cells, words, None, Decimal(1))))[0] == 1
        async with desk.db.connection() as other:
            await other.execute("set lock_timeout = '100ms'")
            await other.execute("select from offer for key share")
            await other.execute("select from supplier for no key update")
            await other.execute("set lock_timeout = 0")


def test_nonsense_is_left_out() -> None:
    """No price, no count, no name: such lines are counted and not sold; of two the cheaper with numbers counts."""
    cells = [
        Cell("6", "ig", "any", Decimal(-1), 5), Cell("6", "ig", "any", Decimal("NaN"), 5),
        Cell("6", "ig", "any", Decimal("sNaN"), 5), Cell("6", "ig", "any", Decimal("Infinity"), 5),
        Cell("6", "ig", "any", Decimal(2_000_000), 5), Cell("6", "ig", "any", Decimal(1), -5),
        Cell("6", "ig", "any", Decimal(1), 10**12), Cell("6", "ig", "no name", Decimal(1), 5),
        Cell("6", "ig", "any", Decimal("0.5"), 0), Cell("6", "ig", "any", Decimal(3), None),
        Cell("6", "ig", "any", Decimal(2), 4), Cell("6", "ig", "any", Decimal("2.5"), 4),
        Cell("6", "ig", "Telkomsel", Decimal("0.12345678"), 4),
    ]  # fmt: skip
    listed = read(cells, [], ((), ()), Decimal(1))
    assert (listed.count, listed.left_out) == (2, 8)
    assert listed.chunks == [b"6\tig\tany\t2\t4\n6\tig\ttelkomsel\t0.1234568\t4\n"]


async def test_an_owners_stock_is_on_offer_at_his_cost(desk: Desk) -> None:
    """Owners name countries by word and prices not at all; nothing left is no fault of theirs."""
    warehouse = Warehouse()
    warehouse.stock("indonesia", "ig", "0.1", 7, "telkomsel")
    async with serving("agent", warehouse) as address:
        await add(desk, address, "owner", "agent", unit_cost=Decimal("0.02"))
        await take_over(desk, "owner")
        assert await offers(desk) == {(6, "ig", "telkomsel"): (Decimal("0.02"), 7)}
        checked = await survey.check(desk, "owner")
        assert (checked.balance, checked.cells, checked.problems) == (None, 1, ())
        warehouse.cells.clear()
        assert (await take_over(desk, "owner")).gone == 1


async def test_a_supplier_with_words_of_its_own(desk: Desk) -> None:
    """Every operator has its price; words are guessed once and asked for no more."""
    warehouse = Warehouse()
    warehouse.stock("england", "facebook", "0.1", 7, "virtual4")
    warehouse.stock("england", "facebook", "0.2", 7, "vodafone")
    warehouse.stock("russia", "imo", "0.2", 7, "any")
    async with serving("fivesim", warehouse) as address:
        await add(desk, address, "five", "fivesim")
        assert (await take_over(desk, "five")).new == 3
        assert set(await offers(desk)) == {(16, "fb", "virtual4"), (16, "fb", "vodafone"), (0, "im", "any")}
        asked = dict(warehouse.requests)
        assert (await take_over(desk, "five")).changed == 0
        assert sum(warehouse.requests.values()) == sum(asked.values()) + 1
