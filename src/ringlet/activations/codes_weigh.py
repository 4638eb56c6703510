"""Weighing candidates by their length, the words around them and their place in the message."""

import re
from bisect import bisect_left, bisect_right

from ringlet.activations.codes_candidates import SHORTEST, Candidate
from ringlet.activations.codes_words import Hits

# A candidate needs this many points to be taken.
ENOUGH = 20

# Six digits are three fifths of all codes, four digits a quarter; nine, ten and three are rare.
_LENGTH = {3: -22, 4: 22, 5: 24, 6: 32, 7: 20, 8: 22, 9: 4, 10: 0}

_REACH_BEFORE = 60
_REACH_AFTER = 52
_RIGHT_AFTER = 54  # what three digits need
_BESIDE, _BESIDE_FIRST = 34, 22  # what letters with digits need, and where they begin the message
_NEVER = -100
_LABEL_REACH = 18  # characters between "order" and its number
_NUMBER_SIGN = 4  # letters in "no." or "nr"
_USUAL = 6
_TINY = 30
_TOUCHING = 2
_PER_CHARACTER = 0.8
_SENTENCE_END = re.compile(
    r"[!?\u061f](?=\s)|(?<!\bno)(?<!\bnr)(?<!\bref)(?<!\btel)(?<!\bacc)\.(?=\s)|\u3002|\n", re.IGNORECASE
)
_TOLD_AFTER = re.compile(
    r" (?:is|es|est|ist|to|je|adalah|ialah|ni|\u00e9|e|-) (?![^\w\n]{0,3}[0-9])", re.IGNORECASE
)
_TOLD_BEFORE = re.compile(r"(?: (?:is|es|est|ist|lautet|è|é|e|to|je|är|er|on|adalah|ialah)|:) ?\Z", re.IGNORECASE)
_TOLD = 36
_JOINS = re.compile(
    r"[^\w\n]{0,6}(?:\b(?:is|es|est|ist|e|é|eh|este|jest|je|to|er|är|ar|on|adalah|ialah|ay|la|là|are|ni|to)\b|est:)?[^\w\n]{0,6}",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]{2}")
_LONG_NUMBER = re.compile(r"[0-9]{3}")
_NUMBERED = re.compile(r"[^\W\d_] ?# ?\Z")
_LETTERS = re.compile(r"[^\W\d_]")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")

# Messages without a word for a code are searched when they are short, or speak of logging in.
_SHORT, _MIDDLING = 110, 300


def worth_searching(message: str, words: dict[str, Hits]) -> bool:
    """Whether the message may hold a code at all: it names one, or it is no plain notice."""
    if words["code"].starts:
        return True
    if words["context"].starts:
        return True
    if words["notice"].starts:
        return False
    # "parcel", "account", "call us" and nothing of logging in: a notice in a language whose words for one we lack.
    return len(message) <= (_TINY if words["other"].starts else _MIDDLING)


def weigh_all(found: list[Candidate], message: str, words: dict[str, Hits]) -> list[tuple[float, Candidate]]:
    """Every candidate with its points, in order of place; the first of equals is the better one."""
    starts = [candidate.start for candidate in found]
    ends = [candidate.end for candidate in found]
    numbers = [candidate.code for candidate in found]
    weighed = []
    for candidate in found:
        points = _own_points(candidate) + _place_points(candidate, message)
        points += _words_points(candidate, message, words, starts, ends)
        if numbers.count(candidate.code) > 1:
            points += 6
        weighed.append((points, candidate))
    return weighed


def _own_points(candidate: Candidate) -> float:
    if not candidate.numeric:
        return 4 - candidate.doubt
    points = _LENGTH[len(candidate.code)] - candidate.doubt
    if _YEAR.fullmatch(candidate.code):
        points -= 18
    return points


def _place_points(candidate: Candidate, message: str) -> float:
    before = message[max(0, candidate.start - 3) : candidate.start]
    after = message[candidate.end : candidate.end + 1]
    points = 0.0
    if candidate.start == 0 or not message[: candidate.start].strip(" \n#<>[]()*\"'"):
        points += 8
    if before.rstrip(" \"'([<*")[-1:] in (":", "="):
        points += 6
    if candidate.start == 1 and before == "【" and after == "】":
        # The signature of a Chinese sender: 12306 is the railway.
        points -= 30
    if (not before or before.endswith("\n")) and after in ("", "\n"):
        points += 12
    return points


def _words_points(
    candidate: Candidate, message: str, words: dict[str, Hits], starts: list[int], ends: list[int]
) -> float:
    before = _before(candidate, message, words["code"], ends)
    after = _after(candidate, message, words["code"], starts)
    support = max(before, after)
    if not candidate.numeric:
        # Letters with digits need a word for a code right beside them.
        beside = _BESIDE if message[: candidate.start].strip() else _BESIDE_FIRST
        advertised = words["notice"].starts and not words["context"].starts
        support = support if support >= beside and not advertised else _NEVER
    if len(candidate.code) == SHORTEST and before < _RIGHT_AFTER:
        support = _NEVER
    if not words["code"].starts:
        support = _unnamed(candidate, message, words)
    return support - _named_otherwise(candidate, message, words)


def _unnamed(candidate: Candidate, message: str, words: dict[str, Hits]) -> float:
    """Points in a message without a word for a code, by how near it comes to asking for one."""
    if not candidate.numeric or _NUMBERED.search(message, max(0, candidate.start - 4), candidate.start):
        return _NEVER
    alone = not _LONG_NUMBER.search(message.replace(message[candidate.start : candidate.end], ""))
    if words["context"].starts:
        asked = words["context"].last_ending_by(candidate.start)
        if asked is not None and candidate.start - asked <= _TOUCHING:
            return 6
        if words["notice"].starts:
            # "Confirm your appointment": such messages are searched, but only six digits will do.
            return -8
        return 0 if alone else -4
    if len(message) <= _SHORT:
        return 6 if alone else 2
    return -4 if len(candidate.code) == _USUAL else -30


def _before(candidate: Candidate, message: str, code_words: Hits, ends: list[int]) -> float:
    """Points for the nearest word for a code that stands before the candidate."""
    word_end = code_words.last_ending_by(candidate.start)
    if word_end is None:
        return 0
    gap = message[word_end : candidate.start]
    points = _REACH_BEFORE - _distance(message, word_end, candidate.start)
    if _JOINS.fullmatch(gap):
        points += 12
    elif _TOLD_BEFORE.search(gap) and not _SENTENCE_END.search(gap):
        # As in: the code for the door of the house in Mill Lane is 4410.
        points = max(points, _TOLD)
    between = bisect_left(ends, candidate.start) - bisect_right(ends, word_end)
    return max(0, points - (20 if between > 0 else 0))


def _after(candidate: Candidate, message: str, code_words: Hits, starts: list[int]) -> float:
    """Points for the nearest word for a code that stands after the candidate."""
    word_start = code_words.first_starting_from(candidate.end)
    if word_start is None:
        return 0
    points = _REACH_AFTER - _distance(message, candidate.end, word_start)
    between = bisect_left(starts, word_start) - bisect_right(starts, candidate.start)
    return max(0, points - (20 if between > 0 else 0))


def _distance(message: str, start: int, end: int) -> float:
    """Points lost over a stretch: its characters, its commas, the ends of sentences in it."""
    near = min(end, start + 80)
    sentences = len(_SENTENCE_END.findall(message, start, near))
    return _PER_CHARACTER * (end - start) + 15 * sentences + 8 * message.count(",", start, near)


def _named_otherwise(candidate: Candidate, message: str, words: dict[str, Hits]) -> float:
    """Points against a number that the word beside it calls an order, an account, a phone."""
    label_start = words["other_after"].first_starting_from(candidate.end)
    if label_start is not None and not message[candidate.end : label_start].strip(" '-"):
        return 60
    label_end = words["other"].last_ending_by(candidate.start)
    code_end = words["code"].last_ending_by(candidate.start)
    asked = words["context"].last_ending_by(candidate.start) or 0
    if label_end is None or (code_end is not None and code_end >= label_end):
        return 0
    if asked > label_end and candidate.start - asked <= _TOUCHING:
        # As in: on your other device enter 580217.
        return 0
    gap = message[label_end : candidate.start]
    # A word names one number only: in "card ending 4410 is 663805" the second is not the card's.
    if (
        len(gap) > _LABEL_REACH
        or _SENTENCE_END.search(message, label_end, candidate.start)
        or _NUMBER.search(gap)
    ):
        return 0
    against = 60 if len(_LETTERS.findall(gap)) <= _NUMBER_SIGN else 30
    return against * _belief(candidate, message, gap, code_end)


def _belief(candidate: Candidate, message: str, gap: str, code_end: int | None) -> float:
    """How far to believe that the word before `gap` names the candidate, from 0 to 1."""
    if len(message) <= _TINY:
        return 0.25
    # As in: Samsung account: 148820 is your code.
    if _TOLD_AFTER.match(message, candidate.end):
        return 0.3
    # As in: code to open your account: 1234. Order numbers of six digits are rare, card tails have four.
    told_before = code_end is not None and not _SENTENCE_END.search(message, code_end, candidate.start)
    if told_before and _TOLD_BEFORE.search(gap):
        return 0.3
    return 0.5 if told_before and len(candidate.code) == _USUAL else 1
