"""Money back to the payer: taken from the balance once, given by the gateway once, and the customer's again if it says no."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ringlet.acts import Actor
from ringlet.backoffice import payments, refund_topup
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.failpoints import PLACES
from ringlet.ledger import Wallet
from ringlet.topups import refund
from ringlet.topups.refund import Refund, Wish
from ringlet.topups.store import Topup
from tests.office_rig import member
from tests.payments_rig import UNIT, Counter, acts, available, counter, looked, now, spend
from tests.test_races import at_once

pytestmark = pytest.mark.usefixtures("breaches", "shop")


@pytest.fixture
async def card(desk: Desk) -> AsyncIterator[Counter]:
    async with counter(desk) as found:
        yield found


@pytest.fixture
async def one(desk: Desk) -> Actor:
    return await member(desk, "finance")


def wish(units: str, once: str = "a") -> Wish:
    return Wish(int(Decimal(units) * UNIT), "they asked for it", once)


async def refunds(desk: Desk, topup: Topup) -> list[Refund]:
    async with desk.db.connection() as tx:
        return await refund.of_topup(tx, topup.id)


async def due(desk: Desk) -> None:
    """Whatever waits is asked for now."""
    async with desk.db.transaction() as tx:
        await tx.execute("update topup_refund set due_at = now() where due_at is not null")
    await refund.ask_due(desk)


async def test_it_is_taken_and_given_once(desk: Desk, alice: Wallet, card: Counter, one: Actor) -> None:
    """The gateway's truth, which counts it too, takes nothing more; however often everything is asked again."""
    before = await available(desk, alice)
    topup = await card.credited(alice)
    await refund_topup.refund(desk, one, topup.public_id, wish("2"))
    assert await available(desk, alice) == before + 3 * UNIT
    assert (await looked(desk, topup)).returned_micros == 2 * UNIT
    for _ in range(3):
        await due(desk)
        await looked(desk, topup)
    found = await now(desk, topup)
    assert (found.refunded_micros, found.returned_micros) == (2 * UNIT, 2 * UNIT)
    assert card.payment(topup).refunded == 2
    assert await available(desk, alice) == before + 3 * UNIT
    assert [each.state for each in await refunds(desk, topup)] == ["done"]
    (act,) = await acts(desk, "topup.refund_asked")
    assert (act.reason, act.actor) == ("they asked for it", one.name)


async def test_one_form_asks_once_and_the_rest_is_what_is_left(
    desk: Desk, alice: Wallet, card: Counter, one: Actor
) -> None:
    """Ten clicks on one form are one; ten forms of three each give back no more than the five that came."""
    topup = await card.credited(alice)
    await at_once(*(refund_topup.refund(desk, one, topup.public_id, wish("1")) for _ in range(10)))
    assert len(await refunds(desk, topup)) == 1
    many = (refund_topup.refund(desk, one, topup.public_id, wish("3", f"form {n}")) for n in range(10))
    await at_once(*many)
    assert sum(each.amount_micros for each in await refunds(desk, topup)) == 4 * UNIT
    await due(desk)
    assert card.payment(topup).refunded == 4
    for units in ("0", "-1", "1.01"):
        with pytest.raises(ValidationFailed):
            await refund_topup.refund(desk, one, topup.public_id, wish(units, units))
    assert (await payments.whole(desk, topup.public_id)).left == "1"


async def test_a_balance_that_does_not_cover_it_gives_nothing(
    desk: Desk, alice: Wallet, card: Counter, one: Actor
) -> None:
    """Staff take no debt upon a customer; nothing is written."""
    topup = await card.credited(alice)
    await spend(desk, alice, await available(desk, alice) - UNIT)
    with pytest.raises(ValidationFailed):
        await refund_topup.refund(desk, one, topup.public_id, wish("2"))
    assert await available(desk, alice) == UNIT
    assert await refunds(desk, topup) == []
    await refund_topup.refund(desk, one, topup.public_id, wish("1"))
    assert await available(desk, alice) == 0


async def test_an_answer_that_is_lost_gives_once(
    desk: Desk, alice: Wallet, card: Counter, one: Actor
) -> None:
    """Asked again under the same key until the answer comes."""
    topup = await card.credited(alice)
    await refund_topup.refund(desk, one, topup.public_id, wish("2"))
    card.till.drop_share = 1.0
    await due(desk)
    await due(desk)
    (waits,) = await refunds(desk, topup)
    assert (waits.state, waits.attempts, bool(waits.failure)) == ("asked", 2, True)
    card.till.drop_share = 0.0
    await due(desk)
    (done,) = await refunds(desk, topup)
    assert (done.state, card.payment(topup).refunded) == ("done", 2)


async def test_what_the_gateway_refuses_is_the_customers_again(
    desk: Desk, alice: Wallet, card: Counter, one: Actor
) -> None:
    """The payer was faster, by a dispute: that is taken, and what staff wished to give is given back; the books balance."""
    before = await available(desk, alice)
    topup = await card.credited(alice)
    await refund_topup.refund(desk, one, topup.public_id, wish("3"))
    card.till.refund(card.payment(topup), Decimal(4))
    assert (await looked(desk, topup)).returned_micros == 4 * UNIT
    await due(desk)
    (refused,) = await refunds(desk, topup)
    assert refused.state == "refused"
    found = await now(desk, topup)
    assert (found.refunded_micros, found.returned_micros) == (4 * UNIT, 4 * UNIT)
    assert await available(desk, alice) == before + UNIT
    assert (await looked(desk, topup)).returned_micros == 4 * UNIT
    assert len(await acts(desk, "topup.refund_refused")) == 1
    moves = [
        (each.kind, each.amount_micros // UNIT)
        for each in (await payments.whole(desk, topup.public_id)).moves
    ]
    assert moves == [("credit", 5), ("chargeback", 3), ("chargeback", 1), ("credit", 3), ("chargeback", 3)]
    await refund_topup.refund(desk, one, topup.public_id, wish("1", "b"))
    await due(desk)
    assert (await looked(desk, topup)).returned_micros == 5 * UNIT
    assert await available(desk, alice) == before


async def test_with_a_surcharge_the_customer_gives_what_he_got(
    desk: Desk, alice: Wallet, card: Counter, one: Actor
) -> None:
    """The payer has the surcharge back; parts that do not divide are never taken twice, nor frozen over a remainder."""
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update gateway set surcharge_percent = 7, changed_at = now() where id = %s", [card.gateway_id]
        )
    before = await available(desk, alice)
    topup = await card.credited(alice)
    assert topup.settled_micros == 5_350_000
    for number, part in enumerate(("1.11", "1.13", "3.11")):
        await refund_topup.refund(desk, one, topup.public_id, wish(part, str(number)))
        await due(desk)
        await looked(desk, topup)
    found = await now(desk, topup)
    assert (found.refunded_micros, found.returned_micros) == (5_350_000, 5 * UNIT)
    assert await available(desk, alice) == before


async def test_it_is_refused_where_it_cannot_be(desk: Desk, alice: Wallet, card: Counter) -> None:
    """Not credited, unknown, one's own account, or nobody answers."""
    actor = await member(desk, "owner")
    open_one = await card.asked(alice)
    with pytest.raises(ValidationFailed):
        await refund_topup.refund(desk, actor, open_one.public_id, wish("1"))
    with pytest.raises(NotFound):
        await refund_topup.refund(desk, actor, "tu_nothing", wish("1"))
    topup = await card.credited(alice, once="b")
    card.till.error_share = 1.0
    with pytest.raises(ValidationFailed):
        await refund_topup.refund(desk, actor, topup.public_id, wish("1"))
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update person set customer_id = %s where id = %s", [alice.customer_id, actor.person_id]
        )
    with pytest.raises(Forbidden):
        await refund_topup.refund(desk, actor, topup.public_id, wish("1"))
    assert await refunds(desk, topup) == []


#: a process that does one thing at the desk and is killed on its way
_STEP = """
import asyncio, sys
from pathlib import Path
from ringlet.acts import Actor
from ringlet.app import open_desk
from ringlet.settings import Settings
from ringlet.topups import refund
from ringlet.topups.refund import Wish

async def main():
    what, home, url, person, public_id = sys.argv[1:]
    settings = Settings(home=Path(home), database_url=url, secret=b"s" * 32, rate_limit=0, proof_of_work=False)
    async with open_desk(settings, url) as desk:
        if what == "ask":
            await refund.ask(desk, Actor("x", "owner", int(person)), public_id, Wish(2_000_000, "why", "killed"))
        else:
            await refund.ask_due(desk)

asyncio.run(main())
"""


@pytest.mark.parametrize("place", [each for each in PLACES if each.startswith("refund_")])
async def test_killed_between_any_two_steps_nothing_is_given_or_taken_twice(
    desk: Desk, alice: Wallet, card: Counter, one: Actor, place: str
) -> None:
    """Whatever a process left over, the next one brings to its end."""
    before = await available(desk, alice)
    topup = await card.credited(alice)

    async def killed(what: str) -> None:
        argv = [
            sys.executable,
            "-c",
            _STEP,
            what,
            str(desk.settings.home),
            str(desk.settings.database_url),
            "1",
            topup.public_id,
        ]
        environment = {**os.environ, "RINGLET_TEST_FAIL_AT": place}
        died = await asyncio.to_thread(
            subprocess.run, argv, env=environment, capture_output=True, check=False
        )
        assert died.returncode == -9, died.stderr.decode()

    if place == "refund_opened":
        await killed("ask")
    else:
        await refund_topup.refund(desk, one, topup.public_id, wish("2"))
        if place == "refund_restored":
            card.till.refund(card.payment(topup), Decimal(4))
        await killed("work")
    assert await available(desk, alice) == before + 3 * UNIT
    for _ in range(2):
        await due(desk)
        await looked(desk, topup)
    given = int(card.payment(topup).refunded) * UNIT
    found = await now(desk, topup)
    assert given == (4 if place == "refund_restored" else 2) * UNIT
    assert (found.refunded_micros, found.returned_micros) == (given, given)
    assert await available(desk, alice) == before + 5 * UNIT - given
