"""PayPal, by its Orders API, version 2.

A payer approves an order on PayPal's page and has not paid yet: the order lapses unless we capture it. Nobody but us
does, and the payer may never come back to our page, so asking how far a payment is takes it, too, once it is approved.
An order can be captured once, whoever asks how often.

PayPal gives no list of payments to most accounts (Transaction Search is a permission that it grants on request, and it
lags by three hours), so this gateway has none.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

import aiohttp

from ringlet import money
from ringlet.db import Database
from ringlet.payments import paypal_truth, vendor
from ringlet.payments.paypal_line import Api, KeysRefused, issue, refusal
from ringlet.payments.paypal_notices import Witness
from ringlet.payments.paypal_truth import (
    ID,
    LIVES_S,
    OURS,
    Capture,
    Dispute,
    Event,
    Found,
    OrderMade,
    Placed,
    Refund,
)
from ringlet.payments.port import (
    Capabilities,
    Field,
    Made,
    Notice,
    Order,
    Refused,
    Settled,
    Truth,
    Unreachable,
)

HOSTS = {"live": "https://api-m.paypal.com", "test": "https://api-m.sandbox.paypal.com"}
TITLE_LENGTH_MAX = 127
#: of these PayPal takes whole units only
WHOLE = frozenset({"HUF", "JPY", "TWD"})
#: why an approved order could not be captured, where the payer may go back and pay in another way
PAYER_ACTS = frozenset({"INSTRUMENT_DECLINED", "PAYER_ACTION_REQUIRED", "ORDER_NOT_APPROVED"})
CAPTURED = "ORDER_ALREADY_CAPTURED"
#: where PayPal says in an order that the payer must go; the name depends on how it was made
PAY_LINKS = ("payer-action", "approve")

_KEY = re.compile(r"[!-~]{10,200}")
_WEBHOOK = re.compile(r"[A-Za-z0-9_-]{0,50}")


class PayPal:
    """One app of a merchant's."""

    kind: ClassVar[str] = "paypal"
    name: ClassVar[str] = "PayPal"
    fields: ClassVar[Sequence[Field]] = (
        Field("client_id", "Client ID", help="Of a REST app: developer.paypal.com, Apps & Credentials."),
        Field("client_secret", "Secret", is_secret=True, help="Of the same app: sandbox for test money, else live."),
        Field("webhook_id", "Webhook ID", is_needed=False,
              help="Shown when the address for notices is added to the app. Without it notices are not believed."),
    )  # fmt: skip
    can: ClassVar[Capabilities] = Capabilities(refunds=True, lives_s=LIVES_S)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        self._mode = mode
        self._url = vendor.address(config.get("url", HOSTS[mode]), "The address")
        client_id = vendor.needed(config, "client_id", "The client ID", _KEY)
        client_secret = vendor.needed(config, "client_secret", "The secret", _KEY)
        webhook_id = vendor.needed({"webhook_id": "", **config}, "webhook_id", "The webhook ID", _WEBHOOK)
        self._webhook_id = webhook_id
        self._api = Api(http, self._url, client_id, client_secret)
        # An address of its own has certificates of its own. The operator's form offers neither.
        is_elsewhere = "url" in config
        self._witness = Witness(
            http, self._api, webhook_id, mode,
            origin=self._url if is_elsewhere else "", roots=config.get("roots", "") if is_elsewhere else "",
        )  # fmt: skip

    async def create(self, order: Order) -> Made:
        """See the port. PayPal remembers a key for six hours, which is longer than an order lives."""
        answer = await self._api.ask("POST", "/v2/checkout/orders", key=order.id, body=_order(order))
        if answer.status not in vendor.GOOD:
            raise refusal(answer)
        made: OrderMade = vendor.read(answer, OrderMade)
        url = next((link.href for link in made.links if link.rel in PAY_LINKS), "")
        if not ID.fullmatch(made.id) or not url.startswith(("https://", self._url)):
            raise Unreachable("the answer names no page to pay on")
        return Made(made.id, url=url)

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """See the port."""
        try:
            await self._witness.hear(raw, headers)
            event = Event.of(raw)
            notice = None if event is None else event.notice()
            if event is None or notice is None or notice.external_id or notice.reference:
                return notice
            return await self._about_capture(event)
        except KeysRefused as error:  # of the notice it says nothing
            raise Unreachable(str(error)) from None

    async def _about_capture(self, event: Event) -> Notice | None:
        """A dispute may name nothing but PayPal's number of the money."""
        if not event.capture_id:
            return None
        answer = await self._api.ask("GET", f"/v2/payments/captures/{_part(event.capture_id)}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        capture: Capture = vendor.read(answer, Capture)
        if not OURS.fullmatch(capture.custom_id):
            return None
        return Notice(event.id, capture.order_id, capture.custom_id)

    async def fetch(self, external_id: str) -> Truth:
        """See the port. Captures what is approved: see above."""
        try:
            placed = await self._placed(external_id)
            disputes: list[Dispute] = []
            if placed.is_approved and await self._capture(placed):
                placed = await self._placed(external_id)  # nobody disputes what was taken a moment ago
            else:
                disputes = [each for id_ in placed.paid_ids for each in await self._disputes(id_)]
        except KeysRefused as error:  # of a payment it says nothing: ask again when the keys are right
            raise Unreachable(str(error)) from None
        return paypal_truth.truth(placed, disputes, self._mode)

    async def _placed(self, external_id: str) -> Placed:
        answer = await self._api.ask("GET", f"/v2/checkout/orders/{_part(external_id)}")
        if answer.status == HTTPStatus.NOT_FOUND and issue(answer):
            raise Refused("PayPal knows no such order, or no longer")
        placed: Placed = vendor.read(answer, Placed)
        if placed.id != external_id:
            raise Unreachable("the answer is about another order")
        return placed

    async def _capture(self, placed: Placed) -> bool:
        """Take the approved money; False: the payer must do something first."""
        path = f"/v2/checkout/orders/{_part(placed.id)}/capture"
        # Whoever was declined and approves once more must not be told of the first time.
        key = f"{placed.unit.custom_id}:capture:{placed.update_time}"
        answer = await self._api.ask("POST", path, key=key, body={})
        if answer.status in vendor.GOOD or issue(answer) == CAPTURED:
            return True
        if issue(answer) in PAYER_ACTS:
            return False
        raise refusal(answer)

    async def _disputes(self, capture_id: str) -> list[Dispute]:
        """All about this money; none where the app may not see disputes, which is a feature to be switched on."""
        query = {"disputed_transaction_id": capture_id}
        answer = await self._api.ask("GET", "/v1/customer/disputes", query=query)
        if answer.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            return []
        found: Found = vendor.read(answer, Found)
        return [await self._outcome(each) if each.is_resolved else each for each in found.items]

    async def _outcome(self, dispute: Dispute) -> Dispute:
        answer = await self._api.ask("GET", f"/v1/customer/disputes/{_part(dispute.dispute_id)}")
        whole: Dispute = vendor.read(answer, Dispute)
        return whole

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """See the port."""
        amount = _money(amount_micros, currency)
        try:
            placed = await self._placed(external_id)
            if not placed.paid_ids:
                raise Refused("nothing was paid")
            path = f"/v2/payments/captures/{_part(placed.paid_ids[0])}/refund"
            answer = await self._api.ask("POST", path, key=key, body={"amount": amount})
            if answer.status not in vendor.GOOD:
                raise refusal(answer)
        except KeysRefused as error:  # it may have been done when they were good
            raise Unreachable(str(error)) from None
        refund: Refund = vendor.read(answer, Refund)
        if not refund.is_given:
            raise Refused(f"the refund is {refund.status.lower()}")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """None: see above."""
        return []

    async def check(self) -> str:
        """See the port: also whether the webhook is this app's."""
        await self._api.renew()
        if not self._webhook_id:
            return "PayPal, without notices"
        answer = await self._api.ask("GET", f"/v1/notifications/webhooks/{_part(self._webhook_id)}")
        if answer.status not in vendor.GOOD:
            raise refusal(answer)
        return self.name


def _order(order: Order) -> dict[str, Any]:
    title = order.title[:TITLE_LENGTH_MAX]
    return {
        "intent": "CAPTURE",
        "purchase_units": [{
            "reference_id": order.id, "custom_id": order.id, "invoice_id": order.id, "description": title,
            "amount": _money(order.charge_micros, order.currency),
        }],
        "payment_source": {"paypal": {"experience_context": {
            "brand_name": title, "user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING",
            # Money that takes days to come is no top-up.
            "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
            "return_url": order.return_url, "cancel_url": order.return_url,
        }}},
    }  # fmt: skip


def _money(micros: int, currency: str) -> dict[str, str]:
    """As PayPal writes it. Raises Refused for a part of what it takes whole."""
    value = money.to_amount(micros)
    step = Decimal(1) if currency in WHOLE else Decimal("0.01")
    if value % step:
        raise Refused(f"PayPal takes no {value:f} {currency}")
    return {"currency_code": currency, "value": f"{value.quantize(step):f}"}


def _part(text: str) -> str:
    """One part of a path, whatever is in it."""
    return quote(text, safe="")
