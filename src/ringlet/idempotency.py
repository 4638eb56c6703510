"""Idempotency keys: what was done under a key is done once.

Kept is *which activation* a request made or changed, not the bytes of the answer: a replay renders the same
activation again, so it also tells the truth after a recovery. What makes no activation keeps its answer (`take`, `keep`).
A refusal has changed nothing and is not kept; the same key may be tried again.
"""

from typing import LiteralString

import msgspec

from ringlet.db import Tx
from ringlet.errors import IdempotencyInProgress, IdempotencyMismatch

KEPT_HOURS = 72
CONSTRAINT = "idempotency_pkey"  # what a second writer of the same key runs into


class Once(msgspec.Struct, frozen=True):
    """A customer's key for one request; `fingerprint` is a hash of what was asked."""

    wallet_id: int
    key: str
    fingerprint: bytes


async def recall(tx: Tx, once: Once | None) -> int | None:
    """The activation row that this key made, if it did. Refuses: IdempotencyMismatch."""
    if once is None:
        return None
    row = await (await tx.execute(_RECALL, [once.wallet_id, once.key])).fetchone()
    if row is None:
        return None
    return check(once, fingerprint=row[0], activation_id=row[1])


def check(once: Once, *, fingerprint: bytes, activation_id: int) -> int:
    """The remembered activation, when the request is the same. Refuses: IdempotencyMismatch."""
    if fingerprint != once.fingerprint:
        raise IdempotencyMismatch
    return activation_id


_RECALL: LiteralString = (
    "select fingerprint, activation_id from idempotency where wallet_id = %s and key = %s"
)


async def remember(tx: Tx, once: Once | None, activation_id: int) -> None:
    """Bind the key to what this transaction does.

    Waits for a transaction that is using the key right now and then fails with UniqueViolation when that one
    commits: the caller starts again and recalls.
    """
    if once is not None:
        await tx.execute(
            "insert into idempotency (wallet_id, key, fingerprint, activation_id) values (%s, %s, %s, %s)",
            [once.wallet_id, once.key, once.fingerprint, activation_id],
        )


async def take(tx: Tx, once: Once) -> bytes | None:
    """Bind the key to what this transaction does and `keep`s; or what it kept before. Waits for who has it now.

    Refuses: IdempotencyMismatch, also when the key made an activation.
    """
    if (await tx.execute(_TAKE, [once.wallet_id, once.key, once.fingerprint])).rowcount:
        return None
    row = await (await tx.execute(_TAKEN, [once.wallet_id, once.key])).fetchone()
    if row is None:
        raise IdempotencyInProgress  # it was forgotten this moment
    fingerprint, answer = row
    if fingerprint != once.fingerprint or answer is None:
        raise IdempotencyMismatch
    return bytes(answer)


_TAKE: LiteralString = """
insert into idempotency (wallet_id, key, fingerprint, activation_id) values (%s, %s, %s, 0)
on conflict (wallet_id, key) do nothing
"""
_TAKEN: LiteralString = "select fingerprint, answer from idempotency where wallet_id = %s and key = %s"


async def keep(tx: Tx, once: Once, answer: bytes) -> None:
    """What this transaction answers under the key that it took."""
    await tx.execute(
        "update idempotency set answer = %s where wallet_id = %s and key = %s",
        [answer, once.wallet_id, once.key],
    )


async def forget(tx: Tx, once: Once | None, activation_id: int) -> None:
    """What the key had begun came to nothing and was refused: the key may be tried again."""
    if once is not None:
        await tx.execute(
            "delete from idempotency where wallet_id = %s and key = %s and activation_id = %s",
            [once.wallet_id, once.key, activation_id],
        )


async def forget_old(tx: Tx, limit: int = 5_000) -> int:
    """Delete keys that are past their time, a bounded number at once; returns how many."""
    return (await tx.execute(_FORGET, [KEPT_HOURS, limit])).rowcount


_FORGET: LiteralString = """
delete from idempotency where (wallet_id, key) in (
    select wallet_id, key from idempotency where created_at < now() - make_interval(hours => %s)
    order by created_at limit %s for update skip locked)
"""
