"""Numbers of suppliers in races: several answers at once, and lost answers that nobody may have."""

import asyncio
from decimal import Decimal

import pytest

from ringlet.activations import browse
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import NoNumbers
from tests.suppliers_rig import Upstream, customer, set_back, upstream

pytestmark = pytest.mark.usefixtures("breaches")
IG = Order("ig", 6)


async def states(desk: Desk) -> list[str]:
    async with desk.db.connection() as tx:
        return [row[0] for row in await (await tx.execute("select state from rental order by 1")).fetchall()]


async def test_one_number_in_many_answers_at_once_is_leased_once(desk: Desk) -> None:
    """Thirty answers with the same number at the same moment: one customer has it, the others none."""
    alice = await customer(desk)
    async with upstream(desk, "up", stock=50, faults={"same_number": 1.0}, slow_s=0.05):
        results = await asyncio.gather(*(buy(desk, alice, IG) for _ in range(30)), return_exceptions=True)
    bought = [each for each in results if isinstance(each, Bought)]
    assert [each.activation.state for each in bought] == [State.WAITING]
    assert all(isinstance(each, Bought | NoNumbers) for each in results)
    assert sorted(await states(desk)) == ["closing"] * 29 + ["open"]


async def lost(desk: Desk, up: Upstream, **spoiled: object) -> State:
    """The answer is lost and the supplier's list tells the number otherwise; the state that it leads to."""
    alice = await customer(desk)
    up.warehouse.faults = {"drop": 1.0}
    bought = await buy(desk, alice, IG)
    for name, value in spoiled.items():
        setattr(up.warehouse.allotments[up.only()], name, value)
    await set_back(desk, 60)
    await up.sweep()
    await set_back(desk, 60)
    for _ in range(3):
        await up.sweep()
    return (await browse.look(desk, alice.id, bought.activation.public_id)).activation.state


async def test_a_stray_without_a_number_is_nobodys(desk: Desk) -> None:
    """A supplier that hides digits in his list: the order is refunded rather than answered without a number."""
    async with upstream(desk, "up") as up:
        assert await lost(desk, up, phone="62812*****33") == State.FAILED
        assert await states(desk) == ["closing"]


@pytest.mark.parametrize("dialect", ["handler-api", "ringlet"])
async def test_a_stray_that_costs_too_much_is_nobodys(desk: Desk, dialect: str) -> None:
    """Also when it carries the order's own reference: nothing is sold below its cost after a lost answer."""
    async with upstream(desk, "up", dialect=dialect) as up:
        assert await lost(desk, up, cost=Decimal(3)) == State.FAILED
        assert await states(desk) == ["closing"]
