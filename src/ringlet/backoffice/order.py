"""One order with everything about it: its story, its money on both sides, and where its number came from."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.activations import timeline
from ringlet.activations.states import State
from ringlet.activations.timeline import Story
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound

EARNED = (State.RECEIVED, State.FINISHED)


class Holder(msgspec.Struct, frozen=True):
    """Whose order it is, and what it was made of."""

    row_id: int
    wallet_id: int
    customer_id: int
    email: str
    mode: str
    currency: str
    source: str
    source_kind: str
    source_id: int


class Rental(msgspec.Struct, frozen=True):
    """The number at its supplier; `cost` in our money."""

    supplier_ref: str
    phone: str
    cost: Decimal
    state: str
    wish: str | None
    cancel_after: datetime | None
    due_at: datetime | None
    tries: int
    last_error: str | None
    missing_since: datetime | None
    created_at: datetime
    closed_at: datetime | None


class Asked(msgspec.Struct, frozen=True):
    """What is being asked at a supplier whose answer is outstanding."""

    attempt: int
    asked_at: datetime
    cost_max: Decimal


class Cost(msgspec.Struct, frozen=True):
    """A posting between us and the supplier."""

    id: int
    kind: str
    amount_micros: int
    created_at: datetime


class Order(msgspec.Struct, frozen=True):
    """Everything on the page of one order."""

    holder: Holder
    story: Story
    rentals: Sequence[Rental]
    costs: Sequence[Cost]
    asked: Asked | None

    @property
    def is_refunded(self) -> bool:
        """Whether what it earned was given back."""
        return any(each.kind == "refund" for each in self.story.money)

    @property
    def is_refundable(self) -> bool:
        """Whether it earned something that was not given back."""
        row = self.story.seen.activation
        return row.state in EARNED and row.amount_micros > 0 and not self.is_refunded

    @property
    def is_lookable(self) -> bool:
        """Whether a supplier can be asked about it now."""
        return any(each.state in {"open", "closing"} for each in self.rentals)


async def look(desk: Desk, public_id: int) -> Order:
    """One order, whoever's it is. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        found = await holder(tx, public_id)
        rentals = await _rentals(tx, found.row_id)
        costs = await _costs(tx, found.source_id, [each.supplier_ref for each in rentals])
        asked = await _asked(tx, found.row_id)
    return Order(found, await timeline.tell(desk, found.wallet_id, public_id), rentals, costs, asked)


async def holder(tx: Tx, public_id: int) -> Holder:
    """Refuses: NotFound."""
    cursor = tx.cursor(row_factory=args_row(Holder))
    found = await (await cursor.execute(_HOLDER, [public_id])).fetchone()
    if found is None:
        raise NotFound("No such order")
    return found


_HOLDER: LiteralString = """
select a.id, a.wallet_id, c.id, c.email, w.mode, w.currency, s.name, s.kind, s.id
from activation a join wallet w on w.id = a.wallet_id join customer c on c.id = w.customer_id
join source s on s.id = a.source_id
where a.public_id = %s
"""


async def _rentals(tx: Tx, row_id: int) -> list[Rental]:
    cursor = tx.cursor(row_factory=args_row(Rental))
    return await (await cursor.execute(_RENTALS, [row_id])).fetchall()


_RENTALS: LiteralString = """
select supplier_ref, phone, cost, state::text, wish::text, cancel_after, due_at, tries, last_error, missing_since,
    created_at, closed_at
from rental where activation_id = %s order by created_at
"""


async def _costs(tx: Tx, source_id: int, refs: Sequence[str]) -> list[Cost]:
    cursor = tx.cursor(row_factory=args_row(Cost))
    return await (await cursor.execute(_COSTS, [source_id, list(refs)])).fetchall()


_COSTS: LiteralString = """
select id, kind::text, amount_micros, created_at from supplier_posting
where source_id = %s and supplier_ref is not null and supplier_ref = any (%s) order by id
"""


async def _asked(tx: Tx, row_id: int) -> Asked | None:
    cursor = tx.cursor(row_factory=args_row(Asked))
    return await (await cursor.execute(_ASKED, [row_id])).fetchone()


_ASKED: LiteralString = "select attempt, asked_at, cost_max from asking where activation_id = %s"
