"""The customers as a list: found by a part of their address, their id or a key's ending, newest first."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx
from ringlet.desk import Desk

PART = 50
BATCH = 1_000
#: so many of the newest are looked through before the index of parts is asked: what is frequent is among them
LOOKED_AT = 2_000
TEXT_LENGTH_MAX = 254
PART_LENGTH_MIN = 3
ID_MAX = 2**63 - 1
STATES = ("open", "frozen")
_ID = re.compile(r"#?([0-9]{1,18})")
#: "rl_live_…ab12", or its last four characters
_HINT = re.compile(r"(?:rl_(?:live|test)_)?(?:…|\.\.\.)([A-Za-z0-9]{4})")


class Sought(msgspec.Struct, frozen=True):
    """Which customers. `text`: part of an address, an id, or the hint of a key (…ab12)."""

    text: str = ""
    group_id: int | None = None
    state: str = ""


class Line(msgspec.Struct, frozen=True):
    """A customer with the live balance."""

    id: int
    email: str
    created_at: datetime
    frozen_at: datetime | None
    group: str | None
    available_micros: int
    held_micros: int
    currency: str


class Part(msgspec.Struct, frozen=True):
    """Customers, newest first; `older` is the id to go on below."""

    lines: Sequence[Line]
    older: int | None = None


async def part(desk: Desk, sought: Sought, before: int | None = None, limit: int = PART) -> Part:
    """The newest customers below an id that fit. Refuses: ServiceUnavailable."""
    text = sought.text.replace("\0", "").strip().lower()[:TEXT_LENGTH_MAX]
    values = {"before": before or ID_MAX, "group": sought.group_id, "state": sought.state, "text": text,
              "looked_at": LOOKED_AT, "limit": limit + 1}  # fmt: skip
    async with desk.db.transaction() as tx:
        lines = await _found(tx, sought.text.replace("\0", "").strip(), text, values)
    return Part(lines[:limit], lines[limit - 1].id if len(lines) > limit else None)


async def _found(tx: Tx, typed: str, text: str, values: dict[str, Any]) -> list[Line]:
    if not text:
        return await _lines(tx, _ALL, values)
    if (number := _ID.fullmatch(text)) is not None:
        by_id = await _lines(tx, _BY_ID, {**values, "id": int(number[1])})
        return by_id or await _by_part(tx, values)
    if (hint := _HINT.fullmatch(typed)) is not None:
        return await _lines(tx, _BY_HINT, {**values, "ending": hint[1], "typed": typed})
    return await _by_part(tx, values)


async def _by_part(tx: Tx, values: dict[str, Any]) -> list[Line]:
    """A frequent part is found among the newest; a rare one by the index of parts, of which few rows come."""
    found = await _lines(tx, _AMONG_NEWEST, values)
    if len(found) >= values["limit"] or len(values["text"]) < PART_LENGTH_MIN:
        return found
    # Only a bitmap can be made of such an index; everywhere else we do without them.
    await tx.execute("set local enable_bitmapscan = on")
    return await _lines(tx, _BY_PART, {**values, "beginning": _beginning(values["text"])})


def _beginning(text: str) -> str:
    """The words of an index that begin like this, in the language of its questions."""
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{quoted}':*"


async def _lines(tx: Tx, statement: LiteralString, values: dict[str, Any]) -> list[Line]:
    cursor = tx.cursor(row_factory=args_row(Line))
    return await (await cursor.execute(statement, values)).fetchall()


_LINE: LiteralString = """
select c.id, c.email, c.created_at, c.frozen_at, g.name, a.balance_micros, h.balance_micros, w.currency
from found c
join wallet w on w.customer_id = c.id and w.mode = 'live'
join ledger_account a on a.wallet_id = w.id and a.kind = 'available'
join ledger_account h on h.wallet_id = w.id and h.kind = 'held'
left join account_group g on g.id = c.group_id
order by c.id desc
"""
_FITS: LiteralString = """
id < %(before)s and (%(group)s::bigint is null or group_id = %(group)s)
    and (%(state)s = '' or (%(state)s = 'frozen') = (frozen_at is not null))
"""
_ALL: LiteralString = f"""
with found as (select * from customer where {_FITS} order by id desc limit %(limit)s) {_LINE}
"""
_BY_ID: LiteralString = f"with found as (select * from customer where id = %(id)s and {_FITS}) {_LINE}"
_AMONG_NEWEST: LiteralString = f"""
with newest as (select * from customer where id < %(before)s order by id desc limit %(looked_at)s),
found as (select * from newest where position(%(text)s in email) > 0 and {_FITS} order by id desc limit %(limit)s) {_LINE}
"""
_BY_PART: LiteralString = f"""
with found as (
    select * from customer where email_parts(email) @@ %(beginning)s::tsquery and {_FITS} order by id desc limit %(limit)s
) {_LINE}
"""
_BY_HINT: LiteralString = f"""
with holders as (
    select distinct w.customer_id from api_key k join wallet w on w.id = k.wallet_id
    where right(k.token_hint, 4) = %(ending)s
        and (length(%(typed)s) < 12 or left(k.token_hint, 8) = left(%(typed)s, 8))
),
found as (
    select * from customer where id = any (array(select customer_id from holders)) and {_FITS}
    order by id desc limit %(limit)s
) {_LINE}
"""


async def batches(desk: Desk, sought: Sought) -> AsyncIterator[Sequence[Line]]:
    """All of them, newest first, in batches; no connection is held between two. Refuses: ServiceUnavailable."""
    before = None
    while True:
        found = await part(desk, sought, before, BATCH)
        if found.lines:
            yield found.lines
        if found.older is None:
            return
        before = found.older
