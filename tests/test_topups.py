"""Top-ups by the demo's gateway: credited once, from its truth alone, whatever else is said."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ringlet import audit, ledger
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.ledger import Wallet
from ringlet.payments import book, demo
from ringlet.payments.port import Notice
from ringlet.topups import begin, look, notices, store
from ringlet.topups.store import Topup

pytestmark = pytest.mark.usefixtures("breaches")
FIVE = 5_000_000


@pytest.fixture
async def gateway(desk: Desk, shop: object) -> int:
    """The demo's own, for live money."""
    async with desk.db.transaction() as tx:
        new = book.New("demo", "Demo", "live", {}, 1_000_000, 100_000_000, is_on=True)
        return await book.add(tx, desk.settings.secret, new)


async def asked(desk: Desk, wallet: Wallet, gateway_id: int, amount: int = FIVE, once: str = "a") -> Topup:
    return await begin.begin(desk, wallet.id, gateway_id, amount, once)


async def again(desk: Desk, topup: Topup) -> Topup:
    """Due now, looked at, and as it is then."""
    async with desk.db.transaction() as tx:
        await tx.execute("update topup set due_at = now() where id = %s", [topup.id])
    await look.look_due(desk)
    async with desk.db.connection() as tx:
        found = await store.by_public_id(tx, topup.public_id)
    assert found is not None
    return found


async def paid(desk: Desk, topup: Topup, micros: int) -> Topup:
    assert topup.external_id is not None
    async with desk.db.transaction() as tx:
        await demo.pay(tx, topup.external_id, micros)
    return await again(desk, topup)


async def available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


async def test_what_was_paid_is_credited_once(desk: Desk, alice: Wallet, gateway: int) -> None:
    """However often and by however many it is looked at."""
    before = await available(desk, alice)
    topup = await asked(desk, alice, gateway)
    assert (topup.state, topup.pay_url) == ("open", f"/demo-pay/demo_{topup.public_id}")
    assert (await again(desk, topup)).state == "open"
    assert (await paid(desk, topup, FIVE)).state == "credited"
    for _ in range(3):
        await asyncio.gather(*(again(desk, topup) for _ in range(5)))
    assert await available(desk, alice) == before + FIVE


async def test_the_same_form_asks_once(desk: Desk, alice: Wallet, gateway: int) -> None:
    """Ten at once are one payment."""
    made = await asyncio.gather(*(asked(desk, alice, gateway) for _ in range(10)))
    assert len({each.public_id for each in made}) == 1


async def test_more_and_less_is_credited_as_it_came(desk: Desk, alice: Wallet, gateway: int) -> None:
    """The default; the setting `review` leaves it to staff."""
    before = await available(desk, alice)
    for micros, once in ((FIVE + 1_000_000, "more"), (FIVE - 1_000_000, "less")):
        found = await paid(desk, await asked(desk, alice, gateway, once=once), micros)
        assert (found.state, found.credited_micros) == ("credited", micros)
    assert await available(desk, alice) == before + 2 * FIVE
    async with desk.db.transaction() as tx:
        await tx.execute("update gateway set on_over = 'review', on_under = 'review'")
    for micros, why in ((FIVE + 1, "over"), (FIVE - 1, "under")):
        found = await paid(desk, await asked(desk, alice, gateway, once=why), micros)
        assert (found.state, found.why, found.credited_micros) == ("review", why, 0)
    assert await available(desk, alice) == before + 2 * FIVE


async def test_what_is_taken_back_is_owed_and_freezes(desk: Desk, alice: Wallet, gateway: int) -> None:
    """Balance first, then debt; what comes in later pays the debt first."""
    before = await available(desk, alice)
    topup = await paid(desk, await asked(desk, alice, gateway), FIVE)
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, alice, before + FIVE - 2_000_000, actor="test", reason="spent")
        await demo.take_back(tx, str(topup.external_id))
    found = await again(desk, topup)
    assert (found.returned_micros, await available(desk, alice)) == (FIVE, 0)
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select frozen_at from customer where id = %s", [alice.customer_id])
        ).fetchone()
    assert row is not None
    assert row[0] is not None
    async with desk.db.transaction() as tx:
        await ledger.credit(tx, alice, 4_000_000, actor="test", reason="cash")
    await look.collect_debts(desk)
    assert await available(desk, alice) == 1_000_000


async def test_what_is_taken_back_without_a_word_is_found(desk: Desk, alice: Wallet, gateway: int) -> None:
    """A credited payment is looked at again after a day, then ever later, and after half a year no more."""
    topup = await paid(desk, await asked(desk, alice, gateway), FIVE)
    rounds = []
    for age in ("0 days", "1 day", "8 days", "181 days"):
        async with desk.db.transaction() as tx:
            await tx.execute("update topup set settled_at = now() - %s::interval", [age])
        topup = await again(desk, topup)
        rounds.append(topup.due_at and round((topup.due_at - datetime.now(UTC)) / timedelta(days=1)))
    assert rounds == [1, 1, 8, None]
    async with desk.db.transaction() as tx:
        await demo.take_back(tx, str(topup.external_id))
    assert (await again(desk, topup)).returned_micros == FIVE


async def test_a_notice_of_another_payment_becomes_a_topup_of_its_own(
    desk: Desk, alice: Wallet, gateway: int
) -> None:
    """Only when its gateway says that it is ours; told twice, once."""
    before = await available(desk, alice)
    topup = await paid(desk, await asked(desk, alice, gateway), FIVE)
    async with desk.db.transaction() as tx:
        await tx.execute("alter table demo_payment drop constraint demo_payment_reference_key")
        await tx.execute(
            "insert into demo_payment (external_id, reference, amount_micros, currency, return_url, state, settled_micros)"
            " values ('second', %s, 1000000, 'USD', '', 'settled', 1000000)",
            [topup.public_id],
        )
        for event in ("1", "2"):
            await notices.keep(tx, gateway, Notice(event, "second", topup.public_id), b"{}")
        await notices.keep(tx, gateway, Notice("3", "nobody's", topup.public_id), b"{}")
    await notices.adopt_due(desk)
    await look.look_due(desk)
    assert await available(desk, alice) == before + FIVE + 1_000_000


async def test_a_way_to_pay_is_of_its_mode_and_within_its_limits(
    desk: Desk, alice: Wallet, gateway: int
) -> None:
    """Test money pays for no live wallet."""
    async with desk.db.connection() as tx:
        (test_gateway,) = await book.on_offer(tx, "test")
    with pytest.raises(NotFound):
        await asked(desk, alice, test_gateway.id)
    for micros in (1, 999_999, 100_000_001, FIVE + 1):
        with pytest.raises(ValidationFailed):
            await asked(desk, alice, gateway, micros)


async def test_a_double_credit_is_a_breach(desk: Desk, alice: Wallet, gateway: int) -> None:
    """The audit sees a credit that no top-up knows."""
    async with desk.db.transaction() as tx:
        await ledger.credit(tx, alice, 1, actor="x", reason="x", reference="tu_0000000000000000000000")
    found = audit.run(desk.db.conninfo)
    assert [each.invariant for each in found] == ["I12"]
    async with desk.db.transaction() as tx:
        await tx.execute("alter table posting disable trigger all")
        await tx.execute("delete from posting where reference = 'tu_0000000000000000000000'")
        await ledger.credit(tx, alice, 1, actor="x", reason="x")
        await ledger.debit(tx, alice, 1, actor="x", reason="x")
        await tx.execute(
            "update ledger_account set balance_micros = balance_micros - 1 where id = %s",
            [alice.available_id],
        )
        await tx.execute(
            "update ledger_account set balance_micros = balance_micros + 1 where id = %s", [alice.funding_id]
        )
