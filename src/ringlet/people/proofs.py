"""One-time links: whoever opens one reads the mail of that address. Each is good once, and for a while."""

from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.db import Tx
from ringlet.errors import NotFound

PREFIX = "rlp_"
GOOD_FOR_S = {"confirm": 24 * 3_600, "reset": 3_600, "email": 24 * 3_600}
GONE = "This link was used already, or it is too old"


class Proof(msgspec.Struct, frozen=True):
    """What a link that was just taken is for."""

    person_id: int
    new_email: str | None


async def make(tx: Tx, secret: bytes, person_id: int, purpose: str, *, new_email: str | None = None) -> str:
    """The token of a new link; an older one for the same purpose ends."""
    await end(tx, person_id, purpose)
    token = tokens.make(PREFIX)
    fingerprint = tokens.fingerprint(secret, token)
    await tx.execute(_MAKE, [fingerprint, purpose, person_id, new_email, GOOD_FOR_S[purpose]])
    return token


_MAKE: LiteralString = """
insert into proof (token_fingerprint, purpose, person_id, new_email, ends_at)
values (%s, %s, %s, %s, now() + make_interval(secs => %s))
"""


async def take(tx: Tx, secret: bytes, token: str, purpose: str) -> Proof:
    """Use a link up; of several who try at once one succeeds. Refuses: NotFound."""
    return await _found(tx, _TAKE, secret, token, purpose)


_TAKE: LiteralString = """
update proof set used_at = now()
where token_fingerprint = %s and purpose = %s and used_at is null and ends_at > now()
returning person_id, new_email
"""


async def end(tx: Tx, person_id: int, *purposes: str) -> None:
    """No link of these purposes is good any more."""
    await tx.execute(_END, [person_id, list(purposes)])


_END: LiteralString = """
update proof set used_at = now() where person_id = %s and used_at is null and purpose = any(%s)
"""


async def look(tx: Tx, secret: bytes, token: str, purpose: str) -> Proof:
    """What a link is for, without using it up. Refuses: NotFound."""
    return await _found(tx, _LOOK, secret, token, purpose)


_LOOK: LiteralString = """
select person_id, new_email from proof
where token_fingerprint = %s and purpose = %s and used_at is null and ends_at > now()
"""


async def _found(tx: Tx, statement: LiteralString, secret: bytes, token: str, purpose: str) -> Proof:
    if not tokens.is_well_formed(token):
        raise NotFound(GONE)
    cursor = tx.cursor(row_factory=args_row(Proof))
    found = await (await cursor.execute(statement, [tokens.fingerprint(secret, token), purpose])).fetchone()
    if found is None:
        raise NotFound(GONE)
    return found
