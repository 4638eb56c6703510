"""The activations of an account, newest first."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from ringlet.client.patience import insist
from ringlet.client.talk import Talk, get, read
from ringlet.client.values import Activation


@dataclass(frozen=True, slots=True)
class Filter:
    """Which activations; None means every one. Raises ValueError for a time without its zone."""

    service: str | None
    country: int | None
    status: str | None
    since: datetime | None
    until: datetime | None
    reference: str | None
    per_page: int

    def __post_init__(self) -> None:
        for each in (self.since, self.until):
            if each is not None and each.tzinfo is None:
                raise ValueError("a time needs its zone, such as datetime.now(UTC)")


class _Meta(Struct):
    next_cursor: str | None = None


class Page(Struct):
    """`meta.next_cursor` leads to the next page; None on the last."""

    data: list[Activation]
    meta: _Meta


def page(wanted: Filter, cursor: str | None, total_s: float) -> Talk[Page]:
    """The page behind `cursor`; the first without one."""
    asked = get(
        "/resell/activations",
        service=wanted.service,
        country=wanted.country,
        status=wanted.status,
        **{"from": _instant(wanted.since), "to": _instant(wanted.until)},
        reference=wanted.reference,
        per_page=wanted.per_page,
        cursor=cursor,
    )
    return read((yield from insist(asked, total_s)), Page)


def _instant(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
