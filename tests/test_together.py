"""Sales of one moment share a statement, and nobody shares anybody's bad luck."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from ringlet import together
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.desk import Desk
from ringlet.errors import IdempotencyMismatch, InsufficientBalance, NoNumbers, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.together import Together
from tests.site import Shop
from tests.test_races import at_once, customer, kinds

IG = Order(service="ig", country=6)


class Counter:
    """Answers each with its own text, a group at a time, when it is let."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.open = asyncio.Event()

    async def serve(self, asked: Sequence[str]) -> list[str | Exception]:
        self.groups.append(list(asked))
        await self.open.wait()
        return [ValueError(each) if each == "bad" else each.upper() for each in asked]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_while_others_are_served_makes_the_next_group() -> None:
    """Alone: at once. Then one group at a time, of who came meanwhile, everybody with his own answer."""
    gather, counter = Together(), Counter()
    first = asyncio.create_task(gather.ask("a", counter.serve))
    await settle()
    assert counter.groups == [["a"]]
    second = asyncio.create_task(gather.ask("b", counter.serve))
    await settle()
    rest = [asyncio.create_task(gather.ask(each, counter.serve)) for each in ("c", "bad", "d")]
    await settle()
    assert counter.groups == [["a"]]
    counter.open.set()
    results = await asyncio.gather(first, second, *rest, return_exceptions=True)
    assert counter.groups == [["a"], ["b", "c", "bad", "d"]]
    assert [str(each) for each in results] == ["A", "B", "C", "bad", "D"]
    assert isinstance(results[3], ValueError)


async def test_who_gave_up_is_left_out_and_who_waited_too_long_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request whose client went away is not served; after three seconds the answer is a refusal."""
    gather, counter = Together(), Counter()
    busy = asyncio.create_task(gather.ask("a", counter.serve))
    await settle()
    waiting = [asyncio.create_task(gather.ask(each, counter.serve)) for each in "cde"]
    await settle()
    waiting[1].cancel()
    await settle()
    counter.open.set()
    assert await asyncio.gather(busy, waiting[0], waiting[2]) == ["A", "C", "E"]
    assert counter.groups[-1] == ["c", "e"]

    counter.open.clear()
    monkeypatch.setattr(together, "PATIENCE_S", 0.0)
    late = [asyncio.create_task(gather.ask(each, counter.serve)) for each in "fgh"]
    results = await asyncio.gather(*late, return_exceptions=True)
    assert {type(each) for each in results} == {ServiceUnavailable}


async def test_too_many_are_sent_away_and_a_failure_leaves_the_counter_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a bounded queue, and after a group that failed as a whole the next one is served."""
    monkeypatch.setattr(together, "WAITING_MAX", 3)
    gather, counter = Together(), Counter()

    async def fail(_: Sequence[str]) -> list[str | Exception]:
        raise RuntimeError("the whole group")

    with pytest.raises(RuntimeError):
        await gather.ask("a", fail)
    tasks = [asyncio.create_task(gather.ask(str(number), counter.serve)) for number in range(9)]
    await settle()
    with pytest.raises(ServiceUnavailable):
        await tasks[-1]
    counter.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in results if isinstance(each, str)] == ["0", "1", "2"]


@pytest.mark.usefixtures("breaches")
class TestSales:
    """At the desk, on the real database."""

    async def test_a_row_that_somebody_holds_stops_only_its_owner(
        self, desk: Desk, shop: Shop, database_url: str
    ) -> None:
        """Alice's balance is held; Bob, who bought in the same moment, has his number at once."""
        async with await psycopg.AsyncConnection.connect(database_url) as holder:
            await holder.execute(
                "select from ledger_account where id = %s for update", [shop.alice.available_id]
            )
            wallets = [shop.alice, shop.bob, shop.alice, shop.bob]
            tasks = [asyncio.create_task(buy(desk, wallet, IG)) for wallet in wallets]
            done, pending = await asyncio.wait(tasks, timeout=2, return_when=asyncio.ALL_COMPLETED)
            assert {tasks.index(each) for each in done} == {1, 3}
            await holder.rollback()
            assert kinds(await asyncio.gather(*pending)) == {Bought: 2}

    async def test_a_row_that_is_held_for_long_is_a_moments_refusal(
        self, desk: Desk, shop: Shop, database_url: str
    ) -> None:
        """503 after three seconds, with nothing sold."""
        async with await psycopg.AsyncConnection.connect(database_url) as holder:
            await holder.execute("select from ledger_account where id = %s for update", [shop.alice.held_id])
            with pytest.raises(ServiceUnavailable):
                await buy(desk, shop.alice, IG)

    async def test_each_has_an_outcome_of_his_own(self, desk: Desk, shop: Shop) -> None:
        """Sold, no money, no number, and a key that was used for something else, in one moment."""
        poor = await customer(desk, 1)
        key = Once(shop.bob.id, "k", b"1" * 32)
        other = Once(shop.bob.id, "k", b"2" * 32)
        nobody = Order(service="ig", country=6, exclude_prefixes=("62",))
        results = await at_once(
            buy(desk, shop.alice, IG), buy(desk, poor, IG), buy(desk, shop.alice, nobody),
            *(buy(desk, shop.bob, IG, key) for _ in range(5)), buy(desk, shop.bob, IG, other),
        )  # fmt: skip
        assert [type(each) for each in results] == [
            Bought, InsufficientBalance, NoNumbers, *[Bought] * 5, IdempotencyMismatch,
        ]  # fmt: skip
        assert len({each.activation.id for each in results[3:8]}) == 1
        assert sum(not each.replayed for each in results[3:8]) == 1

    async def test_what_the_database_cannot_take_spoils_no_other_sale(self, desk: Desk, shop: Shop) -> None:
        """A NUL that came past the door fails its own sale only."""
        poison = Order(service="ig", country=6, reference="\0")
        results = await at_once(*(buy(desk, shop.alice, each) for each in (IG, poison, IG)))
        assert [type(each) is Bought for each in results] == [True, False, True]
