"""When a gateway is asked next: in time for the promise of five minutes, also when it does not answer or we die asking."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.topups import look, store
from ringlet.topups.store import Topup
from tests.payments_rig import Counter, counter, looked, now

pytestmark = pytest.mark.usefixtures("breaches")
#: what settles is credited within so long, whatever becomes of notices
PROMISED_S = 310


@pytest.fixture
async def stripe(desk: Desk, shop: object) -> AsyncIterator[Counter]:
    async with counter(desk) as found:
        yield found


def due_in_s(topup: Topup) -> float:
    assert topup.due_at is not None
    return (topup.due_at - datetime.now(UTC)).total_seconds()


async def test_what_is_not_answered_is_asked_again_soon(desk: Desk, alice: Wallet, stripe: Counter) -> None:
    """And ever later, but never later than what is answered; the first answer credits."""
    topup = await stripe.asked(alice)
    stripe.till.pay(stripe.payment(topup))
    stripe.till.error_share = 1.0
    waits = []
    for _ in range(10):
        found = await looked(desk, topup)
        assert found.state == "open"
        waits.append(round(due_in_s(found)))
    assert waits[0] <= 10
    assert waits == sorted(waits)
    assert waits[-1] == desk.settings.topup_look_s
    assert desk.settings.topup_look_s + sum(waits[:3]) < PROMISED_S
    stripe.till.error_share = 0.0
    assert (await looked(desk, topup)).state == "credited"


async def test_an_answer_ends_the_hurry(desk: Desk, alice: Wallet, stripe: Counter) -> None:
    """Unpaid: asked again after the usual while; and the next silence is a first one."""
    topup = await stripe.asked(alice)
    stripe.till.error_share = 1.0
    for _ in range(5):
        await looked(desk, topup)
    stripe.till.error_share = 0.0
    assert round(due_in_s(await looked(desk, topup))) == desk.settings.topup_look_s
    stripe.till.error_share = 1.0
    assert due_in_s(await looked(desk, topup)) <= 10


async def test_who_dies_while_asking_is_followed_soon(desk: Desk, alice: Wallet, stripe: Counter) -> None:
    """Claimed and never looked at: another process asks in its place."""
    topup = await stripe.asked(alice)
    stripe.till.pay(stripe.payment(topup))
    async with desk.db.transaction() as tx:
        await tx.execute("update topup set due_at = now()")
        assert [each.id for each in await store.claim(tx, 5, look.again_in_s(desk))] == [topup.id]
    assert due_in_s(await now(desk, topup)) <= 10
    assert (await looked(desk, topup)).state == "credited"
