"""Collecting what could be a code: runs of digits, digits in groups, letters with digits."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

# A message has a handful; the head and the tail of a hostile one are enough.
MOST_FIRST, MOST_LAST = 45, 15

SHORTEST, SHORT, LONGEST = 3, 4, 10  # characters of a code: with a word for it, without, at most
LONGEST_TOKEN = 60

_GROUPS = re.compile(r"(?<![0-9A-Za-z-])[0-9]{1,5}(?:(?: ?- ?| {1,2})[0-9]{1,5})+(?![0-9A-Za-z])")
_GROUP = re.compile(r"[0-9]+")
_TOKEN = re.compile(r"[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*")
_PREFIXED = re.compile(r"([A-Za-z]{1,15})-([0-9]{4,8})")
_GLUED_AFTER = re.compile(r"([0-9]{4,8})([a-z]{2,12})")
_GLUED_BEFORE = re.compile(r"[A-Za-z]{2,40}([0-9]{4,8})")

# Everyday words of letters and digits that look like a code.
_NO_CODE = re.compile(
    r"[0-9]+(?:st|nd|rd|th|am|pm|gb|mb|kb|km|kg|cm|mm|hrs|hr|min|mins|sec|digit|step|way|x|g|k|h|p)"
    r"|[0-9]{1,2}-[a-z]+"
    r"|(?:covid|ipv|mp|ps|iphone|ios|android|windows|web|utf|sha|gmt|utc|rs|inr|usd|rp|rm|no|ver|v)-?[0-9]+[a-z]?",
    re.IGNORECASE,
)


_SPELT = re.compile(r"[a-z]{3}")
_OFFER = re.compile(r"[A-Z]{4,}(?:[1-9]0|[1-9]5|20[0-9]{2}|100)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of the message that may be a code; `doubt` is how unusual its shape is, in points."""

    start: int
    end: int
    code: str
    numeric: bool
    doubt: int = 0


def candidates(covered: str, code_word_ends: list[int]) -> list[Candidate]:
    """Candidates of `covered` (the message with its other numbers covered) by place.

    `code_word_ends`: where words for a code end, ascending. Limits: 60, the first 45 and the last 15.
    """
    grouped = list(_in_groups(covered))
    rest = _without(covered, grouped)
    found = grouped + list(_single(rest, code_word_ends))
    found.sort(key=lambda candidate: candidate.start)
    if len(found) > MOST_FIRST + MOST_LAST:
        found = found[:MOST_FIRST] + found[-MOST_LAST:]
    return found


def _in_groups(covered: str) -> Iterator[Candidate]:
    for match in _GROUPS.finditer(covered):
        groups = _GROUP.findall(match[0])
        doubt = _group_doubt([len(group) for group in groups], "-" in match[0])
        if doubt is not None:
            yield Candidate(match.start(), match.end(), "".join(groups), numeric=True, doubt=doubt)


def _group_doubt(sizes: list[int], dashed: bool) -> int | None:
    """How unusual groups of these sizes are as one code; None when they are several numbers."""
    total = sum(sizes)
    if not SHORT <= total <= LONGEST:
        return None
    if set(sizes) == {1} or sizes == [3, 3]:
        return 0
    if sizes == [2, 2]:
        return 10
    if len(set(sizes)) == 1 and sizes[0] in (2, 3, 4):
        return 4
    if sizes in ([3, 2], [2, 3], [4, 2], [2, 4], [3, 4], [4, 3], [5, 5], [2, 2, 1], [3, 3, 2]):
        return 6 if dashed else 20
    return None


def _without(covered: str, taken: list[Candidate]) -> str:
    parts = []
    index = 0
    for candidate in taken:
        parts.append(covered[index : candidate.start])
        parts.append("\x1f" * (candidate.end - candidate.start))
        index = candidate.end
    parts.append(covered[index:])
    return "".join(parts)


def _single(rest: str, code_word_ends: list[int]) -> Iterator[Candidate]:
    for match in _TOKEN.finditer(rest):
        token = match[0]
        if not any("0" <= character <= "9" for character in token[:100]):
            continue
        if token.replace("-", "").isdigit():
            yield from _digits(match.start(), token)
        else:
            yield from _mixed(match.start(), token, code_word_ends)


def _digits(start: int, token: str) -> Iterator[Candidate]:
    for match in _GROUP.finditer(token[:400]):
        if SHORTEST <= len(match[0]) <= LONGEST:
            # A number that hangs on another by a dash is seldom a code.
            doubt = 15 if len(match[0]) < len(token) else 0
            yield Candidate(start + match.start(), start + match.end(), match[0], numeric=True, doubt=doubt)


def _mixed(start: int, token: str, code_word_ends: list[int]) -> Iterator[Candidate]:
    end = start + len(token)
    if len(token) > LONGEST_TOKEN:
        return
    prefixed = _PREFIXED.fullmatch(token)
    if prefixed:
        doubt = 0 if prefixed[1] in ("G", "FB") else 4
        yield Candidate(start, end, prefixed[2], numeric=True, doubt=doubt)
        return
    glued = _GLUED_BEFORE.fullmatch(token)
    if glued:
        digits_start = start + glued.start(1)
        # "OTP123456": the letters are a word for a code.
        place = bisect_right(code_word_ends, digits_start)
        if place and code_word_ends[place - 1] == digits_start:
            yield Candidate(digits_start, end, glued[1], numeric=True)
            return
    if _NO_CODE.fullmatch(token):
        return
    glued = _GLUED_AFTER.fullmatch(token)
    if glued:
        yield Candidate(start, start + glued.end(1), glued[1], numeric=True, doubt=8)
        return
    if SHORT <= len(token.replace("-", "")) <= LONGEST:
        yield Candidate(start, end, token, numeric=False, doubt=_letter_doubt(token))


def _letter_doubt(token: str) -> int:
    """Doubt about letters with digits: codes seldom mix both cases, "FRIDAY30" is an advertisement, "5Post" a name."""
    letters = [character for character in token if character.isalpha()]
    uneven = any(map(str.isupper, letters)) and any(map(str.islower, letters))
    return (
        (12 if uneven else 0)
        + (12 if _SPELT.search(token) else 0)
        + (8 if len(token) == SHORT else 0)
        + (60 if _OFFER.fullmatch(token) else 0)
    )
