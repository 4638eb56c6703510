"""What a payer shows of his transfer: a picture drawn anew, or a PDF as it came. Then it waits for staff."""

import asyncio
import io
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import pictures
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.payments.bank import Bank
from ringlet.topups import store
from ringlet.topups.store import Topup

FILE_MAX = 2 * 1024 * 1024
COUNT_MAX = 3
#: a photo of a good camera
PIXELS_MAX = 24_000_000
#: what is kept of it can still be read
SIDE_MAX = 2_000
PNG, JPEG, PDF = "image/png", "image/jpeg", "application/pdf"
NAME_MAX = 80
KEPT_DAYS = 90
FORGOTTEN_AT_ONCE = 100


class Proof(msgspec.Struct, frozen=True):
    """One file, without its content."""

    id: int
    name: str
    media_type: str
    size: int
    created_at: datetime


class Paper(msgspec.Struct, frozen=True):
    """A file as it is kept."""

    media_type: str
    content: bytes


async def attach(desk: Desk, wallet_id: int, public_id: str, name: str, content: bytes) -> None:
    """Show a PNG, JPEG or PDF to whoever approves the wallet's own open bank transfer, which then waits for staff.

    Refuses: NotFound (no bank transfer of this wallet), ValidationFailed (field "proof": too large, another kind of
    file, broken, three already, or it was decided), ServiceUnavailable.
    """
    paper = await asyncio.to_thread(cleaned, content)
    async with desk.db.transaction() as tx:
        found = await store.of_wallet(tx, wallet_id, public_id)
        if found is None or found.kind != Bank.kind:
            raise NotFound("No such payment")
        topup = await store.locked(tx, found.id)
        if not _is_open(topup):
            raise ValidationFailed("This payment was decided already", field="proof")
        row = await (await tx.execute(_COUNT, [topup.id])).fetchone()
        if row is None or row[0] >= COUNT_MAX:
            raise ValidationFailed("%(most)s files are enough", field="proof", values={"most": COUNT_MAX})
        await tx.execute(_ADD, [topup.id, _plain(name), paper.media_type, paper.content])
        await store.end(tx, topup.id, "open", "review", "proof")


def _is_open(topup: Topup) -> bool:
    return topup.state == "open" or (topup.state, topup.why) == ("review", "proof")


_COUNT: LiteralString = "select count(*) from topup_proof where topup_id = %s"
_ADD: LiteralString = "insert into topup_proof (topup_id, name, media_type, content) values (%s, %s, %s, %s)"


def _plain(name: str) -> str:
    """The last part of what the browser called it, as one short line."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable()).strip()[-NAME_MAX:] or "proof"


def cleaned(content: bytes) -> Paper:
    """What is kept of a file. Takes some time for a picture. Refuses: ValidationFailed."""
    if not content:
        raise ValidationFailed("Choose a file", field="proof")
    if len(content) > FILE_MAX:
        raise ValidationFailed(
            "A file has at most %(most)s MB", field="proof", values={"most": FILE_MAX // 2**20}
        )
    if content.startswith(b"%PDF-"):
        if b"%%EOF" not in content[-1024:]:
            raise ValidationFailed("This PDF is not whole", field="proof")
        return Paper(PDF, content)
    return _redrawn(content)


def _redrawn(content: bytes) -> Paper:
    is_png = content.startswith(b"\x89PNG")
    try:
        drawn = pictures.decoded(content, ("PNG", "JPEG"), PIXELS_MAX, "RGB")
    except pictures.TooLarge:
        raise ValidationFailed("This picture has too many pixels: make it smaller", field="proof") from None
    except pictures.Unreadable:
        raise ValidationFailed("This is no PNG, JPEG or PDF that can be read", field="proof") from None
    drawn.thumbnail((SIDE_MAX, SIDE_MAX))
    made = io.BytesIO()
    if is_png:
        drawn.save(made, "PNG", optimize=True)
    else:
        drawn.save(made, "JPEG", quality=85)
    return Paper(PNG if is_png else JPEG, made.getvalue())


async def of_topup(tx: Tx, topup_id: int) -> list[Proof]:
    """What was shown for a payment, oldest first."""
    cursor = tx.cursor(row_factory=args_row(Proof))
    return await (await cursor.execute(_OF_TOPUP, [topup_id])).fetchall()


_OF_TOPUP: LiteralString = """
select id, name, media_type, octet_length(content), created_at from topup_proof where topup_id = %s order by id
"""


async def read(tx: Tx, public_id: str, proof_id: int) -> Paper | None:
    """One file of a payment, for staff."""
    cursor = tx.cursor(row_factory=args_row(Paper))
    return await (await cursor.execute(_READ, [public_id, proof_id])).fetchone()


_READ: LiteralString = """
select p.media_type, p.content from topup t join topup_proof p on p.topup_id = t.id where t.public_id = %s and p.id = %s
"""


async def decided(tx: Tx, topup_id: int) -> None:
    """It is decided: from now on the files are kept for 90 days."""
    await tx.execute(_DECIDED, [KEPT_DAYS, topup_id])


_DECIDED: LiteralString = """
update topup_proof set gone_at = now() + make_interval(days => %s) where topup_id = %s and gone_at is null
"""


async def forget_old(desk: Desk) -> int:
    """Files whose time is over are gone; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        return (await tx.execute(_FORGET, [FORGOTTEN_AT_ONCE])).rowcount


_FORGET: LiteralString = """
delete from topup_proof where id in (
    select id from topup_proof where gone_at <= now() order by gone_at limit %s for update skip locked)
"""
