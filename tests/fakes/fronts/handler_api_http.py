"""The later handler API over the warehouse: refusals as statuses of HTTP, ends as 204."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.fronts import handler_api
from tests.fakes.fronts.handler_api import PATH, Query, stamp
from tests.fakes.warehouse import Allotment, Warehouse

STATUSES: Mapping[str, int] = {
    "BAD_KEY": 401, "NO_KEY": 401, "NO_BALANCE": 402, "SERVICE_NOT_AVAILABLE": 403, "CHANNELS_LIMIT": 403,
    "BAD_ACTION": 404, "NOT_FOUND": 404, "WRONG_MAX_PRICE": 400, "EARLY_CANCEL_DENIED": 409,
    "OTP_RECEIVED": 409, "ACTIVATION_NOT_ACTIVE": 409, "ORDER_ALREADY_EXISTS": 409, "BAD_STATUS": 400,
}  # fmt: skip


def routes(warehouse: Warehouse) -> list[web.RouteDef]:
    front = HttpFront(warehouse)
    return [web.get(PATH, front.answer), web.post(PATH, front.answer)]


class HttpFront(handler_api.Front):
    WORDS = handler_api.Front.WORDS | {
        "not_sold": "SERVICE_NOT_AVAILABLE",
        "over": "NOT_FOUND",
        "has_code": "OTP_RECEIVED",
        "not_active": "ACTIVATION_NOT_ACTIVE",
    }
    ACTIONS = (*handler_api.Front.ACTIONS, "finishActivation", "cancelActivation")

    def word(self, word: str, **more: Any) -> web.Response:
        if word == "NO_NUMBERS":
            return web.Response(text=word)
        info: dict[str, Any] = {}
        if "price" in more:
            info["min"] = float(more["price"])
        if "retry_after_s" in more:
            info["minActivationTime"] = self.warehouse.cancel_lock_s
        return web.json_response(
            {"title": word, "details": "It says so.", "info": info}, status=STATUSES[word]
        )

    def rented(self, allotment: Allotment) -> dict[str, Any]:
        return super().rented(allotment) | {
            "activationEndTime": stamp(allotment.created_at + self.warehouse.lease_s),
            "verificationType": "sms",
            "serviceCode": allotment.service,
        }

    def status(self, allotment: Allotment) -> dict[str, Any]:
        last = allotment.messages[-1] if allotment.messages else None
        told = last and {
            "id": last.id, "phoneFrom": last.sender, "code": last.code, "text": last.text,
            "service": allotment.service, "date": stamp(last.at), "type": "sms",
        }  # fmt: skip
        return {"verificationType": "sms", "data": told}

    def active(self, rows: list[dict[str, Any]]) -> web.Response:
        return web.json_response({"status": "success", "data": rows})

    def finishActivation(self, query: Query) -> web.Response:  # noqa: N802
        self.finish(query.get("id", ""))
        return web.Response(status=204)

    def cancelActivation(self, query: Query) -> web.Response:  # noqa: N802
        self.cancel(query.get("id", ""))
        return web.Response(status=204)
