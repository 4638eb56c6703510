"""API keys as their owner sees them: made, listed, changed, rolled, revoked. Every query names the owner."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, LiteralString

import msgspec
from psycopg.rows import args_row

from ringlet import customers
from ringlet.customers import SCOPES, KeyTerms
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce
from ringlet.people import letters, persons, words
from ringlet.people.letters import Translate, untranslated
from ringlet.people.visitor import Visitor, check_owner, check_whole

PER_CUSTOMER_MAX = 50
NAME_LENGTH_MAX = 100
ADDRESSES_MAX = 50
OVERLAP_MAX_S = 7 * 24 * 3_600
CAP_MAX_MICROS = 10**15


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer asks for. Addresses are networks such as "192.0.2.0/24"; None = from everywhere."""

    name: str
    mode: str = "live"
    scopes: Sequence[str] = SCOPES
    expires_at: datetime | None = None
    allowed_addresses: Sequence[str] | None = None
    daily_cap_micros: int | None = None


class KeyLine(msgspec.Struct, frozen=True):
    """A key as it is shown: never its token."""

    id: int
    name: str
    mode: str
    hint: str
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    allowed_addresses: list[str] | None
    daily_cap_micros: int | None
    spent_today_micros: int
    last_used_at: datetime | None
    last_used_address: str | None
    created_at: datetime
    created_by: str
    rolled_to: int | None

    @property
    def is_good(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > datetime.now(UTC))


_LINES: LiteralString = """
select k.id, k.name, w.mode, k.token_hint, k.scopes, k.expires_at, k.revoked_at, k.allowed_addresses::text[],
    k.daily_cap_micros, coalesce(s.micros, 0), k.last_used_at, host(k.last_used_address), k.created_at, k.created_by,
    k.rolled_to
from api_key k join wallet w on w.id = k.wallet_id
left join key_spending s on s.key_id = k.id and s.day = (now() at time zone 'UTC')::date
where w.customer_id = %s
"""


async def list_keys(desk: Desk, visitor: Visitor) -> list[KeyLine]:
    """The customer's keys of both modes, the newest first; those that ended long ago are left out.

    Refuses: Forbidden, ServiceUnavailable.
    """
    check_whole(visitor)
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(KeyLine))
        return await (await cursor.execute(_LIST, [visitor.customer_id])).fetchall()


_LIST: LiteralString = f"""{_LINES}
and least(k.revoked_at, k.expires_at, 'infinity') > now() - interval '30 days' order by k.id desc
"""


async def look(desk: Desk, visitor: Visitor, key_id: int) -> KeyLine:
    """One of the customer's own keys. Refuses: Forbidden, NotFound (also for somebody else's)."""
    check_whole(visitor)
    async with desk.db.connection() as tx:
        return await _own(tx, visitor, key_id)


async def _own(tx: Tx, visitor: Visitor, key_id: int) -> KeyLine:
    cursor = tx.cursor(row_factory=args_row(KeyLine))
    found = await (await cursor.execute(_OWN, [visitor.customer_id, key_id])).fetchone()
    if found is None:
        raise NotFound("No such key")
    return found


_OWN: LiteralString = f"{_LINES} and k.id = %s"


async def create_key(
    desk: Desk, visitor: Visitor, new: NewKey, *, translate: Translate = untranslated
) -> str:
    """A new key; its token is shown this once, and the owner gets a letter. Refuses: Forbidden, ValidationFailed."""
    check_owner(visitor)
    if new.mode not in customers.PREFIXES:
        raise ValidationFailed("The mode is live or test", field="mode")
    terms = KeyTerms(
        wallet_id=visitor.live_wallet_id if new.mode == "live" else visitor.test_wallet_id,
        mode=new.mode,
        created_by=visitor.email,
        **_checked({name: getattr(new, name) for name in _CHANGEABLE}),
    )
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        if await _good_keys(tx, visitor) >= PER_CUSTOMER_MAX:
            raise ValidationFailed(f"You have {PER_CUSTOMER_MAX} keys, which is the most: revoke one first")
        made = await customers.add_key(tx, desk.settings.secret, terms)
        await _tell_the_owner(tx, desk, visitor, made.id, translate)
    return made.token


_CHANGEABLE = ("name", "scopes", "expires_at", "allowed_addresses", "daily_cap_micros")


def _checked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The wanted bounds of a key in the types of the database. Refuses: ValidationFailed."""
    if unknown := set(wanted) - set(_CHANGEABLE):
        raise ValidationFailed("Nothing of a key is called that", field=min(unknown))
    return {name: _CHECKS[name](value) for name, value in wanted.items()}


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise ValidationFailed(f"A name of 1 to {NAME_LENGTH_MAX} characters is needed", field="name")
    return name


def _scopes(wanted: Sequence[str]) -> list[str]:
    if not wanted or not set(wanted) <= set(SCOPES):
        raise ValidationFailed(f"At least one of {', '.join(SCOPES)}", field="scopes")
    return [scope for scope in SCOPES if scope in wanted]


def _expires_at(wanted: datetime | None) -> datetime | None:
    if wanted is not None and (wanted.tzinfo is None or wanted <= datetime.now(UTC)):
        raise ValidationFailed("The end must lie in the future", field="expires_at")
    return wanted


def _networks(wanted: Sequence[str] | None) -> list[IPv4Network | IPv6Network] | None:
    if wanted is None:
        return None
    try:
        found = list(dict.fromkeys(ip_network(each.strip(), strict=False) for each in wanted))
    except ValueError:
        raise ValidationFailed(
            "Addresses or networks such as 192.0.2.0/24 are needed", field="allowed_addresses"
        ) from None
    if not 0 < len(found) <= ADDRESSES_MAX:
        raise ValidationFailed(f"1 to {ADDRESSES_MAX} addresses or networks", field="allowed_addresses")
    return found


def _cap(wanted: int | None) -> int | None:
    if wanted is not None and not 0 < wanted <= CAP_MAX_MICROS:
        raise ValidationFailed("An amount above zero is needed", field="daily_cap_micros")
    return wanted


_CHECKS: Mapping[str, Any] = {
    "name": _name,
    "scopes": _scopes,
    "expires_at": _expires_at,
    "allowed_addresses": _networks,
    "daily_cap_micros": _cap,
}


async def _good_keys(tx: Tx, visitor: Visitor) -> int:
    row = await (await tx.execute(_GOOD_KEYS, [visitor.customer_id])).fetchone()
    return int(row[0]) if row is not None else 0


_GOOD_KEYS: LiteralString = """
select count(*) from api_key k join wallet w on w.id = k.wallet_id
where w.customer_id = %s and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
"""


async def _tell_the_owner(tx: Tx, desk: Desk, visitor: Visitor, key_id: int, translate: Translate) -> None:
    key = await _own(tx, visitor, key_id)
    await letters.write(
        tx,
        desk.settings,
        visitor.email,
        words.KEY_MADE,
        translate,
        key_name=key.name,
        hint=key.hint,
        mode=key.mode,
    )


async def change_key(desk: Desk, visitor: Visitor, key_id: int, changes: Mapping[str, Any]) -> KeyLine:
    """Change name, scopes, expires_at, allowed_addresses or daily_cap_micros; what is not named stays.

    Refuses: Forbidden, NotFound, ValidationFailed (also for a key that has ended).
    """
    check_owner(visitor)
    wanted = _checked(changes)
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        key = await _own(tx, visitor, key_id)
        _check_good(key)
        values = {name: getattr(key, name) for name in _CHANGEABLE} | wanted
        if key.rolled_to is not None:
            values["expires_at"] = key.expires_at  # its end was set by its successor
        await tx.execute(_CHANGE, {**values, "id": key_id, "customer": visitor.customer_id})
        await announce(tx, "keys")
        return await _own(tx, visitor, key_id)


_CHANGE: LiteralString = """
update api_key set name = %(name)s, scopes = %(scopes)s, expires_at = %(expires_at)s,
    allowed_addresses = %(allowed_addresses)s::cidr[], daily_cap_micros = %(daily_cap_micros)s
where id = %(id)s and wallet_id in (select id from wallet where customer_id = %(customer)s)
"""


def _check_good(key: KeyLine) -> None:
    if not key.is_good:
        raise ValidationFailed("This key has ended")


async def roll_key(
    desk: Desk, visitor: Visitor, key_id: int, overlap_s: int, *, translate: Translate = untranslated
) -> str:
    """A new key in the place of one that ends after the overlap. Refuses: Forbidden, NotFound, ValidationFailed."""
    check_owner(visitor)
    if not 0 <= overlap_s <= OVERLAP_MAX_S:
        raise ValidationFailed("An overlap of at most seven days", field="overlap_s")
    async with desk.db.transaction() as tx:
        await persons.lock(tx, visitor.person_id)
        key = await _own(tx, visitor, key_id)
        _check_good(key)
        if key.rolled_to is not None:
            raise ValidationFailed("This key was rolled already")
        made = await customers.add_key(tx, desk.settings.secret, _successor(visitor, key))
        ends_at = datetime.now(UTC) + timedelta(seconds=overlap_s)
        await tx.execute(_END_ROLLED, {"ends": ends_at, "new": made.id, "id": key_id})
        await tx.execute(_CARRY_SPENDING, {"new": made.id, "id": key_id})
        await announce(tx, "keys")
        await _tell_the_owner(tx, desk, visitor, made.id, translate)
    return made.token


def _successor(visitor: Visitor, key: KeyLine) -> KeyTerms:
    return KeyTerms(
        wallet_id=visitor.live_wallet_id if key.mode == "live" else visitor.test_wallet_id,
        mode=key.mode,
        name=key.name,
        scopes=key.scopes,
        expires_at=key.expires_at,
        allowed_addresses=None
        if key.allowed_addresses is None
        else [ip_network(each) for each in key.allowed_addresses],
        daily_cap_micros=key.daily_cap_micros,
        created_by=visitor.email,
    )


_END_ROLLED: LiteralString = """
update api_key set rolled_to = %(new)s, expires_at = least(expires_at, %(ends)s) where id = %(id)s
"""

# What the old one has spent today, the new one cannot spend again.
_CARRY_SPENDING: LiteralString = """
insert into key_spending (key_id, day, micros)
select %(new)s, day, micros from key_spending where key_id = %(id)s and day = (now() at time zone 'UTC')::date
"""


async def revoke_key(desk: Desk, visitor: Visitor, key_id: int) -> None:
    """End a key now, in every process. Refuses: Forbidden, NotFound (also somebody else's, or one that has ended)."""
    check_whole(visitor)
    async with desk.db.transaction() as tx:
        if (await tx.execute(_REVOKE, [key_id, visitor.customer_id])).rowcount == 0:
            raise NotFound("No such key")
        await announce(tx, "keys")


_REVOKE: LiteralString = """
update api_key set revoked_at = now()
where id = %s and revoked_at is null and wallet_id in (select id from wallet where customer_id = %s)
"""
