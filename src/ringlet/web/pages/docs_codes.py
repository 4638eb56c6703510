"""The canonical codes as lists to look at and to search, with what is available now."""

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import TypeVar

import msgspec

from ringlet.web import wire
from ringlet.web.pages.words import Words, flag
from ringlet.web.prices import CodeLists

Row = TypeVar("Row")


class CountryRow(msgspec.Struct, frozen=True):
    """A country as it is listed. `english` is empty when that is its name in this language too."""

    id: int
    name: str
    english: str
    iso: str
    flag: str
    prefix: str
    available: int | None


class ServiceRow(msgspec.Struct, frozen=True):
    """A service as it is listed; `available` is None when no source says how many it has."""

    code: str
    name: str
    available: int | None


def countries(codes: CodeLists, spoken: Words) -> Sequence[CountryRow]:
    """Every country, by its name in this language."""
    found = msgspec.json.decode(codes.countries().body, type=wire.CountriesAnswer)
    rows = []
    for each in found.data:
        # in English as the API calls it
        name = each.name if spoken.language == "en" else spoken.country(each.iso, each.name)
        english = each.name if fold(name) != fold(each.name) else ""
        rows.append(CountryRow(each.id, name, english, each.iso, flag(each.iso), each.prefix, each.available))
    return sorted(rows, key=lambda row: fold(row.name))


def services(codes: CodeLists) -> Sequence[ServiceRow]:
    """Every service, those that are asked for most first."""
    found = msgspec.json.decode(codes.services().body, type=wire.ServicesAnswer)
    return [ServiceRow(each.code, each.name, each.available) for each in found.data]


def find_countries(rows: Sequence[CountryRow], query: str) -> Sequence[CountryRow]:
    """Those that fit, the best first: number, ISO code, dialling prefix, or part of a name."""
    wanted = fold(query).lstrip("+")
    return _best([((str(row.id), row.iso, row.prefix), (row.name, row.english), row) for row in rows], wanted)


def find_services(rows: Sequence[ServiceRow], query: str) -> Sequence[ServiceRow]:
    """Those that fit, the best first: code, name, or how people call it in their languages."""
    others = _aliases()
    return _best([((row.code,), (row.name, *others.get(row.code, ())), row) for row in rows], fold(query))


def _best(rows: Iterable[tuple[Iterable[str], Iterable[str], Row]], wanted: str) -> list[Row]:
    """Rows by how well their codes and names fit: whole, from the beginning of a word, anywhere."""
    found: list[tuple[int, Row]] = []
    for codes, names, row in rows:
        folded = [fold(each) for each in names]
        if wanted in map(fold, codes):
            found.append((0, row))
        elif any(name == wanted for name in folded):
            found.append((1, row))
        elif any(f" {name}".find(f" {wanted}") >= 0 for name in folded):
            found.append((2, row))
        elif any(wanted in name for name in folded):
            found.append((3, row))
    return [row for _, row in sorted(found, key=_place)]


def _place(found: tuple[int, object]) -> int:
    return found[0]


@lru_cache(maxsize=20_000)
def fold(text: str) -> str:
    """Without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(each for each in parts if not unicodedata.combining(each)).split())


@cache
def _aliases() -> Mapping[str, Iterable[str]]:
    words = tomllib.loads((files("ringlet.data") / "service_names.toml").read_text(encoding="utf-8"))
    return {code: [each.rstrip("*") for each in names] for code, names in words["aliases"].items()}
