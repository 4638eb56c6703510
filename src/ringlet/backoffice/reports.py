"""Numbers that were reported: anybody may, staff look into it, and a number can be taken out of trade for good."""

from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts, blocked
from ringlet.acts import Actor
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people import emails, proof_of_work

STORY_MAX = 4_000
PAGE = 50
_SEPARATORS = str.maketrans("", "", " +-().\u00a0\u2011")


class Report(msgspec.Struct, frozen=True):
    """What somebody told us. `done_at`: somebody of the staff has dealt with it."""

    id: int
    phone: str
    story: str
    email: str | None
    created_at: datetime
    done_at: datetime | None
    is_blocked: bool


def checked_phone(text: str) -> str:
    """The digits of a number as people write one. Refuses: ValidationFailed."""
    digits = text.translate(_SEPARATORS).removeprefix("00")
    if not (digits.isascii() and digits.isdigit() and 5 <= len(digits) <= 15 and digits[0] != "0"):  # noqa: PLR2004 - E.164
        raise ValidationFailed("A number with its country code, such as +62 895 4062 003", field="phone")
    return digits


async def report(
    desk: Desk, phone: str, story: str, email: str, *, proof: str = "", address: str | None = None
) -> int:
    """Keep what somebody says about a number; returns the report's id. Nobody is told whether the number is ours.

    Refuses: ValidationFailed, RateLimited, ServiceUnavailable.
    """
    digits, story = checked_phone(phone), story.strip()
    if not 1 <= len(story) <= STORY_MAX:
        raise ValidationFailed(f"What happened, in at most {STORY_MAX} characters", field="story")
    sender = emails.checked(email) if email.strip() else None
    await proof_of_work.pay(desk, proof_of_work.REPORT, proof, address)
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_ADD, [digits, story, sender])).fetchone()
    assert row is not None
    return int(row[0])


_ADD: LiteralString = "insert into number_report (phone, story, email) values (%s, %s, %s) returning id"


async def listed(desk: Desk, *, is_done: bool = False, before: int | None = None) -> list[Report]:
    """Those that wait, or those that are done, the newest first; PAGE of them, below an id.

    Refuses: ServiceUnavailable.
    """
    statement = _DONE if is_done else _OPEN
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Report))
        return await (await cursor.execute(statement, {"before": before, "limit": PAGE})).fetchall()


_COLUMNS: LiteralString = """
r.id, r.phone, r.story, r.email, r.created_at, r.done_at,
exists (select from blocked_number b where b.phone = r.phone)
"""
_OPEN: LiteralString = f"""
select {_COLUMNS} from number_report r
where r.done_at is null and (%(before)s::bigint is null or r.id < %(before)s) order by r.id desc limit %(limit)s
"""
_DONE: LiteralString = f"""
select {_COLUMNS} from number_report r
where r.done_at is not null and (%(before)s::bigint is null or r.id < %(before)s) order by r.id desc limit %(limit)s
"""


async def waiting(desk: Desk) -> int:
    """How many wait, for the list of what needs attention; counted to a hundred. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_WAITING)).fetchone()
    return 0 if row is None else int(row[0])


_WAITING: LiteralString = (
    "select count(*) from (select from number_report where done_at is null limit 100) as found"
)


async def done(desk: Desk, actor: Actor, report_id: int, *, block: bool) -> None:
    """It was dealt with, and its number is taken out of trade if that is said. Twice changes nothing.

    The log names the report and not the number: that one is forgotten in time. Refuses: NotFound, ServiceUnavailable.
    """
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_CLOSE, [report_id])).fetchone()
        if row is None:
            raise NotFound("No such report")
        is_new = block and await blocked.block(tx, row[0])
        if is_new or row[1]:
            await acts.write(tx, actor, "report.done", f"report {report_id}", after={"is_blocked": block})


_CLOSE: LiteralString = """
with found as (select id, phone, done_at from number_report where id = %s for update)
update number_report r set done_at = coalesce(r.done_at, now()) from found where r.id = found.id
returning found.phone, found.done_at is null
"""


async def unblock(desk: Desk, actor: Actor, report_id: int) -> None:
    """The number of this report may be leased again. Refuses: NotFound (also when it is not blocked)."""
    async with desk.db.transaction() as tx:
        row = await (
            await tx.execute("select phone from number_report where id = %s", [report_id])
        ).fetchone()
        if row is None or not await blocked.unblock(tx, row[0]):
            raise NotFound("No such blocked number")
        await acts.write(tx, actor, "number.unblocked", f"report {report_id}")
