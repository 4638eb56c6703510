"""What nobody needs any more: old letters, used links, ended sessions, full buckets, the spending of past days."""

from typing import LiteralString

from ringlet.desk import Desk


async def forget_old(desk: Desk) -> int:
    """Called now and then; always returns 0, since there is nothing to do again at once."""
    async with desk.db.transaction() as tx:
        for statement in _FORGET:
            await tx.execute(statement)
    return 0


_FORGET: tuple[LiteralString, ...] = (
    "delete from letter where created_at < now() - interval '30 days'",
    "delete from proof where ends_at < now() - interval '7 days'",
    "delete from passkey_challenge where ends_at < now()",
    "delete from person_session where created_at < now() - interval '60 days'",
    "delete from throttle where at < now() - interval '1 day'",
    "delete from work_done where ends_at < now() - interval '1 minute'",
    "delete from key_spending where day < now() - interval '40 days'",
)
