"""The handler API's doors: prices, stock, code tables, and what is not sold here."""

from collections.abc import Iterator

import pytest

from ringlet import canon
from ringlet.web.handler import absent, words
from tests.contract import execute, running_site
from tests.databases import DemoHome
from tests.handler_program import LATER, Program
from tests.site import Site

TALLY = (
    "insert into success_tally select 1, country, 'ig', 'any', date_trunc('hour', now()), orders, codes, 60"
    " from (values (6, 150, 100), (2, 50, 10)) as told (country, orders, codes)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; when all is done nothing was unforeseen and its books balance."""
    with running_site(tmp_path_factory.mktemp("handler-prices"), cluster, demo_home) as running:
        execute(running, TALLY)
        running.stop()
        running.start()  # rates are read at the start
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


@pytest.fixture
def program(site: Site) -> Program:
    """The demo's customer at the classic door."""
    return Program(site, site.demo["api_key"])


def test_prices(program: Program) -> None:
    """Country, service, then cost and counts; by price; by provider. Filters narrow it, and nothing is `{}`."""
    cell = program.say("getPrices", service="ig", country=6)["6"]["ig"]
    assert cell["cost"] == 0.1114892
    assert cell["count"] == cell["physicalCount"] > 9_000
    assert set(program.say("getPrices", country=6)["6"]) == {"ig", "wa", "tg", "go"}
    assert set(program.say("getPrices")["6"]) == {"ig", "wa", "tg", "go"}
    assert set(program.say("getPrices", service="wa", country="any")["6"]) == {"wa"}
    assert program.say("getPricesExtended", service="ig", country=6)["6"]["ig"]["cost"] == 0.1114892
    assert program.say("getPricesV2", service="ig", country=6)["6"]["ig"]["0.1114892"] > 9_000
    assert program.say("getPricesV3", service="ig")["6"]["ig"]["1"]["price"] == 0.1114892
    for action in ("getPrices", "getPricesV2", "getPricesV3"):
        assert program.say(action, country=7) == program.say(action, service="fb") == {}
    assert program.say("getPrices", service="zzzz9") == {"status": "false", "msg": "service is incorrect"}
    assert program.say("getPrices", country="9998") == {"status": "false", "msg": "country is incorrect"}


def test_what_there_is_of_each_service(program: Program) -> None:
    """Every service with its count, also those without."""
    counts = program.say("getNumbersStatus", country=6)
    assert counts["ig_0"] > 9_000
    assert counts["fb_0"] == counts["av_1"] == 0
    assert {f"{code}_0" for code in canon.services()} <= set(counts)
    assert 1_500 < program.say("getNumbersStatus", country=6, operator="axis")["ig_0"] <= 2_000
    assert program.say("getNumbersStatus")["ig_0"] == 0
    assert program.say("getNumbersStatus", country="any")["ig_0"] > 9_000


@pytest.mark.parametrize("action", ["getTopCountriesByService", "getTopCountriesByServiceRank"])
def test_where_to_buy(program: Program, action: str) -> None:
    """By the number of the country; of all services by their codes; with the map of prices when it is asked for."""
    one = program.say(action, service="ig")
    assert list(one) == ["6"]
    assert (one["6"]["country"], one["6"]["price"]) == (6, 0.1114892)
    assert "freePriceMap" not in one["6"]
    assert program.say(action, service="ig", freePrice="true")["6"]["freePriceMap"]["0.1114892"] > 9_000
    assert set(program.say(action)) == {"ig", "wa", "tg", "go"}
    assert program.say(action, service="zzzz9") == "BAD_SERVICE"
    assert program.say(action, service="fb") == {}


def test_how_well_countries_do(program: Program) -> None:
    """Share and rate in percent, as text, from the orders of the last day."""
    rows = [
        {"country": "6", "share": "75.00", "rate": "66.67"},
        {"country": "2", "share": "25.00", "rate": "20.00"},
    ]
    assert program.say("getListOfTopCountriesByService", service="ig") == rows
    assert program.say("getListOfTopCountriesByService", service="ig", length=1, page=2) == rows[1:]
    assert program.say("getListOfTopCountriesByService", service="wa") == []
    assert program.say("getListOfTopCountriesByService", service="zzzz9") == "WRONG_SERVICE"


def test_the_code_tables(program: Program) -> None:
    """Countries by number, services as a list, operators without "any"."""
    countries = program.say("getCountries")
    assert len(countries) >= 200
    assert (countries["6"]["id"], countries["6"]["eng"]) == (6, "Indonesia")
    assert len(program.say("getServicesList", lang="en")["services"]) >= 500
    assert {each["code"] for each in program.say("getServicesList", country=6)["services"]} == {
        "ig",
        "wa",
        "tg",
        "go",
    }
    operators = {"6": ["axis", "indosat", "smartfren", "telkomsel", "three"]}
    for given in ({}, {"country": 6}):
        assert program.say("getOperators", **given) == {"status": "success", "countryOperators": operators}
    assert program.say("getOperators", country=7) == "OPERATORS_NOT_FOUND"
    for action in ("getServicesList", "getOperators"):
        assert program.say(action, country="9998") == "BAD_COUNTRY"


@pytest.mark.parametrize("action", sorted(absent.REFUSED))
def test_what_is_not_sold_here(site: Site, action: str) -> None:
    """Refused in its own word, in the form that this action has, and never a failure of ours."""
    word, place = absent.REFUSED[action]
    key = site.demo["api_key"]
    said = Program(site, key).say(action, id="1", service="ig")
    assert said == (word if place is None else {"status": "error", place: word})
    status, title = Program(site, key, LATER).no(action, id="1", service="ig")
    assert 400 <= status < 500
    assert title == (words.WORDS[word].title or word)


def test_calls_have_no_prices(program: Program) -> None:
    """They are not sold: an empty table."""
    assert program.say("getPricesVerification") == {}
