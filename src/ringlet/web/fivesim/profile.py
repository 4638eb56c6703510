"""/v1/user/profile: whose key this is, and his balance."""

from typing import Any

from litestar import Request, Response, get

from ringlet import canon, customers, ledger, money
from ringlet.activations import browse
from ringlet.activations.browse import Wanted
from ringlet.activations.states import TERMINAL, State
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.ledger import Balance, Wallet
from ringlet.web.api import caller, office
from ringlet.web.fivesim import words
from ringlet.web.wire import encode, encoded

Req = Request[Any, Any, Any]
RATING = 96  # full marks: nobody is rated here
OPEN = tuple(state for state in State if state not in TERMINAL)
DEFAULT_COUNTRY = 6
NEVER_ORDERED = "any:other:any:0:0"  # programs take it to pieces, so there are always five of them


@get("/profile")
async def get_profile(request: Req) -> Response[Any]:
    """Everything that programs ask for; `frozen_balance` is what is held for open orders."""
    wallet = caller(request, "balance:read").wallet
    desk = office(request).desk
    async with desk.db.connection() as tx:
        balance = await ledger.balance(tx, wallet.id)
        email = await customers.email(tx, wallet.customer_id)
    return encoded(encode(_profile(wallet, email, balance) | await _habits(desk, wallet)))


def _profile(wallet: Wallet, email: str, balance: Balance) -> dict[str, object]:
    country = canon.countries()[DEFAULT_COUNTRY]
    return {
        "id": wallet.customer_id,
        "email": email,
        "vendor": "",
        "default_forwarding_number": "",
        "balance": money.to_amount(balance.available_micros),
        "rating": RATING,
        "default_country": {
            "name": words.country_word(country.id), "iso": country.iso.lower(), "prefix": f"+{country.prefix}",
        },
        "default_operator": {"name": ""},
        "frozen_balance": money.to_amount(balance.held_micros),
    }  # fmt: skip


async def _habits(desk: Desk, wallet: Wallet) -> dict[str, object]:
    newest = (await browse.browse(desk, wallet.id, Wanted(per_page=1))).rows
    active = (await browse.browse(desk, wallet.id, Wanted(per_page=1, states=OPEN))).total
    last = _last(newest[0].activation) if newest else NEVER_ORDERED
    return {
        "did_order": bool(newest),
        "last_order": last,
        "last_top_orders": f"[{last}]",
        "last_top_idx": 0,
        "total_active_orders": active,
    }


def _last(row: Activation) -> str:
    """country:product:operator:number of the product:price"""
    service = canon.services().get(row.service)
    parts = (words.country_word(row.country), words.product_word(row.service), row.operator,
             service.rank if service else 0, f"{money.to_amount(row.amount_micros):f}")  # fmt: skip
    return ":".join(str(part) for part in parts)
