"""What a POST about webhooks answered under an idempotency key: kept sealed, because it may hold a secret."""

from typing import TypeVar

import msgspec

from ringlet import idempotency, sealed
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.idempotency import Once

PURPOSE = "webhook answer"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `replayed`: an idempotency key had already done it."""

    replayed: bool = False


T = TypeVar("T", bound=Answer)


async def recall(tx: Tx, desk: Desk, once: Once | None, kind: type[T]) -> T | None:
    """What this key has done; None when this transaction has the key now and is to do it. Refuses: IdempotencyMismatch.

    Waits for another transaction that has the key.
    """
    if once is None or (kept := await idempotency.take(tx, once)) is None:
        return None
    found = msgspec.json.decode(sealed.unseal(desk.settings.secret, PURPOSE, kept), type=kind)
    return msgspec.structs.replace(found, replayed=True)


async def keep(tx: Tx, desk: Desk, once: Once | None, answer: T) -> T:
    """The answer, kept for whoever repeats the request."""
    if once is not None:
        text = msgspec.json.encode(answer).decode()
        await idempotency.keep(tx, once, sealed.seal(desk.settings.secret, PURPOSE, text))
    return answer
