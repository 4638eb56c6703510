"""Letters are written in the transaction of their cause; `post.py` sends them.

A letter may hold a one-time link, so that its text is sealed until it is sent and gone afterwards.
"""

from collections.abc import Callable
from datetime import datetime
from typing import LiteralString
from urllib.parse import urlsplit

import msgspec

from ringlet import sealed
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.people.words import Letter
from ringlet.settings import Settings

PURPOSE = "letter"

#: gettext of whoever reads the letter
Translate = Callable[[str], str]


def untranslated(text: str) -> str:
    """English."""
    return text


#: where the pages are that letters lead to
PATHS = {"sign_in": "/sign-in", "forgot": "/forgot", "keys": "/profile", "wallet": "/wallet"}
LINKS = {"confirm": "/confirm", "reset": "/reset", "email": "/email"}


def link(settings: Settings, purpose: str, token: str) -> str:
    """The address of a one-time link."""
    return f"{settings.public_url}{LINKS[purpose]}/{token}"


async def write(
    tx: Tx, settings: Settings, recipient: str, letter: Letter, translate: Translate, **values: object
) -> None:
    """Put a letter into the outbox."""
    pages = {name: settings.public_url + path for name, path in PATHS.items()}
    filled = {"name": settings.name, **pages, **values}
    # One line: a value must not become another header.
    subject = " ".join(translate(letter.subject).format_map(filled).split())
    body = sealed.seal(settings.secret, PURPOSE, translate(letter.body).format_map(filled))
    await tx.execute(_WRITE, [recipient, subject, body, sender(settings), settings.name])


_WRITE: LiteralString = (
    "insert into letter (recipient, subject, body, sender, sender_name) values (%s, %s, %s, %s, %s)"
)


def sender(settings: Settings) -> str:
    """Who our letters are from."""
    return settings.mail_from or f"no-reply@{urlsplit(settings.public_url).hostname}"


class LetterLine(msgspec.Struct, frozen=True):
    """A letter of the outbox; one that was sent has no text any more."""

    id: int
    recipient: str
    subject: str
    body: str | None
    attempts: int
    due_at: datetime | None
    sent_at: datetime | None
    error: str | None
    created_at: datetime


async def list_letters(desk: Desk, limit: int = 50) -> list[LetterLine]:
    """The newest letters of everybody, for the operator and for the demo. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_LIST, [limit])).fetchall()
    return [LetterLine(*row[:3], opened(desk.settings, row[3]), *row[4:]) for row in rows]  # type: ignore[call-arg]


def opened(settings: Settings, body: bytes | None) -> str | None:
    """The text of a letter. Raises StartupError when another secret sealed it."""
    return None if body is None else sealed.unseal(settings.secret, PURPOSE, body)


_LIST: LiteralString = """
select id, recipient, subject, body, attempts, due_at, sent_at, error, created_at
from letter order by id desc limit %s
"""
