"""The sale from own stock: one statement, so that all of it happens or nothing.

A free number, the money, the activation, its posting and the idempotency key are found, moved and written by
one statement on one connection: no process can die between two of its steps. It says in SQL what
`ledger.hold`, `store.add` and `idempotency.remember` say apart.

How a free number is found: `… where free order by id limit 1` would step over the dead index entries of
everything that was sold before, and get slower with each sale. The search begins behind the number that this
process sold last and wraps round once.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import idempotency
from ringlet.activations.store import Activation, new_public_id
from ringlet.db import Tx
from ringlet.errors import InsufficientBalance
from ringlet.idempotency import Once
from ringlet.ledger import Wallet


class Terms(msgspec.Struct, frozen=True):
    """What one offer's number is sold for and to whom."""

    offer_id: int
    amount_micros: int
    base_price: Decimal
    lease_s: int
    excluded_prefixes: Sequence[str]
    reference: str | None


class Sold(msgspec.Struct, frozen=True):
    """The new activation and the posting that holds its price (0 when it costs nothing).

    `known_id` is set instead when the idempotency key had already made that activation.
    """

    activation: Activation | None
    posting_id: int
    known_id: int | None = None


async def sell(tx: Tx, wallet: Wallet, terms: Terms, after_id: int, once: Once | None) -> Sold | None:
    """Sell a free number of this offer; None when it has none.

    Refuses: InsufficientBalance, IdempotencyMismatch. Fails with UniqueViolation when another request with the
    same key commits first (then ask again), or when a public id was drawn twice.
    """
    values = {
        "wallet": wallet.id, "available": wallet.available_id, "held": wallet.held_id,
        "offer": terms.offer_id, "after": after_id, "excluded": [p + "%" for p in terms.excluded_prefixes],
        "amount": terms.amount_micros, "base_price": terms.base_price, "lease_s": terms.lease_s,
        "public_id": new_public_id(), "reference": terms.reference,
        "key": once and once.key, "fingerprint": once and once.fingerprint,
    }  # fmt: skip
    cursor = tx.cursor(row_factory=args_row(_row))
    known_fingerprint, known_id, found, posting_id, activation = await _fetch(cursor, values)
    if once is not None and known_fingerprint is not None and known_id is not None:
        known_id = idempotency.check(once, fingerprint=known_fingerprint, activation_id=known_id)
        return Sold(None, 0, known_id)
    if not found:
        return None
    if activation is None:
        raise InsufficientBalance
    return Sold(activation, posting_id or 0)


_Row = tuple[bytes | None, int | None, bool, int | None, Activation | None]


def _row(*row: object) -> _Row:
    known_fingerprint, known_id, found, posting_id, _told, *activation = row
    sold = Activation(*activation) if activation[0] is not None else None  # type: ignore[arg-type]
    return known_fingerprint, known_id, found, posting_id, sold  # type: ignore[return-value]


async def _fetch(cursor: object, values: dict[str, object]) -> _Row:
    await cursor.execute(_SELL, values)  # type: ignore[attr-defined]
    row: _Row = await cursor.fetchone()  # type: ignore[attr-defined]
    return row


_SELL: LiteralString = """
with known as (
    select fingerprint, activation_id from idempotency where wallet_id = %(wallet)s and key = %(key)s
), ahead as (
    select number_id, phone from stock
    where offer_id = %(offer)s and free_id > %(after)s
        and not (phone like any (%(excluded)s::text[])) and not exists (select from known)
    order by free_id limit 1 for update skip locked
), behind as (
    select number_id, phone from stock
    where offer_id = %(offer)s and free_id <= %(after)s
        and not (phone like any (%(excluded)s::text[])) and not exists (select from known)
        and not exists (select from ahead)
    order by free_id limit 1 for update skip locked
), picked as (
    select number_id, phone from ahead union all select number_id, phone from behind
), paid as (
    update ledger_account set balance_micros = balance_micros - %(amount)s
    where id = %(available)s and balance_micros >= %(amount)s and exists (select from picked)
    returning id
), held as (
    update ledger_account set balance_micros = balance_micros + %(amount)s
    where id = %(held)s and exists (select from paid)
    returning id
), leased as (
    update stock set state = 'leased' from picked
    where stock.offer_id = %(offer)s and stock.number_id = picked.number_id and exists (select from held)
    returning stock.number_id, stock.phone
), opened as (
    insert into activation (public_id, wallet_id, source_id, offer_id, number_id, country, service, operator,
        phone, state, amount_micros, base_price, reference, expires_at, due_at)
    select %(public_id)s, %(wallet)s, o.source_id, o.id, leased.number_id, o.country, o.service, o.operator,
        leased.phone, 'waiting'::activation_state, %(amount)s, %(base_price)s, %(reference)s,
        now() + make_interval(secs => %(lease_s)s), now() + make_interval(secs => %(lease_s)s)
    from leased, offer o where o.id = %(offer)s
    returning id, public_id, wallet_id, source_id, offer_id, number_id, country, service, operator, phone, state,
        amount_micros, base_price, code, reference, resent_from, number_used, created_at, expires_at
), posted as (
    insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id)
    select %(wallet)s, 'hold'::posting_kind, 'available'::account_kind, 'held'::account_kind, %(amount)s, opened.id from opened where %(amount)s > 0
    returning id
), remembered as (
    insert into idempotency (wallet_id, key, fingerprint, activation_id)
    select %(wallet)s, %(key)s, %(fingerprint)s, opened.id from opened where %(key)s::text is not null
)
select known.fingerprint, known.activation_id, exists (select from picked), posted.id,
    (select tell_created(%(wallet)s, opened.id) from wallet
        where wallet.id = %(wallet)s and listens_until > now() and opened.id is not null),
    opened.*
from (values (1)) as always
left join known on true left join opened on true left join posted on true
"""
