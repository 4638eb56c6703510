"""Customers and their API keys."""

from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.db import Tx
from ringlet.errors import NotFound, ValidationFailed

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


class Group(msgspec.Struct, frozen=True):
    """Accounts that share price rules; `base_price_shows` is 'cost' or 'list'."""

    id: int
    name: str
    base_price_shows: str
    accounts: int


async def add_group(tx: Tx, name: str, base_price_shows: str) -> int:
    """A new account group. Refuses: ValidationFailed."""
    row = await (await tx.execute(_ADD_GROUP, [name, base_price_shows])).fetchone()
    if row is None:
        raise ValidationFailed(f"there is an account group {name!r} already", field="name")
    return int(row[0])


_ADD_GROUP: LiteralString = """
insert into account_group (name, base_price_shows) values (%s, %s) on conflict (name) do nothing returning id
"""


async def group_by_name(tx: Tx, name: str) -> Group:
    """Refuses: NotFound."""
    found = [group for group in await list_groups(tx) if group.name == name]
    if not found:
        raise NotFound(f"no account group {name!r}")
    return found[0]


async def list_groups(tx: Tx) -> list[Group]:
    """Every account group, by name."""
    cursor = tx.cursor(row_factory=args_row(Group))
    return await (await cursor.execute(_GROUPS)).fetchall()


_GROUPS: LiteralString = """
select g.id, g.name, g.base_price_shows, (select count(*) from customer c where c.group_id = g.id)
from account_group g order by g.name
"""


async def change_group(tx: Tx, group_id: int, base_price_shows: str) -> None:
    """What its members see as base_price from now on."""
    await tx.execute(
        "update account_group set base_price_shows = %s where id = %s", [base_price_shows, group_id]
    )


async def put_in_group(tx: Tx, customer_id: int, group_id: int | None) -> None:
    """A customer is in one group at most; None takes him out."""
    await tx.execute("update customer set group_id = %s where id = %s", [group_id, customer_id])


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
