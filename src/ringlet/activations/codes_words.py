"""Finding the words that tell a code from other numbers, in every language at once."""

import re
import tomllib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from ringlet.activations.codes_read import folded, plain

# The kinds of words in code_words.toml that are looked for one by one.
KINDS = ("code", "ask", "context", "other", "other_after", "notice")

# A message of normal length has under twenty; the rest of a hostile one is not worth reading.
MOST_HITS = 400


@dataclass(frozen=True, slots=True)
class Word:
    """A word to look for. `open_left` and `open_right`: letters may stand before or after it."""

    text: str
    kind: str
    open_left: bool
    open_right: bool


@dataclass(frozen=True, slots=True)
class Hits:
    """Where words of one kind stand: starts and ends, ascending."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def last_ending_by(self, index: int) -> int | None:
        """End of the last word that ends at or before `index`."""
        place = bisect_right(self.ends, index)
        return self.ends[place - 1] if place else None

    def first_starting_from(self, index: int) -> int | None:
        """Start of the first word that starts at or after `index`."""
        place = bisect_left(self.starts, index)
        return self.starts[place] if place < len(self.starts) else None


def find_words(folded_text: str) -> dict[str, Hits]:
    """All words of code_words.toml in `folded_text` by kind; the longest wins where several begin.

    Limits: 400 words; each index costs one look-up of its first two characters.
    """
    found = {kind: Hits() for kind in KINDS}
    by_first_two = _words_by_first_two()
    index = hits = 0
    while index < len(folded_text) - 1 and hits < MOST_HITS:
        word = _word_at(folded_text, index, by_first_two.get(folded_text[index : index + 2], ()))
        if word is None:
            index += 1
            continue
        end = index + len(word.text)
        found[word.kind].starts.append(index)
        found[word.kind].ends.append(end)
        hits += 1
        index = end
    return found


def _word_at(text: str, index: int, words: tuple[Word, ...]) -> Word | None:
    if not words:
        return None
    inside = index > 0 and _joins(text[index - 1], text[index])
    for word in words:
        if inside and not word.open_left:
            continue
        if not text.startswith(word.text, index):
            continue
        end = index + len(word.text)
        if word.open_right or end == len(text) or not _joins(text[end - 1], text[end]):
            return word
    return None


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word: letters of the same kind of script."""
    return left.isalpha() and right.isalpha() and (left < "\u0250") == (right < "\u0250")


@cache
def _words_by_first_two() -> dict[str, tuple[Word, ...]]:
    """Words keyed by their first two characters, longest first."""
    words: dict[str, Word] = {}
    for kind in reversed(KINDS):
        for written in _written(kind):
            word = _word(written, kind)
            # A word listed under two kinds is what the earlier kind says.
            words[word.text + "*" * word.open_left] = word
    keyed: dict[str, list[Word]] = {}
    for word in words.values():
        keyed.setdefault(word.text[:2], []).append(word)
    return {key: tuple(sorted(group, key=lambda word: -len(word.text))) for key, group in keyed.items()}


def _written(kind: str) -> list[str]:
    lists: dict[str, list[str]] = word_lists()[kind]
    return [written for words in lists.values() for written in words]


def _word(written: str, kind: str) -> Word:
    return Word(_fold(written.strip("*")), kind, written.startswith("*"), written.endswith("*"))


def _fold(written: str) -> str:
    return folded(plain(written))


def any_of(written_words: list[str]) -> str:
    """A pattern for any of `written_words` ("minut*") in folded text, longest first, whole words only."""
    patterns = []
    for written in sorted(set(written_words), key=len, reverse=True):
        text = _fold(written.strip("*"))
        closed = text[-1:].isalpha() and not written.endswith("*")
        patterns.append(re.escape(text) + (r"(?![^\W_])" if closed else ""))
    return "(?:" + "|".join(patterns) + ")"


@cache
def word_lists() -> dict[str, Any]:
    """code_words.toml as it is written."""
    written = files("ringlet.data").joinpath("code_words.toml").read_text(encoding="utf-8")
    return tomllib.loads(written)
