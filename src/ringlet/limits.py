"""How fast anybody may buy, and how well he must use what he buys: the limits by name, as they are shipped.

They hold for accounts that were opened on the pages. An account that the operator has opened himself is vouched for:
nothing holds for it but what he sets for that account.
"""

from collections.abc import Mapping

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """None is no limit. Counts are purchases; a minute, an hour and a day are those of the clock in UTC."""

    #: of one API key
    key_minute: int | None = 300
    key_hour: int | None = 6_000
    key_day: int | None = 40_000
    #: of one account, whatever the key
    account_minute: int | None = 600
    account_hour: int | None = 10_000
    account_day: int | None = 60_000
    #: from one address, whosever the account
    address_minute: int | None = 600
    address_hour: int | None = 10_000
    address_day: int | None = 60_000
    #: activations of one account that are open at once
    open_most: int | None = 1_000
    #: in the 24 hours after an account was opened: purchases, and their prices together in micro-units
    first_day_purchases: int | None = 200
    first_day_micros: int | None = 100_000_000
    #: of the numbers that ended within 24 hours so many percent must have brought a code …
    floor_percent: int | None = 7
    #: … once there are so many, or the account rests so many hours; its owner may end that so often himself
    floor_orders: int | None = 10
    floor_rest_hours: int | None = 24
    floor_lifts: int | None = 3


NONE = Limits(**dict.fromkeys(Limits.__struct_fields__))
SHIPPED = Limits()
NAMES: tuple[str, ...] = Limits.__struct_fields__
#: the largest that may be set
MOST = 10**15


def limits_of(
    numbers: Mapping[tuple[int | None, str], int | None], customer_id: int | None, is_vouched: bool
) -> Limits:
    """The account's own limits, then everybody's unless it is vouched for, then those that are shipped."""
    base = NONE if is_vouched else _changed(SHIPPED, numbers, None)
    return base if customer_id is None else _changed(base, numbers, customer_id)


def _changed(
    base: Limits, numbers: Mapping[tuple[int | None, str], int | None], customer_id: int | None
) -> Limits:
    own = {
        name: value
        for (customer, name), value in numbers.items()
        if customer == customer_id and name in NAMES
    }
    return msgspec.structs.replace(base, **own)
