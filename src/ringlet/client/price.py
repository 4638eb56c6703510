"""Prices: one cell, or the table."""

from decimal import Decimal

from msgspec import Struct

from ringlet.client.patience import insist
from ringlet.client.talk import Talk, get, read
from ringlet.client.values import Cell, Price


class _Price(Struct):
    country: str
    service: str
    base_price: Decimal
    sell_price: Decimal


class _Prices(Struct):
    prices: dict[int, dict[str, Cell]]


def price(service: str, country: int, total_s: float) -> Talk[Price]:
    """Base and sell price. Raises NotFound when nobody offers it."""
    found = read((yield from insist(get("/resell/price", service=service, country=country), total_s)), _Price)
    return Price(
        country=int(found.country),
        service=found.service,
        base_price=found.base_price,
        sell_price=found.sell_price,
    )


def prices(service: str | None, country: int | None, total_s: float) -> Talk[dict[int, dict[str, Cell]]]:
    """Country → service → prices and stock."""
    asked = get("/prices", service=service, country=country)
    return read((yield from insist(asked, total_s)), _Prices).prices
