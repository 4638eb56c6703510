"""Our money at suppliers: their figure beside ours, deposits, settling, exposure, and what the audit says of it."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest
import structlog

from ringlet import audit
from ringlet.acts import CLI
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.suppliers import purse
from ringlet.suppliers.port import NotSent
from ringlet.supplying import enlist, survey
from ringlet.supplying import money as purses
from ringlet.supplying.money import Books, compare_with
from tests.fakes.warehouse import Warehouse
from tests.site import Shop
from tests.suppliers_rig import serving
from tests.upstream import add, row, take_over

UNIT = 1_000_000


@pytest.fixture
async def warehouse() -> Warehouse:
    made = Warehouse()
    made.balance = Decimal(100)
    made.stock("6", "ig", "0.02", 100)
    return made


@pytest.fixture
async def url(warehouse: Warehouse) -> AsyncIterator[str]:
    async with serving("handler-api", warehouse) as address:
        yield address


async def source(desk: Desk) -> int:
    found = desk.book.named("up")
    assert found is not None
    return found.terms.source_id


async def charge(desk: Desk, ref: str, cost: str, state: str = "spent") -> None:
    """A rental that our books know."""
    source_id = await source(desk)
    async with desk.db.transaction() as tx:
        await tx.execute(
            "insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state, wish, due_at,"
            " closed_at) values (%(id)s, %(ref)s, 6, 'ig', 'any', '62', %(cost)s, %(state)s::rental_state,"
            " case when %(state)s = 'closing' then 'cancel'::rental_wish end, now(),"
            " case when %(state)s in ('spent', 'returned') then now() end)",
            {"id": source_id, "ref": ref, "cost": Decimal(cost), "state": state},
        )
        await purse.charge(tx, source_id, ref, Decimal(cost))


async def stale_balance(desk: Desk) -> None:
    async with desk.db.connection() as tx:
        await tx.execute("update supplier set balance_at = now() - interval '1 minute'")


async def test_the_first_balance_is_the_opening_deposit(desk: Desk, url: str, database_url: str) -> None:
    """What lay there before we came was paid in by somebody; from then on the books follow."""
    await add(desk, url, currency_rate=Decimal("0.5"))
    await purses.check_balances(desk)
    assert await row(desk, "select balance_micros, books_micros from supplier") == (50 * UNIT, 50 * UNIT)
    async with desk.db.connection() as tx:
        assert (await purse.purse(tx, await source(desk))).prepaid_micros == 50 * UNIT
    await stale_balance(desk)
    await purses.check_balances(desk)
    assert await row(desk, "select count(*), min(reason) from supplier_posting") == (1, "opening balance")
    assert audit.run(database_url) == []


async def test_a_balance_is_asked_once_a_minute_by_all_workers(
    desk: Desk, url: str, warehouse: Warehouse
) -> None:
    """Whoever comes second finds it fresh."""
    await add(desk, url)
    await purses.check_balances(desk)
    await purses.check_balances(desk)
    assert warehouse.requests["getBalance"] == 1


async def test_the_books_follow_the_supplier(
    desk: Desk, url: str, warehouse: Warehouse, database_url: str
) -> None:
    """What we spend there is spent in the books; nothing is left unexplained."""
    await add(desk, url)
    await purses.compare(desk, "up")
    await charge(desk, "1", "0.02")
    warehouse.balance -= Decimal("0.02")
    found = await purses.compare(desk, "up")
    assert (found.theirs_micros, found.ours_micros, found.unexplained_micros) == (99_980_000, 99_980_000, 0)
    assert audit.run(database_url) == []


async def test_what_is_missing_is_a_breach_until_it_is_settled(
    desk: Desk, url: str, warehouse: Warehouse, database_url: str
) -> None:
    """The audit names supplier and figures; settling books the difference, once."""
    await add(desk, url)
    await purses.compare(desk, "up")
    warehouse.balance -= Decimal("1.50")
    found = await purses.compare(desk, "up")
    assert (found.difference_micros, found.unexplained_micros) == (-1_500_000, -1_500_000)
    (breach,) = audit.run(database_url)
    assert (breach.invariant, "98500000" in breach.what) == ("I10", True)
    assert await purses.settle(desk, "up", "they charge a fee", CLI) == -1_500_000
    assert audit.run(database_url) == []
    assert await purses.settle(desk, "up", "again", CLI) == 0
    posted = await row(
        desk,
        "select giver, taker, amount_micros, actor, reason from supplier_posting where kind = 'correction'",
    )
    assert posted == ("prepaid", "suspense", 1_500_000, "cli", "they charge a fee")


async def test_two_who_settle_book_one_difference(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """The second finds the figures changed."""
    await add(desk, url)
    await purses.compare(desk, "up")
    warehouse.balance += 3
    done = await asyncio.gather(
        *(purses.settle(desk, "up", "found", CLI) for _ in range(4)), return_exceptions=True
    )
    assert sum(each for each in done if isinstance(each, int)) == 3 * UNIT
    assert all(isinstance(each, int | ValidationFailed) for each in done)
    async with desk.db.connection() as tx:
        assert (await purse.purse(tx, await source(desk))).prepaid_micros == 103 * UNIT


async def test_what_is_in_flight_is_no_difference(
    desk: Desk, url: str, warehouse: Warehouse, database_url: str
) -> None:
    """An order without an answer may have cost its limit, a cancel without one may have brought the price back."""
    await add(desk, url)
    await purses.compare(desk, "up")
    async with desk.db.connection() as tx:
        await tx.execute(
            "insert into asking (activation_id, source_id, offer_id, cost_max, operators, excluded_prefixes)"
            " values (1, %s, 1, 0.5, '{}', '{}')",
            [await source(desk)],
        )
    await charge(desk, "1", "2", "closing")
    warehouse.balance -= Decimal("0.5")
    found = await purses.compare(desk, "up")
    assert (found.in_flight_micros, found.unexplained_micros) == (2_500_000, 0)
    assert audit.run(database_url) == []
    warehouse.balance -= Decimal(10)
    assert (await purses.compare(desk, "up")).unexplained_micros == -6 * UNIT


def test_comparing() -> None:
    """Between the lowest and the highest that our books allow nothing is unexplained; a cent is rounding."""
    seen = (Books(100 * UNIT, 0), Books(90 * UNIT, 5 * UNIT))
    for theirs, unexplained in ((85, 0), (100, 0), (93, 0), (84, -1), (101, 1)):
        assert compare_with(theirs * UNIT, seen).unexplained_micros == unexplained * UNIT
    assert compare_with(100_009_999, [Books(100 * UNIT, 0)], 10_000).unexplained_micros == 0
    assert compare_with(100_010_001, [Books(100 * UNIT, 0)], 10_000).unexplained_micros == 10_001


async def test_a_deposit(desk: Desk, url: str, warehouse: Warehouse, database_url: str) -> None:
    """What was paid in there is booked with its reason; until the next balance there is nothing to compare."""
    await add(desk, url)
    await purses.compare(desk, "up")
    warehouse.balance += 25
    await purses.deposit(desk, "up", 25 * UNIT, "receipt 7", CLI)
    assert audit.run(database_url) == []
    assert (await purses.compare(desk, "up")).unexplained_micros == 0
    warehouse.balance -= 5
    await purses.deposit(desk, "up", -5 * UNIT, "taken out", CLI)
    assert (await purses.compare(desk, "up")).ours_micros == 120 * UNIT
    for amount, reason in ((0, "x"), (1, " "), (1, "a\nb")):
        with pytest.raises(ValidationFailed):
            await purses.deposit(desk, "up", amount, reason, CLI)


async def test_a_low_balance_is_said_once(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """One warning when it falls below, and a state that shows it."""
    await add(desk, url, balance_alert_micros=50 * UNIT)
    await take_over(desk)
    said = []
    with structlog.testing.capture_logs() as logs:
        for balance in (60, 49, 48, 51, 40):
            warehouse.balance = Decimal(balance)
            await purses.compare(desk, "up")
            said.append(sum(each["event"] == "supplier_balance_low" for each in logs))
    assert said == [0, 1, 1, 1, 2]
    assert (await survey.lines(desk))[0].state == "low balance"


async def test_a_balance_that_cannot_be_asked_is_left_as_it_was(desk: Desk, url: str) -> None:
    """Suppliers without one are no failure; one that is away stops no other."""
    await add(desk, url)
    await add(desk, "http://127.0.0.1:9", "away")
    await add(desk, "http://127.0.0.1:9", "owner", "agent", unit_cost=Decimal(1))
    await purses.check_balances(desk)
    assert {line.name: line.balance_micros for line in await survey.lines(desk)} == {
        "up": 100 * UNIT, "away": None, "owner": None,
    }  # fmt: skip
    with pytest.raises(NotSent):
        await purses.compare(desk, "away")


async def test_exposure_is_what_is_rented_and_not_yet_sold(desk: Desk, shop: Shop, url: str) -> None:
    """Open rentals of waiting activations and orders that are out; a cap that is reached shuts the supplier."""
    await add(desk, url, exposure_cap_micros=2 * UNIT)
    await take_over(desk)
    source_id = await source(desk)
    async with desk.db.connection() as tx:
        cursor = await tx.execute(
            "insert into activation (public_id, wallet_id, source_id, country, service, operator, phone, state,"
            " amount_micros, base_price, expires_at, due_at) values (5, %s, %s, 6, 'ig', 'any', '62', 'waiting', 0, 0,"
            " now() + interval '1 hour', now() + interval '1 hour') returning id",
            [shop.alice.id, source_id],
        )
        found = await cursor.fetchone()
        assert found is not None
        await tx.execute(
            "insert into rental (source_id, supplier_ref, activation_id, country, service, operator, phone, cost, state)"
            " values (%s, '1', %s, 6, 'ig', 'any', '62', 1.5, 'open')",
            [source_id, found[0]],
        )
    await purses.refresh_exposure(desk)
    exposed = "select exposure_micros, rentals_open, xmin::text from supplier"
    before = await row(desk, exposed)
    assert before[:2] == (1_500_000, 1)
    await purses.refresh_exposure(desk)
    assert await row(desk, exposed) == before
    async with desk.db.connection() as tx:
        await tx.execute(
            "insert into asking (activation_id, source_id, offer_id, cost_max, operators, excluded_prefixes)"
            " values (99, %s, 1, 0.5, '{}', '{}')",
            [source_id],
        )
    await purses.refresh_exposure(desk)
    await desk.refresh_prices()
    supplier = desk.book.named("up")
    assert supplier is not None
    assert ((await survey.lines(desk))[0].state, supplier.is_offered()) == ("at its exposure cap", False)
    async with desk.db.connection() as tx:
        await tx.execute("delete from asking")
        await tx.execute("update activation set state = 'received' where public_id = 5")
    await purses.refresh_exposure(desk)
    await desk.refresh_prices()
    assert (await row(desk, exposed))[:2] == (0, 0)
    assert supplier.is_offered()


async def test_only_a_crossed_cap_is_announced(desk: Desk, url: str, database_url: str) -> None:
    """Processes load their prices anew when a supplier comes or goes, not with every rental."""
    await add(desk, url, exposure_cap_micros=2 * UNIT)
    source_id = await source(desk)
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen ringlet")
        told = []
        for activation_id, cost in ((1, "1"), (2, "0.5"), (3, "0.5"), (4, "1")):
            async with desk.db.connection() as tx:
                await tx.execute(
                    "insert into asking (activation_id, source_id, offer_id, cost_max, operators, excluded_prefixes)"
                    " values (%s, %s, 1, %s, '{}', '{}')",
                    [activation_id, source_id, cost],
                )
            await purses.refresh_exposure(desk)
            told.append(len(list(listener.notifies(timeout=0.2))))
    assert told == [0, 0, 1, 0]


async def test_postings_are_summed_up_behind_a_mark(desk: Desk, url: str) -> None:
    """Folding changes no balance, and takes nothing of the last minute."""
    await add(desk, url)
    await purses.compare(desk, "up")
    await charge(desk, "1", "0.02")
    async with desk.db.connection() as tx:
        before = await purse.purse(tx, await source(desk))
        await purses.fold(desk)
        assert await purse.purse(tx, await source(desk)) == before
        await tx.execute("alter table supplier_posting disable trigger user")
        await tx.execute("update supplier_posting set created_at = created_at - interval '2 minutes'")
    await charge(desk, "2", "0.03")
    async with desk.db.connection() as tx:
        before = await purse.purse(tx, await source(desk))
        await purses.fold(desk)
        assert await purse.purse(tx, await source(desk)) == before
    assert (await row(desk, "select prepaid_micros, cost_micros from supplier_tally")) == (99_980_000, 20_000)


async def test_a_paused_suppliers_balance_is_still_watched(desk: Desk, url: str) -> None:
    """Its money lies there all the same."""
    await add(desk, url)
    await enlist.pause(desk, "up")
    await purses.check_balances(desk)
    assert (await survey.lines(desk))[0].balance_micros == 100 * UNIT


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ("update rental set state = 'returned'", "1 charges, 0 refunds"),
        ("update rental set cost = cost + 0.1", "1 charges"),
        ("delete from rental", "not there"),
        (("insert into supplier_posting (source_id, kind, giver, taker, amount_micros, supplier_ref)"
         " select source_id, 'refund', 'cost', 'prepaid', 20000, '1' from supplier"), "1 refunds"),
    ],
)  # fmt: skip
async def test_the_audit_finds_a_rental_that_was_booked_wrongly(
    desk: Desk, url: str, database_url: str, breaks: str, says: str
) -> None:
    """A charge for each rental at its cost, a refund for each that was returned."""
    await add(desk, url)
    await charge(desk, "1", "0.02")
    assert audit.run(database_url) == []
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(breaks.encode())
    assert says in " ".join(breach.what for breach in audit.run(database_url))


async def test_a_long_past_is_summed_up_in_parts(desk: Desk, url: str) -> None:
    """Two at a time: the same sums as all at once, and it says when there is more."""
    await add(desk, url)
    source_id = await source(desk)
    async with desk.db.transaction() as tx:
        await tx.execute(
            "insert into supplier_posting (source_id, kind, giver, taker, amount_micros, actor, created_at)"
            " select %s, 'deposit', 'outside', 'prepaid', (10 ^ i)::bigint, 'test', now() - interval '1 hour'"
            " from generate_series(0, 4) as i",
            [source_id],
        )
        before = await purse.purse(tx, source_id)
        assert [await purse.fold(tx, 2) for _ in range(4)] == [1, 1, 0, 0]
        assert await purse.purse(tx, source_id) == before
        row = await (await tx.execute("select prepaid_micros from supplier_tally")).fetchone()
    assert row == (11_111,)
