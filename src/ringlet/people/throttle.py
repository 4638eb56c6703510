"""How often something may be tried: token buckets in the database, so that all processes count together.

A bucket holds `size` attempts and gets one back every `refill_s`. Nobody is locked out for good. What is counted is
named by an HMAC, so that the table tells nobody's address.
"""

import math
from ipaddress import IPv6Address, ip_address, ip_network
from typing import LiteralString

import msgspec

from ringlet import tokens
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import RateLimited


class Bucket(msgspec.Struct, frozen=True):
    """How many attempts at once, and how long until one comes back."""

    name: str
    size: int
    refill_s: float


SIGN_IN_ACCOUNT = Bucket("sign_in_account", 10, 30)
SIGN_IN_ADDRESS = Bucket("sign_in_address", 30, 5)
SIGN_IN_ALL = Bucket("sign_in_all", 300, 0.05)
SIGN_UP_ADDRESS = Bucket("sign_up_address", 20, 60)
LETTER_ACCOUNT = Bucket("letter_account", 4, 900)
LETTER_ADDRESS = Bucket("letter_address", 20, 60)
FACTOR = Bucket("factor", 6, 120)
PROOF = Bucket("proof", 10, 30)


async def take(desk: Desk, bucket: Bucket, subject: str | int) -> None:
    """One attempt. Refuses: RateLimited (with `retry_after`), ServiceUnavailable."""
    key = _key(desk, bucket, subject)
    async with desk.db.connection() as tx:
        missing = await _take(tx, key, bucket)
    if missing > 0:
        wait_s = math.ceil(missing * bucket.refill_s)
        raise RateLimited(f"Too many attempts; try again in {_spell(wait_s)}", retry_after=wait_s)


def _key(desk: Desk, bucket: Bucket, subject: str | int) -> str:
    return f"{bucket.name} {tokens.fingerprint(desk.settings.secret, f'throttle {subject}').hex()[:32]}"


async def _take(tx: Tx, key: str, bucket: Bucket) -> float:
    """What the bucket lacks of one attempt; 0 when it was taken."""
    values = {"key": key, "size": float(bucket.size), "refill_s": float(bucket.refill_s)}
    if await (await tx.execute(_TAKE, values)).fetchone() is not None:
        return 0.0
    row = await (await tx.execute(_MISSING, values)).fetchone()
    return max(0.01, float(row[0])) if row is not None else 0.01


_TAKE: LiteralString = """
insert into throttle as t (key, level, at) values (%(key)s, %(size)s::float8 - 1, clock_timestamp())
on conflict (key) do update set at = clock_timestamp(), level = least(%(size)s::float8,
    t.level + greatest(0, extract(epoch from clock_timestamp() - t.at)::float8) / %(refill_s)s::float8) - 1
where least(%(size)s::float8,
    t.level + greatest(0, extract(epoch from clock_timestamp() - t.at)::float8) / %(refill_s)s::float8) >= 1
returning level
"""

_MISSING: LiteralString = """
select 1 - level - greatest(0, extract(epoch from clock_timestamp() - at)::float8) / %(refill_s)s::float8
from throttle where key = %(key)s
"""


async def put_back(desk: Desk, bucket: Bucket, subject: str | int) -> None:
    """It was right: whoever proved himself has all attempts again. Refuses: ServiceUnavailable."""
    key = _key(desk, bucket, subject)
    async with desk.db.connection() as tx:
        await tx.execute("delete from throttle where key = %s", [key])


def place(address: str | None) -> str:
    """What counts as one sender: an IPv4 address, or the /64 that one subscriber of IPv6 has."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def _spell(wait_s: int) -> str:
    return f"{wait_s} seconds" if wait_s < 100 else f"{math.ceil(wait_s / 60)} minutes"  # noqa: PLR2004
