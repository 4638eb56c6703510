"""What a reseller gets of what a customer of his shop pays: all that is above the reseller's own price.

The share is written with the activation, in the transaction of the sale; it is earned with the capture, in its
transaction; and the shares of a reseller are posted together a moment later. So two customers' codes never wait for
the reseller's one row, and no crash can lose a share or give it twice. When the operator gives the money of a sale
back, the share goes back the same way. Decision 30.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString

import msgspec
import structlog

from ringlet import failpoints, ledger, money
from ringlet.brands import HOUSE
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import InsufficientBalance
from ringlet.ledger import Wallet

POSTED_AT_ONCE_MAX = 500

log = structlog.get_logger("ringlet.resale")


class Share(msgspec.Struct, frozen=True):
    """What of one sale is the reseller's, for his wallet, in micro-units."""

    brand_id: int
    wallet_id: int
    micros: int


def share(desk: Desk, wallet: Wallet, price: Decimal, wholesale: Decimal | None) -> Share | None:
    """Of a sale at `price`, for which the reseller pays `wholesale`; None where the operator sells, and for play money."""
    reseller = desk.prices.rules.brands.get(wallet.brand_id)
    if wholesale is None or reseller is None or wallet.mode != "live":
        return None
    # Both are rounded as they are charged, so that the three amounts add up to the micro-unit.
    micros = money.charge_micros(price) - money.charge_micros(wholesale)
    return Share(wallet.brand_id, reseller.wallet_id, micros)


async def note(tx: Tx, activation_id: int, share: Share | None) -> None:
    """Write down what the reseller will get if this sale brings its code."""
    if share is not None:
        await tx.execute(_NOTE, [activation_id, share.brand_id, share.wallet_id, share.micros])


_NOTE: LiteralString = (
    "insert into resale (activation_id, brand_id, wallet_id, share_micros) values (%s, %s, %s, %s)"
)


async def carry_over(tx: Tx, wallet: Wallet, old_id: int, new_id: int) -> None:
    """The hold of an activation moved to the one that takes its place, and the share with it."""
    if wallet.brand_id != HOUSE:
        await tx.execute(_CARRY_OVER, [new_id, old_id])


_CARRY_OVER: LiteralString = """
insert into resale (activation_id, brand_id, wallet_id, share_micros)
select %s, brand_id, wallet_id, share_micros from resale where activation_id = %s
"""


async def earn(tx: Tx, wallet: Wallet, activation_id: int) -> None:
    """The code came: in the transaction of the capture. In the operator's own shop nothing is asked."""
    if wallet.brand_id != HOUSE:
        await tx.execute(_EARN, [activation_id])


_EARN: LiteralString = "update resale set earned_at = now() where activation_id = %s and earned_at is null"


async def take_back(tx: Tx, wallet: Wallet, activation_id: int) -> None:
    """The money of a captured sale is given back to the customer: in the transaction of that refund."""
    if wallet.brand_id != HOUSE:
        await tx.execute(_TAKE_BACK, [activation_id])


_TAKE_BACK: LiteralString = """
update resale set returned_at = now() where activation_id = %s and earned_at is not null and returned_at is null
"""


async def post_due(desk: Desk) -> int:
    """Post what is due, at most so many shares; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.transaction() as tx:
        due = await (await tx.execute(_DUE, [POSTED_AT_ONCE_MAX])).fetchall()
        # In order of the wallets, as everybody locks balances.
        for wallet_id, shares in sorted(_by_wallet(due).items()):
            wallet = await ledger.wallet(tx, wallet_id)
            posting_id = await ledger.share(tx, wallet, sum(micros for _, micros in shares))
            await tx.execute(_POSTED, [posting_id, [activation_id for activation_id, _ in shares]])
        failpoints.reach("shares_posted")
    return len(due)


def _by_wallet(due: Sequence[tuple[int, int, int]]) -> dict[int, list[tuple[int, int]]]:
    by_wallet: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for wallet_id, activation_id, micros in due:
        by_wallet[wallet_id].append((activation_id, micros))
    return by_wallet


_DUE: LiteralString = """
select wallet_id, activation_id, share_micros from resale
where earned_at is not null and posting_id is null and returned_at is null and share_micros > 0
order by wallet_id, activation_id limit %s for update skip locked
"""

_POSTED: LiteralString = "update resale set posting_id = %s where activation_id = any (%s)"


async def post_returns(desk: Desk) -> int:
    """Take back what is to be returned, from resellers who have it; returns how many. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        wallets = [row[0] for row in await (await tx.execute(_RETURNING)).fetchall()]
    return sum([await _return_of(desk, wallet_id) for wallet_id in wallets])


async def _return_of(desk: Desk, wallet_id: int) -> int:
    """One share after the other, the oldest first, as far as the balance goes: the rest stays due."""
    returned = 0
    async with desk.db.transaction() as tx:
        wallet = await ledger.wallet(tx, wallet_id)
        due = await (await tx.execute(_RETURN_DUE, [wallet_id, POSTED_AT_ONCE_MAX])).fetchall()
        for activation_id, micros in due:
            try:
                posting_id = await ledger.return_share(tx, wallet, micros)
            except InsufficientBalance:
                log.warning("share_not_returned", wallet=wallet_id, activation=activation_id, micros=micros)
                break
            await tx.execute(_RETURNED, [posting_id, activation_id])
            returned += 1
    return returned


_RETURNING: LiteralString = """
select distinct wallet_id from resale
where returned_at is not null and posting_id is not null and return_posting_id is null order by wallet_id limit 1000
"""

_RETURN_DUE: LiteralString = """
select activation_id, share_micros from resale
where wallet_id = %s and returned_at is not null and posting_id is not null and return_posting_id is null
order by activation_id limit %s for update skip locked
"""

_RETURNED: LiteralString = "update resale set return_posting_id = %s where activation_id = %s"
