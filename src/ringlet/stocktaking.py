"""Loading own numbers: rows are checked one by one and put on the shelves in batches."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import LiteralString

import msgspec

from ringlet import canon, phones, tokens
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.feed import announce
from ringlet.suppliers import stock

BATCH_ROWS = 5_000
EVERY_SERVICE = "*"
_OPERATOR = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")


class NumberRow(msgspec.Struct, frozen=True):
    """One checked row of a stock file; `services` is None for `*`."""

    phone: str
    country: int
    operator: str
    services: tuple[str, ...] | None


class BadRow(msgspec.Struct, frozen=True):
    """A row that is left out, with its line in the file and why."""

    line: int
    why: str


class Loaded(msgspec.Struct, frozen=True):
    """How a batch went: new numbers, those that were there, those that another owner has."""

    added: int
    known: int
    elsewhere: int


def read_rows(lines: Iterable[Mapping[str, str | None]]) -> Iterator[NumberRow | BadRow]:
    """Check the rows of a stock file with the columns phone, country, operator, services."""
    for number, row in enumerate(lines, start=2):
        try:
            yield _read_row(row)
        except ValueError as error:
            yield BadRow(number, str(error))


def _read_row(row: Mapping[str, str | None]) -> NumberRow:
    phone = phones.read(row.get("phone") or "")
    if phone is None:
        raise ValueError(f"{row.get('phone')!r} is no phone number with its country code")
    country = (row.get("country") or "").strip()
    if not (country.isascii() and country.isdigit() and int(country) in canon.countries()):
        raise ValueError(f"{country!r} is no country of the code table")
    known = canon.countries()[int(country)]
    if not phone.startswith(known.prefix):
        raise ValueError(f"{phone} does not begin with {known.prefix}, the code of {known.name}")
    operator = (row.get("operator") or "any").strip().lower() or "any"
    if not _OPERATOR.fullmatch(operator):
        raise ValueError(f"{operator!r} is no operator name: letters, digits, - . _ and at most 32 of them")
    return NumberRow(phone, int(country), operator, _read_services(row.get("services") or ""))


def _read_services(text: str) -> tuple[str, ...] | None:
    codes = tuple(dict.fromkeys(text.split()))
    if codes == (EVERY_SERVICE,):
        return None
    if not codes:
        raise ValueError("no services: codes with spaces between, or *")
    for code in codes:
        if code not in canon.services():
            why = (
                "a rental, not a service to sell" if code == canon.RENTAL else "no service of the code table"
            )
            raise ValueError(f"{code!r} is {why}")
    return codes


async def load(
    desk: Desk, owner: str, rows: Iterable[NumberRow], base_prices: Mapping[str, Decimal] | Decimal
) -> AsyncIterator[Loaded]:
    """Put numbers of this owner on sale, in batches of their own transaction; yields after each.

    `base_prices` is what the owner asks: one price, or one for each service. Loading the same file again, also
    after a crash in the middle, adds what is missing and renews the prices.
    """
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_ROWS)):
        async with desk.db.transaction() as tx:
            source_id = await stock.add_source(tx, owner)
            loaded = await _load_batch(tx, source_id, batch, base_prices)
        yield loaded
    async with desk.db.transaction() as tx:
        await stock.count(tx)
        await announce(tx, "catalogue")


async def _load_batch(
    tx: Tx, source_id: int, batch: Sequence[NumberRow], base_prices: Mapping[str, Decimal] | Decimal
) -> Loaded:
    await tx.execute("select from source where id = %s for no key update", [source_id])
    await tx.execute(_INCOMING)
    async with tx.cursor() as cursor, cursor.copy("copy incoming from stdin") as copy:
        for row in batch:
            await copy.write_row(
                (row.phone, row.country, row.operator, list(row.services or ()), row.services is None)
            )
    added = (await tx.execute(_ADD_NUMBERS, [source_id])).rowcount
    elsewhere = (await tx.execute(_DROP_FOREIGN, [source_id])).rowcount
    await _add_offers(tx, source_id, batch, base_prices)
    await tx.execute(_ADD_STOCK, [source_id])
    await tx.execute(_ADD_TO_OPEN_SHELVES, [source_id])
    return Loaded(added=added, known=len(batch) - added - elsewhere, elsewhere=elsewhere)


_INCOMING: LiteralString = """
create temporary table incoming
    (phone text, country int, operator text, services text[], every_service boolean) on commit drop
"""

_ADD_NUMBERS: LiteralString = """
insert into number (source_id, phone, country, operator, every_service)
select distinct on (phone) %s::bigint, phone, country, operator, every_service from incoming
on conflict (phone) do nothing
"""

# A SIM card has one owner: whoever loaded the number first.
_DROP_FOREIGN: LiteralString = """
delete from incoming using number n where n.phone = incoming.phone and n.source_id <> %s
"""


async def _add_offers(
    tx: Tx, source_id: int, batch: Sequence[NumberRow], base_prices: Mapping[str, Decimal] | Decimal
) -> None:
    cells = {(row.country, row.operator, row.services) for row in batch}
    offers = {
        (country, service, operator)
        for country, operator, services in cells
        for service in (canon.services() if services is None else services)
    }
    async with tx.cursor() as cursor:
        await cursor.executemany(
            _ADD_OFFER,
            [
                (source_id, country, service, operator, _base_price(base_prices, service))
                for country, service, operator in sorted(offers)
            ],
        )


def _base_price(base_prices: Mapping[str, Decimal] | Decimal, service: str) -> Decimal:
    return base_prices if isinstance(base_prices, Decimal) else base_prices[service]


_ADD_OFFER: LiteralString = """
insert into offer (source_id, country, service, operator, base_price, available) values (%s, %s, %s, %s, %s, 0)
on conflict (source_id, country, service, operator)
do update set base_price = excluded.base_price, changed_at = now()
where offer.base_price <> excluded.base_price
"""

_ADD_STOCK: LiteralString = """
insert into stock (offer_id, number_id, phone)
select o.id, n.id, n.phone
from incoming i
join number n on n.phone = i.phone
cross join lateral unnest(i.services) as wanted (service)
join offer o on o.source_id = %s and o.country = n.country and o.operator = n.operator
    and o.service = wanted.service
on conflict do nothing
"""

_ADD_TO_OPEN_SHELVES: LiteralString = """
insert into stock (offer_id, number_id, phone)
select o.id, n.id, n.phone
from incoming i
join number n on n.phone = i.phone and n.every_service
join offer o on o.source_id = %s and o.country = n.country and o.operator = n.operator
    and o.opened_at is not null
on conflict do nothing
"""


async def issue_agent_key(desk: Desk, owner: str) -> str:
    """A new key with which this owner pushes messages; the old one ends now. Shown once."""
    token = tokens.make("rl_agent_")
    async with desk.db.transaction() as tx:
        source_id = await stock.add_source(tx, owner)
        await stock.set_agent_key(tx, source_id, tokens.fingerprint(desk.settings.secret, token))
        await announce(tx, "keys")
    return token


async def has_agent_key(desk: Desk, owner: str) -> bool:
    """Whether this owner can push messages."""
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute(
                "select agent_key_fingerprint is not null from source where name = %s and kind = 'stock'",
                [owner],
            )
        ).fetchone()
    return bool(row and row[0])


class ShelfLine(msgspec.Struct, frozen=True):
    """What stands on one shelf."""

    owner: str
    country: int
    operator: str
    service: str
    base_price: Decimal
    available: int


async def list_shelves(desk: Desk, limit: int) -> list[ShelfLine]:
    """The shelves with numbers on them, fullest first, for the operator."""
    async with desk.db.connection() as tx:
        rows = await (await tx.execute(_SHELVES, [limit])).fetchall()
    return [ShelfLine(*row) for row in rows]


_SHELVES: LiteralString = """
select s.name, o.country, o.operator, o.service, o.base_price, coalesce(o.available, 0)
from offer o join source s on s.id = o.source_id and s.kind = 'stock'
order by o.available desc nulls last, o.id limit %s
"""
