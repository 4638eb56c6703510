"""The shop's figures equal a plain count of the ledger, to the micro-unit, whatever the tally has counted and when."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.backoffice import figures, overview, tally
from ringlet.backoffice.figures import Figures
from ringlet.backoffice.periods import PERIODS
from ringlet.desk import Desk
from ringlet.ledger import credit, refund
from ringlet.web.admin.figures_words import KINDS
from tests.figures_rig import SUPPLIED, Ledger, Trade, ledger, move_back
from tests.site import PRICE_MICROS, Shop, fill_shop
from tests.suppliers_rig import Upstream, upstream

ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Chatham")
DIMENSIONS = (*figures.DIMENSIONS, figures.CUSTOMER)
LIVELY = 1_600
AT_ONCE = 400


@pytest.fixture
async def big_shop(desk: Desk) -> Shop:
    return await fill_shop(desk, numbers=400)


@pytest.fixture
async def up(desk: Desk, big_shop: Shop) -> AsyncIterator[Upstream]:
    """A supplier of a service that is on no own shelf."""
    assert big_shop
    async with upstream(desk, "up") as found:
        found.warehouse.stock("6", SUPPLIED, "0.0712", 10_000)
        await found.sync()
        yield found


async def compare(desk: Desk, now: datetime, zone_name: str) -> None:
    """Every figure of every period and of every part of it, beside the count."""
    books, zone = await ledger(desk), ZoneInfo(zone_name)
    for name, period_of in PERIODS.items():
        period = period_of(now, zone)
        found = await overview.overview(desk, period)
        edges = period.edges
        assert list(found.each) == [books.sums(*span) for span in pairwise(edges)], name
        assert found.total == books.sums(edges[0], edges[-1]), name
        assert found.before == books.sums(period.before[0], period.before[-1]), name
        await _compare_parts(desk, books, edges[0], edges[-1])


async def _compare_parts(desk: Desk, books: Ledger, since: datetime, until: datetime) -> None:
    for dimension in DIMENSIONS:
        if dimension == figures.CUSTOMER:  # by days of UTC, widened to whole ones
            since = since.replace(hour=0)
            until = (until + timedelta(hours=23, minutes=59)).replace(hour=0)
        since, until = since.replace(minute=0), until.replace(minute=0)
        split = await overview.split(desk, dimension, since, until)
        assert split.rest is None
        assert {part.key: part.figures for part in split.parts} == {
            key: books.sums(since, until, dimension, key) for key in books.keys(since, until, dimension)
        }, dimension


async def tally_all(desk: Desk) -> None:
    while await tally.fold(desk):
        pass


async def tally_cut(desk: Desk, chance: random.Random) -> None:
    """A worker that dies somewhere in the middle of a round."""
    working = asyncio.create_task(tally.fold(desk, batch=chance.choice((7, 50, 20_000))))
    await asyncio.sleep(chance.random() * 0.01)
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


@pytest.mark.usefixtures("breaches")
async def test_every_figure_equals_a_count_of_the_ledger(desk: Desk, big_shop: Shop, up: Upstream) -> None:
    """2,000 random operations over two years: sales from own stock and of a supplier, codes, cancels, expiries, credits,
    debits, further messages, play money; the tally runs in between, is killed, and runs beside sales.
    """
    chance = random.Random(6)
    trade = Trade(desk, big_shop, up, chance)
    marks: dict[str, int] = {}
    now = datetime.now(UTC)
    moments = sorted((10 ** chance.uniform(-0.5, 4.2) for _ in range(LIVELY // 40)), reverse=True)
    for place, hours in enumerate(moments):
        await trade.some(40)
        await move_back(desk, marks, timedelta(hours=hours))
        if chance.random() < 0.3:
            await tally.fold(desk, batch=chance.choice((3, 40, 20_000)))
        if chance.random() < 0.3:
            await tally_cut(desk, chance)
        if place % 10 == 5:
            await compare(desk, now, ZONES[place // 10])
    for _ in range(AT_ONCE // 40):
        await asyncio.gather(trade.some(40), tally_cut(desk, chance), tally.fold(desk, batch=11))
    await compare(desk, datetime.now(UTC), "Europe/Berlin")
    await tally_all(desk)
    await compare(desk, datetime.now(UTC), "Australia/Adelaide")
    assert min(trade.done.values()) > 20, trade.done


async def test_a_posting_that_commits_late_is_counted_once(desk: Desk, shop: Shop) -> None:
    """An id that was drawn before others and comes after them: the mark waits for it, the page has it from its commit."""
    books = desk.db
    async with books.pool.connection() as slow, slow.transaction():
        await credit(slow, shop.alice, 5, actor="test", reason="slow")
        async with books.transaction() as tx:
            await credit(tx, shop.bob, 7, actor="test", reason="quick")
        before = await mark(desk)
        await tally.fold(desk)
        assert await mark(desk) == before, "somebody still writes"
        assert (await today(desk)).top_up_micros == 200_000_007
    assert (await today(desk)).top_up_micros == 200_000_012
    await tally_all(desk)
    assert await mark(desk) > before
    assert (await today(desk)).top_up_micros == 200_000_012


async def test_of_two_tallies_one_counts(desk: Desk, shop: Shop) -> None:
    """Two workers at once: nothing is counted twice."""
    assert shop
    await asyncio.gather(*(tally.fold(desk) for _ in range(8)))
    await tally_all(desk)
    assert (await today(desk)).top_up_micros == 200_000_000


async def test_a_resellers_share_is_no_revenue(desk: Desk, shop: Shop) -> None:
    """What belongs to the reseller is told beside; with a refund it goes back like the rest."""
    bought = (await buy(desk, shop.alice, Order(service="ig", country=6))).activation
    async with desk.db.transaction() as tx:
        await tx.execute(
            "insert into resale (activation_id, brand_id, wallet_id, share_micros) values (%s, 1, %s, 11000)",
            [bought.id, shop.bob.id],
        )
    await shop.push(desk, bought, "your code is 4815")
    found = await today(desk)
    assert (found.revenue, found.share, found.sales) == (PRICE_MICROS - 11_000, 11_000, 1)
    assert (found.cost, found.margin) == (33_400, PRICE_MICROS - 11_000 - 33_400)
    async with desk.db.transaction() as tx:
        await refund(tx, shop.alice, PRICE_MICROS, bought.id, actor="test", reason="broken")
    for _ in range(2):
        found = await today(desk)
        assert (found.revenue, found.share, found.refund, found.sales) == (0, 0, PRICE_MICROS, 1)
        await tally_all(desk)


async def test_other_currencies_and_play_money_are_not_counted(desk: Desk, shop: Shop) -> None:
    """Only live wallets in the operator's currency; those of another one stand in books of their own."""
    async with desk.db.transaction() as tx:
        await tx.execute("update wallet set currency = 'EUR' where id = %s", [shop.bob.id])
        await credit(tx, shop.rehearsal, 1_000, actor="test", reason="play")
    assert (await today(desk)).top_up_micros == 100_000_000
    await tally_all(desk)
    assert (await today(desk)).top_up_micros == 100_000_000


async def today(desk: Desk) -> Figures:
    """Of the last hours, until now."""
    return (await overview.overview(desk, PERIODS["hours"](datetime.now(UTC), ZoneInfo("UTC")))).total


async def mark(desk: Desk) -> int:
    """Up to which posting the tally has counted."""
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select posting_id from figure_mark")).fetchone()
    assert row is not None
    return int(row[0])


def test_the_page_says_what_the_module_says() -> None:
    """A figure is defined once: the words of the page are the docstrings of the module."""
    words = files("ringlet").joinpath("templates/admin/figures_words.html").read_text(encoding="utf-8")
    for name in KINDS:
        if name != "sales":
            said = getattr(Figures, name).__doc__.removesuffix(" None when there were none.")
            assert f'"{name}": _("{said}")' in words, name


def test_the_time_before_is_as_long_as_this_one() -> None:
    """Three hours into a month it is compared with three hours of that month a year ago, in the reader's zone."""
    now = datetime(2026, 11, 1, 2, 30, tzinfo=UTC)
    months = PERIODS["months"](now, ZoneInfo("UTC"))
    assert (months.edges[0], months.edges[-1]) == (at(2025, 12), at(2026, 12))
    assert (months.before[0], months.before[-2], months.before[-1]) == (
        at(2024, 12), at(2025, 11), datetime(2025, 11, 1, 3, tzinfo=UTC),
    )  # fmt: skip
    days = PERIODS["days"](now, ZoneInfo("Asia/Kolkata"))
    assert days.edges[-1] == datetime(2026, 11, 1, 18, 30, tzinfo=UTC)
    assert days.before[-1] == datetime(2026, 10, 1, 18, 30, tzinfo=UTC) + timedelta(hours=8, minutes=30)
    assert len(days.edges) == len(days.before) == 31


def at(year: int, month: int) -> datetime:
    """The beginning of a month."""
    return datetime(year, month, 1, tzinfo=UTC)
