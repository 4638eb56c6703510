"""Signing in by password. An unknown address, a wrong password and a missing one look and last the same."""

from typing import LiteralString

from ringlet import tokens
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Unauthorized, translatable
from ringlet.people import emails, passwords, persons, throttle
from ringlet.people.persons import Person
from ringlet.people.visitor import SignedIn, address_or_none

PREFIX = "rls_"
USER_AGENT_LENGTH_MAX = 300
WRONG = translatable("The e-mail address or the password is wrong")


async def sign_in(
    desk: Desk, email: str, password: str, address: str | None = None, user_agent: str = ""
) -> SignedIn:
    """A new session; with a second factor it opens nothing before that.

    Refuses: Unauthorized, RateLimited, ServiceUnavailable.
    """
    email = emails.normal(email)[: emails.LENGTH_MAX]
    await throttle.take(desk, throttle.SIGN_IN_ADDRESS, throttle.place(address))
    async with desk.db.connection() as tx:
        person = await persons.by_email(tx, email, desk.brand_id)
        known = person is not None and await _was_here(tx, person.id, address_or_none(address))
    # Whoever tries a stranger's passwords must not keep the owner out: where he signed in before counts by itself.
    subject = f"{email} {throttle.place(address)}" if known else email
    await throttle.take(desk, throttle.SIGN_IN_ACCOUNT, subject)
    await throttle.take(desk, throttle.SIGN_IN_ALL, "")
    is_right = await passwords.verify(password, person.password_hash if person else None)
    if person is None or not is_right:
        raise Unauthorized(WRONG)
    async with desk.db.transaction() as tx:
        signed_in = await open_session(tx, desk, person, address, user_agent)
    await throttle.put_back(desk, throttle.SIGN_IN_ACCOUNT, subject)
    return signed_in


async def _was_here(tx: Tx, person_id: int, address: str | None) -> bool:
    row = await (await tx.execute(_WAS_HERE, [person_id, address])).fetchone()
    return row is not None and bool(row[0])


_WAS_HERE: LiteralString = """
select exists (select from person_session
    where person_id = %s and address = %s::inet and not awaits_second_factor)
"""


async def open_session(
    tx: Tx, desk: Desk, person: Person, address: str | None, user_agent: str, *, is_proven: bool = False
) -> SignedIn:
    """A session with a token of its own. `is_proven`: no further factor is asked for. Refuses: Unauthorized."""
    token = tokens.make(PREFIX)
    awaits = person.has_second_factor and not is_proven
    values = {
        "token": tokens.fingerprint(desk.settings.secret, token),
        "address": address_or_none(address),
        "agent": "".join(each for each in user_agent if each.isprintable())[:USER_AGENT_LENGTH_MAX],
        "awaits": awaits,
        "person": person.id,
        "hash": person.password_hash,
    }
    # The password may have been changed, and every session ended, since it was compared.
    if (await tx.execute(_OPEN, values)).rowcount == 0:
        raise Unauthorized(WRONG)
    return SignedIn(token, awaits)


_OPEN: LiteralString = """
with unchanged as (
    select id from person where id = %(person)s and password_hash is not distinct from %(hash)s::text for share
)
insert into person_session (token_fingerprint, person_id, address, user_agent, awaits_second_factor)
select %(token)s, id, %(address)s::inet, %(agent)s, %(awaits)s from unchanged
"""


async def proven(tx: Tx, desk: Desk, session_id: int, *, awaited: bool) -> SignedIn:
    """The person proved who he is: the session is fresh, under a new token. Refuses: Unauthorized (it ended).

    `awaited`: it was his second factor, and makes the session whole; or else he proved it once more within one that is.
    """
    token = tokens.make(PREFIX)
    values = [tokens.fingerprint(desk.settings.secret, token), session_id, awaited]
    if (await tx.execute(_PROVEN, values)).rowcount == 0:
        raise Unauthorized("This session has ended; sign in again")
    return SignedIn(token, awaits_second_factor=False)


_PROVEN: LiteralString = """
update person_session set awaits_second_factor = false, token_fingerprint = %s, proven_at = now(), seen_at = now()
where id = %s and awaits_second_factor = %s and ended_at is null
"""
