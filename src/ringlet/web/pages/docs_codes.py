"""The canonical codes as lists to look at and to search, with what is available now."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from ringlet.finding import Names, service_name
from ringlet.web import wire
from ringlet.web.pages.words import Words, flag
from ringlet.web.prices import CodeLists


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
    # as the shop calls them: the API has the names of the tables that programs know
    return [ServiceRow(each.code, service_name(each.code), each.available) for each in found.data]


def find_countries(rows: Sequence[CountryRow], names: Names, query: str) -> Sequence[CountryRow]:
    """Those that fit, the best first: number, dialling prefix, ISO code or name."""
    number = query.strip()
    if number.isascii() and number.removeprefix("+").isdigit():
        codes = [row for row in rows if number == str(row.id)]
        return codes + [row for row in rows if number.removeprefix("+") == row.prefix and row not in codes]
    known = {row.id: row for row in rows}
    return [known[each] for each in names.read(query).countries.fitting() if each in known]


def find_services(rows: Sequence[ServiceRow], names: Names, query: str) -> Sequence[ServiceRow]:
    """Those that fit, the best first: code, name, or how people call it in their languages."""
    known = {row.code: row for row in rows}
    return [known[each] for each in names.read(query).services.fitting() if each in known]


@lru_cache(maxsize=20_000)
def fold(text: str) -> str:
    """Without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(each for each in parts if not unicodedata.combining(each)).split())
