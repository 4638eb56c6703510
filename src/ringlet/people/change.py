"""A person changes his password or his address."""

from typing import LiteralString

from psycopg.errors import UniqueViolation

from ringlet import customers
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.people import disposable, emails, letters, passwords, persons, proofs, throttle, words
from ringlet.people.letters import Translate, untranslated
from ringlet.people.sessions import check_password
from ringlet.people.visitor import Visitor, check_fresh, check_whole


async def change_password(
    desk: Desk, visitor: Visitor, password: str, new_password: str, *, translate: Translate = untranslated
) -> None:
    """The old password for a new one; all other sessions end. Refuses: Forbidden (the old one is wrong),
    ValidationFailed, RateLimited.
    """
    check_whole(visitor)
    passwords.check(new_password, email=visitor.email, name=desk.settings.name)
    before = await check_password(desk, visitor, password)
    password_hash = await passwords.hashed(new_password)
    async with desk.db.transaction() as tx:
        if (await tx.execute(_SWAP, [password_hash, visitor.person_id, before])).rowcount == 0:
            raise Forbidden("The password was changed a moment ago")
        await persons.end_sessions(tx, visitor.person_id, but=visitor.session_id)
        await proofs.end(tx, visitor.person_id, "reset")
        await letters.write(tx, desk.settings, visitor.email, words.PASSWORD_CHANGED, translate)


_SWAP: LiteralString = "update person set password_hash = %s where id = %s and password_hash = %s"


async def change_email(
    desk: Desk, visitor: Visitor, new_email: str, *, translate: Translate = untranslated
) -> None:
    """Ask for another address: it counts when its link is opened, and the old one hears of it now.

    An address that somebody else has is answered in the same way. Refuses: Forbidden, ValidationFailed, RateLimited.
    """
    check_fresh(visitor)
    new_email = emails.checked(new_email)
    if new_email == visitor.email:
        raise ValidationFailed("This is your address already", field="email")
    await throttle.take(desk, throttle.LETTER_ACCOUNT, visitor.person_id)
    await throttle.take(desk, throttle.LETTER_ACCOUNT, new_email)
    async with desk.db.transaction() as tx:
        await disposable.check(tx, new_email)
        if await _is_taken(tx, new_email, desk.brand_id):
            await letters.write(tx, desk.settings, new_email, words.KNOWN, translate)
        else:
            token = await proofs.make(
                tx, desk.settings.secret, visitor.person_id, "email", new_email=new_email
            )
            link = letters.link(desk.settings, "email", token)
            await letters.write(tx, desk.settings, new_email, words.EMAIL_CONFIRM, translate, link=link)
        await letters.write(
            tx, desk.settings, visitor.email, words.EMAIL_ASKED, translate, new_email=new_email
        )


async def _is_taken(tx: Tx, email: str, brand_id: int) -> bool:
    try:
        await customers.by_email(tx, email, brand_id)
    except NotFound:
        return False
    return True


async def confirm_email(desk: Desk, token: str, *, translate: Translate = untranslated) -> None:
    """The link to the new address was opened: it is the account's now.

    Refuses: NotFound (used or too old), ValidationFailed (somebody has it meanwhile).
    """
    try:
        async with desk.db.transaction() as tx:
            proof = await proofs.take(tx, desk.settings.secret, token, "email")
            person = await persons.by_id(tx, proof.person_id)
            await tx.execute(
                "update customer set email = %s where id = %s", [proof.new_email, person.customer_id]
            )
            await persons.confirm(tx, person.id)
            # What was sent to the old address opens nothing any more.
            await proofs.end(tx, person.id, "confirm", "reset")
            await letters.write(
                tx, desk.settings, person.email, words.EMAIL_CHANGED, translate, new_email=proof.new_email
            )
    except UniqueViolation as error:
        raise ValidationFailed("There is another account with this address", field="email") from error
