"""Customers and their API keys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import tokens
from ringlet.brands import HOUSE
from ringlet.db import Tx
from ringlet.errors import NotFound, ValidationFailed

SCOPES = ("prices:read", "activations:read", "activations:write", "balance:read", "webhooks:write")
PREFIXES = {"live": "rl_live_", "test": "rl_test_"}


class Customer(msgspec.Struct, frozen=True):
    id: int
    email: str
    frozen_at: datetime | None
    created_at: datetime
    brand_id: int


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
    #: what it may spend in a day of UTC; see `reserve_spending`
    daily_cap_micros: int | None = None


async def add(tx: Tx, email: str, brand_id: int = HOUSE) -> int:
    """A new customer of a brand; the caller has checked the address. A second one of the brand with the same address
    is refused by the database.
    """
    values = [email, brand_id]
    row = await (
        await tx.execute("insert into customer (email, brand_id) values (%s, %s) returning id", values)
    ).fetchone()
    assert row is not None
    return int(row[0])


async def by_email(tx: Tx, email: str, brand_id: int = HOUSE) -> Customer:
    """The brand's customer with this address. Refuses: NotFound, also for one of another brand."""
    cursor = tx.cursor(row_factory=args_row(Customer))
    found = await (await cursor.execute(_BY_EMAIL, [email.strip().lower(), brand_id])).fetchone()
    if found is None:
        raise NotFound(f"No account {email!r}")
    return found


_BY_EMAIL: LiteralString = """
select id, email, frozen_at, created_at, brand_id from customer where email = %s and brand_id = %s
"""


async def email(tx: Tx, customer_id: int) -> str:
    """The address of a customer that there is."""
    row = await (await tx.execute("select email from customer where id = %s", [customer_id])).fetchone()
    assert row is not None, f"no customer {customer_id}"
    return str(row[0])


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
    return (await add_key(tx, secret, KeyTerms(wallet_id=wallet_id, mode=mode))).token


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key opens and within which bounds; the caller has checked them."""

    wallet_id: int
    mode: str
    name: str = ""
    scopes: Sequence[str] = SCOPES
    expires_at: datetime | None = None
    allowed_addresses: Sequence[IPv4Network | IPv6Network] | None = None
    daily_cap_micros: int | None = None
    created_by: str = ""


class IssuedKey(msgspec.Struct, frozen=True):
    """A key with its token, which is shown this once."""

    id: int
    token: str


async def add_key(tx: Tx, secret: bytes, terms: KeyTerms) -> IssuedKey:
    """A new key; the token is returned once and stored only as its fingerprint."""
    token = tokens.make(PREFIXES[terms.mode])
    allowed = None if terms.allowed_addresses is None else list(terms.allowed_addresses)
    values = [terms.wallet_id, tokens.fingerprint(secret, token), token[:8] + "…" + token[-4:], list(terms.scopes),
              terms.name, terms.expires_at, allowed, terms.daily_cap_micros, terms.created_by]  # fmt: skip
    row = await (await tx.execute(_ADD_KEY, values)).fetchone()
    assert row is not None
    return IssuedKey(int(row[0]), token)


_ADD_KEY: LiteralString = """
insert into api_key (wallet_id, token_fingerprint, token_hint, scopes, name, expires_at, allowed_addresses,
    daily_cap_micros, created_by)
values (%s, %s, %s, %s, %s, %s, %s::cidr[], %s, %s) returning id
"""


async def key_by_token(tx: Tx, secret: bytes, token: str) -> ApiKey | None:
    """The key that this token opens, whether it is still good or not; None for a token that we never made."""
    cursor = tx.cursor(row_factory=args_row(ApiKey))
    return await (await cursor.execute(_KEY, [tokens.fingerprint(secret, token)])).fetchone()


_KEY: LiteralString = """
select k.id, k.wallet_id, w.customer_id, k.scopes, k.allowed_addresses, k.expires_at, k.revoked_at, c.frozen_at,
    k.daily_cap_micros
from api_key k join wallet w on w.id = k.wallet_id join customer c on c.id = w.customer_id
where k.token_fingerprint = %s
"""


async def note_use(tx: Tx, key_ids: Sequence[int], addresses: Sequence[str | None] | None = None) -> None:
    """Remember that these keys were used about now, and from where when that is known."""
    known = dict(zip(key_ids, addresses or [None] * len(key_ids), strict=True))
    ids = sorted(known)
    await tx.execute(_NOTE_USE, {"ids": ids, "addresses": [known[each] for each in ids]})


# In order of id, so that two processes which note the same keys cannot wait for each other in a circle.
_NOTE_USE: LiteralString = """
with locked as (
    select k.id, used.address from api_key k
    join unnest(%(ids)s::bigint[], %(addresses)s::inet[]) as used (id, address) on used.id = k.id
    order by k.id for update of k
)
update api_key k set last_used_at = now(), last_used_address = coalesce(locked.address, k.last_used_address)
from locked where k.id = locked.id
"""


async def reserve_spending(tx: Tx, key_id: int, amount_micros: int) -> bool:
    """Count an amount against the key's cap of this day (UTC); false when the cap does not allow it.

    Only for keys that have a cap: one statement, so that no two purchases both take what is left.
    """
    values = {"key": key_id, "amount": amount_micros}
    return (await tx.execute(_RESERVE, values)).rowcount == 1


_RESERVE: LiteralString = """
insert into key_spending (key_id, day, micros)
select k.id, (now() at time zone 'UTC')::date, %(amount)s::bigint from api_key k
where k.id = %(key)s and (k.daily_cap_micros is null or k.daily_cap_micros >= %(amount)s::bigint)
on conflict (key_id, day) do update set micros = key_spending.micros + excluded.micros
where exists (select from api_key k where k.id = excluded.key_id
    and (k.daily_cap_micros is null or k.daily_cap_micros >= key_spending.micros + excluded.micros))
"""


async def return_spending(
    tx: Tx, key_id: int, amount_micros: int, *, reserved_at: datetime | None = None
) -> None:
    """What was reserved was not spent. It counts for the day of the reservation: yesterday's buys nothing today."""
    day = (reserved_at or datetime.now(UTC)).astimezone(UTC).date()
    await tx.execute(_RETURN, {"key": key_id, "day": day, "amount": amount_micros})


_RETURN: LiteralString = """
update key_spending set micros = greatest(0, micros - %(amount)s) where key_id = %(key)s and day = %(day)s
"""


async def spent_today(tx: Tx, key_id: int) -> int:
    """What a key with a cap has spent since midnight UTC."""
    row = await (await tx.execute(_SPENT_TODAY, [key_id])).fetchone()
    return int(row[0]) if row is not None else 0


_SPENT_TODAY: LiteralString = """
select micros from key_spending where key_id = %s and day = (now() at time zone 'UTC')::date
"""
