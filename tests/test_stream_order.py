"""Event streams: in the order of their ids although ids are drawn before the commit, and without a gap after a break."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from ringlet.activations import cancel
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.web import streams, tide
from ringlet.web.door import Door
from tests.listeners import Listener, open_door
from tests.site import Shop

IG = Order(service="ig", country=6)


@pytest.fixture
async def door(desk: Desk, shop: Shop) -> AsyncIterator[Door]:
    async with open_door(desk) as opened:
        yield opened


async def bought(desk: Desk, wallet: Wallet) -> Activation:
    return (await buy(desk, wallet, IG)).activation


class Writer:
    """A transaction that writes an event and is not committed yet."""

    def __init__(self, desk: Desk, wallet: Wallet) -> None:
        self._connection = psycopg.connect(desk.db.conninfo)
        row = self._connection.execute(
            "insert into event (wallet_id, type, data) values (%s, 'topup.succeeded', '{}') returning id",
            [wallet.id],
        ).fetchone()
        assert row is not None
        self.id: int = row[0]
        self._connection.execute("select pg_notify('ringlet', %s)", [f"event {wallet.id}"])

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def two_writers(desk: Desk, wallet: Wallet) -> Iterator[tuple[Writer, Writer]]:
    """The first has drawn the lower id."""
    with (
        contextlib.closing(Writer(desk, wallet)) as lower,
        contextlib.closing(Writer(desk, wallet)) as higher,
    ):
        yield lower, higher


async def test_who_comes_again_misses_nothing(desk: Desk, shop: Shop, door: Door) -> None:
    """`Last-Event-ID`, or the parameter, brings what came since that event, once, and then what comes."""
    first = await Listener(door, shop.alice_key).opened()
    one = await bought(desk, shop.alice)
    last_id = (await first.events(1))[0].id
    await first.leave()
    await shop.push(desk, one, "Your code is 1234")
    again = await Listener(door, shop.alice_key, last_id).opened()
    by_address = await Listener(door, shop.alice_key, query=f"last_event_id={last_id}").opened()
    await again.events(2)
    other = await bought(desk, shop.alice)
    for client in (again, by_address):
        told = await client.events(3)
        assert [each.event for each in told] == [
            "activation.message", "activation.completed", "activation.created",
        ]  # fmt: skip
        assert told[2]["data"]["activation"]["activation_id"] == str(other.public_id)
        assert [each.id for each in told] == sorted({each.id for each in told})
        await client.leave()


async def test_a_long_absence_is_caught_up_page_by_page(
    desk: Desk, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More events than are read at once arrive all the same, in order, while a second stream is open."""
    monkeypatch.setattr(streams, "READ_AT_ONCE", 7)
    other = await Listener(door, shop.alice_key).opened()
    for _ in range(10):
        activation = await bought(desk, shop.alice)
        await shop.push(desk, activation, "Your code is 1234")
    ids = [each.id for each in await other.events(30)]
    again = await Listener(door, shop.alice_key, 0).opened()
    assert [each.id for each in await again.events(30)] == ids == sorted(set(ids))
    await again.leave()
    await other.leave()


async def test_an_id_of_the_future_holds_nothing_back(desk: Desk, shop: Shop, door: Door) -> None:
    """After a restore of the database a client may know a higher id than there is."""
    client = await Listener(door, shop.alice_key, 10**17).opened()
    await bought(desk, shop.alice)
    assert (await client.events(1))[0].event == "activation.created"
    await client.leave()


async def test_without_an_id_only_what_comes_from_now_on(desk: Desk, shop: Shop, door: Door) -> None:
    """The past is for those who ask for it."""
    first = await Listener(door, shop.alice_key).opened()
    activation = await bought(desk, shop.alice)
    await first.events(1)
    second = await Listener(door, shop.alice_key).opened()
    await cancel.cancel(desk, shop.alice.id, activation.public_id)
    assert [each.event for each in await second.events(1)] == ["activation.cancelled"]
    await first.leave()
    await second.leave()


async def test_a_lower_id_that_commits_later_comes_first(desk: Desk, shop: Shop, door: Door) -> None:
    """Ids are drawn before the commit: the higher one is held until the lower one is there."""
    client = await Listener(door, shop.alice_key).opened()
    with two_writers(desk, shop.alice) as (lower, higher):
        higher.commit()
        await asyncio.sleep(tide.PATIENCE_S / 3)
        assert client.told == []
        lower.commit()
    assert [each.id for each in await client.events(2)] == [lower.id, higher.id]
    await client.leave()


async def test_a_lower_id_that_is_rolled_back_holds_nothing(desk: Desk, shop: Shop, door: Door) -> None:
    """Ids have gaps."""
    client = await Listener(door, shop.alice_key).opened()
    with two_writers(desk, shop.alice) as (_, higher):
        higher.commit()
    assert [each.id for each in await client.events(1)] == [higher.id]
    await client.leave()


async def test_what_began_before_the_stream_is_told_when_it_ends_after(
    desk: Desk, shop: Shop, door: Door
) -> None:
    """A client that listens and then asks for the status hears of what was under way: nothing falls between."""
    with two_writers(desk, shop.alice) as (lower, higher):
        higher.commit()
        client = await Listener(door, shop.alice_key).opened()
        lower.commit()
    assert [each["data"]["sequence"] for each in await client.events(1)] == [lower.id]
    await client.leave()


async def test_a_stuck_transaction_delays_nobody_and_is_not_lost(desk: Desk, shop: Shop, door: Door) -> None:
    """Past the patience events come without an id: who resumes misses nothing, and who stays hears all once."""
    client = await Listener(door, shop.alice_key).opened()
    with two_writers(desk, shop.alice) as (lower, higher):
        higher.commit()
        early = await client.events(1)
        assert [(each.id, each["data"]["sequence"]) for each in early] == [(None, higher.id)]
        began = time.monotonic()
        await bought(desk, shop.alice)
        await client.events(2)
        assert time.monotonic() - began < tide.PATIENCE_S, (
            "one that is known to be stuck is not waited for again"
        )
        late = await Listener(door, shop.alice_key, 0).opened()
        await late.events(2)
        lower.commit()
    for each in (client, late):
        assert (await each.events(3))[2]["data"]["sequence"] == lower.id
    await bought(desk, shop.alice)
    for each in (client, late):
        told = await each.events(4)
        assert len({one["data"]["sequence"] for one in told}) == len(told) == 4
        assert told[-1].id is not None
        await each.leave()


async def test_whoever_commits_when_nothing_is_lost_or_told_twice(desk: Desk, shop: Shop, door: Door) -> None:
    """Many writers with transactions of all lengths; one client stays, one hangs up and resumes all the time."""
    draw = random.Random(4390520873)
    stays = await Listener(door, shop.alice_key).opened()
    resumed: list[int | None] = []
    is_done = asyncio.Event()

    async def write() -> None:
        async with await psycopg.AsyncConnection.connect(desk.db.conninfo) as connection:
            for _ in range(12):
                await connection.execute(
                    "insert into event (wallet_id, type, data) values (%s, 'balance.low', '{}')",
                    [shop.alice.id],
                )
                await connection.execute("select pg_notify('ringlet', %s)", [f"event {shop.alice.id}"])
                await asyncio.sleep(draw.random() * 0.05)
                await connection.commit()

    async def come_and_go() -> None:
        while not is_done.is_set() or resumed != [each.id for each in stays.told]:
            client = await Listener(door, shop.alice_key, resumed[-1] if resumed else 0).opened()
            await asyncio.sleep(draw.random() * 0.1)
            resumed.extend(each.id for each in client.told)
            await client.leave()

    going = asyncio.create_task(come_and_go())
    await asyncio.gather(*(write() for _ in range(15)))
    ids = [each.id for each in await stays.events(180)]
    is_done.set()
    await asyncio.wait_for(going, 10)
    assert ids == sorted(set(ids)) == resumed
    await stays.leave()
