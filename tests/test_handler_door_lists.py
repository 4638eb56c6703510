"""The handler API's doors: one id for a whole lease, its lists, a number once more, and the later dialect."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.contract import account, running_site
from tests.databases import DemoHome
from tests.handler_program import LATER, Program, own_account
from tests.site import Site

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; when all is done nothing was unforeseen and its books balance."""
    with running_site(tmp_path_factory.mktemp("handler-lists"), cluster, demo_home) as running:
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


def test_the_active_list(program: Program) -> None:
    """Under both names, newest first, each lease once, in parts as asked; an empty one is a success."""
    assert program.say("getActiveActivations") == {"status": "success", "activeActivations": [], "data": []}
    first, second = program.received(), program.buy("tg")
    program.set(first, 3)
    program.say("setStatus", id=program.buy(), status=8)
    rows = program.active()
    assert list(rows) == [first, second] or list(rows) == [second, first]
    assert [rows[each]["activationStatus"] for each in (first, second)] == ["3", "4"]
    row = rows[first]
    assert (row["serviceCode"], row["phoneNumber"], row["smsCode"]) == ("ig", program.numbers[first], "1234")
    assert (row["activationCost"], row["countryCode"], row["countryName"]) == (0.111489, "6", "Indonesia")
    parts = [program.say("getActiveActivations", start=at, limit=1)["data"] for at in range(3)]
    assert [each["activationId"] for part in parts for each in part] == list(rows)


def test_the_history(program: Program) -> None:
    """Every lease once, newest first, with what it cost and the number of its end."""
    open_one, done, cancelled = program.buy("tg"), program.done(), program.buy()
    program.set(cancelled, 8)
    rows = program.say("getHistory")
    assert [row["id"] for row in rows] == [cancelled, done, open_one]
    assert [(row["status"], row["cost"]) for row in rows] == [("8", 0), ("6", 0.111489), ("4", 0.074455)]
    assert [row["sms"] for row in rows] == ["", "Your code is 1234", ""]
    assert all(re.fullmatch(MOMENT, row["date"]) and row["currency"] == 840 for row in rows)
    assert (
        program.say("getHistory", offset=1, limit=1)
        == program.say("getHistory", offset=1, size=1)
        == rows[1:2]
    )
    now = int(time.time())
    assert program.say("getHistory", start=now - 3600, end=now + 60) == rows
    assert program.say("getHistory", end=now - 3600) == []
    assert program.say("getHistory", start="2020-01-01T00:00:00") == rows
    for start, end in ((now, now - 1), ("soon", ""), ("9" * 11, "9" * 12)):
        assert program.say("getHistory", start=start, end=end) == "WRONG_DATE"


def test_a_finished_number_once_more(program: Program, later: Program) -> None:
    """It has a price and a new id; the old id keeps its own end."""
    one = program.done()
    told = program.say("checkExtraActivation", activationId=one)
    assert told == {
        "status": "success",
        "cost": 0.111489,
        "service": "ig",
        "phone": int(program.numbers[one]),
        "country": 6,
    }
    word, extra, phone = program.say("getExtraActivation", activationId=one).split(":")
    assert (word, phone) == ("ACCESS_NUMBER", program.numbers[one])
    assert extra != one
    assert (program.status(one), program.status(extra)) == ("STATUS_OK:1234", "STATUS_WAIT_CODE")
    assert list(program.active()) == [extra]
    assert program.say("getBalance") == "ACCESS_BALANCE:99.777022"
    assert [row["id"] for row in program.say("getHistory")] == [extra, one]
    assert later.no("reactivate", id=one) == (409, "RENEW_ACTIVATION_NOT_AVAILABLE")
    program.set(extra, 8)
    assert later.say("reactivationPrice", id=one) == {"status": "success", "data": {"price": 0.111489}}
    assert later.say("reactivate", id=one)["phoneNumber"] == phone


def test_what_cannot_be_had_once_more(program: Program) -> None:
    """Somebody else's activation, and one that goes on: in the JSON of these two actions."""
    for action in ("getExtraActivation", "checkExtraActivation"):
        assert program.say(action, activationId="1")["error"] == "WRONG_ACTIVATION_ID"
        body = program.say(action, id=program.received())
        assert (body["status"], body["error"]) == ("error", "RENEW_ACTIVATION_NOT_AVAILABLE")
        assert body["msg"]


def test_the_later_dialect(later: Program) -> None:
    """Successes as ever; refusals as statuses of HTTP with title, details and info; NO_NUMBERS stays text."""
    assert later.say("getBalance") == "ACCESS_BALANCE:100.00"
    one = later.buy()
    assert later.say("getStatusV2", id=one) == {
        "verificationType": 0,
        "sms": None,
        "call": None,
        "data": None,
    }
    later.push(one, "Your code is 1234")
    seen = later.say("getStatusV2", id=one)
    assert (seen["verificationType"], seen["sms"]["code"], seen["data"]["code"]) == (0, "1234", "1234")
    assert (
        later.no("cancelActivation", id=one)
        == later.no("setStatus", id=one, status=8)
        == (409, "OTP_RECEIVED")
    )
    assert later.say("setStatus", id=one, status=3) == "ACCESS_RETRY_GET"
    done = later.ask("finishActivation", id=one)
    assert (done.status, done.body) == (204, "")
    assert later.no("setStatus", id=one, status=3) == (409, "ACTIVATION_NOT_ACTIVE")
    two = later.buy()
    assert later.no("finishActivation", id=two) == (409, "ACTIVATION_NOT_ACTIVE")
    assert later.no("setStatus", id=two, status=7) == (400, "BAD_STATUS")
    assert later.ask("cancelActivation", id=two).status == later.ask("cancelActivation", id=two).status == 204
    assert later.say("getStatus", id=two) == "STATUS_CANCEL"
    assert later.no("getStatus", id="1") == later.no("finishActivation", id="x") == (404, "NOT_FOUND")
    assert later.say("getNumber", service="ig", country=7) == "NO_NUMBERS"
    assert later.no("getNumber", service="zzzz9") == (400, "BAD_SERVICE")
    assert later.no("getNumber", service="ig", country=6, maxPrice="x") == (422, "UNPROCESSABLE_ENTITY")
    dear = later.ask("getNumberV2", service="ig", country=6, maxPrice="0.01")
    assert (dear.status, dear.body["title"], dear.body["info"]) == (
        400,
        "WRONG_MAX_PRICE",
        {"min": 0.1114892},
    )
    assert later.no("getPrices", service="zzzz9") == (400, "BAD_SERVICE")
    assert later.no("getOperators", country=7) == (404, "OPERATORS_NOT_FOUND")
    assert later.no("getRentNumber", service="ig") == (404, "NO_NUMBERS")


def test_no_money_at_the_later_door(site: Site) -> None:
    """402 NO_BALANCE."""
    key = account(site, "poor-later@example.org", "0.10")["api_key"]
    assert Program(site, key, LATER).no("getNumber", service="ig", country=6) == (402, "NO_BALANCE")


def test_a_lease_of_both_doors(site: Site, customer: dict[str, Any], program: Program) -> None:
    """Bought and asked again by REST, the handler's id is the first one's, and any of its ids finds it."""
    key = customer["api_key"]
    bought = site.call("POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6}, key=key)[1][
        "activation"
    ]
    one = bought["activation_id"]
    program.numbers[one] = bought["phone"]
    program.push(one, "Your code is 1234")
    resent = site.call("POST", "/api/v1/resell/virtual/resend", {"activation_id": one}, key=key)[1][
        "activation"
    ]
    assert program.status(one) == program.status(resent["activation_id"]) == "STATUS_WAIT_RETRY:1234"
    assert list(program.active()) == [one]
    assert program.set(resent["activation_id"], 6) == "ACCESS_ACTIVATION"
    seen = site.call("GET", f"/api/v1/resell/virtual/{resent['activation_id']}/status", key=key)[1]
    assert seen["status"] == "cancelled"


def test_a_lease_that_is_over_is_not_leased_anew(site: Site, program: Program) -> None:
    """Status 3 is free or refused: after the end of the lease it is no hidden purchase."""
    one = program.received()
    with psycopg.connect(site.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("update activation set expires_at = now() where public_id = %s", [int(one)])
    assert program.set(one, 3) == "BAD_STATUS"
    assert program.say("getBalance") == "ACCESS_BALANCE:99.888511"


def test_the_same_at_the_same_time(program: Program) -> None:
    """Eight at once that ask for one more message, or buy under one order id: once, and paid once."""
    one = program.received()
    with ThreadPoolExecutor(8) as crowd:
        said = list(crowd.map(lambda _: program.set(one, 3), range(8)))
        assert said == ["ACCESS_RETRY_GET"] * 8
        order = {"service": "tg", "country": 6, "orderId": "crowd"}
        bought = list(crowd.map(lambda _: program.say("getNumber", **order), range(8)))
    assert min(bought).startswith("ACCESS_NUMBER:")
    assert sorted(bought)[1:] == ["ORDER_ALREADY_EXISTS"] * 7
    assert len(program.active()) == 2
    assert program.say("getBalance") == "ACCESS_BALANCE:99.814056"
