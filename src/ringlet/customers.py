"""Customers and their API keys."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.db import Tx
from ringlet.errors import NotFound

SCOPES = ("prices:read", "activations:read", "activations:write", "balance:read", "webhooks:write")
PREFIXES = {"live": "rl_live_", "test": "rl_test_"}


class Customer(msgspec.Struct, frozen=True):
    id: int
    email: str
    frozen_at: datetime | None
    created_at: datetime


class ApiKey(msgspec.Struct, frozen=True):
    """What a key opens: one wallet, in that wallet's mode, within its scopes and until it ends."""

    id: int
    wallet_id: int
    customer_id: int
    scopes: list[str]
    allowed_addresses: list[IPv4Network | IPv6Network] | None
    expires_at: datetime | None
    revoked_at: datetime | None
    frozen_at: datetime | None


async def add(tx: Tx, email: str) -> int:
    """A new customer; the caller has checked the address. A second one with the same address is refused
    by the database.
    """
    row = await (
        await tx.execute("insert into customer (email) values (%s) returning id", [email])
    ).fetchone()
    assert row is not None
    return int(row[0])


async def by_email(tx: Tx, email: str) -> Customer:
    """Refuses: NotFound."""
    cursor = tx.cursor(row_factory=args_row(Customer))
    found = await (
        await cursor.execute(
            "select id, email, frozen_at, created_at from customer where email = %s", [email.strip().lower()]
        )
    ).fetchone()
    if found is None:
        raise NotFound(f"No account {email!r}")
    return found


async def issue_key(tx: Tx, secret: bytes, wallet_id: int, mode: str) -> str:
    """A new key with every scope; the token is returned once and stored only as its fingerprint."""
    token = tokens.make(PREFIXES[mode])
    await tx.execute(
        "insert into api_key (wallet_id, token_fingerprint, token_hint, scopes) values (%s, %s, %s, %s)",
        [wallet_id, tokens.fingerprint(secret, token), token[:8] + "…" + token[-4:], list(SCOPES)],
    )
    return token


async def key_by_token(tx: Tx, secret: bytes, token: str) -> ApiKey | None:
    """The key that this token opens, whether it is still good or not; None for a token that we never made."""
    cursor = tx.cursor(row_factory=args_row(ApiKey))
    return await (await cursor.execute(_KEY, [tokens.fingerprint(secret, token)])).fetchone()


_KEY: LiteralString = """
select k.id, k.wallet_id, w.customer_id, k.scopes, k.allowed_addresses, k.expires_at, k.revoked_at, c.frozen_at
from api_key k join wallet w on w.id = k.wallet_id join customer c on c.id = w.customer_id
where k.token_fingerprint = %s
"""


async def note_use(tx: Tx, key_ids: list[int]) -> None:
    """Remember that these keys were used about now."""
    # In order of id, so that two processes which note the same keys cannot wait for each other in a circle.
    await tx.execute(
        "update api_key set last_used_at = now()"
        " where id in (select id from api_key where id = any(%s) order by id for update)",
        [sorted(key_ids)],
    )
