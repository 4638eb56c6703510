"""Our own REST API in front of a warehouse: a small imitation of what another installation answers."""

import json
import math
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.supplier import FAULT, KEY
from tests.fakes.warehouse import Allotment, No, Sms, Warehouse

encode = msgspec.json.Encoder(decimal_format="number").encode

#: state → status number, message, word of the status answer
STATES = {
    "waiting": (1, "Waiting Sms", "waiting"),
    "received": (2, "Sms Received", "completed"),
    "finished": (6, "Completed", "completed"),
    "cancelled": (8, "Cancelled", "cancelled"),
    "expired": (10, "Expired", "expired"),
}
ACTIVE = ("waiting", "received")
FAILURES = {
    "no_numbers": (409, "no_numbers"),
    "price": (409, "max_price_exceeded"),
    "no_balance": (402, "insufficient_balance"),
    "not_sold": (404, "not_found"),
    "over": (404, "not_found"),
    "has_code": (409, "cancel_rejected"),
    "too_early": (409, "cancel_rejected"),
}


class Front:
    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        #: Idempotency-Key → the body and the allotment
        self.done: dict[str, tuple[bytes, str]] = {}

    async def buy(self, request: web.Request) -> web.Response:
        self.warehouse.count("buy")
        key, raw = request.headers.get("Idempotency-Key", ""), await request.read()
        if key in self.done:
            before, ref = self.done[key]
            if before != raw:
                return failure(422, "idempotency_mismatch")
            return self.bought(self.warehouse.get(ref))
        body = json.loads(raw, parse_float=Decimal)
        assert isinstance(body["country"], int)
        allotment = self.warehouse.rent(
            str(body["country"]), body["service"],
            operators=tuple(filter(None, body.get("operator", "").split(","))),
            excluded=tuple(body.get("exclude_prefixes") or ()),
            cost_max=None if "max_price" not in body else Decimal(body["max_price"]),
            reference=body.get("reference"),
        )  # fmt: skip
        if key:
            self.done[key] = (raw, allotment.ref)
        request[FAULT] = allotment.fault
        return self.bought(allotment)

    def bought(self, allotment: Allotment) -> web.Response:
        return reply({
            "success": True,
            "activation": self.activation(allotment),
            "order": {"id": allotment.ref, "reference": allotment.reference},
            "transaction": {"id": 1},
        })  # fmt: skip

    async def status(self, request: web.Request) -> web.Response:
        self.warehouse.count("status")
        allotment = self.warehouse.get(request.match_info["id"])
        activation = self.activation(allotment)
        return reply({
            "success": True,
            "status": STATES[activation["state"]][2],
            "code": activation["code"],
            "activation": activation,
            "resend_price": None,
        })  # fmt: skip

    async def cancel(self, request: web.Request) -> web.Response:
        self.warehouse.count("cancel")
        ref = (await request.json())["activation_id"]
        if self.warehouse.get(ref).standing != "active":
            return failure(409, "cancel_rejected")
        self.warehouse.cancel(ref)
        return reply({"success": True, "code": "cancel_accepted", "message": "Cancellation accepted"})

    async def activations(self, request: web.Request) -> web.Response:
        self.warehouse.count("activations")
        query = request.query
        per_page, before = int(query.get("per_page", 25)), int(query.get("cursor", 10**18))
        status = query.get("status")
        wanted = [
            each
            for each in reversed(self.warehouse.allotments.values())
            if status in {None, self.state(each)}
        ]
        page = [self.activation(each) for each in wanted if int(each.ref) < before][:per_page]
        meta = {
            "page": 1, "per_page": per_page, "total": len(wanted),
            "last_page": math.ceil(len(wanted) / per_page),
            "next_cursor": str(page[-1]["id"]) if len(page) == per_page else None,
            "total_is_exact": True,
        }  # fmt: skip
        return reply({"success": True, "data": page, "meta": meta})

    async def balance(self, _: web.Request) -> web.Response:
        self.warehouse.count("balance")
        return reply({"success": True, "balance": self.warehouse.balance, "held": 0, "currency": "USD"})

    async def prices(self, _: web.Request) -> web.Response:
        self.warehouse.count("prices")
        table: dict[str, dict[str, Any]] = {}
        for (country, service, _operator), cell in self.warehouse.cells.items():
            line = table.setdefault(country, {}).setdefault(
                service, {"base_price": cell.cost / 2, "sell_price": cell.cost, "available": 0}
            )
            line["available"] += cell.available
        return reply({"success": True, "prices": table})

    def activation(self, allotment: Allotment) -> dict[str, Any]:
        state = self.state(allotment)
        number, msg, _ = STATES[state]
        codes = [message.code for message in allotment.messages if message.code]
        made_at = datetime.fromtimestamp(allotment.created_at, UTC)
        ends_at = datetime.fromtimestamp(allotment.created_at + self.warehouse.lease_s, UTC)
        return {
            "id": int(allotment.ref),
            "phone": allotment.phone,
            "activation_id": allotment.ref,
            "msg": msg,
            "date_created": f"{made_at:%Y-%m-%d %H:%M:%S}",
            "amount_paid": allotment.cost,
            "status": number,
            "state": state,
            "service": allotment.service,
            "country": int(allotment.country),
            "operator": allotment.operator,
            "code": codes[0] if codes else None,
            "messages": [sms(message) for message in allotment.messages],
            "expires_at": ends_at.isoformat().replace("+00:00", "Z"),
            "reference": allotment.reference,
            "resent_from": None,
            **({"refunded": True} if state in {"cancelled", "expired"} else {}),
        }

    def state(self, allotment: Allotment) -> str:
        if allotment.standing == "active":
            return "received" if allotment.messages else "waiting"
        if allotment.standing == "finished":
            return "finished"
        is_late = time.time() > allotment.created_at + self.warehouse.lease_s
        return "expired" if is_late else "cancelled"


def sms(message: Sms) -> dict[str, Any]:
    at = datetime.fromtimestamp(message.at, UTC).isoformat().replace("+00:00", "Z")
    return {
        "id": message.id, "sender": message.sender, "text": message.text, "code": message.code, "received_at": at,
    }  # fmt: skip


def reply(body: object, status: int = 200) -> web.Response:
    raw = encode(body)
    return web.Response(body=raw, status=status, content_type="application/json")


def failure(status: int, code: str, **more: object) -> web.Response:
    body = {"success": False, "code": code, "message": f"Refused: {code}", "request_id": "r1", **more}
    return reply(body, status)


def spelled(no: No) -> web.Response:
    """A refusal of the warehouse as the API spells it."""
    more: dict[str, object] = {}
    if no.reason == "price":
        more["min_price"] = no.more["price"]
    if no.reason == "too_early":
        more["retry_after"] = math.ceil(no.more["retry_after_s"])
    return failure(*FAILURES[no.reason], **more)


def routes(warehouse: Warehouse) -> list[web.RouteDef]:
    front = Front(warehouse)

    def guarded(handler: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {KEY}":
                return failure(401, "unauthorized")
            try:
                answer: web.Response = await handler(request)
            except No as no:
                return spelled(no)
            return answer

        return handle

    return [
        web.post("/api/v1/resell/virtual/buy", guarded(front.buy)),
        web.post("/api/v1/resell/virtual/cancel", guarded(front.cancel)),
        web.get("/api/v1/resell/virtual/{id}/status", guarded(front.status)),
        web.get("/api/v1/resell/activations", guarded(front.activations)),
        web.get("/api/v1/balance", guarded(front.balance)),
        web.get("/api/v1/prices", guarded(front.prices)),
    ]
