"""What a member of the staff may do with money alone.

All ways to make money count together (credits and debits, approved payments, vouchers), so that a large sum cannot be made
of small ones; and nobody moves his own.
"""

from typing import LiteralString

from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.errors import Forbidden


async def moved_micros(tx: Tx, person_id: int) -> int:
    """What this person has moved within a day without anybody else. The caller holds the person's lock."""
    row = await (await tx.execute(_MOVED, {"person": person_id})).fetchone()
    assert row is not None
    return int(row[0])


_MOVED: LiteralString = """
select coalesce(sum(micros), 0)::bigint from (
    select abs(amount_micros) as micros from adjustment
    where asked_person = %(person)s and state = 'posted' and asked_at > now() - interval '24 hours'
    union all
    select credit_micros from topup_approval
    where asked_person = %(person)s and state = 'posted' and asked_at > now() - interval '24 hours'
    union all
    select count * amount_micros from voucher_batch
    where made_person = %(person)s and made_at > now() - interval '24 hours'
) moved
"""


async def check_other(tx: Tx, actor: Actor, customer_id: int) -> None:
    """Staff are customers too, and nobody moves his own money. Refuses: Forbidden."""
    row = await (
        await tx.execute("select customer_id from person where id = %s", [actor.person_id])
    ).fetchone()
    if row is not None and row[0] == customer_id:
        raise Forbidden("Somebody else does this for your own account")
