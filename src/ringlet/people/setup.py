"""What the operator and the demo do for people, without letters."""

from ringlet import customers
from ringlet.desk import Desk
from ringlet.people import emails, passwords, persons


async def has_password(desk: Desk, email: str) -> bool:
    """Whether somebody can sign in with this address. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        person = await persons.by_email(tx, emails.normal(email), desk.brand_id)
    return person is not None and person.password_hash is not None


async def give_password(desk: Desk, email: str, password: str) -> None:
    """The customer's person, confirmed, with this password; every session ends. Refuses: NotFound, ValidationFailed."""
    passwords.check(password, email=email, name=desk.settings.name)
    password_hash = await passwords.hashed(password)
    async with desk.db.transaction() as tx:
        customer = await customers.by_email(tx, email, desk.brand_id)
        person_id = await persons.add(tx, customer.id, password_hash)
        await persons.set_password(tx, person_id, password_hash)
        await persons.confirm(tx, person_id)
        await persons.end_sessions(tx, person_id)
