"""The post: letters that are due are sent by SMTP, by as many workers as there are.

A letter is claimed by putting its time off, and nothing of the database is held while a mail server is waited for. A
worker that died between sending and writing it down sends it again, under the same Message-ID.
"""

import asyncio
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from typing import LiteralString
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec
import structlog
from psycopg.rows import args_row

from ringlet.desk import Desk
from ringlet.errors import NotFound, StartupError
from ringlet.people import emails, letters
from ringlet.people.letters import sender
from ringlet.settings import Settings

AT_ONCE_MAX = 5
CLAIMED_S = 120
WITHIN_S = 20.0
#: seconds after each failed attempt; after the last one it has failed
PAUSES_S = (60, 300, 1_800, 7_200, 43_200)
PORTS = {"smtp": 587, "smtps": 465}
ERROR_LENGTH_MAX = 300
NO_SERVER = "no mail server is set: RINGLET_SMTP_URL"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PERMANENT = range(500, 600)
_NOT_THE_LETTER = (530, 534, 535, 538)  # the server does not know us: the letter is not to blame
BROKEN = (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError)

log = structlog.get_logger("ringlet.post")


class Due(msgspec.Struct, frozen=True):
    """A letter that is ours for now."""

    id: int
    recipient: str
    subject: str
    body: bytes
    attempts: int
    sender: str | None = None
    sender_name: str | None = None


async def send_due(desk: Desk) -> int:
    """Send what is due; returns how many were taken up. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        cursor = tx.cursor(row_factory=args_row(Due))
        due = await (await cursor.execute(_CLAIM, [CLAIMED_S, AT_ONCE_MAX])).fetchall()
    await asyncio.gather(*(_send(desk, each) for each in due))
    return len(due)


_CLAIM: LiteralString = """
update letter set due_at = now() + make_interval(secs => %s)
where id in (select id from letter where due_at <= now() order by due_at limit %s for update skip locked)
returning id, recipient, subject, body, attempts, sender, sender_name
"""


async def _send(desk: Desk, letter: Due) -> None:
    """One attempt, and what came of it."""
    settings = _as_written(desk.settings, letter)
    try:
        text = letters.opened(settings, letter.body) or ""
    except StartupError as error:  # sealed under another secret: no attempt will ever read it
        await _note(desk, _FAILED, [str(error), letter.id])
        return
    if settings.smtp_url is None:
        shown = {"text": text} if settings.demo else {}
        log.info("letter", to=emails.masked(letter.recipient), subject=letter.subject, **shown)
        await _note(desk, _FAILED, [NO_SERVER, letter.id])
        return
    try:
        async with asyncio.timeout(WITHIN_S):
            await _hand_over(settings, settings.smtp_url, message(settings, letter, text), letter.recipient)
    except BROKEN as error:
        await _failed(desk, letter, error)
    else:
        await _note(desk, _SENT, [letter.id])


async def _hand_over(settings: Settings, address: str, mail: EmailMessage, recipient: str) -> None:
    url = urlsplit(address)
    # A password travels in the clear to nobody but this machine.
    must_hide = bool(url.username) and url.hostname not in _LOOPBACK
    await aiosmtplib.send(
        mail,
        sender=sender(settings),
        recipients=[recipient],
        hostname=url.hostname,
        port=url.port or PORTS[url.scheme],
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=url.scheme == "smtps",
        start_tls=True if must_hide and url.scheme == "smtp" else None,
        timeout=WITHIN_S,
    )


async def send_now(settings: Settings, recipient: str, subject: str, text: str) -> None:
    """One letter past the outbox. Refuses: NotFound (no mail server is set). Raises one of `BROKEN`."""
    if settings.smtp_url is None:
        raise NotFound(NO_SERVER)
    mail = message(settings, Due(0, recipient, subject, b"", 0), text)
    del mail["Message-ID"]  # the outbox's, which this letter has no place in
    async with asyncio.timeout(WITHIN_S):
        await _hand_over(settings, settings.smtp_url, mail, recipient)


def _as_written(settings: Settings, letter: Due) -> Settings:
    """With the name and the sender of the brand that wrote it."""
    return replace(
        settings, name=letter.sender_name or settings.name, mail_from=letter.sender or settings.mail_from
    )


def message(settings: Settings, letter: Due, text: str) -> EmailMessage:
    """The letter as mail."""
    mail = EmailMessage()
    mail["From"] = Address(settings.name, addr_spec=sender(settings))
    mail["To"] = Address(addr_spec=letter.recipient)
    mail["Subject"] = letter.subject
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<letter-{letter.id}@{sender(settings).rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    return mail


async def _failed(desk: Desk, letter: Due, error: BaseException) -> None:
    text = (str(error) or type(error).__name__)[:ERROR_LENGTH_MAX].replace("\0", "")
    log.warning(
        "letter_not_sent", to=emails.masked(letter.recipient), attempts=letter.attempts + 1, error=text
    )
    if _is_final(error) or letter.attempts >= len(PAUSES_S):
        await _note(desk, _FAILED, [text, letter.id])
    else:
        await _note(desk, _AGAIN, [PAUSES_S[letter.attempts], text, letter.id])


def _is_final(error: BaseException) -> bool:
    """The server will never take this letter."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(each.code in _PERMANENT for each in error.recipients)
    code = getattr(error, "code", None)
    return code in _PERMANENT and code not in _NOT_THE_LETTER


async def _note(desk: Desk, statement: LiteralString, values: list[object]) -> None:
    async with desk.db.connection() as tx:
        await tx.execute(statement, values)


_SENT: LiteralString = """
update letter set due_at = null, sent_at = now(), attempts = attempts + 1, error = null, body = null where id = %s
"""
_FAILED: LiteralString = """
update letter set due_at = null, attempts = attempts + 1, error = %s where id = %s and due_at is not null
"""
_AGAIN: LiteralString = """
update letter set due_at = now() + make_interval(secs => %s), attempts = attempts + 1, error = %s
where id = %s and due_at is not null
"""
