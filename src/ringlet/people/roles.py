"""What each role of the staff may do."""

from enum import StrEnum


class Right(StrEnum):
    """`SEE` looks and changes nothing; every role has it."""

    SEE = "see"
    MONEY = "money"
    SUPPORT = "support"
    CATALOGUE = "catalogue"
    OWN = "own"


ROLES = {
    "owner": frozenset(Right),
    "finance": frozenset({Right.SEE, Right.MONEY}),
    "support": frozenset({Right.SEE, Right.SUPPORT}),
    "catalogue": frozenset({Right.SEE, Right.CATALOGUE}),
    "readonly": frozenset({Right.SEE}),
}


def may(role: str | None, right: Right) -> bool:
    """Whether somebody with this role, or with none, may do that."""
    return role is not None and right in ROLES[role]
