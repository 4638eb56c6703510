"""What the pages of prices and suppliers share: places by name, and what the reader may do."""

from collections.abc import Mapping

import msgspec

from ringlet import canon, finding
from ringlet.people.roles import Right, may
from ringlet.web.pages.visit import Visit
from ringlet.web.pages.words import Words


class Places(msgspec.Struct, frozen=True):
    """What the codes are called in the reader's language."""

    countries: Mapping[int, str]
    services: Mapping[str, str]


def places(spoken: Words) -> Places:
    """All of them."""
    return Places(
        {each.id: spoken.country(each.iso, each.name) for each in canon.countries().values()},
        {code: finding.service_name(code) for code in canon.services()},
    )


def may_change(seen: Visit) -> bool:
    """Whether who looks may change the catalogue: others are shown no buttons for it."""
    return may(seen.signed_in().role, Right.CATALOGUE)


def moves_money(seen: Visit) -> bool:
    """Whether who looks may move money."""
    return may(seen.signed_in().role, Right.MONEY)
