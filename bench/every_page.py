"""Every page for a customer with years behind him, beside a neighbour with as many: how long the server takes for each."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.every_page import Look, looks

from bench.ground import Ground, Running, connect
from bench.table import Line, told
from ringlet import ledger
from ringlet.activations import buy
from ringlet.activations.choose import Order
from ringlet.customers import KeyTerms, add_key
from ringlet.desk import Desk
from ringlet.payments import book
from ringlet.people import persons, sign_in
from ringlet.people.persons import Person
from ringlet.topups import begin, demo_pay
from ringlet.topups.look import look_due
from ringlet.topups.store import Topup
from ringlet.web.pages.visit import SESSION
from ringlet.webhooks import endpoints, log

PAST = 300_000
DELIVERIES = 100_000
KEYS = 20
PAYMENTS = 10_000
OPEN = 5
WARMING, ROUNDS = 2, 40
BUDGET_MS = 50
TOKEN = "rlp_" + "0" * 43
#: letters to look at are the demo's alone
NOT_HERE = {"/mail"}
#: what a page's script asks for besides, and pages as people search in them
MORE = (
    Look("a part", "/find?q=whatsapp+indonesia"), Look("a part", "/offer?pick=wa-6"), Look("a part", "/live?seen=live-0"),
    Look("a part", "/wallet/top-up?seen=x"), Look("a part", "/wallet/top-up/{topup_id}?seen=x"),
    Look("a part", "/live/{activation_id}"), Look("a part", "/webhooks/{webhook_id}/log"),
    Look("filtered", "/history?state=expired&country=7&service=ig"), Look("filtered", "/history?q=999999999"),
    Look("filtered", "/history?from=2026-01-01&to=2030-01-01"), Look("old", "/history?before=200000"),
    Look("old", "/history?after=100000"), Look("one kind", "/wallet?kind=capture"), Look("nothing", "/wallet?kind=debit"),
)  # fmt: skip


@dataclass(frozen=True)
class Customer:
    """Who looks: sessions by who he is there, and what is his."""

    sessions: Mapping[str, str]
    objects: Mapping[str, str]


@dataclass
class Took:
    """What a page has cost: milliseconds until its answer was there, and of the web process's own work."""

    waited_ms: list[float] = field(default_factory=list)
    worked_ms: list[float] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.waited_ms, n=20)[-1]

    def __str__(self) -> str:
        waited, worked = statistics.median(self.waited_ms), statistics.median(self.worked_ms)
        return f"p50 {waited:.1f} ms, p95 {self.p95_ms:.1f} ms, of it the process's own {worked:.1f} ms"


def furnish(ground: Ground, url: str, wallet_ids: list[int]) -> Customer:
    """The first of these wallets is looked at; call it with a shelf of `wa` in country 6, after `past.write`."""
    customer = ground.at_desk(url, lambda desk: _furnish(desk, wallet_ids[0]))
    with connect(url) as connection:
        values = {"wallet": wallet_ids[0], "count": DELIVERIES, "webhook": customer.objects["webhook_id"]}
        for statement in (_EVENTS, _DELIVERIES, _ATTEMPTS):
            connection.execute(statement, values)
    return customer


async def _furnish(desk: Desk, wallet_id: int) -> Customer:
    """Open numbers, keys, a webhook with a test delivery, and the sessions."""
    async with desk.db.connection() as tx:
        wallet = await ledger.wallet(tx, wallet_id)
    await desk.refresh_prices()
    bought = [await buy.buy(desk, wallet, Order(service="wa", country=6)) for _ in range(OPEN)]
    new = endpoints.NewEndpoint(
        url="https://shop.example.com/hook", description="", form="standard", types=()
    )
    webhook_id = (await endpoints.create(desk, wallet_id, new)).endpoint.public_id
    sent = await log.send_test(desk, wallet_id, webhook_id)
    async with desk.db.transaction() as tx:
        terms = KeyTerms(wallet_id=wallet_id, mode="live", name="one of many")
        keys = [await add_key(tx, desk.settings.secret, terms) for _ in range(KEYS)]
        person_id = await persons.add(tx, wallet.customer_id, None)
        await persons.confirm(tx, person_id)
        person = await persons.by_id(tx, person_id)
        whole = await sign_in.open_session(tx, desk, person, None, "bench")
        half = await sign_in.open_session(tx, desk, _with_factor(person), None, "bench")
    topup = await _pay(desk, wallet_id)
    objects = {
        "topup_id": topup.public_id, "external_id": str(topup.external_id), "open_topup_id": topup.public_id,
        "activation_id": str(bought[0].activation.public_id), "webhook_id": webhook_id,
        "delivery_id": str(sent.delivery_id), "key_id": str(keys[0].id), "token": TOKEN,
    }  # fmt: skip
    return Customer({"customer": whole.token, "half": half.token, "guest": ""}, objects)


async def _pay(desk: Desk, wallet_id: int) -> Topup:
    """A payment that is credited, by the demo's gateway, and the newest of many."""
    async with desk.db.transaction() as tx:
        new = book.New("demo", "Demo", "live", {}, 1_000_000, 100_000_000, is_on=True)
        gateway_id = await book.add(tx, desk.settings.secret, new)
        await tx.execute(_PAYMENTS, {"wallet": wallet_id, "gateway": gateway_id, "count": PAYMENTS})
    topup = await begin.begin(desk, wallet_id, gateway_id, 5_000_000, "bench")
    await demo_pay.act(desk, wallet_id, str(topup.external_id), "pay")
    await look_due(desk)
    return topup


_PAYMENTS = """
insert into topup (public_id, wallet_id, gateway_id, once, state, external_id, amount_micros, charge_micros, currency, expires_at)
select 'tu_' || lpad(n::text, 22, '0'), %(wallet)s, %(gateway)s, 'many ' || n, 'expired', 'many ' || n, 1000000, 1000000,
    'USD', now() from generate_series(1, %(count)s) n
"""


def _with_factor(person: Person) -> Person:
    return Person(person.id, person.customer_id, person.email, person.password_hash, True, True)  # noqa: FBT003


_EVENTS = """
insert into event (wallet_id, type, activation_id, state, created_at)
select wallet_id, 'activation.finished', id, 'finished', closed_at from activation
where wallet_id = %(wallet)s and state = 'finished' order by id desc limit %(count)s
"""
_DELIVERIES = """
insert into delivery (event_id, endpoint_id, attempts, delivered_at, created_at, due_at)
select e.id, w.id, 1, e.created_at, e.created_at, null from event e, webhook_endpoint w
where e.wallet_id = %(wallet)s and w.public_id = %(webhook)s and not exists (select from delivery d where d.event_id = e.id)
"""
_ATTEMPTS = """
insert into delivery_attempt (delivery_id, status, took_ms, answer, attempted_at)
select d.id, 200, 12, 'ok', d.delivered_at from delivery d where d.delivered_at is not null
"""


def measure(site: Running, customer: Customer) -> list[Line]:
    """All pages in turn, round by round, so that none has the better moment."""
    pages = [look for look in looks() if look.path not in NOT_HERE]
    parts = [look for look in MORE if look.name == "a part"]
    asked = [(look, False) for look in [*pages, *(look for look in MORE if look not in parts)]]
    asked += [(look, True) for look in parts]
    found = {each: Took() for each in asked}
    for index in range(WARMING + ROUNDS):
        for (look, is_part), took in found.items():
            waited_ms, worked_ms = _visit(site, customer, look, is_part=is_part)
            if index >= WARMING:
                took.waited_ms.append(waited_ms)
                took.worked_ms.append(worked_ms)
    slowest = max(found, key=lambda each: found[each].p95_ms)
    lines = [told("pages", _title(*each), str(took)) for each, took in found.items()]
    worst = found[slowest]
    what = f"server time of {len(found)} pages, p95 of the slowest, {_title(*slowest)}"
    return [
        *lines,
        Line("pages", what, f"{worst.p95_ms:.1f} ms", f"< {BUDGET_MS} ms", holds=worst.p95_ms < BUDGET_MS),
    ]


def _title(look: Look, is_part: bool) -> str:
    who = "" if look.who == "customer" else f" ({look.who})"
    return f"{look.path}{who}{' as a part' if is_part else ''}"


def _visit(site: Running, customer: Customer, look: Look, *, is_part: bool) -> tuple[float, float]:
    head = {"Cookie": f"{SESSION}={customer.sessions[look.who]}", "Accept": "text/html"}
    path = look.address(customer.objects)
    worked_before, began = _worked_ms(site.pid), time.perf_counter()
    status, body, _ = site.call(path, "", headers={**head, **({"HX-Request": "true"} if is_part else {})})
    took_ms = 1000 * (time.perf_counter() - began)
    assert status == look.status, (path, status, body[:300])
    return took_ms, _worked_ms(site.pid) - worked_before


def _worked_ms(pid: int) -> float:
    """What all threads of a process have worked until now."""
    found = [
        task.read_text(encoding="ascii").split()[0] for task in Path(f"/proc/{pid}/task").glob("*/schedstat")
    ]
    return sum(map(int, found)) / 1e6
