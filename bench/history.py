"""Status and buy with millions of past activations beside an empty table, on one server, in turn."""

import time

from bench import fill, past
from bench.ground import Ground, query, settle
from bench.rates import (
    COLD,
    CONNECTIONS,
    CUSTOMERS,
    OPEN,
    buy_scripts,
    loading,
    open_some,
    status_scripts,
)
from bench.table import Line, alternate, at_least, rate, ratio, told


def measure(ground: Ground, activations: int, seconds: float, rounds: int) -> list[Line]:
    """Two databases: one with `activations` past ones, one with just enough to ask about."""
    urls = {"empty": ground.database("empty"), "full": ground.database("full")}
    people = {name: fill.customers(ground, url, CUSTOMERS) for name, url in urls.items()}
    began = time.monotonic()
    for name, url in urls.items():
        past.write(url, people[name].wallet_ids, activations if name == "full" else COLD)
        fill.shelf(url, "tg", OPEN + 100, first=20_000_000_000)
        fill.shelf(url, "ig", int(20_000 + 8_000 * seconds * rounds), first=30_000_000_000)
        settle(url)
    took_s = time.monotonic() - began
    # Without workers: to count, audit and forget years that were filled in at once keeps one busy for minutes, as no
    # installation ever is, and would be measured with the one and not with the other.
    with (
        ground.site(urls["empty"], with_worker=False) as empty,
        ground.site(urls["full"], with_worker=False) as full,
    ):
        sites = {"empty": empty, "full": full}
        runs = {}
        for name, site in sites.items():
            url, who = urls[name], people[name]
            open_some(site, who)
            waiting = status_scripts(url, who, "state = 'waiting'", CONNECTIONS)
            cold = status_scripts(url, who, "state in ('finished', 'expired')", CONNECTIONS)
            runs[f"status {name}"] = loading(site, waiting, seconds)
            runs[f"cold {name}"] = loading(site, cold, seconds)
            runs[f"buy {name}"] = loading(site, buy_scripts(who), seconds)
        ordered = [f"{what} {name}" for what in ("status", "cold", "buy") for name in sites]
        found = alternate(rounds, {each: runs[each] for each in ordered})
    size = query(urls["full"], "select pg_size_pretty(pg_database_size(current_database()))")[0][0]
    for url in urls.values():
        ground.drop(url)
    part = "history"
    return [
        told(part, f"{activations:,} past activations", f"{size}, written in {took_s:.0f} s"),
        *(told(part, each, rate(found, each)) for each in ordered),
        at_least(part, "status: full / empty", ratio(found, "status full", "status empty"), 0.90),
        at_least(part, "status not in memory: full / empty", ratio(found, "cold full", "cold empty"), 0.90),
        at_least(part, "buy: full / empty", ratio(found, "buy full", "buy empty"), 0.90),
    ]
