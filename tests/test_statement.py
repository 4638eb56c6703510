"""What a wallet's statement says about postings that are not sales: bonuses, shares, fees, and money that was taken back."""

import re

from ringlet import ledger, statement
from ringlet.desk import Desk
from tests.pages_rig import Person
from tests.site import Shop

TEN = 10_000_000


async def test_a_statement_stays_exact_with_every_kind_of_posting(
    ann: Person, desk: Desk, shop: Shop
) -> None:
    """What is left after each line is what the wallet had, fees and debts or not; what is not his is no line."""
    async with desk.db.transaction() as tx:
        await ledger.credit(tx, shop.alice, TEN, actor="demo", reason="Demo", reference="adjust")
        await ledger.fee(tx, shop.alice, 300_000, reference="a")
        await ledger.bonus(tx, shop.alice, 1_000_000, reference="a", reason="Spring")
        await ledger.referral(tx, shop.alice, 250_000, reference="a")
        await ledger.charge_back(tx, shop.alice, 120_000_000, reference="a", reason="Demo")
        await ledger.credit(tx, shop.alice, TEN, actor="demo", reason="Demo")
        await ledger.pay_debt(tx, shop.alice)
    async with desk.db.connection() as tx:
        part = await statement.part(tx, shop.alice.id)
        balance = await ledger.balance(tx, shop.alice.id)
        owed = await statement.owed(tx, shop.alice.id)
    kinds = [line.kind for line in part.lines]
    assert kinds == ["debt_paid", "credit", "chargeback", "referral", "bonus", "credit", "credit"]
    lefts = [line.left_micros for line in part.lines]
    assert lefts[0] == balance.available_micros + balance.held_micros == 1_250_000
    assert lefts == [1_250_000, TEN, 0, 111_250_000, 111_000_000, 110_000_000, 100_000_000]
    assert (part.left_micros, owed) == (0, 0)
    got = await ann.get("/wallet")
    assert re.findall(r'cell-left">([^<]+)<', got.text)[:2] == ["$1.25", "$10.00"]
    assert {
        f"/wallet?kind={each}#statement" for each in ("bonus", "referral", "chargeback", "debt_paid")
    } <= set(got.names("href"))
    assert (await ann.get("/wallet?kind=fee")).names("data-line") == got.names("data-line")
    assert len((await ann.get("/wallet?kind=bonus")).names("data-line")) == 1
    assert "referral" in (await ann.get("/wallet.csv")).text


async def test_rare_kinds_are_offered_where_they_are_seen(ann: Person) -> None:
    """A wallet that has never had a bonus is not asked about one."""
    assert "/wallet?kind=bonus#statement" not in (await ann.get("/wallet")).names("href")
    assert "/wallet?kind=bonus#statement" in (await ann.get("/wallet?kind=bonus")).names("href")
