"""Events as streams tell them: read together with what they are about, and spelled as webhooks spell them."""

from collections.abc import Iterable, Mapping
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.activations import store
from ringlet.activations.store import COLUMNS, Activation
from ringlet.db import Tx
from ringlet.events import TYPES
from ringlet.webhooks import payload
from ringlet.webhooks.payload import Event


class Told(msgspec.Struct, frozen=True):
    """An event and the JSON that says it."""

    id: int
    wallet_id: int
    type: str
    body: bytes
    #: the activation's public id, when it is about one
    about: int | None = None

    def block(self, *, is_settled: bool) -> bytes:
        """A block of the stream. What may still be followed by an older event carries no id to resume from."""
        mark = b"id: %d\n" % self.id if is_settled else b""
        return b"%bevent: %b\ndata: %b\n\n" % (mark, self.type.encode(), self.body)

    def brief(self) -> bytes:
        """Only what has changed: an activation of this id, or the balance."""
        return (
            b"event: balance\ndata:\n\n"
            if self.about is None
            else b"event: activation\ndata: %d\n\n" % self.about
        )


async def after(tx: Tx, marks: Mapping[int, int], up_to: int, limit: int) -> list[Told]:
    """The next events of these wallets (wallet → the id that it has had), in order of their ids.

    What was written for an endpoint alone, to try it, is no news.
    """
    values = {
        "wallets": list(marks), "marks": list(marks.values()), "up_to": up_to, "limit": limit, "types": list(TYPES),
    }  # fmt: skip
    return await _read(tx, _AFTER, values)


_COLUMNS: LiteralString = (
    "e.id, e.wallet_id, e.type, e.activation_id, e.message_id, e.state::text, e.code, e.data, e.created_at"
)

_AFTER: LiteralString = f"""
select {_COLUMNS} from unnest(%(wallets)s::bigint[], %(marks)s::bigint[]) as mark (wallet_id, id)
join event e on e.wallet_id = mark.wallet_id and e.id > mark.id and e.id <= %(up_to)s
    and e.type = any(%(types)s)
order by e.id limit %(limit)s
"""


async def these(tx: Tx, ids: Iterable[int]) -> list[Told]:
    """These events, in order of their ids."""
    return await _read(tx, _THESE, {"ids": list(ids), "types": list(TYPES)})


_THESE: LiteralString = (
    f"select {_COLUMNS} from event e where e.id = any(%(ids)s) and e.type = any(%(types)s) order by e.id"
)


async def _read(tx: Tx, statement: LiteralString, values: Mapping[str, object]) -> list[Told]:
    cursor = tx.cursor(row_factory=args_row(Event))
    events = await (await cursor.execute(statement, values)).fetchall()
    ids = list({each.activation_id for each in events if each.activation_id is not None})
    activations: dict[int, Activation] = {}
    if ids:
        found = tx.cursor(row_factory=args_row(Activation))
        await found.execute(_ACTIVATIONS, [ids])
        activations = {each.id: each for each in await found.fetchall()}
    messages = await store.messages_of(tx, list(activations))
    told = []
    for event in events:
        activation = activations.get(event.activation_id or 0)
        seen = None if activation is None else payload.then(event, activation, messages[activation.id])
        body = payload.body("standard", event, seen)
        about = None if activation is None else activation.public_id
        told.append(Told(event.id, event.wallet_id, event.type, body, about))
    return told


_ACTIVATIONS: LiteralString = f"select {COLUMNS} from activation where id = any(%s)"
