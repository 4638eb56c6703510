"""What wants attention: empty on a good day, one line for each thing that goes wrong, and the way to its mend."""

import asyncio
import re
import shutil

import pytest

from ringlet import audit
from ringlet.accounts import adjust
from ringlet.backoffice import attention, auditing, tally
from ringlet.backoffice.attention import Line
from ringlet.desk import Desk
from tests.office_rig import employ
from tests.pages_rig import serving
from tests.site import Shop
from tests.upstream import NOWHERE, add

GIGABYTES = 100 * 10**9
#: what goes wrong → the kind of the line, and what it is about
TROUBLES = {
    "supplier_low": ("update supplier set balance_micros = 1, balance_alert_micros = 2, balance_at = now()", "up"),
    "supplier_refused": ("update supplier set refused_until = now() + interval '1 hour'", "up"),
    "supplier_silent": ("update supplier set synced_at = now() - interval '1 hour'", "up"),
    "supplier_failing": (
        ("insert into figure_hour (dimension, currency, at, key, revenue_micros, share_micros, cost_micros, refund_micros,"
        " top_up_micros, debit_micros, sales, releases, code_micros) select 'source', 'USD', now(), source_id::text,"
        " 0, 0, 0, 0, 0, 0, 1, 19, 0 from supplier"), "up"),
    "orders_stuck": (
        ("with a as (insert into activation (public_id, wallet_id, source_id, country, service, operator, state,"
        " amount_micros, base_price, created_at, expires_at, due_at) select 7, 1, source_id, 6, 'ig', 'any', 'ordering', 0,"
        " 0, now() - interval '4 minutes', now() + interval '1 hour', now() + interval '1 hour' from supplier returning *)"
        " insert into asking (activation_id, source_id, offer_id, cost_max, operators, excluded_prefixes)"
        " select id, source_id, 1, 1, '{}', '{}' from a"), ""),
    "orders_overdue": (
        ("insert into activation (public_id, wallet_id, source_id, country, service, operator, state, amount_micros,"
        " base_price, expires_at, due_at) values (7, 1, 0, 6, 'ig', 'any', 'waiting', 0, 0, now(),"
        " now() - interval '4 minutes')"), ""),
    "returns_stuck": (
        ("insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state, wish, tries, due_at)"
        " select source_id, 'r', 6, 'ig', 'any', '62', 0, 'closing', 'cancel', 6, now() from supplier"), "up"),
    "rentals_stray": (
        ("insert into rental (source_id, supplier_ref, country, service, operator, phone, cost, state, created_at)"
        " select source_id, 's', 6, 'ig', 'any', '62', 0, 'stray', now() - interval '4 minutes' from supplier"), "up"),
    "webhooks_failing": (
        ("insert into webhook_endpoint (public_id, wallet_id, url, types, failing_since)"
        " values ('we', 1, 'https://example.org', '{}', now())"), ""),
    "orphans": (
        "insert into message (source_id, source_sms_id, phone, sender, text) values (1, 1, '62', 'a', 'b')", ""),
    "letters_failed": ("insert into letter (recipient, subject, due_at) values ('a@example.org', 'b', null)", ""),
    "figures_behind": (
        ("alter table posting disable trigger user;"
        " update posting set created_at = now() - interval '6 minutes'"), ""),
    "numbers_reported": ("insert into number_report (phone, story) values ('4411122233', 'calls me')", ""),
    "topups_waiting": (
        ("insert into topup (public_id, wallet_id, gateway_id, once, state, amount_micros, charge_micros, currency,"
        " expires_at) values ('tu_0000000000000000000000', 1, 1, 'x', 'review', 1, 1, 'USD', now())"), ""),
    "gateway_failing": ("update gateway set is_on = true, failing_since = now(), failure = 'no'", "Demo"),
    "gateway_differs": ("update gateway set compared_at = now(), compared = '{\"differing\": 1}'", "Demo"),
    "refunds_stuck": (
        ("with t as (insert into topup (public_id, wallet_id, gateway_id, once, state, amount_micros, charge_micros, currency,"
        " expires_at) values ('tu_0000000000000000000001', 1, 1, 'y', 'open', 1, 1, 'USD', now()) returning id)"
        " insert into topup_refund (key, topup_id, once, amount_micros, debited_micros, reason, asked_by, attempts)"
        " select 'rf_0000000000000000000000', id, 'x', 1, 0, 'why', 'a', 9 from t"), ""),
    "approvals_waiting": (
        ("insert into person (customer_id) values (1);"
        " insert into adjustment (customer_id, amount_micros, reason, once, state, asked_by, asked_person, expires_at)"
        " values (1, 1, 'why', 'x', 'waiting', 'a', 1, now() + interval '1 day')"), ""),
    "job_failing": ("insert into job_seen values ('fold', now(), 1, 0, now(), 'Broken')", "fold"),
    "backup_old": (
        ("insert into backup_made (made_at, file, bytes, row_count, migration, version, is_sealed)"
        " values (now() - interval '3 days', 'f', 1, 1, 1, '1', true)"), ""),
    "backup_none": (
        ("alter table posting disable trigger user;"
        " update posting set created_at = now() - interval '3 days'"), ""),
}  # fmt: skip


@pytest.fixture
async def quiet(desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A shop with a supplier, where all is well: whatever the disk of these tests has left."""
    assert shop
    leave(monkeypatch, GIGABYTES, GIGABYTES // 2)
    await add(desk, NOWHERE)
    async with desk.db.connection() as tx:
        await tx.execute("update supplier set synced_at = now(), refused_until = null")
    while await tally.fold(desk):
        pass
    return desk


def leave(monkeypatch: pytest.MonkeyPatch, total: int, free: int) -> None:
    """A disk of this size with so much space left, in bytes."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: (total, total - free, free))


async def go_wrong(desk: Desk, statement: str) -> None:
    async with desk.db.connection() as tx:
        await tx.execute(statement.encode())


async def test_a_good_day_is_empty(quiet: Desk) -> None:
    """Nothing to say about a shop that works, and the page says so."""
    assert await attention.lines(quiet) == []
    async with serving(quiet) as guest:
        owner = (await employ(quiet, guest, "owner"))[0]
        got = await owner.get("/admin")
    assert got.status == 200
    assert "All is well" in got.text


@pytest.mark.parametrize("kind", TROUBLES)
async def test_each_trouble_has_its_line(quiet: Desk, kind: str) -> None:
    """One line of its kind, about whom it is about, with how many and since when, and a way to go."""
    statement, about = TROUBLES[kind]
    if kind == "figures_behind":
        await adjust(quiet, "alice@example.org", 5, actor="test", reason="uncounted")
    await go_wrong(quiet, statement)
    (line,) = await attention.lines(quiet)
    assert (line.kind, line.about, line.count) == (kind, about, 1)
    assert line.since is not None
    assert line.href.startswith("/admin/")


@pytest.mark.parametrize(
    ("total", "free", "is_low"),
    [(GIGABYTES, GIGABYTES // 10, False), (GIGABYTES, GIGABYTES // 10 - 1, True), (5 * 10**9, 10**9, False),
     (5 * 10**9, 10**9 - 1, True)],
)  # fmt: skip
async def test_a_disk_that_fills_up_is_said(
    quiet: Desk, monkeypatch: pytest.MonkeyPatch, total: int, free: int, is_low: bool
) -> None:
    """Below a tenth, or below a gigabyte; the line leads to the machine room."""
    leave(monkeypatch, total, free)
    lines = await attention.lines(quiet)
    assert [(each.kind, each.href, each.about) for each in lines] == [
        ("disk_low", "/admin/system", str(quiet.settings.home))
    ] * is_low
    async with serving(quiet) as guest:
        owner = (await employ(quiet, guest, "owner"))[0]
        assert ("The disk is nearly full" in (await owner.get("/admin")).text) == is_low


@pytest.mark.usefixtures("shop")
async def test_a_paused_supplier_is_left_in_peace(quiet: Desk) -> None:
    """Who was paused by the operator is not complained about."""
    for kind in ("supplier_low", "supplier_refused", "supplier_silent"):
        await go_wrong(quiet, TROUBLES[kind][0])
    assert len(await attention.lines(quiet)) == 3
    await go_wrong(quiet, "update supplier set paused_at = now()")
    assert await attention.lines(quiet) == []


async def test_all_troubles_at_once_are_on_the_page(quiet: Desk) -> None:
    """Every kind has its words, hostile names stay text, and each line is a link."""
    for kind, (statement, _) in TROUBLES.items():
        if kind != "orders_overdue":  # shares the id of another one
            await go_wrong(quiet, statement)
    await go_wrong(quiet, "update source set name = '<b>&\"' where kind = 'supplier'")
    async with serving(quiet) as guest:
        owner = (await employ(quiet, guest, "owner"))[0]
        got = await owner.get("/admin")
    kinds = re.findall(r'<li data-kind="(\w+)"><a href="/admin/', got.text)
    assert set(kinds) == set(TROUBLES) - {"orders_overdue", "figures_behind", "backup_none"}
    assert "<b>" not in got.text.split("<main")[1].split("</main>")[0].replace("<bdi>", "")


async def test_the_audit_is_made_once_an_hour_and_remembered(quiet: Desk, database_url: str) -> None:
    """Several workers make one; what it finds stands in the list until one finds nothing."""
    await go_wrong(
        quiet, "update ledger_account set balance_micros = balance_micros + 1 where kind = 'available'"
    )
    assert audit.run(database_url) != []
    for _ in range(3):
        await auditing.audit_hourly(quiet)
    (line,) = await attention.lines(quiet)
    assert (line.kind, line.href) == ("audit_breaches", "/admin/money#audit")
    assert line.count >= 2
    first = await remembered(quiet)
    await go_wrong(
        quiet, "update ledger_account set balance_micros = balance_micros - 1 where kind = 'available'"
    )
    await auditing.audit_hourly(quiet)
    assert await remembered(quiet) == first, "the hour is not over"
    await go_wrong(quiet, "update audit_made set began_at = now() - interval '61 minutes'")
    await auditing.audit_hourly(quiet)
    assert await attention.lines(quiet) == []
    second = await remembered(quiet)
    assert (second.breaches, second.error, second.broken_since) == ([], None, None)


async def test_a_worker_that_stops_waits_for_no_audit(quiet: Desk) -> None:
    """It gives the audit up, and the next worker begins at once."""
    stop = asyncio.Event()
    async with quiet.db.transaction() as tx:
        await tx.execute("lock table rental in access exclusive mode")
        running = asyncio.create_task(auditing.run(quiet, stop))
        while (await remembered(quiet)).began_at is None:
            await asyncio.sleep(0.01)
        stop.set()
        async with asyncio.timeout(5):
            await running
    assert (await remembered(quiet)).began_at is None
    assert await auditing.audit_hourly(quiet)
    assert (await remembered(quiet)).breaches == []


async def test_an_audit_that_does_not_end_is_said(quiet: Desk) -> None:
    """A failed audit is not a clean one."""
    await go_wrong(quiet, "alter table rental rename to hidden")
    await auditing.audit_hourly(quiet)
    await go_wrong(quiet, "alter table hidden rename to rental")
    (line,) = await attention.lines(quiet)
    assert isinstance(line, Line)
    assert line.kind == "audit_failed"
    assert "rental" in ((await remembered(quiet)).error or "")


async def remembered(desk: Desk) -> auditing.Audited:
    async with desk.db.connection() as tx:
        return await auditing.last(tx)
