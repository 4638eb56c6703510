"""Tries that the operator starts by a button: does a letter arrive, does our public address lead to us.

Nothing of the database is held while the outside is waited for.
"""

import hmac
import re
import secrets
import time

import aiohttp
import msgspec

from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.people import post
from ringlet.settings import Settings

WITHIN_S = 10.0
SAID_LENGTH_MAX = 300
ECHO = "/reached/"
_NONCE = re.compile("[0-9a-f]{32}")
_ANSWER_BYTES = 64


class Tried(msgspec.Struct, frozen=True):
    """How a try went: `said` is what the other side answered, or why there was no answer."""

    ok: bool
    said: str
    took_ms: int


async def send_letter(desk: Desk, recipient: str) -> Tried:
    """Hand a short letter to the mail server now, past the outbox, so that its answer can be shown."""
    began = time.monotonic()
    subject = f"{desk.settings.name}: a letter to try with"
    try:
        await post.send_now(desk.settings, recipient, subject, "If you read this, letters arrive.\n")
    except (*post.BROKEN, NotFound) as error:
        return _tried(began, ok=False, said=str(error) or type(error).__name__)
    return _tried(began, ok=True, said="")


def _tried(began: float, *, ok: bool, said: str) -> Tried:
    plain = "".join(c if c.isprintable() else " " for c in said)[:SAID_LENGTH_MAX]
    return Tried(ok, plain, round(1000 * (time.monotonic() - began)))


async def reach_ourselves(settings: Settings) -> Tried:
    """Ask our public address something that only a process with our secret can answer."""
    began, nonce = time.monotonic(), secrets.token_hex(16)
    limit = aiohttp.ClientTimeout(total=WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=False) as http,
            http.get(settings.public_url + ECHO + nonce, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_ANSWER_BYTES)
            said = f"HTTP {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return _tried(began, ok=False, said=str(error) or type(error).__name__)
    return _tried(began, ok=hmac.compare_digest(body, echo(settings, nonce).encode()), said=said)


def echo(settings: Settings, nonce: str) -> str:
    """Our answer. Refuses: NotFound (nothing that we would have asked)."""
    if not _NONCE.fullmatch(nonce):
        raise NotFound
    return hmac.digest(settings.secret, b"reached\0" + nonce.encode(), "sha256").hex()
