"""Stripe's interface over a till, as far as Checkout needs it, with the page where payers pay.

Parameters come form-encoded with brackets, what is not asked for by `expand` is an id, and an Idempotency-Key has its
answer for ever: the same parameters get it again, others are refused, as docs.stripe.com/api/idempotent_requests says.
"""

import functools
import html
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import stripe
from aiohttp import web

from tests.fakes.till import No, Payment, Till
from tests.fakes.tills import stripe_objects
from tests.fakes.tills.stripe_objects import fold, micros_per_unit, session_of

KEY, TEST_KEY, NARROW_KEY = "sk_live_fake", "sk_test_fake", "rk_live_narrow"
SECRET = "whsec_fake"
PAY_PATH = "/c/pay"
EXPIRES_S = (30 * 60, 24 * 3600)
SMALLEST = 50

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def config(url: str) -> dict[str, str]:
    """What the operator enters; the address is no field of his."""
    return {"secret_key": KEY, "webhook_secret": SECRET, "url": url}


class Refusal(Exception):  # noqa: N818 - an answer
    """A 4xx in Stripe's words."""

    def __init__(
        self, status: int, message: str, code: str = "", kind: str = "invalid_request_error", param: str = ""
    ) -> None:
        super().__init__(message)
        self.answer = web.json_response(
            {"error": {"type": kind, "message": message, "code": code or None, "param": param or None}},
            status=status,
        )


def routes(till: Till) -> list[web.RouteDef]:
    """Stripe's, and its page."""

    def api(handler: Callable[[Till, web.Request, dict[str, Any]], Any]) -> Handler:
        return functools.partial(_answer, till, handler)

    return [
        web.post("/v1/checkout/sessions", api(_create)),
        web.get("/v1/checkout/sessions", api(_sessions)),
        web.get("/v1/checkout/sessions/{id}", api(_session)),
        web.get("/v1/disputes", api(_disputes)),
        web.post("/v1/refunds", api(_refund)),
        web.get("/v1/refunds", api(_refunds)),
        web.get("/v1/account", api(_account)),
        web.get(PAY_PATH + "/{id}", functools.partial(_page, till)),
        web.post(PAY_PATH + "/{id}", functools.partial(_pay, till)),
    ]


async def _answer(
    till: Till, handler: Callable[[Till, web.Request, dict[str, Any]], Any], request: web.Request
) -> web.StreamResponse:
    key, text = request.headers.get("Idempotency-Key", ""), await request.text()
    asked = request.path + "?" + text
    try:
        _check_key(request)
        answer = _again(till, key, asked) if request.method == "POST" else None
        if answer is None:
            given = nested(parse_qsl(text or request.query_string, keep_blank_values=True))
            answer = json.dumps(fold(handler(till, request, given), expands(given)))
            if request.method == "POST":
                till.by_key[key] = (asked, answer)
    except Refusal as refused:
        return refused.answer
    return web.Response(text=answer, content_type="application/json")


def _again(till: Till, key: str, asked: str) -> str | None:
    if key not in till.by_key:
        return None
    before, answer = till.by_key[key]
    if before != asked:
        raise Refusal(400, "Keys for idempotent requests can only be used with the same parameters they were first "
                           "used with.", kind="idempotency_error")  # fmt: skip
    return answer


def _check_key(request: web.Request) -> None:
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if key == NARROW_KEY:
        raise Refusal(403, "The provided key does not have the required permissions for this endpoint.")
    if key not in {KEY, TEST_KEY}:
        raise Refusal(401, f"Invalid API Key provided: {key[:8]}****{key[-4:]}")


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][0][c]=d` → {"a": {"b": {"0": {"c": "d"}}}}; `a[]=d` → {"a": {"0": "d"}}."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        path = name.replace("]", "").split("[")
        place = made
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1] or str(len(place))] = value
    return made


def expands(given: dict[str, Any]) -> set[str]:
    """The paths to expand, and all that lie on the way to them."""
    paths = [each.split(".") for each in given.get("expand", {}).values()]
    return {".".join(path[: n + 1]) for path in paths for n in range(len(path))}


def _create(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    (line,) = given["line_items"].values()
    price, now = line["price_data"], time.time()
    currency, units = price["currency"].upper(), int(price["unit_amount"])
    if given["mode"] != "payment" or line["quantity"] != "1" or not price["product_data"]["name"]:
        raise Refusal(400, "This fake sells one thing at a time.")
    if units < SMALLEST and micros_per_unit(currency) == 10_000:
        raise Refusal(
            400, "The Checkout Session's total amount due must add up to at least $0.50.", "amount_too_small"
        )
    if not EXPIRES_S[0] - 5 <= int(given["expires_at"]) - now <= EXPIRES_S[1]:
        raise Refusal(400, "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.",
                      param="expires_at")  # fmt: skip
    if "@" not in given["customer_email"]:
        raise Refusal(
            400, f"Invalid email address: {given['customer_email']}", "email_invalid", param="customer_email"
        )
    extras = {
        "expires_at": int(given["expires_at"]), "metadata": given["metadata"], "title": price["product_data"]["name"],
        "intent_metadata": given["payment_intent_data"]["metadata"], "livemode": KEY in request.headers["Authorization"],
        "cancel_url": given["cancel_url"], "refunds": [], "disputes": [],
    }  # fmt: skip
    amount = Decimal(units * micros_per_unit(currency)) / 1_000_000
    made = till.make(given["client_reference_id"], amount, currency, id_=f"cs_live_{secrets.token_hex(16)}",
                     return_url=given["success_url"], **extras)  # fmt: skip
    return session_of(made, till.url + PAY_PATH)


def _known(till: Till, payment_id: str) -> Payment:
    try:
        return till.find(payment_id)
    except No:
        raise Refusal(
            404, f"No such checkout.session: '{payment_id}'", "resource_missing", param="id"
        ) from None


def _session(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    return session_of(_known(till, request.match_info["id"]), till.url + PAY_PATH)


def _sessions(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    made = [session_of(each, till.url + PAY_PATH) for each in reversed(till.payments.values())]
    created = given.get("created", {})
    found = [
        each for each in made
        if given.get("status") in {None, each["status"]}
        and given.get("payment_intent") in {None, (each["payment_intent"] or {}).get("id")}
        and int(created.get("gte", 0)) <= each["created"] < int(created.get("lt", 1 << 40))
    ]  # fmt: skip
    return _list(found, given)


def _list(found: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    after = given.get("starting_after")
    at = 0 if after is None else next(n for n, each in enumerate(found) if each["id"] == after) + 1
    part = found[at : at + int(given.get("limit", 10))]
    return {"object": "list", "data": part, "has_more": at + len(part) < len(found), "url": "/v1/…"}


def _by(till: Till, name: str, value: str) -> Payment:
    """The payment with that charge or payment intent."""
    for each in till.payments.values():
        if value == stripe_objects.ids(each)[name]:
            return each
    raise Refusal(404, f"No such {name}: '{value}'", "resource_missing")


def _disputes(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    return _list(stripe_objects.disputes_of(_by(till, "charge", given["charge"])), given)


def _refunds(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    return _list(_by(till, "payment_intent", given["payment_intent"]).extras["refunds"], given)


def _refund(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    payment = _by(till, "payment_intent", given["payment_intent"])
    amount = Decimal(int(given["amount"]) * micros_per_unit(payment.currency)) / 1_000_000
    made = stripe_objects.refund_of(payment, int(given["amount"]), given.get("metadata", {}))
    try:
        if made["status"] != "failed":
            till.refund(payment, amount)
    except No:
        raise Refusal(
            400, "Refund amount is greater than unrefunded amount on charge", "charge_already_refunded"
        ) from None
    payment.extras["refunds"].append(made)
    return made


def _account(till: Till, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    return {"id": "acct_fake", "object": "account", "settings": {"dashboard": {"display_name": "Fake Shop"}}}


async def _page(till: Till, request: web.Request) -> web.Response:
    payment = till.payments[request.match_info["id"]]
    what, back = html.escape(payment.extras["title"]), html.escape(payment.extras["cancel_url"])
    button = '<form method="post"><button>Pay</button></form>' if payment.state == "open" else "<p>Over.</p>"
    return web.Response(content_type="text/html", text=(
        f'<!doctype html><html lang="en"><title>{what}</title><h1>{what}</h1>'
        f'<p>{payment.amount} {payment.currency}</p>{button}<a href="{back}">Back</a>'
    ))  # fmt: skip


async def _pay(till: Till, request: web.Request) -> web.Response:
    payment = till.payments[request.match_info["id"]]
    till.pay(payment)
    return web.Response(status=303, headers={"Location": payment.return_url})


def notice(till: Till, payment: Payment, event_id: str) -> tuple[dict[str, str], bytes]:
    """What has happened to the payment last."""
    body = event(payment, event_id, till.url + PAY_PATH)
    return signed(body), body


def event(payment: Payment, event_id: str, pages: str) -> bytes:
    """The event about the payment's state, as bytes."""
    kind, about = stripe_objects.event_of(payment, pages)
    body = {
        "id": event_id, "object": "event", "api_version": stripe.api_version, "created": int(time.time()),
        "livemode": payment.extras.get("livemode", True), "type": kind, "pending_webhooks": 1,
        "data": {"object": fold(about, set())}, "request": {"id": None, "idempotency_key": None},
    }  # fmt: skip
    return json.dumps(body, indent=2).encode()


def signed(body: bytes, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    """The headers of a notice, signed by the vendor's own SDK."""
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


def forged(till: Till, payment: Payment) -> list[tuple[dict[str, str], bytes]]:
    """Not signed, with another key, of another body, without a time, and of ten minutes ago."""
    body = event(payment, "evt_forged", till.url + PAY_PATH)
    good = signed(body)
    old = signed(body, at=int(time.time()) - 600)
    fresh = f"t={int(time.time())}," + old["Stripe-Signature"].partition(",")[2]
    return [
        ({}, body),
        ({"Stripe-Signature": ""}, body),
        (signed(body, "whsec_other"), body),
        (good, re.sub(rb'("amount\w*": )', rb"\g<1>9", body)),
        (good, body.replace(b"evt_forged", b"evt_other")),
        (good, body + b" "),
        ({"Stripe-Signature": good["Stripe-Signature"].replace("v1=", "v0=")}, body),
        ({"Stripe-Signature": good["Stripe-Signature"].partition(",")[2]}, body),
        (old, body),
        ({"Stripe-Signature": fresh}, body),
    ]
