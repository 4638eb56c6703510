"""Cryptomus' merchant API in front of a till: payers pay in USDT, and everything is signed with MD5."""

import base64
import hashlib
import json
import time
import uuid
from datetime import datetime, timedelta, timezone
from decimal import ROUND_UP, Decimal
from typing import Any

from aiohttp import web

from tests.fakes.till import Payment, Till

MERCHANT = "8b03432e-385b-4670-8d06-064591096795"
KEY = "uQ4LFWCBE3dT84uQnt7ycL7p9WcSwjkSPQaZbik3ChoWO0egw51f4EAaZQKmefhPP0F1"
#: dollars for a coin: divides cents, so that the till's amounts are whole coins
RATE = Decimal("0.08")
PLACES = Decimal("0.00000001")
PER_PAGE = 15
MOSCOW = timezone(timedelta(hours=3))

STATUSES = {
    "open": ("check", False), "processing": ("confirm_check", False), "failed": ("fail", True),
    "expired": ("cancel", True),
}  # fmt: skip


def config(url: str) -> dict[str, str]:
    """What the operator enters."""
    return {"merchant": MERCHANT, "payment_key": KEY, "url": url}


def routes(till: Till) -> list[web.RouteDef]:
    """What the payment key may do."""
    front = Front(till)
    return [
        web.post("/v1/payment", front.create),
        web.post("/v1/payment/info", front.info),
        web.post("/v1/payment/list", front.list_),
        web.post("/v1/payment/services", front.services),
    ]


def sign(text: bytes, key: str = KEY) -> str:
    """As its documentation has it."""
    return hashlib.md5(base64.b64encode(text) + key.encode()).hexdigest()


def php(said: dict[str, Any]) -> bytes:
    """`json_encode($data, JSON_UNESCAPED_UNICODE)`."""
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def sent(said: dict[str, Any], key: str = KEY) -> bytes:
    """A body with its signature, as PHP sends it: all that is not ASCII escaped, which the signed text is not."""
    whole = {**said, "sign": sign(php(said), key)}
    return json.dumps(whole, separators=(",", ":")).replace("/", "\\/").encode()


def notice(till: Till, payment: Payment, event_id: str) -> tuple[dict[str, str], bytes]:
    """What it says of the present state. It names no event."""
    return {"Content-Type": "application/json"}, sent(_said(payment))


def forged(till: Till, payment: Payment) -> list[tuple[dict[str, str], bytes]]:
    """Unsigned, by another key, and tampered with."""
    said = _said(payment)
    headers, body = notice(till, payment, "")
    bodies = [
        php(said), sent(said, "another"), sent(said, ""), body.replace(b'"USD"', b'"EUR"'),
        body.replace(b'"is_final":', b'"is_Final":'), php({**said, "sign": ""}), php({**said, "sign": None}),
        php({**said, "sign": ["a"]}), php({**said, "sign": "é"}), b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000,
        php({**said, "sign": hashlib.md5(php(said) + KEY.encode()).hexdigest()}),
    ]  # fmt: skip
    return [(headers, each) for each in bodies]


def _status(payment: Payment) -> tuple[str, bool]:
    if payment.state != "settled":
        return STATUSES[payment.state]
    if payment.refunded:
        return "refund_paid", True
    if payment.settled == payment.amount:
        return "paid", True
    return ("wrong_amount" if payment.settled < payment.amount else "paid_over"), True


def _coins(amount: Decimal) -> str:
    return f"{(amount / RATE).quantize(PLACES, rounding=ROUND_UP):f}"


def _said(payment: Payment) -> dict[str, Any]:
    status, is_final = _status(payment)
    return {
        "type": "payment", "uuid": payment.id, "order_id": payment.reference, "amount": f"{payment.amount:f}",
        "payment_amount": _coins(payment.settled), "payment_amount_usd": f"{payment.settled:.2f}",
        "merchant_amount": _coins(payment.settled - payment.fee), "commission": _coins(payment.fee), "is_final": is_final,
        "status": status, "from": "THgEWubVc8tPKXLJ4VZ5zbiiAK7AgqSeGH", "wallet_address_uuid": None, "network": "tron",
        "currency": payment.currency, "payer_currency": "TRX", "additional_data": None, "txid": None,
    }  # fmt: skip


def _moment(at: float) -> str:
    """Its servers count by Moscow's time."""
    return datetime.fromtimestamp(at, MOSCOW).isoformat(timespec="seconds")


def shown(till: Till, payment: Payment) -> dict[str, Any]:
    """A payment as the API has it."""
    status, is_final = _status(payment)
    ends_at = payment.created_at + payment.extras.get("lives_s", 3600)
    return {
        "uuid": payment.id, "order_id": payment.reference, "amount": f"{payment.amount:f}",
        "payment_amount": _coins(payment.settled), "payer_amount": _coins(payment.amount), "discount_percent": 0,
        "discount": "0.00", "payer_currency": "TRX", "currency": payment.currency, "comments": None,
        "merchant_amount": _coins(payment.settled - payment.fee), "network": "tron",
        "address": "TXhfYSWt2oKRrHAJVJeYRuit6ZzKuoEKXj", "from": None, "txid": None, "payment_status": status,
        "url": f"{till.url}/pay/{payment.id}", "expired_at": int(ends_at), "status": status, "is_final": is_final,
        "additional_data": None, "created_at": _moment(payment.created_at), "updated_at": _moment(time.time()),
    }  # fmt: skip


def _no(status: int, message: str) -> web.Response:
    return web.json_response({"state": 1, "message": message}, status=status)


def _good(result: object) -> web.Response:
    return web.json_response({"state": 0, "result": result})


class Front:
    def __init__(self, till: Till) -> None:
        self.till = till

    async def asked(self, request: web.Request) -> dict[str, Any]:
        """The body, when the bytes of it are signed."""
        raw = await request.read()
        is_known = request.headers.get("merchant") == MERCHANT and request.headers.get("sign") == sign(raw)
        if not is_known or request.content_type != "application/json":
            raise web.HTTPUnauthorized(
                text='{"state":1,"message":"Invalid Sign."}', content_type="application/json"
            )
        found: dict[str, Any] = json.loads(raw)
        return found

    async def create(self, request: web.Request) -> web.Response:
        body = await self.asked(request)
        if body["currency"] not in {"USD", "EUR"}:
            return _no(422, "The currency was not found")
        if not 300 <= body["lifetime"] <= 43_200 or not body["order_id"].replace("_", "").isalnum():
            return _no(422, "The given data was invalid")
        known = next(
            (each for each in self.till.payments.values() if each.reference == body["order_id"]), None
        )
        made = known or self.till.make(
            body["order_id"], Decimal(body["amount"]), body["currency"], id_=str(uuid.uuid4()),
            return_url=body["url_return"], notice_url=self.till.notice_url or body["url_callback"], lives_s=body["lifetime"],
        )  # fmt: skip
        return _good(shown(self.till, made))

    async def info(self, request: web.Request) -> web.Response:
        found = self.till.payments.get((await self.asked(request))["uuid"])
        return _good(shown(self.till, found)) if found else _no(404, "Payment not found")

    async def list_(self, request: web.Request) -> web.Response:
        body = await self.asked(request)
        since, until = (
            datetime.strptime(body[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=MOSCOW).timestamp()
            for name in ("date_from", "date_to")
        )
        found = [each for each in self.till.payments.values() if since <= each.created_at <= until]
        at = int(request.query.get("cursor", 0))
        following = at + PER_PAGE if at + PER_PAGE < len(found) else None
        paginate = {"count": len(found[at : at + PER_PAGE]), "hasPages": len(found) > PER_PAGE, "perPage": PER_PAGE,
                    "nextCursor": following and str(following), "previousCursor": None}  # fmt: skip
        return _good(
            {"items": [shown(self.till, each) for each in found[at : at + PER_PAGE]], "paginate": paginate}
        )

    async def services(self, request: web.Request) -> web.Response:
        await self.asked(request)
        return _good([{"network": "TRON", "currency": "TRX", "is_available": True}])
