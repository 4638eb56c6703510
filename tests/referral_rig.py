"""Who brings customers, and whom: for the tests of referrals."""

from decimal import Decimal

from ringlet import accounts, ledger
from ringlet.acts import CLI
from ringlet.backoffice import gifts, referral_shares
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.people import referrals, sign_up
from ringlet.people.referrals import Terms
from ringlet.people.sessions import find
from tests.hooks import fetch
from tests.pages_rig import serving, sign
from tests.people_rig import PASSWORD
from tests.site import PRICE_MICROS

FIVE = Terms(Decimal("5.00"), None)
#: five per cent of one purchase, as it is when there was only one
SHARE = PRICE_MICROS * 500 // 10_000


async def code_of(desk: Desk, wallet: Wallet, terms: Terms = FIVE) -> str:
    """A referrer, on these terms."""
    await gifts.set_terms(desk, CLI, terms)
    async with serving(desk) as guest:
        visitor = await find(desk, (await sign(guest, desk, wallet)).session)
    assert visitor is not None
    await referrals.make_code(desk, desk.brands.get(desk.brand_id), visitor)
    async with desk.db.connection() as tx:
        found = await referrals.referrer(tx, wallet.customer_id)
    assert found is not None
    return found.code


async def enter(desk: Desk, email: str, code: str, balance: int = 10_000_000) -> Wallet:
    """Sign up by somebody's link, and have some money."""
    await sign_up.sign_up(desk, email, PASSWORD, agreed=1, via=code)
    async with desk.db.transaction() as tx:
        row = await (await tx.execute("select id from customer where email = %s", [email])).fetchone()
        assert row is not None
        wallet = await ledger.wallet(tx, await accounts.wallet_id(tx, row[0], "live"))
        await ledger.credit(tx, wallet, balance, actor="test", reason="cash")
    return wallet


async def even(desk: Desk) -> None:
    """What the worker does, until nothing is left."""
    while await referral_shares.fold(desk):
        pass
    while await referral_shares.post_due(desk):
        pass


async def available(desk: Desk, wallet: Wallet) -> int:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet.id)).available_micros


async def brought(desk: Desk) -> list[tuple[int, int]]:
    """(who, by whom) of everybody."""
    rows = await fetch(desk, "select customer_id, referrer_id from referral order by customer_id")
    return [(row[0], row[1]) for row in rows]
