"""Cryptomus: a page of theirs where the payer chooses a coin.

Everything is signed with MD5, ours and theirs, because they have nothing else. MD5 proves nothing, so a notice is even
less than elsewhere: whoever could forge one makes us ask Cryptomus once more, and that is all.

What came is counted in the payer's coin, and the invoice says how many coins it is: so much of them is so much of the
invoice, whatever the coin is worth today. There is no sandbox: the mode is what the operator says it is.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
from ringlet.suppliers.port import NotSent, OutcomeUnknown
from ringlet.suppliers.reading import read_json
from ringlet.suppliers.wire import Answer, Line

HOST = "https://api.cryptomus.com"
LIVES_S = 3600
#: what Cryptomus takes
LIFETIME_S = (300, 43_200)
#: of the list of payments, fifteen on each
PAGES_MAX = 500
#: it does not say in which zone it reads our dates
ZONES = timedelta(days=1)

_MERCHANT = re.compile(r"[0-9a-fA-F-]{36}")
_KEY = re.compile(r"[!-~]{10,300}")
_NAME = re.compile(r"[!-~]{1,200}")

STATES: Mapping[str, PaymentState] = {
    "process": PaymentState.OPEN,
    "check": PaymentState.OPEN,
    "confirm_check": PaymentState.PROCESSING,
    "wrong_amount_waiting": PaymentState.PROCESSING,  # less than asked, and the rest may follow
    "locked": PaymentState.PROCESSING,  # held for a check of where it comes from
    "paid": PaymentState.SETTLED,
    "paid_over": PaymentState.SETTLED,
    "wrong_amount": PaymentState.SETTLED,
    "refund_process": PaymentState.SETTLED,
    "refund_paid": PaymentState.SETTLED,
    "refund_fail": PaymentState.SETTLED,
    "cancel": PaymentState.EXPIRED,
    "fail": PaymentState.FAILED,
    "system_fail": PaymentState.FAILED,
}
#: The merchant has told Cryptomus to give it back: what is on its way is gone. It gives back all or nothing.
GIVEN_BACK = frozenset({"refund_process", "refund_paid"})


class _Invoice(msgspec.Struct, frozen=True):
    """What matters of a payment. Amounts with `pay` in their names, and the merchant's, are in the payer's coin."""

    uuid: str
    order_id: str
    amount: Decimal
    currency: str
    is_final: bool
    payment_status: str = ""
    status: str = ""
    #: what came, what was to come, and what of it the merchant has
    payment_amount: Decimal | None = None
    payer_amount: Decimal | None = None
    merchant_amount: Decimal | None = None
    created_at: datetime | None = None
    url: str = ""

    @property
    def standing(self) -> str:
        """Cryptomus' own word."""
        return self.payment_status or self.status


class _Said(msgspec.Struct, frozen=True):
    state: int
    result: msgspec.Raw


class _Complaint(msgspec.Struct, frozen=True):
    state: int


class _Pages(msgspec.Struct, frozen=True, rename="camel"):
    next_cursor: str | None = None


class _List(msgspec.Struct, frozen=True):
    items: list[_Invoice]
    paginate: _Pages = _Pages()


class Cryptomus:
    """One merchant."""

    kind: ClassVar[str] = "cryptomus"
    name: ClassVar[str] = "Cryptomus"
    fields: ClassVar[Sequence[Field]] = (
        Field("merchant", "Merchant ID", help="Business, Merchants, Settings: the UUID."),
        Field("payment_key", "Payment API key", is_secret=True, help="From the same page; not the payout key."),
    )  # fmt: skip
    can: ClassVar[Capabilities] = Capabilities(lists=True, lives_s=LIVES_S)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        self._mode = mode
        self._merchant = vendor.needed(config, "merchant", "The merchant ID", _MERCHANT)
        self._key = vendor.needed(config, "payment_key", "The payment API key", _KEY).encode()
        self._url = vendor.address(config.get("url", HOST), "The address")
        self._line = Line(http, self._url)

    async def create(self, order: Order) -> Made:
        """See the port. Cryptomus answers a known order id with the invoice that it has."""
        lasts_s = int((order.expires_at - datetime.now(UTC)).total_seconds())
        amount = money.to_amount(order.charge_micros)
        answer = await self._ask("/v1/payment", {
            "amount": f"{amount:.2f}", "currency": order.currency, "order_id": order.id,
            "url_return": order.return_url, "url_success": order.return_url, "url_callback": order.notice_url,
            "lifetime": min(max(lasts_s, LIFETIME_S[0]), LIFETIME_S[1]),
        })  # fmt: skip
        if answer.status in vendor.NO:
            raise Refused(vendor.words(answer))
        made: _Invoice = _result(answer, _Invoice)
        if (made.order_id, made.amount, made.currency) != (order.id, amount, order.currency):
            raise Unreachable("the answer is about another payment")
        if not _NAME.fullmatch(made.uuid) or not made.url.startswith(("https://", self._url)):
            raise Unreachable("the answer names no page to pay on")
        return Made(made.uuid, url=made.url)

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """See the port. The signature lies within the body and is made of all the rest of it."""
        try:
            said = json.loads(raw)
            theirs = str(said.pop("sign")).encode()
            ours = _sign(_php(said), self._key).encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise NoticeRefused("it is not signed") from None
        if not hmac.compare_digest(ours, theirs):
            raise NoticeRefused("the signature is of something else")
        external_id, reference = _name(said.get("uuid")), _name(said.get("order_id"))
        if said.get("type") != "payment" or not external_id:
            return None
        return Notice(hashlib.sha256(raw).hexdigest(), external_id, reference)

    async def fetch(self, external_id: str) -> Truth:
        """See the port."""
        answer = await self._ask("/v1/payment/info", {"uuid": external_id})
        if answer.status == HTTPStatus.NOT_FOUND and _is_theirs(answer):
            raise Refused(vendor.words(answer))
        invoice: _Invoice = _result(answer, _Invoice)
        if invoice.uuid != external_id:
            raise Unreachable("the answer is about another payment")
        return _truth(invoice, self._mode)

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """Cryptomus asks for an address of the payer's to send coins to, and we know none."""
        raise Refused("give it back on Cryptomus' own pages, to an address that the payer names")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """Of the payments that were made in this time, those that have settled."""
        dates = {
            "date_from": f"{since - ZONES:%Y-%m-%d %H:%M:%S}",
            "date_to": f"{until + ZONES:%Y-%m-%d %H:%M:%S}",
        }
        found: list[Settled] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            query = {} if cursor is None else {"cursor": cursor}
            page: _List = _result(await self._ask("/v1/payment/list", dates, query), _List)
            found += [_line(each, self._mode) for each in page.items if _is_listed(each, since, until)]
            cursor = page.paginate.next_cursor
            if not cursor:
                return found
        raise Unreachable("the list has no end")

    async def check(self) -> str:
        """See the port."""
        answer = await self._ask("/v1/payment/services", {})
        if answer.status in vendor.NO:
            raise Refused(vendor.words(answer))
        _result(answer, list[Any])
        return self.name

    async def _ask(
        self, path: str, body: Mapping[str, Any], query: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; any status that decides something is an answer. Raises Unreachable."""
        raw = msgspec.json.encode(body)
        headers = {"merchant": self._merchant, "sign": _sign(raw, self._key)}
        try:
            answer = await self._line.ask("POST", path, query=query, headers=headers, raw=raw)
        except (NotSent, OutcomeUnknown) as error:
            raise Unreachable(str(error)) from None
        if answer.status not in (*vendor.GOOD, *vendor.NO) or answer.status in vendor.ASK_AGAIN:
            raise Unreachable(f"status {answer.status}")
        return answer


def _name(value: object) -> str:
    """What a payment may be called; "" for all else."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""


def _is_theirs(answer: Answer) -> bool:
    """It is Cryptomus that says no, and nobody in front of it."""
    try:
        read_json(answer, _Complaint)
    except OutcomeUnknown:
        return False
    return True


def _result(answer: Answer, shape: Any) -> Any:
    said: _Said = vendor.read(answer, _Said)
    if said.state != 0:
        raise Unreachable(f"state {said.state}: {vendor.words(answer)}")
    try:
        return msgspec.json.decode(said.result, type=shape, strict=False)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Unreachable(f"unreadable answer: {str(error)[:120]}") from None


def _sign(text: bytes, key: bytes) -> str:
    """As Cryptomus has it. It keeps nobody out who can break MD5; see above."""
    return hashlib.md5(base64.b64encode(text) + key, usedforsecurity=False).hexdigest()


def _php(said: dict[str, Any]) -> bytes:
    """The same as PHP writes it: slashes escaped, and other letters as they are."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def _truth(invoice: _Invoice, mode: str) -> Truth:
    state = STATES.get(invoice.standing)
    if state is None:
        raise Unreachable(f"an unknown state: {invoice.standing[:40]}")
    if state is PaymentState.SETTLED and not invoice.is_final:
        state = PaymentState.PROCESSING
    is_settled = state is PaymentState.SETTLED
    settled, fee = _worth(invoice) if is_settled else (Fraction(0), Fraction(0))
    return Truth(
        invoice.uuid, invoice.order_id, state, mode, invoice.currency, vendor.micros(vendor.amount(invoice.amount)),
        settled_micros=vendor.micros(settled), fee_micros=vendor.micros(fee),
        refunded_micros=vendor.micros(settled) if is_settled and invoice.standing in GIVEN_BACK else 0,
    )  # fmt: skip


def _worth(invoice: _Invoice) -> tuple[Fraction, Fraction]:
    """What has come and what Cryptomus keeps of it, in the invoice's currency, at the rate that the invoice was made with."""
    asked, came = vendor.amount(invoice.payer_amount), vendor.amount(invoice.payment_amount)
    if not asked:
        raise Unreachable("the answer does not say how much was asked for")
    rate = vendor.amount(invoice.amount) / asked
    left = came if invoice.merchant_amount is None else vendor.amount(invoice.merchant_amount)
    return came * rate, max(came - left, Fraction(0)) * rate


def _is_listed(invoice: _Invoice, since: datetime, until: datetime) -> bool:
    if STATES.get(invoice.standing) is not PaymentState.SETTLED or not invoice.is_final:
        return False
    if invoice.created_at is None or invoice.created_at.tzinfo is None:
        raise Unreachable("the answer holds no time")
    return since <= invoice.created_at < until


def _line(invoice: _Invoice, mode: str) -> Settled:
    truth = _truth(invoice, mode)
    return Settled(
        truth.external_id, truth.reference, truth.settled_micros, truth.refunded_micros, truth.currency
    )
