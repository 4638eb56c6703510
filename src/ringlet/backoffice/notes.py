"""What staff know about a customer. Notes are added, not changed; they go with the person's data."""

from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed

SHOWN = 100
LENGTH_MAX = 2_000


class Note(msgspec.Struct, frozen=True):
    """One note."""

    id: int
    at: datetime
    author: str
    text: str


async def add(desk: Desk, actor: Actor, customer_id: int, text: str) -> None:
    """Write a note down. The log says that, not what: it is kept for ever.

    Refuses: NotFound, ValidationFailed.
    """
    clean = text.strip().replace("\r\n", "\n")
    if not 0 < len(clean) <= LENGTH_MAX:
        raise ValidationFailed(f"A note of 1 to {LENGTH_MAX} characters", field="text")
    async with desk.db.transaction() as tx:
        row = await (
            await tx.execute(_ADD, {"author": actor.name, "text": clean, "customer": customer_id})
        ).fetchone()
        if row is None:
            raise NotFound("No such customer")
        await acts.write(tx, actor, "note.added", f"note {row[0]}", customer_id=customer_id)


_ADD: LiteralString = """
insert into customer_note (customer_id, author, text) select id, %(author)s, %(text)s from customer
where id = %(customer)s returning id
"""


async def newest(tx: Tx, customer_id: int) -> list[Note]:
    """The newest notes about a customer, newest first."""
    cursor = tx.cursor(row_factory=args_row(Note))
    return await (await cursor.execute(_NEWEST, [customer_id, SHOWN])).fetchall()


_NEWEST: LiteralString = (
    "select id, at, author, text from customer_note where customer_id = %s order by id desc limit %s"
)
