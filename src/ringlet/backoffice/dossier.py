"""One customer as staff see him: the standing, money, keys, what was said and what was done about him."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import customers, ledger, statement
from ringlet.acts import Act
from ringlet.backoffice import adjustments, notes
from ringlet.backoffice.adjustments import Adjustment
from ringlet.backoffice.notes import Note
from ringlet.customers import Group
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.ledger import Balance
from ringlet.people.sessions import GOOD

LINES = 10
ACTS = 20
KEYS_SHOWN = 100


class Customer(msgspec.Struct, frozen=True):
    """Who it is. `person_id` is None for who has never signed in by a page; `role` for who is of the staff."""

    id: int
    email: str
    created_at: datetime
    frozen_at: datetime | None
    group_id: int | None
    live_wallet_id: int
    test_wallet_id: int
    person_id: int | None
    is_confirmed: bool
    role: str | None
    sessions: int


class Key(msgspec.Struct, frozen=True):
    """A key, never its token."""

    id: int
    name: str
    mode: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None


class Sale(msgspec.Struct, frozen=True):
    """An order of late."""

    public_id: int
    service: str
    country: int
    state: str
    amount_micros: int
    created_at: datetime


class Dossier(msgspec.Struct, frozen=True):
    """Everything on the page of one customer."""

    customer: Customer
    balance: Balance
    groups: Sequence[Group]
    keys: Sequence[Key]
    sales: Sequence[Sale]
    lines: Sequence[statement.Line]
    notes: Sequence[Note]
    acts: Sequence[Act]
    waiting: Sequence[Adjustment]


async def look(desk: Desk, customer_id: int) -> Dossier:
    """One customer. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        found = await customer(tx, customer_id)
        part = await statement.part(tx, found.live_wallet_id, limit=LINES)
        return Dossier(
            found, await ledger.balance(tx, found.live_wallet_id), await customers.list_groups(tx),
            await _keys(tx, customer_id), await _sales(tx, found.live_wallet_id), part.lines,
            await notes.newest(tx, customer_id), await _acts(tx, customer_id),
            await adjustments.waiting_for(tx, customer_id),
        )  # fmt: skip


async def customer(tx: Tx, customer_id: int) -> Customer:
    """Refuses: NotFound."""
    cursor = tx.cursor(row_factory=args_row(Customer))
    found = await (await cursor.execute(_CUSTOMER, [customer_id])).fetchone()
    if found is None:
        raise NotFound("No such customer")
    return found


_CUSTOMER: LiteralString = f"""
select c.id, c.email, c.created_at, c.frozen_at, c.group_id, live.id, test.id, p.id, p.confirmed_at is not null, t.role,
    (select count(*) from person_session s where s.person_id = p.id and {GOOD})
from customer c
join wallet live on live.customer_id = c.id and live.mode = 'live'
join wallet test on test.customer_id = c.id and test.mode = 'test'
left join person p on p.customer_id = c.id
left join staff t on t.person_id = p.id
where c.id = %s
"""


async def _keys(tx: Tx, customer_id: int) -> list[Key]:
    cursor = tx.cursor(row_factory=args_row(Key))
    return await (await cursor.execute(_KEYS, [customer_id, KEYS_SHOWN])).fetchall()


_KEYS: LiteralString = """
select k.id, k.name, w.mode, k.token_hint, k.created_at, k.last_used_at, k.revoked_at, k.expires_at
from wallet w join api_key k on k.wallet_id = w.id where w.customer_id = %s
order by k.revoked_at is not null, k.id desc limit %s
"""


async def _sales(tx: Tx, wallet_id: int) -> list[Sale]:
    cursor = tx.cursor(row_factory=args_row(Sale))
    return await (await cursor.execute(_SALES, {"wallet": wallet_id, "limit": LINES})).fetchall()


_SALES: LiteralString = """
select public_id, service, country, state::text, amount_micros, created_at from activation
where (wallet_id, id) >= (%(wallet)s, 0) and (wallet_id, id) < (%(wallet)s, 9223372036854775807)
order by wallet_id desc, id desc limit %(limit)s
"""


async def _acts(tx: Tx, customer_id: int) -> list[Act]:
    cursor = tx.cursor(row_factory=args_row(Act))
    return await (await cursor.execute(_ACTS, {"customer": customer_id, "limit": ACTS})).fetchall()


_ACTS: LiteralString = """
select id, at, actor, role, host(address), user_agent, request_id, act, about, customer_id, reason, before, after
from staff_act
where customer_id is not null and (customer_id, id) >= (%(customer)s, 0)
    and (customer_id, id) < (%(customer)s, 9223372036854775807)
order by customer_id desc, id desc limit %(limit)s
"""
