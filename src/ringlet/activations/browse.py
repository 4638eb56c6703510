"""Looking at activations: one, or a customer's list."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.activations import store
from ringlet.activations.states import State
from ringlet.activations.store import COLUMNS, Activation, Message
from ringlet.db import Tx
from ringlet.desk import Desk

COUNTED_MAX = 10_000  # a filtered list's total is exact up to here


class Seen(msgspec.Struct, frozen=True):
    """An activation with its messages."""

    activation: Activation
    messages: Sequence[Message]


class Wanted(msgspec.Struct, frozen=True):
    """Which activations, and which part of the list. `before_id` (a cursor) takes the place of the page."""

    page: int = 1
    per_page: int = 25
    before_id: int | None = None
    service: str | None = None
    country: int | None = None
    states: Sequence[State] = ()
    since: datetime | None = None
    until: datetime | None = None
    reference: str | None = None


class Page(msgspec.Struct, frozen=True):
    """A part of a list, newest first; `total` counts the whole list."""

    rows: Sequence[Seen]
    total: int
    total_is_exact: bool


async def look(desk: Desk, wallet_id: int, public_id: int) -> Seen:
    """One activation of this wallet with its messages. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        activation = await store.by_public_id(tx, wallet_id, public_id)
        return await with_messages(tx, activation)


#: of the newest activations: there is no index of phones, and old numbers are gone anyway
PHONES_LOOKED_AT_MAX = 10_000


async def newest_with_code(desk: Desk, wallet_id: int, service: str, phone: str) -> int | None:
    """The activation_id of the newest one that brought a code on this number. Refuses: ServiceUnavailable."""
    values = {"wallet": wallet_id, "service": service, "phone": phone, "most": PHONES_LOOKED_AT_MAX}
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_NEWEST_WITH_CODE, values)).fetchone()
    return None if row is None else int(row[0])


_NEWEST_WITH_CODE: LiteralString = """
select public_id from (
    select id, public_id, service, phone, state from activation where wallet_id = %(wallet)s
    order by id desc limit %(most)s
) as recent
where service = %(service)s and phone = %(phone)s and state in ('received', 'finished')
order by id desc limit 1
"""


async def with_messages(tx: Tx, activation: Activation) -> Seen:
    """The activation and what came for it."""
    messages = await store.messages_of(tx, [activation.id])
    return Seen(activation, messages[activation.id])


async def browse(desk: Desk, wallet_id: int, wanted: Wanted) -> Page:
    """A page of the wallet's activations, newest first. Refuses: ServiceUnavailable."""
    conditions, values = _conditions(wallet_id, wanted)
    filtered = len(conditions) > 1
    async with desk.db.connection() as tx:
        if filtered:
            total = await _count(tx, conditions, values)
        else:
            total = await _tally(tx, wallet_id)
        rows = await _rows(tx, conditions, values, wanted)
        messages = await store.messages_of(tx, [row.id for row in rows])
    seen = [Seen(row, messages[row.id]) for row in rows]
    return Page(seen, total, total_is_exact=not filtered or total < COUNTED_MAX)


def _conditions(wallet_id: int, wanted: Wanted) -> tuple[list[LiteralString], Mapping[str, Any]]:
    possible: list[tuple[LiteralString, str, object]] = [
        ("service = %(service)s", "service", wanted.service),
        ("country = %(country)s", "country", wanted.country),
        ("state = any(%(states)s::activation_state[])", "states", list(wanted.states) or None),
        ("created_at >= %(since)s", "since", wanted.since),
        ("created_at < %(until)s", "until", wanted.until),
        ("reference = %(reference)s", "reference", wanted.reference),
    ]
    used = [each for each in possible if each[2] is not None]
    conditions: list[LiteralString] = ["wallet_id = %(wallet)s", *(each[0] for each in used)]
    return conditions, {"wallet": wallet_id, **{each[1]: each[2] for each in used}}


async def _rows(
    tx: Tx, conditions: list[LiteralString], values: Mapping[str, Any], wanted: Wanted
) -> list[Activation]:
    where = " and ".join(conditions)
    if wanted.before_id is not None:
        where += " and id < %(before)s"
    offset = 0 if wanted.before_id is not None else (wanted.page - 1) * wanted.per_page
    cursor = tx.cursor(row_factory=args_row(Activation))
    await cursor.execute(
        f"select {COLUMNS} from activation where {where} order by id desc limit %(limit)s offset %(offset)s",
        {**values, "before": wanted.before_id, "limit": wanted.per_page, "offset": offset},
    )
    return await cursor.fetchall()


async def _count(tx: Tx, conditions: list[LiteralString], values: Mapping[str, Any]) -> int:
    where = " and ".join(conditions)
    row = await (
        await tx.execute(
            f"select count(*) from (select from activation where {where} limit %(most)s) as counted",
            {**values, "most": COUNTED_MAX},
        )
    ).fetchone()
    return int(row[0]) if row else 0


async def _tally(tx: Tx, wallet_id: int) -> int:
    """How many activations the wallet has had: what was counted before, and those since.

    The mark stays behind the oldest row of the last minute: an id drawn earlier may commit later, but no transaction
    of ours lives that long.
    """
    row = await (await tx.execute(_TALLY, {"wallet": wallet_id})).fetchone()
    assert row is not None
    counted, up_to, newer, settled, settled_up_to = row
    if settled > TALLY_STEP:
        moved = {"wallet": wallet_id, "was": up_to, "up_to": settled_up_to, "settled": settled}
        await tx.execute(_MOVE_TALLY, moved)
    return int(counted + newer)


TALLY_STEP = 1_000

_TALLY: LiteralString = """
with mark as (
    select coalesce(max(activations), 0) as counted, coalesce(max(up_to_id), 0) as up_to
    from activation_tally where wallet_id = %(wallet)s
), young as (
    select min(a.id) as id from mark join activation a on a.wallet_id = %(wallet)s and a.id > mark.up_to
        and a.created_at >= now() - interval '1 minute'
)
select mark.counted, mark.up_to, count(a.id), count(a.id) filter (where a.id < coalesce(young.id, a.id + 1)),
    coalesce(max(a.id) filter (where a.id < coalesce(young.id, a.id + 1)), mark.up_to)
from mark cross join young left join activation a on a.wallet_id = %(wallet)s and a.id > mark.up_to
group by mark.counted, mark.up_to
"""

_MOVE_TALLY: LiteralString = """
insert into activation_tally (wallet_id, up_to_id, activations) values (%(wallet)s, %(up_to)s, %(settled)s)
on conflict (wallet_id) do update
set up_to_id = excluded.up_to_id, activations = activation_tally.activations + excluded.activations
where activation_tally.up_to_id = %(was)s
"""
