"""A supplier by the operator's name for it, as the database knows it now, and what its failures mean in a sentence."""

from typing import LiteralString

from psycopg.rows import args_row

from ringlet import sealed
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, RingletError, StartupError, ValidationFailed
from ringlet.suppliers import book
from ringlet.suppliers.book import COLUMNS, Supplier, Terms
from ringlet.suppliers.port import NotSent, OutcomeUnknown, Reason, Refused

#: What a supplier's adapter raises; anything else is a fault of ours.
TROUBLE = (NotSent, OutcomeUnknown, Refused)
SENTENCE_LENGTH_MAX = 300


async def terms(tx: Tx, name: str) -> Terms:
    """The row of this supplier. Refuses: NotFound."""
    cursor = tx.cursor(row_factory=args_row(Terms))
    await cursor.execute(_NAMED, [name])
    found = await cursor.fetchone()
    if found is None:
        raise NotFound(f"No supplier is called {name!r}; ringlet supplier list shows them")
    return found


_NAMED: LiteralString = f"""
select {COLUMNS} from supplier s join source on source.id = s.source_id where source.name = %s
"""


async def reach(desk: Desk, name: str) -> Supplier:
    """The supplier with an adapter on its terms of now, whatever this process had loaded.

    Refuses: NotFound, ValidationFailed for a protocol of another version. Raises StartupError when its key was
    sealed with another secret.
    """
    async with desk.db.connection() as tx:
        row = await terms(tx, name)
    try:
        return Supplier(row, desk.book.port(row))
    except KeyError:
        raise ValidationFailed(f"this version does not speak {row.protocol!r}", field="protocol") from None


_REFUSALS = {
    Reason.ACCOUNT: "it refuses our account: the key is wrong, blocked or without rights",
    Reason.LIMITED: "it limits us: too many requests or orders for now",
    Reason.UNSUPPORTED: "its protocol has no such question",
}


def sentence(desk: Desk, row: Terms, error: RingletError) -> str:
    """What went wrong, for the operator: one line, and never with the key in it, even if the supplier repeats it."""
    said = _without_key(desk, row, str(error))
    match error:
        case NotSent():
            text = f"it cannot be reached ({said}): check the address and the network"
        case Refused():
            text = f"{_REFUSALS.get(error.reason, 'it refuses')} ({said})"
        case OutcomeUnknown():
            text = f"its answer cannot be read ({said}): is this the right address and protocol?"
        case _:
            text = said
    return "".join(c if c.isprintable() else " " for c in text)[:SENTENCE_LENGTH_MAX]


def _without_key(desk: Desk, row: Terms, text: str) -> str:
    try:
        key = sealed.unseal(desk.settings.secret, book.KEY_PURPOSE, row.sealed_key)
    except StartupError:
        return text
    return text.replace(key, "…")
