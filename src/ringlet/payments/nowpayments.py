"""NOWPayments: an address for coins that our own page shows.

It takes no idempotency key, and lists payments only to whoever signs in with the account's password, which no server of
ours should have: when the answer to `create` is lost, a second address is made and nobody ever sees the first.

Money that is sent again to a used address, or in another coin, becomes a payment of its own with our id of the top-up
and `parent_payment_id`. What it is said to cost says nothing of what came, so it is worth what its coins are worth now.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Context, Decimal
from fractions import Fraction
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

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

HOSTS = {"live": "https://api.nowpayments.io/v1", "test": "https://api-sandbox.nowpayments.io/v1"}
LIVES_S = 3600
#: It does not say when coins came, only when it last touched the payment; confirmations take hours at most.
LATE_AFTER = timedelta(days=1)
CENT = Fraction(1, 100)
SIGNATURE = "x-nowpayments-sig"

#: of all amounts that `vendor.amount` takes
EXACT = Context(prec=3 * vendor.PLACES_MAX)
Places = Annotated[int, msgspec.Meta(ge=1, le=vendor.PLACES_MAX)]

_KEY = re.compile(r"[A-Za-z0-9-]{10,200}")
_COIN = re.compile(r"[a-z0-9]{2,20}")
_ID = re.compile(r"[0-9]{1,30}")
_ADDRESS = re.compile(r"[!-~]{5,200}")

STATES: Mapping[str, PaymentState] = {
    "waiting": PaymentState.OPEN,
    "confirming": PaymentState.PROCESSING,
    "confirmed": PaymentState.PROCESSING,
    "sending": PaymentState.PROCESSING,
    "partially_paid": PaymentState.SETTLED,
    "finished": PaymentState.SETTLED,
    "failed": PaymentState.FAILED,
    "refunded": PaymentState.SETTLED,
    "expired": PaymentState.EXPIRED,
}


class _Fee(msgspec.Struct, rename="camel"):
    currency: str = ""
    deposit_fee: Decimal = Decimal(0)
    withdrawal_fee: Decimal = Decimal(0)
    service_fee: Decimal = Decimal(0)


class _Payment(msgspec.Struct):
    """What matters has a type; what does not may be anything."""

    #: text where it is made, a number where it is asked for
    payment_id: str | int
    payment_status: str
    price_amount: Decimal
    price_currency: str
    pay_amount: Decimal
    pay_currency: str
    pay_address: str | None = None
    payin_extra_id: Any = None
    parent_payment_id: str | int | None = None
    order_id: str | None = None
    actually_paid: Decimal | None = None
    network_precision: Any = None
    created_at: Any = None
    updated_at: Any = None
    fee: Any = None


class _Estimate(msgspec.Struct):
    estimated_amount: Decimal


class _Coins(msgspec.Struct):
    currencies: list[str]


class NOWPayments:
    """One account, and one coin that payers pay in."""

    kind: ClassVar[str] = "nowpayments"
    name: ClassVar[str] = "NOWPayments"
    fields: ClassVar[Sequence[Field]] = (
        Field("api_key", "API key", is_secret=True, help="Of the sandbox for test money, else of the live account."),
        Field("ipn_secret", "IPN secret", is_secret=True,
              help="Payment settings, Instant payment notifications. Two, with a space between, while you change it."),
        Field("pay_currency", "Coin",
              help="What payers send, as NOWPayments calls it, such as usdttrc20. For another coin set up another gateway."),
    )  # fmt: skip
    can: ClassVar[Capabilities] = Capabilities(lives_s=LIVES_S)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        self._mode = mode
        self._coin = vendor.needed(config, "pay_currency", "The coin", _COIN)
        key = vendor.needed(config, "api_key", "The API key", _KEY)
        self._secrets = vendor.secrets(config.get("ipn_secret", ""), "The IPN secret")
        url = vendor.address(config.get("url", HOSTS[mode]), "The address")
        self._interface = vendor.Interface(http, url, {"x-api-key": key, "Accept": "application/json"})

    async def create(self, order: Order) -> Made:
        """See the port. Made twice when the answer is lost: the first one expires, unseen by anybody."""
        price = money.to_amount(order.charge_micros)
        body = {
            "price_amount": price,
            "price_currency": order.currency.lower(),
            "pay_currency": self._coin,
            "order_id": order.id,
            "ipn_callback_url": order.notice_url,
        }
        made: _Payment = vendor.made(await self._interface.ask("POST", "/payment", body=body), _Payment)
        if made.payin_extra_id:
            raise Refused(f"{self._coin} needs a memo beside the address: choose a coin without one")
        found = (made.order_id, made.price_amount, made.price_currency.lower(), made.pay_currency.lower())
        if found != (order.id, price, order.currency.lower(), self._coin):
            raise Unreachable("the answer is about another payment")
        if not _ADDRESS.fullmatch(made.pay_address or "") or not vendor.amount(made.pay_amount):
            raise Unreachable("the answer holds no address")
        return Made(
            _id(made.payment_id), address=made.pay_address, amount=_to_send(made), currency=self._coin.upper()
        )

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """See the port. Notices have no id: the same body is the same notice."""
        signature = vendor.header(headers, SIGNATURE)
        try:
            told = parse(raw)
            # A list is signed as a list by the vendor's own library, and as an object by its documentation.
            texts = {canonical(told, lists=True), canonical(told, lists=False)}
        except (ValueError, RecursionError):
            raise NoticeRefused("it cannot be read") from None
        if not vendor.is_signed(signature, self._secrets, texts, "sha512"):
            raise NoticeRefused("it is signed with another key")
        payment_id = told.get("payment_id")
        # The secret signs what is said of payouts too.
        if not isinstance(payment_id, str) or not _ID.fullmatch(payment_id):
            return None
        return Notice(
            hashlib.sha256(raw).hexdigest(), str(payment_id), vendor.reference(told.get("order_id"))
        )

    async def fetch(self, external_id: str) -> Truth:
        """See the port."""
        payment = await self._payment(external_id)
        state = STATES.get(payment.payment_status)
        if state is None:
            raise Unreachable(f"no status of a payment: {payment.payment_status[:20]!r}")
        if payment.payment_status == "partially_paid" and _is_young(payment):
            state = PaymentState.PROCESSING
        asked = vendor.micros(vendor.amount(payment.price_amount))
        settled = vendor.micros(await self._worth(payment)) if state is PaymentState.SETTLED else 0
        is_refunded = payment.payment_status == "refunded"
        return Truth(
            external_id, vendor.reference(payment.order_id), state, self._mode, payment.price_currency.upper(),
            asked_micros=asked, settled_micros=settled,
            fee_micros=min(vendor.micros(_fee(payment)), settled),
            refunded_micros=max(settled, asked) if is_refunded else 0,
            is_late=payment.parent_payment_id is not None or _is_late(payment),
        )  # fmt: skip

    async def _payment(self, external_id: str) -> _Payment:
        if not _ID.fullmatch(external_id):
            raise Refused("no ID of a payment")
        answer = await self._interface.ask("GET", f"/payment/{external_id}")
        if answer.status == HTTPStatus.NOT_FOUND and vendor.complaint_code(answer):
            raise Refused(f"no payment {external_id}")
        found: _Payment = vendor.read(answer, _Payment)
        if _id(found.payment_id) != external_id:
            raise Unreachable("the answer is about another payment")
        return found

    async def _worth(self, payment: _Payment) -> Fraction:
        """What has come, in the currency of the price."""
        came = vendor.amount(payment.actually_paid or Decimal(0))
        if payment.parent_payment_id is not None:
            return await self._estimate(payment) if came else came
        price, due = vendor.amount(payment.price_amount), vendor.amount(payment.pay_amount)
        if not due:
            raise Unreachable("the answer holds no amount")
        worth = price * came / due
        # Wallets send as many places as their coin has, and the operator may let a little be missing.
        is_as_asked = payment.payment_status == "finished" and abs(worth - price) < CENT
        return price if is_as_asked else worth

    async def _estimate(self, payment: _Payment) -> Fraction:
        query = {
            "amount": f"{money.plain(payment.actually_paid or Decimal(0)):f}",
            "currency_from": payment.pay_currency.lower(),
            "currency_to": payment.price_currency.lower(),
        }
        answer = await self._interface.ask("GET", "/estimate", query=query)
        estimate: _Estimate = vendor.read(answer, _Estimate)
        return vendor.amount(estimate.estimated_amount)

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """Coins have no way back: a payout needs an address, and the second factor of the account."""
        raise Refused("refunds are paid out by hand in the NOWPayments account")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """It lists nothing without the account's password."""
        return []

    async def check(self) -> str:
        """The coin, when the key is good and the account takes it."""
        coins: _Coins = vendor.made(await self._interface.ask("GET", "/currencies"), _Coins)
        if self._coin not in {each.lower() for each in coins.currencies}:
            raise Refused(f"the account takes no {self._coin}")
        return self._coin.upper()


class _Number(str):
    """A number as it stood in the text: what is signed is its digits, and a float would write them otherwise."""

    __slots__ = ()


def parse(raw: bytes) -> dict[str, Any]:
    """A notice, its numbers as they are written. Raises ValueError, RecursionError."""
    told = json.loads(raw.decode(), parse_float=_Number, parse_int=_Number, parse_constant=_refuse)
    if not isinstance(told, dict):
        raise ValueError("no object")  # noqa: TRY004 - of what came, as all that json raises
    return told


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def canonical(told: object, *, lists: bool) -> bytes:
    """What NOWPayments signs: keys sorted at every depth, no spaces. Raises ValueError for half a character.

    `lists`: a list is one; else it is an object of its indexes.
    """
    return _spell(told, lists=lists).encode()


def _spell(told: object, *, lists: bool) -> str:
    match told:
        case _Number():
            return told
        case dict():
            return _object(sorted(told.items()), lists=lists)
        case list() if lists:
            return f"[{','.join(_spell(each, lists=lists) for each in told)}]"
        case list():
            return _object(((str(index), each) for index, each in enumerate(told)), lists=lists)
    return json.dumps(told, ensure_ascii=False)


def _object(pairs: Iterable[tuple[str, object]], *, lists: bool) -> str:
    told = (f"{json.dumps(name, ensure_ascii=False)}:{_spell(each, lists=lists)}" for name, each in pairs)
    return f"{{{','.join(told)}}}"


def _id(value: str | int) -> str:
    # Python refuses to write out numbers of thousands of digits.
    text = value if isinstance(value, str) else str(value) if 0 < value < 10**30 else ""
    if not _ID.fullmatch(text):
        raise Unreachable("the answer holds no ID of a payment")
    return text


def _to_send(made: _Payment) -> str:
    """The amount in as many places as the coin can be sent in, rounded up: less would not be enough."""
    try:
        places = msgspec.convert(made.network_precision, Places, strict=False)
    except ValueError:
        places = vendor.PLACES_MAX
    sent = made.pay_amount.quantize(Decimal(1).scaleb(-places), ROUND_UP, EXACT)
    return f"{sent.normalize(EXACT):f}"


def _is_young(payment: _Payment) -> bool:
    """Whether its payer may still send the rest."""
    made_at = _moment(payment.created_at)
    return made_at is not None and datetime.now(UTC) - made_at < timedelta(seconds=LIVES_S)


def _is_late(payment: _Payment) -> bool:
    made_at, touched_at = _moment(payment.created_at), _moment(payment.updated_at)
    return made_at is not None and touched_at is not None and touched_at - made_at > LATE_AFTER


def _moment(value: object) -> datetime | None:
    try:
        found = msgspec.convert(value, datetime)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fee(payment: _Payment) -> Fraction:
    """What they keep, where it is said in the currency of the price or in the coin that came."""
    try:
        kept = msgspec.convert(payment.fee, _Fee, strict=False)
        parts = [vendor.amount(each) for each in (kept.deposit_fee, kept.withdrawal_fee, kept.service_fee)]
    except (ValueError, Unreachable):
        return Fraction(0)
    currency, due = kept.currency.lower(), vendor.amount(payment.pay_amount)
    if currency == payment.price_currency.lower():
        return sum(parts, Fraction(0))
    if currency == payment.pay_currency.lower() and due:
        return sum(parts, Fraction(0)) * vendor.amount(payment.price_amount) / due
    return Fraction(0)
