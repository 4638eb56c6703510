"""Messages are their customer's: staff see that there are some, and read one's only with a reason that is written down."""

from collections.abc import Sequence
from typing import LiteralString

import msgspec

from ringlet import acts
from ringlet.activations import store
from ringlet.activations.store import Message
from ringlet.acts import Actor
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed

REASON_MAX = 300
DOT = "•"
SHOWN_MAX = 12


def masked(text: str | None) -> str:
    """As many dots as it has characters, and never so many that its length tells what it is."""
    return DOT * min(len(text or ""), SHOWN_MAX)


class Revealed(msgspec.Struct, frozen=True):
    """What an activation got."""

    code: str | None
    messages: Sequence[Message]


async def reveal(desk: Desk, actor: Actor, activation_id: int, reason: str) -> Revealed:
    """The texts and codes of an activation by its public id. The log keeps who has read them and why, not what.

    Refuses: ValidationFailed (no reason), NotFound, ServiceUnavailable.
    """
    reason = checked_reason(reason)
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_FIND, [activation_id])).fetchone()
        if row is None:
            raise NotFound("No such activation")
        messages = (await store.messages_of(tx, [row[0]]))[row[0]]
        await acts.write(
            tx, actor, "message.revealed", f"activation {activation_id}", after={"messages": len(messages)},
            reason=reason, customer_id=row[2],
        )  # fmt: skip
    return Revealed(row[1], messages)


_FIND: LiteralString = """
select a.id, a.code, w.customer_id from activation a join wallet w on w.id = a.wallet_id where a.public_id = %s
"""


def checked_reason(text: str) -> str:
    """A reason for the log. Refuses: ValidationFailed."""
    reason = " ".join(text.split())
    if not 3 <= len(reason) <= REASON_MAX:  # noqa: PLR2004 - a word at least
        raise ValidationFailed(f"A reason of 3 to {REASON_MAX} characters", field="reason")
    return reason
