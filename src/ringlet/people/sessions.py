"""Sessions: found by their token, listed, ended, and what a person sets for himself."""

import functools
import re
import zoneinfo
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound, ValidationFailed
from ringlet.people import passwords, persons, throttle
from ringlet.people.persons import HAS_SECOND_FACTOR
from ringlet.people.sign_in import proven
from ringlet.people.visitor import SignedIn, Visitor, check_whole

MODES = ("live", "test")
THEMES = ("light", "dark", "system")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")


async def find(desk: Desk, token: str) -> Visitor | None:
    """Whose session this is; None when it is none, or none any more. Refuses: ServiceUnavailable."""
    if not tokens.is_well_formed(token):
        return None
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Visitor))
        return await (
            await cursor.execute(_FIND, [tokens.fingerprint(desk.settings.secret, token)])
        ).fetchone()


#: of a session s: idle for 12 hours, 30 days old, or ten minutes without its second factor
GOOD: LiteralString = """
s.ended_at is null and s.seen_at > now() - interval '12 hours' and s.created_at > now() - interval '30 days'
    and (not s.awaits_second_factor or s.created_at > now() - interval '10 minutes')
"""

#: whoever runs the shop is signed out sooner: idle for half an hour, or after twelve
GOOD_FOR_STAFF: LiteralString = (
    "(s.seen_at > now() - interval '30 minutes' and s.created_at > now() - interval '12 hours')"
)

# That it was seen is written once a minute, not with every page.
_FIND: LiteralString = f"""
with found as (
    select s.*, t.role from person_session s left join staff t on t.person_id = s.person_id
    where s.token_fingerprint = %s and {GOOD} and (t.role is null or {GOOD_FOR_STAFF})
), seen as (
    update person_session s set seen_at = now() from found
    where s.id = found.id and found.seen_at < now() - interval '1 minute'
)
select found.id, p.id, c.id, c.email, p.language, p.time_zone, p.theme, p.confirmed_at is not null,
    c.frozen_at is not null, found.mode, live.id, test.id, found.proven_at, found.awaits_second_factor,
    {HAS_SECOND_FACTOR}, found.role, c.brand_id
from found
join person p on p.id = found.person_id
join customer c on c.id = p.customer_id
join wallet live on live.customer_id = c.id and live.mode = 'live'
join wallet test on test.customer_id = c.id and test.mode = 'test'
"""


class SessionLine(msgspec.Struct, frozen=True):
    """A session that is good now."""

    id: int
    created_at: datetime
    seen_at: datetime
    address: str | None
    user_agent: str
    awaits_second_factor: bool
    is_this: bool


async def list_sessions(desk: Desk, visitor: Visitor) -> list[SessionLine]:
    """The person's sessions, the newest first. Refuses: Forbidden, ServiceUnavailable."""
    check_whole(visitor)
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(SessionLine))
        return await (await cursor.execute(_LIST, [visitor.session_id, visitor.person_id])).fetchall()


_LIST: LiteralString = f"""
select s.id, s.created_at, s.seen_at, host(s.address), s.user_agent, s.awaits_second_factor, s.id = %s
from person_session s where s.person_id = %s and {GOOD} order by s.id desc
"""


async def end_session(desk: Desk, visitor: Visitor, session_id: int) -> None:
    """End one of the person's own sessions. Refuses: Forbidden, NotFound (also somebody else's)."""
    check_whole(visitor)
    async with desk.db.transaction() as tx:
        ended = await tx.execute(_END, [session_id, visitor.person_id])
    if ended.rowcount == 0:
        raise NotFound("No such session")


_END: LiteralString = """
update person_session set ended_at = now() where id = %s and person_id = %s and ended_at is null
"""


async def end_other_sessions(desk: Desk, visitor: Visitor) -> int:
    """End every session of the person but this one; returns how many. Refuses: Forbidden."""
    check_whole(visitor)
    async with desk.db.transaction() as tx:
        return await persons.end_sessions(tx, visitor.person_id, but=visitor.session_id)


async def sign_out(desk: Desk, visitor: Visitor) -> None:
    """This session is over. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        await tx.execute(_END, [visitor.session_id, visitor.person_id])


async def switch_mode(desk: Desk, visitor: Visitor, mode: str) -> None:
    """Show the live or the test side. Refuses: Forbidden, ValidationFailed."""
    check_whole(visitor)
    if mode not in MODES:
        raise ValidationFailed("The mode is live or test", field="mode")
    async with desk.db.transaction() as tx:
        await tx.execute(
            "update person_session set mode = %s where id = %s and person_id = %s",
            [mode, visitor.session_id, visitor.person_id],
        )


async def prove(desk: Desk, visitor: Visitor, password: str) -> SignedIn:
    """The password once more: the session is fresh again, under a new token. Refuses: Forbidden, RateLimited."""
    check_whole(visitor)
    await check_password(desk, visitor, password)
    async with desk.db.transaction() as tx:
        return await proven(tx, desk, visitor.session_id, awaited=False)


async def check_password(desk: Desk, visitor: Visitor, password: str) -> str:
    """The stored hash, when it is this person's password. Refuses: Forbidden (it is not), RateLimited."""
    await throttle.take(desk, throttle.PROOF, visitor.person_id)
    async with desk.db.connection() as tx:
        person = await persons.by_id(tx, visitor.person_id)
    if not await passwords.verify(password, person.password_hash) or person.password_hash is None:
        raise Forbidden("The password is wrong")
    await throttle.put_back(desk, throttle.PROOF, visitor.person_id)
    return person.password_hash


async def set_preferences(
    desk: Desk,
    visitor: Visitor,
    *,
    language: str | None = None,
    time_zone: str | None = None,
    theme: str | None = None,
) -> None:
    """What is not given stays. Refuses: Forbidden, ValidationFailed."""
    check_whole(visitor)
    if language is not None:
        check_language(language)
    if time_zone is not None and time_zone not in _time_zones():
        raise ValidationFailed("No time zone is called that", field="time_zone")
    if theme is not None and theme not in THEMES:
        raise ValidationFailed(f"The theme is one of {', '.join(THEMES)}", field="theme")
    async with desk.db.transaction() as tx:
        await tx.execute(_SET_PREFERENCES, [language, time_zone, theme, visitor.person_id])


_SET_PREFERENCES: LiteralString = """
update person set language = coalesce(%s, language), time_zone = coalesce(%s, time_zone), theme = coalesce(%s, theme)
where id = %s
"""


def check_language(tag: str) -> None:
    """Refuses: ValidationFailed."""
    if not _LANGUAGE.fullmatch(tag):
        raise ValidationFailed("No language is called that", field="language")


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) | {"UTC"}
