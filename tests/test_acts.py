"""What staff did stays as it was written."""

import asyncio

import psycopg
import pytest

from ringlet import acts
from ringlet.acts import CLI
from ringlet.desk import Desk


async def write_some(desk: Desk, count: int) -> None:
    async def one(number: int) -> None:
        async with desk.db.transaction() as tx:
            await acts.write(tx, CLI, "price_rule.set", f"rule {number}", after={"value": number})

    await asyncio.gather(*(one(number) for number in range(count)))


async def test_a_chain_of_acts_is_whole(desk: Desk) -> None:
    """Thirty at once: numbered without a gap, each sealed with the one before."""
    await write_some(desk, 30)
    async with desk.db.connection() as tx:
        assert await acts.first_broken(tx) is None
        assert [line.id for line in await acts.search(tx)] == list(range(30, 0, -1))


@pytest.mark.parametrize("statement", [
    "update staff_act set reason = 'x' where id = 1", "delete from staff_act where id = 1", "truncate staff_act",
])  # fmt: skip
async def test_nothing_that_is_written_can_be_changed(desk: Desk, statement: str) -> None:
    """The database itself refuses, whoever asks."""
    await write_some(desk, 2)
    async with desk.db.connection() as tx:
        with pytest.raises(psycopg.errors.RaiseException):
            await tx.execute(statement.encode())


@pytest.mark.parametrize("change", [
    "update staff_act set about = 'rulf 7' where about = 'rule 7'",
    "update staff_act set after = jsonb_set(after, '{value}', '8') where about = 'rule 7'",
    "update staff_act set seal = set_byte(seal, 0, get_byte(seal, 0) # 1) where about = 'rule 7'",
    "update staff_act set at = at + interval '1 microsecond' where about = 'rule 7'",
    "delete from staff_act where about = 'rule 7' and id < 12",
])  # fmt: skip
async def test_one_changed_byte_is_found(desk: Desk, database_url: str, change: str) -> None:
    """Also by somebody who took the database's guard away; the line that was changed is named."""
    await write_some(desk, 12)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("select id from staff_act where about = 'rule 7'").fetchone()
        assert row is not None
        connection.execute("alter table staff_act disable trigger user")
        connection.execute(change.encode())
    async with desk.db.connection() as tx:
        broken = await acts.first_broken(tx)
        gone = (await (await tx.execute("select count(*) from staff_act where id = %s", row)).fetchone()) == (
            0,
        )
    assert broken == (row[0] + 1 if gone else row[0]) or (row[0] == 12 and gone is False)
