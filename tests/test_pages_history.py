"""The history of a wallet over HTTP: filters, parts, one activation in detail, CSV, and whose it is."""

import csv
import io
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from ringlet.activations import history
from ringlet.activations.buy import buy
from ringlet.activations.cancel import cancel
from ringlet.activations.choose import Order
from ringlet.activations.resend import resend
from ringlet.activations.store import Activation
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.web.pages import export
from tests.pages_rig import Got, Person, sign
from tests.site import Shop

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x.example","y")')
SCRIPT = "<script>alert(1)</script>"


async def bought(desk: Desk, wallet: Wallet, service: str = "ig", reference: str | None = None) -> Activation:
    return (await buy(desk, wallet, Order(service=service, country=6, reference=reference))).activation


async def fill(desk: Desk, wallet: Wallet, rows: int, *, reference: str | None = None, days: int = 0) -> None:
    """So many old activations, written at once."""
    async with desk.db.connection() as tx:
        await tx.execute(_FILL, {"wallet": wallet.id, "rows": rows, "reference": reference, "days": days})


_FILL = """
insert into activation (public_id, wallet_id, source_id, country, service, operator, phone, state, amount_micros,
    base_price, reference, expires_at, closed_at, created_at)
select 1000000 + coalesce((select max(id) from activation), 0) + n, %(wallet)s, (select min(id) from source), 6, 'ig',
    'telkomsel', (628000000000 + n)::text, 'expired', 111489, 0.0334, %(reference)s, now(), now(),
    now() - make_interval(days => %(days)s)
from generate_series(1, %(rows)s) n
"""


def link(got: Got, part: str) -> str:
    """The first address with this in it; empty when there is none."""
    return next((each for each in map(unescape, got.names("href")) if part in each), "")


def rows(got: Got) -> list[int]:
    assert got.status == 200, got.text[:500]
    return [int(each) for each in got.names("data-row")]


async def table(person: Person, path: str) -> list[list[str]]:
    """The CSV without its head."""
    got = await person.get(path)
    assert got.status == 200
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(got.text.removeprefix("\ufeff"), newline="")))[1:]


async def test_an_empty_history_teaches_the_next_step(ann: Person) -> None:
    """Nothing bought leads to the buy screen; nothing found leads out of the filter."""
    nothing = await ann.get("/history")
    assert 'href="/">Buy a number' in nothing.text
    filtered = await ann.get("/history?state=failed")
    assert "No number of yours fits this filter" in filtered.text
    assert 'href="/history">Clear the filter' in filtered.text


async def test_filters_are_the_address(ann: Person, desk: Desk, shop: Shop) -> None:
    """State, service, country, days, number and reference each find what they say, also together, also as CSV."""
    code = await bought(desk, shop.alice, "wa", "Order 17")
    await shop.push(desk, code, "Your WhatsApp code is 482913", "WhatsApp")
    gone = await bought(desk, shop.alice)
    await cancel(desk, shop.alice.id, gone.public_id)
    waits = await bought(desk, shop.alice, reference="=1+1")
    ids = {"code": code.public_id, "gone": gone.public_id, "waits": waits.public_id}
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    found = {
        "": ["waits", "gone", "code"], "?state=waiting": ["waits"], "?state=received": ["code"],
        "?state=cancelled": ["gone"], "?service=wa": ["code"], "?country=6": ["waits", "gone", "code"],
        "?country=7": [], f"?from={today}": ["waits", "gone", "code"], f"?to={today}": ["waits", "gone", "code"],
        f"?from={tomorrow}": [], "?to=2026-01-02": [], "?q=order%2017": ["code"], "?q=ORDER": ["code"],
        f"?q=%2B{code.phone}&service=wa": ["code"], f"?q={gone.public_id}": ["gone"], "?q=%3D1": ["waits"],
        "?service=ig&state=waiting": ["waits"],
    }  # fmt: skip
    for query, names in found.items():
        assert rows(await ann.get(f"/history{query}")) == [ids[name] for name in names], query
        lines = await table(ann, f"/history.csv{query}")
        assert [int(line[1]) for line in lines] == [ids[name] for name in names], query


@pytest.mark.parametrize(
    "query",
    ["state=x", "service=%00", "country=-1", "country=99999", "from=2026-13-45", "to=0001-01-01", "q=%00", "before=x",
     "after=99999999999999999999", "q=" + "%25" * 300, "from=2026-W01-1"],
)  # fmt: skip
async def test_nonsense_is_no_filter(ann: Person, desk: Desk, shop: Shop, query: str) -> None:
    """What cannot be a filter is ignored, or finds nothing; it is never an error."""
    await bought(desk, shop.alice)
    assert len(rows(await ann.get(f"/history?{query}"))) == (0 if "%25" in query else 1)


async def test_older_and_newer_meet_every_row_once(ann: Person, desk: Desk, shop: Shop) -> None:
    """Down by "Older", up by "Newer": the same parts, nothing twice, nothing left out."""
    await fill(desk, shop.alice, 60)
    down, path = [], "/history"
    while path:
        got = await ann.get(path)
        down.append(rows(got))
        path = link(got, "before=")
    assert [len(each) for each in down] == [25, 25, 10]
    assert len({each for part in down for each in part}) == 60
    up = link(got, "after=")
    got = await ann.get(up)
    assert rows(got) == down[1]
    got = await ann.get(link(got, "after="))
    assert rows(got) == down[0]
    assert link(got, "after=") == ""


async def test_a_rare_filter_is_looked_for_in_steps(
    ann: Person, desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page looks at more than its share of a long history; what lies further back is one link away, or in the CSV."""
    rare = await bought(desk, shop.alice, reference="needle")
    await fill(desk, shop.alice, 70)
    monkeypatch.setattr(history, "LOOKED_AT_MAX", 30)
    got = await ann.get("/history?q=needle")
    assert rows(got) == []
    for _ in range(2):
        assert "Look further back" in got.text
        got = await ann.get(link(got, "before="))
    assert rows(got) == [rare.public_id]
    assert [line[1] for line in await table(ann, "/history.csv?q=needle")] == [str(rare.public_id)]


async def test_days_are_those_of_the_reader(ann: Person, desk: Desk, shop: Shop) -> None:
    """The days of a filter begin at the reader's midnight, and they are found among many rows."""
    for days in (5, 4, 3, 2, 1, 0):
        await fill(desk, shop.alice, 3, reference=f"day {days}", days=days)
    day = datetime.now(UTC) - timedelta(days=3)
    lines = await table(ann, f"/history.csv?from={day:%Y-%m-%d}&to={day:%Y-%m-%d}")
    assert {line[-1] for line in lines} == {"day 3"}
    assert len(lines) == 3
    async with desk.db.connection() as tx:
        await tx.execute("update person set time_zone = 'Pacific/Kiritimati'")  # 14 hours ahead
    lines = await table(ann, f"/history.csv?from={day:%Y-%m-%d}&to={day:%Y-%m-%d}")
    assert {line[-1] for line in lines} == ({"day 3"} if day.hour < 10 else {"day 4"})


async def test_one_activation_in_detail(ann: Person, desk: Desk, shop: Shop) -> None:
    """Timeline, the whole message, the money, what is on the same number, and the JSON; a script in it is text."""
    first = await bought(desk, shop.alice, "wa", SCRIPT)
    await shop.push(desk, first, f"Your WhatsApp code is 482-913 {SCRIPT}", SCRIPT)
    again = (await resend(desk, shop.alice, first.public_id)).activation
    got = await ann.get(f"/history/{first.public_id}")
    assert got.status == 200
    assert re.findall(r'<li class="moment (\w+)">', got.text) == ["ordered", "message", "finished"]
    assert "<script>alert" not in got.text
    assert got.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    assert "482913" in got.text
    assert [each for each in ("Hold", "Purchase") if f">{each}<" in got.text] == ["Hold", "Purchase"]
    assert f'href="/history/{again.public_id}"' in got.text
    assert "&#34;activation_id&#34;" in got.text
    later = await ann.get(f"/history/{again.public_id}")
    assert f'href="/history/{first.public_id}"' in later.text
    assert re.findall(r'<li class="moment (\w+)">', later.text) == ["ordered", "waiting"]


async def test_what_was_returned_says_so(ann: Person, desk: Desk, shop: Shop) -> None:
    """A cancelled number: its hold was released, in the list and in detail."""
    gone = await bought(desk, shop.alice)
    await cancel(desk, shop.alice.id, gone.public_id)
    assert "returned" in (await ann.get("/history")).text
    detail = (await ann.get(f"/history/{gone.public_id}")).text
    assert "Nothing was charged: the hold was returned." in detail


async def test_nobody_sees_the_history_of_another(
    stranger: Person, ann: Person, desk: Desk, shop: Shop
) -> None:
    """Somebody else's is not there, in the other mode neither, and who is not signed in is asked to."""
    one = await bought(desk, shop.alice)
    bob, rehearsal = await sign(stranger, desk, shop.bob), await sign(stranger, desk, shop.rehearsal)
    for other in (bob, rehearsal):
        assert (await other.get(f"/history/{one.public_id}")).status == 404
        assert rows(await other.get("/history")) == []
        assert rows(await other.get(f"/history?q={one.public_id}")) == []
        assert await table(other, "/history.csv") == []
    for path in ("/history", f"/history/{one.public_id}", "/history.csv"):
        got = await stranger.get(path)
        assert (got.status, got.headers["location"].partition("?")[0]) == (303, "/sign-in")
    for path in ("/history/x", "/history/-1", "/history/99999999999999999999"):
        assert (await ann.get(path)).status == 404


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    """Whatever a spreadsheet would calculate stays text; what is harmless stays what it is."""
    assert export.safe(text) == "'" + text
    assert export.safe("x" + text) == "x" + text
    assert export.safe(None) == ""


async def test_a_csv_is_harmless_and_whole(ann: Person, desk: Desk, shop: Shop) -> None:
    """References come back from a reader of RFC 4180, formulas disarmed, phone numbers as text."""
    plain = ('a "quoted", cell', "two\r\nlines", "ünï ☃ 中文")
    for reference in (*plain, "=1+1"):
        await bought(desk, shop.alice, reference=reference)
    got = await ann.get("/history.csv")
    assert re.fullmatch(
        r'attachment; filename="history-\d{4}-\d\d-\d\d\.csv"', got.headers["content-disposition"]
    )
    lines = await table(ann, "/history.csv")
    assert [line[-1] for line in lines] == ["'=1+1", *reversed(plain)]
    assert all(re.fullmatch(r"'\+\d+", line[7]) for line in lines)
    assert {line[10] for line in lines} == {"0.111489"}


async def test_a_long_csv_needs_little(ann: Person, desk: Desk, shop: Shop) -> None:
    """20,000 rows come whole, while the server keeps a batch of them at most."""
    await fill(desk, shop.alice, 20_000, reference="a reference of some length, as customers have them")
    await ann.get("/history")  # what is made once is made
    tracemalloc.start()
    count, size = 0, 0
    async with ann.http.get(ann.url + "/history.csv", headers=ann._head) as answer:
        async for chunk in answer.content.iter_any():
            count, size = count + chunk.count(b"\r\n"), size + len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_001
    assert size > 2_000_000
    assert peak < 8_000_000, peak


async def test_who_reads_slowly_holds_nothing(ann: Person, desk: Desk, shop: Shop) -> None:
    """More unread downloads than there are connections to the database: everybody else is served."""
    await fill(desk, shop.alice, 20_000, reference="x" * 200)
    size = desk.settings.db_pool + 3
    answers = [
        await ann.http.get(ann.url + "/history.csv", headers=ann._head, read_bufsize=1024)
        for _ in range(size)
    ]
    try:
        assert len(rows(await ann.get("/history"))) == 25
    finally:
        for answer in answers:
            answer.close()
