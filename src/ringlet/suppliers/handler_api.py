"""The handler API, classic dialect: one address, everything in the query string, answers in words with HTTP 200.

The supplier's URL is the whole address of its handler_api.php.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from ringlet.suppliers import handler_lists
from ringlet.suppliers.handler_words import TOO_EARLY_PAUSE_S, Heard, hear, refusal
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
from ringlet.suppliers.reading import read_cost, read_phone, read_ref
from ringlet.suppliers.wire import LIST_BYTES_MAX, Answer, Line

PAGE_ROWS = 100
PAGES_MAX = 1_000
LIST_DEADLINE_S = 60.0
LEASE_MAX_S = 30 * 86_400
#: Longer answers than this are read beside the event loop.
LONG_BYTES = 100_000

_CANCELLED = ("ACCESS_CANCEL", "STATUS_CANCEL", "ALREADY_CANCEL")
_FINISHED = ("ACCESS_ACTIVATION", "ACCESS_CANCEL", "ALREADY_FINISH")
_AGAIN = ("ACCESS_RETRY_GET", "NEW_OTP_RECEIVED")
#: Said of a rental in another state than ours: only its status tells which.
_ASK_STATUS = (
    "BAD_STATUS",
    "ACCESS_ACTIVATION",
    "ACCESS_READY",
    "NO_ACTIVATION",
    "WRONG_ACTIVATION_ID",
    "NOT_FOUND",
    "ACTIVATION_NOT_ACTIVE",
    "FREE_CANCELLATION_EXPIRED",
    "NEW_OTP_RECEIVED",
    "ALREADY_FINISH",
)


class HandlerApi:
    """A supplier that speaks it. Which of the newer actions it lacks is learned from its answers."""

    traits: ClassVar[Traits] = Traits(
        lists_held=True, watches_together=True, young_pause_s=2.0, old_pause_s=8.0, cancel_lock_s=0.0
    )

    def __init__(self, line: Line, account: Account) -> None:
        self._line = line
        self._key = account.key
        self._rent_action = "getNumberV2"
        self._status_action = "getStatusV2"

    async def rent(self, wanted: Wanted) -> Rented:
        """See Port. The cost comes with getNumberV2 only."""
        query = _rent_query(wanted)
        heard = await self._ask(self._rent_action, query, is_urgent=True)
        if heard.word == "BAD_ACTION" and self._rent_action != "getNumber":
            self._rent_action = "getNumber"
            heard = await self._ask("getNumber", query, is_urgent=True)
        if isinstance(heard.value, dict) and "activationId" in heard.value:
            return _rented(heard.value)
        if heard.word == "ACCESS_NUMBER":
            ref, _, phone = heard.rest.partition(":")
            return Rented(read_ref(ref), read_phone(phone))
        raise refusal(heard, Reason.NO_NUMBERS, Reason.NO_BALANCE, Reason.PRICE, Reason.NOT_SOLD)

    async def look(self, ref: str) -> Held:
        """See Port. The protocol tells the last message only."""
        heard = await self._ask(self._status_action, {"id": ref})
        if heard.word == "BAD_ACTION" and self._status_action != "getStatus":
            self._status_action = "getStatus"
            heard = await self._ask("getStatus", {"id": ref})
        return handler_lists.read_status(ref, heard)

    async def held(self, refs: Sequence[str]) -> Sequence[Held]:  # noqa: ARG002 - lists what is active only
        """See Port. Some suppliers give everything at once, others a hundred a page."""
        seen: dict[str, Held] = {}
        for page in range(PAGES_MAX):
            rows = await self._page(page * PAGE_ROWS)
            fresh = {row.ref: row for row in rows.held if row.ref not in seen}
            seen |= fresh
            if rows.count != PAGE_ROWS or not fresh:
                return list(seen.values())
        # Half a list would make the rest look as if it were over.
        raise OutcomeUnknown(f"more than {PAGES_MAX} pages of active rentals")

    async def _page(self, start: int) -> handler_lists.Rows:
        answer = await self._send(
            "getActiveActivations",
            {"start": str(start), "limit": str(PAGE_ROWS)},
            deadline_s=LIST_DEADLINE_S,
            bytes_max=LIST_BYTES_MAX,
        )
        if len(answer.body) < LONG_BYTES:
            return handler_lists.read_active(answer)
        return await asyncio.to_thread(handler_lists.read_active, answer)

    async def cancel(self, ref: str) -> None:
        """See Port."""
        heard = await self._say_cancel(ref)
        if heard.word in _CANCELLED:
            return
        if heard.word not in _ASK_STATUS:
            raise refusal(heard, Reason.TOO_EARLY, Reason.HAS_CODE)
        match await self._status_word(ref):
            case "STATUS_CANCEL":
                return
            case "STATUS_WAIT_CODE":
                raise Refused(Reason.TOO_EARLY, heard.word, retry_after_s=TOO_EARLY_PAUSE_S)
            case _:
                raise Refused(Reason.HAS_CODE, heard.word)

    async def finish(self, ref: str) -> None:
        """See Port."""
        heard = await self._say_finish(ref)
        if heard.word in _FINISHED:
            return
        if heard.word not in _ASK_STATUS:
            raise refusal(heard)
        match await self._status_word(ref):
            case "STATUS_OK":  # also of one that was finished before
                return
            case "STATUS_CANCEL":
                raise Refused(Reason.OVER, heard.word)
            case _:
                raise OutcomeUnknown("the supplier does not let go of a rental that still waits")

    async def again(self, ref: str) -> None:
        """See Port. Fine as well when the supplier is waiting already."""
        heard = await self._ask("setStatus", {"id": ref, "status": "3"}, is_urgent=True)
        if heard.word in _AGAIN:
            return
        if heard.word not in _ASK_STATUS:
            raise refusal(heard)
        if await self._status_word(ref) in ("STATUS_OK", "STATUS_CANCEL"):
            raise Refused(Reason.OVER, heard.word)

    async def balance(self) -> Decimal:
        """See Port."""
        heard = await self._ask("getBalance", {})
        if heard.word != "ACCESS_BALANCE":
            raise refusal(heard)
        owed = heard.rest.startswith("-")
        amount = read_cost(heard.rest.removeprefix("-"))
        if amount is None:
            raise OutcomeUnknown("the answer holds no balance")
        return -amount if owed else amount

    async def cells(self) -> Sequence[Cell]:
        """See Port. The list names no operators."""
        answer = await self._send("getPrices", {}, deadline_s=LIST_DEADLINE_S, bytes_max=LIST_BYTES_MAX)
        return await asyncio.to_thread(handler_lists.read_prices, answer)

    async def names(self) -> tuple[Sequence[Named], Sequence[Named]]:
        """See Port: its codes are the canonical ones."""
        return [], []

    async def _say_cancel(self, ref: str) -> Heard:
        return await self._ask("setStatus", {"id": ref, "status": "8"}, is_urgent=True)

    async def _say_finish(self, ref: str) -> Heard:
        return await self._ask("setStatus", {"id": ref, "status": "6"})

    async def _status_word(self, ref: str) -> str:
        """The plain status, which unlike getStatusV2 tells a code from a wait for the next. Refused: OVER."""
        heard = await self._ask("getStatus", {"id": ref})
        if not heard.word.startswith("STATUS_"):
            raise refusal(heard, Reason.OVER)
        return heard.word

    async def _ask(self, action: str, query: Mapping[str, str], *, is_urgent: bool = False) -> Heard:
        return hear(await self._send(action, query, is_urgent=is_urgent))

    async def _send(self, action: str, query: Mapping[str, str], **terms: Any) -> Answer:
        return await self._line.ask("GET", query={"api_key": self._key, "action": action, **query}, **terms)


def _rent_query(wanted: Wanted) -> dict[str, str]:
    query = {
        "service": wanted.service,
        "country": wanted.country,
        "maxPrice": format(wanted.cost_max, "f"),
        "orderId": wanted.reference,
    }
    if wanted.operators:
        query["operator"] = ",".join(wanted.operators)
    if wanted.excluded_prefixes:
        query["phoneException"] = ",".join(wanted.excluded_prefixes)
    return query


def _rented(value: Mapping[str, Any]) -> Rented:
    return Rented(
        read_ref(value["activationId"]),
        read_phone(value.get("phoneNumber")),
        cost=read_cost(value.get("activationCost")),
        operator=handler_lists.read_word(value.get("activationOperator")),
        lease_s=_span_s(value.get("activationTime"), value.get("activationEndTime")),
    )


def _span_s(since: object, until: object) -> float | None:
    """Seconds between two moments as the supplier writes them; None when it does not."""
    if not isinstance(since, str) or not isinstance(until, str):
        return None
    try:
        span_s = (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return span_s if 0 < span_s <= LEASE_MAX_S else None
