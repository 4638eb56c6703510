"""Finding a service in a country by what somebody types: names in two languages, codes, aliases, flags, with errors.

Pure: an index over words, made once per language, and which pairs of service and country a query means. Every word of
the query has to be explained by the service or by the country, in any order; a word that nothing explains as it stands
may have one or two letters wrong.
"""

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from ringlet import canon
from ringlet.words_near import Near

WORDS_MAX = 6
QUERY_MAX = 100
PAIRS_MAX = 2_048
EXACT, PREFIX, INSIDE = 1.0, 0.8, 0.5
INSIDE_MIN = 3
CODE, WHOLE, WORD = 0.98, 1.0, 0.9
_FLAG_A = "\U0001f1e6"
_FLAGS = {ord(_FLAG_A) + index: chr(ord("a") + index) for index in range(26)}
_CJK = "぀-ヿ㐀-鿿豈-﫿"
_WORDS = re.compile(rf"[\U0001F1E6-\U0001F1FF]{{2}}|[{_CJK}]+|\+?[^\W_{_CJK}]+")

Key = TypeVar("Key", str, int)


def words_of(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation; +62 is a word, and so is a flag: +id."""
    plain = unicodedata.normalize("NFKD", text[:QUERY_MAX]).casefold()
    found = _WORDS.findall("".join(letter for letter in plain if unicodedata.category(letter) != "Mn"))
    return ["+" + word.translate(_FLAGS) if word[0] >= _FLAG_A else word for word in found]


class Terms(Generic[Key]):
    """Words and what they stand for, on one side: services or countries."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[Key, float]] = defaultdict(dict)
        self._open: dict[str, dict[Key, float]] = defaultdict(dict)
        self._sorted: list[str] = []
        self._near: Near | None = None

    def add_code(self, key: Key, code: str) -> None:
        """A word that counts only as a whole."""
        self._put(self._exact, code.casefold(), key, CODE)

    def add_name(self, key: Key, name: str) -> None:
        """A name: all of it without spaces, and each of its words."""
        found = words_of(name)
        if not found:
            return
        self._put(self._open, "".join(found), key, WHOLE)
        for word in found if len(found) > 1 else ():
            self._put(self._open, word, key, WORD)

    def _put(self, terms: dict[str, dict[Key, float]], term: str, key: Key, weight: float) -> None:
        terms[term][key] = max(weight, terms[term].get(key, 0.0))

    def seal(self) -> None:
        """Everything was added."""
        self._near = Near(self._open)

    def exactly(self, word: str) -> dict[Key, float]:
        """What this word means as it stands, or begins."""
        assert self._near is not None
        found: dict[Key, float] = dict(self._exact.get(word, {}))
        for term in self._near.beginning_with(word):
            self._take(found, term, EXACT if term == word else PREFIX)
        return found

    def inside(self, word: str) -> dict[Key, float]:
        """What has this word in the middle of one of its own."""
        found: dict[Key, float] = {}
        if len(word) >= INSIDE_MIN:
            for term in self._open:
                if word in term:
                    self._take(found, term, INSIDE)
        return found

    def nearly(self, word: str) -> dict[Key, float]:
        """What this word means when a letter or two are wrong."""
        assert self._near is not None
        found: dict[Key, float] = {}
        for term, likeness in self._near.to(word):
            self._take(found, term, likeness)
        return found

    def whole(self, text: str) -> dict[Key, float]:
        """What is called exactly so when the spaces are left out."""
        return {key: EXACT for key, weight in self._open.get(text, {}).items() if weight == WHOLE}

    def _take(self, found: dict[Key, float], term: str, quality: float) -> None:
        for key, weight in self._open[term].items():
            score = quality * weight
            if score > found.get(key, 0.0):
                found[key] = score


class Side(Generic[Key]):
    """How well each key of one side explains each word of the query."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.scores: dict[Key, list[float]] = {}

    def take(self, positions: Iterable[int], found: Mapping[Key, float]) -> None:
        """These words are explained by those keys."""
        for key, score in found.items():
            line = self.scores.setdefault(key, [0.0] * self.count)
            for position in positions:
                line[position] = max(line[position], score)

    def explained(self) -> set[int]:
        """The words that some key explains."""
        return {index for line in self.scores.values() for index, score in enumerate(line) if score}

    def fitting(self) -> list[Key]:
        """Keys that explain every word by themselves, the best first."""
        return self.by_mask().get((1 << self.count) - 1, [])

    def by_mask(self) -> dict[int, list[Key]]:
        """Keys by the set of words that they explain, as bits; the best first."""
        groups: dict[int, list[Key]] = defaultdict(list)
        for key in sorted(self.scores, key=lambda key: -sum(self.scores[key])):
            groups[sum(1 << index for index, score in enumerate(self.scores[key]) if score)].append(key)
        return groups


class Pair(msgspec.Struct, frozen=True):
    """A service in a country, and how well it fits the query."""

    service: str
    country: int
    score: float


class Reading:
    """What a query means: on each side what explains its words, and the words that nothing explains."""

    def __init__(self, words: Sequence[str], services: Side[str], countries: Side[int]) -> None:
        self.words = words
        self.services = services
        self.countries = countries
        known = services.explained() | countries.explained()
        self.unknown = [word for index, word in enumerate(words) if index not in known]

    def best_service(self) -> str | None:
        """The service that is most likely meant."""
        return _best(self.services.scores, rank)

    def best_country(self) -> int | None:
        """The country that is most likely meant."""
        return _best(self.countries.scores, int)

    def pairs(self, offered: Mapping[int, Container[str]]) -> list[Pair]:
        """What is offered of that, the best first; bounded. No words are no question."""
        if not self.words:
            return []
        full = (1 << len(self.words)) - 1
        services, countries = self.services.by_mask(), self.countries.by_mask()
        found: list[tuple[float, int, str, int]] = []
        for left, right in _masks(full, services, countries):
            found += islice(self._offered(services.get(left), countries.get(right), offered), PAIRS_MAX)
        found.sort()
        return [Pair(service, country, -score) for score, _, service, country in found[:PAIRS_MAX]]

    def _offered(
        self, services: Iterable[str] | None, countries: Iterable[int] | None,
        offered: Mapping[int, Container[str]],
    ) -> Iterator[tuple[float, int, str, int]]:  # fmt: skip
        """Pairs on offer with their scores. A side that is None is everything that explains no word."""
        lefts, rights, ranks, many = self.services.scores, self.countries.scores, _ranks(), len(self.words)
        if countries is None:
            countries = [each for each in offered if each not in rights]
        if services is None:
            services = (each for each in ranks if each not in lefts)
        shelves = [(each, rights.get(each), offered.get(each, ())) for each in countries]
        for service in services:
            left, rank = lefts.get(service), ranks.get(service, 0)
            alone = -sum(left or ()) / many
            for country, right, shelf in shelves:
                if service in shelf:
                    both = map(max, left, right) if left and right else right
                    yield alone if both is None else -sum(both) / many, rank, service, country


def _best(scores: Mapping[Key, list[float]], order: Callable[[Key], int]) -> Key | None:
    return min(scores, key=lambda key: (-sum(scores[key]), order(key)), default=None)


def _masks(
    full: int, services: Mapping[int, object], countries: Mapping[int, object]
) -> list[tuple[int, int]]:
    """The ways to explain every word; no two of them share a pair."""
    return [
        (left, right) for left in {0, *services} for right in {0, *countries} if left | right == full
    ]  # fmt: skip


class Names:
    """The index of one language."""

    def __init__(
        self, country_names: Mapping[int, Sequence[str]], more: Mapping[str, str] | None = None
    ) -> None:
        """`country_names`: in the visitor's language, beside the English ones. `more`: services that are not canonical."""
        self.services: Terms[str] = Terms()
        self.countries: Terms[int] = Terms()
        for code, names in _service_words().items():
            self._add_service(code, names)
        for code, name in (more or {}).items():
            self._add_service(code, [name])
        for country in canon.countries().values():
            self.countries.add_code(country.id, country.iso)
            self.countries.add_code(country.id, "+" + country.iso)
            self.countries.add_code(country.id, "+" + country.prefix)
            for name in (
                country.name,
                *_country_words().get(country.id, ()),
                *country_names.get(country.id, ()),
            ):
                self.countries.add_name(country.id, name)
        self.services.seal()
        self.countries.seal()

    def _add_service(self, code: str, names: Iterable[str]) -> None:
        self.services.add_code(code, code)
        for name in names:
            self.services.add_name(code, name)

    def read(self, query: str) -> Reading:
        """What the query means; with errors only where nothing fits without."""
        words = words_of(query)[:WORDS_MAX]
        reading = self._read(words, is_strict=True)
        return reading if reading.unknown or _makes_sense(reading) else self._read(words, is_strict=False)

    def _read(self, words: Sequence[str], *, is_strict: bool) -> Reading:
        services: Side[str] = Side(len(words))
        countries: Side[int] = Side(len(words))
        for index, word in enumerate(words):
            left, right = self.services.exactly(word), self.countries.exactly(word)
            if not (left or right):
                left, right = self.services.inside(word), self.countries.inside(word)
            if not (left or right) or not is_strict:
                left = {**self.services.nearly(word), **left}
                right = {**self.countries.nearly(word), **right}
            services.take([index], left)
            countries.take([index], right)
        for start in range(len(words)):
            for end in range(start + 2, len(words) + 1):
                joined = "".join(words[start:end])
                services.take(range(start, end), self.services.whole(joined))
                countries.take(range(start, end), self.countries.whole(joined))
        return Reading(words, services, countries)


def _makes_sense(reading: Reading) -> bool:
    """Whether some pair explains every word."""
    full = (1 << len(reading.words)) - 1
    return bool(_masks(full, reading.services.by_mask(), reading.countries.by_mask()))


def service_name(code: str) -> str:
    """A service's name as people write it; the code of one that we do not know."""
    own = _aliases()["names"].get(code)
    known = canon.services().get(code)
    return str(own) if own else known.name if known else code


def ranked_services() -> Iterable[str]:
    """Every canonical service, what is asked for most first."""
    return _ranks().keys()


def rank(service: str) -> int:
    """1 is what is asked for most; services that are not canonical come before."""
    return _ranks().get(service, 0)


@cache
def _ranks() -> dict[str, int]:
    return {each.code: each.rank for each in sorted(canon.services().values(), key=_rank)}


def _rank(service: canon.Service) -> int:
    return service.rank


@cache
def _aliases() -> dict[str, dict[str, list[str]]]:
    return _toml("service_aliases.toml")


@cache
def _service_words() -> dict[str, list[str]]:
    sources = (
        _toml("service_names.toml")["aliases"],
        _toml("supplier_words.toml")["services"],
        _aliases()["aliases"],
    )
    found = {code: [service.name, service_name(code)] for code, service in canon.services().items()}
    for names in found.values():
        names.extend(re.split(r"[,/+]", names[0]))
    for source in sources:
        for code, words in source.items():
            if code in found:
                found[code] += [word.rstrip("*") for word in words]
    return found


@cache
def _country_words() -> dict[int, list[str]]:
    return {int(country): words for country, words in _toml("supplier_words.toml")["countries"].items()}


def _toml(name: str) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = tomllib.loads(
        files("ringlet.data").joinpath(name).read_text(encoding="utf-8")
    )
    return found
