"""Rentals in the database: every number that a supplier says is ours, by his own name for it. Rows in, rows out.

    stray ──▶ open ──▶ closing ──▶ returned (our money is back) | spent
      └─────────────────▲

A row is locked after its activation and before the wallet.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet.activations.asking import Asking
from ringlet.db import Tx
from ringlet.suppliers import purse


class Rental(msgspec.Struct, frozen=True):
    """One row; `cost` in our money."""

    source_id: int
    supplier_ref: str
    activation_id: int | None
    country: int
    service: str
    operator: str
    phone: str
    cost: Decimal
    state: str
    wish: str | None
    is_customers_wish: bool
    cancel_after: datetime | None
    tries: int
    created_at: datetime


COLUMNS: LiteralString = (
    "source_id, supplier_ref, activation_id, country, service, operator, phone, cost, state::text, wish::text,"
    " is_customers_wish, cancel_after, tries, created_at"
)


class NewRental(msgspec.Struct, frozen=True):
    """A number that a supplier says is ours; `cost` in our money."""

    source_id: int
    supplier_ref: str
    country: int
    service: str
    operator: str
    phone: str
    cost: Decimal


async def take(tx: Tx, new: NewRental, activation_id: int, cancel_lock_s: float | None) -> bool:
    """The rental is this activation's. False when we knew it before as somebody's: the supplier repeats himself."""
    values = [*msgspec.structs.astuple(new), activation_id, cancel_lock_s]
    row = await (await tx.execute(_TAKE, values)).fetchone()
    if row is None:
        return False
    if row[0]:
        await purse.charge(tx, new.source_id, new.supplier_ref, new.cost)
    return True


_TAKE: LiteralString = """
insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, activation_id, state, cancel_after)
values (%s, %s, %s, %s, %s, %s, %s, %s, 'open', now() + make_interval(secs => %s))
on conflict (source_id, supplier_ref) do update set activation_id = excluded.activation_id, state = 'open'
where rental.state = 'stray'
returning xmax = 0
"""


async def refuse(tx: Tx, new: NewRental) -> bool:
    """The supplier gave us a number that we cannot use, or too late: he is to cancel it. False when we know it."""
    return await _add(tx, _REFUSE, new)


async def _add(tx: Tx, statement: LiteralString, new: NewRental) -> bool:
    row = await (await tx.execute(statement, msgspec.structs.astuple(new))).fetchone()
    if row is not None:
        await purse.charge(tx, new.source_id, new.supplier_ref, new.cost)
    return row is not None


_REFUSE: LiteralString = """
insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state, wish, due_at)
values (%s, %s, %s, %s, %s, %s, %s, 'closing', 'cancel', now())
on conflict (source_id, supplier_ref) do nothing returning true
"""


async def add_stray(tx: Tx, new: NewRental) -> bool:
    """The supplier holds a number for us that no activation has. False when we know it."""
    return await _add(tx, _ADD_STRAY, new)


_ADD_STRAY: LiteralString = """
insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state)
values (%s, %s, %s, %s, %s, %s, %s, 'stray') on conflict (source_id, supplier_ref) do nothing returning true
"""


async def is_leased(tx: Tx, source_id: int, phone: str, service: str) -> bool:
    """Whether an open activation of this service has this number of this supplier."""
    row = await (await tx.execute(_IS_LEASED, [source_id, phone, service])).fetchone()
    return row is not None


_IS_LEASED: LiteralString = """
select from rental where source_id = %s and phone = %s and service = %s and state = 'open' limit 1
"""


async def stray_for(tx: Tx, asking: Asking, age_s: float) -> Rental | None:
    """The oldest stray that this order may have, locked: old enough that no answer to another order can bring it."""
    cursor = tx.cursor(row_factory=args_row(Rental))
    await cursor.execute(_STRAY_FOR, {**_wanted(asking), "age_s": age_s})
    return await cursor.fetchone()


async def stray_named(tx: Tx, asking: Asking, supplier_ref: str) -> Rental | None:
    """The stray of this name, locked, if this order may have it."""
    cursor = tx.cursor(row_factory=args_row(Rental))
    await cursor.execute(_STRAY_NAMED, {**_wanted(asking), "ref": supplier_ref})
    return await cursor.fetchone()


async def may_come(tx: Tx, asking: Asking) -> bool:
    """Whether a stray is there that this order may have, of whatever age."""
    row = await (await tx.execute(_MAY_COME, _wanted(asking))).fetchone()
    return row is not None


def _wanted(asking: Asking) -> dict[str, object]:
    return {
        "source": asking.source_id, "country": asking.country, "service": asking.service,
        "cost_max": asking.cost_max, "operators": list(asking.operators),
        "excluded": [prefix + "%" for prefix in asking.excluded_prefixes],
    }  # fmt: skip


_FITS: LiteralString = """
source_id = %(source)s and state = 'stray' and phone <> '' and country = %(country)s and service = %(service)s
    and not exists (select from blocked_number b where b.phone = rental.phone)
    and cost <= %(cost_max)s and not (phone like any (%(excluded)s::text[]))
    and (%(operators)s::text[] = '{}' or operator = any (%(operators)s::text[]))
    and not exists (select from rental as other where other.source_id = rental.source_id
        and other.phone = rental.phone and other.service = rental.service and other.state = 'open')
"""

_STRAY_FOR: LiteralString = f"""
select {COLUMNS} from rental where {_FITS} and created_at < now() - make_interval(secs => %(age_s)s)
order by created_at, supplier_ref limit 1 for update skip locked
"""

_STRAY_NAMED: LiteralString = (
    f"select {COLUMNS} from rental where {_FITS} and supplier_ref = %(ref)s for update"
)

_MAY_COME: LiteralString = f"select from rental where {_FITS} limit 1"


async def give(tx: Tx, rental: Rental, activation_id: int) -> None:
    """A stray, locked before, is this activation's."""
    await tx.execute(
        "update rental set state = 'open', activation_id = %s where source_id = %s and supplier_ref = %s"
        " and state = 'stray'",
        [activation_id, rental.source_id, rental.supplier_ref],
    )


async def drop_strays(tx: Tx, source_id: int, age_s: float) -> int:
    """Strays that no order can have asked for are to be cancelled; returns how many."""
    return (await tx.execute(_DROP_STRAYS, [source_id, age_s])).rowcount


_DROP_STRAYS: LiteralString = """
update rental set state = 'closing', wish = 'cancel', due_at = now()
where source_id = %s and state = 'stray' and created_at < now() - make_interval(secs => %s)
    and not exists (select from asking q join activation a on a.id = q.activation_id
        where q.source_id = rental.source_id and a.country = rental.country and a.service = rental.service
            and q.asked_at <= rental.created_at)
"""


async def of_activation(tx: Tx, activation_id: int) -> Rental | None:
    """The rental that this activation has now, locked."""
    cursor = tx.cursor(row_factory=args_row(Rental))
    await cursor.execute(_OF_ACTIVATION, [activation_id])
    return await cursor.fetchone()


_OF_ACTIVATION: LiteralString = (
    f"select {COLUMNS} from rental where activation_id = %s and state = 'open' for update"
)


class Return(msgspec.Struct, frozen=True):
    """Whether an open rental can be given back: from when on, and whether its customer has asked for that."""

    activation_id: int
    cancel_after: datetime | None
    is_wished: bool


async def returns(tx: Tx, activation_ids: Sequence[int]) -> dict[int, Return]:
    """Of those of these activations that have a rental now; only read."""
    cursor = tx.cursor(row_factory=args_row(Return))
    await cursor.execute(_RETURNS, [list(activation_ids)])
    return {each.activation_id: each for each in await cursor.fetchall()}


_RETURNS: LiteralString = """
select activation_id, cancel_after, wish is not distinct from 'cancel' and is_customers_wish from rental
where activation_id = any (%s) and state = 'open'
"""


async def by_ref(tx: Tx, source_id: int, supplier_ref: str, *, locked: bool = False) -> Rental | None:
    """The rental of this name."""
    cursor = tx.cursor(row_factory=args_row(Rental))
    await cursor.execute(_BY_REF_LOCKED if locked else _BY_REF, [source_id, supplier_ref])
    return await cursor.fetchone()


_BY_REF: LiteralString = f"select {COLUMNS} from rental where source_id = %s and supplier_ref = %s"
_BY_REF_LOCKED: LiteralString = (
    f"select {COLUMNS} from rental where source_id = %s and supplier_ref = %s for update"
)


async def of_phone(tx: Tx, source_id: int, phone: str) -> Rental | None:
    """The newest rental of this number within the last hour, for a message that is pushed by number."""
    cursor = tx.cursor(row_factory=args_row(Rental))
    await cursor.execute(_OF_PHONE, [source_id, phone])
    return await cursor.fetchone()


_OF_PHONE: LiteralString = f"""
select {COLUMNS} from rental
where source_id = %s and phone = %s and created_at > now() - interval '1 hour' and activation_id is not null
order by created_at desc limit 1
"""


async def hand_over(tx: Tx, rental: Rental, activation_id: int) -> None:
    """A new activation takes the old one's place on the same rental."""
    await tx.execute(
        "update rental set activation_id = %s, wish = null, due_at = null"
        " where source_id = %s and supplier_ref = %s and state = 'open'",
        [activation_id, rental.source_id, rental.supplier_ref],
    )


async def wish_cancel(tx: Tx, rental: Rental, *, is_customers: bool, in_s: float) -> None:
    """Somebody wants this rental cancelled at the supplier; the activation stays open until he confirms."""
    await tx.execute(_WISH_CANCEL, [is_customers, in_s, rental.source_id, rental.supplier_ref])


_WISH_CANCEL: LiteralString = """
update rental set wish = 'cancel', is_customers_wish = is_customers_wish or %s,
    due_at = greatest(cancel_after, now() + make_interval(secs => %s))
where source_id = %s and supplier_ref = %s and state = 'open'
"""


async def drop_wish(tx: Tx, rental: Rental) -> None:
    """The supplier refuses: the rental goes on."""
    await tx.execute(_DROP_WISH, [rental.source_id, rental.supplier_ref])


_DROP_WISH: LiteralString = """
update rental set wish = null, is_customers_wish = false, due_at = null
where source_id = %s and supplier_ref = %s and state = 'open'
"""


async def set_cancel_lock(tx: Tx, rental: Rental, lock_s: float) -> None:
    """The supplier does not cancel before that; a wish waits for it."""
    await tx.execute(_SET_CANCEL_LOCK, [lock_s, lock_s, rental.source_id, rental.supplier_ref])


_SET_CANCEL_LOCK: LiteralString = """
update rental set cancel_after = now() + make_interval(secs => %s),
    due_at = case when wish is not null then now() + make_interval(secs => %s) end
where source_id = %s and supplier_ref = %s and state in ('open', 'closing')
"""


async def let_go(tx: Tx, activation_id: int, wish: str) -> None:
    """The activation is over: the supplier is to cancel or finish its rental, until he confirms."""
    await tx.execute(_LET_GO, [wish, activation_id])


_LET_GO: LiteralString = """
update rental set state = 'closing', wish = %s::rental_wish, due_at = greatest(cancel_after, now()), tries = 0
where activation_id = %s and state = 'open'
"""


async def ended(tx: Tx, rental: Rental, *, is_refunded: bool) -> bool:
    """The supplier has ended it, with our money back or without. False when we knew."""
    state = "returned" if is_refunded else "spent"
    done = await tx.execute(_ENDED, [state, rental.source_id, rental.supplier_ref])
    if done.rowcount and is_refunded:
        await purse.refund(tx, rental.source_id, rental.supplier_ref)
    return done.rowcount == 1


_ENDED: LiteralString = """
update rental set state = %s::rental_state, closed_at = now(), due_at = null, missing_since = null
where source_id = %s and supplier_ref = %s and state in ('stray', 'open', 'closing')
"""


async def claim_due(tx: Tx, source_id: int, limit: int, hold_s: float) -> list[Rental]:
    """Rentals whose end this supplier is to be told now; nobody else gets them for `hold_s`, longer each time."""
    cursor = tx.cursor(row_factory=args_row(Rental))
    await cursor.execute(_CLAIM_DUE, {"source": source_id, "limit": limit, "hold_s": hold_s})
    return await cursor.fetchall()


_CLAIM_DUE: LiteralString = f"""
update rental set tries = tries + 1,
    due_at = now() + make_interval(secs => greatest(%(hold_s)s, least(300, power(2, least(tries, 10)))))
where (source_id, supplier_ref) in (
    select source_id, supplier_ref from rental where due_at <= now() and source_id = %(source)s
    order by due_at limit %(limit)s for update skip locked)
returning {COLUMNS}
"""


async def try_again(tx: Tx, rental: Rental, in_s: float, error: str) -> None:
    """The supplier did not confirm: ask again later."""
    await tx.execute(
        "update rental set due_at = now() + make_interval(secs => %s), last_error = %s"
        " where source_id = %s and supplier_ref = %s and due_at is not null",
        [in_s, error[:300], rental.source_id, rental.supplier_ref],
    )


async def note_missing(tx: Tx, source_id: int, supplier_ref: str, *, is_missing: bool) -> None:
    """Whether the supplier knows this rental; the audit names those that he does not know for long."""
    await tx.execute(_NOTE_MISSING, [is_missing, source_id, supplier_ref, is_missing])


_NOTE_MISSING: LiteralString = """
update rental set missing_since = case when %s then now() end
where source_id = %s and supplier_ref = %s and (missing_since is null) = %s
"""


class Live(msgspec.Struct, frozen=True):
    """What a sweep over a supplier's rentals needs to know of each."""

    supplier_ref: str
    state: str
    age_s: float
    is_missing: bool


async def live(tx: Tx, source_id: int) -> list[Live]:
    """Every rental of this supplier that is not over."""
    cursor = tx.cursor(row_factory=args_row(Live))
    await cursor.execute(_LIVE, [source_id])
    return await cursor.fetchall()


_LIVE: LiteralString = """
select supplier_ref, state::text, extract(epoch from now() - created_at)::float8, missing_since is not null
from rental
where source_id = %s and state in ('stray', 'open', 'closing')
"""


async def known(tx: Tx, source_id: int, refs: list[str]) -> set[str]:
    """Those of these names that we know, also of what is over."""
    rows = await (await tx.execute(_KNOWN, [source_id, refs])).fetchall()
    return {row[0] for row in rows}


_KNOWN: LiteralString = "select supplier_ref from rental where source_id = %s and supplier_ref = any (%s)"
