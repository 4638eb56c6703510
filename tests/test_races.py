"""Many at once: the money of a hundred buys a hundred, and everything else happens once, at the desk (`test_races_http`: over HTTP)."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Iterable
from typing import Any

import pytest

from ringlet import accounts, audit, ledger
from ringlet.activations import browse, cancel, receive, resend
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.activations.order import Bought
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.errors import CancelRejected, IdempotencyInProgress, InsufficientBalance, ResendRejected
from ringlet.idempotency import Once
from ringlet.settings import Settings
from tests.crowd import chance, desks_of, late
from tests.site import PRICE_MICROS, Shop, fill_shop

IG = Order(service="ig", country=6)
MONEY_FOR_100 = 100 * PRICE_MICROS
ROUNDS = 200


async def money(desk: Desk, wallet: ledger.Wallet) -> tuple[int, int]:
    async with desk.db.connection() as tx:
        found = await ledger.balance(tx, wallet.id)
    return found.available_micros, found.held_micros


async def customer(desk: Desk, balance_micros: int) -> ledger.Wallet:
    """A new customer with exactly this balance."""
    made = await accounts.open_account(
        desk, f"{secrets.token_hex(6)}@example.org", balance_micros, actor="test"
    )
    async with desk.db.connection() as tx:
        return await ledger.wallet(tx, await accounts.wallet_id(tx, made.id, "live"))


async def at_once(*work: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


def kinds(results: Iterable[object]) -> Counter[type]:
    return Counter(type(result) for result in results)


@pytest.mark.usefixtures("breaches")
class TestAtTheDesk:
    """The use cases themselves, on eight connections of one process."""

    @pytest.fixture
    async def big_shop(self, desk: Desk) -> Shop:
        return await fill_shop(desk, numbers=400)

    @pytest.mark.usefixtures("big_shop")
    async def test_money_for_a_hundred_buys_a_hundred(self, desk: Desk) -> None:
        """300 buys at once on the money of 100 sell exactly 100; a fourfold cancel of each refunds it once."""
        wallet = await customer(desk, MONEY_FOR_100)
        results = await at_once(*(buy(desk, wallet, IG) for _ in range(300)))
        assert kinds(results) == {Bought: 100, InsufficientBalance: 200}
        assert await money(desk, wallet) == (0, MONEY_FOR_100)
        ids = [result.activation.public_id for result in results if isinstance(result, Bought)]
        cancels = await at_once(*(cancel.cancel(desk, wallet.id, each) for each in ids for _ in range(4)))
        assert kinds(cancels) == {cancel.Cancelled: 100, CancelRejected: 300}
        assert await money(desk, wallet) == (MONEY_FOR_100, 0)

    async def test_one_key_forty_times_is_one_activation(self, desk: Desk, big_shop: Shop) -> None:
        """40 requests at once with one idempotency key make one activation and are answered with it."""
        for number in range(10):
            once = Once(big_shop.alice.id, f"key-{number}", b"the same request")
            results = await at_once(*(buy(desk, big_shop.alice, IG, once) for _ in range(40)))
            assert kinds(results).keys() <= {Bought, IdempotencyInProgress}
            bought = [result for result in results if isinstance(result, Bought)]
            assert len({each.activation.public_id for each in bought}) == 1
            assert [each.replayed for each in bought].count(False) == 1
        assert (await money(desk, big_shop.alice))[1] == 10 * PRICE_MICROS

    async def test_code_and_cancel_at_once_never_both(self, desk: Desk, big_shop: Shop) -> None:
        """Captured with a code or refunded without one, 200 times, whoever starts first."""
        rng = chance("code and cancel")
        outcomes: Counter[State] = Counter()
        for number in range(ROUNDS):
            wallet = await customer(desk, PRICE_MICROS)
            bought = (await buy(desk, wallet, IG)).activation
            answers = await at_once(
                late(rng.random() * 0.004, big_shop.push(desk, bought, f"Your code is {4000 + number}")),
                late(rng.random() * 0.004, cancel.cancel(desk, wallet.id, bought.public_id)),
            )
            seen = await browse.look(desk, wallet.id, bought.public_id)
            outcomes[seen.activation.state] += 1
            refused = CancelRejected in kinds(answers)
            assert (seen.activation.state == State.RECEIVED) == refused, answers
            assert await money(desk, wallet) == ((0, 0) if refused else (PRICE_MICROS, 0))
            if not refused:
                assert seen.activation.state == State.CANCELLED
        assert min(outcomes[State.RECEIVED], outcomes[State.CANCELLED]) >= 1, outcomes

    async def test_code_and_resend_at_once_lose_no_message(self, desk: Desk, big_shop: Shop) -> None:
        """A message that comes while another one is asked for reaches the customer, 200 times."""
        rng = chance("code and resend")
        for number in range(ROUNDS):
            wallet = await customer(desk, PRICE_MICROS)
            old = (await buy(desk, wallet, IG)).activation
            answers = await at_once(
                late(rng.random() * 0.004, big_shop.push(desk, old, f"Your code is {4000 + number}")),
                late(rng.random() * 0.004, resend.resend(desk, wallet, old.public_id)),
            )
            assert isinstance(answers[1], resend.Resent), answers
            rows = (await browse.browse(desk, wallet.id, browse.Wanted())).rows
            got = [message.text for seen in rows for message in seen.messages]
            assert got == [f"Your code is {4000 + number}"], (number, rows)
            assert await money(desk, wallet) == (0, 0)

    @pytest.mark.usefixtures("big_shop")
    async def test_resend_and_cancel_at_once_keep_one_hold(self, desk: Desk) -> None:
        """Eight resends and eight cancels of one activation: one of them happens and money is moved once."""
        for _ in range(20):
            wallet = await customer(desk, PRICE_MICROS)
            old = (await buy(desk, wallet, IG)).activation
            answers = await at_once(
                *(resend.resend(desk, wallet, old.public_id) for _ in range(8)),
                *(cancel.cancel(desk, wallet.id, old.public_id) for _ in range(8)),
            )
            counted = kinds(answers)
            assert counted[resend.Resent] + counted[cancel.Cancelled] == 1, counted
            assert counted[ResendRejected] + counted[CancelRejected] == 15, counted
            expected = (0, PRICE_MICROS) if counted[resend.Resent] else (PRICE_MICROS, 0)
            assert await money(desk, wallet) == expected

    async def test_one_message_pushed_eight_times_at_once_is_one(self, desk: Desk, big_shop: Shop) -> None:
        """An owner who repeats himself is heard once and the code is charged once."""
        for number in range(20):
            bought: Activation = (await buy(desk, big_shop.alice, IG)).activation
            assert bought.phone is not None
            push = receive.IncomingMessage(900_000 + number, bought.phone, "Example", "Your code is 1234")
            answers = await at_once(*(receive.receive(desk, big_shop.source_id, push) for _ in range(8)))
            assert sorted(answer.outcome for answer in answers) == ["delivered", *["repeated"] * 7]
            seen = await browse.look(desk, big_shop.alice.id, bought.public_id)
            assert len(seen.messages) == 1
        assert await money(desk, big_shop.alice) == (100_000_000 - 20 * PRICE_MICROS, 0)


async def test_many_processes_sell_every_number_once(settings: Settings, database_url: str) -> None:
    """Four desks and 400 buyers empty a shelf of 150 numbers: 150 sales, no number twice."""
    async with desks_of(settings, database_url, 4) as desks:
        shop = await fill_shop(desks[0], numbers=150)
        for desk in desks[1:]:
            await desk.refresh_prices()
        results = await at_once(*(buy(desks[index % 4], shop.alice, IG) for index in range(400)))
        phones = [result.activation.phone for result in results if isinstance(result, Bought)]
        assert len(phones) == len(set(phones)) == 150
    assert audit.run(database_url) == []
