"""Brands are opened and changed: names, hosts, languages, whose they are. How they look is in `brand_dress.py`.

Every change counts the brand's version up under a lock of its row: a form that was opened before somebody else's change
is refused, and browsers ask anew for what they keep.
"""

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, LiteralString
from urllib.parse import urlsplit

import msgspec
from psycopg.errors import UniqueViolation
from psycopg.rows import args_row

from ringlet import acts, brands, customers
from ringlet.acts import Actor
from ringlet.brands import HOUSE, Brand
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.feed import announce

NAME_LENGTH_MAX = 60
HOSTS_MAX = 20
COUNTED_MAX = 10_000
SUPPORT_LENGTH_MAX = 500
_MAIL_FROM = re.compile(r"[^@\s<>,;\x00-\x1f]{1,64}@[^@\s<>,;\x00-\x1f]{1,130}")


class BrandLine(msgspec.Struct, frozen=True):
    """A brand in the list; `customers` stops counting at COUNTED_MAX, `reseller` None: it is the operator's."""

    id: int
    name: str | None
    hosts: list[str]
    reseller: str | None
    customers: int


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a form says of a brand, as it was typed; an empty name is the one of the settings, for the first brand."""

    name: str
    hosts: Sequence[str]
    languages: Sequence[str] = ()
    mail_from: str = ""
    support_url: str = ""


async def everything(desk: Desk) -> list[BrandLine]:
    """All brands, in the order in which they were opened. Refuses: ServiceUnavailable."""
    async with desk.db.connection() as tx:
        cursor = tx.cursor(row_factory=args_row(BrandLine))
        return await (await cursor.execute(_EVERYTHING, [COUNTED_MAX])).fetchall()


_EVERYTHING: LiteralString = """
select b.id, b.name, array(select h.host from brand_host h where h.brand_id = b.id order by h.place), c.email,
    (select count(*) from (select from customer m where m.brand_id = b.id limit %s) as counted)
from brand b left join customer c on c.id = b.customer_id order by b.id
"""


async def one(desk: Desk, brand_id: int) -> Brand:
    """As it is in the database now. Refuses: NotFound, ServiceUnavailable."""
    async with desk.db.connection() as tx:
        return await brands.by_id(tx, brand_id, desk.settings)


async def add(desk: Desk, actor: Actor, profile: Profile, reseller: str = "") -> int:
    """A new brand: the operator's, or the shop of a reseller, who is a customer of the first brand. Whose it is stays
    so for good. Returns its id. Refuses: ValidationFailed.
    """
    values = _checked(desk, None, profile)
    with _hosts_are_free():
        async with desk.db.transaction() as tx:
            customer_id = await _reseller(tx, reseller)
            row = await (await tx.execute(_ADD, {**values, "customer": customer_id})).fetchone()
            assert row is not None
            brand_id = int(row[0])
            await _set_hosts(tx, brand_id, values["hosts"])
            await acts.write(
                tx, actor, "brand.added", f"brand {brand_id}", after={**values, "reseller": customer_id}
            )
            await announce(tx, brands.TOPIC)
            await announce(tx, "catalogue")  # prices begin with the next reading of the price list
    return brand_id


_ADD: LiteralString = """
insert into brand (name, customer_id, languages, mail_from, support_url)
values (%(name)s, %(customer)s, %(languages)s, %(mail_from)s, %(support_url)s) returning id
"""


async def _reseller(tx: Tx, email: str) -> int | None:
    """The customer who will own the shop, with the account that the shares come out of."""
    if not email:
        return None
    try:
        customer = await customers.by_email(tx, email, HOUSE)
    except NotFound:
        raise ValidationFailed("No customer of this shop has that address", field="reseller") from None
    return customer.id


async def change(desk: Desk, actor: Actor, brand_id: int, version: int, profile: Profile) -> None:
    """Name, hosts, languages, sender, support. Refuses: NotFound, ValidationFailed (also when somebody else has changed
    the brand since this `version`).
    """
    values = _checked(desk, brand_id, profile)
    with _hosts_are_free():
        async with changing(desk, brand_id, version) as (tx, before):
            await tx.execute(_CHANGE, {**values, "id": brand_id})
            await tx.execute("delete from brand_host where brand_id = %s", [brand_id])
            await _set_hosts(tx, brand_id, values["hosts"])
            told = {"name": before.name, "hosts": list(before.hosts), "languages": list(before.languages),
                    "mail_from": before.mail_from, "support_url": before.support_url}  # fmt: skip
            await acts.write(tx, actor, "brand.changed", f"brand {brand_id}", before=told, after=values)


_CHANGE: LiteralString = """
update brand set name = %(name)s, languages = %(languages)s, mail_from = %(mail_from)s, support_url = %(support_url)s
where id = %(id)s
"""


@contextlib.asynccontextmanager
async def changing(desk: Desk, brand_id: int, version: int | None = None) -> AsyncIterator[tuple[Tx, Brand]]:
    """A transaction that has the brand to itself, and the brand as it was; every process hears of it at commit.

    Refuses: NotFound, ValidationFailed (the brand is not the `version` any more that a form was made of).
    """
    async with desk.db.transaction() as tx:
        await tx.execute("select from brand where id = %s for no key update", [brand_id])
        before = await brands.by_id(tx, brand_id, desk.settings)
        if version is not None and version != before.version:
            raise ValidationFailed(
                "Somebody has changed this brand meanwhile: look at it, then save once more"
            )
        yield tx, before
        await tx.execute("update brand set version = version + 1 where id = %s", [brand_id])
        await announce(tx, brands.TOPIC)


async def _set_hosts(tx: Tx, brand_id: int, hosts: Sequence[str]) -> None:
    for place, host in enumerate(hosts):
        await tx.execute(
            "insert into brand_host (host, brand_id, place) values (%s, %s, %s)", [host, brand_id, place]
        )


@contextlib.contextmanager
def _hosts_are_free() -> Any:
    try:
        yield
    except UniqueViolation as error:
        raise ValidationFailed("Another brand has one of these host names", field="hosts") from error


def _checked(desk: Desk, brand_id: int | None, profile: Profile) -> dict[str, Any]:
    """The columns of a brand. Refuses: ValidationFailed."""
    name = " ".join(profile.name.split())
    if not name.isprintable() or len(name) > NAME_LENGTH_MAX or (not name and brand_id != HOUSE):
        raise ValidationFailed(f"A name has 1 to {NAME_LENGTH_MAX} characters", field="name")
    hosts = list(dict.fromkeys(brands.host_name(each) for each in profile.hosts if each.strip()))
    if len(hosts) > HOSTS_MAX or (not hosts and brand_id != HOUSE):
        raise ValidationFailed(f"A brand has 1 to {HOSTS_MAX} host names", field="hosts")
    own = urlsplit(desk.brands.get(HOUSE).worn.public_url).hostname
    if brand_id != HOUSE and own in hosts:
        raise ValidationFailed(f"{own} is the first brand's: its staff sign in there", field="hosts")
    if profile.mail_from and not _MAIL_FROM.fullmatch(profile.mail_from):
        raise ValidationFailed("This is no e-mail address", field="mail_from")
    if profile.support_url and not _is_link(profile.support_url):
        raise ValidationFailed("A link begins with https://, http:// or mailto:", field="support_url")
    return {
        "name": name or None, "hosts": hosts, "languages": list(profile.languages),
        "mail_from": profile.mail_from, "support_url": profile.support_url,
    }  # fmt: skip


def _is_link(text: str) -> bool:
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    is_whole = (
        bool(url.netloc) if url.scheme in {"http", "https"} else url.scheme == "mailto" and "@" in url.path
    )
    return is_whole and text.isprintable() and " " not in text and len(text) <= SUPPORT_LENGTH_MAX
