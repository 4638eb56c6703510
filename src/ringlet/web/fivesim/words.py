"""How 5sim's programs call countries and products, both ways. Pure.

A word is our own name of the thing in small ASCII letters and digits, the first of several: "Instagram+Threads" →
instagram. Where 5sim's programs say something else, `OTHERWISE` has it. Words are unique; who comes second, or has
no Latin name, goes by our code. Read are also our codes and numbers, ISO codes, and the names that suppliers use.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple, TypeVar

from ringlet import canon
from ringlet.supplying.codes import plain

ANY = "any"
LENGTH_MIN = 2

OTHERWISE_COUNTRIES: Mapping[int, str] = {
    16: "england",
    20: "macau",
    79: "papuanewguinea",
    91: "easttimor",
    104: "tit",
    108: "bih",
    109: "dominicana",
    158: "bhutane",
    166: "saintvincentandgrenadines",
}
OTHERWISE_PRODUCTS: Mapping[str, str] = {
    "jg": "grabtaxi",
    "me": "line",
    "ok": "odnoklassniki",
    "ot": "other",
    "pf": "pof",
    "vk": "vkontakte",
    "za": "jd",
}

_SEVERAL = re.compile(r"[+/,]")


def country_word(country: int) -> str:
    """The word for a country of ours."""
    return _country_words()[country]


def product_word(service: str) -> str:
    """The word for a service of ours; what is no canonical one (a magic service) is called as it is."""
    return _product_words().get(service, service)


def read_country(text: str) -> int | None:
    """The country that is meant: by its word, our number, ISO code or another name; None when nobody knows."""
    return _countries().get(_spoken(text))


def read_product(text: str) -> str | None:
    """The service that is meant: by its word, our code or another name; None when nobody knows."""
    return _products().get(_spoken(text))


def _spoken(text: str) -> str:
    return plain(text[:100])


def _spelled(name: str) -> str:
    """A name as a word; nothing when it would not be one."""
    word = "".join(c for c in plain(_SEVERAL.split(name)[0]) if c.isascii())
    return word if len(word) >= LENGTH_MIN and not word.isdigit() else ""


class _Tables(NamedTuple):
    """Other names → ours, of the file that suppliers' words are read with."""

    countries: Mapping[str, int]
    services: Mapping[str, str]


@cache
def _others() -> _Tables:
    text = files("ringlet.data").joinpath("supplier_words.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return _Tables(
        {word: int(ours) for ours, words in found["countries"].items() for word in words},
        {word: ours for ours, words in found["services"].items() for word in words},
    )


@cache
def _country_words() -> Mapping[int, str]:
    return {
        each.id: OTHERWISE_COUNTRIES.get(each.id, _spelled(each.name)) for each in canon.countries().values()
    }


@cache
def _product_words() -> Mapping[str, str]:
    """By popularity: of two with one name the better known has it. A code that has become the word of another
    service would be read as that one, hence the ending.
    """
    words: dict[str, str] = {}
    taken = {*OTHERWISE_PRODUCTS.values(), ANY}
    ranked = sorted(canon.services().values(), key=lambda each: each.rank)
    for service in ranked:
        word = _spelled(service.name)
        if service.code in OTHERWISE_PRODUCTS:
            words[service.code] = OTHERWISE_PRODUCTS[service.code]
        elif word and word not in taken:
            words[service.code] = word
            taken.add(word)
    for service in ranked:
        code = service.code
        words.setdefault(code, f"{code}code" if code in taken else code)
    return words


@cache
def _countries() -> Mapping[str, int]:
    return _first(
        ((word, country) for country, word in _country_words().items()),
        ((str(each.id), each.id) for each in canon.countries().values()),
        ((plain(each.name), each.id) for each in canon.countries().values()),
        _others().countries.items(),
        ((plain(each.iso), each.id) for each in canon.countries().values()),
    )


@cache
def _products() -> Mapping[str, str]:
    services = sorted(canon.services().values(), key=lambda each: each.rank)
    return _first(
        ((word, service) for service, word in _product_words().items()),
        ((each.code, each.code) for each in services),
        ((plain(each.name), each.code) for each in services),
        _others().services.items(),
        ((plain(part), each.code) for each in services for part in _SEVERAL.split(each.name)),
    )


Ours = TypeVar("Ours", int, str)


def _first(*tables: Iterable[tuple[str, Ours]]) -> Mapping[str, Ours]:
    """One table of several; who comes first decides."""
    merged: dict[str, Ours] = {}
    for table in tables:
        for word, ours in table:
            merged.setdefault(word, ours)
    return merged
