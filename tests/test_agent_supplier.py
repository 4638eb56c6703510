"""Owners of SIM cards as a supplier: asked for numbers, messages pushed to us, told how each lease ended."""

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ringlet.activations import browse, cancel, give_back, receive, watch
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.receive import IncomingMessage
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import NoNumbers
from ringlet.ledger import Wallet
from ringlet.suppliers import purse
from ringlet.supplying import enlist
from tests.fakes.supplier import KEY
from tests.fakes.warehouse import Warehouse
from tests.suppliers_rig import Upstream, customer, serving, set_back

pytestmark = pytest.mark.usefixtures("breaches")
IG = Order("ig", 6)


@pytest.fixture
async def alice(desk: Desk) -> Wallet:
    return await customer(desk)


@pytest.fixture
async def owner(desk: Desk, alice: Wallet) -> AsyncIterator[Upstream]:
    async with _owner(desk) as up:
        yield up


@contextlib.asynccontextmanager
async def _owner(desk: Desk) -> AsyncIterator[Upstream]:
    warehouse = Warehouse()
    warehouse.stock("indonesia", "ig", "0.02", 10, "telkomsel")
    async with serving("agent", warehouse) as url:
        await enlist.add(desk, "owner", "agent", url, KEY, unit_cost=Decimal("0.02"), deadline_s=4)
        await desk.refresh_prices()
        up = Upstream("owner", warehouse, desk)
        await up.sync()
        yield up


async def push(desk: Desk, up: Upstream, phone: str, text: str, sms_id: int = 1) -> receive.Receipt:
    incoming = IncomingMessage(sms_id, phone, "Instagram", text)
    return await receive.receive(desk, up.supplier.terms.source_id, incoming)


async def state(desk: Desk, bought: Bought) -> State:
    row = bought.activation
    return (await browse.look(desk, row.wallet_id, row.public_id)).activation.state


async def test_a_pushed_message_is_delivered_and_the_owner_told_that_it_was_sold(
    desk: Desk, alice: Wallet, owner: Upstream
) -> None:
    """The number's rental says whose message it is; at the end of the lease the owner earns his cost."""
    bought = await buy(desk, alice, IG)
    phone = bought.activation.phone or ""
    assert (await push(desk, owner, phone, "Your Instagram code is 123456")).outcome == "delivered"
    assert (await push(desk, owner, phone, "Your Instagram code is 123456")).outcome == "repeated"
    assert await state(desk, bought) == State.RECEIVED
    await set_back(desk, 1201)
    await watch.close_due(desk)
    await give_back.give_back_due(desk)
    assert await state(desk, bought) == State.FINISHED
    assert owner.warehouse.allotments[owner.only()].standing == "finished"
    async with desk.db.connection() as tx:
        assert (await purse.purse(tx, owner.supplier.terms.source_id)).cost_micros == 20_000


async def test_a_cancel_is_told_until_it_is_answered(desk: Desk, alice: Wallet, owner: Upstream) -> None:
    """FINISH is repeated; a message that comes afterwards is shown to whoever had the number, and not charged."""
    bought = await buy(desk, alice, IG)
    await cancel.cancel(desk, alice.id, bought.activation.public_id)
    assert await state(desk, bought) == State.CANCELLED
    assert owner.warehouse.allotments[owner.only()].standing == "cancelled"
    receipt = await push(desk, owner, bought.activation.phone or "", "Your Instagram code is 654321")
    assert receipt.outcome == "late"
    seen = await browse.look(desk, alice.id, bought.activation.public_id)
    assert [(m.code, m.late) for m in seen.messages] == [("654321", True)]


async def test_an_owner_that_does_not_answer_costs_nothing(
    desk: Desk, alice: Wallet, owner: Upstream
) -> None:
    """He is paid when we say that a number was sold: a lost answer is a no, and the customer hears it at once."""
    owner.warehouse.faults = {"garbage": 1.0}
    with pytest.raises(NoNumbers):
        await buy(desk, alice, IG)


async def test_what_a_crash_left_open_at_an_owner_fails(desk: Desk, alice: Wallet, owner: Upstream) -> None:
    """There is no list to ask for; an order whose process died is refunded by the next sweep."""
    bought = await buy(desk, alice, IG)
    async with desk.db.transaction() as tx:
        await tx.execute("delete from rental")
        await tx.execute("alter table supplier_posting disable trigger user")
        await tx.execute("delete from supplier_posting where kind = 'charge'")
        await tx.execute("update activation set state = 'ordering', phone = null")
        await tx.execute(
            "insert into asking (activation_id, source_id, offer_id, cost_max, operators, excluded_prefixes)"
            " select id, source_id, offer_id, 1, '{}', '{}' from activation"
        )
    await set_back(desk, 60)
    await owner.sweep()
    assert await state(desk, bought) == State.FAILED
