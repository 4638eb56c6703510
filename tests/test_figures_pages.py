"""The pages of figures over HTTP: what they show, and the files that staff take away."""

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest

from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.backoffice import tally
from ringlet.desk import Desk
from tests.office_rig import employ
from tests.pages_rig import Person, serving
from tests.site import PRICE_MICROS, Shop

SOLD = 3
REVENUE = Decimal(SOLD * PRICE_MICROS).scaleb(-6)
COST = SOLD * Decimal("0.0334")


@pytest.fixture
async def owner(desk: Desk, shop: Shop) -> AsyncIterator[Person]:
    """Three codes were sold to alice, of two services; one number waits."""
    for service in ("ig", "ig", "wa"):
        bought = (await buy(desk, shop.alice, Order(service=service, country=6))).activation
        await shop.push(desk, bought, "your code is 4815")
    await buy(desk, shop.bob, Order(service="tg", country=6))
    async with serving(desk) as guest:
        yield (await employ(desk, guest, "owner"))[0]


def shown(text: str, figure: str) -> str:
    """What the table says of a figure now."""
    row = text.split(f'data-figure="{figure}"')[1].split("</tr>", maxsplit=1)[0]
    return unescape(re.findall(r"<td[^>]*data-now[^>]*>([^<]*)<", row)[0])


async def test_the_home_page_shows_the_ledger(desk: Desk, owner: Person) -> None:
    """The same figures before and after the tally, in every period, whichever of them is drawn."""
    for _ in range(2):
        for period in ("hours", "days", "months", "nonsense"):
            for figure in ("revenue", "success", "seconds_to_code", "nonsense"):
                got = await owner.get(f"/admin?period={period}&figure={figure}")
                assert got.status == 200
                assert shown(got.text, "revenue") == f"${REVENUE}"
                assert shown(got.text, "cost") == f"${COST}"
                assert shown(got.text, "margin") == f"${REVENUE - COST}"
                assert shown(got.text, "sales") == str(SOLD)
                assert shown(got.text, "top_up") == "$200.00"
                assert got.text.count('<svg class="chart') == 2
                assert "style=" not in got.text
        await tally.fold(desk)


async def test_days_are_those_of_the_reader(desk: Desk, owner: Person) -> None:
    """Somebody in Kolkata sees his own zone named, and his own midnights."""
    async with desk.db.connection() as tx:
        await tx.execute("update person set time_zone = 'Asia/Kolkata'")
    got = await owner.get("/admin?period=days")
    assert "Asia/Kolkata" in got.text
    assert shown(got.text, "sales") == str(SOLD)


async def test_parts_of_a_period(owner: Person) -> None:
    """By service, country and source, what earned most first."""
    got = await owner.get("/admin/figures?by=service")
    names = re.findall(r'<th scope="row"><bdi>([^<]+)</bdi>', got.text)
    assert names == ["Instagram, Threads", "WhatsApp"]
    assert "Indonesia" in (await owner.get("/admin/figures?by=country&period=months")).text
    assert "owner" in (await owner.get("/admin/figures?by=source&period=days")).text


async def report(person: Person, query: str) -> list[dict[str, str]]:
    got = await person.get(f"/admin/figures.csv?{query}")
    assert got.status == 200, got.text
    assert got.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(got.text.removeprefix("\ufeff"))))


async def test_a_report_by_day_adds_up(owner: Person) -> None:
    """Thirty days without more words; what was sold is in today's line and nowhere else."""
    rows = await report(owner, "")
    assert len(rows) == 30
    assert [row["revenue"] for row in rows[:-1]] == ["0"] * 29
    today = rows[-1]
    assert today["day"] == str(datetime.now(UTC).date())
    assert (Decimal(today["revenue"]), today["sales"], today["success"]) == (REVENUE, "3", "1.000000")
    assert (Decimal(today["cost"]), Decimal(today["margin"])) == (COST, REVENUE - COST)


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        ("service", {"ig": 2, "wa": 1}),
        ("country", {"6": 3}),
        ("source", {"1": 3}),
        ("customer", {"1": 3, "2": 0}),
    ],
)
async def test_a_report_by_what_was_sold(desk: Desk, owner: Person, by: str, lines: dict[str, int]) -> None:
    """Each line by its code or id and its name, with the columns that were asked for; before and after the tally."""
    for _ in range(2):
        rows = await report(owner, f"by={by}&figure=revenue&figure=sales")
        assert list(rows[0]) == [by, "name", "currency", "revenue", "sales"]
        assert {row[by]: int(row["sales"]) for row in rows} == lines
        assert {Decimal(row["revenue"]) for row in rows if row["sales"] == "1"} <= {
            Decimal(PRICE_MICROS).scaleb(-6)
        }
        await tally.fold(desk)


async def test_a_report_is_noted_and_harmless(desk: Desk, owner: Person) -> None:
    """The log knows who took what; a customer's address that a spreadsheet would run is text."""
    async with desk.db.connection() as tx:
        await tx.execute("update customer set email = '=cmd@example.org' where email = 'alice@example.org'")
    rows = await report(owner, "by=customer&from=2026-01-01&to=2026-12-31")
    assert "'=cmd@example.org" in {row["name"] for row in rows}
    async with desk.db.connection() as tx:
        act = await (
            await tx.execute("select act, about, after from staff_act order by id desc limit 1")
        ).fetchone()
    assert act == ("report.exported", "figures by customer", {"from": "2026-01-01", "to": "2026-12-31"})


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=2026-13-01", "from=2026-02-02&to=2026-02-01", "from=2020-01-01&to=2026-01-01",
              "to=0001-01-01", "from=9999-12-31&to=9999-12-31"],
)  # fmt: skip
async def test_days_that_are_none_are_refused(desk: Desk, owner: Person, query: str) -> None:
    """And nothing is noted, because nothing was taken."""
    assert (await owner.get(f"/admin/figures.csv?{query}")).status == 422
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select count(*) from staff_act where act = 'report.exported'")
        ).fetchone()
    assert row == (0,)


async def test_many_parts_have_a_rest(desk: Desk, owner: Person) -> None:
    """Fifty lines, and one that sums up the others."""
    async with desk.db.connection() as tx:
        await tx.execute(
            "insert into figure_day (dimension, currency, at, key, revenue_micros, share_micros, cost_micros,"
            " refund_micros, top_up_micros, debit_micros, sales, releases, code_micros)"
            " select 'service', 'USD', %s, 's' || n, n, 0, 0, 0, 0, 0, 1, 0, 0 from generate_series(1, 70) n",
            [datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)],
        )
    got = await owner.get("/admin/figures?period=days&by=service")
    assert got.text.count('<th scope="row">') == 51
    assert "22 others" in got.text
