"""5sim's REST protocol, v1. Words for countries, operators and products; errors are plain text, some with status 200.

There is no list of what is active, only the history, newest first: `held` reads as much of it as can matter.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import ClassVar

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

ANY = "any"
LIST_WITHIN_S = 60.0
PAGE = 100
PAGES_MAX = 100
#: An order lives for 15 minutes: what was made this long before the newest one cannot be active.
LIVES_AT_MOST = timedelta(minutes=30)
LEASE_MAX_S = 86_400.0
WAIT_S = 30.0
LIMIT_S = 1.0

GONE = "order not found"
EXPIRED = "order expired"

#: What the texts mean. Any other is an unknown outcome, such as "server offline" and "internal error".
RENT_REASONS: Mapping[str, Reason] = {
    "no free phones": Reason.NO_NUMBERS,
    "not enough user balance": Reason.NO_BALANCE,
    "not enough rating": Reason.ACCOUNT,
    "select country": Reason.NOT_SOLD,
    "select operator": Reason.NOT_SOLD,
    "bad country": Reason.NOT_SOLD,
    "bad operator": Reason.NOT_SOLD,
    "no product": Reason.NOT_SOLD,
    "country is incorrect": Reason.NOT_SOLD,
    "product is incorrect": Reason.NOT_SOLD,
}
LOOK_REASONS: Mapping[str, Reason] = {GONE: Reason.OVER, EXPIRED: Reason.OVER}
CANCEL_REASONS: Mapping[str, Reason] = {
    "order has sms": Reason.HAS_CODE,
    "you need to wait time": Reason.TOO_EARLY,
}
FINISH_REASONS: Mapping[str, Reason] = {"order no sms": Reason.UNSUPPORTED}
NO_REASONS: Mapping[str, Reason] = {}
RETRY_AFTER_S: Mapping[Reason, float] = {Reason.TOO_EARLY: WAIT_S, Reason.LIMITED: LIMIT_S}


class _Status(StrEnum):
    PENDING = "PENDING"
    RECEIVED = "RECEIVED"
    CANCELED = "CANCELED"
    TIMEOUT = "TIMEOUT"
    BANNED = "BANNED"
    FINISHED = "FINISHED"


STANDINGS: Mapping[_Status, Standing] = {
    _Status.PENDING: Standing.ACTIVE,
    _Status.RECEIVED: Standing.ACTIVE,
    _Status.CANCELED: Standing.CANCELLED,
    _Status.TIMEOUT: Standing.CANCELLED,
    _Status.BANNED: Standing.CANCELLED,
    _Status.FINISHED: Standing.FINISHED,
}


class _Sms(Struct):
    created_at: str = ""
    sender: str | None = None
    text: str | None = None
    code: str | int | None = None


class _Order(Struct):
    id: int | str
    status: _Status
    phone: str | int | None = None
    operator: str | None = None
    product: str | None = None
    country: str | None = None
    price: Decimal | None = None
    created_at: str | None = None
    expires: str | None = None
    sms: list[_Sms] | None = None


class _Orders(Struct):
    Data: list[_Order] | None = None


class _Profile(Struct):
    balance: Decimal


class _Price(Struct):
    cost: Decimal
    count: int | None = None


class _Country(Struct):
    text_en: str = ""


_Prices = dict[str, dict[str, dict[str, _Price]]]
_Countries = dict[str, _Country]


class FiveSim:
    """A supplier that speaks 5sim's protocol; its address ends with the version: https://5sim.example/v1.

    It cannot leave out prefixes, and holds the price limit only when it may choose the operator.
    """

    traits: ClassVar[Traits] = Traits(lists_held=True, watches_together=True)

    def __init__(self, line: Line, account: Account) -> None:
        self._line = line
        self._headers = {"Authorization": f"Bearer {account.key}", "Accept": "application/json"}

    async def rent(self, wanted: Wanted) -> Rented:
        """See the port. With several operators, the first is asked."""
        operator = ANY if not wanted.operators or ANY in wanted.operators else wanted.operators[0]
        words = (wanted.country, operator, wanted.service)
        if not all(is_word(word) for word in words):
            raise Refused(Reason.NOT_SOLD, "no words of this protocol")
        query = {"maxPrice": f"{wanted.cost_max:f}"} if operator == ANY else None
        answer = await self._ask(f"/user/buy/activation/{'/'.join(words)}", query, is_urgent=True)
        order: _Order = read_json(_good(answer, RENT_REASONS), _Order)
        return Rented(
            ref=read_ref(order.id),
            phone=read_phone(order.phone),
            cost=read_cost(order.price),
            operator=_word(order.operator),
            lease_s=_lease_s(order),
        )

    async def look(self, ref: str) -> Held:
        """See the port."""
        answer = await self._ask(f"/user/check/{ref}")
        held = _held(read_json(_good(answer, LOOK_REASONS), _Order))
        if held.ref != ref:
            raise OutcomeUnknown("the answer is about another order")
        return held

    async def held(self, refs: Sequence[str]) -> Sequence[Held]:
        """See the port. Also lists what is over. Without `refs` it reads back to where nothing can be active."""
        found: dict[str, Held] = {}
        newest: datetime | None = None
        for number in range(PAGES_MAX):
            orders = await self._page(number * PAGE)
            newest = newest or _made_at(orders)
            page = {held.ref: held for held in map(_held, orders)}
            found.update(page)
            if len(orders) < PAGE or _is_enough(refs, found, page) or _is_old(refs, orders, newest):
                break
        return list(found.values())

    async def _page(self, offset: int) -> list[_Order]:
        query = {
            "category": "activation", "order": "id", "reverse": "true",
            "limit": str(PAGE), "offset": str(offset),
        }  # fmt: skip
        answer = await self._ask("/user/orders", query, bytes_max=LIST_BYTES_MAX)
        orders: _Orders = read_json(_good(answer), _Orders)
        return orders.Data or []

    async def cancel(self, ref: str) -> None:
        """See the port."""
        standing = await self._end("cancel", ref, CANCEL_REASONS)
        if standing is Standing.FINISHED:
            raise Refused(Reason.HAS_CODE, "finished")
        if standing is Standing.ACTIVE:
            raise OutcomeUnknown("told to cancel, and still active")

    async def finish(self, ref: str) -> None:
        """See the port. Without a message it cannot be finished: Refused UNSUPPORTED, it ends by itself unpaid."""
        standing = await self._end("finish", ref, FINISH_REASONS)
        if standing is Standing.CANCELLED:
            raise Refused(Reason.OVER, "cancelled")
        if standing is Standing.ACTIVE:
            raise OutcomeUnknown("told to finish, and still active")

    async def _end(self, verb: str, ref: str, reasons: Mapping[str, Reason]) -> Standing:
        """Where the order stands afterwards. What was over before is looked at: it may have ended as we want it."""
        answer = await self._ask(f"/user/{verb}/{ref}")
        if _complaint(answer) in LOOK_REASONS:
            return (await self.look(ref)).standing
        return _held(read_json(_good(answer, reasons), _Order)).standing

    async def again(self, ref: str) -> None:
        """Nothing to ask: further messages come by themselves while the order lives."""

    async def balance(self) -> Decimal:
        """See the port."""
        profile: _Profile = read_json(_good(await self._ask("/user/profile")), _Profile)
        return read_balance(profile.balance)

    async def cells(self) -> Sequence[Cell]:
        """See the port. Every operator has its own price."""
        answer = await self._list("/guest/prices")
        # Hundreds of thousands of lines: others want to go on meanwhile.
        return await asyncio.to_thread(_cells, answer)

    async def names(self) -> tuple[Sequence[Named], Sequence[Named]]:
        """See the port. Products are called by their words."""
        countries: _Countries = read_json(await self._list("/guest/countries"), _Countries)
        cells = await self.cells()
        products = sorted({cell.service for cell in cells})
        return (
            [Named(word, read_text(each.text_en, 100) or word) for word, each in countries.items() if is_word(word)],
            [Named(word, word) for word in products],
        )  # fmt: skip

    async def _list(self, path: str) -> Answer:
        return _good(await self._ask(path, deadline_s=LIST_WITHIN_S, bytes_max=LIST_BYTES_MAX))

    async def _ask(
        self, path: str, query: Mapping[str, str] | None = None, *, is_urgent: bool = False,
        deadline_s: float | None = None, bytes_max: int = ANSWER_BYTES_MAX,
    ) -> Answer:  # fmt: skip
        return await self._line.ask(
            "GET", path, query=query, headers=self._headers, is_urgent=is_urgent,
            deadline_s=deadline_s, bytes_max=bytes_max,
        )  # fmt: skip


def _good(answer: Answer, reasons: Mapping[str, Reason] = NO_REASONS) -> Answer:
    """An answer that is neither a complaint nor a failure. Raises Refused for those reasons, and OutcomeUnknown."""
    complaint = _complaint(answer)
    reason = _reason(answer.status, complaint, reasons)
    if reason is not None:
        raise Refused(reason, complaint, retry_after_s=RETRY_AFTER_S.get(reason))
    if answer.status != HTTPStatus.OK:
        raise OutcomeUnknown(f"status {answer.status}: {complaint[:60]}")
    return answer


def _reason(status: int, complaint: str, reasons: Mapping[str, Reason]) -> Reason | None:
    match status:
        case 200 | 400 | 404:
            return reasons.get(complaint)
        case 401:
            return Reason.ACCOUNT
        case 429:
            return Reason.LIMITED
        case 503 if "limit is" in complaint:
            return Reason.LIMITED
    return None


def _complaint(answer: Answer) -> str:
    """The plain text that an error is; nothing when it is JSON."""
    body = answer.body[:200].strip()
    if body[:1] in {b"{", b"["}:
        return ""
    return body.decode("utf-8", "replace").strip('"\n ').lower()


def _held(order: _Order) -> Held:
    return Held(
        ref=read_ref(order.id),
        standing=STANDINGS[order.status],
        messages=[_news(sms) for sms in order.sms or ()],
        phone=maybe_phone(order.phone),
        country=_word(order.country),
        service=_word(order.product),
        operator=_word(order.operator),
        cost=read_cost(order.price),
    )


def _news(sms: _Sms) -> News:
    """A message has no name of its own; when it came and what it says is one."""
    name = f"{sms.created_at}\0{sms.text}\0{sms.code}".encode("utf-8", "replace")
    return News(
        key=hashlib.sha256(name).hexdigest()[:32],
        text=read_text(sms.text),
        code=read_code(sms.code),
        sender=read_text(sms.sender, SENDER_LENGTH_MAX),
    )


def _word(text: str | None) -> str | None:
    return text if text and is_word(text) else None


def _is_enough(refs: Sequence[str], found: Mapping[str, Held], page: Mapping[str, Held]) -> bool:
    """Whether all that we know has been seen and the page shows nothing active that we do not know."""
    if not refs or any(ref not in found for ref in refs):
        return False
    known = set(refs)
    return not any(held.standing is Standing.ACTIVE and held.ref not in known for held in page.values())


def _is_old(refs: Sequence[str], orders: Sequence[_Order], newest: datetime | None) -> bool:
    """Whether all of the page is over and none of it asked for, and what comes after it cannot be active.
    Where the supplier tells no times, the first half must do.
    """
    made_at = _instant(orders[-1].created_at)
    if made_at and newest and newest - made_at < LIVES_AT_MOST:
        return False
    return not any(STANDINGS[order.status] is Standing.ACTIVE or str(order.id) in refs for order in orders)


def _made_at(orders: Sequence[_Order]) -> datetime | None:
    return _instant(orders[0].created_at) if orders else None


def _lease_s(order: _Order) -> float | None:
    made_at, ends_at = _instant(order.created_at), _instant(order.expires)
    if made_at is None or ends_at is None:
        return None
    lease_s = (ends_at - made_at).total_seconds()
    return lease_s if 0 < lease_s <= LEASE_MAX_S else None


def _instant(text: str | None) -> datetime | None:
    """A time with its zone; the protocol writes nanoseconds."""
    try:
        made_at = msgspec.convert(text, datetime | None)
    except msgspec.ValidationError:
        return None
    return made_at if made_at and made_at.tzinfo else None


def _cells(answer: Answer) -> list[Cell]:
    prices: _Prices = read_json(answer, _Prices | None) or {}
    return [
        Cell(country, product, operator, cost, None if price.count is None else max(price.count, 0))
        for country, products in prices.items() if is_word(country)
        for product, operators in products.items() if is_word(product)
        for operator, price in operators.items() if is_word(operator)
        # A price of nothing is a hole in the list.
        if (cost := read_cost(price.cost))
    ]  # fmt: skip
