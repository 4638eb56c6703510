"""NOWPayments' API in front of a till: payers send a coin of which four fifths make a dollar.

As the real one does, it calls a payment by text where it is made and by a number where it is asked for, and signs what
it says by its keys in order.
"""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.gateway import IS_LOST
from tests.fakes.till import Payment, Till

KEY = "FAKE4NP-0123456-7890ABC-DEFGHIJ"
SECRET = "iYb1xmVJk4uTqFzPfKcS8w2WbGnLhRd0"
COIN = "usdttrc20"
COINS = (COIN, "btc", "xrp")
#: of the coin for one of the currency
RATE = Decimal("1.25")

encode = msgspec.json.Encoder(decimal_format="number").encode


def config(url: str) -> dict[str, str]:
    """What the operator enters, and where the fake is."""
    return {"url": f"{url}/v1", "api_key": KEY, "ipn_secret": SECRET, "pay_currency": COIN}


def routes(till: Till) -> list[web.RouteDef]:
    """What an API key may ask."""
    front = Front(till)
    return [
        web.get("/v1/currencies", front.currencies),
        web.get("/v1/estimate", front.estimate),
        web.post("/v1/payment", front.create),
        web.get("/v1/payment/{id}", front.payment),
    ]


def notice(till: Till, payment: Payment, event_id: str) -> tuple[dict[str, str], bytes]:
    """The payment as it is, which is all that a notice says; it has no id of its own."""
    body = encode({**shown(payment), "actually_paid_at_fiat": 0, "payment_extra_ids": None})
    return signed(body, SECRET), body


def forged(till: Till, payment: Payment) -> list[tuple[dict[str, str], bytes]]:
    """Unsigned, of another key, of another body, by another digest, over the bytes as they stand, and garbage."""
    headers, body = notice(till, payment, "forged")
    signature = headers["x-nowpayments-sig"]
    plain = hmac.new(SECRET.encode(), body, hashlib.sha512).hexdigest()
    short = hmac.new(SECRET.encode(), _sorted(body), hashlib.sha256).hexdigest()
    paid = json.dumps({**json.loads(body), "payment_status": "finished", "actually_paid": 10**9}).encode()
    return [
        ({}, body),
        ({"x-nowpayments-sig": ""}, body),
        (signed(body, "another"), body),
        (signed(body, ""), body),
        (headers, paid),
        (headers, body.replace(payment.reference.encode(), b"tu_0000000000000000000000")),
        ({"x-nowpayments-sig": plain}, body),
        ({"x-nowpayments-sig": short}, body),
        ({"x-nowpayments-sig": signature[:-2]}, body),
        ({"x-nowpayments-sig": "é"}, body),
        (headers, b"[" * 100_000),
        (headers, b'{"payment_id": NaN}'),
        (headers, b"\xff\xfe"),
        (headers, b""),
        (headers, b"[]"),
    ]


def signed(body: bytes, secret: str) -> dict[str, str]:
    """The headers of a notice."""
    digest = hmac.new(secret.encode(), _sorted(body), hashlib.sha512).hexdigest()
    return {"x-nowpayments-sig": digest, "Content-Type": "application/json"}


def _sorted(body: bytes) -> bytes:
    return encode(_in_order(json.loads(body, parse_float=Decimal)))


def _in_order(value: Any) -> Any:
    return {key: _in_order(value[key]) for key in sorted(value)} if isinstance(value, dict) else value


def status(payment: Payment) -> str:
    """The one word for how far it is."""
    if payment.refunded:
        return "refunded"
    if payment.plan == "late" and payment.state == "expired":
        return "waiting"  # they wait for a week, whatever the shop said
    if payment.state == "settled":
        return "finished" if payment.settled >= payment.amount else "partially_paid"
    return {"open": "waiting", "processing": "confirming"}.get(payment.state, payment.state)


def shown(payment: Payment) -> dict[str, Any]:
    """A payment, as it is asked for. Too late or too little: as if it had been made long ago."""
    is_old = payment.is_late or status(payment) == "partially_paid"
    age_s = payment.extras.get("age_s", 2 * 24 * 3600 if is_old else 0)
    coin = payment.extras.get("coin", COIN)
    touched = payment.created_at if not payment.is_late else payment.created_at + age_s
    return {
        "payment_id": int(payment.id), "parent_payment_id": payment.extras.get("parent"), "invoice_id": None,
        "payment_status": status(payment), "pay_address": _address(payment), "payin_extra_id": None,
        "price_amount": payment.amount, "price_currency": payment.currency.lower(),
        "pay_amount": payment.amount * RATE, "actually_paid": payment.settled * RATE, "pay_currency": coin,
        "order_id": payment.reference, "order_description": None, "purchase_id": payment.id,
        "created_at": _iso(payment.created_at - age_s), "updated_at": _iso(touched - age_s),
        "outcome_amount": payment.settled * RATE, "outcome_currency": "usdttrc20",
        "fee": {"currency": coin, "depositFee": payment.fee * RATE, "withdrawalFee": 0, "serviceFee": 0},
    }  # fmt: skip


def _address(payment: Payment) -> str:
    return "T" + hashlib.sha256(payment.id.encode()).hexdigest()[:33]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _problem(code: int, word: str, message: str) -> web.Response:
    return web.json_response({"statusCode": code, "code": word, "message": message}, status=code)


class Front:
    def __init__(self, till: Till) -> None:
        self.till = till
        self._next = int(time.time())

    def refused(self, request: web.Request) -> web.Response | None:
        """Whoever has no key."""
        if request.headers.get("x-api-key") != KEY:
            return _problem(403, "INVALID_API_KEY", "Invalid api key")
        return None

    async def currencies(self, request: web.Request) -> web.Response:
        return self.refused(request) or web.json_response({"currencies": list(COINS)})

    async def estimate(self, request: web.Request) -> web.Response:
        if (no := self.refused(request)) is not None:
            return no
        amount = Decimal(request.query["amount"])
        body = {"amount_from": amount, "estimated_amount": str(amount / RATE), **request.query}
        return web.Response(body=encode(body), content_type="application/json")

    async def create(self, request: web.Request) -> web.Response:
        if (no := self.refused(request)) is not None:
            return no
        body = await request.json(loads=lambda text: json.loads(text, parse_float=Decimal))
        if body["pay_currency"] not in COINS:
            return _problem(400, "CURRENCY_UNAVAILABLE", f"Currency {body['pay_currency']} was not found")
        if isinstance(body["price_amount"], str) or body["price_amount"] < 1:
            return _problem(400, "AMOUNT_MINIMAL_ERROR", "amountTo is too small")
        self._next += 7
        made = self.till.make(
            body["order_id"], Decimal(body["price_amount"]), body["price_currency"].upper(),
            id_=str(self._next), notice_url=body["ipn_callback_url"], coin=body["pay_currency"],
        )  # fmt: skip
        if request[IS_LOST]:
            made.plan = "waits"  # nobody sees this address, so nobody pays there
        told = {**shown(made), "payment_id": made.id, "network": "trx", "network_precision": 6}
        if body["pay_currency"] == "xrp":
            told["payin_extra_id"] = "2918473650"
        return web.Response(body=encode(told), status=201, content_type="application/json")

    async def payment(self, request: web.Request) -> web.Response:
        if (no := self.refused(request)) is not None:
            return no
        found = self.till.payments.get(request.match_info["id"])
        if found is None:
            return _problem(404, "PAYMENT_NOT_FOUND", "Payment not found")
        return web.Response(body=encode(shown(found)), content_type="application/json")
