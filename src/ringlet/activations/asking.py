"""What we have asked suppliers and they have not answered yet: one row for each activation that is 'ordering'.

It is written before the question goes out and deleted with the answer, so what is left over is what a crash or a
silent supplier has left open.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx

#: past the deadline of a call: its answer has been written down by then, or never will be
GRACE_S = 5.0


async def ask(
    tx: Tx, activation_id: int, source_id: int, offer_id: int, cost_max: Decimal,
    operators: Sequence[str], excluded_prefixes: Sequence[str],
) -> None:  # fmt: skip
    """Write down the question before it is asked."""
    await tx.execute(
        _ASK, [activation_id, source_id, offer_id, cost_max, list(operators), list(excluded_prefixes)]
    )


_ASK: LiteralString = """
insert into asking (activation_id, source_id, offer_id, cost_max, operators, excluded_prefixes)
values (%s, %s, %s, %s, %s, %s)
"""


async def ask_next(
    tx: Tx, activation_id: int, failed_attempt: int, source_id: int, offer_id: int, cost_max: Decimal
) -> bool:
    """The attempt was refused: the next one goes there. False when recovery has settled the order meanwhile."""
    moved = await tx.execute(_ASK_NEXT, [source_id, offer_id, cost_max, activation_id, failed_attempt])
    if moved.rowcount == 0:
        return False
    await tx.execute(_RETARGET, [source_id, offer_id, offer_id, activation_id])
    return True


_ASK_NEXT: LiteralString = """
update asking set attempt = attempt + 1, source_id = %s, offer_id = %s, cost_max = %s, asked_at = now()
where activation_id = %s and attempt = %s
"""

_RETARGET: LiteralString = """
update activation set source_id = %s, offer_id = %s,
    (operator, base_price) = (select operator, base_price from offer where id = %s)
where id = %s and state = 'ordering'
"""


async def asked(tx: Tx, activation_id: int) -> None:
    """The question is answered or given up."""
    await tx.execute("delete from asking where activation_id = %s", [activation_id])


async def is_out(tx: Tx, activation_id: int, deadline_s: float) -> bool:
    """Whether somebody still waits for the supplier's answer."""
    row = await (await tx.execute(_IS_OUT, [deadline_s, activation_id])).fetchone()
    return row is not None


_IS_OUT: LiteralString = """
select from asking where asked_at > now() - make_interval(secs => %s) and activation_id = %s
"""


class Asking(msgspec.Struct, frozen=True):
    """A question whose answer did not come."""

    activation_id: int
    source_id: int
    country: int
    service: str
    cost_max: Decimal
    operators: Sequence[str]
    excluded_prefixes: Sequence[str]


async def overdue(tx: Tx, source_id: int, age_s: float, limit: int = 500) -> list[Asking]:
    """Questions to this supplier that have been out for longer than any answer takes, oldest first."""
    cursor = tx.cursor(row_factory=args_row(Asking))
    await cursor.execute(_OVERDUE, [source_id, age_s, limit])
    return await cursor.fetchall()


_OVERDUE: LiteralString = """
select q.activation_id, q.source_id, a.country, a.service, q.cost_max, q.operators, q.excluded_prefixes
from asking q join activation a on a.id = q.activation_id
where q.source_id = %s and q.asked_at < now() - make_interval(secs => %s)
order by q.activation_id limit %s
"""


async def lock_asking(tx: Tx, asking: Asking, age_s: float) -> bool:
    """Lock the question, if it is still out and as old as that."""
    row = await (await tx.execute(_LOCK_ASKING, [asking.activation_id, asking.source_id, age_s])).fetchone()
    return row is not None


_LOCK_ASKING: LiteralString = """
select from asking where activation_id = %s and source_id = %s and asked_at < now() - make_interval(secs => %s)
for update
"""
