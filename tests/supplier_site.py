"""A site that buys from fake suppliers, each a process of its own, and the comparison of its books with their truth."""

import asyncio
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from ringlet import audit, demo
from tests.fakes.supplier import KEY
from tests.shoppers import Shoppers
from tests.site import Site, free_port
from tests.suppliers_rig import PATHS

ROOT = Path(__file__).parent.parent
SERVICE = "fb"  # the demo has no numbers of its own for it
COUNTRY = 6
COST = "0.10"
START_WITHIN_S = 20.0
SETTLED_WITHIN_S = 90.0
PUBLIC_EARNED = ("received", "finished")


class FakeSupplier:
    """`tests.fakes.supplier` as a process that no kill of a site reaches."""

    def __init__(
        self, name: str, *, seed: int = 1, cost: str = COST, dialect: str = "handler-api", **settings: Any
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.port = free_port()
        settings = {"cells": [[str(COUNTRY), SERVICE, "any", cost, 1_000_000]], **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.supplier", "--dialect", dialect, "--port", str(self.port),
             "--seed", str(seed), "--settings", json.dumps(settings)],
            cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        until = time.monotonic() + START_WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, f"{name} ended"
            assert time.monotonic() < until, f"{name} did not start"
            time.sleep(0.05)
        self.first_balance = Decimal(self.truth()["balance"])

    @property
    def url(self) -> str:
        """Where its dialect is spoken."""
        return f"http://127.0.0.1:{self.port}{PATHS[self.dialect]}"

    def _answers(self) -> bool:
        try:
            self.truth()
        except OSError:
            return False
        return True

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def truth(self) -> Any:
        """Everything that it has and did."""
        return self._ask("/_truth")

    def set(self, **settings: Any) -> None:
        """Change what it does."""
        self._ask("/_set", settings)

    def stop(self) -> None:
        """End it, if it is still there."""
        self.process.kill()
        self.process.wait()


class SupplierSite(Site):
    """A site with suppliers and one funded customer, the demo's. `database_url` is also where its books are read."""

    def __init__(
        self, home: Path, database_url: str, suppliers: Sequence[FakeSupplier], **environment: str
    ) -> None:
        super().__init__(home, database_url, **environment)
        self.database_url = database_url
        self.suppliers = suppliers

    def open(self, deadline_s: int = 2) -> None:
        """Start for the first time: suppliers are added and synced, numbers are sold at 30 % above cost."""
        self.start()
        for each in self.suppliers:
            self.must("supplier", "add", each.name, "--kind", each.dialect, "--url", each.url, "--key", KEY,
                      "--deadline", str(deadline_s), "--requests-per-second", "1000",
                      "--stale-after", "604800")  # fmt: skip
            self.must("supplier", "sync", each.name)
        self.must("pricing", "set", "--markup", "30%", "--service", SERVICE)
        until = time.monotonic() + START_WITHIN_S
        while self.call("GET", f"/api/v1/resell/price?service={SERVICE}&country={COUNTRY}")[0] != 200:
            assert time.monotonic() < until, "nothing on sale"
            time.sleep(0.1)

    def must(self, *arguments: str) -> str:
        """A command that succeeds; returns what it printed."""
        done = self.ringlet(*arguments)
        assert done.returncode == 0, f"ringlet {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def deaths(self) -> int:
        """How many children `serve` has found dead so far."""
        return self.log.read_bytes().count(b'"process_died"')

    def end(self) -> None:
        """Nothing of it is left, however the test went; the suppliers too."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for each in self.suppliers:
            each.stop()


async def settled(site: SupplierSite, shoppers: Shoppers) -> list[str]:
    """What is still wrong when nothing has been wrong for two looks in a row, or after 90 seconds."""
    began = time.monotonic()
    found, looks = ["not looked"], 0
    while looks < 2 and time.monotonic() - began < SETTLED_WITHIN_S:
        await asyncio.sleep(2)
        found = await asyncio.to_thread(compare, site, shoppers)
        looks = 0 if found else looks + 1
    print(f"settled after {time.monotonic() - began:.0f} s, {len(found)} anomalies")
    return found


@dataclass(frozen=True, slots=True)
class Lease:
    """An activation of ours in the books."""

    id: int
    public_id: str
    phone: str | None
    state: str
    amount_micros: int
    code: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Rental:
    """A rental in the books, with what was charged and refunded for it in micro-units."""

    ref: str
    phone: str
    state: str
    wish: str | None
    activation_id: int | None
    charges: list[int]
    refunds: list[int]


@dataclass(frozen=True, slots=True)
class Books:
    leases: dict[int, Lease]
    #: supplier → ref → rental
    rentals: dict[str, dict[str, Rental]]
    codes: dict[int, list[str]]
    asking: int
    orphans: int
    prepaid: dict[str, int]
    available: int
    held: int
    revenue: int


def read_books(conninfo: str) -> Books:
    """One snapshot."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        rentals: defaultdict[str, dict[str, Rental]] = defaultdict(dict)
        for name, *row in connection.execute(_RENTALS):
            rentals[name][row[0]] = Rental(*row)
        codes: defaultdict[int, list[str]] = defaultdict(list)
        for activation_id, code in connection.execute("select activation_id, code from message order by id"):
            codes[activation_id].append(code)
        asking = connection.execute("select count(*) from asking").fetchone()
        balances = connection.execute(_BALANCES).fetchone()
        assert asking is not None
        assert balances is not None
        return Books(
            leases={row[0]: Lease(*row) for row in connection.execute(_LEASES)},
            rentals=rentals,
            codes=codes,
            asking=asking[0],
            orphans=len(codes.pop(None, [])),  # type: ignore[call-overload]
            prepaid={name: int(micros) for name, micros in connection.execute(_PREPAID)},
            available=balances[0], held=balances[1], revenue=balances[2],
        )  # fmt: skip


_LEASES = """
select a.id, a.public_id::text, a.phone, a.state, a.amount_micros, a.code, i.key
from activation a join wallet w on w.id = a.wallet_id
left join idempotency i on i.activation_id = a.id where w.mode = 'live'
"""
_RENTALS = """
select source.name, r.supplier_ref, r.phone, r.state::text, r.wish::text, r.activation_id,
    array(select amount_micros from supplier_posting p where p.source_id = r.source_id
        and p.supplier_ref = r.supplier_ref and kind = 'charge'),
    array(select amount_micros from supplier_posting p where p.source_id = r.source_id
        and p.supplier_ref = r.supplier_ref and kind = 'refund')
from rental r join source on source.id = r.source_id
"""
_PREPAID = """
select source.name, sum(amount_micros * ((taker = 'prepaid')::int - (giver = 'prepaid')::int))
from supplier_posting p join source on source.id = p.source_id
where p.kind in ('charge', 'refund') group by source.name
"""
_BALANCES = """
select sum(balance_micros) filter (where kind = 'available')::bigint,
    sum(balance_micros) filter (where kind = 'held')::bigint,
    sum(balance_micros) filter (where kind = 'revenue')::bigint
from ledger_account a join wallet w on w.id = a.wallet_id where w.mode = 'live'
"""


def compare(site: SupplierSite, shoppers: Shoppers) -> list[str]:
    """Every anomaly between what the suppliers did, what our books say and what the customers were told."""
    truths = {each.name: each.truth() for each in site.suppliers}
    books = read_books(site.database_url)
    found = [f"{books.asking} questions are still out"] if books.asking else []
    if books.orphans:
        found.append(f"{books.orphans} messages have no activation")
    for each in site.suppliers:
        allotments = {row["ref"]: row for row in truths[each.name]["allotments"]}
        rentals = books.rentals.get(each.name, {})
        found += [f"{each.name} {ref}: never had it" for ref in rentals.keys() - allotments.keys()]
        for ref, allotment in allotments.items():
            found += _compare_rental(f"{each.name} {ref}", allotment, rentals.get(ref), books)
        spent = Decimal(truths[each.name]["balance"]) - each.first_balance
        if spent * 1_000_000 != books.prepaid.get(each.name, 0):
            found.append(f"{each.name}: balance moved by {spent}, ours by {books.prepaid.get(each.name)}")
    found += _compare_leases(books)
    found += _compare_customers(books, shoppers)
    found += [f"{each.invariant}: {each.promise}: {each.what}" for each in audit.run(site.database_url)]
    return found


ALLOWED = {
    "active": {"open", "spent"},
    "finished": {"open", "spent"},
    "cancelled": {"returned"},
}


def _compare_rental(name: str, allotment: Any, rental: Rental | None, books: Books) -> list[str]:
    """One number of a supplier: known, in a state that follows his, charged once, its codes delivered."""
    standing, micros = allotment["standing"], round(Decimal(allotment["cost"]) * 1_000_000)
    if rental is None:
        return [f"{name} ({standing}, {allotment['fault']}) is not in our books"]
    found = []
    if rental.state not in ALLOWED[standing] or (rental.state == "open" and rental.wish is not None):
        found.append(f"{name} is {standing} there, {rental.state} here, wish {rental.wish}")
    if rental.charges != [micros]:
        found.append(f"{name} cost {micros}, charged {rental.charges}")
    if rental.refunds != ([micros] if standing == "cancelled" else []):
        found.append(f"{name} ({standing}) cost {micros}, refunded {rental.refunds}")
    if rental.activation_id is not None:
        told = Counter(message["code"] for message in allotment["messages"])
        if Counter(books.codes.get(rental.activation_id, [])) != told:
            found.append(f"{name}: codes {told}, with its activation {books.codes.get(rental.activation_id)}")
        if allotment["phone"] != books.leases[rental.activation_id].phone:
            found.append(f"{name} is {allotment['phone']}, sold as {books.leases[rental.activation_id]}")
    return found


def _compare_leases(books: Books) -> list[str]:
    """Every activation has its own number while it is open, and no code without one; nothing is `ordering`."""
    found = []
    owned: defaultdict[int, list[Rental]] = defaultdict(list)
    for rentals in books.rentals.values():
        for rental in rentals.values():
            if rental.activation_id is not None:
                owned[rental.activation_id].append(rental)
        phones = Counter(rental.phone for rental in rentals.values() if rental.state == "open")
        found += [f"{phone} is leased {times} times at once" for phone, times in phones.items() if times > 1]
    for lease in books.leases.values():
        states = [rental.state for rental in owned[lease.id]]
        if len(states) > 1:
            found.append(f"{lease} has {len(states)} rentals")
        if lease.state == "ordering":
            found.append(f"{lease} is still being ordered")
        if (lease.state in {"waiting", "received"}) != (states == ["open"]):
            found.append(f"{lease} has rentals {states}")
        if lease.code is not None and lease.code not in books.codes.get(lease.id, []):
            found.append(f"{lease} has a code that no message of its number brought")
    for activation_id in books.codes.keys() - owned.keys():
        found.append(f"activation {activation_id} has messages and never had a number")
    return found


def _compare_customers(books: Books, shoppers: Shoppers) -> list[str]:
    """What was acknowledged is there, what was refused cost nothing, and the money adds up."""
    found = [f"strange answer: {answer}" for answer in shoppers.strange[:5]]
    by_key = {lease.key: lease for lease in books.leases.values() if lease.key is not None}
    kept = [lease for lease in books.leases.values() if lease.state != "failed"]
    if by_key.keys() - shoppers.purchases.keys():
        found.append("the books have keys that nobody sent")
    found += [f"{lease} has no key: nobody asked for it" for lease in kept if lease.key is None]
    for purchase in shoppers.purchases.values():
        lease = by_key.get(purchase.key)
        here = None if lease is None else (lease.public_id, lease.phone)
        if purchase.bought == "ok" and here != (purchase.activation_id, purchase.phone):
            found.append(f"{purchase} was acknowledged, the books say {lease}")
        if purchase.bought == "refused" and lease is not None and lease.state != "failed":
            found.append(f"{purchase} was refused, the books say {lease}")
        if purchase.bought == "ok" and lease is not None:
            found += _compare_ending(purchase.cancelled, purchase.code, lease)
    held = sum(lease.amount_micros for lease in kept if lease.state in {"ordering", "waiting"})
    revenue = sum(lease.amount_micros for lease in kept if lease.state in PUBLIC_EARNED)
    if (books.held, books.revenue) != (held, revenue):
        found.append(f"held {books.held} of {held}, earned {books.revenue} of {revenue}")
    if books.available + books.held + books.revenue != demo.BALANCE_MICROS:
        found.append(
            f"the customer's money does not add up: {books.available} + {books.held} + {books.revenue}"
        )
    return found


def _compare_ending(cancelled: str, code: str, lease: Lease) -> list[str]:
    """A cancel that was accepted is one, one that was refused is none, and a code that was shown stays."""
    if cancelled == "ok" and lease.state != "cancelled":
        return [f"{lease}: its cancel was accepted"]
    if cancelled == "refused" and lease.state == "cancelled":
        return [f"{lease}: its cancel was refused"]
    if code and (lease.state not in PUBLIC_EARNED or lease.code != code):
        return [f"{lease}: the customer was shown {code}"]
    return []


def seeds(rng: random.Random, count: int) -> list[int]:
    """Seeds for suppliers, drawn from the test's own."""
    return [rng.randrange(2**31) for _ in range(count)]
