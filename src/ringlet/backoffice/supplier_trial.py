"""Trying a supplier: one number is bought through exactly this one, for the account of whoever tries it, and given back."""

from decimal import Decimal
from typing import LiteralString

import msgspec

from ringlet import accounts, acts, ledger
from ringlet.activations.buy import buy
from ringlet.activations.cancel import cancel
from ringlet.activations.choose import Order
from ringlet.acts import Actor
from ringlet.desk import Desk
from ringlet.errors import CancelRejected, NotFound, ServiceUnavailable
from ringlet.idempotency import Once
from ringlet.ledger import Wallet


class Trial(msgspec.Struct, frozen=True):
    """A purchase through this supplier. `cost` is what it charges us (None as long as nobody knows, or it charged
    nothing), `is_returned` whether our money there came back; amounts of the account in micro-units.
    """

    public_id: int
    service: str
    country: int
    state: str
    amount_micros: int
    has_code: bool
    cost: Decimal | None
    is_returned: bool


async def begin(
    desk: Desk,
    by: Actor,
    customer_id: int,
    source_id: int,
    *,
    country: int,
    service: str,
    key: str,
    is_kept: bool,
) -> int:
    """Buy one number there; unless it is to be kept it goes back at once, or as soon as the supplier allows it.
    Returns the activation's public id; the same key buys once.

    Refuses: what a buy refuses, and NotFound for no such supplier.
    """
    wallet, name = await _wallet(desk, customer_id), await _name(desk, source_id)
    asked = msgspec.json.encode(("trial", source_id, country, service))
    once = Once(wallet.id, f"trial:{key}", asked)
    order = Order(service, country, reference=f"trial of {name}"[:255], source_id=source_id)
    bought = await buy(desk, wallet, order, once)
    public_id = bought.activation.public_id
    if not bought.replayed:
        after = {"activation": str(public_id), "service": service, "country": country}
        async with desk.db.transaction() as tx:
            await acts.write(
                tx, by, "supplier.tried", f"supplier {name}", after=after, customer_id=customer_id
            )
    if not is_kept:
        await give_back(desk, customer_id, public_id)
    return public_id


async def give_back(desk: Desk, customer_id: int, public_id: int) -> None:
    """Nobody wants it: back now, or as soon as the supplier allows it. What has a code or is over stays as it is.

    Whatever is not done here is done by its lease: without a code it ends with a refund by itself.
    """
    wallet = await _wallet(desk, customer_id)
    try:
        await cancel(desk, wallet.id, public_id, when_allowed=True)
    except (CancelRejected, ServiceUnavailable):
        return


async def look(desk: Desk, customer_id: int, source_id: int, public_id: int) -> Trial:
    """How it stands. Refuses: NotFound (also when it is somebody else's, or another supplier's)."""
    wallet = await _wallet(desk, customer_id)
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_LOOK, [wallet.id, public_id, source_id])).fetchone()
    if row is None:
        raise NotFound
    return Trial(*row)


_LOOK: LiteralString = """
select a.public_id, a.service, a.country, a.state::text, a.amount_micros, a.code is not null, r.cost,
    coalesce(r.state = 'returned', false)
from activation a left join lateral (
    select cost, state from rental where activation_id = a.id order by created_at desc limit 1
) r on true
where a.wallet_id = %s and a.public_id = %s and a.source_id = %s
"""


async def _wallet(desk: Desk, customer_id: int) -> Wallet:
    async with desk.db.connection() as tx:
        return await ledger.wallet(tx, await accounts.wallet_id(tx, customer_id, "live"))


async def _name(desk: Desk, source_id: int) -> str:
    async with desk.db.connection() as tx:
        row = await (await tx.execute(_NAME, [source_id])).fetchone()
    if row is None:
        raise NotFound
    return str(row[0])


_NAME: LiteralString = "select name from source where id = %s and kind = 'supplier'"
