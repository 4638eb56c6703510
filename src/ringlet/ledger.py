"""The ledger: money moves only by postings between the accounts of one wallet.

    funding ──credit──▶ available ──hold──▶ held ──capture──▶ revenue
            ◀──debit───           ◀─release─
                                  available ◀──────refund────── revenue

    resale ──resale_share──▶ available     where the wallet is a reseller's (`activations/resale.py`)
           ◀──resale_return─

    fees ──fee──▶ funding                  what a gateway kept (`topups/settle.py`)
    bonus ──bonus──▶ available             given on top of a payment
    referral ──referral──▶ available       a share of what somebody whom this customer brought has spent
             ◀──referral_return─
    available ──chargeback──▶ funding      a payment was taken back; what the balance lacks is owed:
    debt ──debt──▶ funding
    available ──debt_paid──▶ debt

Every posting is one immutable row, the schema allows one hold and one settlement (capture or release) for an
activation, and a balance changes in the statement that writes its posting, by a condition that keeps it from
falling below zero. Rows are always locked in the order available, held, revenue, funding, then the others, so that two
movements of one wallet wait for each other and never in a circle.

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


async def share(tx: Tx, wallet: Wallet, amount_micros: int) -> int:
    """What a reseller's customers paid above the reseller's price is the reseller's; returns the posting."""
    resale_id = await _account(tx, wallet, "resale")
    return await _move(
        tx, "resale_share", wallet, (wallet.available_id, amount_micros), (resale_id, -amount_micros),
    )  # fmt: skip


async def return_share(tx: Tx, wallet: Wallet, amount_micros: int) -> int:
    """The customer's money was given back after all, and the share with it. Refuses: InsufficientBalance."""
    resale_id = await _account(tx, wallet, "resale")
    return await _move(
        tx, "resale_return", wallet, (wallet.available_id, -amount_micros), (resale_id, amount_micros),
    )  # fmt: skip


async def fee(tx: Tx, wallet: Wallet, amount_micros: int, *, reference: str) -> None:
    """What the gateway kept of a payment: the operator's cost, never the customer's."""
    await _move(
        tx, "fee", wallet, (wallet.funding_id, amount_micros), (await _account(tx, wallet, "fees"), -amount_micros),
        reference=reference,
    )  # fmt: skip


async def bonus(tx: Tx, wallet: Wallet, amount_micros: int, *, reference: str, reason: str) -> None:
    """On top of a payment, by the operator's rule; the same reference once."""
    await _move(
        tx, "bonus", wallet, (wallet.available_id, amount_micros), (await _account(tx, wallet, "bonus"), -amount_micros),
        reference=reference, reason=reason,
    )  # fmt: skip


async def referral(tx: Tx, wallet: Wallet, amount_micros: int, *, reference: str) -> int:
    """The share of what somebody whom this customer brought has spent; returns the posting. The same reference once."""
    return await _move(
        tx, "referral", wallet, (wallet.available_id, amount_micros),
        (await _account(tx, wallet, "referral"), -amount_micros), reference=reference,
    )  # fmt: skip


async def return_referral(tx: Tx, wallet: Wallet, micros: int, *, reference: str) -> int:
    """What was spent was given back, and the share of it goes back too, as far as the balance goes; returns how much.

    The same reference once.
    """
    row = await (await tx.execute(_LOCKED, [wallet.available_id])).fetchone()
    assert row is not None
    taken = min(micros, int(row[0]))
    await _move(
        tx, "referral_return", wallet, (wallet.available_id, -taken),
        (await _account(tx, wallet, "referral"), taken), reference=reference,
    )  # fmt: skip
    return taken


async def charge_back(tx: Tx, wallet: Wallet, amount_micros: int, *, reference: str, reason: str) -> int:
    """A payment was taken back: from the balance as far as it goes, and the rest is owed; returns what is owed now of it.

    The same reference once.
    """
    row = await (await tx.execute(_LOCKED, [wallet.available_id])).fetchone()
    assert row is not None
    taken = min(amount_micros, int(row[0]))
    await _move(
        tx, "chargeback", wallet, (wallet.available_id, -taken), (wallet.funding_id, taken),
        reference=reference, reason=reason,
    )  # fmt: skip
    owed = amount_micros - taken
    if owed:
        await _move(
            tx, "debt", wallet, (wallet.funding_id, owed), (await _account(tx, wallet, "debt"), -owed),
            reference=reference, reason=reason,
        )  # fmt: skip
    return owed


async def pay_debt(tx: Tx, wallet: Wallet) -> int:
    """What is owed is paid from the balance, as far as it goes; returns how much was."""
    row = await (await tx.execute(_LOCKED, [wallet.available_id])).fetchone()
    debt = await (await tx.execute(_DEBT, [wallet.id])).fetchone()
    assert row is not None
    paid = min(int(row[0]), -int(debt[0])) if debt is not None else 0
    if paid:
        await _move(
            tx, "debt_paid", wallet, (wallet.available_id, -paid), (await _account(tx, wallet, "debt"), paid)
        )
    return paid


_LOCKED: LiteralString = "select balance_micros from ledger_account where id = %s for update"
_DEBT: LiteralString = (
    "select balance_micros from ledger_account where wallet_id = %s and kind = 'debt' for update"
)


async def _account(tx: Tx, wallet: Wallet, kind: str) -> int:
    """An account that few wallets have, made when it is first needed."""
    values = {"wallet": wallet.id, "kind": kind}
    row = await (await tx.execute(_FIND_ACCOUNT, values)).fetchone()
    if row is None:
        await tx.execute(_OPEN_ACCOUNT, values)
        row = await (await tx.execute(_FIND_ACCOUNT, values)).fetchone()
    assert row is not None
    return int(row[0])


_FIND_ACCOUNT: LiteralString = (
    "select id from ledger_account where wallet_id = %(wallet)s and kind = %(kind)s::account_kind"
)
_OPEN_ACCOUNT: LiteralString = """
insert into ledger_account (wallet_id, kind) values (%(wallet)s, %(kind)s) on conflict (wallet_id, kind) do nothing
"""


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
    "fee": ("fees", "funding"),
    "bonus": ("bonus", "available"),
    "referral": ("referral", "available"),
    "referral_return": ("available", "referral"),
    "chargeback": ("available", "funding"),
    "debt": ("debt", "funding"),
    "debt_paid": ("available", "debt"),
}


async def _change(tx: Tx, account_id: int, change_micros: int) -> bool:
    return (await tx.execute(_CHANGE, {"id": account_id, "change": change_micros})).rowcount == 1


_CHANGE: LiteralString = """
update ledger_account set balance_micros = balance_micros + %(change)s
where id = %(id)s and (kind < 'available' or balance_micros + %(change)s >= 0)
"""

_POST: LiteralString = """
insert into posting (wallet_id, kind, giver, taker, amount_micros,
    activation_id, reference, actor, reason)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
"""
