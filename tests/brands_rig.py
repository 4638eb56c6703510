"""A reseller's shop beside the operator's: brands, their customers, and what is in whose accounts."""

from dataclasses import dataclass
from decimal import Decimal

from ringlet import accounts, pricing
from ringlet.activations import receive
from ringlet.activations.receive import IncomingMessage
from ringlet.acts import CLI
from ringlet.backoffice import brands
from ringlet.backoffice.brands import Profile
from ringlet.brands import HOUSE
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from tests.pages_rig import Person

HOST = "numbers.reseller.example"
MILLION = 1_000_000


@dataclass
class Branded(Person):
    """A browser at the address of one brand."""

    host: str = HOST

    @property
    def _head(self) -> dict[str, str]:
        return {**super()._head, "Host": self.host}


@dataclass
class ResellersShop:
    """A brand with its owner, and one customer of it."""

    brand_id: int
    owner: Wallet
    customer: Wallet


async def wallet_of(
    desk: Desk, email: str, brand_id: int = HOUSE, balance_micros: int = 100 * MILLION
) -> Wallet:
    """The live wallet of a new customer of a brand."""
    async with desk.db.transaction() as tx:
        opened = await accounts.open_in(
            tx, desk.settings, email, balance_micros, actor="test", brand_id=brand_id
        )
    return opened.live


async def open_shop(
    desk: Desk, *, markup: str | None = "0.25", host: str = HOST, owner: str = "rita"
) -> ResellersShop:
    """A reseller with a shop that adds this to the reseller's own prices."""
    reseller = await wallet_of(desk, f"{owner}@example.org", balance_micros=0)
    profile = Profile(name=f"{owner.title()}'s numbers", hosts=[host])
    brand_id = await brands.add(desk, CLI, profile, f"{owner}@example.org")
    if markup is not None:
        await set_rule(desk, brand_id, "markup", markup)
    await desk.refresh_prices()
    await desk.refresh_brands()
    return ResellersShop(brand_id, reseller, await wallet_of(desk, f"carl@{owner}.example", brand_id))


async def set_rule(desk: Desk, brand_id: int, kind: str, value: str) -> None:
    """A rule of the brand for everything it sells."""
    async with desk.db.transaction() as tx:
        await pricing.set_rule(
            tx,
            customer_id=None,
            country=None,
            service=None,
            kind=kind,
            value=Decimal(value),
            brand_id=brand_id,
        )
    await desk.refresh_prices()


async def accounts_of(desk: Desk, wallet: Wallet) -> dict[str, int]:
    """What is in a wallet's accounts, in micro-units; those with nothing are left out."""
    async with desk.db.connection() as tx:
        rows = await (
            await tx.execute(
                "select kind::text, balance_micros from ledger_account where wallet_id = %s and balance_micros <> 0",
                [wallet.id],
            )
        ).fetchall()
    return dict(rows)


async def deliver(desk: Desk, source_id: int, phone: str | None, sms_id: int = 1) -> None:
    """The owner of an own number pushes a code."""
    assert phone is not None
    told = IncomingMessage(sms_id, phone, "Instagram", "Your Instagram code is 482913")
    await receive.receive(desk, source_id, told)
