"""What a supplier's refusal teaches about its offers and about itself, for every process."""

from decimal import Decimal
from typing import LiteralString

from ringlet import money
from ringlet.activations.choose import Choice
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.feed import announce
from ringlet.suppliers import book
from ringlet.suppliers.book import Supplier
from ringlet.suppliers.port import NotSent, Reason, Refused

ACCOUNT_REST_S = 60.0
LIMITED_REST_S = 5.0


async def note_refusal(desk: Desk, choice: Choice, refusal: Refused | NotSent) -> None:
    """Take the refusal to heart: the cell is empty or dearer than it says, or the supplier serves nobody now."""
    supplier = choice.supplier
    assert supplier is not None
    if isinstance(refusal, NotSent):
        await note_silence(desk, supplier)
        return
    supplier.answered()
    async with desk.db.transaction() as tx:
        match refusal.reason:
            case Reason.NO_NUMBERS | Reason.NOT_SOLD:
                changed = await _empty(tx, choice.offer.id)
            case Reason.PRICE:
                changed = await _reprice(tx, choice, refusal.price)
            case Reason.NO_BALANCE | Reason.ACCOUNT | Reason.LIMITED:
                rest_s = LIMITED_REST_S if refusal.reason == Reason.LIMITED else ACCOUNT_REST_S
                await book.refuse(tx, supplier.terms.source_id, str(refusal), refusal.retry_after_s or rest_s)
                changed = True
            case _:
                changed = False
        if changed:
            await announce(tx, "catalogue")


async def note_silence(desk: Desk, supplier: Supplier) -> None:
    """It gave no answer that can be read. After a row of those nobody offers it for a while."""
    if supplier.failed():
        async with desk.db.transaction() as tx:
            await book.refuse(tx, supplier.terms.source_id, "no usable answers", book.REST_S)
            await announce(tx, "catalogue")


async def _empty(tx: Tx, offer_id: int) -> bool:
    """The cell has nothing, whatever the price list said; the next sync may know better."""
    return (await tx.execute(_EMPTY, [offer_id])).rowcount == 1


_EMPTY: LiteralString = """
update offer set available = 0, changed_at = clock_timestamp() where id = %s and available is distinct from 0
"""


async def _reprice(tx: Tx, choice: Choice, price: Decimal | None) -> bool:
    """It costs more than the price list said; without a figure it is of no use until the next sync."""
    if price is None or choice.supplier is None:
        return await _empty(tx, choice.offer.id)
    cost = money.price(price * choice.supplier.terms.currency_rate)
    return (await tx.execute(_REPRICE, [cost, choice.offer.id, cost])).rowcount == 1


_REPRICE: LiteralString = """
update offer set base_price = %s, changed_at = clock_timestamp() where id = %s and base_price < %s
"""
