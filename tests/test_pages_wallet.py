"""The wallet over HTTP: its figures, the statement with what was left, the alert, CSV, and whose it is."""

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ringlet import ledger
from ringlet.activations.buy import buy
from ringlet.activations.cancel import cancel
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from ringlet.web.pages.records import month_start
from tests.hooks import complete, fetch
from tests.pages_rig import Got, Person, serving, sign
from tests.site import Shop

IG = Order(service="ig", country=6)


async def credit(desk: Desk, wallet: Wallet, count: int, reason: str = "paid in") -> None:
    """So many times a dollar."""
    async with desk.db.transaction() as tx:
        for _ in range(count):
            await ledger.credit(tx, wallet, 1_000_000, actor="test", reason=reason)


def figures(got: Got) -> list[str]:
    """Available, held, spent."""
    assert got.status == 200, got.text[:500]
    return re.findall(r"<dd[^>]*>(\$[\d.,]+)</dd>", got.text)


def left(got: Got) -> list[str]:
    """What was left after each line."""
    return re.findall(r'cell-left">([^<]+)<', got.text)


async def mark(desk: Desk, wallet: Wallet) -> int | None:
    found: int | None = (await fetch(desk, "select low_balance_micros from wallet where id = %s", wallet.id))[
        0
    ][0]
    return found


async def test_the_figures_are_those_of_the_ledger(ann: Person, desk: Desk, shop: Shop) -> None:
    """What can be spent, what is held for how many, and what codes have cost this month."""
    assert figures(await ann.get("/wallet")) == ["$100.00", "$0.00", "$0.00"]
    await complete(desk, shop)
    await buy(desk, shop.alice, IG)
    await buy(desk, shop.alice, Order(service="wa", country=6))
    got = await ann.get("/wallet")
    assert figures(got) == ["$99.665533", "$0.222978", "$0.111489"]
    assert "for 2 numbers that wait for a code" in got.text


def test_a_month_begins_where_the_reader_is() -> None:
    """On the last evening of a month in London it is the next month in Tokyo already."""
    at = datetime(2026, 11, 30, 20, tzinfo=UTC)
    assert month_start(at, "Europe/London") == datetime(2026, 11, 1, tzinfo=UTC)
    assert month_start(at, "Asia/Tokyo") == datetime(2026, 11, 30, 15, tzinfo=UTC)


async def test_each_line_says_what_was_left(ann: Person, desk: Desk, shop: Shop) -> None:
    """A purchase takes, credit gives, what was returned changes nothing; the newest line has what the wallet has."""
    await complete(desk, shop)
    gone = (await buy(desk, shop.alice, IG)).activation
    await cancel(desk, shop.alice.id, gone.public_id)
    await credit(desk, shop.alice, 1, "<script>alert(1)</script>")
    got = await ann.get("/wallet")
    assert left(got) == ["$100.888511", "$99.888511", "$99.888511", "$100.00"]
    assert "<script>alert" not in got.text
    assert "&lt;script&gt;" in got.text
    only = await ann.get("/wallet?kind=capture")
    assert len(only.names("data-line")) == 1
    assert left(only) == []
    assert "No line of your statement" in (await ann.get("/wallet?kind=debit")).text
    assert len((await ann.get("/wallet?kind=nonsense")).names("data-line")) == 4


async def test_older_lines_go_on_counting(ann: Person, desk: Desk, shop: Shop) -> None:
    """The next part continues from what was left; whoever changes the address gets the newest part instead."""
    await credit(desk, shop.alice, 60)
    first = await ann.get("/wallet")
    older = next(each for each in first.names("href") if "before=" in each)
    second = await ann.get(older)
    amounts = [Decimal(each[1:]) for each in left(first) + left(second)]
    assert amounts == [Decimal(each) for each in range(160, 99, -1)]
    assert not any("before=" in each for each in second.names("href"))
    forged = re.sub(r"before=(\d+)\.(\d+)", r"before=\1.999\2", older)
    assert forged != older
    assert left(await ann.get(forged)) == left(first)
    for nonsense in ("x", "1.2.3", "..", "%00", "1.1.é"):
        assert left(await ann.get(f"/wallet?before={nonsense}")) == left(first)


async def test_the_statement_as_csv(ann: Person, desk: Desk, shop: Shop) -> None:
    """Signed amounts as numbers, what was left, and reasons that no spreadsheet calculates."""
    await complete(desk, shop)
    await credit(desk, shop.alice, 1, "=1+1")
    got = await ann.get("/wallet.csv")
    assert got.text.startswith("\ufeff")
    lines = list(csv.DictReader(io.StringIO(got.text.removeprefix("\ufeff"), newline="")))
    assert [(line["kind"], line["change"], line["balance_after"]) for line in lines] == [
        ("credit", "1", "100.888511"), ("capture", "-0.111489", "99.888511"), ("credit", "100", "100"),
    ]  # fmt: skip
    assert lines[0]["reason"] == "'=1+1"
    only = await ann.get("/wallet.csv?kind=capture")
    assert only.text.count("\r\n") == 2


@pytest.mark.parametrize(
    ("typed", "kept"), [("5", 5_000_000), ("2.50", 2_500_000), ("2,5", 2_500_000), (" 0.000001 ", 1), ("", None)]
)  # fmt: skip
async def test_the_mark_of_the_alert_is_kept(
    ann: Person, desk: Desk, shop: Shop, typed: str, kept: int | None
) -> None:
    """An amount sets the mark of this wallet alone, nothing takes it away."""
    await ann.get("/wallet")
    assert (await ann.post("/wallet/alert", mark="7")).status == 303
    answer = await ann.post("/wallet/alert", mark=typed)
    assert (answer.status, answer.headers["location"]) == (303, "/wallet#alert")
    assert await mark(desk, shop.alice) == kept
    assert [await mark(desk, each) for each in (shop.rehearsal, shop.bob)] == [None, None]


@pytest.mark.parametrize("typed", ["0", "-1", "x", "1e99", "NaN", "Infinity", "0.0000001", "٥", "<b>"])
async def test_a_mark_that_is_none_is_explained(ann: Person, desk: Desk, shop: Shop, typed: str) -> None:
    """Under its field, with what was typed still there, and nothing is changed."""
    await ann.get("/wallet")
    answer = await ann.post("/wallet/alert", mark=typed)
    assert answer.status == 422
    assert "An amount such as 5 or 2.50" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{typed}"'.replace("<b>", "&lt;b&gt;") in answer.text
    assert await mark(desk, shop.alice) is None


async def test_nobody_sees_the_wallet_of_another(
    stranger: Person, ann: Person, desk: Desk, shop: Shop
) -> None:
    """Each mode and each customer has figures and lines of his own; a cursor of another's is worth nothing."""
    await credit(desk, shop.alice, 60, "alice's own")
    older = next(each for each in (await ann.get("/wallet")).names("href") if "before=" in each)
    bob, rehearsal = await sign(stranger, desk, shop.bob), await sign(stranger, desk, shop.rehearsal)
    for other, has in ((bob, "$100.00"), (rehearsal, "$1,000.00")):
        for path in ("/wallet", older):
            got = await other.get(path)
            assert figures(got)[0] == has
            assert left(got) == [has]
            assert "alice" not in got.text.replace("alice@example.org", "")
        assert (await other.get("/wallet.csv")).text.count("\r\n") == 2
    for path in ("/wallet", "/wallet.csv"):
        assert (await stranger.get(path)).headers["location"].startswith("/sign-in")
    assert (await ann.post("/wallet/alert", token="", mark="5")).status == 403
    assert await mark(desk, shop.alice) is None


async def test_developers_have_everything_in_one_place(ann: Person, desk: Desk, shop: Shop) -> None:
    """Keys, webhooks, docs and test mode, and a request with the hint of the own test key; never the key."""
    got = await ann.get("/developers")
    assert got.status == 200
    assert {"/profile#keys", "/webhooks/new", "/docs", "/openapi.json"} <= set(got.names("href"))
    assert f"rl_test_…{shop.alice_test_key[-4:]}" in got.text
    assert shop.alice_test_key not in got.text
    assert "1 live key" in got.text


async def test_the_shop_says_how_to_get_credit(ann: Person, desk: Desk, shop: Shop) -> None:
    """In its own words when the operator has written some, as text and nothing else."""
    assert "Ask the shop's operator for credit." in (await ann.get("/wallet")).text
    told = replace(desk.settings, credit_text="Write to us.\n<b>Any</b> amount from 5 USD.")
    async with serving(replace(desk, settings=told)) as guest:
        got = await (await sign(guest, desk, shop.alice)).get("/wallet")
    assert "Write to us.\n&lt;b&gt;Any&lt;/b&gt; amount from 5 USD." in got.text
    assert "Ask the shop" not in got.text
