"""The rows of people, as the use cases of this room read and change them."""

from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.db import Tx


class Person(msgspec.Struct, frozen=True):
    """Who signs in for a customer. No `password_hash`: he has not chosen a password yet."""

    id: int
    customer_id: int
    email: str
    password_hash: str | None
    is_confirmed: bool
    has_second_factor: bool


#: of a person p
HAS_SECOND_FACTOR: LiteralString = (
    "(p.totp_confirmed_at is not null or exists (select from passkey k where k.person_id = p.id))"
)
_PERSON: LiteralString = f"""
select p.id, p.customer_id, c.email, p.password_hash, p.confirmed_at is not null, {HAS_SECOND_FACTOR}
from customer c join person p on p.customer_id = c.id
"""


async def by_email(tx: Tx, email: str, brand_id: int) -> Person | None:
    """The brand's person with this address, if there is one."""
    cursor = tx.cursor(row_factory=args_row(Person))
    return await (await cursor.execute(_BY_EMAIL, [email, brand_id])).fetchone()


_BY_EMAIL: LiteralString = f"{_PERSON} where c.email = %s and c.brand_id = %s"


async def by_id(tx: Tx, person_id: int) -> Person:
    """The person of a session or of a link."""
    cursor = tx.cursor(row_factory=args_row(Person))
    found = await (await cursor.execute(_BY_ID, [person_id])).fetchone()
    assert found is not None, f"no person {person_id}"
    return found


_BY_ID: LiteralString = f"{_PERSON} where p.id = %s"


async def add(tx: Tx, customer_id: int, password_hash: str | None, language: str = "en") -> int:
    """A person for a customer; the one that is there already when there is one."""
    row = await (await tx.execute(_ADD, [customer_id, password_hash, language])).fetchone()
    assert row is not None
    return int(row[0])


_ADD: LiteralString = """
insert into person (customer_id, password_hash, language) values (%s, %s, %s)
on conflict (customer_id) do update set customer_id = excluded.customer_id
returning id
"""


async def lock(tx: Tx, person_id: int) -> None:
    """Whoever else changes this person's keys, factors or password waits."""
    await tx.execute("select from person where id = %s for no key update", [person_id])


async def set_password(tx: Tx, person_id: int, password_hash: str) -> None:
    """From now on this one."""
    await tx.execute("update person set password_hash = %s where id = %s", [password_hash, person_id])


async def confirm(tx: Tx, person_id: int) -> None:
    """Somebody reads the mail of this person's address."""
    await tx.execute(
        "update person set confirmed_at = coalesce(confirmed_at, now()) where id = %s", [person_id]
    )


async def end_sessions(tx: Tx, person_id: int, *, but: int = 0) -> int:
    """End every session of a person, but one if that is said; returns how many."""
    return (await tx.execute(_END_SESSIONS, [person_id, but])).rowcount


_END_SESSIONS: LiteralString = """
update person_session set ended_at = now() where person_id = %s and id <> %s and ended_at is null
"""
