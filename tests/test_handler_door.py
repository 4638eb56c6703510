"""The handler API's doors on a whole installation: buying, the code, one more message, the end."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import account, running_site
from tests.databases import DemoHome
from tests.handler_program import LATER, Program, own_account
from tests.site import Site

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; when all is done nothing was unforeseen and its books balance."""
    with running_site(tmp_path_factory.mktemp("handler"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


@pytest.fixture
def customer(site: Site) -> dict[str, Any]:
    """An account of this test's own."""
    return own_account(site)


@pytest.fixture
def program(site: Site, customer: dict[str, Any]) -> Program:
    """At the classic door."""
    return Program(site, customer["api_key"])


@pytest.fixture
def later(site: Site, customer: dict[str, Any]) -> Program:
    """The same customer at the other door."""
    return Program(site, customer["api_key"], LATER)


def test_the_balance_has_its_decimals(program: Program) -> None:
    """`100.00`, and after a buy what is left to the last place."""
    assert program.say("getBalance") == "ACCESS_BALANCE:100.00"
    program.buy()
    assert program.say("getBalance") == program.say("getBalanceAndCashBack") == "ACCESS_BALANCE:99.888511"


def test_a_whole_job(program: Program) -> None:
    """Number, wait, code, one more message for nothing, its code, done: one id all the time."""
    one = program.buy()
    assert re.fullmatch(r"62\d{6,13}", program.numbers[one])
    assert 0 < int(one) < 2**63
    assert program.status(one) == "STATUS_WAIT_CODE"
    assert program.set(one, 1) == "ACCESS_READY"
    program.push(one, "Your Instagram code is 1234")
    assert program.status(one) == "STATUS_OK:1234"
    assert program.set(one, 3) == program.set(one, 3) == "ACCESS_RETRY_GET"
    assert program.status(one) == "STATUS_WAIT_RETRY:1234"
    assert program.active()[one]["activationStatus"] == "3"
    program.push(one, "987-654 is your Instagram code")
    assert program.status(one) == "STATUS_OK:987654"
    assert program.set(one, 6) == program.set(one, 6) == "ACCESS_ACTIVATION"
    assert program.status(one) == "STATUS_OK:987654"
    assert program.active() == {}
    assert program.say("getBalance") == "ACCESS_BALANCE:99.888511"


def test_done_while_waiting_for_one_more(program: Program) -> None:
    """Status 6 ends the wait, the last code stays the answer and the price is paid once."""
    one = program.received()
    program.set(one, 3)
    assert program.set(one, 6) == "ACCESS_ACTIVATION"
    assert program.status(one) == "STATUS_OK:1234"
    assert program.active() == {}
    assert program.say("getBalance") == "ACCESS_BALANCE:99.888511"


def test_another_message_before_the_first_changes_nothing(program: Program) -> None:
    """Programs that ask for one right after the buy go on waiting for the first."""
    one = program.buy()
    assert program.set(one, 3) == "ACCESS_RETRY_GET"
    assert program.status(one) == "STATUS_WAIT_CODE"
    program.push(one, "Your code is 5555")
    assert program.status(one) == "STATUS_OK:5555"


@pytest.mark.parametrize("status", [8, -1])
def test_cancel_gives_the_money_back(program: Program, status: int) -> None:
    """Both numbers cancel; repeated it is the same answer and no more money."""
    one = program.buy()
    assert program.set(one, status) == program.set(one, status) == "ACCESS_CANCEL"
    assert program.status(one) == program.say("getStatusV2", id=one) == "STATUS_CANCEL"
    assert program.say("getFullSms", id=one) == "STATUS_CANCEL"
    assert program.say("getBalance") == "ACCESS_BALANCE:100.00"


def test_statuses_that_cannot_be(program: Program, site: Site) -> None:
    """BAD_STATUS for a number that is none and for a step that is not open; NO_ACTIVATION for what is not ours."""
    one = program.buy()
    for status in (0, 2, 7, "", "x"):
        assert program.set(one, status) == "BAD_STATUS"
    assert program.set(one, 6) == "BAD_STATUS"  # no code has come
    program.push(one, "Your code is 1234")
    assert program.set(one, 8) == "BAD_STATUS"
    program.set(one, 6)
    assert [program.set(one, status) for status in (1, 3, 8)] == ["BAD_STATUS"] * 3
    other = Program(site, site.demo["api_key"])
    for nobody in (one, "999999999999", "abc", "-1", "1" * 40, ""):
        for action in ("getStatus", "getStatusV2", "getFullSms", "getAllSms"):
            assert other.say(action, id=nobody) == "NO_ACTIVATION"
        assert other.set(nobody, 8) == "NO_ACTIVATION"
    assert program.say("getStatus") == "NO_ACTIVATION"


def test_the_message_itself(program: Program) -> None:
    """getStatusV2, getFullSms and getAllSms before, between and after two messages."""
    one = program.buy()
    nothing = {"verificationType": 0, "sms": None, "call": None}
    assert program.say("getStatusV2", id=one) == nothing
    assert program.say("getFullSms", id=one) == "STATUS_WAIT_CODE"
    program.push(one, "Your code is 1234")
    seen = program.say("getStatusV2", id=one)
    assert re.fullmatch(MOMENT, seen["sms"].pop("dateTime"))
    assert seen == {**nothing, "sms": {"code": "1234", "text": "Your code is 1234"}}
    assert program.say("getFullSms", id=one) == "FULL_SMS:Your code is 1234"
    program.set(one, 3)
    assert program.say("getStatusV2", id=one) == nothing
    program.push(one, "Your code is 9876")
    messages = program.say("getAllSms", id=one)["data"]
    assert [message["code"] for message in messages] == ["1234", "9876"]
    assert messages[0]["phoneFrom"] == "Example"
    assert program.say("getAllSms", id=one, size=1, page=2)["data"] == messages[1:]


def test_a_number_in_full(program: Program) -> None:
    """getNumberV2: which are strings, which numbers, and that nothing is null."""
    body = program.say("getNumberV2", service="ig", country=6, operator="axis")
    assert type(body["activationId"]) is int
    assert re.fullmatch(r"62\d{6,13}", body["phoneNumber"])
    assert (body["activationCost"], body["currency"]) == (0.111489, 840)
    assert (body["countryCode"], body["canGetAnotherSms"], body["activationOperator"]) == ("6", "1", "axis")
    assert re.fullmatch(MOMENT, body["activationTime"])
    assert all(value is not None for value in body.values())


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"service": ""}, "BAD_SERVICE"),
        ({"service": "zzzz9"}, "BAD_SERVICE"),
        ({"service": "full"}, "BAD_SERVICE"),
        ({"service": "test_never"}, "BAD_SERVICE"),
        ({"country": "9998"}, "BAD_COUNTRY"),
        ({"country": "x"}, "BAD_COUNTRY"),
        ({"country": ""}, "NO_NUMBERS"),  # the field's usual country, which has none here
        ({"country": "7"}, "NO_NUMBERS"),
        ({"operator": "nobody"}, "NO_NUMBERS"),
        ({"operator": "a b"}, "NO_NUMBERS"),
        ({"phoneException": "62"}, "NO_NUMBERS"),
        ({"phoneException": "62x"}, "WRONG_EXCEPTION_PHONE"),
        ({"phoneException": ",".join(["6281"] * 51)}, "WRONG_EXCEPTION_PHONE"),
        ({"maxPrice": "0.01"}, "WRONG_MAX_PRICE:0.1114892"),
        ({"maxPrice": "0"}, "WRONG_MAX_PRICE:0.1114892"),
        ({"maxPrice": "cheap"}, "ERROR_SQL"),
        ({"maxPrice": "NaN"}, "ERROR_SQL"),
        ({"maxPrice": "-1"}, "ERROR_SQL"),
        ({"activationType": "2"}, "NO_NUMBERS"),
        ({"forward": "1"}, "NO_NUMBERS"),
        ({"verification": "true"}, "NO_NUMBERS"),
    ],
)  # fmt: skip
def test_buys_that_are_refused(site: Site, given: dict[str, str], word: str) -> None:
    """Each reason in its own word, bare text, HTTP 200."""
    demo = Program(site, site.demo["api_key"])
    for action in ("getNumber", "getNumberV2"):
        said = demo.ask(action, **{"service": "ig", "country": "6", **given})
        assert (said.status, said.body) == (200, word)
        assert said.head["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "given",
    [
        {"operator": "any"},
        {"operator": "nobody,three"},
        {"phoneException": "6281, +6282,"},
        {"maxPrice": "0.111489"},  # what was charged last time
        {"maxPrice": "1e2"},
        {"country": "any"},
        {"forward": "0", "activationType": "0", "verification": "0"},
        {"ref": "1", "ref_id": "tysik", "json": "1", "userID": "7", "providerIds": "2295", "x": "y"},
    ],
)
def test_wishes_that_are_met(program: Program, given: dict[str, str]) -> None:
    """The usual wishes, and parameters that we do not know."""
    assert program.status(program.buy(**given)) == "STATUS_WAIT_CODE"


def test_any_country_is_the_cheapest_that_has_one(program: Program) -> None:
    """And the limit of the price holds there too."""
    assert program.say("getNumberV2", service="tg", country="any")["countryCode"] == "6"
    assert (
        program.say("getNumber", service="tg", country="any", maxPrice="0.01") == "WRONG_MAX_PRICE:0.0744551"
    )
    assert program.say("getNumber", service="fb", country="any") == "NO_NUMBERS"


def test_no_money(site: Site) -> None:
    """NO_BALANCE, and nothing is charged."""
    poor = Program(site, account(site, "poor-handler@example.org", "0.10")["api_key"])
    assert poor.say("getNumber", service="ig", country=6) == "NO_BALANCE"
    assert poor.say("getBalance") == "ACCESS_BALANCE:0.10"


def test_an_order_id_buys_once(program: Program, later: Program) -> None:
    """The second time it is ORDER_ALREADY_EXISTS, from either door, and the id is the activation's reference."""
    order = {"service": "ig", "country": 6, "orderId": "order/1"}
    bought = program.say("getNumberV2", **order)
    assert program.say("getNumberV2", **order) == program.say("getNumber", **order) == "ORDER_ALREADY_EXISTS"
    assert later.no("getNumberV2", **{**order, "service": "tg"}) == (409, "ORDER_ALREADY_EXISTS")
    assert later.ask("getNumber", **order).body["info"] == {"activationId": bought["activationId"]}
    assert list(program.active()) == [str(bought["activationId"])]
    assert program.say("getNumber", **{**order, "orderId": "é" * 300}).startswith("ACCESS_NUMBER:")
    assert program.say("getNumber", **{**order, "orderId": "é" * 300}) == "ORDER_ALREADY_EXISTS"


def test_a_refused_order_id_may_be_tried_again(program: Program) -> None:
    """A refusal has changed nothing."""
    order = {"service": "ig", "country": 6, "orderId": "2"}
    assert program.say("getNumber", **order, maxPrice="0.01") == "WRONG_MAX_PRICE:0.1114892"
    assert program.say("getNumber", **order).startswith("ACCESS_NUMBER:")


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ({"orderId": "o", "userId": "u"}, "o"),
        ({"userId": "u\n7", "ref": "r"}, "u7"),
        ({"ref": "r" * 300}, "r" * 255),
    ],
)
def test_the_reference(site: Site, customer: dict[str, Any], given: dict[str, str], reference: str) -> None:
    """The order's own id, else the end customer's, else the referral, in one line of bounded length."""
    Program(site, customer["api_key"]).buy(**given)
    listed = site.call("GET", "/api/v1/resell/activations", key=customer["api_key"])[1]["data"]
    assert [each["reference"] for each in listed] == [reference]


def test_an_order_of_which_nothing_is_known_yet(site: Site, customer: dict[str, Any]) -> None:
    """ERROR_SQL, which programs repeat; its money is held, and the activation appears when its number is known."""
    program = Program(site, customer["test_key"])
    later = Program(site, customer["test_key"], LATER)
    said = program.say("getNumber", service="test_timeout", country=6, orderId="7")
    assert said == "ERROR_SQL"
    listed = site.call("GET", "/api/v1/resell/activations?reference=7", key=customer["test_key"])[1]["data"]
    one = listed[0]["activation_id"]
    assert program.status(one) == "STATUS_WAIT_CODE"
    assert program.active() == {}
    assert program.set(one, 8) == "EARLY_CANCEL_DENIED"
    denied = later.ask("cancelActivation", id=one)
    assert (denied.status, denied.body["title"]) == (409, "EARLY_CANCEL_DENIED")
    assert denied.body["info"]["minActivationTime"] >= 5
    assert program.say("getNumber", service="test_timeout", country=6, orderId="7") == "ORDER_ALREADY_EXISTS"
    assert later.no("getNumber", service="test_timeout", country=6) == (500, "SERVER_ERROR")
    until = time.monotonic() + 20
    while one not in program.active() and time.monotonic() < until:
        time.sleep(0.2)
    assert program.active()[one]["phoneNumber"].startswith("62")


@pytest.mark.parametrize(
    ("service", "word"),
    [
        ("test_no_numbers", "NO_NUMBERS"),
        ("test_unavailable", "ERROR_SQL"),
        ("test_insufficient_balance", "NO_BALANCE"),
    ],
)
def test_the_magic_of_test_keys(site: Site, service: str, word: str) -> None:
    """A test key rehearses what can go wrong, in this protocol's words."""
    assert Program(site, site.demo["test_key"]).say("getNumber", service=service, country=6) == word


def test_a_test_key_gets_its_code(site: Site) -> None:
    """Any service in any country, by the simulator, within seconds."""
    program = Program(site, site.demo["test_key"])
    one = program.buy("fb", country="any")
    until = time.monotonic() + 15
    while program.status(one) == "STATUS_WAIT_CODE" and time.monotonic() < until:
        time.sleep(0.2)
    assert re.fullmatch(r"STATUS_OK:\d{6}", program.status(one))
