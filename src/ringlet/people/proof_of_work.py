"""Proof of work: a second of a computer's time for what costs a person nothing and a machine too much.

The challenge says everything about itself and is signed, so that nothing is kept of those that are never solved; a
solution is kept until it would be too old, so that it is taken once. Who has no scripts comes through too, more
slowly: then few attempts per address are left, and the letter still has to be opened.
"""

import base64
import hashlib
import hmac
import time
from typing import Any, LiteralString

import altcha
import msgspec

from ringlet import privacy
from ringlet.desk import Desk
from ringlet.people import throttle
from ringlet.people.throttle import Bucket

ALGORITHM = "PBKDF2/SHA-256"
#: iterations of one try; with the prefix of one byte 256 tries on average: about a second of one processor
COST = 5_000
PREFIX = "00"
GOOD_FOR_S = 1_200
PAYLOAD_MAX = 8_192


class Toll(msgspec.Struct, frozen=True):
    """How often one address may do something with the proof, and how often without it."""

    proven: Bucket
    unproven: Bucket


SIGN_UP = Toll(throttle.SIGN_UP_ADDRESS, Bucket("sign_up_unproven", 3, 1_200))
REPORT = Toll(Bucket("report", 10, 120), Bucket("report_unproven", 2, 1_800))


def challenge(desk: Desk) -> dict[str, Any]:
    """What the widget is to solve."""
    made = altcha.create_challenge(
        ALGORITHM, COST, key_prefix=PREFIX, hmac_secret=_key(desk), expires_at=int(time.time()) + GOOD_FOR_S
    )
    return made.to_dict()


def _key(desk: Desk) -> bytes:
    return hmac.digest(desk.settings.secret, b"proof of work", "sha256")


async def pay(desk: Desk, toll: Toll, payload: str, address: str | None) -> None:
    """One attempt of this address: with a solution, which is used up, or slowly. Refuses: RateLimited."""
    bucket = toll.proven
    if await is_asked(desk) and not await _is_good(desk, payload):
        bucket = toll.unproven
    await throttle.take(desk, bucket, throttle.place(address))


async def is_asked(desk: Desk) -> bool:
    """Whether forms ask browsers for work. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return (await privacy.load(tx, desk.settings)).asks_for_work


async def _is_good(desk: Desk, payload: str) -> bool:
    """Whether somebody has worked for this, and nobody has handed it in before."""
    if not payload or len(payload) > PAYLOAD_MAX:
        return False
    try:
        if not altcha.verify_solution(payload, _key(desk)).verified:
            return False
        signature = msgspec.json.decode(base64.b64decode(payload), type=_Payload).challenge.signature
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False  # it is anything at all that somebody typed
    async with desk.db.connection() as tx:
        return (
            await tx.execute(_TAKE, [hashlib.sha256(signature.encode()).digest(), GOOD_FOR_S])
        ).rowcount == 1


class _Challenge(msgspec.Struct):
    signature: str


class _Payload(msgspec.Struct):
    challenge: _Challenge


_TAKE: LiteralString = """
insert into work_done (fingerprint, ends_at) values (%s, now() + make_interval(secs => %s)) on conflict do nothing
"""
