"""What may be sold: the curated list through every door, the operator's rules, and what is stopped at once."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pytest

from ringlet import audit, canon, policy
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.policy import Policy, Rule
from ringlet.settings import Settings
from ringlet.web.fivesim import words
from tests.pages_rig import Person, serving, sign
from tests.site import SERVICES, Shop, fill_shop

LISTED = sorted(policy.curated())
WHY = "a test"
#: a page is made twenty times slower than an answer of an API: one of so many
SLOWLY = 20


def sold(*, is_allowed: bool = True, **scope: Any) -> Rule:
    """A rule about this; what it does not name is any."""
    anything = {"customer_id": None, "service": None, "category": None, "country": None}
    return Rule(1, **{**anything, **scope}, is_allowed=is_allowed)


def shut(**scope: Any) -> Rule:
    """Not sold."""
    return sold(is_allowed=False, **scope)


def test_the_list_names_services_that_there_are() -> None:
    """Every code with the name that it has in the code table, once, in a category that we know."""
    found = tomllib.loads(files("ringlet.data").joinpath("policy.toml").read_text(encoding="utf-8"))
    assert tuple(found) == policy.CATEGORIES
    pairs = [(code, name) for names in found.values() for code, name in names.items()]
    assert len(pairs) == len(policy.curated())
    assert [pair for pair in pairs if canon.services()[pair[0]].name != pair[1]] == []


@pytest.mark.parametrize("service", ["ts", "aaa", "re", "afe", "hw"])
def test_what_is_on_the_list_is_refused_by_default(service: str) -> None:
    """And everything else is sold."""
    assert not Policy().sells(None, service, 6)
    assert Policy().sells(None, "ig", 6)


def test_both_the_service_and_the_country_must_be_allowed() -> None:
    """A service that is allowed is not sold where the country is shut, unless a rule names both."""
    rules = [sold(service="ts"), shut(country=6)]
    assert not Policy(rules).sells(None, "ts", 6)
    assert Policy(rules).sells(None, "ts", 7)
    assert Policy([*rules, sold(service="ts", country=6)]).sells(None, "ts", 6)


def test_the_accounts_own_rule_comes_first() -> None:
    """An account may be allowed what nobody is, and refused what everybody may have."""
    own = Policy([sold(category="payments", customer_id=7), shut(service="ig", customer_id=7)])
    assert own.sells(7, "ts", 6)
    assert not own.sells(7, "ig", 6)
    assert not own.sells(8, "ts", 6)
    assert own.sells(8, "ig", 6)
    assert own.apart == {7}


def test_the_narrower_rule_comes_first() -> None:
    """A service before its category, a category in a country before the category."""
    rules = [
        sold(category="crypto"),
        shut(service="re"),
        shut(category="crypto", country=6),
    ]
    assert not Policy(rules).sells(None, "re", 7)
    assert Policy(rules).sells(None, "aon", 7)
    assert not Policy(rules).sells(None, "aon", 6)


def test_an_account_allowed_a_service_is_not_allowed_where_it_is_never_sold() -> None:
    """Service × country never: only a rule for the account that names both opens it."""
    rules = [shut(service="ig", country=6), sold(service="ig", customer_id=7)]
    assert not Policy(rules).sells(7, "ig", 6)
    assert Policy([*rules, sold(service="ig", country=6, customer_id=7)]).sells(7, "ig", 6)


def test_frozen_is_sold_to_nobody() -> None:
    """Whatever the rules say."""
    allowed = [sold(service="ig"), sold(service="ig", country=6, customer_id=7)]
    assert not Policy(allowed, frozen=["ig"]).sells(7, "ig", 6)


def test_the_allow_list_mode_sells_what_is_named() -> None:
    """Services, countries, or both."""
    services = Policy([sold(service="ig")], switches=["services_listed_only"])
    assert services.sells(None, "ig", 6)
    assert not services.sells(None, "wa", 6)
    countries = Policy([sold(country=6)], switches=["countries_listed_only"])
    assert countries.sells(None, "wa", 6)
    assert not countries.sells(None, "wa", 7)


async def test_until_the_rules_are_read_the_list_decides(settings: Settings) -> None:
    """A process that cannot read them sells nothing that is on the list, and nothing at all without asking."""
    async with open_desk(
        settings, "host=127.0.0.1 port=1 user=nobody dbname=nothing connect_timeout=1"
    ) as desk:
        assert not desk.policy.now.sells(None, "ts", 6)


Ask = Callable[["Doors", str], Awaitable[tuple[int, str]]]


@dataclass
class Doors:
    """Alice at every door, with own numbers for every listed service."""

    desk: Desk
    shop: Shop
    guest: Person
    page: Person

    async def rest(self, method: str, path: str, **sent: Any) -> tuple[int, str]:
        """The REST API; the code of its refusal."""
        head = {"Authorization": f"Bearer {sent.pop('key', self.shop.alice_key)}"}
        async with self.guest.http.request(
            method, f"{self.guest.url}/api/v1{path}", headers=head, **sent
        ) as got:
            found = await got.json()
            return got.status, str(found.get("code", ""))

    async def handler(self, script: str, **asked: str) -> tuple[int, str]:
        """The handler API in one dialect."""
        asked = {"api_key": self.shop.alice_key, **asked}
        async with self.guest.http.get(f"{self.guest.url}{script}", params=asked) as got:
            return got.status, await got.text()

    async def fivesim(self, path: str) -> tuple[int, str]:
        """5sim's door."""
        head = {"Authorization": f"Bearer {self.shop.alice_key}"}
        async with self.guest.http.get(f"{self.guest.url}/v1{path}", headers=head) as got:
            return got.status, await got.text()


CLASSIC, LATER = "/stubs/handler_api.php", "/stubs/handler_api_v2.php"
BUY, PRICE = "/resell/virtual/buy", "/resell/price"


async def _page_buy(doors: Doors, service: str) -> tuple[int, str]:
    got = await doors.page.post(
        "/buy", service=service, country="6", once="x" * 20 + service, quantity="1", swap=True
    )
    return got.status, "not sold" if "does not sell" in got.text else got.text[-300:]


EVERY_DOOR: dict[str, tuple[Ask, tuple[int, str]]] = {
    "REST buy": (lambda d, s: d.rest("POST", BUY, json={"service": s, "country": 6}), (403, "service_not_allowed")),
    "REST rehearsal": (
        lambda d, s: d.rest("POST", BUY, json={"service": s, "country": 6}, key=d.shop.alice_test_key),
        (403, "service_not_allowed"),
    ),
    "REST price": (
        lambda d, s: d.rest("GET", PRICE, params={"service": s, "country": "6"}), (403, "service_not_allowed"),
    ),
    "classic getNumber": (
        lambda d, s: d.handler(CLASSIC, action="getNumber", service=s, country="6"), (200, "BAD_SERVICE"),
    ),
    "classic getNumber anywhere": (
        lambda d, s: d.handler(CLASSIC, action="getNumber", service=s, country="any"), (200, "BAD_SERVICE"),
    ),
    "classic getNumberV2": (
        lambda d, s: d.handler(CLASSIC, action="getNumberV2", service=s, country="6"), (200, "BAD_SERVICE"),
    ),
    "classic getMultiServiceNumber": (
        lambda d, s: d.handler(CLASSIC, action="getMultiServiceNumber", multiService=f"ig,{s}", country="6"),
        (200, "BAD_SERVICE"),
    ),
    "5sim": (lambda d, s: d.fivesim(f"/user/buy/activation/indonesia/any/{words.product_word(s)}"), (400, "no product")),
    "5sim anywhere": (
        lambda d, s: d.fivesim(f"/user/buy/activation/any/any/{words.product_word(s)}"), (400, "no product"),
    ),
    "the page": (_page_buy, (403, "not sold")),
}  # fmt: skip


@asynccontextmanager
async def at_every_door(desk: Desk) -> AsyncIterator[Doors]:
    shop = await fill_shop(desk, numbers=3, services=(*SERVICES, *LISTED))
    async with serving(desk) as guest:
        page = await sign(guest, desk, shop.alice)
        await page.get("/docs")
        yield Doors(desk, shop, guest, page)


async def test_every_service_of_the_list_is_refused_at_every_door(desk: Desk, database_url: str) -> None:
    """By default nobody buys one, through whichever door he asks, and nothing is charged."""
    async with at_every_door(desk) as doors:
        wrong: dict[str, tuple[int, str]] = {}
        for name, (ask, expected) in EVERY_DOOR.items():
            services = LISTED[::SLOWLY] if name == "the page" else LISTED
            answers = await asyncio.gather(*(ask(doors, service) for service in services))
            wrong |= {
                f"{name} {service}": got
                for service, got in zip(services, answers, strict=True)
                if got != expected
            }
        assert wrong == {}
        status, text = await doors.handler(LATER, action="getNumber", service="ts", country="6")
        assert (status, "SERVICE_NOT_AVAILABLE" in text) == (403, True)
        async with desk.db.connection() as tx:
            row = await (await tx.execute("select count(*) from activation")).fetchone()
        assert row == (0,)
    assert audit.run(database_url) == []
