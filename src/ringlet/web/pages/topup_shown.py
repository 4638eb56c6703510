"""What the page of one payment shows: how far it is, what to pay and how, and a mark that changes with all of that."""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
import segno
from markupsafe import Markup

from ringlet import ledger, money
from ringlet.errors import NotFound
from ringlet.ledger import Balance
from ringlet.payments import book
from ringlet.payments.bank import Bank
from ringlet.payments.book import Terms
from ringlet.payments.kinds import KINDS
from ringlet.topups import proof, store
from ringlet.topups.proof import Proof
from ringlet.topups.store import Topup
from ringlet.web.pages import visit
from ringlet.web.pages.visit import Visit

PUBLIC_ID = re.compile(r"tu_[0-9A-Za-z]{22}")
#: what a wallet on a telephone opens: the coin's own scheme, and that it reads an amount
SCHEMES: Mapping[str, str] = {
    "BTC": "bitcoin", "LTC": "litecoin", "DOGE": "dogecoin", "BCH": "bitcoincash", "DASH": "dash",
}  # fmt: skip
COINS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?")
#: longer ones no camera reads
DRAWN_MAX = 500


class Shown(msgspec.Struct, frozen=True):
    """One payment for its payer. `pay_at`: where to go and pay, `coin_uri`: what the picture says."""

    topup: Topup
    balance: Balance
    pay_at: str | None
    coin_uri: str
    picture: str
    #: a bank's, and what was shown for the transfer
    instructions: str
    is_by_hand: bool
    proofs: Sequence[Proof]
    left_s: float
    version: str

    @property
    def goes_on(self) -> bool:
        """Whether something may still change by itself."""
        return self.topup.state in store.OPEN

    @property
    def takes_proof(self) -> bool:
        """Whether another file may be shown for this transfer."""
        topup = self.topup
        is_undecided = topup.state == "open" or (topup.state, topup.why) == ("review", "proof")
        return topup.kind == Bank.kind and is_undecided and len(self.proofs) < proof.COUNT_MAX

    @property
    def amount(self) -> str:
        """The credit as a form takes it: 12.5."""
        return str(money.to_amount(self.topup.amount_micros))


async def shown(seen: Visit, public_id: str) -> Shown:
    """The visitor's own payment, in the wallet of his mode. Refuses: NotFound, ServiceUnavailable."""
    person = seen.signed_in()
    if not PUBLIC_ID.fullmatch(public_id):
        raise NotFound
    async with seen.desk.db.connection() as tx:
        topup = await store.of_wallet(tx, person.wallet_id, public_id)
        if topup is None:
            raise NotFound
        terms = await book.load(tx, topup.gateway_id)
        balance = await ledger.balance(tx, person.wallet_id)
        proofs = await proof.of_topup(tx, topup.id) if topup.kind == Bank.kind else []
    assert terms is not None, "gateways are never deleted"
    return _shown(seen, topup, terms, balance, proofs)


def _shown(seen: Visit, topup: Topup, terms: Terms, balance: Balance, proofs: Sequence[Proof]) -> Shown:
    is_by_hand = not KINDS[terms.kind].can.fetches
    is_open = topup.state == "open"
    uri = coin_uri(topup) if is_open else ""
    left_s = max(0.0, (topup.expires_at - datetime.now(UTC)).total_seconds())
    return Shown(
        topup=topup,
        balance=balance,
        pay_at=safe_address(topup.pay_url) if is_open else None,
        coin_uri=uri,
        picture=drawn(uri),
        instructions=_instructions(seen, terms) if is_by_hand and is_open else "",
        is_by_hand=is_by_hand,
        proofs=proofs,
        left_s=left_s,
        version=_version(topup, balance, len(proofs), seen.words.span(left_s) if is_open else ""),
    )


def _instructions(seen: Visit, terms: Terms) -> str:
    return seen.desk.gateways.config(terms).get("instructions", "")


def _version(topup: Topup, balance: Balance, proofs: int, left: str) -> str:
    told: tuple[Any, ...] = (
        topup.state, topup.why, topup.pay_url, topup.pay_address, topup.pay_amount, topup.credited_micros,
        topup.bonus_micros, topup.returned_micros, balance.available_micros, proofs, left,
    )  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def safe_address(address: str | None) -> str | None:
    """A page to pay at: on the web or one of ours; anything else a gateway may have said is no address."""
    if not address or not address.isprintable():
        return None
    if address.startswith("/"):
        return visit.local(address, "") or None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and parts.hostname else None


def coin_uri(topup: Topup) -> str:
    """What a camera reads: the address, with scheme and amount where the coin has a scheme. "" without an address."""
    address = topup.pay_address or ""
    scheme = SCHEMES.get((topup.pay_currency or "").upper())
    if not address or not scheme or not address.removeprefix(f"{scheme}:").isalnum():
        return address
    amount = topup.pay_amount or ""
    return f"{scheme}:{address.removeprefix(f'{scheme}:')}" + (
        f"?amount={amount}" if COINS.fullmatch(amount) else ""
    )


def drawn(text: str) -> str:
    """A QR code as SVG without inline styles, for the page's own rules to size; "" for nothing and for what is too long."""
    if not 0 < len(text) <= DRAWN_MAX:
        return ""
    picture = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        picture, kind="svg", xmldecl=False, omitsize=True, border=2, light="#fff"
    )
    # The picture is squares alone: nothing of the text is in it.
    return Markup(picture.getvalue().decode().strip())  # noqa: S704
