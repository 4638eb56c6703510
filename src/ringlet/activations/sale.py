"""The sale from own stock: one statement, so that all of it happens or nothing.

A free number, the money, the activation, its posting and the idempotency key are found, moved and written by
`sell_from_stock` (sql/0004_sale.sql) on one connection: no process can die between two of its steps. It says in
the database what `ledger.hold`, `store.add` and `idempotency.remember` say apart; decision 26 tells why there.

Whoever buys at the same moment shares a statement: `sell` gathers them (`together.py`), `sell_from_stock` is called for
each, and a refusal is a row, not an error. When one of them does fail the statement, or a lock is not to be had at once,
each is sold alone and has only its own outcome. Decision 28.

How a free number is found: `… where free order by id limit 1` would step over the dead index entries of
everything that was sold before, and get slower with each sale. The search begins behind the number that this
process sold last and wraps round once.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString

import msgspec
import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable

from ringlet import idempotency
from ringlet.activations.resale import Share
from ringlet.activations.store import Activation, new_public_id
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import IdempotencyMismatch, InsufficientBalance
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
    #: where a reseller sells: what of the price is his
    share: Share | None = None


class Sold(msgspec.Struct, frozen=True):
    """The new activation and the posting that holds its price (0 when it costs nothing).

    `known_id` is set instead when the idempotency key had already made that activation.
    """

    activation: Activation | None
    posting_id: int
    known_id: int | None = None


class Wish(msgspec.Struct, frozen=True):
    """One customer's order at one offer, as `sell` gathers it."""

    wallet: Wallet
    terms: Terms
    once: Once | None


async def sell(desk: Desk, wallet: Wallet, terms: Terms, once: Once | None) -> Sold | None:
    """Sell a free number of this offer, on disk when it returns; None when it has none.

    Refuses: InsufficientBalance, IdempotencyMismatch, ServiceUnavailable. Fails with UniqueViolation when another
    request with the same key commits first (then ask again), or when a public id was drawn twice.
    """
    wish = Wish(wallet, terms, once)
    try:
        return await desk.till.ask(wish, lambda wishes: sell_all(desk, wishes))
    except _SpoiltError:
        return await _sell_alone(desk, wish)


class _SpoiltError(Exception):
    """One of a group could not be sold to, so nobody was."""


#: what one wish can do to the statement of all
_SPOILING = (psycopg.DataError, psycopg.IntegrityError, LockNotAvailable, DeadlockDetected)


async def sell_all(desk: Desk, wishes: Sequence[Wish]) -> list[Sold | Exception | None]:
    """Sell to a group: one outcome for each, in order. Refuses: ServiceUnavailable."""
    # Everyone locks balances in this order, so that two groups do not wait for each other.
    order = sorted(range(len(wishes)), key=lambda index: wishes[index].wallet.id)
    epoch = await desk.flush.epoch()
    async with desk.tills.connection() as tx:
        try:
            rows = await _rows(tx, desk, [wishes[index] for index in order])
        except _SPOILING as error:
            raise _SpoiltError from error
    outcomes: list[Sold | Exception | None] = [None] * len(wishes)
    for index, row in zip(order, rows, strict=True):
        outcomes[index] = _outcome(desk, wishes[index], row)
    # Also for repetitions: the first request may not have been answered yet.
    await desk.flush.flushed(epoch)
    return outcomes


async def _sell_alone(desk: Desk, wish: Wish) -> Sold | None:
    epoch = await desk.flush.epoch()
    async with desk.sales.connection() as tx:
        (row,) = await _rows(tx, desk, [wish])
    outcome = _outcome(desk, wish, row)
    await desk.flush.flushed(epoch)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _rows(tx: Tx, desk: Desk, wishes: Sequence[Wish]) -> list[tuple[object, ...]]:
    asked = [_spell(each, desk.shelves.after(each.terms.offer_id)) for each in wishes]
    # In the operator's own shop a sale does nothing for resellers.
    statement = _SELL if all(each.terms.share is None for each in wishes) else _SELL_RESOLD
    return await (await tx.execute(statement, [_encoder.encode(asked).decode()])).fetchall()


def _spell(wish: Wish, after_id: int) -> dict[str, object]:
    wallet, terms, once = wish.wallet, wish.terms, wish.once
    spelt = {
        "wallet": wallet.id, "available": wallet.available_id, "held": wallet.held_id,
        "offer": terms.offer_id, "after": after_id, "excluded": [p + "%" for p in terms.excluded_prefixes],
        "amount": terms.amount_micros, "base_price": terms.base_price, "lease_s": terms.lease_s,
        "public_id": new_public_id(), "reference": terms.reference,
        "key": once and once.key, "fingerprint": once and "\\x" + once.fingerprint.hex(),
    }  # fmt: skip
    if terms.share is not None:
        spelt |= {
            "brand": terms.share.brand_id,
            "reseller": terms.share.wallet_id,
            "share": terms.share.micros,
        }
    return spelt


def _outcome(desk: Desk, wish: Wish, row: tuple[object, ...]) -> Sold | Exception | None:
    known_fingerprint, known_id, has_number, posting_id, *columns = row
    if wish.once is not None and known_fingerprint is not None:
        try:
            known = idempotency.check(wish.once, fingerprint=known_fingerprint, activation_id=known_id)  # type: ignore[arg-type]
        except IdempotencyMismatch as refusal:
            return refusal
        return Sold(None, 0, known)
    if not has_number:
        return None
    if columns[0] is None:
        return InsufficientBalance()
    activation = Activation(*columns)  # type: ignore[arg-type]
    assert activation.number_id is not None
    desk.shelves.sold(wish.terms.offer_id, activation.number_id)
    return Sold(activation, posting_id or 0)  # type: ignore[arg-type]


_encoder = msgspec.json.Encoder(decimal_format="string")

_SOLD: LiteralString = """
select known_fingerprint, known_id, has_number, posting_id, (sold).id, (sold).public_id, (sold).wallet_id,
    (sold).source_id, (sold).offer_id, (sold).number_id, (sold).country, (sold).service, (sold).operator,
    (sold).phone, (sold).state, (sold).amount_micros, (sold).base_price, (sold).code, (sold).reference,
    (sold).resent_from, (sold).number_used, (sold).created_at, (sold).expires_at
"""

_SELL: LiteralString = f"""{_SOLD}
from rows from (json_to_recordset(%s::json) as (wallet bigint, available bigint, held bigint, amount bigint,
    offer bigint, after bigint, excluded text[], public_id bigint, base_price numeric, lease_s double precision,
    reference text, key text, fingerprint bytea)) with ordinality
    as wish(wallet, available, held, amount, offer, after, excluded, public_id, base_price, lease_s,
    reference, key, fingerprint, place),
lateral sell_from_stock(wallet, available, held, amount, offer, after, excluded, wish.public_id, wish.base_price,
    lease_s, wish.reference, key, fingerprint) as outcome
order by place
"""

# The same, and the share of each sale that has one.
_SELL_RESOLD: LiteralString = f"""{_SOLD}
from rows from (json_to_recordset(%s::json) as (wallet bigint, available bigint, held bigint, amount bigint,
    offer bigint, after bigint, excluded text[], public_id bigint, base_price numeric, lease_s double precision,
    reference text, key text, fingerprint bytea, brand bigint, reseller bigint, share bigint)) with ordinality
    as wish(wallet, available, held, amount, offer, after, excluded, public_id, base_price, lease_s,
    reference, key, fingerprint, brand, reseller, share, place),
lateral sell_from_stock_resold(wallet, available, held, amount, offer, after, excluded, wish.public_id,
    wish.base_price, lease_s, wish.reference, key, fingerprint, brand, reseller, share) as outcome
order by place
"""
