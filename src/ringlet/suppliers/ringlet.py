"""Our own REST API as a protocol: one installation sells the numbers of another.

Codes and money are the same on both sides. A buy carries our reference as its Idempotency-Key: it never rents twice.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from ringlet.suppliers.port import (
    Account,
    Cell,
    Held,
    Named,
    News,
    OutcomeUnknown,
    Reason,
    Refused,
    Rented,
    Standing,
    Traits,
    Wanted,
)
from ringlet.suppliers.reading import (
    COST_MAX,
    SENDER_LENGTH_MAX,
    is_word,
    maybe_phone,
    read_balance,
    read_code,
    read_cost,
    read_json,
    read_phone,
    read_ref,
    read_text,
)
from ringlet.suppliers.wire import ANSWER_BYTES_MAX, LIST_BYTES_MAX, Answer, Line

BASE = "/api/v1"
ANY = "any"
PER_PAGE = 100
PAGES_MAX = 1_000
LIST_WITHIN_S = 60.0
LIMIT_S = 1.0
PREFIXES_MAX = 50
LEASE_MAX_S = 86_400.0
RETRY_AFTER_S_MAX = 3_600.0

_COUNTRY = re.compile(r"[0-9]{1,4}")

ACTIVE = ("waiting", "received")
#: the state at the other installation → where the rental stands for us
STANDINGS: Mapping[str, Standing] = {
    "ordering": Standing.ACTIVE,
    "waiting": Standing.ACTIVE,
    "received": Standing.ACTIVE,
    "finished": Standing.FINISHED,
    "cancelled": Standing.CANCELLED,
    "failed": Standing.CANCELLED,
    "expired": Standing.CANCELLED,
}

#: What the public codes mean for everything, for a rent, and for what is asked about one rental. All others,
#: `service_unavailable` and `idempotency_in_progress` among them, are unknown outcomes.
REASONS: Mapping[str, Reason] = {
    "unauthorized": Reason.ACCOUNT,
    "forbidden": Reason.ACCOUNT,
    "rate_limited": Reason.LIMITED,
}
RENT_REASONS: Mapping[str, Reason] = {
    **REASONS,
    "service_not_allowed": Reason.NOT_SOLD,
    "not_found": Reason.NOT_SOLD,
    "validation_failed": Reason.NOT_SOLD,
    "no_numbers": Reason.NO_NUMBERS,
    "max_price_exceeded": Reason.PRICE,
    "insufficient_balance": Reason.NO_BALANCE,
}
RENTAL_REASONS: Mapping[str, Reason] = {**REASONS, "not_found": Reason.OVER}
#: The statuses that say no without a word of ours, for instance from a proxy in front of the other installation.
STATUS_REASONS: Mapping[int, Reason] = {401: Reason.ACCOUNT, 403: Reason.ACCOUNT, 429: Reason.LIMITED}

CANCEL_REJECTED = "cancel_rejected"


class _Message(Struct):
    id: int
    text: str = ""
    code: str | int | None = None
    sender: str = ""


class _Activation(Struct):
    activation_id: str | int
    state: str
    phone: str | int | None = None
    amount_paid: Decimal | None = None
    service: str | None = None
    country: int | None = None
    operator: str | None = None
    messages: list[_Message] = []
    date_created: str | None = None
    expires_at: str | None = None
    reference: str | None = None


class _Bought(Struct):
    activation: _Activation


class _Meta(Struct):
    next_cursor: str | None = None


class _Page(Struct):
    data: list[_Activation]
    meta: _Meta


class _Balance(Struct):
    balance: Decimal


class _Price(Struct):
    sell_price: Decimal
    available: int | None = None


class _Prices(Struct):
    prices: dict[str, dict[str, _Price]]


class _Failure(Struct):
    code: str
    message: str = ""
    min_price: Decimal | None = None
    retry_after: float | None = None


class Ringlet:
    """Another installation of this program; its address is that installation's, without a path."""

    traits: ClassVar[Traits] = Traits(
        lists_held=True, watches_together=True, rents_once=True, young_pause_s=0.4, old_pause_s=5.0
    )

    def __init__(self, line: Line, account: Account) -> None:
        self._line = line
        self._headers = {"Authorization": f"Bearer {account.key}", "Accept": "application/json"}

    async def rent(self, wanted: Wanted) -> Rented:
        """See the port. An order with this reference that is already over there is no number: NO_NUMBERS."""
        if not _COUNTRY.fullmatch(wanted.country):
            raise Refused(Reason.NOT_SOLD, "countries are numbers there")
        body: dict[str, Any] = {
            "service": wanted.service,
            "country": int(wanted.country),
            "max_price": min(wanted.cost_max, Decimal(COST_MAX)),
            "reference": wanted.reference,
        }
        if wanted.operators and ANY not in wanted.operators:
            body["operator"] = ",".join(wanted.operators)
        if wanted.excluded_prefixes:
            body["exclude_prefixes"] = list(wanted.excluded_prefixes[:PREFIXES_MAX])
        answer = await self._ask(
            "POST", "/resell/virtual/buy", body=body, key=wanted.reference, is_urgent=True
        )
        bought: _Bought = read_json(_good(answer, RENT_REASONS), _Bought)
        return _rented(bought.activation)

    async def look(self, ref: str) -> Held:
        """See the port."""
        answer = await self._ask("GET", f"/resell/virtual/{ref}/status")
        seen: _Bought = read_json(_good(answer, RENTAL_REASONS), _Bought)
        held = _held(seen.activation)
        if held.ref != ref:
            raise OutcomeUnknown("the answer is about another activation")
        return held

    async def held(self, refs: Sequence[str]) -> Sequence[Held]:  # noqa: ARG002 - the port's
        """See the port. The other side filters: the length of the history costs nothing."""
        found: dict[str, Held] = {}
        # In the order in which an activation moves: one that moves meanwhile is seen twice rather than never.
        for state in ACTIVE:
            for each in await self._list(state):
                if each.state in ACTIVE:
                    held = _held(each)
                    found[held.ref] = held
        return list(found.values())

    async def _list(self, state: str) -> list[_Activation]:
        found: list[_Activation] = []
        query = {"status": state, "per_page": str(PER_PAGE)}
        for _ in range(PAGES_MAX):
            answer = await self._ask("GET", "/resell/activations", query=query, bytes_max=LIST_BYTES_MAX)
            page: _Page = read_json(_good(answer), _Page)
            found += page.data
            if page.meta.next_cursor is None or not page.data:
                return found
            query["cursor"] = read_ref(page.meta.next_cursor)
        raise OutcomeUnknown("the list has no end")

    async def cancel(self, ref: str) -> None:
        """See the port."""
        answer = await self._ask("POST", "/resell/virtual/cancel", body={"activation_id": ref})
        failure = _failure(answer)
        if failure is None or failure.code != CANCEL_REJECTED:
            _good(answer, RENTAL_REASONS)
            return
        if failure.retry_after is not None:
            retry_after_s = min(max(failure.retry_after, 0.0), RETRY_AFTER_S_MAX)
            raise Refused(Reason.TOO_EARLY, failure.message, retry_after_s=retry_after_s)
        held = await self.look(ref)
        if held.standing is Standing.CANCELLED:
            return
        if held.standing is Standing.FINISHED or held.messages:
            raise Refused(Reason.HAS_CODE)
        raise OutcomeUnknown("cancel rejected, and nothing shows why")

    async def finish(self, ref: str) -> None:
        """Nothing to tell: the lease there ends by itself."""

    async def again(self, ref: str) -> None:
        """Nothing to ask: messages keep coming to the same activation while its lease runs."""

    async def balance(self) -> Decimal:
        """See the port. What is held for open activations is already off."""
        found: _Balance = read_json(_good(await self._ask("GET", "/balance")), _Balance)
        return read_balance(found.balance)

    async def cells(self) -> Sequence[Cell]:
        """See the port. What they sell for is what it costs us."""
        answer = await self._ask("GET", "/prices", deadline_s=LIST_WITHIN_S, bytes_max=LIST_BYTES_MAX)
        table: _Prices = read_json(_good(answer), _Prices)
        return [
            Cell(country, service, ANY, cost, None if price.available is None else max(price.available, 0))
            for country, services in table.prices.items() if is_word(country)
            for service, price in services.items() if is_word(service)
            if (cost := read_cost(price.sell_price)) is not None
        ]  # fmt: skip

    async def names(self) -> tuple[Sequence[Named], Sequence[Named]]:
        """See the port. The codes are ours."""
        return [], []

    async def _ask(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None,
        key: str | None = None, is_urgent: bool = False, deadline_s: float | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:  # fmt: skip
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        return await self._line.ask(
            method, BASE + path, query=query, headers=headers, body=body, is_urgent=is_urgent,
            deadline_s=deadline_s, bytes_max=bytes_max,
        )  # fmt: skip


def _good(answer: Answer, reasons: Mapping[str, Reason] = REASONS) -> Answer:
    """An answer that says yes. Raises Refused for those reasons, and OutcomeUnknown."""
    if answer.status == HTTPStatus.OK:
        return answer
    failure = _failure(answer) or _Failure("unreadable")
    reason = reasons.get(failure.code) or STATUS_REASONS.get(answer.status)
    if reason is None or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise OutcomeUnknown(f"status {answer.status}: {failure.code[:60]}")
    raise Refused(
        reason,
        failure.message,
        retry_after_s=LIMIT_S if reason is Reason.LIMITED else None,
        price=read_cost(failure.min_price),
    )


def _failure(answer: Answer) -> _Failure | None:
    """The refusal that an answer is; None when it says yes or cannot be read as ours."""
    if answer.status == HTTPStatus.OK:
        return None
    try:
        failure: _Failure = read_json(answer, _Failure)
    except OutcomeUnknown:
        return None
    return failure


def _rented(activation: _Activation) -> Rented:
    standing = _standing(activation)
    if standing is Standing.CANCELLED:
        raise Refused(Reason.NO_NUMBERS, f"the order with this reference is {activation.state}")
    return Rented(
        ref=read_ref(activation.activation_id),
        phone=read_phone(activation.phone),
        cost=read_cost(activation.amount_paid),
        operator=_word(activation.operator),
        lease_s=_lease_s(activation),
    )


def _held(activation: _Activation) -> Held:
    return Held(
        ref=read_ref(activation.activation_id),
        standing=_standing(activation),
        messages=[_news(message) for message in activation.messages],
        phone=maybe_phone(activation.phone),
        country=None if activation.country is None else str(activation.country),
        service=_word(activation.service),
        operator=_word(activation.operator),
        cost=read_cost(activation.amount_paid),
        reference=activation.reference,
    )


def _standing(activation: _Activation) -> Standing:
    standing = STANDINGS.get(activation.state)
    if standing is None:
        raise OutcomeUnknown(f"unknown state {activation.state[:32]!r}")
    return standing


def _news(message: _Message) -> News:
    return News(
        key=str(message.id),
        text=read_text(message.text),
        code=read_code(message.code),
        sender=read_text(message.sender, SENDER_LENGTH_MAX),
    )


def _word(text: str | None) -> str | None:
    return text if text and is_word(text) else None


def _lease_s(activation: _Activation) -> float | None:
    try:
        made_at = datetime.strptime(activation.date_created or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        ends_at: datetime | None = msgspec.convert(activation.expires_at, datetime | None)
    except (ValueError, msgspec.ValidationError):
        return None
    if ends_at is None or ends_at.tzinfo is None:
        return None
    lease_s = (ends_at - made_at).total_seconds()
    return lease_s if 0 < lease_s <= LEASE_MAX_S else None
