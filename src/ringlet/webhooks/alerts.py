"""`balance.low`: a customer is told once when what he can spend falls below his mark.

Looked at every few seconds, beside the sales: a sale must not wait for it. Told again only after the balance was seen
at the mark or above.
"""

from typing import LiteralString

from ringlet import customers
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.events import HAND_ON


async def set_mark(desk: Desk, email: str, mark_micros: int | None) -> None:
    """The mark of an account's live balance; None = never told. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email)
        await tx.execute(_SET_MARK, [mark_micros, customer.id])


_SET_MARK: LiteralString = """
update wallet set low_balance_micros = %s, is_low = false where customer_id = %s and mode = 'live'
"""


async def mark_of(tx: Tx, wallet_id: int) -> int | None:
    """The mark of a wallet, in micro-units; None = never told."""
    row = await (
        await tx.execute("select low_balance_micros from wallet where id = %s", [wallet_id])
    ).fetchone()
    return None if row is None else row[0]


async def set_wallet_mark(desk: Desk, wallet_id: int, mark_micros: int | None) -> None:
    """The mark of the owner's own wallet; None = never told. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await tx.execute(_SET_WALLET_MARK, [mark_micros, wallet_id])


_SET_WALLET_MARK: LiteralString = "update wallet set low_balance_micros = %s, is_low = false where id = %s"


async def tell_low_balances(desk: Desk) -> int:
    """Tell whoever has fallen below his mark; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await tx.execute(_RECOVERED)
        return await _tell(tx)


async def _tell(tx: Tx) -> int:
    return len(await (await tx.execute(_TELL)).fetchall())


_RECOVERED: LiteralString = """
update wallet w set is_low = false from ledger_account a
where w.low_balance_micros is not null and w.is_low
    and a.wallet_id = w.id and a.kind = 'available' and a.balance_micros >= w.low_balance_micros
"""

_TELL: LiteralString = f"""
with fallen as (
    update wallet w set is_low = true from ledger_account a
    where w.low_balance_micros is not null and not w.is_low
        and a.wallet_id = w.id and a.kind = 'available' and a.balance_micros < w.low_balance_micros
    returning w.id, w.listens_until, w.low_balance_micros, w.currency, a.balance_micros
), told as (
    insert into event (wallet_id, type, data)
    select id, 'balance.low', jsonb_build_object('balance_micros', balance_micros,
        'mark_micros', low_balance_micros, 'currency', currency)
    from fallen where listens_until > now()
    returning id, wallet_id, type
), {HAND_ON}
select fallen.id, (select count(*) from (select pg_notify('ringlet', 'event ' || wallet_id) from told) as news)
from fallen
"""
