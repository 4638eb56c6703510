"""The demo: an account with 1,000.00 and 10,000 own numbers, so that a first purchase takes a minute."""

import json
import os
import secrets
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from ringlet import accounts, customers, pricing, stocktaking
from ringlet.acts import Actor
from ringlet.backoffice import staff
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.feed import announce
from ringlet.payments import book as gateways
from ringlet.people import acceptable_use, persons, setup
from ringlet.stocktaking import NumberRow

EMAIL = "demo@ringlet.example"
ADMIN_EMAIL = "admin@ringlet.example"
OWNER = "demo"
BALANCE_MICROS = 1_000_000_000
TOPUP_MIN_MICROS = 1_000_000
NUMBERS = 10_000
COUNTRY = 6
#: service → (base price, sell price), as in the public reference
PRICES = {
    "ig": (Decimal("0.0334"), Decimal("0.1114892")),
    "wa": (Decimal("0.0389"), Decimal("0.1298737")),
    "tg": (Decimal("0.0223"), Decimal("0.0744551")),
    "go": (Decimal("0.0278"), Decimal("0.0928206")),
}
OPERATORS = ("telkomsel", "indosat", "three", "axis", "smartfren")


async def prepare(desk: Desk, path: Path, base_url: str) -> dict[str, Any]:
    """Make what the demo lacks and write its keys to `path` (0600, replaced in one step); returns them.

    Safe to repeat after a crash: what is there stays, and lost keys are made anew.
    """
    keys = _read(path)
    if not await _open(desk, keys):
        keys |= await _account(desk)
        keys["agent_key"] = await stocktaking.issue_agent_key(desk, OWNER)
    keys["client_password"] = await _password(desk, keys, "client_password", EMAIL)
    keys["admin_password"] = await _admin(desk, keys)
    await _stock(desk)
    await _gateway(desk)
    keys = {
        **{name: keys[name] for name in ("api_key", "test_key", "agent_key")},
        "base_url": base_url,
        "handler_url": f"{base_url}/stubs/handler_api.php",
        "agent_url": f"{base_url}/agent/api/sms",
        "client_email": EMAIL,
        "client_password": keys["client_password"],
        "admin_email": ADMIN_EMAIL,
        "admin_password": keys["admin_password"],
    }
    _write(path, keys)
    return keys


async def _open(desk: Desk, keys: dict[str, Any]) -> bool:
    """Whether these keys are all there and of this database."""
    if not {"api_key", "test_key", "agent_key"} <= keys.keys():
        return False
    async with desk.db.connection() as tx:
        return await customers.key_by_token(tx, desk.settings.secret, keys["api_key"]) is not None


async def _account(desk: Desk) -> dict[str, Any]:
    try:
        async with desk.db.connection() as tx:
            await customers.by_email(tx, EMAIL)
    except NotFound:
        made = await accounts.open_account(desk, EMAIL, BALANCE_MICROS, actor="demo")
        return {"api_key": made.api_key, "test_key": made.test_key}
    return {
        "api_key": await accounts.issue_key(desk, EMAIL, "live"),
        "test_key": await accounts.issue_key(desk, EMAIL, "test"),
    }


async def _password(desk: Desk, keys: dict[str, Any], name: str, email: str) -> str:
    """A password of the demo: the one that was written down, or a new one when it is lost or of another database."""
    known = keys.get(name)
    if isinstance(known, str) and await setup.has_password(desk, email):
        return known
    made = secrets.token_urlsafe(12)
    await setup.give_password(desk, email, made)
    async with desk.db.transaction() as tx:
        person = await persons.by_email(tx, email, desk.brand_id)
        assert person is not None, "it was given a password"
        await acceptable_use.note(tx, person.id, (await acceptable_use.newest(tx)).version)
    return made


async def _admin(desk: Desk, keys: dict[str, Any]) -> str:
    """The owner of the demo's shop; his account is one like any other, without money. Returns his password."""
    try:
        async with desk.db.connection() as tx:
            await customers.by_email(tx, ADMIN_EMAIL)
    except NotFound:
        await accounts.open_account(desk, ADMIN_EMAIL, 0, actor="demo")
    password = await _password(desk, keys, "admin_password", ADMIN_EMAIL)
    if not any(each.email == ADMIN_EMAIL for each in await staff.everybody(desk)):
        await staff.appoint(desk, Actor("demo", "owner"), ADMIN_EMAIL, "owner")
    return password


async def _gateway(desk: Desk) -> None:
    """A page with buttons pays in the demo."""
    async with desk.db.transaction() as tx:
        if not any(each.mode == "live" for each in await gateways.everyone(tx)):
            new = gateways.New("demo", "Demo", "live", {}, TOPUP_MIN_MICROS, BALANCE_MICROS, is_on=True)
            await gateways.add(tx, desk.settings.secret, new)


async def _stock(desk: Desk) -> None:
    async with desk.db.transaction() as tx:
        for service, (_, sell_price) in PRICES.items():
            await pricing.set_rule(
                tx, customer_id=None, country=COUNTRY, service=service, kind="price", value=sell_price
            )
        await announce(tx, "catalogue")
        row = await (await tx.execute("select count(*) from number where country = %s", [COUNTRY])).fetchone()
    if row is not None and row[0] < NUMBERS:
        base_prices = {service: base for service, (base, _) in PRICES.items()}
        async for _ in stocktaking.load(desk, OWNER, _numbers(), base_prices):
            pass


def _numbers() -> Iterator[NumberRow]:
    for index in range(NUMBERS):
        operator = OPERATORS[index % len(OPERATORS)]
        yield NumberRow(f"62895{4_000_000 + index * 37:08}", COUNTRY, operator, tuple(PRICES))


def _read(path: Path) -> dict[str, Any]:
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return keys if isinstance(keys, dict) else {}


def _write(path: Path, keys: dict[str, Any]) -> None:
    made = path.with_name(f"{path.name}.{os.getpid()}")
    made.touch(mode=0o600)
    made.write_text(json.dumps(keys, indent=2) + "\n", encoding="utf-8")
    made.replace(path)
