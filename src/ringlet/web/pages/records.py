"""What the pages of records share: filters that are their own address, cursors, names of services and countries."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from ringlet import canon
from ringlet.activations.history import Filter
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.errors import NotFound
from ringlet.web.pages import counter
from ringlet.web.pages.visit import Req
from ringlet.web.pages.words import Words

TEXT_LENGTH_MAX = 255
_DIGITS = re.compile(r"[0-9]{1,18}")
_SERVICE = re.compile(r"[a-z0-9_]{1,32}")
_COUNTRY = re.compile(r"[0-9]{1,4}")

#: the states as a person asks for them
STATES: Mapping[str, tuple[State, ...]] = {
    "waiting": (State.ORDERING, State.WAITING),
    "received": (State.RECEIVED, State.FINISHED),
    "cancelled": (State.CANCELLED,),
    "expired": (State.EXPIRED,),
    "failed": (State.FAILED,),
}


class Asked(msgspec.Struct, frozen=True):
    """The filters of an address; what makes no sense is as if it were not there."""

    state: str = ""
    service: str = ""
    country: str = ""
    since: str = ""
    until: str = ""
    q: str = ""

    @property
    def is_any(self) -> bool:
        """Whether anything is filtered."""
        return self != Asked()

    @property
    def is_more(self) -> bool:
        """Whether something is filtered that is folded away."""
        return bool(self.service or self.country or self.since or self.until)

    def query(self, **changes: str | int) -> str:
        """The address' query with some of it changed; empty when nothing is filtered."""
        known = {**msgspec.structs.asdict(self), **changes}
        spelled = {
            {"since": "from", "until": "to"}.get(name, name): value for name, value in known.items() if value
        }
        return "?" + urlencode(spelled) if spelled else ""

    def wanted(self, time_zone: str) -> Filter:
        """The same for the use case; a day ends where the next one begins, in the reader's time zone."""
        return Filter(
            states=STATES.get(self.state, ()),
            service=self.service or None,
            country=int(self.country) if self.country else None,
            since=midnight(self.since, time_zone) if self.since else None,
            until=midnight(self.until, time_zone, days=1) if self.until else None,
            text=self.q or None,
        )


def asked(request: Req) -> Asked:
    """The filters of this request's address."""
    found = request.query_params
    return Asked(
        state=_if(found.get("state", "") in STATES, found.get("state", "")),
        service=_if(_SERVICE.fullmatch(found.get("service", "")), found.get("service", "")),
        country=_if(_COUNTRY.fullmatch(found.get("country", "")), found.get("country", "")),
        since=_if(_is_day(found.get("from", "")), found.get("from", "")),
        until=_if(_is_day(found.get("to", "")), found.get("to", "")),
        q=found.get("q", "").replace("\0", "").strip()[:TEXT_LENGTH_MAX],
    )


def _if(is_good: object, text: str) -> str:
    return text if is_good else ""


def _is_day(text: str) -> bool:
    try:
        return 2000 <= date.fromisoformat(text).year <= 2200 and len(text) == len("2000-01-01")  # noqa: PLR2004
    except ValueError:
        return False


def day(text: str) -> str:
    """A day as an address spells it, or nothing when it is none."""
    return _if(_is_day(text), text)


def midnight(day: str, time_zone: str, days: int = 0) -> datetime:
    """The beginning of a day, or of one so many days later, where the reader is."""
    at = date.fromisoformat(day) + timedelta(days=days)
    return datetime.combine(at, time(), ZoneInfo(time_zone))


def month_start(now: datetime, time_zone: str) -> datetime:
    """The beginning of the month, where the reader is."""
    here = now.astimezone(ZoneInfo(time_zone))
    return here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def cursor(request: Req, name: str) -> int | None:
    """An id of the address' query; None when there is none or it cannot be one."""
    text = request.query_params.get(name, "")
    return int(text) if _DIGITS.fullmatch(text) else None


def number(text: str) -> int:
    """An id in the path. Refuses: NotFound for what cannot be one."""
    if not _DIGITS.fullmatch(text):
        raise NotFound
    return int(text)


class Names:
    """Services and countries by their names, in one language."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def service(self, code: str) -> str:
        """The name of a service: wa → WhatsApp."""
        return counter.service_name(self._words, code)

    def country(self, number: int) -> str:
        """The name of a country: 6 → Indonesia."""
        return counter.place(self._words, number)

    def iso(self, number: int) -> str:
        """For its flag: 6 → ID."""
        found = canon.countries().get(number)
        return found.iso if found else ""

    def again(self, row: Activation) -> str:
        """The buy screen with the same offer found and chosen."""
        words = f"{self.service(row.service)} {self.country(row.country)}"
        return "/?" + urlencode({"q": words, "pick": f"{row.service}-{row.country}"})
