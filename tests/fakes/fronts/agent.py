"""An owner of SIM cards who speaks the agent protocol: one address for everything, and messages pushed by himself."""

import asyncio
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from tests.fakes.supplier import FAULT, KEY
from tests.fakes.warehouse import No, Warehouse

SOLD, CANCELLED = 3, 4
PUSH_EVERY_S = 1.0


class Front:
    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    async def answer(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read())
        self.warehouse.count(body["action"])
        if body.get("key") != KEY:
            return reply({"status": "ERROR", "error": "wrong key"})
        if not request.headers.get("User-Agent"):
            return reply({"status": "ERROR", "error": "User-Agent is required"})
        match body["action"]:
            case "GET_SERVICES":
                return reply(self.services())
            case "GET_NUMBER":
                return reply(self.number(request, body))
            case "FINISH_ACTIVATION":
                return reply(self.finish(body))
        return reply({"status": "ERROR", "error": "unknown action"})

    def services(self) -> dict[str, Any]:
        countries: dict[str, dict[str, dict[str, int]]] = {}
        for (country, service, operator), cell in self.warehouse.cells.items():
            countries.setdefault(country, {}).setdefault(operator, {})[service] = cell.available
        return {
            "status": "SUCCESS",
            "countryList": [{"country": word, "operatorMap": each} for word, each in countries.items()],
        }

    def number(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        try:
            allotment = self.warehouse.rent(
                str(body["country"]), body["service"],
                operators=(body["operator"],),
                excluded=tuple(body["exceptionPhoneSet"]),
                cost_max=Decimal(str(body["sum"])),
            )  # fmt: skip
        except No as no:
            if no.reason in {"no_numbers", "price"}:
                return {"status": "NO_NUMBERS"}
            return {"status": "ERROR", "error": no.reason}
        request[FAULT] = allotment.fault
        return {"status": "SUCCESS", "number": int(allotment.phone), "activationId": int(allotment.ref)}

    def finish(self, body: dict[str, Any]) -> dict[str, Any]:
        """Always a success for what it knows: the marketplace may repeat itself."""
        assert isinstance(body["activationId"], int)
        allotment = self.warehouse.allotments.get(str(body["activationId"]))
        if allotment is None:
            return {"status": "ERROR", "error": "no such activation"}
        if allotment.standing == "active" and body["status"] == CANCELLED:
            self.warehouse._return(allotment)
        elif allotment.standing == "active" and body["status"] == SOLD:
            allotment.standing = "finished"
        return {"status": "SUCCESS"}


async def background(warehouse: Warehouse) -> None:
    """Push every message of every allotment until the marketplace has it, to wherever the warehouse is told to."""
    taken: set[int] = set()
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "agent/1"}) as session:
        while True:
            if warehouse.push_url is not None:
                for body in [each for each in pushes(warehouse) if each["smsId"] not in taken]:
                    if await push(session, warehouse.push_url, body):
                        taken.add(body["smsId"])
            await asyncio.sleep(PUSH_EVERY_S)


def pushes(warehouse: Warehouse) -> list[dict[str, Any]]:
    return [
        {
            "action": "PUSH_SMS", "key": warehouse.push_key, "smsId": message.id,
            "phone": int(allotment.phone), "phoneFrom": message.sender, "text": message.text,
        }
        for allotment in warehouse.allotments.values() for message in allotment.messages
    ]  # fmt: skip


async def push(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> bool:
    try:
        async with session.post(url, json=body) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return isinstance(answer, dict) and answer.get("status") == "SUCCESS"


def reply(body: dict[str, Any]) -> web.Response:
    return web.json_response(body)


def routes(warehouse: Warehouse) -> list[web.RouteDef]:
    return [web.post("/agent", Front(warehouse).answer)]
