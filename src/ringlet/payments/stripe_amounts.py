"""Amounts as Stripe counts them: whole numbers of the currency's smallest unit, which is not always a hundredth.

The lists are those of docs.stripe.com/currencies.
"""

from ringlet.payments.port import Refused

NO_DECIMALS = frozenset({
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
})  # fmt: skip
#: the last of the three must be 0
THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
#: counted in hundredths, and whole all the same
WHOLE = frozenset({"ISK", "UGX"})


def unit_micros(currency: str) -> int:
    """How much one of Stripe's units is, in micro-units."""
    if currency in NO_DECIMALS:
        return 1_000_000
    return 1_000 if currency in THREE_DECIMALS else 10_000


def to_units(micros: int, currency: str) -> int:
    """An amount in Stripe's units. Raises Refused for one that its rules do not know, such as half a yen."""
    step = 1_000_000 if currency in NO_DECIMALS | WHOLE else 10_000
    if micros % step:
        raise Refused(f"Stripe takes {currency} in steps of {step / 1_000_000:g} only")
    return micros // unit_micros(currency)


def to_micros(units: int, currency: str) -> int:
    """Stripe's units in micro-units."""
    return units * unit_micros(currency)
