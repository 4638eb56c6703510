"""One activation told from its beginning to its end: what happened when, its money, and its kin on the same number."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.activations import store
from ringlet.activations.browse import Seen
from ringlet.activations.states import State
from ringlet.activations.store import COLUMNS, Activation, Message
from ringlet.db import Tx
from ringlet.desk import Desk


class Money(msgspec.Struct, frozen=True):
    """One posting of an activation: hold, capture, release or refund."""

    id: int
    kind: str
    amount_micros: int
    created_at: datetime


class Moment(msgspec.Struct, frozen=True):
    """Something that happened: `ordered`, `message`, `late` (a message after the refund), or the state at the end."""

    kind: str
    at: datetime
    message: Message | None = None


class Story(msgspec.Struct, frozen=True):
    """Everything about one activation. `kin`: all on the same number that were asked for one after another."""

    seen: Seen
    closed_at: datetime | None
    moments: Sequence[Moment]
    money: Sequence[Money]
    kin: Sequence[Activation]


async def tell(desk: Desk, wallet_id: int, public_id: int) -> Story:
    """The story of this wallet's activation. Refuses: NotFound, also for somebody else's; ServiceUnavailable."""
    async with desk.db.connection() as tx:
        activation = await store.by_public_id(tx, wallet_id, public_id)
        messages = (await store.messages_of(tx, [activation.id]))[activation.id]
        row = await (await tx.execute(_CLOSED_AT, [activation.id, wallet_id])).fetchone()
        closed_at = row[0] if row else None
        money = await _money(tx, wallet_id, activation.id)
        kin = await _kin(tx, wallet_id, public_id)
    seen = Seen(activation, messages)
    return Story(seen, closed_at, _moments(seen, closed_at), money, kin)


_CLOSED_AT: LiteralString = "select closed_at from activation where id = %s and wallet_id = %s"


def _moments(seen: Seen, closed_at: datetime | None) -> list[Moment]:
    row = seen.activation
    moments = [Moment("ordered", row.created_at)]
    moments += [Moment("late" if each.late else "message", each.received_at, each) for each in seen.messages]
    if closed_at is not None:
        moments.append(Moment(str(row.state), closed_at))
    elif row.state == State.WAITING:
        moments.append(Moment("waiting", row.expires_at))
    return sorted(moments, key=lambda moment: moment.at)


async def _money(tx: Tx, wallet_id: int, row_id: int) -> list[Money]:
    cursor = tx.cursor(row_factory=args_row(Money))
    return await (await cursor.execute(_MONEY, {"wallet": wallet_id, "activation": row_id})).fetchall()


# Three parts, because each has its own index.
_MONEY: LiteralString = """
select id, kind::text, amount_micros, created_at from posting
where activation_id = %(activation)s and kind = 'hold' and wallet_id = %(wallet)s
union all
select id, kind::text, amount_micros, created_at from posting
where activation_id = %(activation)s and kind in ('capture', 'release') and wallet_id = %(wallet)s
union all
select id, kind::text, amount_micros, created_at from posting
where wallet_id = %(wallet)s and kind = 'refund' and reference = %(activation)s::text
order by id
"""


async def _kin(tx: Tx, wallet_id: int, public_id: int) -> list[Activation]:
    """Those before and after it on the same number, oldest first, itself among them; one alone has none."""
    cursor = tx.cursor(row_factory=args_row(Activation))
    found = await (await cursor.execute(_KIN, {"wallet": wallet_id, "public_id": public_id})).fetchall()
    return found if len(found) > 1 else []


_KIN: LiteralString = f"""
with recursive before as (
    select public_id, resent_from from activation where public_id = %(public_id)s and wallet_id = %(wallet)s
    union
    select a.public_id, a.resent_from from before
    join activation a on a.public_id = before.resent_from and a.wallet_id = %(wallet)s
), after as (
    select public_id from before
    union
    select a.public_id from after join activation a
        on a.wallet_id = %(wallet)s and a.resent_from = after.public_id
)
select {COLUMNS} from activation where public_id in (select public_id from after) and wallet_id = %(wallet)s
order by id
"""
