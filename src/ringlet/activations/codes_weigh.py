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
_TOLD = 36  # points of "is" or ":" right before a number, with a word for a code earlier in the sentence
_SENTENCE = 80  # characters of a sentence
_LABEL_REACH = 18  # characters between "order" and its number
_NUMBER_SIGN = 4  # letters in "no." or "nr"
_USUAL = 6
_TINY = 30
_TOUCHING = 2
_ASKED = 20  # what "enter" right before a number is worth
_PER_CHARACTER = 0.8
_SENTENCE_END = re.compile(
    r"[!?\u061f](?=\s)|(?<!\bno)(?<!\bnr)(?<!\bref)(?<!\btel)(?<!\bacc)\.(?=\s)|\u3002|\n", re.IGNORECASE
)
# "is" in the languages that put it between a word and its number; "to" is Polish too.
_IS = r"(?:is|are|es|est|ist|lautet|este|jest|je|\u00e8|\u00e9|eh|e|to|er|\u00e4r|ar|on|adalah|ialah|ay|la|l\u00e0|ni)"
_TOLD_AFTER = re.compile(
    r" (?:is|es|est|ist|to(?= kod| tw| has)|je|adalah|ialah|ni|\u00e9|e|-) (?![^\w\n]{0,3}[0-9])",
    re.IGNORECASE,
)
_TOLD_BEFORE = re.compile(rf"(?: {_IS}|:) ?\Z", re.IGNORECASE)
_JOINS = re.compile(rf"[^\w\n]{{0,6}}(?:\b{_IS}\b|est:)?[^\w\n]{{0,6}}", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{2}")
_OTHER_NUMBER = re.compile(r"[0-9]{3}|[0-9][:/.,h][0-9]")  # no span of time: "10 min" stands in any message
_NUMBERED = re.compile(r"[^\W\d_] ?# ?\Z")  # "Juror #104882"
_LETTERS = re.compile(r"[^\W\d_]")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")

# Messages without a word for a code are read when they are short, or speak of logging in.
_SHORT, _MIDDLING = 110, 300


def weigh_all(found: list[Candidate], message: str, words: dict[str, Hits]) -> list[tuple[float, Candidate]]:
    """Every candidate with its points, in order of place; the first of equals is the better one."""
    rivals = [candidate for candidate in found if len(candidate.code) > SHORTEST]
    starts = [candidate.start for candidate in rivals]
    ends = [candidate.end for candidate in rivals]
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
    if candidate.numeric and _touches(words["ask"], candidate):
        support = max(support, _ASKED)
    return support - _named_otherwise(candidate, message, words)


def _unnamed(candidate: Candidate, message: str, words: dict[str, Hits]) -> float:
    """Points in a message without a word for a code, by how near it comes to asking for one."""
    if not candidate.numeric or _NUMBERED.search(message, max(0, candidate.start - 4), candidate.start):
        return _NEVER
    # "Confirm your appointment": such messages are searched, but only six digits will do.
    if words["context"].starts and words["notice"].starts:
        return -8
    alone = not _OTHER_NUMBER.search(message.replace(message[candidate.start : candidate.end], ""))
    if words["context"].starts:
        return 6 if _touches(words["context"], candidate) else 0 if alone else -4
    # "parcel", "account", "call us" and nothing of logging in: a notice in a language whose words for one we lack.
    if words["notice"].starts or len(message) > (_TINY if words["other"].starts else _MIDDLING):
        return _NEVER
    if len(message) <= _SHORT:
        return 6 if alone else -14
    return -4 if len(candidate.code) == _USUAL else -30


def _touches(words: Hits, candidate: Candidate) -> bool:
    """Whether one of `words` ends right before the candidate."""
    end = words.last_ending_by(candidate.start)
    return end is not None and candidate.start - end <= _TOUCHING


def _before(candidate: Candidate, message: str, code_words: Hits, ends: list[int]) -> float:
    """Points for the nearest word for a code that stands before the candidate."""
    word_end = code_words.last_ending_by(candidate.start)
    if word_end is None:
        return 0
    gap = message[word_end : candidate.start]
    points = _REACH_BEFORE - _distance(message, word_end, candidate.start)
    if _JOINS.fullmatch(gap):
        points += 12
    elif len(gap) <= _SENTENCE and _TOLD_BEFORE.search(gap) and not _SENTENCE_END.search(gap):
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
    if _TOLD_AFTER.match(message, candidate.end):
        # As in: 38205 is your code for transfer 44719203.
        points += 12
    between = bisect_left(starts, word_start) - bisect_right(starts, candidate.start)
    return max(0, points - (20 if between > 0 else 0))


def _distance(message: str, start: int, end: int) -> float:
    """Points lost over a stretch: its characters, its commas, the ends of sentences in it."""
    near = min(end, start + _SENTENCE)
    sentences = len(_SENTENCE_END.findall(message, start, near))
    return _PER_CHARACTER * (end - start) + 15 * sentences + 8 * message.count(",", start, near)


def _named_otherwise(candidate: Candidate, message: str, words: dict[str, Hits]) -> float:
    """Points against a number that the word beside it calls an order, an account, a phone."""
    label_start = words["other_after"].first_starting_from(candidate.end)
    if label_start is not None and not message[candidate.end : label_start].strip(" '-"):
        return 60
    if _touches(words["ask"], candidate):
        # As in: on your other device enter 580217.
        return 0
    label_end = words["other"].last_ending_by(candidate.start)
    code_end = words["code"].last_ending_by(candidate.start)
    if label_end is None or (code_end is not None and code_end >= label_end):
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
    if len(message) <= _TINY and message.isascii():
        # Thirty letters say little beside the number; thirty Chinese characters are a whole message.
        return 0.25
    # As in: Samsung account: 148820 is your code.
    if _TOLD_AFTER.match(message, candidate.end):
        return 0.3
    # As in: code to open your account: 1234. Order numbers of six digits are rare, card tails have four.
    told_before = code_end is not None and not _SENTENCE_END.search(message, code_end, candidate.start)
    if told_before and _TOLD_BEFORE.search(gap):
        return 0.3
    return 0.5 if told_before and len(candidate.code) == _USUAL else 1
