"""How fast a status and a buy are, beside a constant answer and beside the database alone."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench import fill, load, past
from bench.fill import COUNTRY, Customers
from bench.ground import Ground, Running, query, settle
from bench.load import Part, Plan
from bench.table import Line, alternate, at_least, rate, ratio, told

CUSTOMERS = 32
CONNECTIONS = 64
#: more than a web process keeps in memory, so that each question goes to the database
COLD = 60_000
OPEN = 2_000
BARE = [[load.request("GET", "/bare", "")]]


def buy_request(key: str, service: str = "ig", once: str = "", country: int = COUNTRY) -> str:
    body = json.dumps({"service": service, "country": country})
    headers = {"Idempotency-Key": once} if once else None
    return load.request("POST", "/api/v1/resell/virtual/buy", key, body, headers)


def buy_scripts(people: Customers, service: str = "ig") -> list[list[str]]:
    return [[buy_request(key, service)] for key in people.keys]


def status_scripts(url: str, people: Customers, where: str, connections: int) -> list[list[str]]:
    """For each connection its own share of one customer's activations."""
    scripts = []
    for index in range(connections):
        place = index % len(people.keys)
        sharers = len(range(place, connections, len(people.keys)))
        rows = query(
            url,
            f"select public_id from activation where wallet_id = %s and {where} order by id limit 4000",
            [people.wallet_ids[place]],
        )
        ids = [row[0] for row in rows][index // len(people.keys) :: sharers]
        path = "/api/v1/resell/virtual/{}/status"
        scripts.append([load.request("GET", path.format(each), people.keys[place]) for each in ids])
    return scripts


def open_some(running: Running, people: Customers, count: int = OPEN) -> None:
    """Activations that wait for their code."""
    load.run(Plan(running.port, buy_scripts(people, "tg"), CONNECTIONS, count=count))


def loading(running: Running, scripts: list[list[str]], seconds: float) -> Callable[[], Part]:
    return lambda: load.run(Plan(running.port, scripts, CONNECTIONS, seconds)).whole


def measure(ground: Ground, what: set[str], seconds: float, rounds: int) -> list[Line]:
    """The parts `status` and `buy`, in one run with the bare route."""
    url = ground.database("rates")
    people = fill.customers(ground, url, CUSTOMERS)
    past.write(url, people.wallet_ids, COLD)
    numbers = int(20_000 + 8_000 * seconds * rounds)
    fill.shelf(url, "tg", OPEN + 100, first=20_000_000_000)
    fill.shelf(url, "ig", 4 * numbers, first=30_000_000_000)
    offer_id = fill.shelf(url, "wa", numbers, first=40_000_000_000)
    settle(url)
    lines = []
    with ground.bare() as bare, ground.site(url) as site:
        open_some(site, people)
        if "status" in what:
            lines += _status(url, people, bare, site, seconds, rounds)
        if "buy" in what:
            with _driver(ground, url, offer_id, people) as sell:
                lines += _buy(people, bare, site, sell, seconds, rounds)
    ground.drop(url)
    return lines


def _status(
    url: str, people: Customers, bare: Running, site: Running, seconds: float, rounds: int
) -> list[Line]:
    waiting = status_scripts(url, people, "state = 'waiting'", CONNECTIONS)
    cold = status_scripts(url, people, "state in ('finished', 'expired')", CONNECTIONS)
    found = alternate(
        rounds,
        {
            "bare": loading(bare, BARE, seconds),
            "status": loading(site, waiting, seconds),
            "cold": loading(site, cold, seconds),
        },
    )
    return [
        told("status", "bare route", rate(found, "bare")),
        told("status", "status of waiting activations", rate(found, "status")),
        told("status", "status that is not in memory", rate(found, "cold")),
        at_least("status", "status / bare", ratio(found, "status", "bare"), 0.40, 0.50),
        told("status", "status not in memory / bare", f"{ratio(found, 'cold', 'bare'):.3f}"),
    ]


def _buy(
    people: Customers,
    bare: Running,
    site: Running,
    sell: Callable[[float], Part],
    seconds: float,
    rounds: int,
) -> list[Line]:
    keyed = iter(range(10**9))

    def with_keys() -> Part:
        """Each request with an Idempotency-Key that was never used."""
        start, requests = next(keyed), int(150 * (seconds + 1))
        scripts = [
            [buy_request(people.keys[i % CUSTOMERS], once=f"{start}-{i}-{n}") for n in range(requests)]
            for i in range(CONNECTIONS)
        ]
        return load.run(Plan(site.port, scripts, CONNECTIONS, seconds)).whole

    found = alternate(
        rounds,
        {
            "bare": loading(bare, BARE, seconds),
            "buy": loading(site, buy_scripts(people), seconds),
            "driver": lambda: sell(seconds),
            "keyed": with_keys,
            "one": loading(site, buy_scripts(people)[:1], seconds),
        },
    )
    return [
        told("buy", "bare route", rate(found, "bare")),
        told("buy", "buy", rate(found, "buy")),
        told("buy", "the same SQL through the driver", rate(found, "driver")),
        at_least("buy", "buy / bare", ratio(found, "buy", "bare"), 0.10, 0.15),
        at_least("buy", "buy / the same SQL", ratio(found, "buy", "driver"), 0.40),
        told("buy", "with an Idempotency-Key", rate(found, "keyed")),
        told("buy", "all by one customer", rate(found, "one")),
    ]


@contextlib.contextmanager
def _driver(ground: Ground, url: str, offer_id: int, people: Customers) -> Iterator[Callable[[float], Part]]:
    """The process that sells through the driver alone, one run a call."""
    asked = {"conninfo": url, "offer_id": offer_id, "tasks": CONNECTIONS, "wallet_ids": people.wallet_ids}
    command = [sys.executable, "-m", "bench.driver", json.dumps(asked)]
    with subprocess.Popen(
        command, env=ground.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def sell(seconds: float) -> Part:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
            return Part(**json.loads(process.stdout.readline()))

        sell(0.5)
        yield sell
        process.stdin.close()
