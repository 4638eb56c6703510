"""The rules of use: every version that there was, and who has accepted which."""

from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ValidationFailed

FIELD = "agreed"


class Rules(msgspec.Struct, frozen=True):
    """One version of the text."""

    version: int
    text: str
    created_at: datetime


async def newest(tx: Tx) -> Rules:
    """The rules that hold now."""
    cursor = tx.cursor(row_factory=args_row(Rules))
    found = await (await cursor.execute(_NEWEST)).fetchone()
    assert found is not None, "the first version is made by its migration"
    return found


_NEWEST: LiteralString = "select version, text, created_at from acceptable_use order by version desc limit 1"


async def shown(desk: Desk) -> Rules:
    """The rules that hold now, for a page. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await newest(tx)


async def check(tx: Tx, agreed: int | None) -> None:
    """Whether a form has accepted the rules that hold now. Refuses: ValidationFailed."""
    if agreed is None:
        raise ValidationFailed("Accept the rules of use to go on", field=FIELD)
    if agreed != (await newest(tx)).version:
        raise ValidationFailed("The rules of use have changed: read them once more", field=FIELD)


async def note(tx: Tx, person_id: int, version: int) -> None:
    """This person has accepted that version; the first time counts."""
    await tx.execute(_NOTE, [person_id, version])


_NOTE: LiteralString = "insert into acceptance (person_id, version) values (%s, %s) on conflict do nothing"


async def accept(desk: Desk, person_id: int, agreed: int | None) -> None:
    """Accept the rules that a page has shown. Refuses: ValidationFailed, ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await check(tx, agreed)
        assert agreed is not None
        await note(tx, person_id, agreed)


async def is_owed(desk: Desk, person_id: int) -> bool:
    """Whether the rules that hold now are still to be accepted by this person. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_IS_OWED, [person_id])).fetchone()
    return row is None


_IS_OWED: LiteralString = """
select from acceptance where person_id = %s and version = (select max(version) from acceptable_use)
"""
