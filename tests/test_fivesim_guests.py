"""5sim's REST API at our own door: who may come in, how often, and what guests see."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ringlet.demo import OPERATORS
from tests.contract import account, execute, running_site
from tests.databases import DemoHome
from tests.fivesim_site import FiveSimSite
from tests.site import Site

PRICE = 0.1114892  # of instagram in the demo


@pytest.fixture(scope="module")
def site(cluster: str, demo_home: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("fivesim"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


@pytest.fixture(scope="module")
def five(site: Site) -> FiveSimSite:
    return FiveSimSite(site)


def test_guests_see_prices_without_a_key(five: FiveSimSite) -> None:
    """Country → product → operator, or product → country → operator, and null where there is nothing."""
    line = five.good("/guest/prices", None)["indonesia"]["instagram"]["telkomsel"]
    assert (line["cost"], line["count"] > 0) == (PRICE, True)
    assert set(five.good("/guest/prices?country=indonesia&product=", None)["indonesia"]) == {
        "instagram", "whatsapp", "telegram", "google",
    }  # fmt: skip
    both = five.good("/guest/prices?country=indonesia&product=telegram", None)
    assert both["indonesia"]["telegram"].keys() == set(OPERATORS)
    alone = five.good("/guest/prices?product=telegram", None)
    assert alone == {"telegram": {"indonesia": both["indonesia"]["telegram"]}}
    for nothing in ("country=england", "product=tinder", "country=england&product=tinder"):
        assert five.good(f"/guest/prices?{nothing}", None) is None
    assert five.good("/guest/prices?country=indonesia&product=telegram") == both


@pytest.mark.parametrize("path", ["indonesia/any", "indonesia/telkomsel", "any/any", "6/ANY"])
def test_guests_see_products(five: FiveSimSite, path: str) -> None:
    """Of a country or any, of an operator or any: category, quantity and price."""
    found = five.good(f"/guest/products/{path}", None)
    assert found.keys() == {"instagram", "whatsapp", "telegram", "google"}
    assert (found["instagram"]["Category"], found["instagram"]["Price"]) == ("activation", PRICE)
    assert found["instagram"]["Qty"] > 0


def test_what_nobody_sells_is_no_product(five: FiveSimSite) -> None:
    """A country or an operator without numbers has an empty list, not an error."""
    assert five.good("/guest/products/england/any", None) == {}
    assert five.good("/guest/products/indonesia/nosuch", None) == {}


def test_guests_see_countries_and_no_notice(five: FiveSimSite) -> None:
    """Four fields in their order, then the operators: some programs count them off."""
    countries = five.good("/guest/countries", None)
    assert len(countries) > 190
    assert list(countries["indonesia"]) == [
        "iso", "prefix", "text_en", "text_ru", *sorted(OPERATORS),
    ]  # fmt: skip
    assert countries["indonesia"]["iso"] == {"id": 1}
    assert countries["indonesia"]["prefix"] == {"+62": 1}
    assert countries["england"]["text_en"] == "United Kingdom"
    assert five.good("/guest/flash/en", None) == {"text": ""}


@pytest.mark.parametrize("path", ["/user/profile", "/user/orders", "/user/check/1", "/vendor/wallets",
                                  "/user/buy/activation/indonesia/any/instagram"])  # fmt: skip
def test_without_a_key_nobody_is_let_in(five: FiveSimSite, path: str) -> None:
    """None, an unknown one, or a made-up one: 401, and for guests' lists it does not matter."""
    for key in (None, "nonsense", "rl_live_" + "0" * 43):
        assert five.get(path, key) == (401, "unauthorized")
    assert five.get("/guest/flash/en", "nonsense")[0] == 200


def test_the_keys_own_faults_are_401(five: FiveSimSite) -> None:
    """A frozen account and a missing scope: programs of this protocol know one status for it, and the text says why."""
    customer = account(five.site, "frozen@example.com")
    key = customer["api_key"]
    assert five.get("/user/payments", key)[0] == 200
    execute(five.site, "update api_key set scopes = '{balance:read}' where wallet_id in"
            " (select id from wallet where customer_id = %s)", customer["id"])  # fmt: skip
    assert five.get("/user/buy/activation/indonesia/any/instagram", key) == (
        401, "this api key lacks the scope activations:write",
    )  # fmt: skip
    execute(five.site, "update customer set frozen_at = now() where id = %s", customer["id"])
    assert five.get("/user/payments", key) == (401, "this account is frozen")


def test_who_has_no_money_is_told_so(five: FiveSimSite) -> None:
    """An account at zero buys nothing."""
    key = account(five.site, "poor@example.com", "0.01")["api_key"]
    assert five.get("/user/buy/activation/indonesia/any/instagram", key) == (400, "not enough user balance")


def test_too_many_guests_of_one_address_are_held_up(five: FiveSimSite) -> None:
    """Twenty a second without a key; who has one is not counted among them."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: five.get("/guest/flash/en", None), range(120)))
        owners = list(pool.map(lambda _: five.get("/guest/flash/en"), range(60)))
    refused = [answer for answer in answers if answer[0] != 200]
    assert refused
    assert set(refused) == {(503, "ip address limit is 20 requests per second")}
    assert {status for status, _ in owners} == {200}


def test_a_key_has_its_own_limit(tmp_path: Path, database_url: str) -> None:
    """Over the key's rate: 429 in the protocol's words with our number, also for guests' lists with the key."""
    running = Site(tmp_path / "home", database_url, RINGLET_RATE_LIMIT="5")
    running.start()
    try:
        limited = FiveSimSite(running)
        with ThreadPoolExecutor(8) as pool:
            for path in ("/user/max-prices", "/guest/flash/en"):
                answers = list(pool.map(limited.get, [path] * 60))
                refused = [answer for answer in answers if answer[0] != 200]
                assert refused
                assert set(refused) == {(429, "api limit is 5 requests per second")}
    finally:
        running.stop()
