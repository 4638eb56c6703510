"""The pages of prices: a preview says what is charged then, changes begin by themselves and can be taken back."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from ringlet import acts, ledger, pricing
from ringlet.activations import quote
from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.acts import CLI
from ringlet.backoffice import pricing_change
from ringlet.backoffice.pricing_plan import Drop, Put, Shift
from ringlet.backoffice.pricing_preview import preview
from ringlet.backoffice.pricing_rules import Asked, Owner
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from tests.office_rig import employ
from tests.pages_rig import Got, Person, serving
from tests.site import Shop, Site
from tests.test_races import customer

EVERYTHING = Asked()


@dataclass
class Trade:
    """A shop with a clerk for its prices, and one who may only look."""

    desk: Desk
    shop: Shop
    clerk: Person
    reader: Person


@pytest.fixture
async def trade(desk: Desk, shop: Shop, breaches: None) -> AsyncIterator[Trade]:
    async with serving(desk) as guest:
        clerk = (await employ(desk, guest, "catalogue"))[0]
        reader = (await employ(desk, guest, "readonly"))[0]
        yield Trade(desk, shop, clerk, reader)


async def sells(desk: Desk, wallet: ledger.Wallet, service: str = "ig") -> Decimal:
    await desk.refresh_prices()
    return quote.quote(desk, wallet, 6, service).sell_price


async def comes_to(desk: Desk, wallet: ledger.Wallet, price: str, within_s: float = 3) -> None:
    """The serving process takes over by itself what was saved."""
    async with asyncio.timeout(within_s):
        while quote.quote(desk, wallet, 6, "ig").sell_price != Decimal(price):
            await asyncio.sleep(0.02)


async def rule(desk: Desk, **values: object) -> int:
    done = await pricing_change.apply(desk, CLI, Put(**values))  # type: ignore[arg-type]
    return done.rule_ids[0]


async def rows(desk: Desk, statement: str) -> list[tuple[object, ...]]:
    async with desk.db.connection() as tx:
        return await (await tx.execute(statement.encode())).fetchall()


def version(got: Got) -> str:
    return re.findall(r'name="version" value="(\d+)"', got.text)[0]


NEW = {"who": "everybody", "services": "ig", "countries": "6", "kind": "price", "value": "0.33"}


async def test_a_rule_is_looked_at_then_charged(trade: Trade) -> None:
    """The preview names the price that the next buy is charged, and saving reaches the process by itself."""
    old = await sells(trade.desk, trade.shop.alice)
    seen = await trade.clerk.post("/admin/pricing/rule", **NEW, step="preview")
    assert seen.status == 200
    assert seen.names("data-old") == [str(old)]
    assert seen.names("data-new") == ["0.33"]
    assert await sells(trade.desk, trade.shop.alice) == old, "looking changes nothing"

    done = await trade.clerk.post(
        "/admin/pricing/rule", **NEW, step="save", version=version(seen), reason="dear"
    )
    assert done.status == 303
    await comes_to(trade.desk, trade.shop.alice, "0.33")
    bought = await buy(trade.desk, trade.shop.alice, Order("ig", 6))
    assert bought.activation.amount_micros == 330_000
    async with trade.desk.db.connection() as tx:
        (line,) = await acts.search(tx, act="price_rule.set", limit=1)
    assert (line.reason, line.role, line.after["rules"][0]["value"]) == ("dear", "catalogue", "0.33")


async def test_who_may_only_look_saves_nothing(trade: Trade) -> None:
    """Every page of prices is there to read; none of its forms works."""
    made = await rule(trade.desk, values={"markup": Decimal("0.3")})
    for path in (
        "/admin/pricing", "/admin/pricing/rule", f"/admin/pricing/rule?rule={made}", "/admin/pricing/bulk",
        "/admin/pricing/why?service=ig&country=6", "/admin/pricing/history", "/admin/pricing/history/1",
    ):  # fmt: skip
        assert (await trade.reader.get(path)).status == 200, path
    for path in ("/admin/pricing/rule", "/admin/pricing/bulk", "/admin/pricing/history/1/undo"):
        assert (await trade.reader.post(path, **NEW, step="save", version="1")).status == 403, path


async def test_a_save_without_a_preview_is_refused(trade: Trade) -> None:
    """Nobody saves what he has not seen."""
    got = await trade.clerk.post("/admin/pricing/rule", **NEW, step="save")
    assert (got.status, "Look at what it changes first" in got.text) == (422, True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"value": "-1"}, "not an amount from 0"), ({"value": "much"}, "not a number"), ({"kind": "gift"}, "no such part"),
        ({"services": "nothing-like-it"}, "no such service"), ({"countries": "Atlantis"}, "no such country"),
        ({"who": "account", "account": "nobody@example.org"}, "no such account"), ({"who": "group:99"}, "for whom"),
        ({"starts_at": "soon"}, "not a time"), ({"value": "0.00000001"}, "seven decimal places"),
        ({"starts_at": "2031-01-02T00:00", "ends_at": "2031-01-01T00:00"}, "must end after"), ({"value": "1e999"}, "not an amount"),
        ({"kind": "below_cost", "loss": "yes", "ends_at": "2001-01-01T00:00"}, "must end after"),
    ],
)  # fmt: skip
async def test_what_cannot_be_a_rule_is_said_at_its_field(
    trade: Trade, wrong: dict[str, str], says: str
) -> None:
    """422 with a sentence, and nothing is written."""
    before = await rows(trade.desk, "select count(*) from price_change")
    got = await trade.clerk.post("/admin/pricing/rule", **{**NEW, **wrong}, step="preview")
    assert got.status == 422
    assert says in got.text
    assert await rows(trade.desk, "select count(*) from price_change") == before


async def test_a_bulk_change_does_exactly_what_its_preview_says(trade: Trade) -> None:
    """Five percent on everything: each previewed price is what each service is charged then, to the last place."""
    for kind, value in (("markup", "0.30"), ("fixed", "0.0123457"), ("rounding", "0.001")):
        await rule(trade.desk, values={kind: Decimal(value)})
    await rule(trade.desk, services=("wa",), countries=(6,), values={"price": Decimal("0.4444444")})
    asked = {"way": "percent", "amount": "5"}
    seen = await trade.clerk.post("/admin/pricing/bulk", **asked, step="preview")
    told = dict(zip(seen.names("data-cell"), seen.names("data-new"), strict=True))
    assert len(told) == 4, "ig, wa, tg and go"
    done = await trade.clerk.post("/admin/pricing/bulk", **asked, step="save", version=version(seen))
    assert done.status == 303
    for place, price in told.items():
        assert await sells(trade.desk, trade.shop.alice, place.split()[1]) == Decimal(price), place
    bought = await buy(trade.desk, trade.shop.alice, Order("wa", 6))
    assert Decimal(told["6 wa"]) == Decimal("0.467")
    assert bought.activation.amount_micros == 467_000


async def test_points_and_removal_of_a_selection(trade: Trade) -> None:
    """Points are for markups alone; what the filters leave out stays."""
    await rule(trade.desk, values={"markup": Decimal("0.30")})
    kept = await rule(trade.desk, services=("wa",), values={"markup": Decimal("0.50")})
    await pricing_change.apply(trade.desk, CLI, Shift(asked=EVERYTHING, way="points", amount=Decimal(5)))
    assert await rows(trade.desk, "select value from price_rule where kind = 'markup' order by id") == [
        (Decimal("0.35"),), (Decimal("0.55"),),
    ]  # fmt: skip
    seen = await trade.clerk.post(
        "/admin/pricing/bulk", way="remove", who="everybody", service="ig", step="preview"
    )
    assert (seen.status, "No rule would change" in seen.text) == (422, True)
    fields = {"way": "remove", "service": "WhatsApp", "step": "preview"}
    seen = await trade.clerk.post("/admin/pricing/bulk", **fields)
    await trade.clerk.post("/admin/pricing/bulk", **{**fields, "step": "save"}, version=version(seen))
    assert (kept,) not in await rows(trade.desk, "select id from price_rule")
    with pytest.raises(ValidationFailed, match="fall below nothing"):
        await pricing_change.apply(
            trade.desk, CLI, Shift(asked=EVERYTHING, way="points", amount=Decimal(-99))
        )
    with pytest.raises(NotFound):
        await pricing_change.apply(trade.desk, CLI, Drop(Asked(rule_id=4711)))


async def test_a_planned_change_begins_by_itself(trade: Trade) -> None:
    """The old price until then, the new one from then on, in a process that nobody tells; it stands on a line of its own."""
    await rule(trade.desk, services=("ig",), countries=(6,), values={"price": Decimal("0.20")})
    begins = datetime.now(UTC) + timedelta(seconds=1.2)
    wish = Shift(asked=Asked(service="ig"), way="percent", amount=Decimal(50), starts_at=begins)
    shown = await preview(trade.desk, wish)
    (cell,) = [each for each in shown.shown if each.service == "ig"]
    assert (cell.old, cell.new) == (Decimal("0.2"), Decimal("0.3"))
    await pricing_change.apply(trade.desk, CLI, wish, seen=shown.version)
    page = await trade.reader.get("/admin/pricing")
    assert page.text.index('id="planned"') < page.text.index('id="rules"')
    await comes_to(trade.desk, trade.shop.alice, "0.2")
    # Without a refresh of ours: the serving process looks again when a rule begins.
    await comes_to(trade.desk, trade.shop.alice, "0.3", 6)
    assert datetime.now(UTC) >= begins
    assert (await buy(trade.desk, trade.shop.alice, Order("ig", 6))).activation.amount_micros == 300_000


async def test_two_who_edit_at_once_lose_nothing(trade: Trade) -> None:
    """Who saves second is shown what the first one did, and nothing of his is saved unseen."""
    await rule(trade.desk, values={"markup": Decimal("0.30")})
    asked = {"way": "percent", "amount": "10"}
    first = await trade.clerk.post("/admin/pricing/bulk", **asked, step="preview")
    second = await trade.clerk.post("/admin/pricing/bulk", **asked, step="preview")
    answers = await asyncio.gather(*(
        trade.clerk.post("/admin/pricing/bulk", **asked, step="save", version=version(each)) for each in (first, second)
    ))  # fmt: skip
    assert sorted(each.status for each in answers) == [303, 422]
    (refused,) = [each for each in answers if each.status == 422]
    assert "Somebody has changed prices meanwhile" in refused.text
    assert await rows(trade.desk, "select value from price_rule where kind = 'markup'") == [
        (Decimal("0.43"),)
    ]
    assert int(version(refused)) > int(version(first)), "with a new preview, which can be saved"
    again = await trade.clerk.post("/admin/pricing/bulk", **asked, step="save", version=version(refused))
    assert again.status == 303
    assert await rows(trade.desk, "select value from price_rule where kind = 'markup'") == [
        (Decimal("0.573"),)
    ]


async def test_an_undone_bulk_change_puts_every_rule_back(trade: Trade) -> None:
    """Changed ones, new ones and removed ones; the undoing can itself be undone, and once is enough."""
    await rule(trade.desk, values={"markup": Decimal("0.1234567")})
    await rule(
        trade.desk,
        services=("wa",),
        values={"price": Decimal("0.5")},
        ends_at=datetime(2999, 1, 1, tzinfo=UTC),
    )
    query = "select id, service, kind, value, starts_at, ends_at from price_rule order by id"
    before = await rows(trade.desk, query)
    done = await pricing_change.apply(
        trade.desk, CLI, Shift(asked=EVERYTHING, way="percent", amount=Decimal(7))
    )
    changed = await rows(trade.desk, query)
    assert changed != before
    assert done.change_id is not None
    got = await trade.clerk.post(f"/admin/pricing/history/{done.change_id}/undo")
    assert got.status == 303
    assert await rows(trade.desk, query) == before
    twice = await trade.clerk.post(f"/admin/pricing/history/{done.change_id}/undo")
    assert (twice.status, "cannot be undone" in twice.text) == (422, True)

    undoing = int(got.headers["Location"].rpartition("/")[2])
    assert (await trade.clerk.post(f"/admin/pricing/history/{undoing}/undo")).status == 303
    assert await rows(trade.desk, query) == changed

    gone = await pricing_change.apply(trade.desk, CLI, Drop(EVERYTHING))
    assert gone.change_id is not None
    assert await sells(trade.desk, trade.shop.alice, "tg") > 0
    await pricing_change.undo(trade.desk, CLI, gone.change_id)
    assert await rows(trade.desk, query) == changed
    with pytest.raises(NotFound):
        await pricing_change.undo(trade.desk, CLI, 4711)


async def test_what_somebody_changed_since_is_not_undone(trade: Trade) -> None:
    """Also when it has the very same value again, and when a new rule stands where a removed one stood."""
    await rule(trade.desk, values={"markup": Decimal("0.30")})
    first = await pricing_change.apply(trade.desk, CLI, Put(values={"markup": Decimal("0.40")}))
    await pricing_change.apply(trade.desk, CLI, Put(values={"markup": Decimal("0.50")}))
    await pricing_change.apply(trade.desk, CLI, Put(values={"markup": Decimal("0.40")}))
    assert first.change_id is not None
    with pytest.raises(ValidationFailed, match="cannot be undone"):
        await pricing_change.undo(trade.desk, CLI, first.change_id)
    gone = await pricing_change.apply(trade.desk, CLI, Drop(Asked(kind="markup")))
    await rule(trade.desk, values={"markup": Decimal("0.10")})
    assert gone.change_id is not None
    with pytest.raises(ValidationFailed, match="cannot be undone"):
        await pricing_change.undo(trade.desk, CLI, gone.change_id)
    assert await rows(trade.desk, "select value from price_rule where kind = 'markup'") == [
        (Decimal("0.10"),)
    ]


async def test_every_version_is_kept_whoever_wrote_it(trade: Trade) -> None:
    """Also of a rule that was set below the use cases, such as by the demo."""
    async with trade.desk.db.transaction() as tx:
        scope = {"customer_id": None, "country": None, "service": None}
        rule_id = await pricing.set_rule(tx, **scope, kind="markup", value=Decimal("0.30"))  # type: ignore[arg-type]
    await rule(trade.desk, values={"markup": Decimal("0.20")})
    kept = await rows(
        trade.desk,
        f"select before->>'value', after->>'value' from price_rule_history where rule_id = {rule_id} order by change_id",
    )
    assert kept == [(None, "0.3000000"), ("0.3000000", "0.2000000")]
    page = await trade.reader.get(f"/admin/pricing/history?rule={rule_id}")
    assert len(page.names("data-change")) == 2
    assert "system" in page.text


async def test_why_somebody_pays_what(trade: Trade) -> None:
    """The account's own rule decides and the general one is overruled; the page's price is the one that is charged."""
    general = await rule(trade.desk, values={"markup": Decimal("0.30")})
    bob = trade.shop.bob.customer_id
    own = await rule(
        trade.desk, owner=Owner(customer_id=bob), services=("ig",), values={"price": Decimal("0.7")}
    )
    await trade.desk.refresh_prices()
    page = await trade.reader.get(f"/admin/pricing/why?account=%23{bob}&service=Instagram&country=Indonesia")
    assert page.names("data-paid") == ["0.7"]
    steps = page.names("data-step")
    assert {str(general), str(own)} <= set(steps)
    assert f"Overruled by rule #{own}" in page.text
    assert (await buy(trade.desk, trade.shop.bob, Order("ig", 6))).activation.amount_micros == 700_000
    nobody = await trade.reader.get("/admin/pricing/why?account=who@example.org&service=ig&country=6")
    assert (nobody.status, "There is no such account" in nobody.text) == (422, True)
    odd = await trade.reader.get("/admin/pricing/why?service=ig&country=6&cost=0.02")
    assert (odd.status, odd.names("data-paid")) == (200, ["0.1114892"]), "a price of its own follows no cost"


async def test_filters_leave_the_rules_that_were_asked_for(trade: Trade) -> None:
    """By owner, place and kind; pages follow each other without a gap."""
    wallet = await customer(trade.desk, 0)
    mine = await rule(
        trade.desk, owner=Owner(customer_id=wallet.customer_id), values={"markup": Decimal("0.1")}
    )
    for query, expected in (
        ("who=account", {mine}), (f"who=account&account=%23{wallet.customer_id}", {mine}), ("who=everybody&kind=markup", set()),
        ("country=6&kind=markup", set()), ("state=ended", set()),
    ):  # fmt: skip
        got = await trade.reader.get(f"/admin/pricing?{query}")
        assert set(map(int, got.names("data-rule"))) == expected, query
    services = ("ig", "wa", "tg", "go", "fb")
    countries = tuple(range(12))
    await pricing_change.apply(
        trade.desk, CLI, Put(services=services, countries=countries, values={"min_margin": Decimal("0.01")})
    )
    found, path = [], "/admin/pricing?kind=min_margin"
    for _ in range(2):
        page = await trade.reader.get(path)
        found += page.names("data-rule")
        path = next((each.replace("&amp;", "&") for each in page.names("href") if "after=" in each), "")
    assert (len(found), len(set(found)), path) == (60, 60, "")


def test_the_command_line_writes_the_same_history(tmp_path: Path, database_url: str) -> None:
    """What `ringlet pricing` sets stands in the history and in the log of what staff did, and can be undone there."""
    office = Site(tmp_path / "home", database_url)
    for command in ("set --markup 30%", "set --markup 40%", "undo 2"):
        done = office.ringlet("pricing", *command.split())
        assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select value from price_rule").fetchall() == [(Decimal("0.3"),)]
        changes = connection.execute("select actor, act, undoes from price_change order by id").fetchall()
        assert changes == [("cli", "set", None), ("cli", "set", None), ("cli", "undone", 2)]
        told = connection.execute("select act from staff_act order by id").fetchall()
        assert told == [("price_rule.set",), ("price_rule.set",), ("price_rule.undone",)]
    assert "undone by 3" in office.ringlet("pricing", "history").stdout
