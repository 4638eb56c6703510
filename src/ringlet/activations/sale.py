"""The sale from own stock: one statement, so that all of it happens or nothing.

A free number, the money, the activation, its posting and the idempotency key are found, moved and written by
`sell_from_stock` (sql/0004_sale.sql) on one connection: no process can die between two of its steps. It says in
the database what `ledger.hold`, `store.add` and `idempotency.remember` say apart; decision 26 tells why there.

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
    known_fingerprint, known_id, found, posting_id, *activation = row
    sold = Activation(*activation) if activation[0] is not None else None  # type: ignore[arg-type]
    return known_fingerprint, known_id, found, posting_id, sold  # type: ignore[return-value]


async def _fetch(cursor: object, values: dict[str, object]) -> _Row:
    await cursor.execute(_SELL, values)  # type: ignore[attr-defined]
    row: _Row = await cursor.fetchone()  # type: ignore[attr-defined]
    return row


_SELL: LiteralString = """
select known_fingerprint, known_id, has_number, posting_id, (sold).id, (sold).public_id, (sold).wallet_id,
    (sold).source_id, (sold).offer_id, (sold).number_id, (sold).country, (sold).service, (sold).operator,
    (sold).phone, (sold).state, (sold).amount_micros, (sold).base_price, (sold).code, (sold).reference,
    (sold).resent_from, (sold).number_used, (sold).created_at, (sold).expires_at
from sell_from_stock(%(wallet)s::bigint, %(available)s::bigint, %(held)s::bigint, %(amount)s::bigint,
    %(offer)s::bigint, %(after)s::bigint, %(excluded)s::text[], %(public_id)s::bigint, %(base_price)s::numeric,
    %(lease_s)s::double precision, %(reference)s::text, %(key)s::text, %(fingerprint)s::bytea)
"""
