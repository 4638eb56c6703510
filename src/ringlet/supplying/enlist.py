"""Adding a supplier and changing its terms. Pausing is how one ends: its rentals and its money stay in the books."""

import ipaddress
from decimal import Decimal
from typing import Any, LiteralString, TypedDict, Unpack
from urllib.parse import SplitResult, urlsplit

import msgspec

from ringlet import acts, money, sealed, tokens
from ringlet.acts import CLI, Actor
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce
from ringlet.suppliers import book, stock
from ringlet.suppliers.protocols import PROTOCOLS

NAME_LENGTH_MAX = 64
URL_LENGTH_MAX = 500
KEY_LENGTH_MAX = 500
#: Owners of SIM cards are asked for their stock every quarter of a minute, and believed for two.
AGENT: "Conditions" = {"sync_every_s": 15, "stale_after_s": 120}


class Conditions(TypedDict, total=False):
    """On what terms we deal with a supplier. Amounts in our money; None takes a cap, an alert or a cost away."""

    unit_cost: Decimal | None
    currency_rate: Decimal
    weight: Decimal
    deadline_s: int
    requests_per_s: int
    sync_every_s: int
    stale_after_s: int
    exposure_cap_micros: int | None
    balance_alert_micros: int | None


class Changes(Conditions, total=False):
    """What may be changed later; the protocol may not."""

    url: str
    key: str


class Enlisted(msgspec.Struct, frozen=True):
    """A new supplier with the tokens that are shown once. `notes`: what the operator should think about."""

    source_id: int
    name: str
    hint_token: str
    agent_key: str | None
    notes: tuple[str, ...]


#: condition → the least and the most that makes sense
_RANGES: dict[str, tuple[Decimal, Decimal]] = {
    "unit_cost": (Decimal(0), money.PRICE_MAX),
    "currency_rate": (money.PRICE_STEP, money.PRICE_MAX),
    "weight": (Decimal("0.0001"), Decimal(9_999)),
    "deadline_s": (Decimal(1), Decimal(60)),
    "requests_per_s": (Decimal(1), Decimal(1_000)),
    "sync_every_s": (Decimal(5), Decimal(86_400)),
    "stale_after_s": (Decimal(10), Decimal(604_800)),
    "exposure_cap_micros": (Decimal(0), Decimal(money.MICROS_MAX)),
    "balance_alert_micros": (Decimal(0), Decimal(money.MICROS_MAX)),
}
_MAY_BE_NONE = {"unit_cost", "exposure_cap_micros", "balance_alert_micros"}


async def add(
    desk: Desk,
    name: str,
    protocol: str,
    url: str,
    key: str,
    by: Actor = CLI,
    **conditions: Unpack[Conditions],
) -> Enlisted:
    """Add a supplier; it is offered after its first sync. Refuses: ValidationFailed."""
    name = _check_name(name)
    if protocol not in PROTOCOLS:
        raise ValidationFailed(f"{protocol!r} is none of {', '.join(PROTOCOLS)}", field="protocol")
    if protocol == "agent":
        if conditions.get("unit_cost") is None:
            raise ValidationFailed("owners name no prices: say what a number costs", field="unit_cost")
        conditions = {**AGENT, **conditions}
    _check_conditions(conditions)
    url = _check_url(url)
    token = tokens.make("rl_hint_")
    agent_key = tokens.make("rl_agent_") if protocol == "agent" else None
    async with desk.db.transaction() as tx:
        row = await (await tx.execute(_ADD_SOURCE, [name])).fetchone()
        if row is None:
            raise ValidationFailed(f"there is already a supplier or an owner called {name!r}", field="name")
        fingerprint = tokens.fingerprint(desk.settings.secret, token)
        await tx.execute(_ADD, [row[0], protocol, url, _seal(desk, key), fingerprint])
        await _write(tx, name, conditions)
        if agent_key:
            await stock.set_agent_key(tx, row[0], tokens.fingerprint(desk.settings.secret, agent_key))
            await announce(tx, "keys")
        after = {"protocol": protocol, "url": url, **conditions}
        await acts.write(tx, by, "supplier.added", f"supplier {name}", after=after)
        await announce(tx, "catalogue")
    return Enlisted(row[0], name, token, agent_key, _notes(url))


_ADD_SOURCE: LiteralString = (
    "insert into source (name, kind) values (%s, 'supplier') on conflict (name) do nothing returning id"
)
_ADD: LiteralString = """
insert into supplier (source_id, protocol, url, sealed_key, hint_fingerprint) values (%s, %s, %s, %s, %s)
"""


async def change(desk: Desk, name: str, by: Actor = CLI, **changes: Unpack[Changes]) -> tuple[str, ...]:
    """Change its terms from now on; returns notes. Refuses: NotFound, ValidationFailed.

    What changes its prices (address, rate, unit cost) takes it off the list until its next sync.
    """
    address, key = changes.pop("url", None), changes.pop("key", None)
    url = None if address is None else _check_url(address)
    _check_conditions(changes)
    sealed_key = None if key is None else _seal(desk, key)
    async with desk.db.transaction() as tx:
        before = await _write(tx, name, changes)
        await tx.execute(_CHANGE_LINE, {"name": name, "url": url, "sealed_key": sealed_key})
        # Of the key only that there is another one.
        after = {
            **changes,
            **({} if url is None else {"url": url}),
            **({} if key is None else {"key": "new"}),
        }
        await acts.write(tx, by, "supplier.changed", f"supplier {name}", before=before, after=after)
        if url is not None or changes.keys() & {"currency_rate", "unit_cost"}:
            await tx.execute(_PRICES_UNKNOWN, [name])
        await announce(tx, "catalogue")
    return () if url is None else _notes(url)


_CHANGE_LINE: LiteralString = """
update supplier s set url = coalesce(%(url)s, url), sealed_key = coalesce(%(sealed_key)s, sealed_key)
from source where source.id = s.source_id and source.name = %(name)s
"""
_PRICES_UNKNOWN: LiteralString = """
update supplier s set synced_at = null from source where source.id = s.source_id and source.name = %s
"""


async def pause(desk: Desk, name: str, by: Actor = CLI, reason: str = "") -> None:
    """Sell nothing more of it; what is rented goes on. Refuses: NotFound."""
    await _set_paused(desk, name, by, reason, is_paused=True)


async def resume(desk: Desk, name: str, by: Actor = CLI, reason: str = "") -> None:
    """Sell again, with its next sync at the latest. Refuses: NotFound."""
    await _set_paused(desk, name, by, reason, is_paused=False)


async def _set_paused(desk: Desk, name: str, by: Actor, reason: str, *, is_paused: bool) -> None:
    async with desk.db.transaction() as tx:
        done = await tx.execute(_SET_PAUSED, {"name": name, "paused": is_paused})
        if not done.rowcount:
            raise NotFound(f"No supplier is called {name!r}; ringlet supplier list shows them")
        act = "supplier.paused" if is_paused else "supplier.resumed"
        await acts.write(tx, by, act, f"supplier {name}", reason=reason)
        await announce(tx, "catalogue")


_SET_PAUSED: LiteralString = """
update supplier s set paused_at = case when %(paused)s then coalesce(paused_at, now()) end
from source where source.id = s.source_id and source.name = %(name)s
"""


async def _write(tx: Tx, name: str, conditions: Conditions) -> dict[str, Any]:
    """Put these conditions in force; returns what they were."""
    row = await (await tx.execute(_CONDITIONS, [name])).fetchone()
    if row is None:
        raise NotFound(f"No supplier is called {name!r}; ringlet supplier list shows them")
    before = dict(zip(_RANGES, row[1:], strict=True))
    merged = {**before, **conditions}
    if merged["stale_after_s"] <= merged["sync_every_s"]:
        raise ValidationFailed("must be longer than the time between two syncs", field="stale_after_s")
    await tx.execute(_SET_CONDITIONS, [*(merged[each] for each in _RANGES), row[0]])
    return {each: value for each, value in before.items() if each in conditions}


# Both name the columns in the order of _RANGES.
_CONDITIONS: LiteralString = """
select s.source_id, s.unit_cost, s.currency_rate, s.weight, s.deadline_s, s.requests_per_s, s.sync_every_s,
    s.stale_after_s, s.exposure_cap_micros, s.balance_alert_micros
from supplier s join source on source.id = s.source_id where source.name = %s for no key update of s
"""
_SET_CONDITIONS: LiteralString = """
update supplier set unit_cost = %s, currency_rate = %s, weight = %s, deadline_s = %s, requests_per_s = %s,
    sync_every_s = %s, stale_after_s = %s, exposure_cap_micros = %s, balance_alert_micros = %s
where source_id = %s
"""


def _check_name(name: str) -> str:
    name = name.strip()
    if not (name and len(name) <= NAME_LENGTH_MAX and name.isprintable()):
        raise ValidationFailed(f"1 to {NAME_LENGTH_MAX} printable characters", field="name")
    return name


def _check_conditions(conditions: Conditions) -> None:
    each: Any
    for field, each in conditions.items():
        low, high = _RANGES[field]
        if each is None and field in _MAY_BE_NONE:
            continue
        if each is None or not (Decimal(each).is_finite() and low <= each <= high):
            raise ValidationFailed(f"must be from {money.plain(low):f} to {money.plain(high):f}", field=field)


def _check_url(url: str) -> str:
    try:
        parts, port = urlsplit(url.strip()), urlsplit(url.strip()).port
    except ValueError:
        raise ValidationFailed("is no web address", field="url") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or len(url) > URL_LENGTH_MAX:
        raise ValidationFailed("must be an address such as https://supplier.example/api", field="url")
    if parts.username is not None or parts.password is not None:
        raise ValidationFailed("must hold no user name and password: the key is given apart", field="url")
    if parts.query or parts.fragment or not url.strip().isprintable() or " " in url.strip():
        raise ValidationFailed("must end with its path: no '?', no '#', no spaces", field="url")
    return url.strip().rstrip("/")


def _notes(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    if parts.scheme == "https" or _is_loopback(parts):
        return ()
    return (f"{parts.hostname} is reached without encryption: whoever listens on the way reads the key.",)


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seal(desk: Desk, key: str) -> bytes:
    key = key.strip()
    if not (key and len(key) <= KEY_LENGTH_MAX and key.isprintable() and " " not in key):
        raise ValidationFailed(f"1 to {KEY_LENGTH_MAX} printable characters without spaces", field="key")
    return sealed.seal(desk.settings.secret, book.KEY_PURPOSE, key)
