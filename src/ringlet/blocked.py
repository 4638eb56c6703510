"""Numbers that nobody gets any more, from own stock or from any supplier."""

from typing import LiteralString

from ringlet.db import Tx


async def is_blocked(tx: Tx, phone: str) -> bool:
    """Whether this number is never to be leased again."""
    row = await (await tx.execute("select from blocked_number where phone = %s", [phone])).fetchone()
    return row is not None


async def block(tx: Tx, phone: str) -> bool:
    """From now on nobody gets it; an open lease ends as it would have. False when it was blocked before."""
    if not (await tx.execute(_BLOCK, [phone])).rowcount:
        return False
    # Two statements: who frees the number at this moment is waited for, and then seen.
    await tx.execute(_LOCK_SHELVES, [phone])
    await tx.execute(_TAKE_DOWN, [phone])
    return True


_BLOCK: LiteralString = "insert into blocked_number (phone) values (%s) on conflict do nothing"
_LOCK_SHELVES: LiteralString = """
select from stock where number_id = (select id from number where phone = %s) order by offer_id for update
"""
# The trigger of the table makes it rest for good.
_TAKE_DOWN: LiteralString = """
update stock set state = 'resting', due_at = now()
where number_id = (select id from number where phone = %s) and state <> 'leased'
"""


async def unblock(tx: Tx, phone: str) -> bool:
    """It may be leased again, from own stock at once. False when it was not blocked."""
    if not (await tx.execute("delete from blocked_number where phone = %s", [phone])).rowcount:
        return False
    await tx.execute(_PUT_UP, [phone])
    return True


_PUT_UP: LiteralString = """
update stock set due_at = now() where number_id = (select id from number where phone = %s) and state = 'resting'
    and due_at > now() + interval '100 years'
"""
