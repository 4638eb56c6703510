"""Messages for numbers that nobody had leased: that there are some, and one's text with a reason."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts
from ringlet.acts import Actor
from ringlet.backoffice import reveal
from ringlet.desk import Desk
from ringlet.errors import NotFound

PART = 50


class Orphan(msgspec.Struct, frozen=True):
    """A message that found no activation."""

    id: int
    source: str
    phone: str
    sender: str
    text: str
    received_at: datetime


class Part(msgspec.Struct, frozen=True):
    """Messages, newest first; `older` is the id to go on below."""

    rows: Sequence[Orphan]
    older: int | None = None


async def part(desk: Desk, before: int | None = None) -> Part:
    """The newest ones below an id. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Orphan))
        rows = await (await cursor.execute(_PART, [before or 2**63 - 1, PART + 1])).fetchall()
    return Part(rows[:PART], rows[PART - 1].id if len(rows) > PART else None)


_PART: LiteralString = """
select m.id, s.name, m.phone, m.sender, m.text, m.received_at from message m join source s on s.id = m.source_id
where m.activation_id is null and m.id < %s order by m.id desc limit %s
"""


async def read(desk: Desk, actor: Actor, message_id: int, text: str) -> Orphan:
    """One message with its text. The log keeps who has read it and why, not what.

    Refuses: ValidationFailed (no reason), NotFound, ServiceUnavailable.
    """
    reason = reveal.checked_reason(text)
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Orphan))
        found = await (await cursor.execute(_ONE, [message_id])).fetchone()
        if found is None:
            raise NotFound("No such message")
        await acts.write(tx, actor, "message.revealed", f"message {message_id}", reason=reason)
    return found


_ONE: LiteralString = """
select m.id, s.name, m.phone, m.sender, m.text, m.received_at from message m join source s on s.id = m.source_id
where m.activation_id is null and m.id = %s
"""
