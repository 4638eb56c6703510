"""The pages of suppliers: added, judged, tried and paid, with a real fake behind them; a key is never seen again."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from ringlet import accounts
from ringlet.backoffice import supplier_health
from ringlet.backoffice.supplier_codes import suggest
from ringlet.backoffice.supplier_health import Call, Row, quantile, state
from ringlet.desk import Desk
from ringlet.supplying import money as purses
from tests.fakes.supplier import KEY
from tests.fakes.warehouse import Warehouse
from tests.office_rig import employ
from tests.pages_rig import Got, Person, serving
from tests.suppliers_rig import Upstream, upstream
from tests.suppliers_rig import serving as serving_supplier
from tests.upstream import NOWHERE, row

UNIT = 1_000_000


@dataclass
class Yard:
    """A shop with a supplier, one who looks after it, one for its money, and one who may only look."""

    desk: Desk
    up: Upstream
    clerk: Person
    cashier: Person
    reader: Person

    @property
    def path(self) -> str:
        return f"/admin/suppliers/{self.up.supplier.terms.source_id}"


@pytest.fixture
async def yard(desk: Desk, breaches: None) -> AsyncIterator[Yard]:
    async with serving(desk) as guest, upstream(desk, "acme", cost="0.10") as up:
        people = [(await employ(desk, guest, role))[0] for role in ("catalogue", "finance", "readonly")]
        yield Yard(desk, up, *people)


async def credit_staff(desk: Desk, amount_micros: int) -> None:
    """Every member of the staff has so much."""
    async with desk.db.connection() as tx:
        emails = await (await tx.execute("select email from customer")).fetchall()
    for (email,) in emails:
        await accounts.adjust(desk, email, amount_micros, actor="test", reason="to try suppliers")


def judged(got: Got) -> str:
    return re.findall(r'data-state="(\w+)"', got.text)[0]


TERMS = {"currency_rate": "1", "weight": "1", "deadline_s": "2", "requests_per_s": "50", "sync_every_s": "90",
         "stale_after_s": "900", "unit_cost": "", "exposure_cap": "", "balance_alert": ""}  # fmt: skip


async def test_a_supplier_is_added_checked_and_sold(yard: Yard) -> None:
    """By its forms alone: added, asked at once, its price list taken over; the second of that name is refused."""
    warehouse = Warehouse(seed=3)
    warehouse.stock("6", "wa", "0.07", 3)
    async with serving_supplier("handler-api", warehouse) as url:
        fields = {**TERMS, "name": "beta", "protocol": "handler-api", "url": url, "key": KEY}
        added = await yard.clerk.post("/admin/suppliers/new", **fields)
        assert (added.status, "It answers." in added.text) == (200, True)
        assert "rl_hint_" in added.text
        path = re.findall(r'action="(/admin/suppliers/\d+)/sync"', added.text)[0]
        assert judged(await yard.clerk.get(path)) == "new"
        assert (await yard.clerk.post(f"{path}/sync")).status == 303
        await yard.desk.refresh_prices()
        assert [each.base_price for each in yard.desk.prices.shop.cell(6, "wa")] == [Decimal("0.07")]
        assert judged(await yard.reader.get(path)) == "working"
        again = await yard.clerk.post("/admin/suppliers/new", **fields)
        assert (again.status, "already a supplier" in again.text) == (422, True)
    dead = await yard.clerk.post("/admin/suppliers/new", **{**fields, "name": "dead", "url": NOWHERE})
    assert "Something is wrong" in dead.text


async def test_a_key_is_never_seen_again(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    """Not on a page, in a refusal, in the log of the process, in what staff did, nor in a table."""
    secret = "k3y-that-nobody-may-see"
    changed = await yard.clerk.post(f"{yard.path}/terms", **TERMS, url=yard.up.supplier.terms.url, key=secret)
    assert changed.status == 303
    await yard.desk.refresh_prices()
    refused = await yard.clerk.post(f"{yard.path}/terms", **{**TERMS, "weight": "-1"}, url="x", key=secret)
    assert refused.status == 422
    checked = await yard.clerk.post(f"{yard.path}/check")
    assert "it refuses our account" in checked.text
    await yard.desk.book.calls.write(yard.desk.db)
    pages = [changed, refused, checked]
    pages += [
        await yard.clerk.get(path)
        for path in (yard.path, f"{yard.path}/money", "/admin/suppliers", "/admin/log")
    ]
    said = capsys.readouterr()
    for text in (*(each.text for each in pages), said.out, said.err):
        assert secret not in text
        assert KEY not in text
    async with yard.desk.db.connection() as tx:
        for table in ("staff_act", "supplier_error", "supplier_call"):
            rows = await (await tx.execute(f"select to_jsonb(t)::text from {table} t".encode())).fetchall()
            assert not [each for (each,) in rows if secret in each or KEY in each], table
    assert (
        await row(
            yard.desk,
            "select count(*) from staff_act where act = 'supplier.changed' and after->>'key' = 'new'",
        )
    )[0] == 1


async def test_a_new_address_wants_the_key_again(yard: Yard) -> None:
    """Or somebody could have the stored key sent to a server of his own."""
    got = await yard.clerk.post(f"{yard.path}/terms", **TERMS, url="http://127.0.0.1:1/mine", key="")
    assert (got.status, "give it again" in got.text) == (422, True)
    assert yard.up.supplier.terms.url == (await row(yard.desk, "select url from supplier"))[0]


async def test_terms_change_and_pausing_works(yard: Yard) -> None:
    """What is other than it was is written, with an act; a paused supplier sells nothing and says so."""
    url = yard.up.supplier.terms.url
    fields = {
        **TERMS,
        "deadline_s": "1",
        "requests_per_s": "500",
        "weight": "2.5",
        "exposure_cap": "12.50",
        "url": url,
    }
    assert (await yard.clerk.post(f"{yard.path}/terms", **fields)).status == 303
    assert await row(yard.desk, "select weight, exposure_cap_micros from supplier") == (
        Decimal("2.5"),
        12_500_000,
    )
    after = (await row(yard.desk, "select after from staff_act where act = 'supplier.changed'"))[0]
    assert after == {"weight": "2.5", "exposure_cap_micros": 12_500_000}
    assert (await yard.clerk.post(f"{yard.path}/pause", paused="yes")).status == 303
    assert judged(await yard.reader.get("/admin/suppliers")) == "paused"
    await credit_staff(yard.desk, UNIT)
    await yard.desk.refresh_prices()
    tried = await yard.clerk.post(f"{yard.path}/try", service="ig", country="6", once="a")
    assert (tried.status, yard.up.warehouse.allotments) == (409, {})
    assert (await yard.clerk.post(f"{yard.path}/pause", paused="no")).status == 303
    assert judged(await yard.reader.get(yard.path)) == "working"


async def test_a_test_purchase_leaves_the_books_clean(yard: Yard) -> None:
    """One number, through this supplier alone, and both its price and its cost come back."""
    await credit_staff(yard.desk, UNIT)
    async with upstream(yard.desk, "cheaper", cost="0.01") as other:
        got = await yard.clerk.post(f"{yard.path}/try", service="ig", country="Indonesia", once="first")
        assert got.status == 303
        assert other.warehouse.allotments == {}, "only the one that is tried is asked"
    page = await yard.clerk.get(got.headers["Location"].partition("#")[0])
    assert "gave the money back" in page.text
    assert "0.10" in page.text
    (allotment,) = yard.up.warehouse.allotments.values()
    again = await yard.clerk.post(f"{yard.path}/try", service="ig", country="6", once="first")
    assert again.headers["Location"] == got.headers["Location"], "sent twice, bought once"
    assert len(yard.up.warehouse.allotments) == 1
    assert await row(yard.desk, "select state::text, cost from rental") == ("returned", Decimal("0.10"))
    assert (
        await row(
            yard.desk, "select count(*) from ledger_account where kind = 'held' and balance_micros <> 0"
        )
    )[0] == 0
    told = await row(yard.desk, "select after->>'service', about from staff_act where act = 'supplier.tried'")
    assert told == ("ig", "supplier acme")
    assert allotment is not None
    # `breaches` audits ledger and purses when the test ends.


async def test_a_number_that_is_kept_can_be_given_back_later(yard: Yard) -> None:
    """Ticked, it waits for its code; the page of somebody else's trial does not exist."""
    await credit_staff(yard.desk, UNIT)
    got = await yard.clerk.post(f"{yard.path}/try", service="ig", country="6", once="k", keep="yes")
    onward = got.headers["Location"].partition("#")[0]
    page = await yard.clerk.get(onward)
    assert "It asks" in page.text
    assert len((await yard.clerk.get(yard.path)).names("data-rental")) == 1
    assert (await yard.reader.get(onward)).status == 404
    public_id = onward.rpartition("=")[2]
    assert (await yard.clerk.post(f"{yard.path}/try/{public_id}/back")).status == 303
    assert "gave the money back" in (await yard.clerk.get(onward)).text


async def test_who_tries_without_money_is_told(yard: Yard) -> None:
    """The purchase is a real one: an account without balance buys nothing."""
    got = await yard.clerk.post(f"{yard.path}/try", service="ig", country="6", once="x")
    assert (got.status, "does not cover this" in got.text) == (402, True)
    assert yard.up.warehouse.allotments == {}


async def test_money_there_is_booked_by_finance_alone(yard: Yard) -> None:
    """Deposits and accepted figures stand in the statement with who and why; the catalogue's clerk may not."""
    yard.up.warehouse.balance = Decimal(50)
    await purses.check_balances(yard.desk)
    fields = {"amount": "25.5", "reason": "receipt 7"}
    assert (await yard.clerk.post(f"{yard.path}/money/deposit", **fields)).status == 403
    assert (await yard.cashier.post(f"{yard.path}/money/deposit", **fields)).status == 303
    yard.up.warehouse.balance = Decimal(70)
    compared = await yard.cashier.post(f"{yard.path}/money/compare")
    assert "nothing explains" in compared.text
    assert (await yard.cashier.post(f"{yard.path}/money/settle", reason="a fee")).status == 303
    page = await yard.reader.get(f"{yard.path}/money")
    assert page.names("data-ours") == ["70000000"]
    assert len(page.names("data-posting")) == 3
    assert "receipt 7" in page.text
    wrong = await yard.cashier.post(f"{yard.path}/money/deposit", amount="1.0000001", reason="x")
    assert (wrong.status, "six decimal places" in wrong.text) == (422, True)
    acts = await row(
        yard.desk, "select array_agg(act order by id) from staff_act where starts_with(act, 'supplier.')"
    )
    assert acts[0][-2:] == ["supplier.deposited", "supplier.settled"]


async def test_who_may_only_look_changes_nothing(yard: Yard) -> None:
    """Every page is there to read, without a form that changes anything."""
    for path in ("/admin/suppliers", yard.path, f"{yard.path}/money", f"{yard.path}/codes"):
        got = await yard.reader.get(path)
        assert got.status == 200
        assert not [each for each in got.names("action") if each.startswith("/admin/suppliers")], path
    assert (await yard.reader.get("/admin/suppliers/new")).status == 403


async def test_unmapped_words_are_decided_in_bulk(yard: Yard) -> None:
    """Each with a suggestion; what is ticked is mapped or ignored together, and one wrong code changes nothing."""
    for word in ("instagramm", "zzqx", "other-thing"):
        yard.up.warehouse.stock("6", word, "0.05", 5)
    await yard.up.sync()
    page = await yard.reader.get(f"{yard.path}/codes")
    assert page.names("data-word") == ["instagramm", "other-thing", "zzqx"]
    assert 'value="ig"' in page.text.partition('data-word="instagramm"')[2].partition("</tr>")[0]
    base = [("kind", "service"), ("theirs-1", "instagramm"), ("ours-1", "ig"), ("theirs-2", "other-thing"), ("ours-2", "nope"), ("theirs-3", "zzqx"), ("ours-3", "")]  # fmt: skip
    wrong = await send(yard.clerk, f"{yard.path}/codes", [*base, ("row", "1"), ("row", "2"), ("do", "map")])
    assert (wrong.status, "no such service" in wrong.text) == (422, True)
    assert (await row(yard.desk, "select count(*) from code_map where is_decided"))[0] == 0
    done = await send(yard.clerk, f"{yard.path}/codes", [*base, ("row", "2"), ("row", "3"), ("do", "ignore")])
    assert done.status == 303
    done = await send(yard.clerk, f"{yard.path}/codes", [*base, ("row", "1"), ("do", "map")])
    assert done.status == 303
    assert (await row(yard.desk, "select ours from code_map where theirs = 'instagramm'"))[0] == "ig"
    assert (await yard.reader.get(f"{yard.path}/codes")).names("data-word") == ["ig"], (
        "lost its name to the other"
    )
    assert (await yard.reader.get(f"{yard.path}/codes?shown=ignored")).names("data-word") == [
        "other-thing",
        "zzqx",
    ]
    assert (await row(yard.desk, "select count(*) from staff_act where act = 'supplier.codes_mapped'"))[
        0
    ] == 2


async def send(person: Person, path: str, pairs: list[tuple[str, str]]) -> Got:
    """A form in which a field comes more than once."""
    await person.get("/live")
    head = {**person._head, "Content-Type": "application/x-www-form-urlencoded"}
    data = urlencode([*pairs, ("form_token", person.token)])
    return await person._got(
        person.http.post(person.url + path, data=data, headers=head, allow_redirects=False)
    )


def test_a_suggestion_is_the_nearest_name() -> None:
    """By a name, a part of one, a slip of the finger or a beginning; nothing for what is like nothing."""
    assert [suggest("service", each) for each in ("Threads", "instagramm", "zzqx")] == ["ig", "ig", None]
    assert [suggest("country", each) for each in ("indonesia", "Indonesa", "qqqq")] == ["6", "6", None]


BARE = Row(
    1, "acme", "handler-api", "http://x", is_paused=False, is_stale=False, is_refusing=False, refused_until=None,
    refused_why=None, weight=1, balance_micros=5, books_micros=5, balance_age_s=1, alert_micros=None, exposure_micros=0,
    cap_micros=None, rentals_open=0, cells_on_offer=None, unmapped=0, sync_age_s=10, sync_error=None, orders=0, codes=0,
    spent_a_day_micros=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "working"), ({"is_paused": True, "is_stale": True}, "paused"), ({"is_stale": True}, "stale"), ({"sync_age_s": None}, "new"),
        ({"is_refusing": True, "refused_why": "account: no"}, "refusing"), ({"is_refusing": True, "refused_why": "no usable answers"}, "failing"),
        ({"sync_age_s": None, "sync_error": "it cannot be reached"}, "failing"), ({"alert_micros": 6}, "low"), ({"alert_micros": 5}, "working"),
        ({"balance_micros": None, "alert_micros": 6}, "working"), ({"cap_micros": 0, "alert_micros": 6}, "capped"),
    ],
)  # fmt: skip
def test_the_word_for_a_supplier(changes: dict[str, object], word: str) -> None:
    """The gravest that holds."""
    fields = {name: getattr(BARE, name) for name in BARE.__struct_fields__}
    assert state(Row(**{**fields, **changes}), []) == word


def test_half_without_an_answer_is_failing() -> None:
    """Of enough questions of the last hours; what was long ago or a plain no counts for nothing."""
    good, bad, no = (Call(1, "rent", outcome, 50, 5, 5) for outcome in ("answered", "unknown", "no_numbers"))
    assert state(BARE, [good, bad]) == "failing"
    assert state(BARE, [good, bad, no]) == "working"
    assert state(BARE, [Call(1, "rent", "unknown", 50, 500, 0)]) == "working"
    assert [quantile({50: 5, 100: 4, 800: 1}, share) for share in (0.5, 0.9, 0.95)] == [50, 100, 800]


async def test_calls_are_counted_by_the_hour(yard: Yard) -> None:
    """In memory and then added up: two processes make one row of the same, failures leave their last words."""
    calls, source_id = yard.desk.book.calls, yard.up.supplier.terms.source_id
    for _ in range(2):
        for took_s in (0.01, 0.01, 0.3):
            calls.note(source_id, "rent", "answered", took_s)
        calls.note(source_id, "rent", "no_numbers", 0.02, "no_numbers: NO_NUMBERS")
        assert await row(
            yard.desk, "select count(*) from supplier_call where question = 'rent' and calls = 3"
        ) == (0,)
        await calls.write(yard.desk.db)
    found = await row(
        yard.desk, "select array_agg(array[under_ms, calls] order by under_ms, calls) from supplier_call where question = 'rent' and outcome = 'answered'"
    )  # fmt: skip
    assert found[0] == [[25, 4], [400, 2]]
    health = await supplier_health.one(yard.desk, source_id)
    assert health.rent is not None
    assert (health.rent.calls, health.rent.p50_ms, health.rent.p95_ms) == (8, 25, 400)
    assert dict(health.mix) == {"no_numbers": 2}
    assert "NO_NUMBERS" in (await yard.reader.get(yard.path)).text


async def test_what_cannot_be_written_is_counted_still(yard: Yard) -> None:
    """A count waits until the database is back."""
    calls = yard.desk.book.calls
    calls.note(999_999, "rent", "answered", 0.01)
    counted = dict(calls.counts)
    with pytest.raises(Exception, match="supplier_call"):
        await calls.write(yard.desk.db)
    assert dict(calls.counts) == counted
    calls.counts.clear()


async def test_days_left_follow_what_is_spent(yard: Yard) -> None:
    """At the pace of the last rentals; the half of the codes and the success come from the hours."""
    source_id = yard.up.supplier.terms.source_id
    async with yard.desk.db.transaction() as tx:
        for hours in (1, 12):
            await tx.execute(
                "insert into supplier_posting (source_id, kind, giver, taker, amount_micros, supplier_ref, created_at)"
                " values (%s, 'charge', 'prepaid', 'cost', %s, %s, %s)",
                [source_id, UNIT, f"h{hours}", datetime.now(UTC) - timedelta(hours=hours)],
            )
        await tx.execute(
            "insert into success_tally values (%s, 6, 'ig', 'any', date_trunc('hour', now()), 4, 3, 40)",
            [source_id],
        )
        await tx.execute(
            "insert into code_pace values (%s, date_trunc('hour', now()), 10, 2), (%s, date_trunc('hour', now()), 60, 1)",
            [source_id, source_id],
        )
        await tx.execute("update supplier set balance_micros = 8000000, books_micros = 8000000")
    health = await supplier_health.one(yard.desk, source_id)
    assert (health.success, health.code_p50_s) == (0.75, 10)
    assert health.days_left == pytest.approx(2.0, abs=0.01)
    async with yard.desk.db.transaction() as tx:
        # Only to be seen: the rentals behind these charges are made up, and the audit asks for them.
        await tx.execute(
            "alter table supplier_posting disable trigger all; delete from supplier_posting; alter table supplier_posting enable trigger all"
        )
        await tx.execute("update supplier set balance_micros = null, books_micros = null")
