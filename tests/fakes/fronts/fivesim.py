"""5sim's REST protocol in front of a warehouse: plain text for errors, the history for a list."""

import itertools
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.supplier import FAULT, KEY
from tests.fakes.warehouse import Allotment, No, Sms, Warehouse

encode = msgspec.json.Encoder(decimal_format="number").encode

ERRORS = {
    "no_balance": "not enough user balance",
    "not_sold": "no product",
    "over": "order not found",
    "has_code": "order has sms",
    "too_early": "you need to wait time",
}
#: the prices' own guests need no key
GUEST = "/v1/guest/"


class Front:
    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    async def buy(self, request: web.Request) -> web.Response:
        self.warehouse.count("buy")
        country, operator, product = (request.match_info[name] for name in ("country", "operator", "product"))
        cost_max = request.query.get("maxPrice")
        if cost_max is not None and operator != "any":
            return complaint("maxPrice needs any operator")
        try:
            allotment = self.warehouse.rent(
                country, product, operators=(operator,), cost_max=Decimal(cost_max) if cost_max else None
            )
        except No as no:
            if no.reason in {"no_numbers", "price"}:
                return web.Response(text="no free phones")
            return complaint(ERRORS[no.reason])
        request[FAULT] = allotment.fault
        return reply(self.order(allotment))

    async def check(self, request: web.Request) -> web.Response:
        self.warehouse.count("check")
        return reply(self.order(self.warehouse.get(request.match_info["id"])))

    async def cancel(self, request: web.Request) -> web.Response:
        self.warehouse.count("cancel")
        allotment = self.open(request)
        self.warehouse.cancel(allotment.ref)
        return reply(self.order(allotment))

    async def finish(self, request: web.Request) -> web.Response:
        self.warehouse.count("finish")
        allotment = self.open(request)
        if not allotment.messages:
            return complaint("order no sms")
        self.warehouse.finish(allotment.ref)
        return reply(self.order(allotment))

    def open(self, request: web.Request) -> Allotment:
        allotment = self.warehouse.get(request.match_info["id"])
        if allotment.standing != "active":
            raise Expired
        return allotment

    async def orders(self, request: web.Request) -> web.Response:
        self.warehouse.count("orders")
        self.warehouse.expire()
        query = request.query
        assert query["category"] == "activation"
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 15))
        rows = self.warehouse.allotments.values()
        in_order = reversed(rows) if query.get("reverse") == "true" else iter(rows)
        page = itertools.islice(in_order, offset, offset + limit)
        return reply({"Data": [self.order(each) for each in page], "ProductNames": [], "Statuses": [],
                      "Total": len(rows)})  # fmt: skip

    async def profile(self, _: web.Request) -> web.Response:
        self.warehouse.count("profile")
        return reply({"id": 1, "email": "o@example.com", "balance": self.warehouse.balance, "rating": 96})

    async def prices(self, _: web.Request) -> web.Response:
        self.warehouse.count("prices")
        table: dict[str, dict[str, dict[str, Any]]] = {}
        for (country, product, operator), cell in self.warehouse.cells.items():
            line = {"cost": cell.cost, "count": cell.available}
            table.setdefault(country, {}).setdefault(product, {})[operator] = line
        return reply(table or None)

    async def countries(self, _: web.Request) -> web.Response:
        self.warehouse.count("countries")
        words = sorted({country for country, _, _ in self.warehouse.cells})
        return reply({
            word: {"iso": {word[:2]: 1}, "prefix": {"+62": 1}, "text_en": word.title(), "text_ru": word}
            for word in words
        })  # fmt: skip

    def order(self, allotment: Allotment) -> dict[str, Any]:
        return {
            "id": int(allotment.ref),
            "phone": f"+{allotment.phone}",
            "operator": allotment.operator,
            "product": allotment.service,
            "price": allotment.cost,
            "status": self.status(allotment),
            "expires": instant(allotment.created_at + self.warehouse.lease_s),
            "sms": [sms(each) for each in allotment.messages] or None,
            "created_at": instant(allotment.created_at),
            "forwarding": False,
            "forwarding_number": "",
            "country": allotment.country,
        }

    def status(self, allotment: Allotment) -> str:
        if allotment.standing == "active":
            return "RECEIVED" if allotment.messages else "PENDING"
        if allotment.standing == "finished":
            return "FINISHED"
        is_late = time.time() > allotment.created_at + self.warehouse.lease_s
        return "TIMEOUT" if is_late else "CANCELED"


class Expired(Exception):  # noqa: N818 - an answer, not an error
    """The order is over already."""


def sms(message: Sms) -> dict[str, Any]:
    return {
        "created_at": instant(message.at),
        "date": instant(message.at),
        "sender": message.sender,
        "text": message.text,
        "code": message.code or "",
    }


def instant(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def reply(body: object) -> web.Response:
    return web.Response(body=encode(body), content_type="application/json")


def complaint(text: str, status: int = 400) -> web.Response:
    return web.Response(text=text, status=status)


def routes(warehouse: Warehouse) -> list[web.RouteDef]:
    front = Front(warehouse)

    def guarded(handler: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            is_known = request.headers.get("Authorization") == f"Bearer {KEY}"
            if not is_known and not request.path.startswith(GUEST):
                return complaint("unauthorized", 401)
            try:
                answer: web.Response = await handler(request)
            except No as no:
                return complaint(ERRORS[no.reason])
            except Expired:
                return complaint("order expired")
            return answer

        return handle

    paths = {
        "/user/buy/activation/{country}/{operator}/{product}": front.buy,
        "/user/check/{id}": front.check,
        "/user/cancel/{id}": front.cancel,
        "/user/finish/{id}": front.finish,
        "/user/orders": front.orders,
        "/user/profile": front.profile,
        "/guest/prices": front.prices,
        "/guest/countries": front.countries,
    }
    return [web.get(f"/v1{path}", guarded(handler)) for path, handler in paths.items()]
