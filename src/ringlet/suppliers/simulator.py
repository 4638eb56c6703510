"""The simulator of test mode: what it does for each service, as data. Pure.

Every ordinary service delivers a code after about two seconds; the magic ones rehearse what can go wrong.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import phonenumbers

from ringlet import canon
from ringlet.errors import InsufficientBalance, NoNumbers, Refusal, ServiceUnavailable

SOURCE_ID = 0  # its row is written by the first migration
OPERATOR = "any"
BASE_PRICE = Decimal("0.05")  # for a cell that the live catalogue does not offer


@dataclass(frozen=True, slots=True)
class Script:
    """What happens after a buy: messages with their delay in seconds, or a refusal."""

    messages: tuple[tuple[float, str], ...] = ()
    refusal: type[Refusal] | None = None
    #: seconds until an unknown outcome is found out; None = known at once
    unknown_s: float | None = None
    #: seconds of lease; None = as for every service
    lease_s: float | None = None


_CODE = "Your {name} code is {code}. Don't share it."

ORDINARY = Script(messages=((2, _CODE),))

MAGIC: Mapping[str, Script] = {
    "test_no_numbers": Script(refusal=NoNumbers),
    "test_never": Script(),
    "test_slow": Script(messages=((15, _CODE),)),
    "test_two_codes": Script(messages=((2, _CODE), (4, _CODE))),
    "test_late": Script(messages=((7, _CODE),), lease_s=5),
    "test_no_code": Script(messages=((2, "Welcome to {name}! We are glad that you are here."),)),
    "test_unavailable": Script(refusal=ServiceUnavailable),
    "test_timeout": Script(messages=((5, _CODE),), unknown_s=3),
    "test_insufficient_balance": Script(refusal=InsufficientBalance),
}


def script(service: str) -> Script:
    """What the simulator plays for this service."""
    return MAGIC.get(service, ORDINARY)


def write_message(template: str, service: str) -> str:
    """A message as the service might send it, with a fresh six-digit code."""
    known = canon.services().get(service)
    name = known.name.partition(",")[0] if known else "Ringlet"
    return template.format(name=name, code=f"{secrets.randbelow(1_000_000):06}")


def invent_phone(country: int) -> str:
    """A number of that country's shape, digits only. It belongs to nobody that we know of."""
    known = canon.countries()[country]
    example = phonenumbers.example_number_for_type(known.iso, phonenumbers.PhoneNumberType.MOBILE)
    national = str(example.national_number) if example else "700000000"
    kept = national[:-6] or national[:1]
    return known.prefix + kept + f"{secrets.randbelow(1_000_000):06}"
