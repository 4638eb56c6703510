"""Accounts: a customer with a live and a test wallet, a key for each, and money credited by the operator."""

import re
from typing import LiteralString

import msgspec
from psycopg.errors import UniqueViolation

from ringlet import acts, brands, customers, ledger, standing
from ringlet.brands import HOUSE
from ringlet.customers import Customer
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed
from ringlet.feed import announce
from ringlet.ledger import Wallet
from ringlet.settings import Settings

TEST_BALANCE_MICROS = 1_000_000_000  # 1,000.00 to rehearse with
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


class NewAccount(msgspec.Struct, frozen=True):
    """The tokens are shown once; only their fingerprints are kept."""

    id: int
    api_key: str
    test_key: str


async def open_account(desk: Desk, email: str, balance_micros: int, *, actor: str) -> NewAccount:
    """A new customer of the operator's own, whom he vouches for, with both wallets, both keys and a first balance.

    Refuses: ValidationFailed.
    """
    if not _EMAIL.fullmatch(email.strip()):
        raise ValidationFailed(f"{email!r} is no e-mail address", field="email")
    secret = desk.settings.secret
    try:
        async with desk.db.transaction() as tx:
            opened = await open_in(tx, desk.settings, email, balance_micros, actor=actor)
            await standing.vouch(tx, opened.customer_id)
            return NewAccount(
                id=opened.customer_id,
                api_key=await customers.issue_key(tx, secret, opened.live.id, "live"),
                test_key=await customers.issue_key(tx, secret, opened.test.id, "test"),
            )
    except UniqueViolation as error:
        raise ValidationFailed(f"there is an account {email!r} already", field="email") from error


class Opened(msgspec.Struct, frozen=True):
    """A customer whose account was opened in a transaction that is not yet over."""

    customer_id: int
    live: Wallet
    test: Wallet


async def open_in(
    tx: Tx, settings: Settings, email: str, balance_micros: int, *, actor: str, brand_id: int = HOUSE
) -> Opened:
    """A new customer of a brand with both wallets and a first balance, without keys. The caller has checked the
    address; a second customer of the brand with it is refused by the database (UniqueViolation).
    """
    customer_id = await customers.add(tx, email.strip().lower(), brand_id)
    currency = await brands.currency(tx, settings)
    live = await ledger.open_wallet(tx, customer_id, "live", currency)
    test = await ledger.open_wallet(tx, customer_id, "test", currency)
    await ledger.credit(tx, live, balance_micros, actor=actor, reason="first balance")
    await ledger.credit(tx, test, TEST_BALANCE_MICROS, actor="simulator", reason="play money")
    return Opened(customer_id, live, test)


async def issue_key(desk: Desk, email: str, mode: str) -> str:
    """One more key for this customer; the old ones stay good. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email)
        wallet = await ledger.wallet(tx, await wallet_id(tx, customer.id, mode))
        return await customers.issue_key(tx, desk.settings.secret, wallet.id, mode)


async def revoke_keys(desk: Desk, email: str) -> int:
    """End every key of this customer now, in every process; returns how many. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email)
        ended = await tx.execute(_REVOKE, [customer.id])
        await announce(tx, "keys")
    return ended.rowcount


_REVOKE: LiteralString = """
update api_key set revoked_at = now()
where revoked_at is null and wallet_id in (select id from wallet where customer_id = %s)
"""


async def adjust(desk: Desk, email: str, amount_micros: int, *, actor: str, reason: str) -> None:
    """Credit (or, below zero, debit) the live balance. Refuses: NotFound, InsufficientBalance."""
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email)
        posting_id = await correct(tx, customer.id, amount_micros, actor=actor, reason=reason)
        await acts.write(
            tx, acts.Actor(actor, acts.CLI.role), "balance.adjusted", f"customer {customer.id}",
            after={"amount_micros": amount_micros, "posting": posting_id}, reason=reason, customer_id=customer.id,
        )  # fmt: skip


async def correct(tx: Tx, customer_id: int, amount_micros: int, *, actor: str, reason: str) -> int:
    """Credit (or, below zero, debit) the live balance; returns the posting. The caller notes the act.

    Refuses: InsufficientBalance.
    """
    wallet = await ledger.wallet(tx, await wallet_id(tx, customer_id, "live"))
    if amount_micros >= 0:
        return await ledger.credit(tx, wallet, amount_micros, actor=actor, reason=reason)
    return await ledger.debit(tx, wallet, -amount_micros, actor=actor, reason=reason)


async def set_frozen(tx: Tx, customer_id: int, *, is_frozen: bool) -> bool:
    """Stop or let go what this customer's keys and sessions may change, in every process at commit; false when it is
    so already. The caller notes the act.
    """
    if (await tx.execute(_FREEZE if is_frozen else _THAW, [customer_id])).rowcount == 0:
        return False
    await announce(tx, "keys")
    return True


_FREEZE: LiteralString = "update customer set frozen_at = now() where id = %s and frozen_at is null"
_THAW: LiteralString = "update customer set frozen_at = null where id = %s and frozen_at is not null"


async def wallet_id(tx: Tx, customer_id: int, mode: str) -> int:
    """The customer's wallet of this mode."""
    row = await (
        await tx.execute("select id from wallet where customer_id = %s and mode = %s", [customer_id, mode])
    ).fetchone()
    assert row is not None, "every customer has both wallets"
    return int(row[0])


class AccountLine(msgspec.Struct, frozen=True):
    """A customer with the live balance."""

    customer: Customer
    balance: ledger.Balance


async def list_accounts(desk: Desk, limit: int = 1_000) -> list[AccountLine]:
    """The newest customers, for the operator."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_LIST, [limit])).fetchall()
    return [AccountLine(Customer(*row[:5]), ledger.Balance(*row[5:])) for row in rows]


_LIST: LiteralString = """
select c.id, c.email, c.frozen_at, c.created_at, c.brand_id, a.balance_micros, h.balance_micros, w.currency
from customer c
join wallet w on w.customer_id = c.id and w.mode = 'live'
join ledger_account a on a.wallet_id = w.id and a.kind = 'available'
join ledger_account h on h.wallet_id = w.id and h.kind = 'held'
order by c.id desc limit %s
"""
