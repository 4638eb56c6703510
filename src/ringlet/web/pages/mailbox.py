"""The demo's mailbox: letters that no mail server took. It opens everybody's one-time links, so it is there in a demo only."""

import re
from datetime import datetime

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from ringlet.errors import NotFound
from ringlet.people import letters
from ringlet.people.letters import LetterLine
from ringlet.settings import Settings
from ringlet.web.pages import render, visit
from ringlet.web.pages.visit import Req

_ADDRESS = re.compile(r"(https?://\S+)")


class Shown(msgspec.Struct, frozen=True):
    """A letter with its text in pieces: (where a link to us leads, text)."""

    id: int
    recipient: str
    subject: str
    created_at: datetime
    pieces: list[tuple[str, str]]


def is_open(settings: Settings) -> bool:
    """Only a demo, and only while nobody gets letters in earnest."""
    return settings.demo and settings.smtp_url is None


@get("/mail", include_in_schema=False)
async def get_mail(request: Req) -> Response[str]:
    """The newest letters. Refuses: NotFound outside of a demo."""
    seen = await visit.begin(request)
    if not is_open(seen.desk.settings):
        raise NotFound
    found = [_shown(each, seen.desk.settings) for each in await letters.list_letters(seen.desk)]
    return await render.page(request, seen, "mailbox.html", letters=found)


def _shown(letter: LetterLine, settings: Settings) -> Shown:
    pieces = [_piece(part, settings) for part in _ADDRESS.split((letter.body or "").strip()) if part]
    return Shown(letter.id, letter.recipient, letter.subject, letter.created_at, pieces)


def _piece(text: str, settings: Settings) -> tuple[str, str]:
    """Links of ours lead to where the demo is being looked at, whatever name it has there."""
    is_ours = text.startswith(settings.public_url + "/")
    return text.removeprefix(settings.public_url) if is_ours else "", text


HANDLERS: list[ControllerRouterHandler] = [get_mail]
