"""Status answers from memory: as true as the database, whatever happens to the news."""

import asyncio
import json

import psycopg
import pytest

from ringlet.activations import cancel
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.settings import Settings
from ringlet.web.statuses import Statuses
from tests.site import Shop

IG = Order(service="ig", country=6)


@pytest.fixture
async def statuses(desk: Desk, shop: Shop) -> Statuses:
    made = Statuses(desk)
    await until_sound(desk)
    return made


async def until_sound(desk: Desk) -> None:
    async with asyncio.timeout(10):
        while not desk.feed.sound:
            await asyncio.sleep(0.01)


async def ask(statuses: Statuses, shop: Shop, public_id: int, wait_s: int = 0) -> dict:
    return json.loads(await statuses.answer(shop.alice, public_id, wait_s))


async def test_a_waiting_client_hears_of_the_code(desk: Desk, shop: Shop, statuses: Statuses) -> None:
    """The long poll answers with the code as soon as the message is in."""
    activation = (await buy(desk, shop.alice, IG)).activation
    waiting = asyncio.create_task(ask(statuses, shop, activation.public_id, 60))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await shop.push(desk, activation, "Your code is 1234")
    assert (await asyncio.wait_for(waiting, 10))["code"] == "1234"


async def test_waiting_holds_no_connection(desk: Desk, shop: Shop, statuses: Statuses) -> None:
    """A hundred clients wait while the pool has eight connections, and others are still served."""
    activation = (await buy(desk, shop.alice, IG)).activation
    waiting = [asyncio.create_task(ask(statuses, shop, activation.public_id, 60)) for _ in range(100)]

    def all_wait_and_the_pool_is_free() -> bool:
        stats = desk.db.pool.get_stats()
        is_free = stats["pool_available"] == stats["pool_size"] and not stats.get("requests_waiting")
        return len(statuses._waiting.get(activation.public_id, ())) == len(waiting) and is_free

    async with asyncio.timeout(20):
        while not all_wait_and_the_pool_is_free():
            await asyncio.sleep(0.01)
    await cancel.cancel(desk, shop.alice.id, activation.public_id)
    assert {each["status"] for each in await asyncio.gather(*waiting)} == {"cancelled"}


async def test_what_is_kept_is_dropped_when_it_changes(desk: Desk, shop: Shop, statuses: Statuses) -> None:
    """An answer from memory never outlives the news of a change."""
    activation = (await buy(desk, shop.alice, IG)).activation
    assert (await ask(statuses, shop, activation.public_id))["status"] == "waiting"
    assert activation.public_id in statuses._kept
    await cancel.cancel(desk, shop.alice.id, activation.public_id)
    async with asyncio.timeout(10):
        while (await ask(statuses, shop, activation.public_id))["status"] != "cancelled":
            await asyncio.sleep(0.001)


async def test_with_the_news_in_doubt_nothing_is_kept(desk: Desk, shop: Shop, statuses: Statuses) -> None:
    """The listening connection is cut: every answer comes from the database until it stands again."""
    activation = (await buy(desk, shop.alice, IG)).activation
    await ask(statuses, shop, activation.public_id)
    with psycopg.connect(desk.db.conninfo, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ringlet feed'"
                           " and datname = current_database()")  # fmt: skip
        async with asyncio.timeout(10):
            while desk.feed.sound:
                await asyncio.sleep(0.001)
        assert statuses._kept == {}
        connection.execute("update activation set code = '999' where public_id = %s", [activation.public_id])
    assert (await ask(statuses, shop, activation.public_id))["code"] == "999"
    await until_sound(desk)
    assert (await ask(statuses, shop, activation.public_id))["code"] == "999"


async def test_a_look_up_that_news_overtakes_is_not_kept(desk: Desk, shop: Shop, statuses: Statuses) -> None:
    """What was read before a change and arrives after its news must not become the copy."""
    activation = (await buy(desk, shop.alice, IG)).activation
    looking = asyncio.create_task(ask(statuses, shop, activation.public_id))
    while activation.public_id not in statuses._marks:
        await asyncio.sleep(0)
    statuses.changed(activation.public_id)
    assert (await looking)["status"] == "waiting"
    assert activation.public_id not in statuses._kept


async def test_a_kept_answer_is_only_for_its_owner(desk: Desk, shop: Shop, statuses: Statuses) -> None:
    """Somebody else's activation is not found, in memory as in the database."""
    activation = (await buy(desk, shop.alice, IG)).activation
    await ask(statuses, shop, activation.public_id)
    with pytest.raises(NotFound):
        await statuses.answer(shop.bob, activation.public_id, 0)


async def test_what_is_kept_is_bounded(
    desk: Desk, shop: Shop, statuses: Statuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the history."""
    monkeypatch.setattr("ringlet.web.statuses.KEPT_MAX", 3)
    for _ in range(6):
        await ask(statuses, shop, (await buy(desk, shop.alice, IG)).activation.public_id)
    assert len(statuses._kept) == 3
    assert statuses._marks == {}


async def test_a_restart_of_the_desk_begins_sound(settings: Settings, desk: Desk) -> None:
    """The feed connects by itself and says so."""
    await until_sound(desk)
    assert settings.database_url == desk.db.conninfo
