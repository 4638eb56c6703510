"""The worker's jobs: several at once do nothing twice, one bad row stops no other, every job is bounded."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator

import psycopg
import pytest

from ringlet import accounts, idempotency, ledger, worker
from ringlet.activations import browse, rehearse, watch
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.errors import NoNumbers
from ringlet.idempotency import Once
from ringlet.settings import Settings
from ringlet.suppliers import stock
from tests.crowd import chance, desks_of
from tests.site import PRICE_MICROS, Shop, fill_shop

pytestmark = pytest.mark.usefixtures("breaches")

IG = Order(service="ig", country=6)
LIVE_MICROS = 100_000_000
TEST_MICROS = 1_000_000_000


@pytest.fixture
async def desks(settings: Settings, database_url: str) -> AsyncIterator[list[Desk]]:
    """Four desks on one database, as four worker processes would have them."""
    async with desks_of(settings, database_url, 4) as opened:
        yield opened


async def money(desk: Desk, wallet: ledger.Wallet) -> tuple[int, int]:
    async with desk.db.connection() as tx:
        found = await ledger.balance(tx, wallet.id)
    return found.available_micros, found.held_micros


async def let_time_pass(desk: Desk, seconds: int = 10_000) -> None:
    """Move everything that is open or planned into the past instead of waiting."""
    async with desk.db.connection() as tx:
        await tx.execute(
            "update activation set created_at = created_at - make_interval(secs => %(s)s),"
            " expires_at = expires_at - make_interval(secs => %(s)s),"
            " due_at = due_at - make_interval(secs => %(s)s) where due_at is not null",
            {"s": seconds},
        )
        await tx.execute(
            "update simulated_message set due_at = due_at - make_interval(secs => %s)", [seconds]
        )


async def buy_many(desk: Desk, wallet: ledger.Wallet, order: Order, count: int) -> list[Activation]:
    bought: list[Bought] = await asyncio.gather(*(buy(desk, wallet, order) for _ in range(count)))
    return [each.activation for each in bought]


async def states(desk: Desk, wallet: ledger.Wallet) -> Counter[State]:
    async with desk.db.connection() as tx:
        rows = await tx.execute("select state from activation where wallet_id = %s", [wallet.id])
        return Counter(State(row[0]) for row in await rows.fetchall())


async def test_four_workers_refund_everything_once(desks: list[Desk]) -> None:
    """120 leases that are over, closed by four workers at once: each is refunded once, each number is free."""
    shop = await fill_shop(desks[0], numbers=150)
    await buy_many(desks[0], shop.alice, IG, 120)
    await let_time_pass(desks[0])
    await asyncio.gather(*(watch.close_due(desk) for desk in desks for _ in range(2)))
    assert await states(desks[0], shop.alice) == {State.EXPIRED: 120}
    assert await money(desks[0], shop.alice) == (LIVE_MICROS, 0)
    assert await watch.close_due(desks[0]) == 0
    assert len(await buy_many(desks[0], shop.alice, IG, 150)) == 150


async def test_four_workers_push_every_planned_message_once(desks: list[Desk]) -> None:
    """60 simulated activations with two codes each, pushed by four workers: each message once, each charged once."""
    shop = await fill_shop(desks[0])
    order = Order(service="test_two_codes", country=6)
    bought = await buy_many(desks[0], shop.rehearsal, order, 60)
    await let_time_pass(desks[0], seconds=30)
    await asyncio.gather(*(rehearse.push_due(desk) for desk in desks for _ in range(2)))
    for activation in bought:
        seen = await browse.look(desks[0], shop.rehearsal.id, activation.public_id)
        assert (seen.activation.state, len(seen.messages)) == (State.RECEIVED, 2)
    paid = sum(activation.amount_micros for activation in bought)
    assert paid > 0
    assert await money(desks[0], shop.rehearsal) == (TEST_MICROS - paid, 0)


async def test_unknown_outcomes_are_found_out_once(desks: list[Desk]) -> None:
    """Orders whose outcome at the supplier is unknown become leases, by whichever of four workers comes first."""
    shop = await fill_shop(desks[0])
    bought = await buy_many(desks[0], shop.rehearsal, Order(service="test_timeout", country=6), 30)
    assert {activation.state for activation in bought} == {State.ORDERING}
    await let_time_pass(desks[0], seconds=4)
    await asyncio.gather(*(watch.close_due(desk) for desk in desks))
    assert await states(desks[0], shop.rehearsal) == {State.WAITING: 30}
    assert (await money(desks[0], shop.rehearsal))[1] == sum(each.amount_micros for each in bought)


async def break_books(desk: Desk, wallet: ledger.Wallet, change_micros: int) -> None:
    """What a bug or a hand in the database may do: the held balance is not what the postings say."""
    async with desk.db.connection() as tx:
        await tx.execute(
            "update ledger_account set balance_micros = balance_micros + %s where id = %s",
            [change_micros, wallet.held_id],
        )


async def test_a_lease_that_cannot_be_closed_stops_no_other(desk: Desk, shop: Shop) -> None:
    """A customer whose books are broken waits for the operator; everybody else is refunded meanwhile."""
    await buy_many(desk, shop.bob, IG, 3)
    await buy_many(desk, shop.alice, IG, 20)
    await let_time_pass(desk)
    await break_books(desk, shop.bob, -3 * PRICE_MICROS)
    for _ in range(2):
        await watch.close_due(desk)
    assert await money(desk, shop.alice) == (LIVE_MICROS, 0)
    assert await states(desk, shop.bob) == {State.WAITING: 3}
    await break_books(desk, shop.bob, 3 * PRICE_MICROS)
    await let_time_pass(desk, seconds=watch.POSTPONED_S)
    assert await watch.close_due(desk) == 3
    assert await money(desk, shop.bob) == (LIVE_MICROS, 0)


async def test_many_leases_that_cannot_be_closed_stop_no_other(
    desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when there are more of them than one round takes up."""
    monkeypatch.setattr(watch, "BATCH", 10)
    await buy_many(desk, shop.bob, IG, watch.BATCH)
    await let_time_pass(desk)
    await buy_many(desk, shop.alice, IG, 5)
    await let_time_pass(desk)
    held = watch.BATCH * PRICE_MICROS
    await break_books(desk, shop.bob, -held)
    for _ in range(3):
        await watch.close_due(desk)
    refunded = await money(desk, shop.alice)
    await break_books(desk, shop.bob, held)
    await let_time_pass(desk, seconds=watch.POSTPONED_S)
    while await watch.close_due(desk):
        pass
    assert refunded == (LIVE_MICROS, 0)


async def test_a_message_that_cannot_be_pushed_stops_no_other(desk: Desk, shop: Shop) -> None:
    """A simulated message that fails is tried again later, and the others arrive."""
    ordinary = Order(service="ig", country=6)
    broken = (await buy(desk, shop.rehearsal, ordinary)).activation
    await let_time_pass(desk, seconds=30)
    # Its hold is gone, so that the capture fails; a second customer of test mode is not concerned.
    await break_books(desk, shop.rehearsal, -broken.amount_micros)
    other = await _another_rehearsal(desk)
    bought = (await buy(desk, other, ordinary)).activation
    await let_time_pass(desk, seconds=30)
    for _ in range(3):
        await worker._round(desk, worker.JOBS[1])
    state = (await browse.look(desk, other.id, bought.public_id)).activation.state
    await break_books(desk, shop.rehearsal, broken.amount_micros)
    await rehearse.push_due(desk)
    await watch.close_due(desk)
    assert state == State.RECEIVED
    seen = await browse.look(desk, shop.rehearsal.id, broken.public_id)
    assert len(seen.messages) == 1


async def _another_rehearsal(desk: Desk) -> ledger.Wallet:
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute(
                "select w.id from wallet w join customer c on c.id = w.customer_id"
                " where c.email = 'bob@example.org' and w.mode = 'test'"
            )
        ).fetchone()
        assert row is not None
        return await ledger.wallet(tx, row[0])


async def test_a_message_and_the_end_of_the_lease_at_once(desk: Desk) -> None:
    """The code is charged or the lease is refunded, never both and never neither, 200 times."""
    shop = await fill_shop(desk, numbers=250)
    rng = chance("message and expiry")
    bought = await buy_many(desk, shop.alice, IG, 200)
    outcomes: Counter[State] = Counter()
    for number, activation in enumerate(bought):
        async with desk.db.connection() as tx:
            await tx.execute("update activation set due_at = now() where id = %s", [activation.id])
        await asyncio.gather(
            _late(rng.random() * 0.004, shop.push(desk, activation, f"Your code is {4000 + number}")),
            _late(rng.random() * 0.004, watch.close_due(desk)),
        )
        seen = await browse.look(desk, shop.alice.id, activation.public_id)
        outcomes[seen.activation.state] += 1
        expired = seen.activation.state == State.EXPIRED
        assert expired or seen.activation.state == State.RECEIVED
        assert len(seen.messages) == (0 if expired else 1)
    assert min(outcomes.values()) >= 1, outcomes
    assert len(outcomes) == 2, outcomes
    paid = outcomes[State.RECEIVED] * PRICE_MICROS
    assert await money(desk, shop.alice) == (LIVE_MICROS - paid, 0)


async def _late(delay_s: float, work: object) -> object:
    await asyncio.sleep(delay_s)
    return await work  # type: ignore[misc]


async def test_rested_numbers_wake_once_and_in_bounds(desks: list[Desk]) -> None:
    """Numbers whose rest is over are on sale again, each woken by one of four workers; the others rest on."""
    shop = await fill_shop(desks[0], numbers=40)
    for activation in await buy_many(desks[0], shop.alice, IG, 40):
        await shop.push(desks[0], activation, "Your code is 1234")
    await let_time_pass(desks[0])
    assert await watch.close_due(desks[0]) == 40
    with pytest.raises(NoNumbers):
        await buy(desks[0], shop.bob, IG)

    async def wake(desk: Desk, limit: int) -> int:
        async with desk.db.transaction() as tx:
            return await stock.wake_rested(tx, limit)

    assert await wake(desks[0], 1000) == 0
    async with desks[0].db.connection() as tx:
        await tx.execute(
            "update stock set due_at = now() - interval '1 s' where state = 'resting' and number_id in"
            " (select number_id from stock where state = 'resting' order by number_id limit 30)"
        )
    woken = await asyncio.gather(*(wake(desk, 10) for desk in desks))
    assert max(woken) <= 10
    while more := await wake(desks[0], 10):
        woken.append(more)
    assert sum(woken) == 30
    assert len(await buy_many(desks[0], shop.bob, IG, 30)) == 30
    with pytest.raises(NoNumbers):
        await buy(desks[0], shop.bob, IG)


async def test_the_stock_figure_follows_the_shelves(desk: Desk, shop: Shop) -> None:
    """What the price list shows as available is what is free, after the worker has counted."""
    count = next(job for job in worker.JOBS if job.name == "count_stock")
    await buy_many(desk, shop.alice, IG, 7)
    await count.work(desk)
    await desk.refresh_prices()
    assert [available(desk, service) for service in ("ig", "wa")] == [43, 50]
    await let_time_pass(desk)
    await watch.close_due(desk)
    await count.work(desk)
    await desk.refresh_prices()
    assert available(desk, "ig") == 50


def available(desk: Desk, service: str) -> int | None:
    (offer,) = desk.prices.shop.cell(6, service)
    return offer.available


async def test_old_keys_are_forgotten_in_bounds(desks: list[Desk]) -> None:
    """Keys past their 72 hours go, so many at once; younger ones stay and still replay."""
    shop = await fill_shop(desks[0])
    for number in range(30):
        await buy(desks[0], shop.alice, IG, Once(shop.alice.id, f"key-{number}", b"same"))
    async with desks[0].db.connection() as tx:
        await tx.execute(
            "update idempotency set created_at = now() - interval '72 hours 1 second'"
            " where key <> all (array['key-0', 'key-1', 'key-2', 'key-3', 'key-4'])"
        )

    async def forget(desk: Desk) -> int:
        async with desk.db.transaction() as tx:
            return await idempotency.forget_old(tx, 4)

    forgotten = await asyncio.gather(*(forget(desk) for desk in desks))
    assert max(forgotten) <= 4
    while more := await forget(desks[0]):
        assert more <= 4
        forgotten.append(more)
    assert sum(forgotten) == 25
    again = await buy(desks[0], shop.alice, IG, Once(shop.alice.id, "key-0", b"same"))
    assert again.replayed
    anew = await buy(desks[0], shop.alice, IG, Once(shop.alice.id, "key-9", b"same"))
    assert not anew.replayed


async def test_a_worker_that_dies_in_the_middle_leaves_the_rest_due(
    desk: Desk, shop: Shop, settings: Settings, database_url: str
) -> None:
    """Its connections cut while it closes leases: what was closed is closed once, the next worker does the rest."""
    wallets = [shop.alice, shop.bob, *[await customer(desk) for _ in range(10)]]
    for wallet in wallets:
        await buy_many(desk, wallet, IG, 4)
    await let_time_pass(desk)
    dying = asyncio.create_task(watch.close_due(desk))
    with psycopg.connect(database_url, autocommit=True) as outside:
        while not _closed(outside):
            await asyncio.sleep(0.001)
        dying.cancel()
        outside.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await asyncio.gather(dying, return_exceptions=True)
        print(f"{_closed(outside)} of 48 were closed when the worker died")
    async with desks_of(settings, database_url, 1) as (other,):
        await watch.close_due(other)
        for wallet in wallets:
            assert await states(other, wallet) == {State.EXPIRED: 4}
            assert await money(other, wallet) == (LIVE_MICROS, 0)


async def customer(desk: Desk) -> ledger.Wallet:
    """A new customer with as much as alice."""
    email = f"{secrets.token_hex(6)}@example.org"
    made = await accounts.open_account(desk, email, LIVE_MICROS, actor="test")
    async with desk.db.connection() as tx:
        return await ledger.wallet(tx, await accounts.wallet_id(tx, made.id, "live"))


def _closed(outside: psycopg.Connection[tuple[int]]) -> int:
    row = outside.execute("select count(*) from activation where state = 'expired'").fetchone()
    assert row is not None
    return row[0]
