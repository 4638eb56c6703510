"""Reading a message plainly: one script of digits, one form of letters, no invisible characters."""

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

HEAD = 3_600
TAIL = 400

# NFKC can make one character into eighteen; what is looked at stays bounded all the same.
LONGEST_READ = 8_000

# Combining accents, Hebrew and Arabic vowel marks, tatweel, variation selectors: written onto letters, not read.
_ADDED_MARK = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670\ufe00-\ufe0f]")


def bounded(text: str) -> str:
    """`text`, or its first 3,600 and last 400 characters when it is longer than both."""
    if len(text) <= HEAD + TAIL:
        return text
    return text[:HEAD] + "\n" + text[-TAIL:]


def plain(text: str) -> str:
    """`text` in NFKC, its digits ASCII, its dashes '-', its line ends newlines; marks nobody sees are gone.

    Limits: looks at 4,000 characters of `text`, returns at most 8,000.
    """
    composed = unicodedata.normalize("NFKC", bounded(text))[:LONGEST_READ]
    return "".join(map(_plain_character, composed))


def folded(plain_text: str) -> str:
    """`plain_text` in small letters without accents; every character stays at its index."""
    return "".join(map(_folded_character, plain_text))


@lru_cache(maxsize=8_192)
def _plain_character(character: str) -> str:
    if " " <= character <= "~":
        return character
    if character in "\n\r\u2028\u2029\x0b\x0c\x85":
        return "\n"
    alike = _look_alikes()["plain"].get(character)
    if alike is not None:
        return alike
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    return _visible(character)


def _visible(character: str) -> str:
    """The character itself; nothing for joiners, bidi marks and vowel marks; a space for controls."""
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Zs"):
        return " "
    return "" if category in ("Cf", "Me") or _ADDED_MARK.fullmatch(character) else character


@lru_cache(maxsize=8_192)
def _folded_character(character: str) -> str:
    if character <= "~":
        return character.lower()
    same = _look_alikes()["folded"]
    small = same.get(character) or character.lower()[:1]
    # Only Latin, Greek and Cyrillic letters lose their accents: elsewhere the marks are the spelling.
    if small < "\u0590" or "\u1e00" <= small <= "\u1fff":
        small = unicodedata.normalize("NFD", small)[0]
    return same.get(small, small)


@cache
def _look_alikes() -> dict[str, dict[str, str]]:
    """Characters that stand for another one: in every reading ("plain"), and where words are compared ("folded")."""
    written = files("ringlet.data").joinpath("letters.toml").read_text(encoding="utf-8")
    return tomllib.loads(written)
