"""Price rules where they are kept and set: replacement, times, groups, and the operator's commands."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ringlet import accounts, customers, pricing
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.pricing import Payer, PriceList
from tests.site import Site

COST = Decimal("0.02")
ANYWHERE: dict[str, Any] = {"customer_id": None, "country": None, "service": None}


async def put(desk: Desk, kind: str, value: str, **scope: Any) -> int:
    async with desk.db.transaction() as tx:
        return await pricing.set_rule(tx, **{**ANYWHERE, "kind": kind, "value": Decimal(value), **scope})


async def load(desk: Desk) -> PriceList:
    async with desk.db.connection() as tx:
        return await pricing.load(tx)


def sells(prices: PriceList) -> Decimal:
    return prices.sell_price(None, 6, "ig", COST)


async def database_now(desk: Desk) -> datetime:
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select clock_timestamp()")).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


async def test_a_rule_replaces_the_one_of_its_scope_aspect_and_beginning(desk: Desk) -> None:
    """Markup and price are one aspect; another aspect, scope or beginning is another rule."""
    first = await put(desk, "markup", "0.30")
    assert await put(desk, "price", "0.5") == first
    later = datetime(2020, 1, 1, tzinfo=UTC)
    others = {
        await put(desk, "fixed", "0.01"),
        await put(desk, "price", "0.4", country=6),
        await put(desk, "price", "0.4", service="ig"),
        await put(desk, "markup", "0.1", starts_at=later),
    }
    assert len(others | {first}) == 5
    assert await put(desk, "markup", "0.2", starts_at=later) in others
    assert len((await load(desk)).rules) == 5


async def test_a_rule_counts_between_its_times(desk: Desk) -> None:
    """By the database's clock: before its beginning and after its end a rule has no effect on a price."""
    now, hour = await database_now(desk), timedelta(hours=1)
    await put(desk, "markup", "0.50")
    await put(desk, "markup", "0.10", starts_at=now + hour, ends_at=now + 2 * hour)
    await put(desk, "markup", "0.20", starts_at=now - 2 * hour, ends_at=now - hour)
    await put(desk, "fixed", "1", ends_at=now - hour)
    prices = await load(desk)
    assert (sells(prices), prices.next_change_at) == (Decimal("0.03"), now + hour)
    await put(desk, "markup", "0.40", starts_at=now - hour, ends_at=now + hour / 2)
    prices = await load(desk)
    assert (sells(prices), prices.next_change_at) == (Decimal("0.028"), now + hour / 2)
    assert prices.as_of is not None
    assert now < prices.as_of < now + hour
    async with desk.db.connection() as tx:
        lines = await pricing.list_rules(tx)
    assert sorted(line.state for line in lines) == ["ended", "ended", "in force", "in force", "pending"]


async def test_a_pending_rule_comes_into_force_at_its_moment(desk: Desk) -> None:
    """Whoever loads again at `next_change_at` has the new price, not earlier and not later."""
    begins = await database_now(desk) + timedelta(seconds=0.4)
    await put(desk, "price", "0.7", starts_at=begins)
    before = await load(desk)
    assert before.next_change_at == begins
    async with desk.db.connection() as tx:
        await tx.execute("select pg_sleep_until(%s)", [begins])
    after = await load(desk)
    assert (sells(before), sells(after)) == (COST, Decimal("0.7"))
    assert after.next_change_at is None
    assert before != after


async def test_what_cannot_be_a_rule_is_refused(desk: Desk) -> None:
    """It must begin before it ends, and it is for one customer or one group."""
    now = datetime.now(UTC)
    with pytest.raises(ValidationFailed):
        await put(desk, "markup", "0.1", starts_at=now, ends_at=now)
    with pytest.raises(ValidationFailed):
        await put(desk, "markup", "0.1", customer_id=1, group_id=1)
    async with desk.db.transaction() as tx:
        with pytest.raises(NotFound):
            await pricing.remove_rule(tx, 4711)


async def test_a_group_matters_when_it_has_rules_or_sees_the_list_price(desk: Desk) -> None:
    """Members of any other group share the price table of everybody; whoever leaves pays as everybody at once."""
    alice = (await accounts.open_account(desk, "alice@example.org", 0, actor="test")).id
    bob = (await accounts.open_account(desk, "bob@example.org", 0, actor="test")).id
    async with desk.db.transaction() as tx:
        resellers = await customers.add_group(tx, "resellers", "cost")
        shops = await customers.add_group(tx, "shops", "list")
        await customers.put_in_group(tx, alice, resellers)
        await customers.put_in_group(tx, bob, shops)
    before = await load(desk)
    assert (before.view(alice, 1), before.view(bob, 1)) == (None, Payer(None, shops))
    await put(desk, "markup", "0.50")
    await put(desk, "markup", "0.10", group_id=resellers)
    prices = await load(desk)
    assert prices.sell_price(prices.view(alice, 1), 6, "ig", COST) == Decimal("0.022")
    assert prices.sell_price(prices.view(bob, 1), 6, "ig", COST) == Decimal("0.03")
    assert prices.shown_base_price(prices.view(bob, 1), 6, "ig", COST) == Decimal("0.03")
    async with desk.db.transaction() as tx:
        await customers.put_in_group(tx, alice, None)
        await customers.change_group(tx, shops, "cost")
    after = await load(desk)
    assert (after.rules, after.view(alice, 1), after.view(bob, 1)) == (prices.rules, None, None)
    assert after != prices, "who compares price lists sees that a group changed"


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Site:
    """An installation of which only the command line is used."""
    return Site(tmp_path / "home", database_url)


def run(office: Site, command: str) -> str:
    done = office.ringlet(*command.split())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_the_command_does_to_groups_is_in_the_log(office: Site) -> None:
    """A group is made and changed, an account comes in and goes; put where it is already it leaves no line."""
    run(office, "account create reseller@example.org")
    run(office, "account group create vip")
    run(office, "account group change vip --base-price-shows list")
    for name in ("vip", "vip", "none"):
        run(office, f"account group set reseller@example.org {name}")
    with psycopg.connect(office.environment["DATABASE_URL"]) as connection:
        rows = connection.execute("select act, actor, before, after from staff_act order by id").fetchall()
    assert rows == [
        ("group.added", "cli", None, {"name": "vip", "base_price_shows": "cost"}),
        ("group.changed", "cli", {"base_price_shows": "cost"}, {"base_price_shows": "list"}),
        ("customer.group_set", "cli", {"group": None}, {"group": "vip"}),
        ("customer.group_set", "cli", {"group": "vip"}, {"group": None}),
    ]


def test_an_operator_sets_explains_and_removes_rules(office: Site) -> None:
    """Several parts of a price in one command; the explanation has each rule, the floor, and the price that is paid."""
    run(office, "account create reseller@example.org")
    assert json.loads(run(office, "account group create vip --base-price-shows list --json"))["name"] == "vip"
    run(office, "account group set reseller@example.org vip")
    assert "vip" in run(office, "account group list")
    assert json.loads(run(office, "account group list --json"))[0]["accounts"] == 1

    made = json.loads(run(office, "pricing set --markup 30% --fixed 0.01 --rounding 0.01 --json"))["rules"]
    assert [each["rule"]["kind"] for each in made] == ["markup", "fixed", "rounding"]
    assert "a price of 0.01" in run(office, "pricing set --price 0.01 --group vip --service ig")
    assert "pending" in run(office, "pricing set --min-margin 0.1 --from 2999-01-01 --json")

    explain = "pricing explain --service ig --country 6 --cost 0.025"
    everybody = json.loads(run(office, f"{explain} --json"))
    assert everybody["quote"] == {"base_price": 0.025, "sell_price": 0.05, "cost": 0.025, "available": None}
    member = json.loads(run(office, f"{explain} --account reseller@example.org --json"))
    assert member["quote"] == {"base_price": 0.05, "sell_price": 0.03, "cost": 0.025, "available": None}
    assert member["cases"][0]["steps"][-1]["price"] == 0.03
    office.environment["COLUMNS"] = "120"  # no line of the table is folded
    told = run(office, f"{explain} --account reseller@example.org")
    for words in ("+30 %", "overruled by", "group vip", "never below cost", "decides", "sell price 0.03"):
        assert words in told

    listed = json.loads(run(office, "pricing list --json"))
    assert [each["state"] for each in listed].count("pending") == 1
    assert "2999-01-01" in run(office, "pricing list")
    for each in listed:
        run(office, f"pricing remove {each['rule']['id']}")
    assert "No rules" in run(office, "pricing list")


def test_a_rule_with_an_end_leaves_the_one_without(office: Site, database_url: str) -> None:
    """A sale begins now and stands before the ordinary markup, which is not lost when it ends."""
    run(office, "pricing set --markup 50%")
    run(office, "pricing set --markup 10% --until 2999-01-01")
    explain = "pricing explain --service ig --country 6 --cost 0.02 --json"
    assert json.loads(run(office, explain))["quote"]["sell_price"] == 0.022
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update price_rule set ends_at = now() where ends_at is not null")
    assert json.loads(run(office, explain))["quote"]["sell_price"] == 0.03


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("pricing set --markup 5% --price 1", "either --markup or --price"),
        ("pricing set --fixed 5 --price 1", "--fixed comes on top of a markup"),
        ("pricing set --markup 5% --account a@example.org --group vip", "either --account or --group"),
        ("pricing set --markup 5% --group vip", "no account group"),
        ("pricing set --markup 5% --account nobody@example.org", "No account"),
        ("pricing set --markup 5% --from soon", "not a time"),
        ("pricing set --markup 5% --until 2001-01-01", "--until must be later"),
        ("pricing set --min-margin -1", "not a price"),
        ("pricing remove 4711", "no price rule 4711"),
        ("account group set nobody@example.org none", "No account"),
        ("account group create none", "not 'none'"),
        ("account group change vip --base-price-shows list", "no account group"),
    ],
)
def test_a_rule_that_contradicts_itself_is_one_clear_sentence(office: Site, command: str, says: str) -> None:
    """No trace, a non-zero exit code, and what to do instead; nothing is set."""
    done = office.ringlet(*command.split())
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
