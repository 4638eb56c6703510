"""A message comes in: kept, given to the activation it is meant for, its code found, the money captured.

Whose message is it? The number says whose lease it can be. Where one number serves several services at once,
the activation whose service is named by the sender or the text; otherwise the oldest that waits; where none
waits, the newest that already has a code. With no lease at all it goes to the orphan inbox, never to nowhere.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec

from ringlet import events, ledger
from ringlet.activations import matching, rentals, resale, store
from ringlet.activations.codes import find_code
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.feed import announce

CODE_LENGTH_MAX = 32


class IncomingMessage(msgspec.Struct, frozen=True):
    """What an owner pushes. `sms_id` is the owner's own and never used twice by him."""

    sms_id: int
    phone: str
    sender: str
    text: str


class Receipt(msgspec.Struct, frozen=True):
    """What became of a message: 'delivered' to an activation, 'orphan', or 'repeated'."""

    outcome: str
    public_id: int | None = None


async def receive(desk: Desk, source_id: int, incoming: IncomingMessage) -> Receipt:
    """Take one message from a source; the same one again changes nothing. Refuses: ServiceUnavailable.

    When this returns the message is in the database, and so is everything that follows from it.
    """
    async with desk.db.transaction() as tx:
        message_id = await keep_clean(tx, source_id, incoming)
        if message_id is None:
            return Receipt("repeated")
        leases = await store.leases_of(tx, source_id, incoming.phone)
        activation = _choose(leases, incoming)
        if activation is None:
            return await _too_late(tx, source_id, message_id, incoming)
        await deliver(tx, activation, message_id, incoming.sender, incoming.text)
        return Receipt("delivered", activation.public_id)


async def _too_late(tx: Tx, source_id: int, message_id: int, incoming: IncomingMessage) -> Receipt:
    """A rented number's lease is over: whoever had it last sees the message and does not pay for it."""
    rental = await rentals.of_phone(tx, source_id, incoming.phone)
    if rental is None or rental.activation_id is None:
        return Receipt("orphan")
    activation = await store.lock(tx, rental.activation_id)
    await deliver_late(tx, activation, message_id, incoming.sender, incoming.text)
    return Receipt("late", activation.public_id)


def _choose(leases: Sequence[Activation], incoming: IncomingMessage) -> Activation | None:
    waiting = [lease for lease in leases if lease.state == State.WAITING]
    received = [lease for lease in reversed(leases) if lease.state == State.RECEIVED]
    candidates = waiting + received
    index = matching.choose(incoming.sender, incoming.text, [lease.service for lease in candidates])
    return None if index is None else candidates[index]


async def deliver(
    tx: Tx, activation: Activation, message_id: int, sender: str, text: str, *, told_code: str | None = None
) -> None:
    """Give a kept message to a locked open activation. Only a code is charged for; the text always arrives.

    `told_code` is what the supplier takes for the code; it counts when we find none.
    """
    code = _code(activation, sender, text, told_code)
    await tx.execute(_DELIVER, [activation.id, code, False, message_id])
    await events.note(tx, activation.id, events.MESSAGE, message_id)
    if code is None:
        await announce(tx, "activation", activation.public_id)
    elif activation.state == State.WAITING:
        moved = await store.move(tx, activation, State.RECEIVED, code=code)
        assert moved is not None, "the lease was locked"
        wallet = await ledger.wallet(tx, activation.wallet_id)
        await ledger.capture(tx, wallet, activation.amount_micros, activation.id)
        await resale.earn(tx, wallet, activation.id)
        await store.note_outcome(tx, activation, has_code=True)
    else:
        await store.newest_code(tx, activation, code)
        await announce(tx, "activation", activation.public_id)


def _code(activation: Activation, sender: str, text: str, told_code: str | None) -> str | None:
    found = find_code(text, sender=sender, service=activation.service)
    return found or (told_code[:CODE_LENGTH_MAX] if told_code else None)


async def deliver_late(
    tx: Tx, activation: Activation, message_id: int, sender: str, text: str, *, told_code: str | None = None
) -> None:
    """Show a message on an activation that is over; it is not charged."""
    code = _code(activation, sender, text, told_code)
    await tx.execute(_DELIVER, [activation.id, code, True, message_id])
    await events.note(tx, activation.id, events.MESSAGE, message_id)
    await announce(tx, "activation", activation.public_id)


_DELIVER: LiteralString = "update message set activation_id = %s, code = %s, late = %s where id = %s"


async def keep_clean(tx: Tx, source_id: int, incoming: IncomingMessage) -> int | None:
    """As `keep`, whatever characters came."""
    # PostgreSQL's text holds no NUL; a SIM card's owner may send one all the same.
    sender, text = (
        value.replace("\0", "\N{REPLACEMENT CHARACTER}") for value in (incoming.sender, incoming.text)
    )
    return await keep(tx, source_id, IncomingMessage(incoming.sms_id, incoming.phone, sender, text))


async def keep(tx: Tx, source_id: int, incoming: IncomingMessage) -> int | None:
    """Write the message down; None when this owner's `sms_id` is already there."""
    row = await (
        await tx.execute(_KEEP, [source_id, incoming.sms_id, incoming.phone, incoming.sender, incoming.text])
    ).fetchone()
    return None if row is None else int(row[0])


_KEEP: LiteralString = """
insert into message (source_id, source_sms_id, phone, sender, text) values (%s, %s, %s, %s, %s)
on conflict (source_id, source_sms_id) do nothing returning id
"""


class Orphan(msgspec.Struct, frozen=True):
    """A message for a number that nobody had leased."""

    id: int
    source: str
    phone: str
    sender: str
    text: str
    received_at: datetime


async def orphans(tx: Tx, limit: int, before: int | None = None) -> list[Orphan]:
    """The newest orphans below an id, for the operator."""
    rows = await (await tx.execute(_ORPHANS, [before, before, limit])).fetchall()
    return [Orphan(*row) for row in rows]


async def orphan(tx: Tx, message_id: int) -> Orphan | None:
    """One of them, when it is one."""
    row = await (await tx.execute(_ORPHAN, [message_id])).fetchone()
    return None if row is None else Orphan(*row)


_SELECT_ORPHAN: LiteralString = """
select m.id, s.name, m.phone, m.sender, m.text, m.received_at from message m join source s on s.id = m.source_id
where m.activation_id is null
"""
_ORPHANS: LiteralString = (
    f"{_SELECT_ORPHAN} and (%s::bigint is null or m.id < %s) order by m.id desc limit %s"
)
_ORPHAN: LiteralString = f"{_SELECT_ORPHAN} and m.id = %s"
