"""BTCPay Server by its Greenfield API: invoices that payers pay on the server's own page, in coins.

The server takes no idempotency key, so an invoice is looked for by our id before it is made. It says nothing of refunds
and nothing of being a test network: the first is staff's to say, the second the operator's.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Any, ClassVar

import aiohttp
import msgspec

from ringlet import money
from ringlet.db import Database
from ringlet.payments import vendor
from ringlet.payments.port import (
    Capabilities,
    Field,
    Made,
    Notice,
    NoticeRefused,
    Order,
    PaymentState,
    Refused,
    Settled,
    Truth,
    Unreachable,
)

#: for so long the rate of the coin is held
LIVES_S = 1800
PAGE = 50
PAGES_MAX = 1_000
SIGNATURE = "btcpay-sig"

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_KEY = re.compile(r"[A-Za-z0-9]{10,200}")


class _Invoice(msgspec.Struct, rename="camel"):
    id: str
    currency: str
    status: str
    created_time: float
    expiration_time: float
    monitoring_expiration: float
    amount: Decimal | None = None
    additional_status: str = "None"
    checkout_link: str = ""
    metadata: dict[str, Any] | None = None

    @property
    def reference(self) -> str:
        return vendor.reference((self.metadata or {}).get("orderId"))


class _Payment(msgspec.Struct, rename="camel"):
    status: str
    value: Decimal
    #: what the payer was asked for besides, for the network
    fee: Decimal = Decimal(0)
    received_date: float = 0


class _Method(msgspec.Struct, rename="camel"):
    #: how much of the invoice's currency one coin is
    rate: Decimal | None = None
    payments: list[_Payment] = []


class _Store(msgspec.Struct):
    name: str = ""


class _Event(msgspec.Struct, rename="camel"):
    delivery_id: str
    original_delivery_id: str | None = None
    store_id: str | None = None
    invoice_id: str | None = None
    metadata: dict[str, Any] | None = None


class _Came(msgspec.Struct, frozen=True):
    """What payers have sent: how much of it will stay, whether more of it may, and whether any came too late."""

    confirmed: Fraction = Fraction(0)
    is_pending: bool = False
    is_late: bool = False


class BTCPay:
    """One store of a BTCPay Server."""

    kind: ClassVar[str] = "btcpay"
    name: ClassVar[str] = "BTCPay Server"
    fields: ClassVar[Sequence[Field]] = (
        Field("url", "Address of the server", help="As payers reach it, such as https://pay.example."),
        Field("store_id", "Store ID", help="Store settings, General."),
        Field("api_key", "API key", is_secret=True,
              help="With permission to view the store, to view its invoices and to create invoices, for this store only."),
        Field("webhook_secret", "Webhook secret", is_secret=True,
              help="Of the webhook in the store's settings. Two, with a space between, while you change it."),
    )  # fmt: skip
    can: ClassVar[Capabilities] = Capabilities(lists=True, lives_s=LIVES_S)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        self._mode = mode
        self._store = vendor.needed(config, "store_id", "The store's ID", _ID)
        key = vendor.needed(config, "api_key", "The API key", _KEY)
        self._secrets = vendor.secrets(config.get("webhook_secret", ""), "The webhook's secret")
        url = vendor.address(config.get("url", ""), "The address of the server")
        headers = {"Authorization": f"token {key}", "Accept": "application/json"}
        self._interface = vendor.Interface(http, f"{url}/api/v1/stores/{self._store}", headers)

    async def create(self, order: Order) -> Made:
        """See the port. Two that ask in the same moment make two invoices: the one nobody is shown expires."""
        invoice = await self._find(order.id) or await self._make(order)
        if invoice.reference != order.id or not _ID.fullmatch(invoice.id):
            raise Unreachable("the answer is about another invoice")
        try:
            return Made(invoice.id, url=vendor.address(invoice.checkout_link, "The invoice's page"))
        except Refused as error:
            raise Unreachable(str(error)) from None

    async def _find(self, reference: str) -> _Invoice | None:
        """The first that was made for this top-up."""
        found = [each for each in await self._list({"orderId": reference}) if each.reference == reference]
        return min(found, key=lambda each: (each.created_time, each.id), default=None)

    async def _make(self, order: Order) -> _Invoice:
        body = {
            "amount": f"{money.to_amount(order.charge_micros):f}",
            "currency": order.currency,
            "metadata": {"orderId": order.id, "itemDesc": order.title},
            "checkout": {
                "expirationMinutes": _minutes_until(order.expires_at),
                "redirectURL": order.return_url,
                "redirectAutomatically": True,
            },
        }
        made: _Invoice = vendor.made(await self._interface.ask("POST", "/invoices", body=body), _Invoice)
        return made

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """See the port. A redelivery says the same again."""
        scheme, _, signature = vendor.header(headers, SIGNATURE).partition("=")
        if scheme.lower() != "sha256" or not vendor.is_signed(signature, self._secrets, [raw], "sha256"):
            raise NoticeRefused("it is signed with another key")
        try:
            event = msgspec.json.decode(raw, type=_Event)
        except (ValueError, RecursionError):
            raise NoticeRefused("it is signed, and cannot be read") from None
        invoice_id = event.invoice_id or ""
        if event.store_id != self._store or not _ID.fullmatch(invoice_id):
            return None
        event_id = event.original_delivery_id or event.delivery_id
        if not _ID.fullmatch(event_id):
            raise NoticeRefused("it is signed, and has no ID")
        return Notice(event_id, invoice_id, vendor.reference((event.metadata or {}).get("orderId")))

    async def fetch(self, external_id: str) -> Truth:
        """See the port."""
        return await self._truth(await self._invoice(external_id))

    async def _invoice(self, external_id: str) -> _Invoice:
        if not _ID.fullmatch(external_id):
            raise Refused("no ID of an invoice")
        answer = await self._interface.ask("GET", f"/invoices/{external_id}")
        if answer.status == HTTPStatus.NOT_FOUND and vendor.complaint_code(answer) == "invoice-not-found":
            raise Refused(f"no invoice {external_id}")
        found: _Invoice = vendor.read(answer, _Invoice)
        if found.id != external_id:
            raise Unreachable("the answer is about another invoice")
        return found

    async def _truth(self, invoice: _Invoice) -> Truth:
        is_plain = invoice.additional_status == "None" and invoice.status != "Invalid"
        came = _Came() if is_plain else await self._came(invoice)
        state, settled = judge(invoice, came, time.time())
        return Truth(
            invoice.id, invoice.reference, state, self._mode, invoice.currency,
            asked_micros=vendor.micros(vendor.amount(invoice.amount)), settled_micros=vendor.micros(settled),
            is_late=came.is_late,
        )  # fmt: skip

    async def _came(self, invoice: _Invoice) -> _Came:
        answer = await self._interface.ask("GET", f"/invoices/{invoice.id}/payment-methods")
        methods: list[_Method] = vendor.read(answer, list[_Method])
        return came(invoice, methods)

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """A refund there is a claim that the payer must take up, and asked for twice it is two."""
        raise Refused("refunds are made on the BTCPay Server itself")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """Of the invoices that were made in this time, those of ours that are paid by now."""
        query = {"startDate": f"{since.timestamp():.0f}", "endDate": f"{until.timestamp():.0f}"}
        lines = []
        for invoice in await self._list(query):
            is_of_then = since.timestamp() <= invoice.created_time < until.timestamp()
            if not is_of_then or not invoice.reference or invoice.amount is None:
                continue
            truth = await self._truth(invoice)
            if truth.settled_micros:
                lines.append(
                    Settled(truth.external_id, truth.reference, truth.settled_micros, 0, truth.currency)
                )
        return lines

    async def _list(self, query: Mapping[str, str]) -> list[_Invoice]:
        found: list[_Invoice] = []
        for number in range(PAGES_MAX):
            paged = {**query, "includeArchived": "true", "skip": f"{number * PAGE}", "take": f"{PAGE}"}
            answer = await self._interface.ask("GET", "/invoices", query=paged)
            page: list[_Invoice] = vendor.made(answer, list[_Invoice])
            found += page
            if len(page) < PAGE:
                break
        return found

    async def check(self) -> str:
        """The store's name, when the key may see the store and its invoices."""
        store: _Store = vendor.made(await self._interface.ask("GET", ""), _Store)
        vendor.made(await self._interface.ask("GET", "/invoices", query={"take": "1"}), list[_Invoice])
        return store.name or self._store


def came(invoice: _Invoice, methods: Sequence[_Method]) -> _Came:
    """What has come by all coins, in the currency of the invoice; what the network's fee was asked for is no part of it."""
    confirmed, is_pending, is_late = Fraction(0), False, False
    for method in methods:
        for payment in method.payments:
            is_pending |= payment.status == "Processing"
            if payment.status == "Settled":
                net = max(vendor.amount(payment.value) - vendor.amount(payment.fee), Fraction(0))
                confirmed += net * vendor.amount(method.rate)
                is_late |= payment.received_date > invoice.expiration_time
    return _Came(confirmed, is_pending, is_late or invoice.additional_status == "PaidLate")


#: when nothing that has come can count
_WITHOUT_MONEY: Mapping[tuple[str, str], PaymentState] = {
    ("New", "None"): PaymentState.OPEN,
    ("Expired", "None"): PaymentState.EXPIRED,
    ("Invalid", "Marked"): PaymentState.FAILED,
}
#: else, where nothing of it has been confirmed
_UNPAID: Mapping[str, PaymentState] = {
    "New": PaymentState.PROCESSING,
    "Processing": PaymentState.PROCESSING,
    "Settled": PaymentState.FAILED,
    "Expired": PaymentState.EXPIRED,
    "Invalid": PaymentState.FAILED,
}


def judge(invoice: _Invoice, came: _Came, now: float) -> tuple[PaymentState, Fraction]:
    """How far an invoice is, and how much money of it will stay. `now`: seconds of the epoch.

    While more may come in full or be confirmed, nothing counts yet: what is credited is credited once.
    """
    how = (invoice.status, invoice.additional_status)
    unpaid = _WITHOUT_MONEY.get(how) or _UNPAID.get(invoice.status)
    if unpaid is None:
        raise Unreachable(f"no status of an invoice: {invoice.status[:20]!r}")
    is_watched = now < invoice.monitoring_expiration
    if how == ("Expired", "None") and is_watched:
        return PaymentState.OPEN, Fraction(0)  # it may still be paid, too late
    if how in _WITHOUT_MONEY or unpaid is PaymentState.PROCESSING:
        return unpaid, Fraction(0)
    if came.is_pending and is_watched:
        return PaymentState.PROCESSING, Fraction(0)
    worth = _worth(invoice, came)
    return (PaymentState.SETTLED, worth) if worth else (unpaid, worth)


def _worth(invoice: _Invoice, came: _Came) -> Fraction:
    """Rates are rounded: an invoice that is paid as asked is worth what it asks.

    What staff of the store have marked as settled is worth what has come, and nothing when nothing has.
    """
    if invoice.status == "Settled" and invoice.additional_status in {"None", "PaidOver"}:
        return max(vendor.amount(invoice.amount), came.confirmed)
    return came.confirmed


def _minutes_until(moment: datetime) -> int:
    return max(math.ceil((moment - datetime.now(UTC)).total_seconds() / 60), 1)
