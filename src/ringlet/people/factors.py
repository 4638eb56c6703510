"""What stands between a stolen password and the account, for the page that shows it."""

from typing import LiteralString

import msgspec

from ringlet.desk import Desk
from ringlet.people import recovery
from ringlet.people.visitor import Visitor, check_whole


class Factors(msgspec.Struct, frozen=True):
    """Whether an app is asked for its code, and how many recovery codes are left."""

    has_totp: bool
    recovery_codes: int


async def factors(desk: Desk, visitor: Visitor) -> Factors:
    """Of the person himself. Refuses: Forbidden, ServiceUnavailable."""
    check_whole(visitor)
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_HAS_TOTP, [visitor.person_id])).fetchone()
        return Factors(row is not None and bool(row[0]), await recovery.left(tx, visitor.person_id))


_HAS_TOTP: LiteralString = "select totp_confirmed_at is not null from person where id = %s"
