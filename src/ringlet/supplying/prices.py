"""Reading a price list: words to codes, their money to ours, nonsense left out. Pure, and run in a thread."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

from ringlet import money
from ringlet.suppliers.port import Cell, Named
from ringlet.supplying import codes
from ringlet.supplying.codes import COUNTRY, KINDS, SERVICE, Word

CHUNK_ROWS = 5_000
COUNT_MAX = 1_000_000_000
OPERATOR_LENGTH_MAX = 32
_OPERATOR_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")

_NULL = r"\N"  # as COPY spells it

Names = tuple[Sequence[Named], Sequence[Named]] | None
Key = tuple[str, str, str]


class Listed(msgspec.Struct, frozen=True):
    """A price list in our words and money: `chunks` of text as COPY takes it, and the words that are new."""

    count: int
    left_out: int
    chunks: Sequence[bytes]
    learned: Mapping[str, Mapping[str, str | None]]


def read(cells: Sequence[Cell], words: Sequence[Word], names: Names, currency_rate: Decimal) -> Listed:
    """The list as it can be sold. Lines with unknown words wait for the operator; the cheaper of two counts.

    Without `names` nothing new is learned.
    """
    maps = [codes.known_map(kind, words) for kind in KINDS]
    if names is not None:
        seen = (dict.fromkeys(cell.country for cell in cells), dict.fromkeys(cell.service for cell in cells))
        maps = [codes.learn(*each) for each in zip(KINDS, (words, words), seen, names, strict=True)]
    countries, services = maps
    prices = _Prices(currency_rate)
    best: dict[Key, tuple[bool, Decimal, int | None]] = {}
    left_out = 0
    for cell in cells:
        country, service = countries.ours.get(cell.country), services.ours.get(cell.service)
        if country is None or service is None:
            continue
        price, operator = prices.ours(cell.cost), operator_of(cell.operator)
        if price is None or operator is None or not _is_count(cell.available):
            left_out += 1
            continue
        key, found = (country, service, operator), (cell.available == 0, price, cell.available)
        # One that has numbers goes before one that has none, whatever it costs.
        if key not in best or found[:2] < best[key][:2]:
            best[key] = found
    learned = {COUNTRY: countries.learned, SERVICE: services.learned}
    return Listed(len(best), left_out, _chunks(best), learned)


class _Prices:
    """Their money in ours; a list of 164,000 lines has some thousand different prices."""

    def __init__(self, rate: Decimal) -> None:
        self._rate = rate
        self._known: dict[Decimal, Decimal | None] = {}

    def ours(self, cost: Decimal) -> Decimal | None:
        """At seven places; None for what is no price."""
        try:
            return self._known[cost]
        except KeyError:
            found = self._known[cost] = self._read(cost)
            return found
        except (TypeError, ValueError):  # a signalling NaN has no hash
            return None

    def _read(self, cost: Decimal) -> Decimal | None:
        if not (cost.is_finite() and 0 <= cost <= money.PRICE_MAX):
            return None
        price = cost * self._rate
        return money.price(price) if price <= money.PRICE_MAX else None


@lru_cache(maxsize=10_000)
def operator_of(text: str) -> str | None:
    """An operator's name as customers may ask for it; None for what is no name."""
    name = text.lower() or "any"
    return name if len(name) <= OPERATOR_LENGTH_MAX and _OPERATOR_LETTERS.issuperset(name) else None


def _is_count(available: int | None) -> bool:
    return available is None or 0 <= available <= COUNT_MAX


def _chunks(best: Mapping[Key, tuple[bool, Decimal, int | None]]) -> list[bytes]:
    lines = [
        f"{country}\t{service}\t{operator}\t{price:f}\t{_NULL if available is None else available}\n"
        for (country, service, operator), (_, price, available) in best.items()
    ]
    return ["".join(lines[at : at + CHUNK_ROWS]).encode() for at in range(0, len(lines), CHUNK_ROWS)]
