"""Orders as staff find and mend them: search, detail, refund, cancel, a look at the supplier, the orphan inbox, export."""

import pytest

from ringlet.activations import cancel as cancels
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.receive import IncomingMessage, receive
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.backoffice import order, orders, orphans, redress
from ringlet.backoffice.orders import Sought
from ringlet.desk import Desk
from ringlet.errors import CancelRejected, NotFound, ServiceUnavailable, ValidationFailed
from tests.office_rig import member, opened
from tests.site import PRICE_MICROS, Shop
from tests.suppliers_rig import upstream
from tests.test_races import at_once, customer, kinds, money

IG = Order(service="ig", country=6)
TEXT = "Your secret word is 482913"
HOSTILE = (
    "'",
    "\\",
    "%",
    "\0",
    "*",
    "' or 1=1 --",
    "9" * 18,
    "9" * 19,
    "@",
    "a@b",
    "+",
    "++62",
    "<b>",
    "x" * 9_000,
    "٦٢٨٩",
    "-5",
)


async def sold(desk: Desk, shop: Shop, reference: str | None = None) -> Activation:
    """An order of alice whose code has come."""
    made = await buy(desk, shop.alice, Order(service="ig", country=6, reference=reference))
    await shop.push(desk, made.activation, TEXT)
    return made.activation


async def found(desk: Desk, text: str = "", **more: object) -> list[int]:
    """The ids of what this finds."""
    part = await orders.part(desk, Sought(text, **more))  # type: ignore[arg-type]
    return [line.activation.public_id for line in part.lines]


class TestSearch:
    """What finds an order."""

    async def test_by_number_id_reference_and_customer(self, desk: Desk, shop: Shop) -> None:
        """The number with its country code and as it is written at home, with whatever stands between the digits."""
        one = await sold(desk, shop, "invoice-7")
        other = (await buy(desk, shop.bob, IG)).activation
        assert one.phone is not None
        assert one.phone.startswith("62")
        home = one.phone.removeprefix("62")
        for text in (one.phone, f"+{one.phone}", f"00{one.phone}", f"+62 {home[:3]}-{home[3:7]} ({home[7:]})", f"0{home}", home,
                     str(one.public_id), "invoice-7", "alice@example.org", " ALICE@example.org "):  # fmt: skip
            assert await found(desk, text) == [one.public_id], text
        assert await found(desk) == [other.public_id, one.public_id]
        assert await found(desk, customer_id=shop.bob.customer_id) == [other.public_id]
        assert await found(desk, "invoice-8") == await found(desk, one.phone + "1") == []

    @pytest.mark.parametrize("text", HOSTILE)
    async def test_hostile_text_finds_nothing_and_breaks_nothing(
        self, desk: Desk, shop: Shop, text: str
    ) -> None:
        """Neither a wildcard nor a digit of another script is one here."""
        one = await sold(desk, shop)
        assert await found(desk, text) == ([one.public_id] if text == "\0" else [])

    async def test_every_filter(self, desk: Desk, shop: Shop) -> None:
        """Service, country, state and time, alone and with a search."""
        one = await sold(desk, shop)
        other = (await buy(desk, shop.bob, Order(service="wa", country=6))).activation
        assert await found(desk, service="wa") == [other.public_id]
        assert await found(desk, country=7) == []
        assert await found(desk, states=(State.WAITING,)) == [other.public_id]
        assert await found(desk, one.phone or "", states=(State.WAITING,)) == [other.public_id]
        assert await found(desk, one.phone or "", states=(State.CANCELLED,)) == []
        assert await found(desk, since=other.created_at) == [other.public_id]
        assert await found(desk, until=other.created_at) == [one.public_id]
        assert await found(desk, "bob@example.org", since=one.created_at) == [other.public_id]

    async def test_a_hundred_thousand_rows(self, desk: Desk, shop: Shop) -> None:
        """Every search by an index, no row read that is not looked for, parts without a gap, days by halving."""
        one = await sold(desk, shop)
        async with desk.db.transaction() as tx:
            await tx.execute(_MANY, [shop.bob.id])
            await tx.execute("analyze activation")
            oldest = await (
                await tx.execute("select min(created_at), max(created_at) from activation")
            ).fetchone()
        assert oldest is not None
        assert one.phone is not None
        assert await found(desk, one.phone) == [one.public_id]
        assert len(await found(desk, "628000000007")) == 10
        assert len(await found(desk, f"8{0:08}7")) == 10
        assert await found(desk, "ref-99999") != []
        assert len(await found(desk, until=oldest[0])) == 0
        first = await orders.part(desk, Sought(service="zz"))
        assert first.lines == []
        assert first.older is not None
        ids = [
            line.activation.id async for batch in orders.batches(desk, Sought(service="wa")) for line in batch
        ]
        assert ids == sorted(set(ids), reverse=True)
        assert len(ids) == 50_000
        async with desk.db.connection() as tx:
            for ground, index in (
                (orders._BY_TEXT, "activation_phone"),
                (orders._OF_WALLETS, "activation_wallet"),
                (orders._ALL, "activation_pkey"),
            ):
                text = ground.replace("%(", "$(")
                plan = await _plan(tx, text)
                assert index in plan, plan
                assert "Seq Scan" not in plan, plan


_MANY = """
insert into activation (public_id, wallet_id, source_id, country, service, operator, phone, state, amount_micros, base_price,
    reference, created_at, expires_at, closed_at)
select 10 ^ 15 + n, %s, 1, 6, case when n %% 2 = 0 then 'wa' else 'tg' end, 'any', '628' || lpad((n %% 10000)::text, 9, '0'),
    'cancelled', 0, 0, case when n %% 3 = 0 then 'ref-' || n end, now() + n * interval '1 second',
    now() + n * interval '1 second', now() + n * interval '1 second'
from generate_series(1, 100000) as n
"""


async def _plan(tx, statement: str) -> str:
    """The plan that the pages get, with values that are not known when it is made."""
    values = {"phones": "text[]", "public_id": "bigint", "reference": "text", "wallets": "bigint[]", "low": "bigint",
              "high": "bigint", "looked_at": "bigint"}  # fmt: skip
    for at, name in enumerate(values, 1):
        statement = statement.replace(f"$({name})s", f"${at}")
    await tx.execute(f"prepare ground ({', '.join(values.values())}) as {statement}")
    given = "'{628000000007}', 7, 'ref-3', '{1}', 0, 9223372036854775807, 2000"
    rows = await (await tx.execute(f"explain (costs off) execute ground ({given})")).fetchall()
    await tx.execute("deallocate ground")
    return "\n".join(row[0] for row in rows)


@pytest.mark.usefixtures("breaches")
class TestRefund:
    """What was charged is given back once."""

    async def test_the_price_is_back_and_the_books_balance(self, desk: Desk, shop: Shop) -> None:
        """The order stays what it is; the posting says who and why; the customer sees it in the statement."""
        one, actor = await sold(desk, shop), await member(desk, "finance")
        await redress.refund(desk, actor, one.public_id, "the code was old")
        assert await money(desk, shop.alice) == (100_000_000, 0)
        told = await order.look(desk, one.public_id)
        assert [each.kind for each in told.story.money] == ["hold", "capture", "refund"]
        assert told.story.seen.activation.state == State.RECEIVED
        assert told.is_refunded
        with pytest.raises(ValidationFailed):
            await redress.refund(desk, actor, one.public_id, "again")

    async def test_twenty_at_once(self, desk: Desk, shop: Shop) -> None:
        """By two people, beside a new message and the end of the lease: one refund, and a clean audit."""
        one, other = await member(desk, "finance"), await member(desk, "owner")
        for number in range(5):
            made = await sold(desk, shop)
            before, _ = await money(desk, shop.alice)
            results = await at_once(
                *(redress.refund(desk, who, made.public_id, "x") for who in (one, other) for _ in range(10)),
                shop.push(desk, made, f"Another code 1234{number}"),
            )
            assert kinds(results) == {type(None): 2, ValidationFailed: 19}
            after, _ = await money(desk, shop.alice)
            assert after - before == PRICE_MICROS

    async def test_what_was_not_charged_is_not_refunded(self, desk: Desk, shop: Shop) -> None:
        """Waiting, cancelled, and what is not there."""
        actor = await member(desk, "finance")
        made = (await buy(desk, shop.alice, IG)).activation
        with pytest.raises(ValidationFailed):
            await redress.refund(desk, actor, made.public_id, "x")
        await redress.cancel(desk, actor, made.public_id, "asked by mail")
        with pytest.raises(ValidationFailed):
            await redress.refund(desk, actor, made.public_id, "x")
        with pytest.raises(CancelRejected):
            await redress.cancel(desk, actor, made.public_id, "x")
        with pytest.raises(NotFound):
            await redress.refund(desk, actor, 999_999, "x")
        assert await money(desk, shop.alice) == (100_000_000, 0)

    async def test_cancel_or_code_whichever_is_first(self, desk: Desk, shop: Shop) -> None:
        """Staff, customer and code at once: one ending, and the money follows it."""
        actor = await member(desk, "support")
        for number in range(10):
            made = (await buy(desk, shop.alice, IG)).activation
            await at_once(
                redress.cancel(desk, actor, made.public_id, "x"), cancels.cancel(desk, shop.alice.id, made.public_id),
                shop.push(desk, made, f"Your code is 77{number}913"),
            )  # fmt: skip
            assert (await order.look(desk, made.public_id)).story.seen.activation.state in {
                State.CANCELLED,
                State.RECEIVED,
            }


@pytest.mark.usefixtures("breaches")
class TestAtTheSupplier:
    """Asking him now, and cancelling there."""

    async def test_a_look_takes_what_he_says(self, desk: Desk) -> None:
        """The message is with its order before the worker's next sweep; the same again changes nothing."""
        actor, wallet = await member(desk, "support"), await customer(desk, 10_000_000)
        async with upstream(desk, "up") as up:
            made = (await buy(desk, wallet, IG)).activation
            up.warehouse.sms(up.only(), TEXT, "482913")
            for _ in range(2):
                held = await redress.look_now(desk, actor, made.public_id)
                assert len(held.messages) == 1
            told = await order.look(desk, made.public_id)
            assert told.story.seen.activation.code == "482913"
            assert [each.state for each in told.rentals] == ["open"]
            assert [each.kind for each in told.costs] == ["charge"]
            assert len(told.story.seen.messages) == 1

    async def test_a_supplier_that_is_away_is_said_so(self, desk: Desk) -> None:
        """Nothing is changed by a question without an answer."""
        actor, wallet = await member(desk, "support"), await customer(desk, 10_000_000)
        async with upstream(desk, "up"):
            made = (await buy(desk, wallet, IG)).activation
        with pytest.raises(ServiceUnavailable):
            await redress.look_now(desk, actor, made.public_id)
        assert (await order.look(desk, made.public_id)).story.seen.activation.state == State.WAITING

    async def test_what_is_no_suppliers_cannot_be_asked_about(self, desk: Desk, shop: Shop) -> None:
        """An own number has nobody behind it."""
        actor = await member(desk, "support")
        made = (await buy(desk, shop.alice, IG)).activation
        with pytest.raises(ValidationFailed):
            await redress.look_now(desk, actor, made.public_id)


class TestPages:
    """Over HTTP."""

    @pytest.mark.usefixtures("breaches")
    async def test_an_order_and_its_messages(self, desk: Desk, shop: Shop) -> None:
        """Nobody reads a text or a code without saying why, not in the list, the file, nor the page's source."""
        one = await sold(desk, shop, "=2+3")
        page = f"/admin/orders/{one.public_id}"
        async with opened(desk) as office:
            support, readonly = await office.employ("support"), await office.employ("readonly")
            for path in ("/admin/orders", page, "/admin/orders.csv", f"/admin/orders?q={one.phone}"):
                got = await support.get(path)
                assert got.status == 200
                assert str(one.public_id) in got.text
                assert "secret word" not in got.text
                assert "482913" not in got.text
            assert "'=2+3" in (await support.get("/admin/orders.csv")).text
            assert (await support.post(f"{page}/reveal", reason="")).status == 422
            assert (await readonly.post(f"{page}/reveal", reason="curious")).status == 403
            read = await support.post(f"{page}/reveal", reason="ticket 7")
            assert TEXT in read.text
            assert "482913" in read.text
            assert "secret word" not in (await support.get(page)).text
            (act,) = await office.acts("message.revealed")
            assert (act.reason, act.customer_id) == ("ticket 7", shop.alice.customer_id)
            assert len(await office.acts("orders.exported")) == 2

    @pytest.mark.usefixtures("breaches")
    async def test_refund_and_cancel_by_their_buttons(self, desk: Desk, shop: Shop) -> None:
        """Each by the role that may, once, with a sentence; what cannot be done says why."""
        one = await sold(desk, shop)
        waits = (await buy(desk, shop.bob, IG)).activation
        async with opened(desk) as office:
            finance, support = await office.employ("finance"), await office.employ("support")
            page = f"/admin/orders/{one.public_id}"
            assert f"{page}/refund" not in (await support.get(page)).text
            assert (await support.post(f"{page}/refund", reason="x")).status == 403
            assert (await finance.post(f"{page}/refund", reason="")).status == 422
            assert (await finance.post(f"{page}/refund", reason="old code")).status == 303
            assert "Refunded" in (await finance.get(page)).text
            await finance.post(f"{page}/refund", reason="old code")
            assert "given back already" in (await finance.get(page)).text
            page = f"/admin/orders/{waits.public_id}"
            assert (await support.post(f"{page}/cancel", reason="asked for")).status == 303
            assert "back on the customer" in (await support.get(page)).text
            await support.post(f"{page}/look")
            assert "nothing to ask" in (await support.get(page)).text
        assert await money(desk, shop.alice) == await money(desk, shop.bob) == (100_000_000, 0)

    async def test_addresses_that_are_none(self, desk: Desk, shop: Shop) -> None:
        """Ids of other shapes are not found; filters that make no sense are as if they were not there."""
        one = await sold(desk, shop)
        async with opened(desk) as office:
            owner = await office.employ("owner")
            for path in ("x", "-1", "9" * 19, "1.5", "%00", "1%20or%201", str(one.id)):
                assert (await owner.get(f"/admin/orders/{path}")).status == 404, path
            for query in (
                "state=x",
                "service='",
                "country=x",
                "customer=-1",
                "from=x",
                "before=x",
                "before=" + "9" * 30,
                "q=%00",
            ):
                got = await owner.get(f"/admin/orders?{query}")
                assert got.names("data-order") == [str(one.public_id)], query


class TestInbox:
    """Messages for numbers that nobody had leased."""

    async def test_masked_until_somebody_says_why(self, desk: Desk, shop: Shop) -> None:
        """One at a time, with an act that names the message and not its words."""
        for number in range(60):
            incoming = IncomingMessage(
                10_000 + number, "6289540000049", "<b>Bank</b>", f"Orphan word {number}"
            )
            await receive(desk, shop.source_id, incoming)
        async with opened(desk) as office:
            support, readonly = await office.employ("support"), await office.employ("readonly")
            first = await support.get("/admin/inbox")
            assert len(first.names("data-message")) == 50
            assert "Orphan word" not in first.text
            assert "<b>Bank" not in first.text
            (older,) = [each for each in first.names("href") if "before=" in each]
            assert len((await support.get(older)).names("data-message")) == 10
            wanted = first.names("data-message")[3]
            assert (await readonly.post(f"/admin/inbox/{wanted}/reveal", reason="curious")).status == 403
            assert (await support.post(f"/admin/inbox/{wanted}/reveal", reason="")).status == 422
            read = await support.post(f"/admin/inbox/{wanted}/reveal", reason="whose is it")
            assert read.text.count("Orphan word") == 1
            assert (await support.post("/admin/inbox/999999/reveal", reason="whose is it")).status == 404
            (act,) = await office.acts("message.revealed")
            assert (act.about, act.after) == (f"message {wanted}", None)
        assert (await orphans.part(desk)).older is not None
