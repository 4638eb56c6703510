"""The password is lost: a letter brings a link, and the link a new password.

It also gives an account that the operator made its first password. The second factor stays.
"""

from ringlet import customers
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, RateLimited
from ringlet.people import emails, letters, passwords, persons, proofs, throttle, words
from ringlet.people.letters import Translate, untranslated


async def request_reset(
    desk: Desk, email: str, *, address: str | None = None, translate: Translate = untranslated
) -> None:
    """A letter with a link, if somebody has this address; the answer does not tell.

    Refuses: ValidationFailed (no address at all), RateLimited (too many from one place), ServiceUnavailable.
    """
    email = emails.checked(email)
    await throttle.take(desk, throttle.LETTER_ADDRESS, throttle.place(address))
    try:
        await throttle.take(desk, throttle.LETTER_ACCOUNT, email)
    except RateLimited:
        return  # nobody's mailbox is filled by whoever knows its address
    async with desk.db.transaction() as tx:
        person_id = await _person(tx, email, desk.brand_id)
        if person_id is not None:
            token = await proofs.make(tx, desk.settings.secret, person_id, "reset")
            link = letters.link(desk.settings, "reset", token)
            await letters.write(tx, desk.settings, email, words.RESET, translate, link=link)


async def _person(tx: Tx, email: str, brand_id: int) -> int | None:
    """The person with this address, made now for a customer who has none yet."""
    try:
        customer = await customers.by_email(tx, email, brand_id)
    except NotFound:
        return None
    return await persons.add(tx, customer.id, None)


async def reset(desk: Desk, token: str, new_password: str, *, translate: Translate = untranslated) -> None:
    """Choose a new password by the link; every session ends. Refuses: NotFound (used or too old), ValidationFailed."""
    async with desk.db.connection() as tx:
        proof = await proofs.look(tx, desk.settings.secret, token, "reset")
        person = await persons.by_id(tx, proof.person_id)
    # Before the link is used up: a password that will not do must not cost it.
    passwords.check(new_password, email=person.email, name=desk.settings.name)
    password_hash = await passwords.hashed(new_password)
    async with desk.db.transaction() as tx:
        proof = await proofs.take(tx, desk.settings.secret, token, "reset")
        await persons.set_password(tx, proof.person_id, password_hash)
        await persons.confirm(tx, proof.person_id)
        await persons.end_sessions(tx, proof.person_id)
        await proofs.end(tx, proof.person_id, "confirm", "email")
        current = await persons.by_id(tx, proof.person_id)
        await letters.write(tx, desk.settings, current.email, words.PASSWORD_CHANGED, translate)
