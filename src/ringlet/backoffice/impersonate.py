"""A member of the staff looks at the client's pages through a customer's eyes: for an hour, changing nothing.

The look is a row and a cookie of its own beside the staff's session, and good only together with that session: it ends
with it, with the role, with the time, or by the button. The customer's own sessions know nothing of it.
"""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, tokens
from ringlet.acts import Actor
from ringlet.backoffice import dossier, reasons
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import Forbidden, NotFound
from ringlet.people.roles import Right, may
from ringlet.people.visitor import Visitor

LASTS_MINUTES = 60
ENDED_AT_ONCE = 100
TOKEN_PREFIX = "rl_look_"  # noqa: S105 - how such tokens begin
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Look(msgspec.Struct, frozen=True):
    """A look that is good now: whose eyes, until when, and the visitor that the client's pages see."""

    id: int
    ends_at: datetime
    visitor: Visitor

    @property
    def minutes_left(self) -> int:
        """Whole minutes to its end, at least one."""
        return max(1, round((self.ends_at - datetime.now(UTC)) / timedelta(minutes=1)))


async def begin(desk: Desk, actor: Actor, staff: Visitor, customer_id: int, text: str) -> str:
    """Open a look; returns the token of its cookie. One that this session had before is over.

    Refuses: NotFound, Forbidden (somebody of the staff), ValidationFailed (no reason).
    """
    reason = reasons.read(text)
    token = tokens.make(TOKEN_PREFIX)
    async with desk.db.transaction() as tx:
        found = await dossier.customer(tx, customer_id)
        if found.role is not None:
            raise Forbidden("Nobody looks through the eyes of the staff")
        await _end(tx, actor, await _ended_of(tx, staff.session_id), "another")
        values = [tokens.fingerprint(desk.settings.secret, token), staff.person_id, staff.session_id, customer_id,
                  actor.name, actor.role, reason, LASTS_MINUTES]  # fmt: skip
        row = await (await tx.execute(_BEGIN, values)).fetchone()
        assert row is not None
        await acts.write(
            tx, actor, "impersonation.begun", f"impersonation {row[0]}", reason=reason, customer_id=customer_id,
            after={"minutes": LASTS_MINUTES},
        )  # fmt: skip
    return token


_BEGIN: LiteralString = """
insert into impersonation (token_fingerprint, person_id, session_id, customer_id, actor, role, reason, ends_at)
values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(mins => %s)) returning id
"""


async def find(desk: Desk, staff: Visitor, token: str) -> Look | None:
    """The look of this token and of this session; None when it is none, or none any more. Refuses: ServiceUnavailable."""
    if not tokens.is_well_formed(token) or staff.awaits_second_factor or not may(staff.role, Right.SUPPORT):
        return None
    values = [tokens.fingerprint(desk.settings.secret, token), staff.session_id, staff.person_id]
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(_Eyes))
        eyes = await (await cursor.execute(_FIND, values)).fetchone()
    return None if eyes is None else Look(eyes.id, eyes.ends_at, _visitor(staff, eyes))


class _Eyes(msgspec.Struct, frozen=True):
    id: int
    ends_at: datetime
    customer_id: int
    email: str
    is_frozen: bool
    live_wallet_id: int
    test_wallet_id: int
    person_id: int | None
    is_confirmed: bool
    brand_id: int


_FIND: LiteralString = """
select i.id, i.ends_at, c.id, c.email, c.frozen_at is not null, live.id, test.id, p.id, p.confirmed_at is not null, c.brand_id
from impersonation i
join customer c on c.id = i.customer_id
join wallet live on live.customer_id = c.id and live.mode = 'live'
join wallet test on test.customer_id = c.id and test.mode = 'test'
left join person p on p.customer_id = c.id
where i.token_fingerprint = %s and i.session_id = %s and i.person_id = %s and i.ended_at is null and i.ends_at > now()
"""


def _visitor(staff: Visitor, eyes: _Eyes) -> Visitor:
    """Whom the pages see: the customer, in the language of who looks. Without a session, a proof or a role of its own
    it could change nothing, even where nobody asked whether it may.
    """
    return Visitor(
        session_id=0, person_id=eyes.person_id or 0, customer_id=eyes.customer_id, email=eyes.email,
        language=staff.language, time_zone=staff.time_zone, theme=staff.theme, is_confirmed=eyes.is_confirmed,
        is_frozen=eyes.is_frozen, mode="live", live_wallet_id=eyes.live_wallet_id, test_wallet_id=eyes.test_wallet_id,
        proven_at=NEVER, awaits_second_factor=False, has_second_factor=False,
        brand_id=eyes.brand_id,
    )  # fmt: skip


async def leave(desk: Desk, actor: Actor, staff: Visitor) -> int:
    """End the look of this session; returns whose eyes it was. Refuses: NotFound (it was over already)."""
    async with desk.db.transaction() as tx:
        ended = await _ended_of(tx, staff.session_id)
        await _end(tx, actor, ended, "button")
    if not ended:
        raise NotFound("Nothing to leave")
    return ended[0][1]


async def _ended_of(tx: Tx, session_id: int) -> list[tuple[int, int]]:
    rows = await (await tx.execute(_END_OF, [session_id])).fetchall()
    return [(row[0], row[1]) for row in rows]


_END_OF: LiteralString = """
update impersonation set ended_at = now() where session_id = %s and ended_at is null and ends_at > now()
returning id, customer_id
"""


async def _end(tx: Tx, actor: Actor, ended: list[tuple[int, int]], how: str) -> None:
    for look_id, customer_id in ended:
        about = f"impersonation {look_id}"
        await acts.write(tx, actor, "impersonation.ended", about, after={"by": how}, customer_id=customer_id)


async def end_due(desk: Desk) -> int:
    """Note the end of looks whose hour is over. A worker's job; returns how many."""
    async with desk.db.transaction() as tx:
        rows = await (await tx.execute(_END_DUE, [ENDED_AT_ONCE])).fetchall()
        for look_id, customer_id, name, role in rows:
            await _end(tx, Actor(name, role), [(look_id, customer_id)], "time")
    return len(rows)


_END_DUE: LiteralString = """
update impersonation set ended_at = ends_at where id in (
    select id from impersonation where ended_at is null and ends_at <= now() order by ends_at limit %s
    for update skip locked)
returning id, customer_id, actor, role
"""
