"""One number for several services: all of it or nothing, whoever buys at the same moment."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from ringlet import accounts, ledger
from ringlet.activations import browse, buy, cancel, several
from ringlet.activations.choose import Order
from ringlet.activations.states import State
from ringlet.desk import Desk
from ringlet.errors import IdempotencyMismatch, InsufficientBalance, MaxPriceExceeded, NoNumbers
from ringlet.idempotency import Once
from tests.contract import account, running_site
from tests.databases import DemoHome
from tests.handler_program import LATER, Program, own_account
from tests.site import PRICE, PRICE_MICROS, Shop, Site, fill_shop


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; when all is done nothing was unforeseen and its books balance."""
    with running_site(tmp_path_factory.mktemp("several"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


def orders(*services: str, **more: Any) -> list[Order]:
    return [Order(service, 6, **more) for service in services]


async def balance(desk: Desk, wallet: ledger.Wallet) -> ledger.Balance:
    async with desk.db.connection() as tx:
        return await ledger.balance(tx, wallet.id)


async def leased(desk: Desk) -> list[tuple[str, str]]:
    """(phone, service) of every number that somebody has."""
    async with desk.db.connection() as tx:
        rows = await tx.execute(
            "select s.phone, o.service from stock s join offer o on o.id = s.offer_id where s.state = 'leased'"
            " order by s.phone, o.service"
        )
        return await rows.fetchall()  # type: ignore[return-value]


def kinds(outcomes: Sequence[object]) -> list[str]:
    return sorted(type(each).__name__ for each in outcomes)


async def at_once(*work: Any) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


@pytest.mark.usefixtures("breaches")
class TestAtTheDesk:
    """The use case itself."""

    async def test_one_phone_and_an_activation_for_each(self, desk: Desk, shop: Shop) -> None:
        """In the order that was asked for, each with its own price held, told as bought."""
        bought = await several.buy(desk, shop.alice, orders("wa", "ig", "tg", reference="mine"))
        rows = bought.activations
        assert [row.service for row in rows] == ["wa", "ig", "tg"]
        assert len({row.phone for row in rows}) == 1
        assert len({row.public_id for row in rows}) == 3
        assert {(row.state, row.amount_micros, row.reference) for row in rows} == {
            (State.WAITING, PRICE_MICROS, "mine")
        }
        found = await balance(desk, shop.alice)
        assert (found.held_micros, found.available_micros) == (
            3 * PRICE_MICROS,
            100_000_000 - 3 * PRICE_MICROS,
        )
        assert await leased(desk) == [(rows[0].phone, service) for service in ("ig", "tg", "wa")]

    async def test_each_goes_its_own_way(self, desk: Desk, shop: Shop) -> None:
        """One is cancelled, the code of another comes, the third waits on."""
        first, second, third = (await several.buy(desk, shop.alice, orders("ig", "wa", "tg"))).activations
        await cancel.cancel(desk, shop.alice.id, first.public_id)
        await shop.push(desk, second, "Your WhatsApp code is 123-456", "WhatsApp")
        states = [
            (await browse.look(desk, shop.alice.id, row.public_id)).activation
            for row in (first, second, third)
        ]
        assert [(row.state, row.code) for row in states] == [
            (State.CANCELLED, None), (State.RECEIVED, "123456"), (State.WAITING, None),
        ]  # fmt: skip
        assert [service for _, service in await leased(desk)] == ["tg", "wa"]
        assert (await balance(desk, shop.alice)).held_micros == PRICE_MICROS

    async def test_a_number_that_lacks_one_is_stepped_over(self, desk: Desk) -> None:
        """Sold for one of them, or never for one of them: the next number has to be free for all."""
        shop = await fill_shop(desk, numbers=3)
        taken = [(await buy.buy(desk, shop.bob, Order("wa", 6))).activation.phone for _ in range(2)]
        bought = await several.buy(desk, shop.alice, orders("ig", "wa"))
        assert bought.activations[0].phone not in taken
        with pytest.raises(NoNumbers):
            await several.buy(desk, shop.alice, orders("ig", "wa"))
        with pytest.raises(NoNumbers):
            await several.buy(desk, shop.alice, orders("ig", "vk"))
        assert len(await leased(desk)) == 4
        still = await several.buy(desk, shop.alice, orders("ig", "tg"))
        assert still.activations[0].phone in taken

    @pytest.mark.usefixtures("shop")
    async def test_nothing_happens_when_the_money_is_short(self, desk: Desk) -> None:
        """Money for two of three buys none."""
        poor = await accounts.open_account(desk, "poor@example.org", 2 * PRICE_MICROS, actor="test")
        async with desk.db.connection() as tx:
            wallet = await ledger.wallet(tx, await accounts.wallet_id(tx, poor.id, "live"))
        with pytest.raises(InsufficientBalance):
            await several.buy(desk, wallet, orders("ig", "wa", "tg"))
        assert await leased(desk) == []
        assert (await balance(desk, wallet)).held_micros == 0
        assert (await browse.browse(desk, wallet.id, browse.Wanted())).total == 0
        assert len((await several.buy(desk, wallet, orders("ig", "wa"))).activations) == 2

    async def test_a_price_limit_holds_for_each(self, desk: Desk, shop: Shop) -> None:
        """At the price it sells, below it says what would do."""
        with pytest.raises(MaxPriceExceeded):
            await several.buy(desk, shop.alice, orders("ig", "wa", max_price=PRICE / 2))
        await several.buy(desk, shop.alice, orders("ig", "wa", max_price=PRICE))

    async def test_prefixes_and_operators(self, desk: Desk, shop: Shop) -> None:
        """What may not be is not sold."""
        with pytest.raises(NoNumbers):
            await several.buy(desk, shop.alice, orders("ig", "wa", exclude_prefixes=("6289",)))
        with pytest.raises(NoNumbers):
            await several.buy(desk, shop.alice, orders("ig", "wa", operators=("axis",)))
        await several.buy(desk, shop.alice, orders("ig", "wa", operators=("telkomsel",)))

    async def test_a_key_buys_once(self, desk: Desk, shop: Shop) -> None:
        """Also for two at once; the repetition names the first activation."""
        once = Once(shop.alice.id, "together", b"same")
        answers = await asyncio.gather(
            *(several.buy(desk, shop.alice, orders("ig", "wa"), once) for _ in range(4))
        )
        assert sorted(each.replayed for each in answers) == [False, True, True, True]
        assert len({each.activations[0].public_id for each in answers}) == 1
        assert len(await leased(desk)) == 2
        with pytest.raises(IdempotencyMismatch):
            await several.buy(desk, shop.alice, orders("ig", "wa"), Once(shop.alice.id, "together", b"other"))

    async def test_two_at_once_on_the_last_number(self, desk: Desk) -> None:
        """Exactly one of them gets it, whatever the order in which they name the services; thirty times."""
        shop = await fill_shop(desk, numbers=1)
        for _ in range(30):
            outcomes = await at_once(
                several.buy(desk, shop.alice, orders("ig", "wa")),
                several.buy(desk, shop.bob, orders("wa", "tg", "ig")),
            )
            assert kinds(outcomes) == ["Bought", "NoNumbers"]
            (bought,) = (each for each in outcomes if isinstance(each, several.Bought))
            assert len(await leased(desk)) == len(bought.activations)
            for row in bought.activations:
                await cancel.cancel(desk, row.wallet_id, row.public_id)

    async def test_two_that_share_no_service_share_the_last_number(self, desk: Desk) -> None:
        """A number is sold once for each service, to whoever wants it."""
        shop = await fill_shop(desk, numbers=1)
        outcomes = await at_once(
            several.buy(desk, shop.alice, orders("ig", "wa")), several.buy(desk, shop.bob, orders("tg", "go"))
        )
        assert kinds(outcomes) == ["Bought", "Bought"]
        assert len(await leased(desk)) == 4

    async def test_a_crowd_on_few_numbers(self, desk: Desk) -> None:
        """Single sales and sales of several at once: no number twice for a service, and nothing half done."""
        shop = await fill_shop(desk, numbers=10)
        work = [
            several.buy(desk, shop.alice, orders("ig", "wa", "tg")) if index % 2
            else buy.buy(desk, shop.bob, Order("wa", 6))
            for index in range(30)
        ]  # fmt: skip
        outcomes = await at_once(*work)
        assert set(kinds(outcomes)) == {"Bought", "NoNumbers"}
        taken = await leased(desk)
        assert len(taken) == len(set(taken))
        whole = [each for each in outcomes if isinstance(each, several.Bought)]
        assert len([each for each in taken if each[1] == "ig"]) == len(whole)
        assert len([each for each in taken if each[1] == "wa"]) == 10
        assert (await balance(desk, shop.alice)).held_micros == 3 * PRICE_MICROS * len(whole)

    async def test_the_simulator_does_it_too(self, desk: Desk, shop: Shop) -> None:
        """One simulated phone; what rehearses a refusal refuses all of it."""
        bought = await several.buy(desk, shop.rehearsal, orders("ig", "wa"))
        assert len({row.phone for row in bought.activations}) == 1
        for service in ("test_no_numbers", "test_timeout"):
            with pytest.raises(NoNumbers):
                await several.buy(desk, shop.rehearsal, orders("ig", service))
        with pytest.raises(InsufficientBalance):
            await several.buy(desk, shop.rehearsal, orders("ig", "test_insufficient_balance"))
        assert (await browse.browse(desk, shop.rehearsal.id, browse.Wanted())).total == 2
        once = Once(shop.rehearsal.id, "together", b"same")
        again = [await several.buy(desk, shop.rehearsal, orders("ig", "wa"), once) for _ in range(2)]
        assert again[1].replayed


@pytest.mark.parametrize("path", ["", LATER])
def test_at_the_doors(site: Site, path: str) -> None:
    """The protocol's own form: a list of phone, activation and service; each id lives alone from there on."""
    key = own_account(site)["api_key"]
    program = Program(site, key, *([path] if path else []))
    rows = program.say("getMultiServiceNumber", multiService="go,ig", country=6, operator="any", ref="9")
    assert [sorted(row) for row in rows] == [["activation", "phone", "service"]] * 2
    assert [row["service"] for row in rows] == ["go", "ig"]
    assert rows[0]["phone"] == rows[1]["phone"]
    go, ig = (str(row["activation"]) for row in rows)
    program.numbers[ig] = rows[0]["phone"]
    assert program.set(go, 8) == "ACCESS_CANCEL"
    assert program.status(go) == "STATUS_CANCEL"
    assert program.status(ig) == "STATUS_WAIT_CODE"
    program.push(ig, "Your Instagram code is 1234")
    assert program.status(ig) == "STATUS_OK:1234"
    assert program.set(ig, 6) == "ACCESS_ACTIVATION"
    assert program.say("getBalance") == "ACCESS_BALANCE:99.888511"


def test_what_the_doors_refuse(site: Site) -> None:
    """In the words of the protocol, and nothing was bought."""
    program = Program(site, own_account(site)["api_key"])
    several_of = {"multiService": "ig,wa", "country": 6}
    assert program.say("getMultiServiceNumber", multiService="ig,zzzz9") == "BAD_SERVICE"
    assert program.say("getMultiServiceNumber", multiService="ig,,wa") == "BAD_SERVICE"
    assert program.say("getMultiServiceNumber", **{**several_of, "country": 9998}) == "BAD_COUNTRY"
    assert program.say("getMultiServiceNumber", **{**several_of, "country": 7}) == "NO_NUMBERS"
    assert program.say("getMultiServiceNumber", **several_of, multiForward="0,1") == "NO_NUMBERS"
    assert program.say("getMultiServiceNumber", **several_of, phoneException="x") == "WRONG_EXCEPTION_PHONE"
    assert program.say("getMultiServiceNumber", **several_of, maxPrice="0.01").startswith("WRONG_MAX_PRICE")
    assert program.say("getBalance") == "ACCESS_BALANCE:100.00"
    poor = Program(site, account(site, "poor@example.org", "0.12")["api_key"])
    assert poor.say("getMultiServiceNumber", **several_of) == "NO_BALANCE"
    assert poor.say("getBalance") == "ACCESS_BALANCE:0.12"


def test_anywhere_alone_and_once(site: Site) -> None:
    """`any` takes the cheapest country, one service is an ordinary buy, and an orderId buys once."""
    program = Program(site, own_account(site)["api_key"])
    rows = program.say("getMultiServiceNumber", multiService="ig,wa", country="any", multiForward="0,0")
    assert len(rows) == 2
    (row,) = program.say("getMultiServiceNumber", multiService="ig,ig", country=6)
    assert row["service"] == "ig"
    order = {"multiService": "ig,wa", "country": 6, "orderId": "my own"}
    assert len(program.say("getMultiServiceNumber", **order)) == 2
    assert program.say("getMultiServiceNumber", **order) == "ORDER_ALREADY_EXISTS"
