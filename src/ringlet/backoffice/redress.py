"""What staff do about one order: cancel it, give back what it earned, ask its supplier about it now."""

import asyncio
from typing import LiteralString

from ringlet import acts, ledger
from ringlet.activations import cancel as cancels
from ringlet.activations import follow, resale, store
from ringlet.activations.cancel import Cancelled
from ringlet.acts import Actor
from ringlet.backoffice import order, reasons
from ringlet.backoffice.alone import check_other
from ringlet.backoffice.order import EARNED
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import ServiceUnavailable, ValidationFailed
from ringlet.suppliers.port import Held, NotSent, OutcomeUnknown, Refused

LOOK_WITHIN_S = 15.0


async def refund(desk: Desk, actor: Actor, public_id: int, text: str) -> None:
    """Give the price of a charged order back, once; the order stays what it is, and so does what the supplier got.

    Refuses: NotFound, Forbidden (his own order), ValidationFailed (no reason, nothing was charged, given back already).
    """
    reason = reasons.read(text)
    async with desk.db.transaction() as tx:
        found = await order.holder(tx, public_id)
        await check_other(tx, actor, found.customer_id)
        row = await store.lock(tx, found.row_id)
        if row.state not in EARNED or row.amount_micros == 0:
            raise ValidationFailed("Nothing was charged for this order: what was held goes back by itself")
        if await _is_refunded(tx, row.wallet_id, row.id):
            raise ValidationFailed("The price of this order was given back already")
        wallet = await ledger.wallet(tx, row.wallet_id)
        posting_id = await ledger.refund(
            tx, wallet, row.amount_micros, row.id, actor=actor.name, reason=reason
        )
        await resale.take_back(tx, wallet, row.id)
        await acts.write(
            tx, actor, "order.refunded", f"order {public_id}", reason=reason, customer_id=found.customer_id,
            after={"amount_micros": row.amount_micros, "posting": posting_id},
        )  # fmt: skip


async def _is_refunded(tx: Tx, wallet_id: int, row_id: int) -> bool:
    row = await (await tx.execute(_REFUNDED, [wallet_id, str(row_id)])).fetchone()
    return row is not None


_REFUNDED: LiteralString = "select from posting where wallet_id = %s and kind = 'refund' and reference = %s"


async def cancel(desk: Desk, actor: Actor, public_id: int, text: str) -> Cancelled:
    """Cancel a waiting order as its customer could; a supplier that refuses now is asked again until he does not.

    That it was asked for is in the log before anything happens: between the two lies a call to the supplier.
    Refuses: NotFound, ValidationFailed (no reason), CancelRejected, ServiceUnavailable (it is carried on).
    """
    reason = reasons.read(text)
    async with desk.db.transaction() as tx:
        found = await order.holder(tx, public_id)
        await _note(tx, actor, "order.cancel_asked", public_id, found.customer_id, reason)
    return await cancels.cancel(desk, found.wallet_id, public_id, when_allowed=True)


async def look_now(desk: Desk, actor: Actor, public_id: int) -> Held:
    """Ask the supplier about this order at once and take what he says as a sweep would.

    Refuses: NotFound, ValidationFailed (nothing to ask about, he refuses), ServiceUnavailable (he gave no answer).
    """
    async with desk.db.transaction() as tx:
        found = await order.holder(tx, public_id)
        ref = await _open_ref(tx, found.row_id)
        await _note(tx, actor, "order.looked_at", public_id, found.customer_id, "")
    supplier = desk.book.get(found.source_id)
    if ref is None or supplier is None:
        raise ValidationFailed("There is nothing to ask a supplier about: this order has no open rental")
    try:
        async with asyncio.timeout(LOOK_WITHIN_S):
            held = await supplier.port.look(ref)
    except (NotSent, OutcomeUnknown, TimeoutError):
        raise ServiceUnavailable("The supplier did not answer") from None
    except Refused as refused:
        raise ValidationFailed(f"The supplier refuses to tell: {refused.reason}") from None
    await follow.take(desk, found.source_id, held)
    return held


async def _open_ref(tx: Tx, row_id: int) -> str | None:
    row = await (await tx.execute(_OPEN_REF, [row_id])).fetchone()
    return None if row is None else str(row[0])


_OPEN_REF: LiteralString = """
select supplier_ref from rental where activation_id = %s and state in ('open', 'closing') order by created_at desc limit 1
"""


async def _note(tx: Tx, actor: Actor, act: str, public_id: int, customer_id: int, reason: str) -> None:
    await acts.write(tx, actor, act, f"order {public_id}", reason=reason, customer_id=customer_id)
