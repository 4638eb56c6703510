"""The classic handler API over the warehouse: words with HTTP 200, JSON for what is longer."""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from tests.fakes.supplier import FAULT, KEY
from tests.fakes.warehouse import Allotment, No, Warehouse

PATH = "/stubs/handler_api.php"
Query = Mapping[str, str]


def routes(warehouse: Warehouse) -> list[web.RouteDef]:
    front = Front(warehouse)
    return [web.get(PATH, front.answer), web.post(PATH, front.answer)]


class Front:
    """Actions are methods of their own name; unknown parameters are ignored."""

    WORDS: Mapping[str, str] = {
        "no_numbers": "NO_NUMBERS",
        "no_balance": "NO_BALANCE",
        "not_sold": "BAD_SERVICE",
        "price": "WRONG_MAX_PRICE",
        "over": "NO_ACTIVATION",
        "too_early": "EARLY_CANCEL_DENIED",
        "has_code": "BAD_STATUS",
        "limited": "CHANNELS_LIMIT",
        "not_active": "BAD_STATUS",
    }
    ACTIONS = (
        "getBalance", "getNumber", "getNumberV2", "getStatus", "getStatusV2", "setStatus",
        "getActiveActivations", "getPrices",
    )  # fmt: skip

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.orders: set[str] = set()

    async def answer(self, request: web.Request) -> web.Response:
        query = request.query
        action = query.get("action", "")
        self.warehouse.count(action)
        if query.get("api_key") != KEY:
            return self.word("BAD_KEY" if query.get("api_key") else "NO_KEY")
        if action not in self.ACTIONS:
            return self.word("BAD_ACTION")
        try:
            if action.startswith("getNumber"):
                return self._rent(request, action)
            act: Callable[[Query], web.Response] = getattr(self, action)
            return act(query)
        except No as no:
            return self.no(no)

    def word(self, word: str, **more: Any) -> web.Response:
        """A refusal by its word; the other dialect dresses it."""
        return web.Response(text=f"{word}:{more['price']}" if "price" in more else word)

    def no(self, no: No) -> web.Response:
        return self.word(self.WORDS[no.reason], **no.more)

    def _rent(self, request: web.Request, action: str) -> web.Response:
        query = request.query
        order = query.get("orderId")
        if order in self.orders:
            return self.word("ORDER_ALREADY_EXISTS")
        allotment = self.warehouse.rent(
            query.get("country", ""),
            query.get("service", ""),
            operators=_many(query.get("operator")),
            excluded=_many(query.get("phoneException")),
            cost_max=Decimal(query["maxPrice"]) if "maxPrice" in query else None,
            reference=order,
        )
        if order:
            self.orders.add(order)
        request[FAULT] = allotment.fault
        if action == "getNumber":
            return web.Response(text=f"ACCESS_NUMBER:{allotment.ref}:{allotment.phone}")
        return web.json_response(self.rented(allotment))

    def rented(self, allotment: Allotment) -> dict[str, Any]:
        return {
            "activationId": int(allotment.ref),
            "phoneNumber": allotment.phone,
            "activationCost": float(allotment.cost),
            "currency": 840,
            "countryCode": allotment.country,
            "canGetAnotherSms": "1",
            "activationTime": stamp(allotment.created_at),
            "activationOperator": allotment.operator,
        }

    def getBalance(self, query: Query) -> web.Response:  # noqa: ARG002, N802
        return web.Response(text=f"ACCESS_BALANCE:{self.warehouse.balance:.2f}")

    def getStatus(self, query: Query) -> web.Response:  # noqa: N802
        return web.Response(text=status_of(self.warehouse.get(query.get("id", ""))))

    def getStatusV2(self, query: Query) -> web.Response:  # noqa: N802
        allotment = self.warehouse.get(query.get("id", ""))
        if allotment.standing == "cancelled":
            return web.Response(text="STATUS_CANCEL")
        return web.json_response(self.status(allotment))

    def status(self, allotment: Allotment) -> dict[str, Any]:
        last = allotment.messages[-1] if allotment.messages else None
        sms = last and {"dateTime": stamp(last.at), "code": last.code, "text": last.text}
        return {"verificationType": 0, "sms": sms, "call": None}

    def setStatus(self, query: Query) -> web.Response:  # noqa: N802
        ref = query.get("id", "")
        match query.get("status"):
            case "1":
                self.warehouse.get(ref)
                return web.Response(text="ACCESS_READY")
            case "3":
                self.warehouse.again(ref)
                return web.Response(text="ACCESS_RETRY_GET")
            case "6":
                return web.Response(
                    text="ACCESS_CANCEL" if self.finish(ref).standing == "cancelled" else "ACCESS_ACTIVATION"
                )
            case "8" | "-1":
                self.cancel(ref)
                return web.Response(text="ACCESS_CANCEL")
        return self.word("BAD_STATUS")

    def finish(self, ref: str) -> Allotment:
        allotment = self.warehouse.get(ref)
        if allotment.standing == "cancelled":
            raise No("not_active")
        self.warehouse.finish(ref)
        return allotment

    def cancel(self, ref: str) -> None:
        if self.warehouse.get(ref).standing == "cancelled":
            raise No("not_active")
        self.warehouse.cancel(ref)

    def getActiveActivations(self, query: Query) -> web.Response:  # noqa: N802
        active = self.warehouse.active()
        start = int(query.get("start") or 0)
        end = start + min(int(query["limit"]), 100) if "limit" in query else None
        return self.active([row_of(allotment) for allotment in active[start:end]])

    def active(self, rows: list[dict[str, Any]]) -> web.Response:
        if not rows:
            return web.json_response({"status": "error", "error": "NO_ACTIVATIONS"})
        return web.json_response({"status": "success", "activeActivations": rows})

    def getPrices(self, query: Query) -> web.Response:  # noqa: N802
        """Operators are added up: the cheapest price, all the numbers."""
        prices: dict[str, dict[str, dict[str, Any]]] = {}
        for (country, service, _), cell in self.warehouse.cells.items():
            if query.get("country", country) == country and query.get("service", service) == service:
                known = prices.setdefault(country, {}).setdefault(
                    service, {"cost": float(cell.cost), "count": 0, "physicalCount": 0}
                )
                known["cost"] = min(known["cost"], float(cell.cost))
                known["count"] += cell.available * 2
                known["physicalCount"] += cell.available
        return web.json_response(prices)


def row_of(allotment: Allotment) -> dict[str, Any]:
    last = allotment.messages[-1] if allotment.messages else None
    return {
        "activationId": allotment.ref,
        "serviceCode": allotment.service,
        "phoneNumber": allotment.phone,
        "activationCost": float(allotment.cost),
        "activationStatus": "4" if last is None else "3" if allotment.is_waiting_again else "2",
        "smsCode": last and last.code,
        "smsText": last and last.text,
        "activationTime": stamp(allotment.created_at),
        "discount": "0.00",
        "repeated": "0",
        "countryCode": allotment.country,
        "countryName": allotment.country,
        "canGetAnotherSms": "1",
        "currency": 840,
    }


def status_of(allotment: Allotment) -> str:
    """The word of getStatus. Without a code the whole text stands for it."""
    if allotment.standing == "cancelled":
        return "STATUS_CANCEL"
    if not allotment.messages:
        return "STATUS_WAIT_CODE"
    last = allotment.messages[-1]
    word = "STATUS_WAIT_RETRY" if allotment.is_waiting_again else "STATUS_OK"
    return f"{word}:{last.code or last.text}"


def stamp(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _many(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
