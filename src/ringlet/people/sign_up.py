"""Somebody opens an account. Nobody learns here whether an address has one already: its owner does, by letter."""

from psycopg.errors import UniqueViolation

from ringlet import accounts
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import RateLimited, ValidationFailed
from ringlet.people import (
    acceptable_use,
    disposable,
    emails,
    letters,
    passwords,
    persons,
    proof_of_work,
    proofs,
    referrals,
    throttle,
    words,
)
from ringlet.people.letters import Translate, untranslated
from ringlet.people.sessions import check_language
from ringlet.people.visitor import Visitor, check_whole


async def sign_up(
    desk: Desk,
    email: str,
    password: str,
    *,
    agreed: int | None,
    proof: str = "",
    language: str = "en",
    address: str | None = None,
    via: str = "",
    translate: Translate = untranslated,
) -> None:
    """A new customer with a person who can sign in, and a letter that confirms the address.

    `agreed` is the version of the rules of use that the form has accepted, `proof` the work that its browser did, `via`
    the code of whoever brought him.

    A known address is answered in the same way, and its owner gets a letter that says so. Refuses: ValidationFailed,
    RateLimited, ServiceUnavailable.
    """
    email = emails.checked(email)
    passwords.check(password, email=email, name=desk.settings.name)
    check_language(language)
    async with desk.db.connection() as tx:
        await disposable.check(tx, email)
        await acceptable_use.check(tx, agreed)
    assert agreed is not None
    await proof_of_work.pay(desk, proof_of_work.SIGN_UP, proof, address)
    password_hash = await passwords.hashed(password)
    try:
        async with desk.db.transaction() as tx:
            opened = await accounts.open_in(
                tx, desk.settings, email, 0, actor="sign-up", brand_id=desk.brand_id
            )
            person_id = await persons.add(tx, opened.customer_id, password_hash, language)
            await acceptable_use.note(tx, person_id, agreed)
            await referrals.note(tx, desk.brands.get(desk.brand_id), opened, email, via)
            await _ask_to_confirm(tx, desk, person_id, email, translate)
    except UniqueViolation:
        await _tell_the_owner(desk, email, translate)


async def _ask_to_confirm(tx: Tx, desk: Desk, person_id: int, email: str, translate: Translate) -> None:
    token = await proofs.make(tx, desk.settings.secret, person_id, "confirm")
    link = letters.link(desk.settings, "confirm", token)
    await letters.write(tx, desk.settings, email, words.CONFIRM, translate, link=link)


async def _tell_the_owner(desk: Desk, email: str, translate: Translate) -> None:
    try:
        await throttle.take(desk, throttle.LETTER_ACCOUNT, email)
    except RateLimited:
        return  # nobody's mailbox is filled by whoever knows its address
    async with desk.db.transaction() as tx:
        await letters.write(tx, desk.settings, email, words.KNOWN, translate)


async def confirm(desk: Desk, token: str) -> None:
    """The link of the first letter was opened. Refuses: NotFound (used or too old), ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        proof = await proofs.take(tx, desk.settings.secret, token, "confirm")
        await persons.confirm(tx, proof.person_id)


async def confirm_again(desk: Desk, visitor: Visitor, *, translate: Translate = untranslated) -> None:
    """Send the first letter once more. Refuses: Forbidden, ValidationFailed (confirmed already), RateLimited."""
    check_whole(visitor)
    await throttle.take(desk, throttle.LETTER_ACCOUNT, visitor.email)
    async with desk.db.transaction() as tx:
        person = await persons.by_id(tx, visitor.person_id)
        if person.is_confirmed:
            raise ValidationFailed("This address is confirmed already", field="email")
        await _ask_to_confirm(tx, desk, person.id, person.email, translate)
