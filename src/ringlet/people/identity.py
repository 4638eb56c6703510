"""Who a customer is, as far as somebody has found out: staff, or the operator's own service (`webhooks/identity.py`)."""

from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import acts
from ringlet.acts import Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.identities import NONE, PENDING, REFUSED, STATES


class Check(msgspec.Struct, frozen=True):
    """Where a customer stands. `error`: why the operator's service could not be asked."""

    state: str = NONE
    changed_at: datetime | None = None
    changed_by: str = ""
    error: str | None = None


async def look(desk: Desk, customer_id: int) -> Check:
    """Where this customer stands. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(Check))
        found = await (await cursor.execute(_LOOK, [customer_id])).fetchone()
    return found or Check()


_LOOK: LiteralString = (
    "select state, changed_at, changed_by, error from identity_check where customer_id = %s"
)


async def ask(desk: Desk, actor: Actor, customer_id: int, reason: str = "") -> None:
    """The operator's service is to find out who this customer is; until it answers he is pending.

    Asked twice it is asked once. Refuses: NotFound, ValidationFailed (no service is set, or he is verified already).
    """
    async with desk.db.transaction() as tx:
        before = await lock(tx, customer_id)
        row = await (await tx.execute("select identity_url is not null from privacy")).fetchone()
        if not (row and row[0]):
            raise ValidationFailed("No service for identity checks is set")
        if before == PENDING:
            raise ValidationFailed("A check of this customer is under way already")
        if before not in {NONE, REFUSED}:
            raise ValidationFailed("This customer is verified already")
        await _put(tx, customer_id, PENDING, actor.name)
        await tx.execute(_DUE, [customer_id])
        await acts.write(tx, actor, "identity.asked", f"customer {customer_id}", before={"state": before},
                         after={"state": PENDING}, reason=reason, customer_id=customer_id)  # fmt: skip


_DUE: LiteralString = """
update identity_check set due_at = now(), attempts = 0, error = null where customer_id = %s
"""


async def decide(desk: Desk, actor: Actor, customer_id: int, state: str, reason: str = "") -> None:
    """From now on this is what we know of him. Refuses: NotFound, ValidationFailed, ServiceUnavailable."""
    if state not in STATES:
        raise ValidationFailed(f"One of {', '.join(STATES)}", field="state")
    async with desk.db.transaction() as tx:
        before = await lock(tx, customer_id)
        if before == state:
            return
        await _put(tx, customer_id, state, actor.name)
        await acts.write(tx, actor, "identity.set", f"customer {customer_id}", before={"state": before},
                         after={"state": state}, reason=reason, customer_id=customer_id)  # fmt: skip


async def lock(tx: Tx, customer_id: int) -> str:
    """The state, which nobody else changes until the end of the transaction. Refuses: NotFound."""
    row = await (await tx.execute(_LOCK, [customer_id])).fetchone()
    if row is None:
        raise NotFound("No such customer")
    found = await (
        await tx.execute("select state from identity_check where customer_id = %s", [customer_id])
    ).fetchone()
    return NONE if found is None else str(found[0])


_LOCK: LiteralString = "select from customer where id = %s for no key update"


async def _put(tx: Tx, customer_id: int, state: str, by: str) -> None:
    await tx.execute(_PUT, [customer_id, state, by])


_PUT: LiteralString = """
insert into identity_check (customer_id, state, changed_by) values (%s, %s, %s)
on conflict (customer_id) do update set state = excluded.state, changed_by = excluded.changed_by, changed_at = now(),
    due_at = null, error = null
"""
