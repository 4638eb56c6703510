"""The buy screen with 2,000 services × 205 countries: what a search takes, word by word and letter by letter."""

import statistics
import time
from urllib.parse import quote

from bench import fill
from bench.ground import Ground, Running, connect, settle
from bench.table import Line, told
from ringlet import canon
from ringlet.desk import Desk
from ringlet.people import persons, sign_in

SERVICES = 2_000
ROUNDS = 15
BUDGET_MS = 100
PAGE_BUDGET_MS = 50
QUERIES = (
    "w", "wha", "whatsapp", "whatsapp indonesia", "indonesia whatsapp", "whatsap indonsia", "indonesia", "a", "uk",
    "вотсап", "telgram phillipines", "nothing of the kind",
)  # fmt: skip


def measure(ground: Ground) -> list[Line]:
    """The part `pages`."""
    url = ground.database("pages")
    fill.customers(ground, url, 1)
    cells = _offers(url)
    token = ground.at_desk(url, _sign_in)
    settle(url)
    with ground.site(url) as site:
        first_ms = _took(site, "/", token)
        home = [_took(site, "/", token) for _ in range(ROUNDS)]
        found = {query: _searches(site, query, token) for query in QUERIES}
    ground.drop(url)
    slowest = max(found, key=lambda query: statistics.median(found[query]))
    lines = [
        told("pages", "cells", f"{cells:,}"),
        told("pages", "the first page of a process", f"{first_ms:.0f} ms"),
    ]
    lines += [
        told("pages", f"search {query!r}", f"{statistics.median(took):.1f} ms")
        for query, took in found.items()
    ]
    slow, page = statistics.median(found[slowest]), statistics.median(home)
    return [
        *lines,
        Line("pages", "the buy screen", f"{page:.1f} ms", f"< {PAGE_BUDGET_MS} ms", holds=page < PAGE_BUDGET_MS),
        Line("pages", f"the slowest search, {slowest!r}", f"{slow:.1f} ms", f"< {BUDGET_MS} ms", holds=slow < BUDGET_MS),
    ]  # fmt: skip


def _searches(site: Running, query: str, token: str) -> list[float]:
    return [_took(site, f"/find?q={quote(query)}", token) for _ in range(ROUNDS)]


def _took(site: Running, path: str, token: str) -> float:
    """Milliseconds of one request as a browser makes it."""
    head = {"Cookie": f"__Host-session={token}", "Accept": "text/html", "HX-Request": "true"}
    began = time.perf_counter()
    status, body, _ = site.call(path, "", headers=head)
    took_ms = 1000 * (time.perf_counter() - began)
    assert status == 200, body[:200]
    return took_ms


def _offers(url: str) -> int:
    """Canonical services in every country, some without stock."""
    services = [code for code in canon.services() if code.isalnum()][:SERVICES]
    with connect(url) as connection:
        connection.execute("insert into source (name, kind) values ('bench', 'stock') on conflict do nothing")
        return connection.execute(
            _OFFERS, {"services": services, "countries": list(canon.countries())}
        ).rowcount


_OFFERS = """
insert into offer (source_id, country, service, operator, base_price, available)
select source.id, country, service, 'any', round((0.01 + (hashtext(service || country) & 65535) / 65536.0)::numeric, 4),
    (hashtext(service || country) & 7)
from source, unnest(%(countries)s::int[]) as country, unnest(%(services)s::text[]) as service
where source.name = 'bench'
"""


async def _sign_in(desk: Desk) -> str:
    """A session of the one customer."""
    async with desk.db.transaction() as tx:
        row = await (await tx.execute("select id from customer limit 1")).fetchone()
        assert row is not None
        person_id = await persons.add(tx, row[0], None)
        await persons.confirm(tx, person_id)
        return (await sign_in.open_session(tx, desk, await persons.by_id(tx, person_id), None, "bench")).token
