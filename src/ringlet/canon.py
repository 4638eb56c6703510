"""The canonical code tables: the countries and services by which the whole field knows them."""

import csv
import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

RENTAL = "full"  # a whole number for rent: in the code table, not a service to buy


class Country(msgspec.Struct, frozen=True):
    """A canonical country: its number, English name, ISO 3166 code and calling code."""

    id: int
    name: str
    iso: str
    prefix: str


class Service(msgspec.Struct, frozen=True):
    """A canonical service: its short code, name and rank of popularity (1 is the first)."""

    code: str
    name: str
    rank: int


@cache
def countries() -> Mapping[int, Country]:
    """Every canonical country by its number."""
    rows = csv.DictReader(io.StringIO(_read("countries.csv")))
    return {int(r["id"]): Country(int(r["id"]), r["name"], r["iso2"], r["prefix"]) for r in rows}


@cache
def services() -> Mapping[str, Service]:
    """Every canonical service that can be bought, by its code."""
    rows = csv.DictReader(io.StringIO(_read("services.csv")))
    return {r["code"]: Service(r["code"], r["name"], int(r["rank"])) for r in rows if r["code"] != RENTAL}


def _read(name: str) -> str:
    return files("ringlet.data").joinpath(name).read_text(encoding="utf-8")
