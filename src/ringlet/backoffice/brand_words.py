"""What a brand says: its legal pages, and announcements for a while. Plain text, which pages escape."""

from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from ringlet import acts
from ringlet.acts import Actor
from ringlet.backoffice.brands import changing
from ringlet.brands import PAGES, TONES, Announcement
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed

PAGE_LENGTH_MAX = 100_000
SAID_LENGTH_MAX = 500
LISTED_MAX = 50


async def pages(desk: Desk, brand_id: int) -> dict[tuple[str, str], str]:
    """The legal pages: (kind, language) → text. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_PAGES, [brand_id])).fetchall()
    return {(kind, language): body for kind, language, body in rows}


_PAGES: LiteralString = "select kind, language, body from brand_page where brand_id = %s"


async def set_page(desk: Desk, actor: Actor, brand_id: int, kind: str, language: str, body: str) -> None:
    """This text in this language; without a text there is no such page. Refuses: NotFound, ValidationFailed."""
    body = body.replace("\r\n", "\n").strip()
    if kind not in PAGES:
        raise ValidationFailed(f"The page is one of {', '.join(PAGES)}", field="kind")
    if len(body) > PAGE_LENGTH_MAX:
        raise ValidationFailed(f"A page has at most {PAGE_LENGTH_MAX:,} characters", field="body")
    async with changing(desk, brand_id) as (tx, _):
        if body:
            await tx.execute(_SET_PAGE, [brand_id, kind, language, body])
        else:
            await tx.execute(_REMOVE_PAGE, [brand_id, kind, language])
        about = {"page": kind, "language": language, "characters": len(body)}
        await acts.write(tx, actor, "brand.page_set", f"brand {brand_id}", after=about)


_SET_PAGE: LiteralString = """
insert into brand_page (brand_id, kind, language, body) values (%s, %s, %s, %s)
on conflict (brand_id, kind, language) do update set body = excluded.body
"""
_REMOVE_PAGE: LiteralString = "delete from brand_page where brand_id = %s and kind = %s and language = %s"


async def announcements(desk: Desk, brand_id: int) -> list[Announcement]:
    """The newest ones, over or not. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Announcement))
        return await (await cursor.execute(_ANNOUNCEMENTS, [brand_id, LISTED_MAX])).fetchall()


_ANNOUNCEMENTS: LiteralString = """
select id, brand_id, tone, texts, starts_at, ends_at from announcement where brand_id = %s order by id desc limit %s
"""


async def say(
    desk: Desk, actor: Actor, brand_id: int, tone: str, texts: Mapping[str, str], starts_at: datetime, ends_at: datetime
) -> int:  # fmt: skip
    """Announce it on every page from then until then; returns its id. Refuses: NotFound, ValidationFailed."""
    said = {language: " ".join(text.split()) for language, text in texts.items() if text.strip()}
    if tone not in TONES:
        raise ValidationFailed(f"The tone is one of {', '.join(TONES)}", field="tone")
    if not said or max(map(len, said.values())) > SAID_LENGTH_MAX:
        raise ValidationFailed(f"An announcement has 1 to {SAID_LENGTH_MAX} characters", field="text")
    if starts_at >= ends_at:
        raise ValidationFailed("It must begin before it ends", field="until")
    async with changing(desk, brand_id) as (tx, _):
        row = await (await tx.execute(_SAY, [brand_id, tone, Jsonb(said), starts_at, ends_at])).fetchone()
        assert row is not None
        told = {"announcement": row[0], "tone": tone, "texts": said, "from": starts_at.isoformat(),
                "until": ends_at.isoformat()}  # fmt: skip
        await acts.write(tx, actor, "brand.announced", f"brand {brand_id}", after=told)
    return int(row[0])


_SAY: LiteralString = """
insert into announcement (brand_id, tone, texts, starts_at, ends_at) values (%s, %s, %s::jsonb, %s, %s) returning id
"""


async def unsay(desk: Desk, actor: Actor, brand_id: int, announcement_id: int) -> None:
    """Say it no longer. Refuses: NotFound."""
    async with changing(desk, brand_id) as (tx, _):
        ended = await tx.execute(_UNSAY, [announcement_id, brand_id])
        if ended.rowcount == 0:
            raise NotFound("No such announcement")
        await acts.write(
            tx,
            actor,
            "brand.announcement_ended",
            f"brand {brand_id}",
            before={"announcement": announcement_id},
        )


_UNSAY: LiteralString = "delete from announcement where id = %s and brand_id = %s"
