"""Event streams: everything, once, in order, to its owner alone, whatever happens to readers, news and processes."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.errors import ServiceUnavailable
from ringlet.ledger import Wallet
from ringlet.web import listen, streams
from ringlet.web.door import Door
from tests.listeners import Listener, connect, open_door
from tests.site import Shop, Site

IG = Order(service="ig", country=6)


@pytest.fixture
async def door(desk: Desk, shop: Shop) -> AsyncIterator[Door]:
    async with open_door(desk) as opened:
        yield opened


async def bought(desk: Desk, wallet: Wallet) -> Activation:
    return (await buy(desk, wallet, IG)).activation


async def test_an_activation_is_told_from_begin_to_end(desk: Desk, shop: Shop, door: Door) -> None:
    """Bought, message, completed: each with its id and what was true at that moment."""
    client = await Listener(door, shop.alice_key).opened()
    activation = await bought(desk, shop.alice)
    await shop.push(desk, activation, "Your code is 1234")
    told = await client.events(3)
    assert [each.event for each in told] == [
        "activation.created", "activation.message", "activation.completed",
    ]  # fmt: skip
    assert [each.event for each in told] == [each["type"] for each in told]
    ids = [each.id for each in told]
    assert ids == sorted(set(ids))
    assert ids == [each["data"]["sequence"] for each in told]
    of_each = [each["data"]["activation"] for each in told]
    assert {each["activation_id"] for each in of_each} == {str(activation.public_id)}
    assert [(each["state"], each["code"]) for each in of_each] == [
        ("waiting", None), ("waiting", None), ("received", "1234"),
    ]  # fmt: skip
    assert told[1]["data"]["message"]["code"] == "1234"
    await client.leave()


async def test_the_head_of_a_stream(door: Door, shop: Shop) -> None:
    """The type of a stream, kept by nobody on the way, and how soon to come again."""
    client = await Listener(door, shop.alice_key).opened()
    assert client.status == 200
    assert client.headers["content-type"].startswith("text/event-stream")
    assert (client.headers["cache-control"], client.headers["x-accel-buffering"]) == ("no-store", "no")
    assert client.text.startswith("retry: 2000\n\n")
    await client.leave()


async def test_a_silent_stream_beats(door: Door, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment from time to time keeps the connection alive and shows both ends that it is."""
    monkeypatch.setattr(listen, "HEARTBEAT_S", 0.05)
    client = await Listener(door, shop.alice_key).opened()
    await client.until(lambda: client.text.count(":\x20\n\n") >= 3)
    assert client.told == []
    await client.leave()


async def test_everybody_hears_of_his_own_only(desk: Desk, shop: Shop, door: Door) -> None:
    """Neither another customer nor the same one's other mode."""
    alice = await Listener(door, shop.alice_key).opened()
    rehearsal = await Listener(door, shop.alice_test_key).opened()
    bob = await Listener(door, shop.bob_key, 0).opened()
    mine = await bought(desk, shop.alice)
    rehearsed = await bought(desk, shop.rehearsal)
    his = await bought(desk, shop.bob)
    for client, activation in ((alice, mine), (rehearsal, rehearsed), (bob, his)):
        told = await client.events(1)
        assert [each["data"]["activation"]["activation_id"] for each in told] == [str(activation.public_id)]
    nosy = await Listener(door, shop.bob_key, alice.told[0].id and alice.told[0].id - 1).opened()
    await asyncio.sleep(0.2)
    assert {each["data"]["activation"]["activation_id"] for each in nosy.told} <= {str(his.public_id)}
    assert [len(each.told) for each in (alice, rehearsal, bob)] == [1, 1, 1]
    for client in (alice, rehearsal, bob, nosy):
        await client.leave()


async def test_who_does_not_read_is_cut_and_the_others_are_not(
    desk: Desk, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue is bounded: the slow one is let go and resumes where he was; nobody waits for him."""
    monkeypatch.setattr(streams, "PENDING_MAX", 5)
    slow, quick = await Listener(door, shop.alice_key).opened(), await Listener(door, shop.alice_key).opened()
    slow.reads.clear()
    for _ in range(4):
        await shop.push(desk, await bought(desk, shop.alice), "Your code is 1234")
    assert len(await quick.events(12)) == 12
    await asyncio.wait_for(slow.task, 10)
    assert not quick.task.done()
    slow.reads.set()
    last_id = slow.told[-1].id if slow.told else 0
    again = await Listener(door, shop.alice_key, last_id).opened()
    assert len(await again.events(12 - len(slow.told))) == 12 - len(slow.told)
    await quick.leave()
    await again.leave()


async def test_a_burst_is_no_reason_to_cut(
    desk: Desk, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many events at once are not the reader's fault."""
    monkeypatch.setattr(streams, "PENDING_MAX", 3)
    client = await Listener(door, shop.alice_key).opened()
    with psycopg.connect(desk.db.conninfo) as connection:
        connection.execute("insert into event (wallet_id, type, data) select %s, 'balance.low', '{}' from generate_series(1, 500)",
                           [shop.alice.id])  # fmt: skip
        connection.execute("select pg_notify('ringlet', %s)", [f"event {shop.alice.id}"])
    ids = [each.id for each in await client.events(500)]
    assert ids == sorted(set(ids))
    await client.leave()


async def test_with_the_news_in_doubt_the_database_is_asked(
    desk: Desk, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listening connection is gone and does not come back: events come a little later, and once."""
    client = await Listener(door, shop.alice_key).opened()
    monkeypatch.setattr("ringlet.feed.RECONNECT_PAUSE_S", 5)
    with psycopg.connect(desk.db.conninfo, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ringlet feed'"
                           " and datname = current_database()")  # fmt: skip
    async with asyncio.timeout(10):
        while desk.feed.sound:
            await asyncio.sleep(0.01)
    await bought(desk, shop.alice)
    await client.events(1, within_s=3)
    assert not desk.feed.sound
    await asyncio.sleep(1.2)
    assert len(client.told) == 1
    await client.leave()


async def test_a_stream_outlives_its_database(desk: Desk, shop: Shop, door: Door) -> None:
    """Every connection is cut, as by a restart: the stream stays open and goes on without a gap or a repetition."""
    client = await Listener(door, shop.alice_key).opened()
    activation = await bought(desk, shop.alice)
    await client.events(1)
    with psycopg.connect(desk.db.conninfo, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                           " and pid <> pg_backend_pid()")  # fmt: skip
        connection.execute(
            "insert into event (wallet_id, type, data) values (%s, 'topup.succeeded', '{}')", [shop.alice.id]
        )
    async with asyncio.timeout(10):
        while not desk.feed.sound:
            await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(ServiceUnavailable):
                await shop.push(desk, activation, "Your code is 1234")
                break
    told = await client.events(4)
    assert [each.event for each in told] == [
        "activation.created", "topup.succeeded", "activation.message", "activation.completed",
    ]  # fmt: skip
    await client.leave()


async def test_what_tries_a_webhook_is_no_news(desk: Desk, shop: Shop, door: Door) -> None:
    """An event that was written for an endpoint alone is not told here."""
    client = await Listener(door, shop.alice_key).opened()
    with psycopg.connect(desk.db.conninfo) as connection:
        connection.execute(
            "insert into event (wallet_id, type, data) values (%s, 'webhook.test', '{}')", [shop.alice.id]
        )
        connection.execute("select pg_notify('ringlet', %s)", [f"event {shop.alice.id}"])
    await bought(desk, shop.alice)
    assert [each.event for each in await client.events(1)] == ["activation.created"]
    await client.leave()


async def test_a_revoked_key_ends_its_streams(
    desk: Desk, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the next heartbeat, while another key of the same account goes on."""
    monkeypatch.setattr(listen, "HEARTBEAT_S", 0.05)
    client, other = await Listener(door, shop.alice_key).opened(), await Listener(door, shop.bob_key).opened()
    with psycopg.connect(desk.db.conninfo, autocommit=True) as connection:
        connection.execute("update api_key set revoked_at = now() where wallet_id = %s", [shop.alice.id])
        connection.execute("select pg_notify('ringlet', 'keys ')")
    await client.until(lambda: client.is_over)
    assert not other.task.done()
    await other.leave()


async def test_the_end_of_the_process_ends_streams_in_good_order(door: Door, shop: Shop) -> None:
    """With the last chunk, at once, also one that is opened meanwhile."""
    client = await Listener(door, shop.alice_key).opened()
    began = time.monotonic()
    door.end()
    await asyncio.wait_for(client.task, 10)
    assert client.is_over
    late = Listener(door, shop.alice_key)
    await asyncio.wait_for(late.task, 10)
    assert late.is_over
    assert time.monotonic() - began < 1


async def test_who_leaves_leaves_nothing_behind(door: Door, shop: Shop) -> None:
    """Hubs are for those who listen."""
    clients = [await Listener(door, shop.alice_key).opened() for _ in range(3)]
    assert len(door._office.streams) == 3
    for each in clients:
        await each.leave()
    assert len(door._office.streams) == 0
    assert door._office.streams._hubs == {}


async def test_listening_has_events_written_for_a_day(desk: Desk, shop: Shop, door: Door) -> None:
    """Only for wallets that somebody listens to; open streams renew it."""

    def left() -> dict[int, float]:
        with psycopg.connect(desk.db.conninfo) as connection:
            rows = connection.execute(
                "select id, extract(epoch from listens_until - now())::float8 from wallet where listens_until is not null"
            ).fetchall()
            return {row[0]: row[1] for row in rows}

    assert left() == {}
    client = await Listener(door, shop.alice_key).opened()
    assert list(left()) == [shop.alice.id]
    assert left()[shop.alice.id] == pytest.approx(24 * 3600, abs=60)
    with psycopg.connect(desk.db.conninfo) as connection:
        connection.execute("update wallet set listens_until = now() where id = %s", [shop.alice.id])
    await door._office.streams.renew()
    assert left()[shop.alice.id] == pytest.approx(24 * 3600, abs=60)
    with psycopg.connect(desk.db.conninfo) as connection:
        connection.execute("update wallet set listens_until = 'infinity' where id = %s", [shop.alice.id])
    await door._office.streams.renew()
    assert left()[shop.alice.id] == float("inf")
    await client.leave()


async def test_what_is_refused(desk: Desk, shop: Shop, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the contract's form, before a stream begins: a bad id, a missing scope, too many streams."""
    bad = Listener(door, shop.alice_key, query="last_event_id=seven")
    await bad.task
    assert (bad.status, '"last_event_id"' in bad.text) == (422, True)
    monkeypatch.setattr(streams, "STREAMS_MAX", 1)
    one = await Listener(door, shop.alice_key).opened()
    two = Listener(door, shop.alice_key)
    await two.task
    assert (two.status, '"rate_limited"' in two.text) == (429, True)
    await one.leave()
    with psycopg.connect(desk.db.conninfo, autocommit=True) as connection:
        connection.execute("update api_key set scopes = '{balance:read}'")
        connection.execute("select pg_notify('ringlet', 'keys ')")
    await asyncio.sleep(0.3)
    barred = Listener(door, shop.alice_key)
    await barred.task
    assert (barred.status, '"forbidden"' in barred.text) == (403, True)


async def test_three_hundred_streams_of_a_whole_installation(site: Site) -> None:
    """Each hears of a purchase within a second or two, and the processes end at once all the same."""
    opened = await asyncio.gather(*(connect(site.port, site.demo["api_key"]) for _ in range(300)))
    status, body, _ = await asyncio.to_thread(
        site.call, "POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6}
    )
    assert status == 200
    wanted = body["activation"]["activation_id"].encode()
    async with asyncio.timeout(10):
        for reader, _ in opened:
            assert wanted in await reader.readuntil(b'"activation.created"') + await reader.readuntil(b"\n\n")
    began = time.monotonic()
    await asyncio.to_thread(site.stop)
    assert time.monotonic() - began < 5
    for reader, writer in opened:
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()


async def test_who_does_not_read_his_socket_is_cut(site: Site) -> None:
    """What the kernel and the server keep for him is bounded; the connection ends and he may resume."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", site.port))
    one.sendall(
        f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.demo['api_key']}\r\n\r\n".encode()
    )
    assert b"200 OK" in one.recv(64)
    with psycopg.connect(site.environment["DATABASE_URL"]) as connection:
        connection.execute("insert into event (wallet_id, type, data) select wallet_id, 'balance.low', jsonb_build_object('x', repeat('x', 1000))"
                           " from (select id as wallet_id from wallet where listens_until is not null) w, generate_series(1, 20000)")  # fmt: skip
        connection.execute(
            "select pg_notify('ringlet', 'event ' || id) from wallet where listens_until is not null"
        )
    await asyncio.sleep(5)
    one.settimeout(20)
    got = b""
    while part := await asyncio.to_thread(one.recv, 1 << 20):
        got += part
    one.close()
    told = got.count(b"event: balance.low")
    assert 0 < told < 20_000
