"""Who is looking at a page, and what he may do there as far as his session tells."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import msgspec

from ringlet.brands import HOUSE
from ringlet.errors import Forbidden

FRESH_FOR = timedelta(hours=1)


class Visitor(msgspec.Struct, frozen=True):
    """A person with a session that is good now. While it awaits the second factor he is nobody yet."""

    session_id: int
    person_id: int
    customer_id: int
    email: str
    language: str
    time_zone: str
    theme: str
    is_confirmed: bool
    is_frozen: bool
    mode: str
    live_wallet_id: int
    test_wallet_id: int
    proven_at: datetime
    awaits_second_factor: bool
    has_second_factor: bool
    #: of the staff: a key of `roles.ROLES`; None is a customer
    role: str | None = None
    brand_id: int = HOUSE

    @property
    def wallet_id(self) -> int:
        """The wallet of the mode that the session shows."""
        return self.live_wallet_id if self.mode == "live" else self.test_wallet_id


class SignedIn(msgspec.Struct, frozen=True):
    """A new session. Its token is for the cookie; only the fingerprint is kept."""

    token: str
    awaits_second_factor: bool


def needs_proof(visitor: Visitor) -> bool:
    """Whether the last proof of identity is too old for what could lock the owner out or open his money."""
    return datetime.now(UTC) - visitor.proven_at >= FRESH_FOR


def check_whole(visitor: Visitor) -> None:
    """Refuses: Forbidden (the second factor is still awaited)."""
    if visitor.awaits_second_factor:
        raise Forbidden("The second factor is still missing", needs_second_factor=True)


def check_fresh(visitor: Visitor) -> None:
    """Refuses: Forbidden (second factor awaited, or the last proof of identity is an hour old)."""
    check_whole(visitor)
    if needs_proof(visitor):
        raise Forbidden("Enter your password once more for this", needs_proof=True)


def check_owner(visitor: Visitor) -> None:
    """For keys and factors: fresh, with a confirmed address and an account in good standing. Refuses: Forbidden."""
    check_fresh(visitor)
    if not visitor.is_confirmed:
        raise Forbidden("Confirm your e-mail address first: the link is in your mail")
    if visitor.is_frozen:
        raise Forbidden("This account is frozen")


def address_or_none(text: str | None) -> str | None:
    """The address that a request came from, when it is one."""
    try:
        return str(ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None
