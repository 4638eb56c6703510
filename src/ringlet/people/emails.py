"""E-mail addresses of people: what we take for one, and how one is shown in a log."""

import re

from ringlet.errors import ValidationFailed

LENGTH_MAX = 254
# As browsers check <input type=email>; nothing that a mail header could read as two addresses.
_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)


def normal(text: str) -> str:
    """As it is stored and looked up."""
    return text.strip().lower()


def checked(text: str) -> str:
    """The address as it is stored. Refuses: ValidationFailed."""
    email = normal(text)
    if len(email) > LENGTH_MAX or not email.isascii() or not _EMAIL.fullmatch(email):
        raise ValidationFailed("This is no e-mail address", field="email")
    return email


def masked(email: str) -> str:
    """Enough to know one's own by: "a…@example.org"."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"
