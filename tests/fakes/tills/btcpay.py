"""BTCPay Server's Greenfield API in front of a till: one store whose payers send Bitcoin.

As the server does, it keeps what came too late or too little under `Expired`, and tells nobody of refunds.
"""

import hashlib
import hmac
import time
from decimal import ROUND_UP, Decimal
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.till import Payment, Till

STORE = "9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776"
KEY = "b1946ac92492d2347c6235b4d2611184a5f1e9c8"
SECRET = "3PzfHTvBxE2Kd"
#: divides cents, so that the till's amounts are whole satoshis
RATE = Decimal(50_000)
SATOSHI = Decimal("0.00000001")
MONITORED_S = 24 * 3600

encode = msgspec.json.Encoder().encode


def config(url: str) -> dict[str, str]:
    """What the operator enters."""
    return {"url": url, "store_id": STORE, "api_key": KEY, "webhook_secret": SECRET}


def routes(till: Till) -> list[web.RouteDef]:
    """What the server offers to whoever may see and create invoices of the store."""
    front = Front(till)
    return [
        web.get("/api/v1/stores/{store}", front.store),
        web.get("/api/v1/stores/{store}/invoices", front.list_),
        web.post("/api/v1/stores/{store}/invoices", front.create),
        web.get("/api/v1/stores/{store}/invoices/{id}", front.invoice),
        web.get("/api/v1/stores/{store}/invoices/{id}/payment-methods", front.methods),
    ]


def notice(till: Till, payment: Payment, event_id: str) -> tuple[dict[str, str], bytes]:
    """What the store's webhook says of the present state."""
    body = encode(_event(payment, event_id))
    return signed(body, SECRET), body


def redelivery(till: Till, payment: Payment, original_id: str, event_id: str) -> tuple[dict[str, str], bytes]:
    """The same again, after the first was not heard."""
    body = encode({**_event(payment, event_id), "originalDeliveryId": original_id, "isRedelivery": True})
    return signed(body, SECRET), body


def forged(till: Till, payment: Payment) -> list[tuple[dict[str, str], bytes]]:
    """Unsigned, of another key, of another body, by another digest, and with half a signature."""
    headers, body = notice(till, payment, "forged")
    signature = headers["BTCPay-Sig"]
    sha1 = hmac.new(SECRET.encode(), body, "sha1").hexdigest()
    return [
        ({}, body),
        ({"BTCPay-Sig": ""}, body),
        (signed(body, "another"), body),
        (signed(body, ""), body),
        (headers, body.replace(b"Invoice", b"invoice", 1)),
        (headers, body + b" "),
        ({"BTCPay-Sig": f"sha1={sha1}"}, body),
        ({"BTCPay-Sig": signature.removeprefix("sha256=")}, body),
        ({"BTCPay-Sig": signature[:-2]}, body),
        ({"BTCPay-Sig": "sha256="}, body),
        ({"BTCPay-Sig": "sha256=é"}, body),
    ]


def signed(body: bytes, secret: str) -> dict[str, str]:
    """The headers of a delivery."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"BTCPay-Sig": f"sha256={digest}", "Content-Type": "application/json"}


STATUSES = {
    "open": ("New", "None"),
    "processing": ("Processing", "None"),
    "failed": ("Invalid", "None"),
    "expired": ("Expired", "None"),
}


def status(payment: Payment) -> tuple[str, str]:
    """The invoice's status, and why it is so."""
    if payment.state != "settled":
        return STATUSES[payment.state]
    if payment.is_late:
        return "Expired", "PaidLate"
    if payment.settled < payment.amount:
        return "Expired", "PaidPartial"
    return "Settled", "PaidOver" if payment.settled > payment.amount else "None"


def _event(payment: Payment, event_id: str) -> dict[str, Any]:
    word = {"New": "Created"}.get(status(payment)[0], status(payment)[0])
    return {
        "deliveryId": event_id, "webhookId": "Q8oUSCVUbxV5LrBmz5aCqF", "originalDeliveryId": event_id,
        "isRedelivery": False, "type": f"Invoice{word}", "timestamp": int(time.time()), "storeId": STORE,
        "invoiceId": payment.id, "metadata": {"orderId": payment.reference},
    }  # fmt: skip


def _is_watched(payment: Payment) -> bool:
    """What is over is looked at no more, but for those who pay too late."""
    return payment.state != "expired" or payment.plan == "late"


def _problem(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)


class Front:
    def __init__(self, till: Till) -> None:
        self.till = till

    def refused(self, request: web.Request) -> web.Response | None:
        """Whoever has no key, or one of another store."""
        if request.headers.get("Authorization") != f"token {KEY}":
            return _problem(401, "unauthenticated", "Authentication is required for accessing this endpoint")
        if request.match_info["store"] != STORE:
            return _problem(403, "missing-permission", "Insufficient API Permissions")
        return None

    async def store(self, request: web.Request) -> web.Response:
        return self.refused(request) or web.json_response({"id": STORE, "name": "Ringlet's store"})

    async def list_(self, request: web.Request) -> web.Response:
        if (no := self.refused(request)) is not None:
            return no
        query = request.query
        since, until = float(query.get("startDate", 0)), float(query.get("endDate", "inf"))
        skip, take = int(query.get("skip", 0)), int(query.get("take", 1_000_000))
        orders = query.getall("orderId", [])
        found = [
            each for each in reversed(self.till.payments.values())
            if since <= each.created_at <= until and (not orders or each.reference in orders)
        ]  # fmt: skip
        return web.json_response([self.shown(each) for each in found[skip : skip + take]])

    async def create(self, request: web.Request) -> web.Response:
        if (no := self.refused(request)) is not None:
            return no
        body = await request.json()
        checkout = body["checkout"]
        if not isinstance(body["amount"], str) or Decimal(body["amount"]) <= 0:
            return web.json_response(
                [{"path": "amount", "message": "The amount should be 0 or more."}], status=422
            )
        if checkout["expirationMinutes"] < 0.5:
            return web.json_response([{"path": "checkout", "message": "at least 30 seconds"}], status=422)
        if body["currency"] not in {"USD", "EUR"}:
            return _problem(400, "generic-error", f"Rate of BTC_{body['currency']} is unknown")
        made = self.till.make(
            body["metadata"]["orderId"], Decimal(body["amount"]), body["currency"],
            return_url=checkout["redirectURL"], lives_s=checkout["expirationMinutes"] * 60,
        )  # fmt: skip
        if made.plan == "takes_back":
            made.plan = "exact"  # refunds are made elsewhere, and nobody is told
        return web.json_response(self.shown(made))

    async def invoice(self, request: web.Request) -> web.Response:
        return self.about(request, self.shown)

    async def methods(self, request: web.Request) -> web.Response:
        return self.about(request, self.paid)

    def about(self, request: web.Request, tell: Any) -> web.Response:
        if (no := self.refused(request)) is not None:
            return no
        found = self.till.payments.get(request.match_info["id"])
        if found is None:
            return _problem(404, "invoice-not-found", "The invoice was not found")
        return web.json_response(tell(found))

    def shown(self, payment: Payment) -> dict[str, Any]:
        word, why = status(payment)
        ends = payment.created_at + payment.extras.get("lives_s", 900)
        return {
            "id": payment.id, "storeId": STORE, "amount": str(payment.amount), "paidAmount": str(payment.settled),
            "currency": payment.currency, "type": "Standard", "checkoutLink": f"{self.till.url}/i/{payment.id}",
            "createdTime": int(payment.created_at), "expirationTime": int(ends),
            "monitoringExpiration": int(ends + MONITORED_S) if _is_watched(payment) else int(payment.created_at), "status": word, "additionalStatus": why,
            "archived": False, "metadata": {"orderId": payment.reference},
        }  # fmt: skip

    def paid(self, payment: Payment) -> list[dict[str, Any]]:
        coins = (payment.settled / RATE).quantize(SATOSHI, rounding=ROUND_UP)
        word = {"settled": "Settled", "processing": "Processing"}.get(payment.state, "Invalid")
        received = {"id": f"{payment.id}-0", "receivedDate": int(time.time()), "value": f"{coins:f}", "fee": "0.0",
                    "status": word, "destination": "bcrt1qexample"}  # fmt: skip
        return [
            {"paymentMethodId": "BTC-CHAIN", "currency": "BTC", "rate": str(RATE), "totalPaid": f"{coins:f}",
             "paymentMethodPaid": f"{coins:f}", "activated": True, "payments": [received] if coins else []},
            {"paymentMethodId": "BTC-LN", "currency": "BTC", "rate": str(RATE), "totalPaid": f"{coins:f}",
             "paymentMethodPaid": "0", "activated": False, "payments": []},
        ]  # fmt: skip
