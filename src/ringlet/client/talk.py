"""A conversation with the API as a generator: it yields what to send and when to pause, and is sent the answers.

So every rule (retries, long polls, what an unknown outcome means) is written once; `synchronous.py` and
`asynchronous.py` only carry out the steps.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from ringlet.client.errors import BadAnswer

T = TypeVar("T")

BASE = "/api/v1"
GRACE_S = 10.0
WITHIN_S_MIN = 1.0
encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `key`: its Idempotency-Key; `wait_s`: how long the server may hold the answer; `left_s`: the end
    of all patience, once it has begun.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    key: str | None = None
    wait_s: float = 0.0
    left_s: float | None = None

    def within_s(self, usual_s: float) -> float:
        """The time for the whole answer. One that was held is short: it needs little more than the waiting."""
        found = self.wait_s + min(usual_s, GRACE_S) if self.wait_s else usual_s
        return found if self.left_s is None else min(found, max(self.left_s, WITHIN_S_MIN))

    @property
    def headers(self) -> dict[str, str]:
        """What this request adds to the client's own headers."""
        found = {} if self.body is None else {"Content-Type": "application/json"}
        return found if self.key is None else {**found, "Idempotency-Key": self.key}


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no whole answer; whether the request arrived is not known."""

    why: str


Step = Ask | Pause
Reply = Answer | Lost | None
Talk = Generator[Step, Reply, T]


def get(path: str, **query: object) -> Ask:
    """A GET; a parameter that is None is left out."""
    return Ask("GET", path, {name: str(value) for name, value in query.items() if value is not None})


def post(path: str, key: str, **body: Any) -> Ask:
    """A POST with its Idempotency-Key; a field that is None is left out."""
    return Ask(
        "POST", path, body=encode({name: value for name, value in body.items() if value is not None}), key=key
    )


def read(answer: Answer, kind: type[T]) -> T:
    """The body as `kind`. Raises BadAnswer."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(
            f"the answer is not what this client knows: {error}",
            status=answer.status,
            request_id=answer.headers.get("x-request-id"),
        ) from error


def amount(value: Decimal | int | str | None) -> Decimal | None:
    """An exact amount. Raises TypeError for a float, which is not exact, and ValueError for what is no number."""
    if isinstance(value, float):
        raise TypeError("money is exact: give a Decimal, an int or a text such as '0.12', not a float")
    try:
        found = None if value is None else Decimal(value)
    except ArithmeticError as error:
        raise ValueError(f"{value!r} is not an amount") from error
    if found is not None and not found.is_finite():
        raise ValueError(f"{value!r} is not an amount")
    return found
