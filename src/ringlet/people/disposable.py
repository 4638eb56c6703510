"""E-mail addresses for an hour: their domains are known, and refused. The operator adds to the list and takes from it."""

from functools import cache
from importlib.resources import files
from typing import LiteralString

from ringlet.db import Tx
from ringlet.errors import ValidationFailed

LIST = "disposable_domains.txt"


@cache
def known() -> frozenset[str]:
    """The domains of the list that is shipped."""
    text = files("ringlet.data").joinpath(LIST).read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def parents(domain: str) -> list[str]:
    """The domain and those above it, the nearest first, but for the top: a.b.example, b.example."""
    parts = domain.split(".")
    return [".".join(parts[at:]) for at in range(max(1, len(parts) - 1))]


async def check(tx: Tx, email: str) -> None:
    """Whether letters to this address still reach somebody tomorrow. Refuses: ValidationFailed."""
    names = parents(email.rpartition("@")[2])
    row = await (await tx.execute(_DECIDED, [names])).fetchone()
    is_refused = bool(row[0]) if row is not None else any(name in known() for name in names)
    if is_refused:
        raise ValidationFailed(
            "Addresses of this provider last only for a short time: take one that you keep", field="email"
        )


# What the operator has said of the nearest domain decides.
_DECIDED: LiteralString = """
select is_refused from mail_domain where domain = any(%s) order by length(domain) desc limit 1
"""
