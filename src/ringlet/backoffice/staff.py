"""Who runs the shop."""

from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, customers
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people import persons
from ringlet.people.persons import HAS_SECOND_FACTOR
from ringlet.people.roles import ROLES


class StaffMember(msgspec.Struct, frozen=True):
    """A person with a role."""

    person_id: int
    customer_id: int
    email: str
    role: str
    has_second_factor: bool
    created_at: datetime
    created_by: str


async def everybody(desk: Desk) -> list[StaffMember]:
    """The staff, owners first. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(StaffMember))
        return await (await cursor.execute(_EVERYBODY)).fetchall()


_EVERYBODY: LiteralString = f"""
select p.id, c.id, c.email, s.role, {HAS_SECOND_FACTOR}, s.created_at, s.created_by
from staff s join person p on p.id = s.person_id join customer c on c.id = p.customer_id
order by s.role <> 'owner', c.email
"""


async def appoint(desk: Desk, actor: Actor, email: str, role: str) -> None:
    """Give a person with an account this role. Refuses: ValidationFailed, NotFound (no such account)."""
    if role not in ROLES:
        raise ValidationFailed(f"The role is one of {', '.join(ROLES)}", field="role")
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email)
        person_id = await persons.add(tx, customer.id, None)
        await persons.lock(tx, person_id)
        before = await _role(tx, person_id)
        if before == "owner" and role != "owner":
            await _keep_an_owner(tx, person_id)
        await tx.execute(_APPOINT, [person_id, role, actor.name])
        await acts.write(tx, actor, "staff.appointed", f"person {person_id}",
                         before={"role": before} if before else None, after={"role": role},
                         customer_id=customer.id)  # fmt: skip


_APPOINT: LiteralString = """
insert into staff (person_id, role, created_by) values (%s, %s, %s)
on conflict (person_id) do update set role = excluded.role
"""


async def dismiss(desk: Desk, actor: Actor, person_id: int) -> None:
    """Take the role away; the account stays, its sessions end. Refuses: NotFound, ValidationFailed (the last owner)."""
    async with desk.db.transaction() as tx:
        before = await _role(tx, person_id)
        if before is None:
            raise NotFound("Nobody of the staff")
        await persons.lock(tx, person_id)
        if before == "owner":
            await _keep_an_owner(tx, person_id)
        await tx.execute("delete from staff where person_id = %s", [person_id])
        await persons.end_sessions(tx, person_id)
        await acts.write(tx, actor, "staff.dismissed", f"person {person_id}", before={"role": before})


async def _role(tx: Tx, person_id: int) -> str | None:
    row = await (await tx.execute("select role from staff where person_id = %s", [person_id])).fetchone()
    return None if row is None else str(row[0])


async def _keep_an_owner(tx: Tx, person_id: int) -> None:
    """Refuses: ValidationFailed, when nobody else is an owner."""
    # Two owners who dismiss each other at once: each waits for the rows of all owners.
    rows = await (await tx.execute(_OWNERS)).fetchall()
    if {row[0] for row in rows} <= {person_id}:
        raise ValidationFailed("The shop needs an owner: appoint another one first", field="role")


_OWNERS: LiteralString = (
    "select person_id from staff where role = 'owner' order by person_id for no key update"
)
