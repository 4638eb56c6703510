"""A gateway's fake beside a desk, and what tests of the operator's side do with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from ringlet import ledger
from ringlet.acts import Act, search
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.payments import book
from ringlet.topups import begin, look, store
from ringlet.topups.store import Topup
from tests.fakes import gateway
from tests.fakes.canned import served
from tests.fakes.till import Payment, Till

UNIT = 1_000_000


@dataclass
class Counter:
    """One account at a gateway: its truth, and our row of it."""

    desk: Desk
    till: Till
    gateway_id: int

    async def asked(self, wallet: Wallet, micros: int = 5 * UNIT, once: str = "a") -> Topup:
        """A payment that was begun."""
        return await begin.begin(self.desk, wallet.id, self.gateway_id, micros, once)

    def payment(self, topup: Topup) -> Payment:
        """The same as the gateway has it."""
        assert topup.external_id is not None
        return self.till.payments[topup.external_id]

    async def paid(self, topup: Topup, amount: str | None = None) -> Topup:
        """The payer has paid, and a worker has looked."""
        self.till.pay(self.payment(topup), None if amount is None else Decimal(amount))
        return await looked(self.desk, topup)

    async def credited(self, wallet: Wallet, micros: int = 5 * UNIT, once: str = "a") -> Topup:
        """A payment that was paid as it was asked for."""
        found = await self.paid(await self.asked(wallet, micros, once))
        assert found.state == "credited"
        return found


@asynccontextmanager
async def counter(desk: Desk, kind: str = "stripe", *, is_on: bool = True) -> AsyncIterator[Counter]:
    """A fake of this kind, and a gateway that reaches it."""
    till = gateway.till(kind, "")
    async with served(gateway.make(till)) as url:
        till.url = url
        new = book.New(kind, "Card", "live", till.front.config(url), UNIT, 1_000 * UNIT, is_on=is_on)
        async with desk.db.transaction() as tx:
            gateway_id = await book.add(tx, desk.settings.secret, new)
        yield Counter(desk, till, gateway_id)


async def bank(desk: Desk) -> int:
    """A gateway of which nobody but staff know the truth."""
    config = {"instructions": "IBAN DE00 1234"}
    new = book.New("bank", "Bank transfer", "live", config, UNIT, 1_000 * UNIT, is_on=True)
    async with desk.db.transaction() as tx:
        return await book.add(tx, desk.settings.secret, new)


async def now(desk: Desk, topup: Topup) -> Topup:
    """As it is."""
    async with desk.db.connection() as tx:
        return await store.by_id(tx, topup.id)


async def looked(desk: Desk, topup: Topup) -> Topup:
    """Due, looked at, and as it is then."""
    async with desk.db.transaction() as tx:
        await tx.execute("update topup set due_at = now() where id = %s", [topup.id])
    await look.look_due(desk)
    return await now(desk, topup)


async def available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


async def spend(desk: Desk, wallet: Wallet, micros: int) -> None:
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, wallet, micros, actor="test", reason="spent")


async def acts(desk: Desk, act: str) -> list[Act]:
    async with desk.db.connection() as tx:
        return await search(tx, act=act)
