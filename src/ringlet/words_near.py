"""Words that are nearly another one: a letter too many, missing, wrong or changed with its neighbour. Pure."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

VERIFIED_MAX = 30
LIKENESS = (1.0, 0.7, 0.5)  # by how many letters are wrong
BEGUN = 0.9  # the word is not finished
SHORT, LONG = 4, 6
TRANSPOSED = 3  # neighbours that changed places spoil three pairs of letters


class Near:
    """A set of words that can be asked for those that begin so, and for those that nearly are so."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(words)
        self._by_pair: dict[str, list[int]] = defaultdict(list)
        for index, word in enumerate(self._words):
            for pair in _pairs(word):
                self._by_pair[pair].append(index)

    def beginning_with(self, text: str) -> Iterator[str]:
        """Every word that begins with this."""
        for index in range(bisect_left(self._words, text), len(self._words)):
            if not self._words[index].startswith(text):
                return
            yield self._words[index]

    def to(self, word: str) -> Iterator[tuple[str, float]]:
        """Words with one or two errors, and how alike they are; a longer one when this is its beginning."""
        if len(word) < SHORT:
            return
        errors_max = 1 if len(word) < LONG else 2
        shared = Counter(index for pair in _pairs(word) for index in self._by_pair.get(pair, ()))
        least = max(2, len(word) + 1 - TRANSPOSED * errors_max)
        for index, count in shared.most_common(VERIFIED_MAX):
            if count < least:
                return
            likeness = _likeness(word, self._words[index], errors_max)
            if likeness:
                yield self._words[index], likeness


def _likeness(word: str, other: str, errors_max: int) -> float:
    if abs(len(other) - len(word)) <= errors_max:
        errors = distance(word, other)
        if errors <= errors_max:
            return LIKENESS[errors]
    if len(word) > SHORT and len(other) > len(word):
        begun = min(distance(word, other[:length]) for length in (len(word), len(word) + 1))
        if begun <= 1:
            return LIKENESS[begun] * BEGUN
    return 0.0


def _pairs(word: str) -> list[str]:
    padded = f"^{word}$"
    return list({padded[index : index + 2] for index in range(len(padded) - 1)})


def distance(one: str, other: str) -> int:
    """Letters added, left out, replaced, or changed with their neighbour (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            cost = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, last = last, line
    return last[-1]
