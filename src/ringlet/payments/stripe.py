"""Stripe Checkout: cards, wallets and bank payments on a page of Stripe's, by the official SDK.

A top-up is a checkout session with the top-up's id in it, on its payment and on its charge. Notices are verified by
the SDK and say at most which top-up to look at; the truth is the session with its payment, charge and disputes.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, TypeVar

import aiohttp
import msgspec
import stripe

from ringlet.db import Database
from ringlet.payments import stripe_line, vendor
from ringlet.payments.port import (
    Capabilities,
    Field,
    Made,
    Notice,
    NoticeRefused,
    Order,
    Refused,
    Settled,
    Truth,
    Unreachable,
)
from ringlet.payments.stripe_amounts import to_units
from ringlet.payments.stripe_truth import Dispute, Id, Session, truth_of
from ringlet.suppliers.wire import Line

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams, SessionListParams

URL = "https://api.stripe.com"
#: Stripe's most is 24 hours from when it makes the session, which is a little after we have written the row.
LIVES_S = 23 * 3600
TOLERANCE_S = 300
#: Stripe's most
MANY = 100
#: The SDK takes 2 ms to make objects of one session with its charge, and nothing else goes on meanwhile.
PART = 20
PARTS_MAX = 5_000
#: what a session, its payment, its charge and its refunds carry: our id of the top-up, our key of a refund
TOPUP, REFUND = "topup", "refund_key"
WITH_CHARGE = "payment_intent.latest_charge"
SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,190}")
SESSION_EVENTS = "checkout.session."
MONEY_BACK_EVENTS = ("charge.refund", "charge.dispute.")


class Stripe:
    """One Stripe account, in live or in test mode."""

    kind: ClassVar[str] = "stripe"
    name: ClassVar[str] = "Stripe"
    fields: ClassVar[Sequence[Field]] = (
        Field("secret_key", "Secret key", is_secret=True,
              help="sk_live_… or rk_live_… for live money, sk_test_… for test money."),
        Field("webhook_secret", "Signing secret", is_secret=True,
              help="whsec_… of the webhook endpoint. Two, with a space between, while you change it."),
    )  # fmt: skip
    can: ClassVar[Capabilities] = Capabilities(refunds=True, lists=True, lives_s=LIVES_S)

    def __init__(
        self, config: Mapping[str, str], mode: str, http: aiohttp.ClientSession, db: Database
    ) -> None:
        key = config.get("secret_key", "").strip()
        if not key.startswith((f"sk_{mode}_", f"rk_{mode}_")):
            raise Refused(f"A secret key for {mode} money starts with sk_{mode}_ or rk_{mode}_")
        self._mode = mode
        self._secrets = config.get("webhook_secret", "").replace(",", " ").split()
        self._url = vendor.address(config.get("url", URL), "The address")
        self._api = stripe_line.client(key, Line(http, self._url)).v1

    async def create(self, order: Order) -> Made:
        """The same order is the same session: Stripe keeps the answer to a key for a day, and a session lives less."""
        ours = {TOPUP: order.id}
        params: SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": order.id,
            "metadata": ours,
            # Captured at once, so that the fee is known as soon as the payment is.
            "payment_intent_data": {"metadata": ours, "capture_method": "automatic"},
            "line_items": [{
                "quantity": 1,
                "price_data": {
                    "currency": order.currency.lower(),
                    "unit_amount": to_units(order.charge_micros, order.currency),
                    "product_data": {"name": order.title},
                },
            }],
            # Else the payer may choose another currency, and another amount has come than was asked for.
            "adaptive_pricing": {"enabled": False},
            "customer_email": order.email,
            "expires_at": int(order.expires_at.timestamp()),
            "success_url": order.return_url,
            "cancel_url": order.return_url,
        }  # fmt: skip
        call = self._api.checkout.sessions.create_async(params, {"idempotency_key": order.id})
        try:
            session = await stripe_line.ask(call, Session)
        except stripe_line.AskedBefore:
            session = await self._made_before(order)
        if session.client_reference_id != order.id:
            raise Unreachable("the answer is about another payment")
        if session.status == "open" and not (session.url or "").startswith(("https://", self._url)):
            raise Unreachable("the answer names no page to pay on")
        return Made(session.id, url=session.url)

    async def _made_before(self, order: Order) -> Session:
        """The session of an order that was asked for in other words: by another address of the payer's or the shop's."""
        since = order.expires_at - timedelta(days=1)
        async for found, raw in self._listed({"created": {"gte": int(since.timestamp())}}):
            if found.metadata.get(TOPUP) == order.id:
                session = stripe_line.read(raw, Session)
                if session.amount_total == to_units(order.charge_micros, order.currency):
                    return session
        raise Refused("another payment was asked for with this id")

    async def read_notice(self, raw: bytes, headers: Mapping[str, str]) -> Notice | None:
        """What an event is about, by the id that everything of ours carries."""
        self._verify(raw, vendor.header(headers, "stripe-signature"))
        event = _read_signed(raw, _Event)
        if event.livemode != (self._mode == "live"):
            return None
        if event.type.startswith(SESSION_EVENTS):
            about = _read_signed(event.data.object, _Thing)
            ours = about.metadata.get(TOPUP)
            return Notice(event.id, external_id=about.id, reference=ours) if ours else None
        if event.type.startswith(MONEY_BACK_EVENTS):
            return await self._money_back(event.id, _read_signed(event.data.object, _Thing))
        return None

    def _verify(self, raw: bytes, signature: str) -> None:
        for secret in self._secrets:
            try:
                stripe.WebhookSignature.verify_header(raw, signature, secret, TOLERANCE_S)
            except (stripe.SignatureVerificationError, ValueError, TypeError):
                continue
            return
        raise NoticeRefused("not signed with one of our secrets within the last minutes")

    async def _money_back(self, event_id: str, about: "_Thing") -> Notice | None:
        """A charge carries our id; a dispute and a refund name the payment only, and its session is looked up."""
        if TOPUP in about.metadata:
            return Notice(event_id, reference=about.metadata[TOPUP])
        if about.object == "charge" or about.payment_intent is None:
            return None
        call = self._api.checkout.sessions.list_async({"payment_intent": about.payment_intent, "limit": 1})
        for raw in (await stripe_line.look(call, _Part)).data:
            found = stripe_line.read(raw, _Named)
            if TOPUP in found.metadata:
                return Notice(event_id, external_id=found.id, reference=found.metadata[TOPUP])
        return None

    async def fetch(self, external_id: str) -> Truth:
        """The session with all that hangs on it."""
        if not SESSION_ID.fullmatch(external_id):
            raise Refused("not the id of a session")
        path = f"{WITH_CHARGE}.balance_transaction"
        call = self._api.checkout.sessions.retrieve_async(external_id, {"expand": [path]})
        session = await stripe_line.look(call, Session)
        return truth_of(session, await self._disputes(session))

    async def _disputes(self, session: Session) -> Sequence[Dispute]:
        charge = session.charge
        if charge is None or not charge.disputed:
            return []
        call = self._api.disputes.list_async({"charge": charge.id, "limit": MANY})
        return (await stripe_line.look(call, _Disputes)).data

    async def refund(self, external_id: str, amount_micros: int, currency: str, key: str) -> None:
        """Stripe forgets keys after a day; what was given back under ours stands on the payment for ever."""
        # Keys that are refused only now say nothing about what was asked with them before.
        sessions, refunds = self._api.checkout.sessions, self._api.refunds
        session = await stripe_line.look(
            sessions.retrieve_async(external_id, {"expand": [WITH_CHARGE]}), Session
        )
        if session.intent is None:
            raise Refused("nothing was paid")
        payment = session.intent.id
        given = await stripe_line.look(
            refunds.list_async({"payment_intent": payment, "limit": MANY}), _Refunds
        )
        made = next((each for each in given.data if each.metadata.get(REFUND) == key), None)
        if made is None:
            amount = to_units(amount_micros, currency)
            call = refunds.create_async(
                {"payment_intent": payment, "amount": amount, "metadata": {REFUND: key}},
                {"idempotency_key": key},
            )
            made = await stripe_line.ask(call, _Refund)
        if made.status in {"failed", "canceled"}:
            raise Refused(f"Stripe could not give it back: {made.failure_reason or made.status}")

    async def settled(self, since: datetime, until: datetime) -> Sequence[Settled]:
        """Payments whose charge was made in this time. One by bank debit counts on the day when it was begun."""
        lines = []
        begun = since - timedelta(days=1)
        params: SessionListParams = {
            "created": {"gte": int(begun.timestamp()), "lt": int(until.timestamp())},
            "status": "complete", "expand": [f"data.{WITH_CHARGE}"],
        }  # fmt: skip
        async for found, raw in self._listed(params):
            if TOPUP not in found.metadata or found.payment_status != "paid":
                continue
            session = stripe_line.read(raw, Session)
            charge = session.charge
            if charge is not None and since.timestamp() <= charge.created < until.timestamp():
                truth = truth_of(session, await self._disputes(session))
                lines.append(
                    Settled(session.id, truth.reference, truth.settled_micros, truth.refunded_micros, truth.currency)
                )  # fmt: skip
        return lines

    async def _listed(self, params: "SessionListParams") -> AsyncIterator[tuple["_Named", msgspec.Raw]]:
        """Sessions, newest first. Others may sell on the same account, things that we never make."""
        for _ in range(PARTS_MAX):
            part = await stripe_line.look(
                self._api.checkout.sessions.list_async({**params, "limit": PART}), _Part
            )
            named = [(stripe_line.read(raw, _Named), raw) for raw in part.data]
            for each in named:
                yield each
            if not part.has_more or not named:
                return
            params = {**params, "starting_after": named[-1][0].id}
        raise Unreachable("Stripe's list has no end")

    async def check(self) -> str:
        """The account's name."""
        account = await stripe_line.ask(self._api.accounts.retrieve_current_async(), _Account)
        return account.settings.dashboard.display_name or account.id


T = TypeVar("T")


def _read_signed(body: bytes | msgspec.Raw, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        raise NoticeRefused("signed, and no event") from None


class _Thing(msgspec.Struct, frozen=True):
    """What an event is about: a session, a charge, a refund or a dispute."""

    id: str
    object: str
    metadata: dict[str, str] = {}
    payment_intent: str | None = None


class _Data(msgspec.Struct, frozen=True):
    object: msgspec.Raw


class _Event(msgspec.Struct, frozen=True):
    id: str
    type: str
    livemode: bool
    data: _Data


class _Part(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    has_more: bool


class _Named(msgspec.Struct, frozen=True):
    """As much of a session as every one has, whoever made it."""

    id: Id
    payment_status: str
    metadata: dict[str, str] = {}


class _Disputes(msgspec.Struct, frozen=True):
    data: list[Dispute]


class _Refund(msgspec.Struct, frozen=True):
    id: str
    status: str | None
    failure_reason: str | None = None
    metadata: dict[str, str] = {}


class _Refunds(msgspec.Struct, frozen=True):
    data: list[_Refund]


class _Dashboard(msgspec.Struct, frozen=True):
    display_name: str | None = None


class _Settings(msgspec.Struct, frozen=True):
    dashboard: _Dashboard = _Dashboard()


class _Account(msgspec.Struct, frozen=True):
    id: str
    settings: _Settings = _Settings()
