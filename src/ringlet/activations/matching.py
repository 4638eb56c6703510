"""Telling which of the waiting activations a message belongs to, by the service that it names."""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from ringlet import canon
from ringlet.activations.codes_mask import cover_links
from ringlet.activations.codes_read import folded, plain

SENDER_LENGTH = 100
IN_SENDER, IN_TEXT, IN_LINK = 2, 1, 0
LONG_NAME = 4  # letters of a name that may take an ending

# A rank of naming: sender before text before link; then the earlier, the longer, the service's first name.
Rank = tuple[int, int, int, int]


def choose(sender: str, text: str, waiting: Sequence[str]) -> int | None:
    """Index in `waiting` (service codes, oldest first) of the activation that a message belongs to.

    It is the one whose service the message names best: in the sender, then in the text, earliest first,
    longest name first. Where none is named it is the oldest, 0; None only when nothing waits. Never raises
    for any str.
    """
    if not waiting:
        return None
    message = _Message(sender, text)
    ranks = {service: message.rank(service) for service in set(waiting)}
    best = max((rank for rank in ranks.values() if rank is not None), default=None)
    if best is None:
        return 0
    return next(index for index, service in enumerate(waiting) if ranks[service] == best)


def names_service(sender: str, text: str, service: str) -> bool:
    """Whether the sender or the text of a message names `service` (a code such as "wa")."""
    return _Message(sender, text).rank(service) is not None


class _Message:
    """A message prepared for looking up names: what it says, and what its links say."""

    def __init__(self, sender: str, text: str) -> None:
        self.sender = plain(sender[:SENDER_LENGTH])
        whole = plain(text)
        self.text = cover_links(whole)
        self.whole = whole

    def rank(self, service: str) -> Rank | None:
        """How well the message names `service`; the greater the better, None when it does not."""
        names = _names(service)
        return (
            _best(self.sender, names, IN_SENDER)
            or _best(self.text, names, IN_TEXT)
            or _best(self.whole, names, IN_LINK)
        )


class _Names:
    """The names of one service as patterns for folded text, and those that need a capital letter."""

    def __init__(self, service: str) -> None:
        written = _written_names(service)
        everyday = _everyday()
        self.first = written[0] if written else ""
        self.plain = _pattern([name for name in written if name not in everyday], _forms().get(service))
        self.capital = _pattern([name for name in written if name in everyday], None)


def _best(said: str, names: _Names, where: int) -> Rank | None:
    small = folded(said)
    ranks = []
    match = names.plain.search(small) if names.plain else None
    if match:
        ranks.append(_rank(match, where, names))
    for match in names.capital.finditer(small) if names.capital else ():
        # "Click the line" is not LINE; a sender is never an everyday word.
        if where == IN_SENDER or said[match.start()] != small[match.start()]:
            ranks.append(_rank(match, where, names))
            break
    return max(ranks, default=None)


def _rank(match: re.Match[str], where: int, names: _Names) -> Rank:
    return where, -match.start(), match.end() - match.start(), int(match[0].startswith(names.first))


@cache
def _names(service: str) -> _Names:
    return _Names(service)


def _written_names(service: str) -> list[str]:
    """The names of a service, folded, its own first name first; none for "any other"."""
    known = canon.services().get(service)
    spoken = re.split(r"[/,+|]", known.name) if known else []
    spoken += _table()["aliases"].get(service, [])
    if known and re.search(r"[^\x00-\x7f]", known.name):
        # "Eleme 饿了么": each script is a name.
        spoken += re.findall(r"[\x20-\x7e]+|[^\x00-\x7f]+", known.name)
    names = [folded(plain(_spaced(name))).strip() for name in spoken]
    never = set(_table()["words"]["never"])
    useful = [name for name in names if name not in never and _long_enough(name)]
    return list(dict.fromkeys(useful))


def _spaced(name: str) -> str:
    """ProtonMail as Proton Mail, so that it is found both ways."""
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)


def _long_enough(name: str) -> bool:
    """Two characters at least, one a letter: digits alone would be found in codes."""
    return len(name) > 1 and any(character.isalpha() for character in name)


def _pattern(names: list[str], form: str | None) -> re.Pattern[str] | None:
    parts = [_one(name) for name in sorted(names, key=len, reverse=True)]
    if form:
        parts.append(form)
    return re.compile("|".join(parts)) if parts else None


def _one(name: str) -> str:
    """A pattern for one name: its words may be joined, dashed or dotted, and it is a whole word."""
    words = [re.escape(word) for word in re.split(r"[\s._-]+", name.strip("* ")) if word]
    joined = r"[ ._-]{0,2}".join(words)
    # "Boltin", "Googles", "Телеграмма": longer names may take an ending.
    ending = 4 if name.endswith("*") else 3 if len(name) >= LONG_NAME else 0
    if name[0].isascii():
        return rf"(?<![a-z0-9]){joined}[a-z]{{0,{ending}}}(?![a-z0-9])"
    if _stands_apart(name):
        return rf"(?<![^\W\d_]){joined}[^\W\d_]{{0,{ending}}}(?![^\W\d_])"
    return joined


def _stands_apart(name: str) -> bool:
    """Whether words of this script stand apart and begin plainly, as in Cyrillic and unlike in Arabic or Chinese."""
    return "\u0370" <= name[0] <= "\u058f"


def _everyday() -> frozenset[str]:
    return frozenset(_table()["words"]["everyday"])


def _forms() -> dict[str, str]:
    forms: dict[str, str] = _table()["forms"]
    return forms


@cache
def _table() -> dict[str, Any]:
    written = files("ringlet.data").joinpath("service_names.toml").read_text(encoding="utf-8")
    return tomllib.loads(written)
