"""The buy screen with 2,000 services × 205 countries: what a search takes, letter by letter; then every page there is."""

import statistics
import time
from urllib.parse import quote

from bench import every_page, fill, past
from bench.ground import Ground, Running, caught_up, connect, settle
from bench.table import Line, told
from ringlet import canon
from ringlet.web.pages.visit import SESSION

SERVICES = 2_000
ROUNDS = 15
BUDGET_MS = 100
QUERIES = (
    "w", "wha", "whatsapp", "whatsapp indonesia", "indonesia whatsapp", "whatsap indonsia", "indonesia", "a", "uk",
    "вотсап", "telgram phillipines", "nothing of the kind",
)  # fmt: skip


def measure(ground: Ground) -> list[Line]:
    """The part `pages`."""
    url = ground.database("pages")
    people = fill.customers(ground, url, 2)
    past.write(url, people.wallet_ids, 2 * every_page.PAST)
    fill.shelf(url, "wa", 2 * every_page.OPEN, first=20_000_000_000)
    cells = _offers(url)
    customer = every_page.furnish(ground, url, people.wallet_ids)
    token = customer.sessions["customer"]
    caught_up(ground, url)
    settle(url)
    with ground.site(url) as site:
        first_ms = _took(site, "/", token)
        home = [_took(site, "/", token) for _ in range(ROUNDS)]
        found = {query: _searches(site, query, token) for query in QUERIES}
        every = every_page.measure(site, customer)
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
        Line("pages", "the buy screen", f"{page:.1f} ms", f"< {every_page.BUDGET_MS} ms", holds=page < every_page.BUDGET_MS),
        Line("pages", f"the slowest search, {slowest!r}", f"{slow:.1f} ms", f"< {BUDGET_MS} ms", holds=slow < BUDGET_MS),
        *every,
    ]  # fmt: skip


def _searches(site: Running, query: str, token: str) -> list[float]:
    return [_took(site, f"/find?q={quote(query)}", token) for _ in range(ROUNDS)]


def _took(site: Running, path: str, token: str) -> float:
    """Milliseconds of one request as a browser makes it."""
    head = {"Cookie": f"{SESSION}={token}", "Accept": "text/html", "HX-Request": "true"}
    began = time.perf_counter()
    status, body, _ = site.call(path, "", headers=head)
    took_ms = 1000 * (time.perf_counter() - began)
    assert status == 200, body[:200]
    return took_ms


def _offers(url: str) -> int:
    """Canonical services in every country; one in eight countries has no number."""
    services = [code for code in canon.services() if code.isalnum()][:SERVICES]
    values = {"services": services, "countries": list(canon.countries())}
    with connect(url) as connection:
        connection.execute(_NUMBERS, values)
        return connection.execute(_OFFERS, values).rowcount


_NUMBERS = """
insert into number (source_id, phone, country, operator, every_service)
select source.id, (70000000000 + country * 1000 + n)::text, country, 'any', true
from source, unnest(%(countries)s::int[]) as country, generate_series(1, country %% 8) as n where source.name = 'bench'
"""

_OFFERS = """
insert into offer (source_id, country, service, operator, base_price, available)
select source.id, country, service, 'any', round((0.01 + (hashtext(service || country) & 65535) / 65536.0)::numeric, 4),
    country %% 8
from source, unnest(%(countries)s::int[]) as country, unnest(%(services)s::text[]) as service
where source.name = 'bench'
on conflict do nothing
"""
