"""Ten thousand open activations at one supplier, watched by one worker: what it costs, and when a code is there."""

import json
import os
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.supplier import KEY

from bench import fill, upstream
from bench.ground import Ground, Running, connect, query, settle
from bench.rates import CUSTOMERS
from bench.table import Line, told
from ringlet import audit
from ringlet.desk import Desk
from ringlet.supplying import enlist, known, sync

NAME = "upstream"
PATH = "/stubs/handler_api.php"
AMOUNT_MICROS = 130_000
COST_MICROS = 100_000
CODES = 30
#: the first sweep, which hands everything on once
SETTLED_AFTER_S = 12.0
CPU_MAX = 0.60
GAP_MAX_S = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Case:
    """How the supplier lists, how many requests a second it allows, how old the orders are."""

    name: str
    lists: str
    per_s: int
    age_s: int
    must: bool = True

    def list_s(self, orders: int) -> float:
        """What reading the whole list takes, at the supplier's pace."""
        return max(1.0, orders / 100 / self.per_s if self.lists == "pages" else 0)


CASES = (
    Case("list at once", "whole", 20, 0),
    Case("list in pages", "pages", 100, 0),
    Case("old orders, list in pages", "pages", 20, 300),
    Case("one by one", "none", 1_000, 0, must=False),
)


@dataclass(frozen=True)
class Watched:
    """One run: the worker's share of one core, how often each rental was asked about, seconds to each code."""

    cpu: float
    gap_s: float
    requests: dict[str, int]
    codes_s: list[float]


def measure(ground: Ground, orders: int, seconds: float) -> list[Line]:
    """The part `poll`: one list for all, as suppliers give it, and a supplier that cannot list."""
    lines = []
    for index, case in enumerate(CASES):
        url = ground.database(f"poll_{index}")
        lines += _lines(case, orders, _run(ground, url, case, orders, seconds))
        ground.drop(url)
    return lines


def _run(ground: Ground, url: str, case: Case, orders: int, seconds: float) -> Watched:
    people = fill.customers(ground, url, CUSTOMERS)
    command = ["-m", "bench.upstream", "--count", str(orders), "--list", case.lists]
    with ground.serving(command, "/_asks", {}) as supplier:
        offer_id = ground.at_desk(url, lambda desk: _enlist(desk, supplier.port, case.per_s))
        customers = dict(zip(people.wallet_ids, people.keys, strict=True))
        rentals = _fill(url, offer_id, orders, case.age_s, customers)
        settle(url)
        with ground.site(url, with_worker=False) as web, ground.worker(url) as worker:
            time.sleep(SETTLED_AFTER_S)
            found = _watch(web, supplier, worker.pid, rentals, seconds)
        breaches = audit.run(url)
        assert breaches == [], breaches[:3]
    return found


async def _enlist(desk: Desk, port: int, per_s: int) -> int:
    address = f"http://127.0.0.1:{port}{PATH}"
    await enlist.add(desk, NAME, "handler-api", address, KEY, requests_per_s=per_s)
    await desk.refresh_prices()
    await sync.sync(desk, await known.reach(desk, NAME))
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select o.id from offer o")).fetchone()
    assert row is not None
    return int(row[0])


def _fill(
    url: str, offer_id: int, orders: int, age_s: int, keys: dict[int, str]
) -> list[tuple[str, int, str]]:
    """Open activations with their holds, rentals and charges; returns (ref, activation_id, key of its customer)."""
    values = {
        "orders": orders, "wallets": list(keys), "offer": offer_id, "amount": AMOUNT_MICROS,
        "cost": COST_MICROS, "ref": upstream.FIRST_REF, "phone": upstream.FIRST_PHONE, "age_s": age_s,
    }  # fmt: skip
    with connect(url) as connection, connection.transaction():
        for statement in (_ACTIVATIONS, _POSTINGS, _BALANCES, _RENTALS, _CHARGES):
            connection.execute(statement.encode(), values)
    rows = query(
        url, "select supplier_ref, public_id, wallet_id from rental join activation on id = activation_id"
    )
    return [(ref, public_id, keys[wallet_id]) for ref, public_id, wallet_id in rows]


_ACTIVATIONS = """
insert into activation (public_id, wallet_id, source_id, offer_id, country, service, operator, phone, state,
    amount_micros, base_price, created_at, expires_at, due_at)
select 70000000000000 + g, (%(wallets)s::bigint[])[1 + g %% cardinality(%(wallets)s::bigint[])], o.source_id, o.id,
    o.country, o.service, o.operator, (%(phone)s + g)::text, 'waiting', %(amount)s, o.base_price,
    now() - make_interval(secs => %(age_s)s), now() + interval '20 minutes', now() + interval '20 minutes'
from generate_series(0::bigint, %(orders)s - 1) as g, offer o where o.id = %(offer)s
"""

_POSTINGS = """
insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id)
select wallet_id, 'hold', 'available', 'held', amount_micros, id from activation
"""

_BALANCES = """
update ledger_account a set balance_micros = balance_micros + case a.kind when 'held' then s.total else -s.total end
from (select wallet_id, sum(amount_micros) as total from activation group by 1) as s
where a.wallet_id = s.wallet_id and a.kind in ('available', 'held')
"""

_RENTALS = """
insert into rental (source_id, supplier_ref, activation_id, country, service, operator, phone, cost, state,
    created_at)
select source_id, (%(ref)s + phone::bigint - %(phone)s)::text, id, country, service, operator, phone,
    %(cost)s / 1000000.0, 'open', created_at
from activation
"""

_CHARGES = """
insert into supplier_posting (source_id, kind, giver, taker, amount_micros, supplier_ref)
select source_id, 'charge', 'prepaid', 'cost', %(cost)s, supplier_ref from rental
"""


def _watch(
    web: Running, supplier: Running, worker_pid: int, rentals: list[tuple[str, int, str]], seconds: float
) -> Watched:
    """Codes come one after another at the supplier; for each somebody waits at our door."""
    chosen = random.Random(1).sample(rentals, CODES)
    pause_s = seconds / CODES
    supplier.call("/_asks", "")
    cpu, began = cpu_s(worker_pid), time.monotonic()
    with ThreadPoolExecutor(CODES) as pool:
        waiting = []
        for ref, public_id, key in chosen:
            waiting.append(pool.submit(_until_code, web, supplier, ref, public_id, key))
            time.sleep(pause_s)
        share = (cpu_s(worker_pid) - cpu) / (time.monotonic() - began)
        asks = json.loads(supplier.call("/_asks", "")[1])
        return Watched(share, asks["gap_s"], asks["requests"], [each.result() for each in waiting])


def _until_code(web: Running, supplier: Running, ref: str, public_id: int, key: str) -> float:
    """Seconds from the message at the supplier to the code in our answer."""
    code = ref[-6:]
    supplier.call("/_sms", "", upstream.as_json(ref=ref, text=f"Your code is {code}", code=code))
    began = time.monotonic()
    while time.monotonic() - began < 60:
        answer: Any = json.loads(web.call(f"/api/v1/resell/virtual/{public_id}/status?wait=50", key)[1])
        if answer["code"] is not None:
            assert answer["code"] == code
            return time.monotonic() - began
    raise RuntimeError(f"no code for {ref} in a minute")


def cpu_s(pid: int) -> float:
    """The processor time that a process has used, with its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _lines(case: Case, orders: int, found: Watched) -> list[Line]:
    asked = ", ".join(f"{action} {count:,}" for action, count in sorted(found.requests.items()))
    codes, code_max = sorted(found.codes_s), found.gap_s + case.list_s(orders)
    spelled = f"median {statistics.median(codes):.2f} s, longest {codes[-1]:.2f} s"
    figures = (
        ("the worker's CPU", f"{100 * found.cpu:.0f} % of one core", f"< {100 * CPU_MAX:.0f} %", found.cpu < CPU_MAX),
        ("each asked about at least every", f"{found.gap_s:.2f} s", f"≤ {GAP_MAX_S:.0f} s", found.gap_s <= GAP_MAX_S),
        ("code in our answer after", spelled, f"≤ that and the list, {code_max:.1f} s", codes[-1] <= code_max),
    )  # fmt: skip
    return [
        told("poll", f"{case.name}: asked, at most {case.per_s} a second", asked),
        *(
            Line(
                "poll",
                f"{case.name}: {what}",
                figure,
                bound if case.must else "",
                holds if case.must else None,
            )
            for what, figure, bound, holds in figures
        ),
    ]
