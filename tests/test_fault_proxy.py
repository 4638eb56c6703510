"""The handler-api adapter through a network that misbehaves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web

from ringlet.suppliers import wire
from ringlet.suppliers.handler_api import HandlerApi
from ringlet.suppliers.port import Account, NotSent, OutcomeUnknown, Wanted
from ringlet.suppliers.wire import Line
from tests.fakes import supplier
from tests.fakes.proxy import Proxy, Toxic
from tests.fakes.warehouse import Warehouse

pytestmark = pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")

WANTED = Wanted("6", "ig", Decimal(1), "order-1")


@pytest.fixture
async def warehouse() -> Warehouse:
    made = Warehouse(seed=3)
    made.stock("6", "ig", "0.05", 10)
    return made


@pytest.fixture
async def port(warehouse: Warehouse) -> AsyncIterator[int]:
    """Where the supplier listens."""
    runner = web.AppRunner(supplier.make("handler-api", warehouse), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@asynccontextmanager
async def through(port: int, toxic: Toxic, *, deadline_s: float = 3) -> AsyncIterator[HandlerApi]:
    async with Proxy("127.0.0.1", port, toxic, seed=7) as proxy, wire.open_session() as session:
        url = f"http://127.0.0.1:{proxy.port}/stubs/handler_api.php"
        line = Line(session, url, deadline_s=deadline_s, per_s=10_000)
        yield HandlerApi(line, Account(supplier.KEY))


@pytest.mark.parametrize(
    "toxic",
    [
        Toxic(),
        Toxic(latency_s=0.05, jitter_s=0.1),
        Toxic(slice_bytes=3),
        Toxic(slice_bytes=40, latency_s=0.005, jitter_s=0.005),
        Toxic(cut_after_bytes=100_000),
    ],
    ids=str,
)
async def test_a_bad_network_still_rents(warehouse: Warehouse, port: int, toxic: Toxic) -> None:
    """Late and sliced answers within the deadline are read like any other."""
    async with through(port, toxic) as adapter:
        rented = await adapter.rent(WANTED)
        assert [held.ref for held in await adapter.held([])] == [rented.ref]
    assert list(warehouse.allotments) == [rented.ref]


@pytest.mark.parametrize(
    "toxic",
    [
        Toxic(is_black_hole=True),
        Toxic(is_reset=True),
        Toxic(latency_s=2),
        Toxic(slice_bytes=2, latency_s=0.05),
        *(Toxic(cut_after_bytes=count) for count in (0, 5, 60, 180, 300)),
    ],
    ids=str,
)
async def test_a_lost_answer_is_an_unknown_outcome(warehouse: Warehouse, port: int, toxic: Toxic) -> None:
    """The supplier allotted once and we do not know: asked over a sound network, it tells."""
    async with through(port, toxic, deadline_s=0.4) as adapter:
        with pytest.raises(OutcomeUnknown):
            await adapter.rent(WANTED)
    assert (len(warehouse.allotments), warehouse.requests) == (1, {"getNumberV2": 1})
    async with through(port, Toxic()) as adapter:
        assert [held.ref for held in await adapter.held([])] == list(warehouse.allotments)


async def test_a_network_that_is_down_is_not_sent(warehouse: Warehouse, port: int) -> None:
    """Nobody listens: nothing happened, and the next supplier may be asked."""
    async with through(port, Toxic(is_down=True)) as adapter:
        with pytest.raises(NotSent):
            await adapter.rent(WANTED)
    assert warehouse.requests == {}


async def test_a_supplier_behind_a_working_proxy_that_is_gone(unused_tcp_port: int) -> None:
    """A middle box accepted the connection and broke it: the request may have gone further."""
    async with through(unused_tcp_port, Toxic()) as adapter:
        with pytest.raises(OutcomeUnknown):
            await adapter.rent(WANTED)


async def test_the_same_seed_is_the_same_network() -> None:
    """A failure under a toxic can be played again."""
    first, second = (Proxy("127.0.0.1", 1, Toxic(jitter_s=1), seed=5) for _ in range(2))
    assert first._random.random() == second._random.random()
