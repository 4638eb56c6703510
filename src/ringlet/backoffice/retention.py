"""What is past its time is forgotten: texts and codes of messages after days, numbers after weeks.

A row that is due stands in an index until it is done, so that a worker that died leaves nothing behind, and nothing is
looked at twice. What stays says plainly that something was there: the amounts, the states and the times. The rows of
an activation change together and under its lock, so that a message and its activation always name the same number.
"""

from collections.abc import Sequence
from typing import LiteralString

from ringlet import privacy
from ringlet.activations.store import FORGOTTEN, FORGOTTEN_CODE
from ringlet.db import Tx
from ringlet.desk import Desk

AT_ONCE = 500


async def forget_due(desk: Desk) -> int:
    """One batch of each kind; returns how many rows were forgotten. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        kept = await privacy.load(tx, desk.settings)
    forgotten = 0
    async with desk.db.transaction() as tx:
        forgotten += await _due_texts(tx, kept.text_days)
    async with desk.db.transaction() as tx:
        forgotten += await _due_numbers(tx, kept.number_days)
    async with desk.db.transaction() as tx:
        forgotten += (await tx.execute(_RENTALS, [kept.number_days, AT_ONCE])).rowcount
        forgotten += (await tx.execute(_REPORTS, [kept.number_days, AT_ONCE])).rowcount
    return forgotten


async def _due_texts(tx: Tx, days: int) -> int:
    due = await (await tx.execute(_DUE_TEXTS, [days, AT_ONCE])).fetchall()
    locked = await _lock(tx, [row[1] for row in due if row[1] is not None])
    return await _forget_texts(tx, [row[0] for row in due if row[1] is None or row[1] in locked], locked)


_DUE_TEXTS: LiteralString = """
select id, activation_id from message
where not is_forgotten and received_at < now() - make_interval(days => %s) order by received_at limit %s
"""


async def _lock(tx: Tx, activation_ids: Sequence[int]) -> set[int]:
    """Those that nobody is working on at this moment; the others are due again."""
    rows = await (await tx.execute(_LOCK, [list(activation_ids)])).fetchall()
    return {row[0] for row in rows}


_LOCK: LiteralString = "select id from activation where id = any (%s) order by id for update skip locked"


async def _forget_texts(tx: Tx, message_ids: Sequence[int], activation_ids: set[int]) -> int:
    """Texts and codes of these messages, wherever they stand; their activations are locked."""
    values = {
        "messages": list(message_ids), "activations": list(activation_ids), "text": FORGOTTEN,
        "code": FORGOTTEN_CODE,
    }  # fmt: skip
    forgotten = (await tx.execute(_TEXTS, values)).rowcount
    for statement in (_CODES, _EVENTS, _ANSWERS, _TELL):
        await tx.execute(statement, values)
    return forgotten


# A message that no activation has is nobody's: its number goes with its text.
_TEXTS: LiteralString = """
update message set text = %(text)s, sender = '', is_forgotten = true,
    code = case when code is not null then %(code)s end,
    phone = case when activation_id is null or exists (select from activation a
        where a.id = message.activation_id and position('*' in a.phone) > 0) then masked_phone(phone) else phone end
where id = any (%(messages)s) and not is_forgotten
"""
_CODES: LiteralString = """
update activation set code = %(code)s where id = any (%(activations)s) and code is not null
"""
_EVENTS: LiteralString = """
update event set code = %(code)s where activation_id = any (%(activations)s) and code <> ''
"""
# What a customer's server has answered to a webhook may repeat what it was told.
_ANSWERS: LiteralString = """
update delivery_attempt set answer = null from event e join delivery d on d.event_id = e.id
where e.activation_id = any (%(activations)s) and delivery_attempt.delivery_id = d.id
    and delivery_attempt.answer is not null
"""
# Processes that remember how it stood forget it too.
_TELL: LiteralString = """
select pg_notify('ringlet', 'activation ' || public_id) from activation where id = any (%(activations)s)
"""


async def _due_numbers(tx: Tx, days: int) -> int:
    rows = await (await tx.execute(_DUE_NUMBERS, [days, AT_ONCE])).fetchall()
    return await _mask(tx, [row[0] for row in rows])


_DUE_NUMBERS: LiteralString = """
select id from activation
where closed_at is not null and phone <> '' and position('*' in phone) = 0
    and closed_at < now() - make_interval(days => %s)
order by closed_at limit %s for update skip locked
"""


async def _mask(tx: Tx, activation_ids: Sequence[int]) -> int:
    """The numbers of these closed activations, which are locked, and what leads to them."""
    values = {"activations": list(activation_ids)}
    for statement in (_MASK, _MASK_MESSAGES, _MASK_RENTALS, _TELL):
        await tx.execute(statement, values)
    return len(activation_ids)


_MASK: LiteralString = """
update activation set phone = masked_phone(phone), number_id = null where id = any (%(activations)s)
"""
_MASK_MESSAGES: LiteralString = """
update message set phone = masked_phone(phone) where activation_id = any (%(activations)s)
"""
_MASK_RENTALS: LiteralString = """
update rental set phone = masked_phone(phone), last_error = null
where activation_id = any (%(activations)s) and closed_at is not null
"""

# Those that no activation has any more, and those whose supplier took long.
_RENTALS: LiteralString = """
update rental set phone = masked_phone(phone), last_error = null where (source_id, supplier_ref) in (
    select source_id, supplier_ref from rental
    where closed_at is not null and phone <> '' and position('*' in phone) = 0
        and closed_at < now() - make_interval(days => %s)
    order by closed_at limit %s for update skip locked)
"""
_REPORTS: LiteralString = """
delete from number_report where id in (select id from number_report
    where done_at is not null and done_at < now() - make_interval(days => %s)
    order by done_at limit %s for update skip locked)
"""


async def forget_activations(tx: Tx, activation_ids: Sequence[int]) -> None:
    """Everything personal about these activations at once, whatever their age; they are closed and the caller has
    locked them.
    """
    ids = list(activation_ids)
    rows = await (await tx.execute("select id from message where activation_id = any (%s)", [ids])).fetchall()
    await _forget_texts(tx, [row[0] for row in rows], set(ids))
    await _mask(tx, ids)
    for statement in (_REFERENCES, _PLANNED):
        await tx.execute(statement, [ids])


_REFERENCES: LiteralString = (
    "update activation set reference = null where id = any (%s) and reference is not null"
)
_PLANNED: LiteralString = "delete from simulated_message where activation_id = any (%s)"
