"""Every customer's orders as one list: found by number, id, reference or customer, newest first.

No statement looks at more than `LOOKED_AT_MAX` rows of what an index has found: a part may come back with few rows, and
says where to look on.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from ringlet import phones
from ringlet.activations.states import State
from ringlet.activations.store import COLUMNS, Activation
from ringlet.backoffice import since
from ringlet.backoffice.since import Span
from ringlet.db import Tx
from ringlet.desk import Desk

PART = 50
BATCH = 1_000
LOOKED_AT_MAX = 2_000
TEXT_LENGTH_MAX = 255
ACTIVATION_COLUMNS = 19
ID_MAX = 2**63 - 1


class Sought(msgspec.Struct, frozen=True):
    """Which orders. `text`: a number, with its country code or as written at home; a public id; a reference; or a
    customer's whole address.
    """

    text: str = ""
    customer_id: int | None = None
    service: str | None = None
    country: int | None = None
    states: Sequence[State] = ()
    since: datetime | None = None
    until: datetime | None = None


class Line(msgspec.Struct, frozen=True):
    """An order and whose it is."""

    activation: Activation
    customer_id: int
    email: str
    mode: str
    currency: str
    source: str


class Part(msgspec.Struct, frozen=True):
    """Orders, newest first; `older` is the id to go on below."""

    lines: Sequence[Line]
    older: int | None = None


class Ground(msgspec.Struct, frozen=True):
    """The rows among which is searched: a statement that one index answers, newest first, and its values."""

    statement: LiteralString
    values: dict[str, Any]
    span: Span


async def part(desk: Desk, sought: Sought, before: int | None = None) -> Part:
    """The newest orders below an id that fit. Refuses: ServiceUnavailable."""
    meant = await _meant(sought)
    async with desk.db.connection() as tx:
        ground = await _ground(tx, sought, meant)
        return await _part(tx, sought, ground, before, PART)


async def batches(desk: Desk, sought: Sought) -> AsyncIterator[Sequence[Line]]:
    """All of them, newest first, in batches; no connection is held between two. Refuses: ServiceUnavailable."""
    meant = await _meant(sought)
    async with desk.db.connection() as tx:
        ground = await _ground(tx, sought, meant)

    async def below(before: int | None) -> tuple[Sequence[Line], int | None]:
        async with desk.db.connection() as tx:
            found = await _part(tx, sought, ground, before, BATCH)
        return found.lines, found.older

    async for lines in since.in_batches(below):
        yield lines


async def _meant(sought: Sought) -> list[str]:
    """The numbers that the text may mean. Beside the loop: numbering plans are read from files when first asked for."""
    return await asyncio.to_thread(phones.could_be, sought.text) if sought.text else []


async def _ground(tx: Tx, sought: Sought, meant: Sequence[str]) -> Ground:
    span = await since.activations(tx, sought.since, sought.until)
    text = sought.text.replace("\0", "").strip()[:TEXT_LENGTH_MAX]
    if sought.customer_id is not None or "@" in text:
        wallets = await _wallets(tx, sought.customer_id, text if "@" in text else None)
        if wallets or sought.customer_id is not None:
            return Ground(_OF_WALLETS, {"wallets": wallets}, span)
    if text:
        public_id = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004
        return Ground(_BY_TEXT, {"phones": list(meant), "public_id": public_id, "reference": text}, span)
    return Ground(_ALL, {}, span)


async def _wallets(tx: Tx, customer_id: int | None, email: str | None) -> list[int]:
    values = {"customer": customer_id, "email": email.lower() if email else None}
    rows = await (
        await tx.execute(_WALLETS if customer_id is not None else _WALLETS_OF_EMAIL, values)
    ).fetchall()
    return [row[0] for row in rows]


_WALLETS: LiteralString = "select id from wallet where customer_id = %(customer)s"
_WALLETS_OF_EMAIL: LiteralString = (
    "select w.id from customer c join wallet w on w.customer_id = c.id where c.email = %(email)s"
)


# Each names both columns of its index, and its order begins with the first of them: no other index will do, whatever
# the planner thinks of how many rows there are.
_ALL: LiteralString = """
select * from activation where id >= %(low)s and id < %(high)s order by id desc limit %(looked_at)s
"""
_OF_WALLETS: LiteralString = """
select of_wallet.* from unnest(%(wallets)s::bigint[]) as wanted (id) cross join lateral (
    select * from activation where (wallet_id, activation.id) >= (wanted.id, %(low)s)
        and (wallet_id, activation.id) < (wanted.id, %(high)s)
    order by wallet_id desc, activation.id desc limit %(looked_at)s
) of_wallet order by of_wallet.id desc limit %(looked_at)s
"""
_BY_TEXT: LiteralString = """
select * from (
    select of_phone.* from unnest(%(phones)s::text[]) as wanted (phone) cross join lateral (
        select * from activation where (activation.phone collate "C", id) >= (wanted.phone, %(low)s)
            and (activation.phone collate "C", id) < (wanted.phone, %(high)s)
        order by activation.phone collate "C" desc, id desc limit %(looked_at)s
    ) of_phone
    union
    select * from activation where public_id = %(public_id)s and id >= %(low)s and id < %(high)s
    union
    select of_reference.* from (
        select * from activation where reference is not null and (reference collate "C", id) >= (%(reference)s, %(low)s)
            and (reference collate "C", id) < (%(reference)s, %(high)s)
        order by reference collate "C" desc, id desc limit %(looked_at)s
    ) of_reference
) as by_text order by id desc limit %(looked_at)s
"""


async def _part(tx: Tx, sought: Sought, ground: Ground, before: int | None, limit: int) -> Part:
    high = ground.span.high if before is None else min(before, ground.span.high)
    filtered, more = _conditions(sought)
    values = {**ground.values, **more, "low": ground.span.low, "high": high, "looked_at": LOOKED_AT_MAX}
    statement = f"{_HEAD}{ground.statement}{_MIDDLE}{filtered}{_TAIL}"
    rows = await (await tx.execute(statement, {**values, "limit": limit + 1})).fetchall()
    lines = [Line(Activation(*row[:ACTIVATION_COLUMNS]), *row[ACTIVATION_COLUMNS:]) for row in rows[:limit]]
    if len(rows) > limit:
        return Part(lines, lines[-1].activation.id)
    return Part(lines, await since.edge(tx, ground.statement, values))


_HEAD: LiteralString = f"""
select o.*, c.id, c.email, w.mode, w.currency, s.name
from (select {COLUMNS} from (
"""
_MIDDLE: LiteralString = ") as ground where "
_TAIL: LiteralString = """ order by id desc limit %(limit)s) as o
join wallet w on w.id = o.wallet_id join customer c on c.id = w.customer_id join source s on s.id = o.source_id
order by o.id desc
"""


def _conditions(sought: Sought) -> tuple[LiteralString, dict[str, Any]]:
    possible: list[tuple[LiteralString, str, object]] = [
        ("service = %(service)s", "service", sought.service),
        ("country = %(country)s", "country", sought.country),
        ("state = any(%(states)s::activation_state[])", "states", list(sought.states) or None),
        ("created_at >= %(since)s", "since", sought.since),
        ("created_at < %(until)s", "until", sought.until),
    ]
    used = [each for each in possible if each[2] is not None]
    where: LiteralString = " and ".join(["true", *(each[0] for each in used)])
    return where, {each[1]: each[2] for each in used}
