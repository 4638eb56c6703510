"""What pages ask looks at few blocks, however many rows the customer and his neighbours have."""

import re
from collections.abc import Mapping
from typing import Any, LiteralString

import pytest
from psycopg import sql

from ringlet import favourites, statement
from ringlet.activations import history, leases
from ringlet.desk import Desk
from ringlet.webhooks import log
from tests.site import Shop

ROWS = 30_000
#: what a thousand of the newest take, with room; the tables have some ten thousand
BLOCKS_MAX = 400
ID_MAX = 2**63 - 1

ASKED: dict[str, tuple[LiteralString, dict[str, Any]]] = {
    "the live numbers": (leases._RECENT, {"over_s": 600.0, "limit": 20}),
    "what was bought last": (favourites._RECENT, {"most": 6}),
    "the filters of the history": (history._CHOICES, {"recent": 2_000}),
    "how many are open": (history._OPEN, {"recent": 2_000}),
    "the statement": (statement._LINES, {"kinds": list(statement.KINDS), "before": ID_MAX, "limit": 51}),
    "the log of a webhook": (log._DELIVERIES, {"endpoint": 1, "before": ID_MAX}),
}


@pytest.fixture
async def years(desk: Desk, shop: Shop) -> None:
    """Alice's years come first, then Bob's: from the newest rows of all, hers are far away."""
    async with desk.db.connection() as tx:
        for wallet in (shop.alice, shop.bob):
            await tx.execute(_ACTIVATIONS, {"wallet": wallet.id, "rows": ROWS})
        await tx.execute(_POSTINGS)
        await tx.execute(_ENDPOINTS, {"alice": shop.alice.id, "bob": shop.bob.id})
        await tx.execute(_DELIVERIES, {"rows": ROWS})
        await tx.execute("analyze")


_ACTIVATIONS = """
insert into activation (public_id, wallet_id, source_id, country, service, operator, phone, state, amount_micros,
    base_price, expires_at, closed_at, created_at)
select 1000000 + coalesce((select max(id) from activation), 0) + n, %(wallet)s, (select min(id) from source), 6, 'ig',
    'any', (628000000000 + n)::text, 'expired', 111489, 0.0334, now() - interval '1 day', now() - interval '1 day',
    now() - interval '1 day'
from generate_series(1, %(rows)s) n
"""

_POSTINGS = """
insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id)
select wallet_id, kind, 'held', 'revenue', amount_micros, id
from activation, unnest('{hold,capture}'::posting_kind[]) as kind
"""

_ENDPOINTS = """
insert into webhook_endpoint (id, public_id, wallet_id, url, types) overriding system value
values (1, 'wh_1', %(alice)s, 'https://a.example.com', '{}'), (2, 'wh_2', %(bob)s, 'https://b.example.com', '{}')
"""

_DELIVERIES = """
insert into delivery (event_id, endpoint_id, attempts, delivered_at, due_at)
select n, 1 + (n > %(rows)s / 2)::int, 1, now(), null from generate_series(1, %(rows)s) n
"""


@pytest.mark.usefixtures("years")
@pytest.mark.parametrize("what", ASKED)
async def test_a_page_looks_at_few_blocks(desk: Desk, shop: Shop, what: str) -> None:
    """By a plan that was made without knowing whom it is about, as the server keeps it."""
    asked, values = ASKED[what]
    blocks = await _blocks(desk, asked, {"wallet": shop.alice.id, **values})
    assert blocks < BLOCKS_MAX, f"{what}: {blocks} blocks"


async def _blocks(desk: Desk, asked: LiteralString, values: Mapping[str, Any]) -> int:
    """How many blocks the statement touches when it is run as it was prepared."""
    names = dict.fromkeys(re.findall(r"%\((\w+)\)s", asked))
    async with desk.db.connection() as tx:
        await tx.execute(asked, values, prepare=True)
        row = await (await tx.execute(_PREPARED)).fetchone()
        assert row is not None
        given = sql.SQL(", ").join(sql.Literal(values[name]) for name in names)
        explained = sql.SQL("explain (analyze, buffers) execute {}({})").format(sql.Identifier(row[0]), given)
        rows = await (await tx.execute(explained, prepare=False)).fetchall()
    found = next(row[0] for row in rows if "Buffers:" in row[0])
    return sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", found))


_PREPARED = """
select name from pg_prepared_statements where statement not like '%pg_prepared_statements%'
order by prepare_time desc limit 1
"""
