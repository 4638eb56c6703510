"""Messages for numbers that nobody had leased: that there are some, and one's text with a reason."""

from collections.abc import Sequence

import msgspec

from ringlet import acts
from ringlet.activations import receive
from ringlet.activations.receive import Orphan
from ringlet.acts import Actor
from ringlet.backoffice import reveal
from ringlet.desk import Desk
from ringlet.errors import NotFound

PART = 50


class Part(msgspec.Struct, frozen=True):
    """Messages, newest first; `older` is the id to go on below."""

    rows: Sequence[Orphan]
    older: int | None = None


async def part(desk: Desk, before: int | None = None) -> Part:
    """The newest ones below an id. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await receive.orphans(tx, PART + 1, before)
    return Part(rows[:PART], rows[PART - 1].id if len(rows) > PART else None)


async def read(desk: Desk, actor: Actor, message_id: int, text: str) -> Orphan:
    """One message with its text. The log keeps who has read it and why, not what.

    Refuses: ValidationFailed (no reason), NotFound, ServiceUnavailable.
    """
    reason = reveal.checked_reason(text)
    async with desk.db.transaction() as tx:
        found = await receive.orphan(tx, message_id)
        if found is None:
            raise NotFound("No such message")
        await acts.write(tx, actor, "message.revealed", f"message {message_id}", reason=reason)
    return found
