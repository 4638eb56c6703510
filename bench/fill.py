"""Filling a database, set by set: customers, shelves, a price list, and years of history."""

from dataclasses import dataclass

from bench.ground import Ground, connect
from ringlet import accounts
from ringlet.desk import Desk

BALANCE_MICROS = 10**15
COUNTRY = 6
#: sold from through HTTP, through the driver, and to have activations to ask about; each has its own shelf
SERVICES = ("ig", "wa", "tg")


@dataclass(frozen=True)
class Customers:
    keys: list[str]
    wallet_ids: list[int]


def customers(ground: Ground, url: str, count: int) -> Customers:
    """New customers with more money than they can spend."""

    async def open_all(desk: Desk) -> list[str]:
        return [
            (
                await accounts.open_account(desk, f"c{index}@bench.example", BALANCE_MICROS, actor="bench")
            ).api_key
            for index in range(count)
        ]

    keys = ground.at_desk(url, open_all)
    with connect(url) as connection:
        rows = connection.execute("select id from wallet where mode = 'live' order by id").fetchall()
    return Customers(keys, [row[0] for row in rows])


def shelf(url: str, service: str, numbers: int, *, country: int = COUNTRY, first: int) -> int:
    """An offer with so many free numbers, of which the phones begin at `first`; returns the offer's id."""
    values = {"service": service, "numbers": numbers, "country": country, "first": first}
    with connect(url) as connection:
        connection.execute(_SOURCE)
        row = connection.execute(_OFFER, values).fetchone()
        assert row is not None
        connection.execute(_NUMBERS, values)
        connection.execute(_STOCK, {**values, "offer": row[0]})
        connection.execute("select pg_notify('ringlet', 'catalogue')")
    return int(row[0])


_SOURCE = "insert into source (name, kind) values ('bench', 'stock') on conflict do nothing"

_OFFER = """
insert into offer (source_id, country, service, operator, base_price, available, opened_at)
select id, %(country)s, %(service)s, 'any', 0.0334, %(numbers)s, now() from source where name = 'bench'
returning id
"""

_NUMBERS = """
insert into number (source_id, phone, country, operator, every_service)
select source.id, (%(first)s + n)::text, %(country)s, 'any', false
from source, generate_series(1::bigint, %(numbers)s) as n where source.name = 'bench'
"""

_STOCK = """
insert into stock (offer_id, number_id, phone)
select %(offer)s, id, phone from number
where phone::bigint between %(first)s + 1 and %(first)s + %(numbers)s
order by id
"""


def sell_and_finish(url: str, offer_id: int, *, keep_every: int) -> int:
    """All but every so many of the shelf's numbers were leased, brought a code and rest now; returns how many.

    Through the same two updates of `stock` that a sale and its end make, so that the dead rows and the dead index
    entries are those of real sales.
    """
    with connect(url) as connection:
        values = {"offer": offer_id, "every": keep_every}
        # Whether a vacuum comes in the middle of the run would decide more than what is measured.
        connection.execute("alter table stock set (autovacuum_enabled = false)")
        connection.execute(_LEASE_MOST, values)
        return connection.execute(_REST_LEASED, values).rowcount


_LEASE_MOST = """
update stock set state = 'leased' where offer_id = %(offer)s and number_id %% %(every)s <> 0
"""

_REST_LEASED = """
update stock set state = 'resting', due_at = now() + interval '30 days'
where offer_id = %(offer)s and state = 'leased'
"""


def price_list(url: str, countries: int, services: int) -> int:
    """A full price list: one owner has a number for every service in every country; returns the cells."""
    with connect(url) as connection:
        connection.execute(_SOURCE)
        connection.execute(_WORLD_NUMBERS, {"countries": countries})
        return connection.execute(_WORLD_OFFERS, {"countries": countries, "services": services}).rowcount


_WORLD_NUMBERS = """
insert into number (source_id, phone, country, operator, every_service)
select source.id, (70000000000 + country * 1000 + n)::text, country, 'any', true
from source, generate_series(1, %(countries)s) as country, generate_series(1, 1 + country %% 7) as n
where source.name = 'bench'
"""

_WORLD_OFFERS = """
insert into offer (source_id, country, service, operator, base_price, available)
select source.id, country, 's' || to_char(service, 'FM000'), 'any',
    round((0.01 + (hashint4(country * 1000 + service) & 65535) / 65536.0)::numeric, 4), 1 + country %% 7
from source, generate_series(1, %(countries)s) as country, generate_series(1, %(services)s) as service
where source.name = 'bench'
"""
