"""Recovery codes: ten, shown once, each good once, for whoever has lost his second factor."""

import secrets
from typing import LiteralString

from ringlet import tokens
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Unauthorized, ValidationFailed
from ringlet.people import letters, persons, throttle, words
from ringlet.people.letters import Translate, untranslated
from ringlet.people.sign_in import proven
from ringlet.people.visitor import SignedIn, Visitor, check_owner

CODES = 10
LENGTH = 12  # of 31 letters: 59 bit, and a guess is counted
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is read for something else


async def new_recovery_codes(desk: Desk, visitor: Visitor) -> list[str]:
    """Ten new ones in the place of all before. Refuses: Forbidden, ValidationFailed (no second factor)."""
    check_owner(visitor)
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        if not (await persons.by_id(tx, visitor.person_id)).has_second_factor:
            raise ValidationFailed("Set up a second factor first")
        return await make(tx, desk.settings.secret, visitor.person_id)


async def make(tx: Tx, secret: bytes, person_id: int) -> list[str]:
    """Ten codes for a person who is locked; those before are no longer good."""
    await drop(tx, person_id)
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(CODES)]
    await tx.execute(_MAKE, [person_id, [_fingerprint(secret, person_id, code) for code in codes]])
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


_MAKE: LiteralString = (
    "insert into recovery_code (person_id, fingerprint) select %s, each from unnest(%s::bytea[]) as each"
)


def _fingerprint(secret: bytes, person_id: int, code: str) -> bytes:
    plain = "".join(each for each in code.lower() if each.isalnum())
    return tokens.fingerprint(secret, f"recovery {person_id} {plain}")


async def drop(tx: Tx, person_id: int) -> None:
    """No code of this person is good any more."""
    await tx.execute("delete from recovery_code where person_id = %s", [person_id])


async def left(tx: Tx, person_id: int) -> int:
    """How many are not yet used."""
    row = await (await tx.execute(_LEFT, [person_id])).fetchone()
    return int(row[0]) if row is not None else 0


_LEFT: LiteralString = "select count(*) from recovery_code where person_id = %s and used_at is null"


async def verify_recovery_code(
    desk: Desk, visitor: Visitor, code: str, *, translate: Translate = untranslated
) -> SignedIn:
    """A code in the place of the second factor; of two who bring the same at once one gets in.

    Refuses: Unauthorized (wrong, used, or the session has ended), RateLimited.
    """
    await throttle.take(desk, throttle.FACTOR, visitor.person_id)
    async with desk.db.transaction() as tx:
        fingerprint = _fingerprint(desk.settings.secret, visitor.person_id, code[:100])
        if (await tx.execute(_USE, [visitor.person_id, fingerprint])).rowcount == 0:
            raise Unauthorized("This is none of your recovery codes, or it was used already")
        signed_in = await proven(tx, desk, visitor.session_id, awaited=True)
        count = await left(tx, visitor.person_id)
        await letters.write(tx, desk.settings, visitor.email, words.RECOVERY_USED, translate, left=count)
    await throttle.put_back(desk, throttle.FACTOR, visitor.person_id)
    return signed_in


_USE: LiteralString = """
update recovery_code set used_at = now() where person_id = %s and fingerprint = %s and used_at is null
"""
