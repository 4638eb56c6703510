"""PayPal's Orders API (version 2), its webhooks and its disputes, in front of a till.

A payer of the till's has approved an order and no more: its money is there when somebody has captured it. The process
that speaks signs with a certificate of `paypal_keys`, at the address where PayPal keeps its own.
"""

import base64
import time
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from tests.fakes.till import No, Payment, Till
from tests.fakes.tills import paypal_keys

CLIENT = "AZ0123456789-client"
SECRET = "EK0123456789-secret"
BASIC = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
WEBHOOK = "0EH40505U7160970P"
CERTIFICATE = "/v1/notifications/certs/CERT-360caa42-fca2a594-0f47c2d4"
TOKEN_LIVES_S = 32_400
#: an account may let payers take three days to approve
LATE_AFTER = timedelta(hours=70)

encode = msgspec.json.Encoder().encode


def config(url: str) -> dict[str, str]:
    """What the operator enters, and whom the tests trust instead of PayPal's own."""
    return {"client_id": CLIENT, "client_secret": SECRET, "webhook_id": WEBHOOK, "url": url,
            "roots": paypal_keys.kept().root}  # fmt: skip


def routes(till: Till) -> list[web.RouteDef]:
    """What an app may do."""
    front = Front(till)
    return [
        web.post("/v1/oauth2/token", front.token),
        web.post("/v2/checkout/orders", front.create),
        web.get("/v2/checkout/orders/{id}", front.order),
        web.post("/v2/checkout/orders/{id}/capture", front.capture),
        web.get("/v2/payments/captures/{id}", front.captured),
        web.post("/v2/payments/captures/{id}/refund", front.refund),
        web.get("/v1/customer/disputes", front.disputes),
        web.get("/v1/customer/disputes/{id}", front.dispute),
        web.get("/v1/notifications/webhooks/{id}", front.webhook),
        web.post("/v1/notifications/verify-webhook-signature", front.verify),
        web.get(CERTIFICATE, front.certificate),
    ]


def notice(till: Till, payment: Payment, event_id: str) -> tuple[dict[str, str], bytes]:
    """What PayPal says of the present state."""
    body = encode(_event(till, payment, event_id))
    return signed(till, body), body


def signed(
    till: Till, body: bytes, *, key: RSAPrivateKey | None = None, webhook: str = WEBHOOK, ago_s: float = 0,
    path: str = CERTIFICATE,
) -> dict[str, str]:  # fmt: skip
    """The headers above a notice, as sent so long ago."""
    transmission = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
    at = f"{datetime.now(UTC) - timedelta(seconds=ago_s):%Y-%m-%dT%H:%M:%SZ}"
    said = f"{transmission}|{at}|{webhook}|{zlib.crc32(body)}".encode()
    signature = (key or paypal_keys.kept().key).sign(said, PKCS1v15(), SHA256())
    return {
        "Content-Type": "application/json", "PAYPAL-TRANSMISSION-ID": transmission, "PAYPAL-TRANSMISSION-TIME": at,
        "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(), "PAYPAL-CERT-URL": till.url + path,
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
    }  # fmt: skip


def forged(till: Till, payment: Payment) -> list[tuple[dict[str, str], bytes]]:
    """Unsigned, by another key, to another webhook, tampered with, too old, too early, and vouched for by others."""
    headers, body = notice(till, payment, "WH-FORGED")
    cases = [
        *({name: text for name, text in headers.items() if name != left_out} for left_out in headers
          if left_out.startswith("PAYPAL")),
        signed(till, body, webhook="8PT597110X687430L"),
        signed(till, body, ago_s=5 * 24 * 3600),
        signed(till, body, ago_s=-3600),
        {**headers, "PAYPAL-TRANSMISSION-TIME": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.5Z}"},
        {**headers, "PAYPAL-TRANSMISSION-TIME": "yesterday"},
        {**headers, "PAYPAL-TRANSMISSION-SIG": "é"},
        {**headers, "PAYPAL-TRANSMISSION-SIG": base64.b64encode(b"x" * 256).decode()},
        {**headers, "PAYPAL-AUTH-ALGO": "SHA1withRSA"},
        *({**headers, "PAYPAL-CERT-URL": url} for url in elsewhere(till)),
    ]  # fmt: skip
    changed = [body.replace(b"tu_", b"tv_"), body + b" ", b"", body.replace(b'"id"', b'"Id"', 1)]
    return [*((each, body) for each in cases), *((headers, each) for each in changed)]


def elsewhere(till: Till) -> list[str]:
    """Addresses of certificates that are not PayPal's."""
    return [
        "https://evil.example" + CERTIFICATE, "https://api.paypal.com.evil.example" + CERTIFICATE,
        "http://api.paypal.com" + CERTIFICATE, "https://api.paypal.com:8443" + CERTIFICATE,
        "https://api.paypal.com@evil.example" + CERTIFICATE, "https://user@api.paypal.com" + CERTIFICATE,
        f"{till.url}/v1/notifications/certs/../../_truth", f"{till.url}{CERTIFICATE}?a=1", f"{till.url}{CERTIFICATE}#a",
        f"{till.url}/v1/notifications/certs/", f"{till.url}/v2/checkout/orders/x", "file:///etc/passwd", "x", "http://[",
    ]  # fmt: skip


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return {"currency_code": currency, "value": f"{amount:.2f}"}


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def capture_id(payment: Payment) -> str:
    """PayPal's number of the money."""
    return f"CAP-{payment.id}"


def _captures(till: Till, payment: Payment) -> list[dict[str, Any]]:
    """What was taken. A till's payment that has settled is one that PayPal's payer has approved."""
    if payment.state == "settled" and not payment.extras.get("is_captured"):
        return []
    if payment.state in {"open", "expired"}:
        return []
    word = {"settled": "COMPLETED", "processing": "PENDING", "failed": "DECLINED"}[payment.state]
    if payment.refunded:
        word = "REFUNDED" if payment.refunded == payment.settled else "PARTIALLY_REFUNDED"
    amount = payment.settled or payment.amount
    at = payment.created_at + (LATE_AFTER.total_seconds() if payment.is_late else 1)
    net = _money(amount - payment.fee, payment.currency)
    return [{
        "id": capture_id(payment), "status": word, "amount": _money(amount, payment.currency), "final_capture": True,
        "custom_id": payment.reference, "invoice_id": payment.reference, "create_time": _moment(at),
        "seller_receivable_breakdown": {"gross_amount": _money(amount, payment.currency),
                                        "paypal_fee": _money(payment.fee, payment.currency), "net_amount": net},
        "links": [{"href": f"{till.url}/v2/payments/captures/{capture_id(payment)}", "rel": "self", "method": "GET"}],
    }]  # fmt: skip


def _standing(payment: Payment) -> str:
    if payment.state == "settled" and not payment.extras.get("is_captured"):
        return "APPROVED"
    return {"open": "PAYER_ACTION_REQUIRED", "expired": "VOIDED"}.get(payment.state, "COMPLETED")


def _order(till: Till, payment: Payment) -> dict[str, Any]:
    payments: dict[str, Any] = {"captures": _captures(till, payment)}
    if payment.refunded:
        payments["refunds"] = [{"id": f"REF-{payment.id}", "status": "COMPLETED",
                                "amount": _money(payment.refunded, payment.currency)}]  # fmt: skip
    unit = {"reference_id": payment.reference, "custom_id": payment.reference, "invoice_id": payment.reference,
            "amount": _money(payment.amount, payment.currency)}  # fmt: skip
    return {
        "id": payment.id, "intent": "CAPTURE", "status": _standing(payment), "create_time": _moment(payment.created_at),
        "update_time": _moment(payment.created_at + payment.extras.get("approvals", 0)),
        "purchase_units": [{**unit, "payments": payments} if payments["captures"] else unit],
        "links": [{"href": f"{till.url}/checkoutnow?token={payment.id}", "rel": "payer-action", "method": "GET"},
                  {"href": f"{till.url}/v2/checkout/orders/{payment.id}", "rel": "self", "method": "GET"}],
    }  # fmt: skip


EVENTS = {
    "COMPLETED": "PAYMENT.CAPTURE.COMPLETED", "PENDING": "PAYMENT.CAPTURE.PENDING", "DECLINED": "PAYMENT.CAPTURE.DECLINED",
    "REFUNDED": "PAYMENT.CAPTURE.REFUNDED", "PARTIALLY_REFUNDED": "PAYMENT.CAPTURE.REFUNDED",
}  # fmt: skip


def _event(till: Till, payment: Payment, event_id: str) -> dict[str, Any]:
    more = {
        "id": event_id,
        "event_version": "1.0",
        "create_time": _moment(time.time()),
        "resource_version": "2.0",
    }
    captures = _captures(till, payment)
    if not captures:
        word = "CHECKOUT.ORDER.VOIDED" if payment.state == "expired" else "CHECKOUT.ORDER.APPROVED"
        order = _order(till, payment)
        return {**more, "event_type": word, "resource_type": "checkout-order", "resource": order}
    event = {**more, "event_type": EVENTS[captures[0]["status"]]}
    if not payment.refunded:
        related = {"supplementary_data": {"related_ids": {"order_id": payment.id}}}
        return {**event, "resource_type": "capture", "resource": {**captures[0], **related}}
    up = {"href": f"{till.url}/v2/payments/captures/{capture_id(payment)}", "rel": "up", "method": "GET"}
    refund = {"id": f"REF-{payment.id}", "amount": _money(payment.refunded, payment.currency), "status": "COMPLETED",
              "custom_id": payment.reference, "links": [up]}  # fmt: skip
    return {**event, "resource_type": "refund", "resource": refund}


def dispute_notice(till: Till, payment: Payment, event_id: str) -> tuple[dict[str, str], bytes]:
    """What PayPal says of a new dispute: it names the money alone."""
    body = encode({
        "id": event_id, "event_type": "CUSTOMER.DISPUTE.CREATED", "resource_type": "dispute",
        "resource": {"dispute_id": f"PP-D-{payment.id}", "status": "OPEN",
                     "disputed_transactions": [{"seller_transaction_id": capture_id(payment), "items": []}]},
    })  # fmt: skip
    return signed(till, body), body


def _problem(status: int, name: str, issue: str = "") -> web.Response:
    details = [{"issue": issue, "description": f"It is {issue}."}] if issue else []
    return web.json_response({"name": name, "message": f"It is {name}.", "debug_id": "90957fca61718", "details": details},
                             status=status)  # fmt: skip


class Front:
    def __init__(self, till: Till) -> None:
        self.till = till

    async def token(self, request: web.Request) -> web.Response:
        form = parse_qs(await request.text())
        if request.headers.get("Authorization") != BASIC:
            return web.json_response({"error": "invalid_client"}, status=401)
        if form != {"grant_type": ["client_credentials"]}:
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        self.till.log.append((time.time(), "", "", "token"))
        token = f"A21AA-{sum(each[3] == 'token' for each in self.till.log)}"
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIVES_S})

    def guard(self, request: web.Request) -> None:
        """Every token that was given since `revoked` was written into the log."""
        told = [each[3] for each in self.till.log if each[3] in {"token", "revoked"}]
        last = len(told) - 1 - told[::-1].index("revoked") if "revoked" in told else -1
        good = range(told[: last + 1].count("token") + 1, told.count("token") + 1)
        if request.headers.get("Authorization") not in {f"Bearer A21AA-{number}" for number in good}:
            raise web.HTTPUnauthorized(text='{"error":"invalid_token"}', content_type="application/json")

    def about(self, request: web.Request) -> Payment:
        """The payment that the path names, by its order or its money."""
        self.guard(request)
        try:
            return self.till.find(request.match_info["id"].removeprefix("CAP-"))
        except No:
            problem = _problem(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
            raise web.HTTPNotFound(text=problem.text, content_type="application/json") from None

    async def create(self, request: web.Request) -> web.Response:
        self.guard(request)
        body = await request.json()
        unit, context = body["purchase_units"][0], body["payment_source"]["paypal"]["experience_context"]
        amount = Decimal(unit["amount"]["value"])
        if body["intent"] != "CAPTURE" or amount <= 0 or amount.as_tuple().exponent != -2:
            return _problem(422, "UNPROCESSABLE_ENTITY", "INVALID_CURRENCY_CODE")
        number = f"{zlib.crc32(unit['custom_id'].encode()):08X}{len(self.till.payments):09X}"
        made = self.till.make(
            unit["custom_id"], amount, unit["amount"]["currency_code"], key=request.headers["PayPal-Request-Id"],
            id_=number, return_url=context["return_url"],
        )  # fmt: skip
        whole = _order(self.till, made)
        return web.json_response({name: whole[name] for name in ("id", "status", "links")}, status=201)

    async def order(self, request: web.Request) -> web.Response:
        return web.json_response(_order(self.till, self.about(request)))

    async def capture(self, request: web.Request) -> web.Response:
        payment, key = self.about(request), request.headers["PayPal-Request-Id"]
        if _standing(payment) == "PAYER_ACTION_REQUIRED":
            return _problem(422, "UNPROCESSABLE_ENTITY", "ORDER_NOT_APPROVED")
        declined = payment.extras.setdefault("declined", {})
        if key not in declined and "decline" in payment.extras:
            declined[key] = payment.extras.pop("decline")
        if key in declined:  # the same request has the same answer
            return _problem(422, "UNPROCESSABLE_ENTITY", declined[key])
        if payment.extras.get("is_captured"):
            if payment.extras["captured_key"] != key:
                return _problem(422, "UNPROCESSABLE_ENTITY", "ORDER_ALREADY_CAPTURED")
        else:
            payment.extras |= {"is_captured": True, "captured_key": key}
            self.till._say(payment, "captured")
        return web.json_response({"id": payment.id, "status": "COMPLETED"}, status=201)

    async def captured(self, request: web.Request) -> web.Response:
        payment = self.about(request)
        related = {"supplementary_data": {"related_ids": {"order_id": payment.id}}}
        return web.json_response({**_captures(self.till, payment)[0], **related})

    async def refund(self, request: web.Request) -> web.Response:
        payment, body = self.about(request), await request.json()
        amount = Decimal(body["amount"]["value"])
        try:
            self.till.refund(payment, amount, key=request.headers["PayPal-Request-Id"])
        except No:
            return _problem(422, "UNPROCESSABLE_ENTITY", "REFUND_AMOUNT_EXCEEDED")
        return web.json_response({"id": f"REF-{payment.id}", "status": "COMPLETED"}, status=201)

    def known_disputes(self, payment: Payment) -> list[dict[str, Any]]:
        found = payment.extras.get("disputes", [])
        return [
            {"dispute_id": f"PP-D-{number}-{payment.id}", "status": each["status"],
             "dispute_amount": _money(Decimal(each["amount"]), payment.currency)}
            for number, each in enumerate(found)
        ]  # fmt: skip

    async def disputes(self, request: web.Request) -> web.Response:
        self.guard(request)
        payment = self.till.find(request.query["disputed_transaction_id"].removeprefix("CAP-"))
        if payment.extras.get("hides_disputes"):
            return _problem(403, "NOT_AUTHORIZED", "PERMISSION_DENIED")
        return web.json_response({"items": self.known_disputes(payment), "links": []})

    async def dispute(self, request: web.Request) -> web.Response:
        self.guard(request)
        number, _, payment_id = request.match_info["id"].removeprefix("PP-D-").partition("-")
        payment = self.till.find(payment_id)
        outcome = {"outcome_code": payment.extras["disputes"][int(number)]["outcome"]}
        return web.json_response({**self.known_disputes(payment)[int(number)], "dispute_outcome": outcome})

    async def webhook(self, request: web.Request) -> web.Response:
        self.guard(request)
        if request.match_info["id"] != WEBHOOK:
            return _problem(404, "INVALID_RESOURCE_ID", "INVALID_RESOURCE_ID")
        return web.json_response({"id": WEBHOOK, "url": "https://shop.example/payments/paypal/1"})

    async def verify(self, request: web.Request) -> web.Response:
        """As PayPal does it: it knows its own key, and the bytes that it sent."""
        self.guard(request)
        raw = await request.read()
        body = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        event = bytes(body.pop("webhook_event"))
        asked = {name: msgspec.json.decode(each, type=str) for name, each in body.items()}
        said = "|".join(
            (
                asked["transmission_id"],
                asked["transmission_time"],
                asked["webhook_id"],
                str(zlib.crc32(event)),
            )
        )
        try:
            signature = base64.b64decode(asked["transmission_sig"])
            paypal_keys.kept().key.public_key().verify(signature, said.encode(), PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return web.json_response({"verification_status": "FAILURE"})
        return web.json_response({"verification_status": "SUCCESS"})

    async def certificate(self, _: web.Request) -> web.Response:
        self.till.log.append((time.time(), "", "", "certificate"))
        return web.Response(body=paypal_keys.kept().certificate, content_type="application/x-x509-ca-cert")
