"""The ledger: money moves only by postings between the accounts of one wallet.

    funding ──credit──▶ available ──hold──▶ held ──capture──▶ revenue
            ◀──debit───           ◀─release─
                                  available ◀──────refund────── revenue

    resale ──resale_share──▶ available     where the wallet is a reseller's (`activations/resale.py`)
           ◀──resale_return─

Every posting is one immutable row, the schema allows one hold and one settlement (capture or release) for an
activation, and a balance changes in the statement that writes its posting, by a condition that keeps it from
falling below zero. Rows are always locked in the order available, held, revenue (or resale), so that two movements of one
wallet wait for each other and never in a circle.

The sale from own stock (`activations/sale.py`) says the same as `hold` inside its one statement.
"""

from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx
from ringlet.errors import InsufficientBalance


class Wallet(msgspec.Struct, frozen=True):
    """One customer's money in one mode ('live' or 'test'), with the ids of its ledger accounts."""

    id: int
    customer_id: int
    mode: str
    currency: str
    available_id: int
    held_id: int
    revenue_id: int
    funding_id: int
    brand_id: int


class Balance(msgspec.Struct, frozen=True):
    """What a customer can spend and what is held for open activations, in micro-units."""

    available_micros: int
    held_micros: int
    currency: str


async def open_wallet(tx: Tx, customer_id: int, mode: str, currency: str) -> Wallet:
    """A new wallet with its four accounts at zero."""
    row = await (await tx.execute(_OPEN_WALLET, [customer_id, mode, currency])).fetchone()
    assert row is not None
    return await wallet(tx, row[0])


_OPEN_WALLET: LiteralString = """
with opened as (
    insert into wallet (customer_id, mode, currency) values (%s, %s, %s) returning id
), accounts as (
    insert into ledger_account (wallet_id, kind)
    select opened.id, kind
    from opened, unnest('{funding,available,held,revenue}'::account_kind[]) as kind
)
select id from opened
"""


async def wallet(tx: Tx, wallet_id: int) -> Wallet:
    """The wallet with the ids of its accounts."""
    cursor = tx.cursor(row_factory=args_row(Wallet))
    found = await (await cursor.execute(_WALLET, [wallet_id])).fetchone()
    assert found is not None, f"no wallet {wallet_id}"
    return found


_WALLET: LiteralString = """
select w.id, w.customer_id, w.mode, w.currency,
    min(a.id) filter (where a.kind = 'available'), min(a.id) filter (where a.kind = 'held'),
    min(a.id) filter (where a.kind = 'revenue'), min(a.id) filter (where a.kind = 'funding'), c.brand_id
from wallet w join ledger_account a on a.wallet_id = w.id join customer c on c.id = w.customer_id
where w.id = %s group by w.id, c.brand_id
"""


async def balance(tx: Tx, wallet_id: int) -> Balance:
    """The customer's two figures."""
    cursor = tx.cursor(row_factory=args_row(Balance))
    found = await (await cursor.execute(_BALANCE, [wallet_id])).fetchone()
    assert found is not None, f"no wallet {wallet_id}"
    return found


_BALANCE: LiteralString = """
select a.balance_micros, h.balance_micros, w.currency
from wallet w
join ledger_account a on a.wallet_id = w.id and a.kind = 'available'
join ledger_account h on h.wallet_id = w.id and h.kind = 'held'
where w.id = %s
"""


async def credit(
    tx: Tx, wallet: Wallet, amount_micros: int, *, actor: str, reason: str, reference: str | None = None
) -> int:
    """Money paid in, or a correction in the customer's favour; returns the posting's id.

    The same reference is credited once: a second time the unique index refuses.
    """
    return await _move(
        tx, "credit", wallet, (wallet.available_id, amount_micros), (wallet.funding_id, -amount_micros),
        actor=actor, reason=reason, reference=reference,
    )  # fmt: skip


async def debit(tx: Tx, wallet: Wallet, amount_micros: int, *, actor: str, reason: str) -> int:
    """Money paid back, or a correction against the customer. Refuses: InsufficientBalance."""
    return await _move(
        tx, "debit", wallet, (wallet.available_id, -amount_micros), (wallet.funding_id, amount_micros),
        actor=actor, reason=reason,
    )  # fmt: skip


async def hold(tx: Tx, wallet: Wallet, amount_micros: int, activation_id: int) -> int:
    """Set the price of an activation aside; returns the posting, 0 when it costs nothing. Refuses: InsufficientBalance."""
    return await _move(
        tx, "hold", wallet, (wallet.available_id, -amount_micros), (wallet.held_id, amount_micros),
        activation_id=activation_id,
    )  # fmt: skip


async def capture(tx: Tx, wallet: Wallet, amount_micros: int, activation_id: int) -> None:
    """The code came: what was held is earned."""
    await _move(
        tx, "capture", wallet, (wallet.held_id, -amount_micros), (wallet.revenue_id, amount_micros),
        activation_id=activation_id,
    )  # fmt: skip


async def release(tx: Tx, wallet: Wallet, amount_micros: int, activation_id: int) -> None:
    """No code came: what was held goes back."""
    await _move(
        tx, "release", wallet, (wallet.available_id, amount_micros), (wallet.held_id, -amount_micros),
        activation_id=activation_id,
    )  # fmt: skip


async def refund(
    tx: Tx, wallet: Wallet, amount_micros: int, activation_id: int, *, actor: str, reason: str
) -> int:
    """What was earned with an activation is given back; returns the posting.

    Its reference is the activation's row id, so that the unique index refuses a second one.
    """
    return await _move(
        tx, "refund", wallet, (wallet.available_id, amount_micros), (wallet.revenue_id, -amount_micros),
        activation_id=activation_id, reference=str(activation_id), actor=actor, reason=reason,
    )  # fmt: skip


async def open_resale(tx: Tx, wallet_id: int) -> None:
    """The account that a reseller's shares come out of; once for each wallet."""
    await tx.execute(_OPEN_RESALE, [wallet_id])


_OPEN_RESALE: LiteralString = """
insert into ledger_account (wallet_id, kind) values (%s, 'resale') on conflict (wallet_id, kind) do nothing
"""


async def share(tx: Tx, wallet: Wallet, amount_micros: int) -> int:
    """What a reseller's customers paid above the reseller's price is the reseller's; returns the posting."""
    row = await (await tx.execute(_RESALE_ID, [wallet.id])).fetchone()
    assert row is not None, "a reseller's wallet has its account since the shop was opened"
    return await _move(
        tx, "resale_share", wallet, (wallet.available_id, amount_micros), (int(row[0]), -amount_micros),
    )  # fmt: skip


async def return_share(tx: Tx, wallet: Wallet, amount_micros: int) -> int:
    """The customer's money was given back after all, and the share with it. Refuses: InsufficientBalance."""
    row = await (await tx.execute(_RESALE_ID, [wallet.id])).fetchone()
    assert row is not None, "a reseller's wallet has its account since the shop was opened"
    return await _move(
        tx, "resale_return", wallet, (wallet.available_id, -amount_micros), (int(row[0]), amount_micros),
    )  # fmt: skip


_RESALE_ID: LiteralString = "select id from ledger_account where wallet_id = %s and kind = 'resale'"


async def _move(
    tx: Tx,
    kind: str,
    wallet: Wallet,
    first: tuple[int, int],
    second: tuple[int, int],
    *,
    activation_id: int | None = None,
    reference: str | None = None,
    actor: str | None = None,
    reason: str | None = None,
) -> int:
    """Change two balances, `first` before `second` (the locking order), and write their posting.

    An amount of nothing moves nothing and is posting 0.
    """
    if first[1] == 0:
        return 0
    if not await _change(tx, *first):
        raise InsufficientBalance
    if not await _change(tx, *second):
        # Only a bug can get here: what is held was put there by the hold that is being settled.
        raise AssertionError(f"account {second[0]} cannot give {-second[1]}")
    giver, taker = _SIDES[kind]
    amount_micros = abs(first[1])
    posted = [wallet.id, kind, giver, taker, amount_micros, activation_id, reference, actor, reason]
    row = await (await tx.execute(_POST, posted)).fetchone()
    assert row is not None
    return int(row[0])


#: what each kind of posting takes from and gives to
_SIDES = {
    "credit": ("funding", "available"),
    "debit": ("available", "funding"),
    "hold": ("available", "held"),
    "capture": ("held", "revenue"),
    "release": ("held", "available"),
    "refund": ("revenue", "available"),
    "resale_share": ("resale", "available"),
    "resale_return": ("available", "resale"),
}


async def _change(tx: Tx, account_id: int, change_micros: int) -> bool:
    return (await tx.execute(_CHANGE, {"id": account_id, "change": change_micros})).rowcount == 1


_CHANGE: LiteralString = """
update ledger_account set balance_micros = balance_micros + %(change)s
where id = %(id)s and (kind in ('funding', 'resale') or balance_micros + %(change)s >= 0)
"""

_POST: LiteralString = """
insert into posting (wallet_id, kind, giver, taker, amount_micros,
    activation_id, reference, actor, reason)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
"""
