"""Money: integer micro-units (1e-6) in the ledger, exact decimals in prices.

A price may carry seven places, a charge carries six: this is the only place where one becomes the other.
The reference shows sell_price 0.1114892 and amount_paid 0.111489.
"""

from decimal import ROUND_HALF_EVEN, Decimal

MICRO = Decimal("0.000001")
PRICE_STEP = Decimal("0.0000001")
PRICE_MAX = Decimal(1_000_000)
MICROS_MAX = 9_000_000_000_000_000_000  # below the largest bigint, so that a sum check can still be made
DIGITS_MAX = len(str(MICROS_MAX))


def charge_micros(price: Decimal) -> int:
    """What a price costs in the ledger: rounded half-even to six places, in micro-units."""
    return int(price.quantize(MICRO, rounding=ROUND_HALF_EVEN).scaleb(6))


def to_amount(micros: int) -> Decimal:
    """Micro-units as a decimal without trailing zeros: 111489 → 0.111489, 1000000 → 1."""
    return plain(Decimal(micros).scaleb(-6))


def to_micros(amount: Decimal) -> int:
    """A decimal amount in micro-units; ValueError when it has more than six places or is out of range."""
    # Looked at first: an exponent near the largest that there is would overflow when it is moved.
    if amount.is_finite() and amount.adjusted() <= DIGITS_MAX:
        micros = amount.scaleb(6)
        if micros == micros.to_integral_value() and abs(micros) <= MICROS_MAX:
            return int(micros)
    raise ValueError(f"{amount} is not an amount with at most 6 decimal places")


def price(value: Decimal) -> Decimal:
    """A price at seven places, rounded half-even, without trailing zeros."""
    return plain(value.quantize(PRICE_STEP, rounding=ROUND_HALF_EVEN))


def plain(value: Decimal) -> Decimal:
    """The same value without trailing zeros and never in scientific notation: 1E+3 → 1000."""
    normal = value.normalize()
    exponent = normal.as_tuple().exponent
    return normal.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else normal
