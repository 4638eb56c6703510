"""Finding: what people type, and what they mean by it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet import canon, finding
from ringlet.words_near import Near, distance

RUSSIAN = {6: ["Индонезия"], 0: ["Россия"], 187: ["Соединенные Штаты"]}
EVERYTHING = {country: frozenset(canon.services()) for country in canon.countries()}


@pytest.fixture(scope="module")
def names() -> finding.Names:
    return finding.Names(RUSSIAN, {"test_never": "test never"})


def best(names: finding.Names, query: str) -> tuple[str, int] | None:
    pairs = names.read(query).pairs(EVERYTHING)
    return (pairs[0].service, pairs[0].country) if pairs else None


@pytest.mark.parametrize(
    "query",
    [
        "whatsapp indonesia", "indonesia whatsapp", "Whatsapp, INDONESIA!", "wa id", "wa indonesia", "whats app indonesia",
        "вотсап индонезия", "индонезия wa", "🇮🇩 whatsapp", "whatsapp🇮🇩", "+62 whatsapp", "whatsap indonsia", "whtasapp indonesia",
        "wtsapp indoneisa", "whatsa indon", "ｗｈａｔｓａｐｐ indonesia", "WhatsÁpp Indonésia", "واتساب indonesia",
    ],
)  # fmt: skip
def test_many_ways_to_say_one_thing(names: finding.Names, query: str) -> None:
    """Order, case, codes, flags, other scripts and a slip of the finger lead to the same pair."""
    assert best(names, query) == ("wa", 6)


@pytest.mark.parametrize(
    ("query", "service"),
    [("ig", "ig"), ("insta", "ig"), ("instagram", "ig"), ("tg", "tg"), ("telgram", "tg"), ("goog", "go"), ("gmail", "go"),
     ("youtube", "go"), ("facebok", "fb"), ("line", "me"), ("x.com", "tw"), ("chatgpt", "dr"), ("1688", "hw"), ("微信", "wb"),
     ("any other", "ot"), ("tik tok", "lf"), ("vk", "vk")],
)  # fmt: skip
def test_a_service_by_its_names(names: finding.Names, query: str, service: str) -> None:
    """Codes, aliases, parts of names, other scripts."""
    reading = names.read(query)
    assert reading.best_service() == service
    assert reading.unknown == []


@pytest.mark.parametrize(
    ("query", "country"),
    [("uk", 16), ("england", 16), ("united kingdom", 16), ("usa", 187), ("соединенные штаты", 187), ("hong kong", 14),
     ("hongkong", 14), ("germny", 43), ("vietnam", 10), ("cote d'ivoire", 27), ("россия", 0), ("phillipines", 4)],
)  # fmt: skip
def test_a_country_by_its_names(names: finding.Names, query: str, country: int) -> None:
    """In English, in the visitor's language, by code, by what it is also called, with an error."""
    assert names.read(query).best_country() == country


def test_every_word_has_to_be_explained(names: finding.Names) -> None:
    """One word that nobody knows: nothing is found, and it is named; the rest was understood."""
    reading = names.read("whatsapp xqzkwv")
    assert reading.unknown == ["xqzkwv"]
    assert reading.pairs(EVERYTHING) == []
    assert reading.best_service() == "wa"


def test_only_what_is_on_offer_is_found(names: finding.Names) -> None:
    """A pair that nobody sells is not in the list, nor is a country without a price list."""
    offered = {6: {"wa": 1, "ig": 2}, 4: {"ig": 3}}
    assert [(each.service, each.country) for each in names.read("whatsapp").pairs(offered)] == [("wa", 6)]
    assert {each.country for each in names.read("instagram").pairs(offered)} == {4, 6}
    assert names.read("whatsapp philippines").pairs(offered) == []
    assert [each.service for each in names.read("test never").pairs({6: {"test_never"}})] == ["test_never"]


def test_a_word_explained_twice_is_no_two_pairs(names: finding.Names) -> None:
    """ "uk" is a country and the code of a service: each pair comes once."""
    pairs = [(each.service, each.country) for each in names.read("uk").pairs(EVERYTHING)]
    assert len(pairs) == len(set(pairs)) <= finding.PAIRS_MAX
    assert {country for _, country in pairs[:10]} == {16}


def test_no_words_are_no_question(names: finding.Names) -> None:
    """Punctuation alone means nothing; everything that is typed can be read."""
    for query in ("", "   ", "?!", "\u202e", "<>&\"'"):
        assert names.read(query).words == []


@given(st.text(max_size=150))
def test_whatever_is_typed_is_read(query: str) -> None:
    """No text of any script, however broken, is an accident, and the answer is bounded."""
    reading = _names().read(query)
    assert len(reading.words) <= finding.WORDS_MAX
    assert len(reading.pairs(EVERYTHING)) <= finding.PAIRS_MAX


def _names() -> finding.Names:
    if "kept" not in _kept:
        _kept["kept"] = finding.Names({})
    return _kept["kept"]


_kept: dict[str, finding.Names] = {}


def test_distance_counts_slips() -> None:
    """Added, left out, wrong, and changed with its neighbour are one error each."""
    assert [distance("whatsapp", each) for each in ("whatsapp", "whatsap", "whatsappp", "whatsepp", "whtasapp")] == [
        0, 1, 1, 1, 1,
    ]  # fmt: skip
    assert distance("", "abc") == 3


def test_near_finds_what_a_scan_would() -> None:
    """The index over pairs of letters misses no word with one slip in it."""
    words = sorted({"".join(finding.words_of(each.name)) for each in canon.services().values()} - {""})
    near, rng = Near(words), random.Random(5)
    for word in rng.sample([each for each in words if len(each) > 5 and each.isascii()], 200):
        at = rng.randrange(1, len(word) - 1)
        slip = rng.choice(
            [word[:at] + word[at + 1 :], word[:at] + "q" + word[at:], word[:at] + "q" + word[at + 1 :]]
        )
        assert word in dict(near.to(slip)), (word, slip)
