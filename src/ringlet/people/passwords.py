"""Passwords: which are taken, and how they are kept (argon2id).

Hashing takes 19 MiB and a fortieth of a second of a processor. Two at a time, in threads of their own; who would have
to wait behind too many is asked to come back, so that a flood of sign-ins costs neither the memory nor the other pages.
"""

import asyncio
import functools
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from ringlet.errors import RateLimited, ValidationFailed

LENGTH_MIN = 10
LENGTH_MAX = 256
AT_ONCE_MAX = 2
WAITING_MAX = 50
DIFFERENT_MIN = 5
PART_LENGTH_MIN = 4
TELLING = 0.6

_HASHER = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
#: Of a password that nobody knows: an unknown address takes as long as a wrong password.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$ii0jVGJa5JxHt1f1Pzkwsw$amK886HFbvXTxGovbOgYSw2Bpyh64Y7gtcCKyBOCuIY"
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop",
         "01234567890", "1234567890", "йцукенгшщзхъ", "фывапролджэ")  # fmt: skip
_LEET = str.maketrans("4@310!57$", "aaeioists")

T = TypeVar("T")

_threads = ThreadPoolExecutor(AT_ONCE_MAX, "passwords")
_waiting = 0


def check(password: str, *, email: str, name: str) -> None:
    """Whether a new password will do; `name` is the shop's. Refuses: ValidationFailed."""
    text = _normal(password)
    if len(text) < LENGTH_MIN:
        raise _wrong(f"Take at least {LENGTH_MIN} characters")
    if len(text) > LENGTH_MAX:
        raise _wrong(f"Take at most {LENGTH_MAX} characters")
    if _is_common(text.lower(), email, name):
        raise _wrong("Too easy to guess: take several words that do not belong together")


def _wrong(message: str) -> ValidationFailed:
    return ValidationFailed(message, field="password")


def _is_common(text: str, email: str, name: str) -> bool:
    if len(set(text)) < DIFFERENT_MIN or _walked(text) > TELLING or _repeated(text):
        return True
    bare = _bare(text)
    if text in _common() or bare in _common() or _bare(text.translate(_LEET)) in _common():
        return True
    # What is left when the parts that anybody would try are taken away must be a password's worth.
    local, _, domain = email.partition("@")
    parts = (email, local, domain, domain.partition(".")[0], name.lower(), "ringlet")
    return any(_is_mostly(text, part) for part in parts if len(part) >= PART_LENGTH_MIN)


def _bare(text: str) -> str:
    """Without the digits and signs that people put at the end: "Password2024!" is "password"."""
    return text.rstrip("0123456789!?.,*#@$%&+-_ ").lstrip("0123456789!?.,*#@$%&+-_ ")


def _walked(text: str) -> float:
    """The share of characters that follow the one before on a keyboard row or in the alphabet."""
    pairs = [text[at : at + 2] for at in range(len(text) - 1)]
    steps = sum(any(pair in row or pair[::-1] in row for row in _ROWS) for pair in pairs)
    return steps / len(pairs)


def _repeated(text: str) -> bool:
    """One short piece again and again."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, len(text) // 2 + 1))


def _is_mostly(text: str, part: str) -> bool:
    return part in text and len(text.replace(part, "")) < PART_LENGTH_MIN + 2


@functools.cache
def _common() -> frozenset[str]:
    text = files("ringlet.data").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


async def hashed(password: str) -> str:
    """For storing. Refuses: RateLimited (too many at once)."""
    return await _in_thread(functools.partial(_HASHER.hash, _normal(password)))


async def verify(password: str, stored: str | None) -> bool:
    """Whether it is this one; takes as long when nothing is stored. Refuses: RateLimited (too many at once)."""
    text = _normal(password)
    matches = await _in_thread(
        functools.partial(_HASHER.verify, text if len(text) <= LENGTH_MAX else "", stored or NOBODYS)
    )
    return matches and stored is not None


def _normal(password: str) -> str:
    """The same password from every keyboard."""
    return unicodedata.normalize("NFKC", password[: 4 * LENGTH_MAX])


async def _in_thread(work: Callable[[], T]) -> T:
    global _waiting  # noqa: PLW0603 - one kitchen per process
    if _waiting >= WAITING_MAX:
        raise RateLimited("Too many people sign in at this moment; try again in a few seconds")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    finally:
        _waiting -= 1
