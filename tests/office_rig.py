"""Staff and their pages, for the tests of customers, orders and money."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ringlet.acts import CLI, Act, Actor, search
from ringlet.backoffice import staff
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from tests.pages_rig import Person, serving, sign
from tests.test_races import customer


@dataclass
class Office:
    """Pages that are served, and people of each role who are signed in."""

    desk: Desk
    guest: Person
    by_role: dict[str, Person] = field(default_factory=dict)

    async def employ(self, role: str) -> Person:
        """One more member of the staff, with a second factor, who has seen a page."""
        person, _ = await employ(self.desk, self.guest, role)
        await person.get("/admin")
        return person

    async def acts(self, act: str) -> list[Act]:
        """What stands in the log of this kind, newest first."""
        async with self.desk.db.connection() as tx:
            return await search(tx, act=act)


async def employ(desk: Desk, guest: Person, role: str, *, has_factor: bool = True) -> tuple[Person, Wallet]:
    wallet: Wallet = await customer(desk, 0)
    person = await sign(guest, desk, wallet)
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select email from customer where id = %s", [wallet.customer_id])
        ).fetchone()
        assert row is not None
        if has_factor:
            await tx.execute(
                "update person set totp_secret = 'x', totp_confirmed_at = now() where customer_id = %s",
                [wallet.customer_id],
            )
    await staff.appoint(desk, CLI, row[0], role)
    return person, wallet


async def member(desk: Desk, role: str) -> Actor:
    """A member of the staff at the desk, without pages."""
    wallet: Wallet = await customer(desk, 0)
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(
            "with made as (insert into person (customer_id) values (%s) returning id)"
            " select made.id, c.email from made, customer c where c.id = %s", [wallet.customer_id, wallet.customer_id]
        )).fetchone()  # fmt: skip
        assert row is not None
    await staff.appoint(desk, CLI, row[1], role)
    return Actor(row[1], role, row[0])


@contextlib.asynccontextmanager
async def opened(desk: Desk) -> AsyncIterator[Office]:
    """The office while its pages are served."""
    async with serving(desk) as guest:
        await guest.get("/docs")
        yield Office(desk, guest)
