"""The operator's side of what is sold: opting in, hiding from price lists, freezing at once, the pages and the commands."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable

import pytest

from ringlet import audit
from ringlet.activations import buy, choose, resend
from ringlet.acts import CLI
from ringlet.app import open_desk
from ringlet.backoffice import policy as office
from ringlet.backoffice import standing
from ringlet.backoffice.policy import Scope
from ringlet.desk import Desk
from ringlet.errors import NotFound, ServiceNotAllowed, ValidationFailed
from ringlet.idempotency import Once
from ringlet.settings import Settings
from tests import commands
from tests.office_rig import employ
from tests.pages_rig import serving
from tests.site import fill_shop
from tests.test_policy import BUY, CLASSIC, PRICE, Doors, at_every_door

WHY = "a test"
ORDER = choose.Order("ts", 6)


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 1.0) -> None:
    """It is so within a second (on a machine with room), or the test fails."""
    ends = time.monotonic() + within_s * 5
    while not await holds():
        assert time.monotonic() < ends
        await asyncio.sleep(0.02)


async def _sells(desk: Desk, customer_id: int, service: str) -> bool:
    return (await desk.policy.fresh()).sells(customer_id, service, 6)


async def allow(desk: Desk, **scope: object) -> int:
    return await office.set_rule(desk, CLI, Scope(**scope), WHY, is_allowed=True)  # type: ignore[arg-type]


async def test_an_operator_who_opts_in_sells_it(desk: Desk, database_url: str) -> None:
    """One service, through every door; its neighbours stay refused, and the price lists show what may be had."""
    async with at_every_door(desk) as doors:
        assert await _offered(doors) == {"ig", "wa", "tg", "go"}
        await allow(desk, service="ts")
        await until(lambda: _sells(desk, doors.shop.alice.customer_id, "ts"))
        assert (await doors.rest("POST", BUY, json={"service": "ts", "country": 6}))[0] == 200
        assert (await doors.rest("POST", BUY, json={"service": "nc", "country": 6}))[0] == 403
        assert (await doors.rest("GET", PRICE, params={"service": "ts", "country": "6"}))[0] == 200
        got = await doors.handler(CLASSIC, action="getNumber", service="ts", country="6")
        assert got[1].startswith("ACCESS_NUMBER:")
        assert (await doors.fivesim("/user/buy/activation/indonesia/any/paypal"))[0] == 200
        await desk.refresh_prices()
        await until(lambda: _shows(doors, "ts"))
    assert audit.run(database_url) == []


async def _offered(doors: Doors) -> set[str]:
    """What the three price lists offer in country 6; they agree."""
    head = {"Authorization": f"Bearer {doors.shop.alice_key}"}
    async with doors.guest.http.get(f"{doors.guest.url}/api/v1/prices?country=6", headers=head) as got:
        rest = set((await got.json())["prices"].get("6", {}))
    classic = json.loads((await doors.handler(CLASSIC, action="getPrices", country="6"))[1])
    services = json.loads((await doors.handler(CLASSIC, action="getServicesList", country="6"))[1])
    fivesim = json.loads((await doors.fivesim("/guest/prices?country=indonesia"))[1])
    assert set(classic.get("6", {})) == rest == {each["code"] for each in services["services"]}
    assert len(fivesim["indonesia"]) == len(rest)
    return rest


async def _shows(doors: Doors, service: str) -> bool:
    return service in await _offered(doors)


async def test_one_account_may_be_sold_what_nobody_else_is(desk: Desk) -> None:
    """Its own rule, in its own price list."""
    shop = await fill_shop(desk, numbers=5, services=("ts", "ig"))
    await allow(desk, category="payments", customer_id=shop.alice.customer_id)
    await until(lambda: _sells(desk, shop.alice.customer_id, "ts"))
    assert (await buy.buy(desk, shop.alice, ORDER)).activation.service == "ts"
    with pytest.raises(ServiceNotAllowed):
        await buy.buy(desk, shop.bob, ORDER)
    await desk.refresh_prices()
    alices = desk.prices.rules.view(shop.alice.customer_id, shop.alice.brand_id)
    assert alices is not None
    assert desk.prices.rules.view(shop.bob.customer_id, shop.bob.brand_id) is None


async def test_what_was_bought_stays_bought_and_is_not_resent(desk: Desk) -> None:
    """After the rule is gone: the key still answers what it bought, another message is refused."""
    shop = await fill_shop(desk, numbers=5, services=("ts", "ig"))
    rule_id, once = await allow(desk, service="ts"), Once(shop.alice.id, "k", b"f" * 32)
    await until(lambda: _sells(desk, shop.alice.customer_id, "ts"))
    bought = await buy.buy(desk, shop.alice, ORDER, once)
    await office.drop_rule(desk, CLI, rule_id, WHY)
    assert not await _sells_soon(desk, shop.alice.customer_id)
    again = await buy.buy(desk, shop.alice, ORDER, once)
    assert (again.replayed, again.activation.id) == (True, bought.activation.id)
    with pytest.raises(ServiceNotAllowed):
        await resend.resend(desk, shop.alice, bought.activation.public_id)
    with pytest.raises(NotFound):
        await office.drop_rule(desk, CLI, rule_id, WHY)


async def _sells_soon(desk: Desk, customer_id: int) -> bool:
    async def gone() -> bool:
        return not await _sells(desk, customer_id, "ts")

    await until(gone)
    return False


async def test_a_frozen_service_is_sold_by_no_process(
    desk: Desk, settings: Settings, database_url: str
) -> None:
    """Another process refuses it within a second, and sells it again when it is thawed."""
    shop = await fill_shop(desk, numbers=5)
    ig = choose.Order("ig", 6)
    async with open_desk(settings, database_url) as other:
        await other.refresh_prices()
        assert (await buy.buy(other, shop.alice, ig)).activation.service == "ig"
        await office.freeze(desk, CLI, "ig", WHY)

        async def refuses() -> bool:
            try:
                await buy.buy(other, shop.alice, ig)
            except ServiceNotAllowed:
                return True
            return False

        await until(refuses)
        with pytest.raises(ValidationFailed):
            await office.freeze(desk, CLI, "ig", WHY)
        await office.thaw(desk, CLI, "ig", WHY)
        await until(lambda: _sells(other, shop.alice.customer_id, "ig"))
        assert (await buy.buy(other, shop.alice, ig)).activation.service == "ig"


async def test_a_frozen_account_is_refused_at_once(desk: Desk) -> None:
    """Its key opens nothing any more, by the act of the page."""
    async with at_every_door(desk) as doors:
        assert (await doors.rest("POST", BUY, json={"service": "ig", "country": 6}))[0] == 200
        await standing.freeze(desk, CLI, doors.shop.alice.customer_id, WHY)

        async def refused() -> bool:
            return (await doors.rest("POST", BUY, json={"service": "ig", "country": 6}))[0] == 403

        await until(refused)
        assert (await office.stopped(desk)).accounts[0].customer_id == doors.shop.alice.customer_id


async def test_a_rule_needs_something_to_be_about(desk: Desk) -> None:
    """Nothing, two things at once, codes that nobody knows, or no reason: refused."""
    for scope in (
        Scope(),
        Scope(service="ts", category="crypto"),
        Scope(service="nope"),
        Scope(country=9_999),
    ):
        with pytest.raises(ValidationFailed):
            await office.set_rule(desk, CLI, scope, WHY, is_allowed=False)
    with pytest.raises(ValidationFailed):
        await office.set_rule(desk, CLI, Scope(country=6), "", is_allowed=False)


async def test_the_pages_do_what_they_say(desk: Desk) -> None:
    """Staff freeze, allow, limit and ask on the pages; every act stands in the log with its reason."""
    shop = await fill_shop(desk, numbers=5, services=("ts", "ig"))
    async with serving(desk) as guest:
        staff = (await employ(desk, guest, "owner"))[0]
        for path in ("", "/rules", "/limits", "/check"):
            assert (await staff.get(f"/admin/policy{path}")).status == 200
        await staff.get("/admin/policy")
        assert (await staff.post("/admin/policy/services", service="ig", reason=WHY)).status == 303
        assert (await staff.post("/admin/policy/services", service="nope", reason=WHY)).status == 422
        assert 'data-frozen="ig"' in (await staff.get("/admin/policy")).text
        thawed = await staff.post("/admin/policy/services", service="ig", do="thaw", reason=WHY)
        assert thawed.status == 303
        assert (await staff.post("/admin/policy/rules", service="ts", do="allow", reason=WHY)).status == 303
        assert (await staff.post("/admin/policy/rules", do="allow", reason=WHY)).status == 422
        asked = await staff.get(f"/admin/policy/check?service=ts&country=6&account={shop.alice.customer_id}")
        assert 'data-allowed="yes"' in asked.text
        assert 'data-allowed="no"' in (await staff.get("/admin/policy/check?service=nc&country=6")).text
        assert (
            await staff.post("/admin/policy/rules/mode", countries_listed_only="on", reason=WHY)
        ).status == 303
        assert 'data-allowed="no"' in (await staff.get("/admin/policy/check?service=ts&country=6")).text
        limited = await staff.post(
            "/admin/policy/limits", account_minute="5", first_day_micros="12.50", reason=WHY
        )
        assert limited.status == 303
        assert (await staff.post("/admin/policy/limits", account_minute="x", reason=WHY)).status == 422
        frozen = await staff.post("/admin/policy/accounts", account="bob@example.org", reason=WHY)
        assert frozen.status == 303
        assert f'data-account="{shop.bob.customer_id}"' in (await staff.get("/admin/policy")).text
    found = await office.shown(desk)
    assert (found.limits.account_minute, found.limits.first_day_micros) == (5, 12_500_000)
    async with desk.db.connection() as tx:
        rows = await (
            await tx.execute("select act, reason from staff_act where act <> 'staff.appointed' order by id")
        ).fetchall()
    assert [row[0] for row in rows] == [
        "service.frozen", "service.thawed", "policy.allowed", "policy.limits_set", "policy.limits_set", "customer.frozen",
    ]  # fmt: skip
    assert {row[1] for row in rows} == {WHY}


def test_the_commands_do_the_same(settings: Settings) -> None:
    """Allow, limits, freeze, explain: each in words and as JSON."""
    environment = {
        **os.environ,
        "RINGLET_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url or "",
    }

    def run(*typed: str) -> object:
        done = commands.run(["policy", *typed, "--json"], environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert run("explain", "ts", "6") == {
        "allowed": False,
        "reasons": ["curated"],
        "why": "curated",
        "rule": None,
    }
    made = run("allow", "--service", "ts", "--reason", WHY)
    assert isinstance(made, dict)
    assert run("explain", "ts", "6") == {"allowed": True, "reasons": [], "why": "rule", "rule": made["id"]}
    run("freeze", "--service", "ts", "--reason", WHY)
    assert run("explain", "ts", "6") == {
        "allowed": False,
        "reasons": ["frozen"],
        "why": "frozen",
        "rule": None,
    }
    listed = run("list")
    assert isinstance(listed, list)
    assert len(listed) == 2
    run("thaw", "--service", "ts", "--reason", WHY)
    run("remove", str(made["id"]), "--reason", WHY)
    assert run("list") == []
    shown = run("limits", "key_minute=7", "key_day=none", "--reason", WHY)
    assert isinstance(shown, dict)
    assert (shown["key_minute"], shown["key_day"]) == (7, None)
