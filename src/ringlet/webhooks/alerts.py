"""`balance.low`: a customer is told once when what he can spend falls below his mark, and gets a letter if he likes.

Looked at every few seconds, beside the sales: a sale must not wait for it. Told again only after the balance was seen
at the mark or above. Whoever falls again and again within a day gets one letter: the next one waits until the day is
over, and is not written when the balance has risen meanwhile.
"""

from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import customers, languages, money
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.events import HAND_ON
from ringlet.people import letters, words

LETTERS_AT_ONCE = 100


class Mark(msgspec.Struct, frozen=True):
    """From which balance on a wallet's owner is told, in micro-units (None = never), and whether by letter too."""

    micros: int | None
    by_letter: bool = False


async def set_mark(desk: Desk, email: str, mark_micros: int | None) -> None:
    """The mark of an account's live balance; None = never told. Refuses: NotFound."""
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email)
        await tx.execute(_SET_MARK, [mark_micros, customer.id])


_SET_MARK: LiteralString = """
update wallet set low_balance_micros = %s, is_low = false, low_letter_due = false
where customer_id = %s and mode = 'live'
"""


async def mark_of(tx: Tx, wallet_id: int) -> Mark:
    """What the owner of a wallet has set."""
    cursor = tx.cursor(row_factory=args_row(Mark))
    found = await (await cursor.execute(_MARK, [wallet_id])).fetchone()
    assert found is not None, f"no wallet {wallet_id}"
    return found


_MARK: LiteralString = "select low_balance_micros, low_by_letter from wallet where id = %s"


async def set_wallet_mark(desk: Desk, wallet_id: int, mark: Mark) -> None:
    """The mark of the owner's own wallet; there are no letters about play money. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await tx.execute(_SET_WALLET_MARK, [mark.micros, mark.by_letter, wallet_id])


_SET_WALLET_MARK: LiteralString = """
update wallet set low_balance_micros = %s, low_by_letter = %s and mode = 'live', is_low = false, low_letter_due = false
where id = %s
"""


async def tell_low_balances(desk: Desk) -> int:
    """Tell whoever has fallen below his mark; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await tx.execute(_RECOVERED)
        return await _tell(tx)


async def _tell(tx: Tx) -> int:
    return len(await (await tx.execute(_TELL)).fetchall())


_RECOVERED: LiteralString = """
update wallet w set is_low = false, low_letter_due = false from ledger_account a
where w.low_balance_micros is not null and w.is_low
    and a.wallet_id = w.id and a.kind = 'available' and a.balance_micros >= w.low_balance_micros
"""

_TELL: LiteralString = f"""
with fallen as (
    update wallet w set is_low = true, low_letter_due = w.low_by_letter from ledger_account a
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


class Low(msgspec.Struct, frozen=True):
    """Who is to be told by letter, and of what."""

    email: str
    language: str
    brand_id: int
    balance_micros: int
    mark_micros: int
    currency: str


async def write_letters(desk: Desk) -> int:
    """The letters that are due, in the transaction that marks them written; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Low))
        due = await (await cursor.execute(_LETTERS, [LETTERS_AT_ONCE])).fetchall()
        for each in due:
            await _write(tx, desk, each)
    return len(due)


async def _write(tx: Tx, desk: Desk, low: Low) -> None:
    def translate(text: str) -> str:
        return languages.said(low.language, text)

    await letters.write(
        tx, desk.brands.get(low.brand_id).worn, low.email, words.LOW_BALANCE, translate,
        balance=money.to_amount(low.balance_micros), mark=money.to_amount(low.mark_micros), currency=low.currency,
    )  # fmt: skip


# Only to an address that its owner has confirmed.
_LETTERS: LiteralString = """
with due as (
    select w.id from wallet w join ledger_account a on a.wallet_id = w.id and a.kind = 'available'
    where w.low_letter_due and coalesce(w.low_letter_at, '-infinity') <= now() - interval '1 day'
        and a.balance_micros < w.low_balance_micros
    order by w.id limit %s for update of w skip locked
), written as (
    update wallet w set low_letter_due = false, low_letter_at = now() from due where w.id = due.id
    returning w.id, w.customer_id, w.low_balance_micros, w.currency
)
select c.email, p.language, c.brand_id, a.balance_micros, w.low_balance_micros, w.currency
from written w
join customer c on c.id = w.customer_id
join person p on p.customer_id = c.id and p.confirmed_at is not null
join ledger_account a on a.wallet_id = w.id and a.kind = 'available'
"""
