"""How the protocol spells what we know: amounts, moments, currencies, flags."""

from datetime import UTC, datetime
from decimal import Decimal

from ringlet import money

PLACES = 2
CENT = Decimal("0.01")
#: a source that does not say how many numbers it has may have one
UNTOLD = 1

#: ISO 4217 numbers
_CURRENCIES = {
    "USD": 840, "EUR": 978, "RUB": 643, "GBP": 826, "CNY": 156, "UAH": 980, "KZT": 398, "AED": 784, "BRL": 986,
    "CHF": 756, "IDR": 360, "INR": 356, "MXN": 484, "NGN": 566, "PHP": 608, "PKR": 586, "PLN": 985, "THB": 764,
    "TRY": 949, "VND": 704,
}  # fmt: skip


def amount(value: Decimal) -> Decimal:
    """With two places at least and all that it has: 100 → 100.00, 0.1114892 → 0.1114892."""
    exponent = value.as_tuple().exponent
    has_places = isinstance(exponent, int) and exponent <= -PLACES
    return value if has_places else value.quantize(CENT)


def paid(micros: int) -> Decimal:
    """An amount of the ledger."""
    return amount(money.to_amount(micros))


def price_text(value: Decimal) -> str:
    """An amount as a key or inside of a text."""
    return format(amount(value), "f")


def moment(at: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS`, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def currency(code: str) -> int:
    """The number of a currency."""
    return _CURRENCIES.get(code, _CURRENCIES["USD"])


def count(available: int | None) -> int:
    """How many there are, for programs that know only numbers."""
    return UNTOLD if available is None else available
