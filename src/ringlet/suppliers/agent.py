"""The agent protocol, seen from the marketplace: we ask the owner of a SIM bank for stock and numbers.

The owner has one address for everything and pushes the messages to ours. He is paid when we say "sold", not when
he hands out a number: a number whose answer got lost costs nothing.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar

from msgspec import Struct

from ringlet.suppliers.port import (
    Account,
    Cell,
    Held,
    Named,
    OutcomeUnknown,
    Reason,
    Refused,
    Rented,
    Traits,
    Wanted,
)
from ringlet.suppliers.reading import is_word, read_json, read_phone, read_ref, read_text
from ringlet.suppliers.wire import ANSWER_BYTES_MAX, LIST_BYTES_MAX, Answer, Line

ANY = "any"
US_DOLLAR = 840
#: The protocol promises an answer within so many seconds.
NUMBER_WITHIN_S = 3.0
LIST_WITHIN_S = 60.0
LIMIT_S = 30.0
WORD_DIGITS_MAX = 9
NAME_LENGTH_MAX = 64

SOLD = 3
CANCELLED = 4

_ABOUT_KEY = re.compile(r"\b(api)?_?key\b", re.IGNORECASE)


class _Country(Struct):
    country: str | int
    operatorMap: dict[str, dict[str, int]]  # noqa: N815 - the protocol's spelling


class _Answer(Struct):
    status: str
    error: str | None = None
    number: int | str | None = None
    activationId: int | str | None = None  # noqa: N815
    countryList: list[_Country] | None = None  # noqa: N815


class Agent:
    """An owner of SIM cards. Its price is what the operator agreed with him: the account's unit cost."""

    traits: ClassVar[Traits] = Traits(
        lists_held=False, watches_together=False, charges_on_rent=False, is_pushed=True
    )

    def __init__(self, line: Line, account: Account) -> None:
        self._line = line
        self._account = account

    async def rent(self, wanted: Wanted) -> Rented:
        """See the port. With several operators, the first is asked."""
        cost = self._cost()
        if cost > wanted.cost_max:
            raise Refused(Reason.PRICE, "the agreed cost is higher", price=cost)
        operator = ANY if not wanted.operators or ANY in wanted.operators else wanted.operators[0]
        body = {
            "country": _country(wanted.country),
            "operator": operator,
            "service": wanted.service,
            "sum": cost,
            "currency": US_DOLLAR,
            "exceptionPhoneSet": list(wanted.excluded_prefixes),
        }
        answer = await self._ask("GET_NUMBER", body, deadline_s=NUMBER_WITHIN_S, is_urgent=True)
        if answer.status == "NO_NUMBERS":
            raise Refused(Reason.NO_NUMBERS)
        _check(answer, Reason.NOT_SOLD)
        return Rented(ref=read_ref(answer.activationId), phone=read_phone(answer.number), cost=cost)

    async def look(self, ref: str) -> Held:  # noqa: ARG002 - the port's
        """Messages are pushed; there is nothing to ask for."""
        raise Refused(Reason.UNSUPPORTED, "messages are pushed")

    async def held(self, refs: Sequence[str]) -> Sequence[Held]:  # noqa: ARG002 - the port's
        """Messages are pushed; there is nothing to ask for."""
        raise Refused(Reason.UNSUPPORTED, "messages are pushed")

    async def cancel(self, ref: str) -> None:
        """See the port. To be repeated until it is answered."""
        await self._end(ref, CANCELLED)

    async def finish(self, ref: str) -> None:
        """See the port: now the owner is paid. To be repeated until it is answered."""
        await self._end(ref, SOLD)

    async def _end(self, ref: str, status: int) -> None:
        body = {"activationId": _number(ref), "status": status}
        _check(await self._ask("FINISH_ACTIVATION", body), Reason.OVER)

    async def again(self, ref: str) -> None:
        """Nothing to ask: the owner pushes every message until we end it."""

    async def balance(self) -> Decimal:
        """There is no balance: we owe the owner, he does not owe us."""
        raise Refused(Reason.UNSUPPORTED, "agents keep no balance")

    async def cells(self) -> Sequence[Cell]:
        """See the port. Refused: NOT_SOLD as long as no unit cost is set."""
        cost = self._cost()
        return [
            Cell(str(each.country), service, operator, cost, max(available, 0))
            for each in await self._countries()
            for operator, services in each.operatorMap.items() if is_word(operator)
            for service, available in services.items() if is_word(service)
        ]  # fmt: skip

    async def names(self) -> tuple[Sequence[Named], Sequence[Named]]:
        """See the port. Services have the canonical codes; countries are called by their words."""
        words = sorted({str(each.country) for each in await self._countries()})
        return [Named(word, word) for word in words], []

    async def _countries(self) -> list[_Country]:
        answer = await self._ask("GET_SERVICES", deadline_s=LIST_WITHIN_S, bytes_max=LIST_BYTES_MAX)
        _check(answer, Reason.ACCOUNT)
        return [each for each in answer.countryList or () if _is_name(str(each.country))]

    def _cost(self) -> Decimal:
        if self._account.unit_cost is None:
            raise Refused(Reason.NOT_SOLD, "set a unit cost")
        return self._account.unit_cost

    async def _ask(
        self, action: str, more: dict[str, Any] | None = None, *, is_urgent: bool = False,
        deadline_s: float | None = None, bytes_max: int = ANSWER_BYTES_MAX,
    ) -> _Answer:  # fmt: skip
        body = {"action": action, "key": self._account.key, **(more or {})}
        answer = await self._line.ask(
            "POST", body=body, is_urgent=is_urgent, deadline_s=deadline_s, bytes_max=bytes_max
        )
        return _read(answer)


def _read(answer: Answer) -> _Answer:
    """The answer's body, whatever its HTTP status: owners' programs differ there. Raises Refused: ACCOUNT, LIMITED."""
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise Refused(Reason.ACCOUNT, f"status {answer.status}")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Refused(Reason.LIMITED, retry_after_s=LIMIT_S)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise OutcomeUnknown(f"status {answer.status}")
    read: _Answer = read_json(answer, _Answer)
    return read


def _check(answer: _Answer, reason: Reason) -> None:
    """Raises Refused with that reason for an ERROR (ACCOUNT when it is about the key), OutcomeUnknown otherwise."""
    if answer.status == "SUCCESS":
        return
    if answer.status == "ERROR":
        error = answer.error or ""
        raise Refused(Reason.ACCOUNT if _ABOUT_KEY.search(error) else reason, error)
    raise OutcomeUnknown(f"unknown status {answer.status[:32]!r}")


def _is_name(text: str) -> bool:
    """Owners call countries as they like, blanks included."""
    return 0 < len(text) <= NAME_LENGTH_MAX and read_text(text) == text


def _country(word: str) -> str | int:
    """Some owners number the countries, and want a number then."""
    is_number = word.isascii() and word.isdigit() and len(word) <= WORD_DIGITS_MAX
    return int(word) if is_number else word


def _number(ref: str) -> str | int:
    """The reference as it came: a JSON number, if the owner keeps to the protocol."""
    return int(ref) if ref.isascii() and ref.isdigit() and str(int(ref)) == ref else ref
