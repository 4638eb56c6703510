"""Money as staff move and look at it: two people above a limit, the ledger posting by posting, the audit at a button."""

import asyncio
import secrets
from collections import Counter

import msgspec
import pytest

from ringlet import accounts, acts
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.acts import CLI, Actor
from ringlet.backoffice import adjustments, auditing, explorer
from ringlet.backoffice.adjustments import Wish
from ringlet.backoffice.explorer import Sought
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.ledger import Wallet
from tests.office_rig import member, opened
from tests.site import PRICE_MICROS, Shop
from tests.test_races import at_once, customer, kinds, money

IG = Order(service="ig", country=6)
UNIT = 1_000_000


def wish(wallet: Wallet, amount: int, reason: str = "goodwill") -> Wish:
    """So many whole units, by a form of its own."""
    return Wish(wallet.customer_id, amount * UNIT, reason, secrets.token_urlsafe(12))


async def waiting(desk: Desk) -> list[int]:
    async with desk.db.connection() as tx:
        return [each.id for each in await adjustments.waiting(tx)]


async def state_of(desk: Desk, adjustment_id: int) -> str:
    async with desk.db.connection() as tx:
        return next(each.state for each in await adjustments.decided(tx) if each.id == adjustment_id)


async def done(desk: Desk, act: str) -> int:
    async with desk.db.connection() as tx:
        return len(await acts.search(tx, act=act))


@pytest.mark.usefixtures("breaches")
class TestTwoPeople:
    """Above the limit a second person decides."""

    @pytest.fixture
    async def one(self, desk: Desk) -> Actor:
        return await member(desk, "finance")

    @pytest.fixture
    async def other(self, desk: Desk) -> Actor:
        return await member(desk, "finance")

    async def test_a_small_one_is_posted_at_once(self, desk: Desk, shop: Shop, one: Actor) -> None:
        """With its reason and who did it on the posting, and one act."""
        assert await adjustments.ask(desk, one, wish(shop.alice, 5, " sorry\n for it "))
        assert await adjustments.ask(desk, one, wish(shop.alice, -3))
        assert await money(desk, shop.alice) == (102 * UNIT, 0)
        row = (await explorer.part(desk, Sought(wallet_id=shop.alice.id))).rows[1]
        assert (row.kind, row.actor, row.reason, row.left_micros) == (
            "credit",
            one.name,
            "sorry for it",
            105 * UNIT,
        )
        assert await done(desk, "balance.adjusted") == 2

    async def test_what_is_above_waits_and_is_posted_by_somebody_else(
        self, desk: Desk, shop: Shop, one: Actor, other: Actor
    ) -> None:
        """Nothing moves before; both names stand on the posting."""
        assert not await adjustments.ask(desk, one, wish(shop.alice, 101))
        (asked,) = await waiting(desk)
        assert await money(desk, shop.alice) == (100 * UNIT, 0)
        with pytest.raises(Forbidden):
            await adjustments.approve(desk, one, asked)
        with pytest.raises(Forbidden):
            await adjustments.refuse(desk, one, asked)
        with pytest.raises(Forbidden):
            await adjustments.approve(desk, CLI, asked)
        with pytest.raises(NotFound):
            await adjustments.approve(desk, other, 999_999)
        await adjustments.approve(desk, other, asked)
        assert await money(desk, shop.alice) == (201 * UNIT, 0)
        assert await state_of(desk, asked) == "approved"
        row = (await explorer.part(desk, Sought(wallet_id=shop.alice.id))).rows[0]
        assert row.actor == f"{one.name}, {other.name}"
        with pytest.raises(ValidationFailed):
            await adjustments.refuse(desk, other, asked)

    async def test_small_ones_count_together(self, desk: Desk, shop: Shop, one: Actor, other: Actor) -> None:
        """What one person posts alone within a day has the limit, also when all forms are sent at once."""
        asked = (wish(shop.alice, 30) for _ in range(10))
        results = await at_once(*(adjustments.ask(desk, one, each) for each in asked))
        assert Counter(results) == {True: 3, False: 7}
        assert await money(desk, shop.alice) == (190 * UNIT, 0)
        assert not await adjustments.ask(desk, one, wish(shop.bob, -30))
        assert await adjustments.ask(desk, other, wish(shop.bob, -30))

    async def test_one_form_sent_ten_times_asks_once(self, desk: Desk, shop: Shop, one: Actor) -> None:
        """A double click moves no more money than a click, small or large."""
        for amount, is_posted in ((7, True), (1_000, False)):
            form = wish(shop.alice, amount)
            results = await at_once(*(adjustments.ask(desk, one, form) for _ in range(10)))
            assert set(results) == {is_posted}
        assert await money(desk, shop.alice) == (107 * UNIT, 0)
        assert len(await waiting(desk)) == 1
        with pytest.raises(ValidationFailed):
            await adjustments.ask(desk, one, msgspec.structs.replace(form, amount_micros=UNIT))

    async def test_two_approvals_at_once_post_once(
        self, desk: Desk, shop: Shop, one: Actor, other: Actor
    ) -> None:
        """Also beside refusals: one decides, everybody else finds it decided."""
        third = await member(desk, "owner")
        for _ in range(10):
            await adjustments.ask(desk, one, wish(shop.bob, 1_000))
            (asked,) = await waiting(desk)
            before, _ = await money(desk, shop.bob)
            results = await at_once(
                adjustments.approve(desk, other, asked), adjustments.refuse(desk, third, asked),
                adjustments.approve(desk, third, asked), adjustments.approve(desk, other, asked),
            )  # fmt: skip
            assert kinds(results) == {type(None): 1, ValidationFailed: 3}
            after, _ = await money(desk, shop.bob)
            assert after - before == (1_000 * UNIT if await state_of(desk, asked) == "approved" else 0)

    async def test_a_debit_never_goes_below_zero(self, desk: Desk, one: Actor, other: Actor) -> None:
        """Refused when it is asked for if it is small, when it is approved if it is not; then it still waits."""
        poor = await customer(desk, 10 * UNIT)
        with pytest.raises(ValidationFailed):
            await adjustments.ask(desk, one, wish(poor, -11))
        assert not await adjustments.ask(desk, one, wish(poor, -500))
        (asked,) = await waiting(desk)
        with pytest.raises(ValidationFailed):
            await adjustments.approve(desk, other, asked)
        assert await waiting(desk) == [asked]
        await adjustments.refuse(desk, other, asked)
        assert await money(desk, poor) == (10 * UNIT, 0)

    async def test_a_crash_between_leaves_nothing_half(
        self, desk: Desk, shop: Shop, one: Actor, other: Actor
    ) -> None:
        """The decision, the posting and the act are one transaction: with the act impossible there is none of them."""
        await adjustments.ask(desk, one, wish(shop.alice, 500))
        (asked,) = await waiting(desk)
        async with desk.db.connection() as tx:
            await tx.execute(
                "alter table staff_act add constraint crash check (act <> 'balance.adjustment_approved')"
            )
        with pytest.raises(Exception, match="crash"):
            await adjustments.approve(desk, other, asked)
        assert await waiting(desk) == [asked]
        assert await money(desk, shop.alice) == (100 * UNIT, 0)
        async with desk.db.connection() as tx:
            await tx.execute("alter table staff_act drop constraint crash")
        await adjustments.approve(desk, other, asked)
        assert await money(desk, shop.alice) == (600 * UNIT, 0)

    async def test_after_a_week_nobody_approves_it_any_more(
        self, desk: Desk, shop: Shop, one: Actor, other: Actor
    ) -> None:
        """Also before the worker has come by; it notes the end once."""
        await adjustments.ask(desk, one, wish(shop.alice, 500))
        (asked,) = await waiting(desk)
        async with desk.db.connection() as tx:
            await tx.execute("update adjustment set expires_at = now() - interval '1 second'")
        with pytest.raises(ValidationFailed):
            await adjustments.approve(desk, other, asked)
        assert await waiting(desk) == []
        assert await state_of(desk, asked) == "expired"
        assert [await adjustments.expire(desk), await adjustments.expire(desk)] == [1, 0]
        assert await done(desk, "balance.adjustment_expired") == 1
        assert await money(desk, shop.alice) == (100 * UNIT, 0)

    async def test_nobody_moves_his_own_money(self, desk: Desk, shop: Shop, one: Actor, other: Actor) -> None:
        """Staff have accounts like everybody; their own balance is for somebody else, also to approve."""
        async with desk.db.connection() as tx:
            row = await (
                await tx.execute("select customer_id from person where id = %s", [one.person_id])
            ).fetchone()
        assert row is not None
        own = msgspec.structs.replace(shop.alice, customer_id=row[0])
        with pytest.raises(Forbidden):
            await adjustments.ask(desk, one, wish(own, 1))
        assert not await adjustments.ask(desk, other, wish(own, 1_000))
        with pytest.raises(Forbidden):
            await adjustments.approve(desk, one, (await waiting(desk))[0])

    @pytest.mark.parametrize("amount", [0, 10**10, -(10**10)])
    async def test_amounts_that_are_none(self, desk: Desk, shop: Shop, one: Actor, amount: int) -> None:
        """Nothing, and more than there can be."""
        with pytest.raises(ValidationFailed):
            await adjustments.ask(desk, one, wish(shop.alice, amount))

    async def test_the_command_stays_direct_and_is_in_the_log(self, desk: Desk, shop: Shop) -> None:
        """Whoever has a shell has everything; that he used it is written down."""
        await accounts.adjust(desk, "alice@example.org", 5_000 * UNIT, actor="cli", reason="opening")
        assert await money(desk, shop.alice) == (5_100 * UNIT, 0)
        async with desk.db.connection() as tx:
            (act,) = await acts.search(tx, act="balance.adjusted")
        assert (act.actor, act.reason, act.customer_id) == ("cli", "opening", shop.alice.customer_id)


@pytest.mark.usefixtures("breaches")
class TestLedger:
    """Posting by posting."""

    async def test_the_balance_after_each_is_what_it_was(self, desk: Desk, shop: Shop) -> None:
        """From the newest back to the first: what is left before the first is nothing, part by part over signed links."""
        for number in range(70):
            bought = await buy(desk, shop.alice, IG) if number % 10 == 0 else None
            if bought is not None:
                await shop.push(desk, bought.activation, f"Your code is 48{number:04}")
            await accounts.adjust(
                desk, "alice@example.org", UNIT if number % 3 else -UNIT, actor="cli", reason="x"
            )
        sought = Sought(wallet_id=shop.alice.id)
        first = await explorer.part(desk, sought)
        rest = await explorer.part(desk, sought, first.older, left_micros=first.left_micros)
        rows = [*first.rows, *rest.rows]
        assert rows[0].left_micros == sum(await money(desk, shop.alice))
        assert (rest.older, rest.left_micros) == (None, 0)
        assert len({row.id for row in rows}) == len(rows) == 1 + 70 + 7
        async with opened(desk) as office:
            owner = await office.employ("readonly")
            page = await owner.get(f"/admin/ledger?wallet={shop.alice.id}")
            (older,) = [each for each in page.names("href") if "before=" in each]
            assert "Balance" in (await owner.get(older.replace("&amp;", "&"))).text
            forged = older.replace("&amp;", "&").replace(f"before={first.older}.", f"before={first.older}.1")
            assert "Balance" not in (await owner.get(forged)).text.partition("<main")[2]

    async def test_every_filter(self, desk: Desk, shop: Shop) -> None:
        """Kind, account, amount, wallet, order, time; each finds what is so and nothing else."""
        bought = await buy(desk, shop.alice, IG)
        await shop.push(desk, bought.activation, "Your code is 482913")
        await accounts.adjust(desk, "bob@example.org", -UNIT, actor="cli", reason="x")

        async def found(**sought: object) -> list[str]:
            part = await explorer.part(desk, Sought(**sought))  # type: ignore[arg-type]
            assert [row async for each in explorer.batches(desk, Sought(**sought)) for row in each] == [  # type: ignore[arg-type]
                msgspec.structs.replace(row, left_micros=None) for row in part.rows
            ]
            return [row.kind for row in part.rows]

        assert await found(order=bought.activation.public_id) == ["capture", "hold"]
        assert await found(account="held") == ["capture", "hold"]
        assert await found(account="revenue") == ["capture"]
        assert await found(kind="debit") == ["debit"]
        assert await found(amount_micros=PRICE_MICROS) == ["capture", "hold"]
        assert await found(wallet_id=shop.bob.id) == ["debit", "credit"]
        assert await found(wallet_id=shop.alice.id, kind="hold") == ["hold"]
        assert await found(since=bought.activation.created_at) == ["debit", "capture", "hold"]
        assert await found(until=bought.activation.created_at, wallet_id=shop.alice.id) == ["credit"]
        assert await found(order=1) == []

    @pytest.mark.usefixtures("shop")
    async def test_pages_and_file(self, desk: Desk) -> None:
        """Hostile filters are as if they were not there; reasons compute nothing in a spreadsheet."""
        await accounts.adjust(desk, "alice@example.org", UNIT, actor="cli", reason="=HYPERLINK(1)")
        async with opened(desk) as office:
            finance = await office.employ("finance")
            for query in (
                "wallet='",
                "order=1e9",
                "kind=theft",
                "amount=1e9",
                "amount=-1",
                "from=9999-99-99",
                "before=1.2.3",
                "wallet=" + "9" * 30,
            ):
                assert (await finance.get(f"/admin/ledger?{query}")).status == 200
            got = await finance.get("/admin/ledger.csv?kind=credit&amount=1")
            (act,) = await office.acts("ledger.exported")
        assert "'=HYPERLINK(1)" in got.text
        assert ",=HYPERLINK" not in got.text
        assert act.after == {"kind": "credit", "amount": "1"}


class TestAudit:
    """At a button."""

    async def test_one_at_a_time_and_the_result_stays(self, desk: Desk, shop: Shop) -> None:
        """Of several at once one runs; a breach is shown with its row."""
        async with desk.db.connection() as tx:
            await tx.execute(
                "update ledger_account set balance_micros = 5 where wallet_id = %s and kind = 'revenue'",
                [shop.bob.id],
            )
        results = await at_once(*(auditing.audit_now(desk) for _ in range(6)))
        assert Counter(results) == {True: 1, False: 5}
        async with opened(desk) as office:
            seen = await (await office.employ("readonly")).get("/admin/money")
        assert f"revenue of wallet {shop.bob.id}: balance 5, postings 0" in seen.text

    async def test_who_died_at_it_is_given_up(self, desk: Desk) -> None:
        """An audit that began long ago and never ended keeps nobody from another one."""
        async with desk.db.connection() as tx:
            await tx.execute("update audit_made set began_at = now() - interval '5 minutes', ended_at = null")
            assert not await auditing.audit_now(desk)
            await tx.execute("update audit_made set began_at = now() - interval '1 hour'")
        assert await auditing.audit_now(desk)

    @pytest.mark.usefixtures("shop")
    async def test_the_button_answers_at_once(self, desk: Desk) -> None:
        """The page says that it is under way, and then what was found."""
        async with opened(desk) as office:
            finance = await office.employ("finance")
            assert (await finance.post("/admin/money/audit")).status == 303
            async with asyncio.timeout(10):
                while "the books balance" not in (await finance.get("/admin/money")).text:
                    await asyncio.sleep(0.05)


@pytest.mark.usefixtures("breaches")
async def test_approvals_over_http(desk: Desk, shop: Shop) -> None:
    """Asked for on the customer's page, seen by who asked without a button, approved by somebody else."""
    page = f"/admin/customers/{shop.alice.customer_id}"
    async with opened(desk) as office:
        one, other = await office.employ("finance"), await office.employ("owner")
        (once,) = (await one.get(page)).names('name="once" value')
        asked = await one.post(
            f"{page}/adjust", way="credit", amount="150,5", reason="refund by hand", once=once
        )
        assert (asked.status, asked.headers["Location"]) == (303, page)
        (row,) = (await one.get("/admin/money")).names("data-adjustment")
        assert f"/admin/money/{row}/approve" not in (await one.get("/admin/money")).text
        assert (await one.post(f"/admin/money/{row}/approve")).status == 403
        assert f"/admin/money/{row}/approve" in (await other.get("/admin/money")).text
        assert (await other.post(f"/admin/money/{row}/approve")).status == 303
        assert (await other.post(f"/admin/money/{row}/approve")).status == 422
        for amount in ("", "0", "-5", "1e3", "NaN", "0.0000001", "١٢"):
            got = await one.post(f"{page}/adjust", way="credit", amount=amount, reason="x", once=once)
            assert got.status == 422, amount
        assert (
            await one.post(f"{page}/adjust", way="credit", amount="1", reason="x", once="short")
        ).status == 422
    assert await money(desk, shop.alice) == (250_500_000, 0)
