"""The balance, the codes that countries, services and operators have, and the statistics."""

from msgspec import Struct

from ringlet.client.patience import insist
from ringlet.client.talk import Talk, get, read
from ringlet.client.values import Balance, Country, Figures, Operator, Service


class _Countries(Struct):
    data: list[Country]


class _Services(Struct):
    data: list[Service]


class _Operators(Struct):
    data: list[Operator]


class _Statistics(Struct):
    data: list[Figures]


def balance(total_s: float) -> Talk[Balance]:
    """What can be spent, and what is held."""
    return read((yield from insist(get("/balance"), total_s)), Balance)


def countries(total_s: float) -> Talk[list[Country]]:
    """Every country."""
    return read((yield from insist(get("/countries"), total_s)), _Countries).data


def services(total_s: float) -> Talk[list[Service]]:
    """Every service."""
    return read((yield from insist(get("/services"), total_s)), _Services).data


def operators(country: int, total_s: float) -> Talk[list[Operator]]:
    """The operators that have numbers in this country."""
    return read((yield from insist(get("/operators", country=country), total_s)), _Operators).data


def statistics(service: str | None, country: int | None, total_s: float) -> Talk[list[Figures]]:
    """How often a code comes."""
    asked = get("/statistics", service=service, country=country)
    return read((yield from insist(asked, total_s)), _Statistics).data
