"""The share of what customers spend who were brought: exactly once, to the micro-unit, whatever dies."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

import psycopg
import pytest

from ringlet import accounts, audit, failpoints, ledger
from ringlet.activations import rehearse
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.acts import CLI, Actor
from ringlet.backoffice import gifts, people_data, redress, referral_shares
from ringlet.desk import Desk
from ringlet.errors import NotFound, ServiceUnavailable
from ringlet.ledger import Wallet
from ringlet.people.referrals import Terms
from tests.crowd import chance
from tests.hooks import complete, fetch
from tests.referral_rig import SHARE, available, brought, code_of, enter, even
from tests.site import PRICE_MICROS, Shop


@pytest.mark.usefixtures("breaches")
class TestSpending:
    """What is spent, and what comes of it."""

    async def test_a_purchase_earns_its_share_once(self, desk: Desk, shop: Shop) -> None:
        """When its code came; looked at again, nothing more."""
        before = await available(desk, shop.alice)
        wallet = await enter(desk, "carl@example.org", await code_of(desk, shop.alice))
        await even(desk)
        assert await available(desk, shop.alice) == before
        for count in range(1, 4):
            await complete(desk, shop, wallet)
            await even(desk)
            await even(desk)
            # Rounded down on the whole sum: three times 5574.45 are 16723.35, not 3 × 5574.
            assert await available(desk, shop.alice) == before + count * PRICE_MICROS * 500 // 10_000
        assert 3 * PRICE_MICROS * 500 // 10_000 == 3 * SHARE + 1

    async def test_what_nobody_was_brought_for_earns_nothing(self, desk: Desk, shop: Shop) -> None:
        """Purchases of others, of play money, and what brought no code."""
        wallet = await enter(desk, "carl@example.org", await code_of(desk, shop.alice))
        before = await available(desk, shop.alice)
        await complete(desk, shop, shop.bob)
        async with desk.db.connection() as tx:
            play = await ledger.wallet(tx, await accounts.wallet_id(tx, wallet.customer_id, "test"))
        await rehearse_one(desk, play)
        await buy(desk, wallet, Order(service="ig", country=6))
        await even(desk)
        assert await available(desk, shop.alice) == before

    async def test_what_is_given_back_takes_its_share_along(self, desk: Desk, shop: Shop) -> None:
        """As far as the balance goes; the rest comes out of later shares, also of another's."""
        code = await code_of(desk, shop.alice)
        carl = await enter(desk, "carl@example.org", code)
        dora = await enter(desk, "dora@example.org", code)
        orders = [await complete(desk, shop, carl) for _ in range(2)]
        await even(desk)
        await leave(desk, shop.alice, 1_000)
        for order in orders:
            await redress.refund(desk, _finance(), order.public_id, "did not work")
        await even(desk)
        assert await available(desk, shop.alice) == 0
        await complete(desk, shop, dora)
        await even(desk)
        assert await available(desk, shop.alice) == 0, "5574 earned, and more than that still to come back"
        for _ in range(2):
            await complete(desk, shop, dora)
        await even(desk)
        earned = 3 * PRICE_MICROS * 500 // 10_000
        assert await available(desk, shop.alice) == earned - (2 * PRICE_MICROS * 500 // 10_000 - 1_000)

    async def test_terms_end_with_their_days_and_stay_as_they_were(self, desk: Desk, shop: Shop) -> None:
        """What is bought later earns nothing, and its refund takes nothing; an earlier one's does."""
        code = await code_of(desk, shop.alice, Terms(Decimal("5.00"), 30))
        carl = await enter(desk, "carl@example.org", code)
        await gifts.set_terms(desk, CLI, Terms(Decimal(0), None))
        before = await available(desk, shop.alice)
        early = await complete(desk, shop, carl)
        await even(desk)
        assert await available(desk, shop.alice) == before + SHARE
        await fetch(desk, "update referral set ends_at = now() returning 1")
        late = await complete(desk, shop, carl)
        await even(desk)
        await redress.refund(desk, _finance(), late.public_id, "late")
        await even(desk)
        assert await available(desk, shop.alice) == before + SHARE
        await redress.refund(desk, _finance(), early.public_id, "early")
        await even(desk)
        assert await available(desk, shop.alice) == before

    async def test_who_is_stopped_earns_nothing_more(self, desk: Desk, shop: Shop) -> None:
        """What was spent before counts, though nobody has counted it yet."""
        code = await code_of(desk, shop.alice)
        carl = await enter(desk, "carl@example.org", code)
        before = await available(desk, shop.alice)
        await complete(desk, shop, carl)
        await gifts.stop_referrer(desk, CLI, shop.alice.customer_id, "fraud")
        await complete(desk, shop, carl)
        await even(desk)
        assert await available(desk, shop.alice) == before + SHARE
        await enter(desk, "dora@example.org", code)
        assert len(await brought(desk)) == 1
        for customer_id in (shop.alice.customer_id, shop.bob.customer_id):
            with pytest.raises(NotFound):
                await gifts.stop_referrer(desk, CLI, customer_id, "again")

    async def test_who_is_forgotten_earns_nothing_more(self, desk: Desk, shop: Shop) -> None:
        """Of an erased account nothing but amounts stays."""
        code = await code_of(desk, shop.alice)
        carl = await enter(desk, "carl@example.org", code)
        left = await available(desk, shop.alice)
        await people_data.erase(desk, CLI, shop.alice.customer_id, "asked for", gives_up_micros=left)
        await complete(desk, shop, carl)
        await even(desk)
        assert await available(desk, shop.alice) == 0


def _finance() -> Actor:
    return Actor("finance", "finance", 0)


async def leave(desk: Desk, wallet: Wallet, micros: int) -> None:
    """All but this is spent."""
    left = await available(desk, wallet) - micros
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, wallet, left, actor="test", reason="spent")


async def rehearse_one(desk: Desk, play: Wallet) -> None:
    """A purchase of play money that brings its code."""
    await buy(desk, play, Order(service="ig", country=6))
    await fetch(desk, "update simulated_message set due_at = now() returning 1")
    await rehearse.push_due(desk)
    assert (await fetch(desk, "select from posting where wallet_id = %s and kind = 'capture'", play.id)) != []


@dataclass
class Books:
    """What a plain sum says: of each customer who was brought, what he has spent."""

    spent: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    #: activation → (customer, wallet, amount) of what was captured and not given back
    captured: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    last: int = 0


@dataclass
class Crowd:
    """Customers with the wallet of each, who was brought by whom at which share, and what they spend."""

    wallets: dict[int, int]
    referrers: dict[int, Wallet]
    shares: dict[int, tuple[int, int]]
    books: Books = field(default_factory=Books)

    def earned(self) -> dict[int, int]:
        """By whom what was earned: rounded down for each whom he brought."""
        found: dict[int, int] = defaultdict(int)
        for customer_id, (referrer_id, share) in self.shares.items():
            found[referrer_id] += self.books.spent[customer_id] * share // 10_000
        return {each: found[each] for each in self.referrers}


async def crowd_of(desk: Desk, shop: Shop) -> Crowd:
    """Three referrers, eight customers of theirs at three different shares, and two whom nobody brought."""
    referrers = [shop.alice, shop.bob]
    codes = [await code_of(desk, each) for each in referrers]
    wallets, shares = {}, {}
    for index in range(10):
        await gifts.set_terms(desk, CLI, Terms(Decimal(f"{index % 3 + 1}.37"), None))
        wallet = await enter(desk, f"c{index}@example.net", codes[index % 2] if index < 8 else "")
        wallets[wallet.customer_id] = wallet.id
        if index < 8:
            shares[wallet.customer_id] = (referrers[index % 2].customer_id, (index % 3 + 1) * 100 + 37)
    return Crowd(wallets, {each.customer_id: each for each in referrers}, shares)


_POST = """
insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id, reference)
values (%s, %s, %s, %s, %s, %s, %s)
"""


async def spend(desk: Desk, crowd: Crowd, luck: random.Random, count: int) -> None:
    """One transaction of some sales and refunds; it lasts, so that ids of others become visible before its own."""
    books, made = crowd.books, list[tuple[int, int, int, int]]()
    undone = luck.sample(sorted(books.captured), min(len(books.captured), luck.randint(0, 2)))
    given = {each: books.captured.pop(each) for each in undone}
    try:
        async with desk.db.transaction() as tx:
            for activation_id, (_, wallet_id, micros) in given.items():
                values = [
                    wallet_id,
                    "refund",
                    "revenue",
                    "available",
                    micros,
                    activation_id,
                    str(activation_id),
                ]
                await tx.execute(_POST, values)
            for _ in range(count):
                customer_id = luck.choice(sorted(crowd.wallets))
                books.last += 1
                micros = luck.randint(1, 400_000)
                made.append((books.last, customer_id, crowd.wallets[customer_id], micros))
                await tx.execute(
                    _POST,
                    [crowd.wallets[customer_id], "capture", "held", "revenue", micros, books.last, None],
                )
                await asyncio.sleep(luck.random() * 0.004)
            if luck.random() < 0.1:
                await tx.execute("select 1 / 0")  # the sale came to nothing: its ids never appear
    except psycopg.errors.DivisionByZero:
        books.captured |= given
        return
    for customer_id, _, micros in given.values():
        books.spent[customer_id] -= micros
    for activation_id, customer_id, wallet_id, micros in made:
        books.spent[customer_id] += micros
        books.captured[activation_id] = (customer_id, wallet_id, micros)


def breaches_of(url: str, invariant: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [
            row[0]
            for check in audit.CHECKS
            if check.invariant == invariant
            for row in connection.execute(check.statement)
        ]


async def dying(work: Callable[[Desk], Awaitable[int]], desk: Desk, over: asyncio.Event) -> None:
    """A worker's job, again and again; what kills it leaves nothing half done."""
    while not over.is_set():
        with contextlib.suppress(ConnectionResetError, ServiceUnavailable):
            await work(desk)
        await asyncio.sleep(0)


async def test_two_thousand_sales_and_refunds_are_counted_once(
    desk: Desk, shop: Shop, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six who sell at once, two workers who fold and two who post, killed at one time in four: at the end it is the
    plain sum, to the micro-unit.
    """
    luck = chance("referral")
    crowd = await crowd_of(desk, shop)
    before = {each: await available(desk, wallet) for each, wallet in crowd.referrers.items()}

    def fall(place: str) -> None:
        if place in {"spending_counted", "referrals_posted"} and luck.random() < 0.25:
            raise ConnectionResetError

    monkeypatch.setattr(failpoints, "reach", fall)
    over = asyncio.Event()
    jobs = [dying(each, desk, over) for each in (referral_shares.fold, referral_shares.post_due) * 2]
    workers = [asyncio.create_task(each) for each in jobs]

    async def seller() -> None:
        for _ in range(70):
            await spend(desk, crowd, luck, luck.randint(1, 10))

    await asyncio.gather(*(seller() for _ in range(6)))
    over.set()
    await asyncio.gather(*workers)
    monkeypatch.undo()
    await even(desk)
    assert crowd.books.last >= 2_000
    rows = await fetch(desk, "select customer_id, earned_micros, posted_micros from referrer")
    earned = crowd.earned()
    assert {row[0]: row[1] for row in rows} == earned
    gained = {each: await available(desk, wallet) - before[each] for each, wallet in crowd.referrers.items()}
    assert gained == earned
    assert breaches_of(database_url, "I16") == []


async def test_a_sale_that_commits_late_is_not_passed_over(desk: Desk, shop: Shop) -> None:
    """Its posting's id is lower than the mark would be if nobody waited for it."""
    crowd = await crowd_of(desk, shop)
    customer_id = next(iter(crowd.shares))
    slow, quick = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        async with desk.db.transaction() as tx:
            await tx.execute(
                _POST, [crowd.wallets[customer_id], "capture", "held", "revenue", 50_000, 1, None]
            )
            quick.set()
            await slow.wait()

    task = asyncio.create_task(late())
    await quick.wait()
    async with desk.db.transaction() as tx:
        await tx.execute(_POST, [crowd.wallets[customer_id], "capture", "held", "revenue", 70_000, 2, None])
    await referral_shares.fold(desk)
    assert (await fetch(desk, "select sum(spent_micros) from referral"))[0][0] == 0
    slow.set()
    await task
    await even(desk)
    assert (await fetch(desk, "select sum(spent_micros) from referral"))[0][0] == 120_000


async def test_the_audit_sees_a_share_that_nobody_earned(desk: Desk, shop: Shop, database_url: str) -> None:
    """And spending that was counted wrongly, or is not counted though it was long ago."""
    carl = await enter(desk, "carl@example.org", await code_of(desk, shop.alice))
    await complete(desk, shop, carl)
    await even(desk)
    assert breaches_of(database_url, "I16") == []
    for wrong, found in (
        ("update referral set spent_micros = spent_micros + 1", "counted"),
        ("update referrer set earned_micros = earned_micros + 1", "earned"),
        ("update referrer set posted_micros = posted_micros + 1", "posted"),
        ("update referral set share = share + 1", "earned"),
    ):
        await fetch(desk, wrong + " returning 1")
        assert any(found in each for each in breaches_of(database_url, "I16")), wrong
        await fetch(desk, wrong.replace("+ 1", "- 1") + " returning 1")
    assert breaches_of(database_url, "I16") == []
    async with desk.db.transaction() as tx:
        await ledger.referral(tx, shop.bob, 1, reference="referral 1")
    assert any("posted" in each for each in breaches_of(database_url, "I16"))
