"""Every example of the public reference, on an installation of our own: names, types and values as shown."""

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import account, refused, running_site
from tests.databases import DemoHome
from tests.site import Site

PRICES = {
    "ig": (0.0334, 0.1114892),
    "wa": (0.0389, 0.1298737),
    "tg": (0.0223, 0.0744551),
    "go": (0.0278, 0.0928206),
}
EVERY_ENDPOINT = [
    ("GET", "/api/v1/resell/price?service=ig&country=6"),
    ("GET", "/api/v1/prices"),
    ("POST", "/api/v1/resell/virtual/buy"),
    ("GET", "/api/v1/resell/virtual/4390520873/status"),
    ("POST", "/api/v1/resell/virtual/resend"),
    ("POST", "/api/v1/resell/virtual/cancel"),
    ("GET", "/api/v1/resell/activations"),
    ("GET", "/api/v1/balance"),
    ("GET", "/api/v1/countries"),
    ("GET", "/api/v1/services"),
    ("GET", "/api/v1/operators?country=6"),
]
_sms_ids = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation for all examples; when they are through, its books balance."""
    with running_site(tmp_path_factory.mktemp("reference"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


def get(site: Site, path: str, **more: Any) -> Any:
    """The body of an answer that must be a success."""
    status, body, _ = site.call("GET", f"/api/v1{path}", **more)
    assert status == 200, body
    return body


def post(site: Site, path: str, body: Any, **more: Any) -> Any:
    status, answer, _ = site.call("POST", f"/api/v1/resell/virtual/{path}", body, **more)
    assert status == 200, answer
    return answer


def buy(site: Site, service: str = "ig", **more: Any) -> Any:
    return post(site, "buy", {"service": service, "country": 6}, **more)["activation"]


def push(site: Site, activation: Any, text: str) -> None:
    assert site.push(activation["phone"], text, next(_sms_ids)) == {"status": "SUCCESS"}


def status_of(site: Site, activation: Any, **more: Any) -> Any:
    return get(site, f"/resell/virtual/{activation['activation_id']}/status", **more)


def test_price_is_the_example_to_the_byte(site: Site) -> None:
    """Exactly four fields, the country as text, prices as numbers with all their places."""
    status, body, head = site.call("GET", "/api/v1/resell/price?service=ig&country=6")
    assert status == 200
    assert body == {"country": "6", "service": "ig", "base_price": 0.0334, "sell_price": 0.1114892}
    assert head["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("service=zzzz9&country=6", 404, "not_found"),
        ("service=ig&country=9998", 404, "not_found"),
        ("service=ig&country=7", 404, "not_found"),
        ("service=ig", 422, "validation_failed"),
        ("country=6", 422, "validation_failed"),
        ("service=ig&country=abc", 422, "validation_failed"),
    ],
)
def test_price_of_what_is_not_sold(site: Site, query: str, status: int, code: str) -> None:
    """No offer is not_found; what cannot be a service or a country is not valid."""
    refused(site.call("GET", f"/api/v1/resell/price?{query}"), status, code)


def test_prices_of_one_country_are_the_example(site: Site) -> None:
    """Country, service, then base price, sell price and a whole number available."""
    body = get(site, "/prices?country=6")
    assert set(body) == {"success", "prices"}
    assert body["success"] is True
    assert set(body["prices"]) == {"6"}
    for service, (base_price, sell_price) in PRICES.items():
        cell = body["prices"]["6"][service]
        assert set(cell) == {"base_price", "sell_price", "available"}
        assert (cell["base_price"], cell["sell_price"]) == (base_price, sell_price)
        assert type(cell["available"]) is int


def test_prices_of_everything_of_one_service_and_of_one_cell(site: Site) -> None:
    """The same nesting with no filter, one filter or both."""
    assert set(get(site, "/prices")["prices"]["6"]) == set(PRICES)
    assert set(get(site, "/prices?service=wa")["prices"]["6"]) == {"wa"}
    assert set(get(site, "/prices?service=wa&country=6")["prices"]["6"]) == {"wa"}
    assert get(site, "/prices?service=wa&country=7")["prices"] == {}


def test_prices_answer_304_to_their_own_etag(site: Site) -> None:
    """A client that keeps the table transfers it only when it changed."""
    _, _, head = site.call("GET", "/api/v1/prices?country=7")
    status, body, _ = site.call("GET", "/api/v1/prices?country=7", headers={"If-None-Match": head["etag"]})
    assert (status, body) == (304, b"")


def test_buy_answers_like_the_example(site: Site) -> None:
    """Types and spelling of every field, the price held at six places, the order and the transaction."""
    before = get(site, "/balance")
    answer = post(site, "buy", {"service": "ig", "country": 6})
    activation = answer["activation"]
    assert answer["success"] is True
    assert type(activation["id"]) is int
    assert re.fullmatch(r"62\d{6,13}", activation["phone"])
    assert re.fullmatch(r"\d{6,18}", activation["activation_id"])
    assert (activation["msg"], activation["status"]) == ("Waiting Sms", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", activation["date_created"])
    assert activation["amount_paid"] == 0.111489
    assert answer["order"]["id"] == activation["activation_id"]
    assert type(answer["transaction"]["id"]) is int
    after = get(site, "/balance")
    assert round(before["balance"] - after["balance"], 6) == 0.111489
    assert round(after["held"] - before["held"], 6) == 0.111489


def test_the_added_fields_of_a_buy(site: Site) -> None:
    """The customer's own reference and the wishes of an order are taken and answered."""
    order = {"service": "tg", "country": 6, "max_price": 0.0744551, "operator": "axis", "reference": "order 1",
             "exclude_prefixes": ["6281"]}  # fmt: skip
    answer = post(site, "buy", order)
    activation = answer["activation"]
    assert (activation["service"], activation["country"], activation["operator"]) == ("tg", 6, "axis")
    assert activation["reference"] == answer["order"]["reference"] == "order 1"
    assert (activation["state"], activation["messages"], activation["resent_from"]) == ("waiting", [], None)


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"exclude_prefixes": ["62"]}, 409, "no_numbers"),
        ({"operator": "nobody"}, 409, "no_numbers"),
        ({"country": 7}, 409, "no_numbers"),
        ({"max_price": 0.01}, 409, "max_price_exceeded"),
        ({"service": "zzzz9"}, 404, "not_found"),
        ({"country": 9998}, 404, "not_found"),
    ],
)
def test_buys_that_are_refused(site: Site, more: Any, status: int, code: str) -> None:
    """Each reason has its own code."""
    answer = site.call("POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6, **more})
    body = refused(answer, status, code)
    assert code != "max_price_exceeded" or body["min_price"] == 0.1114892


def test_no_numbers_says_the_sentence_of_the_reference(site: Site) -> None:
    """Clients that compare the text find the same text."""
    order = {"service": "ig", "country": 6, "exclude_prefixes": ["62"]}
    body = refused(site.call("POST", "/api/v1/resell/virtual/buy", order), 409, "no_numbers")
    assert body["message"] == "No numbers available for this service in the selected country"


def test_insufficient_balance_says_the_sentence_of_the_reference(site: Site) -> None:
    """An account with less than the price is told so and charged nothing."""
    key = account(site, "poor@example.org", "0.10")["api_key"]
    order = {"service": "ig", "country": 6}
    answer = site.call("POST", "/api/v1/resell/virtual/buy", order, key=key)
    body = refused(answer, 402, "insufficient_balance")
    assert body["message"] == "Not enough balance to place the order"
    assert get(site, "/balance", key=key) == {"success": True, "balance": 0.1, "held": 0, "currency": "USD"}


def test_status_before_and_after_the_message(site: Site) -> None:
    """`waiting` with a null code, then `completed` with the code and the whole message, once."""
    activation = buy(site)
    before = status_of(site, activation)
    assert (before["success"], before["status"], before["code"]) == (True, "waiting", None)
    sms_id = next(_sms_ids)
    for _ in range(2):
        taken = site.push(activation["phone"], "Your Instagram code is 1234. Don't share it.", sms_id)
        assert taken == {"status": "SUCCESS"}
    after = status_of(site, activation)
    assert (after["success"], after["status"], after["code"]) == (True, "completed", "1234")
    for name in ("id", "phone", "activation_id"):
        assert after["activation"][name] == activation[name]
    (message,) = after["activation"]["messages"]
    assert message["text"] == "Your Instagram code is 1234. Don't share it."
    assert (after["activation"]["msg"], after["activation"]["status"]) == ("Sms Received", 2)


def test_resend_makes_a_new_activation_on_the_same_number(site: Site) -> None:
    """After a code: another id, the same phone, and the next message is its code."""
    old = buy(site)
    push(site, old, "Instagram code: 4321")
    answer = post(site, "resend", {"activation_id": old["activation_id"]})
    assert (answer["success"], answer["message"]) == (True, "Resend requested; new activation created")
    fresh = answer["activation"]
    assert (fresh["phone"], fresh["resent_from"]) == (old["phone"], old["activation_id"])
    assert fresh["activation_id"] != old["activation_id"]
    assert type(fresh["id"]) is int
    assert (fresh["msg"], fresh["status"]) == ("Waiting Another Sms", 3)
    push(site, fresh, "987-654 is your Instagram code")
    assert status_of(site, fresh)["code"] == "987654"


def test_cancel_refunds_before_it_answers_and_only_once(site: Site) -> None:
    """The reference's two answers, to the letter, and the whole price back at once."""
    before = get(site, "/balance")
    body = {"activation_id": buy(site, "tg")["activation_id"]}
    accepted = {
        "success": True,
        "code": "cancel_accepted",
        "message": "Cancellation accepted, refund processed",
    }
    assert post(site, "cancel", body) == accepted
    assert get(site, "/balance") == before
    rejected = refused(site.call("POST", "/api/v1/resell/virtual/cancel", body), 409, "cancel_rejected")
    sentence = "Cancellation rejected — activation already completed or not refundable"
    assert rejected["message"] == sentence
    cancelled = status_of(site, body)
    assert (cancelled["status"], cancelled["code"]) == ("cancelled", None)
    assert cancelled["activation"]["refunded"] is True


def test_cancel_after_the_code_is_rejected(site: Site) -> None:
    """What was delivered is not refundable."""
    activation = buy(site)
    push(site, activation, "Your code is 5678")
    body = {"activation_id": activation["activation_id"]}
    refused(site.call("POST", "/api/v1/resell/virtual/cancel", body), 409, "cancel_rejected")


def test_the_list_is_paginated_newest_first(site: Site) -> None:
    """`page` and `per_page`, with totals that add up."""
    newest = [buy(site, "go")["id"] for _ in range(3)][::-1]
    body = get(site, "/resell/activations?page=1&per_page=2")
    meta = body["meta"]
    assert body["success"] is True
    assert [each["id"] for each in body["data"]] == newest[:2]
    assert (meta["page"], meta["per_page"]) == (1, 2)
    assert meta["last_page"] == -(-meta["total"] // 2)
    assert get(site, "/resell/activations?page=2&per_page=2")["data"][0]["id"] == newest[2]
    assert get(site, "/resell/activations?page=1&per_page=25")["meta"]["total"] == meta["total"]


@pytest.mark.parametrize("query", ["page=0", "per_page=0", "per_page=1000", "page=x"])
def test_list_pages_out_of_range(site: Site, query: str) -> None:
    """A page that cannot be is refused, not guessed."""
    refused(site.call("GET", f"/api/v1/resell/activations?{query}"), 422, "validation_failed")


@pytest.mark.parametrize(("method", "path"), EVERY_ENDPOINT)
@pytest.mark.parametrize("key", [None, "rl_live_" + "x" * 43])
def test_every_endpoint_needs_a_key(site: Site, method: str, path: str, key: str | None) -> None:
    """Without a key or with a made-up one: unauthorized, whatever is asked."""
    answer = site.call(method, path, {} if method == "POST" else None, key=key)
    refused(answer, 401, "unauthorized")
    assert answer[2]["www-authenticate"] == "Bearer"


def test_an_unknown_activation_is_not_found(site: Site) -> None:
    """Status, resend and cancel answer alike for what is not ours."""
    nobody = {"activation_id": "999999999999"}
    refused(site.call("GET", "/api/v1/resell/virtual/999999999999/status"), 404, "not_found")
    refused(site.call("POST", "/api/v1/resell/virtual/resend", nobody), 404, "not_found")
    refused(site.call("POST", "/api/v1/resell/virtual/cancel", nobody), 404, "not_found")


def test_countries_and_services_are_the_canonical_codes(site: Site) -> None:
    """The lists that the reference links to, each line with its fields and what is available."""
    countries = get(site, "/countries")["data"]
    indonesia = next(each for each in countries if each["id"] == 6)
    assert len(countries) >= 200
    assert {name: indonesia[name] for name in ("name", "iso", "prefix")} == {
        "name": "Indonesia", "iso": "ID", "prefix": "62",
    }  # fmt: skip
    assert indonesia["available"] > 0
    services = get(site, "/services")["data"]
    assert len(services) >= 500
    whatsapp = next(each for each in services if each["code"] == "wa")
    assert set(whatsapp) == {"code", "name", "available"}
    operators = get(site, "/operators?country=6")["data"]
    assert [each["name"] for each in operators] == ["axis", "indosat", "smartfren", "telkomsel", "three"]


def test_a_test_purchase_is_separate_and_delivers(site: Site) -> None:
    """A test key buys anything, gets a code within seconds, and no live key sees it."""
    key = site.demo["test_key"]
    activation = post(site, "buy", {"service": "wa", "country": 0}, key=key)["activation"]
    until = time.monotonic() + 15
    while (seen := status_of(site, activation, key=key))["code"] is None and time.monotonic() < until:
        time.sleep(0.2)
    assert seen["status"] == "completed"
    path = f"/api/v1/resell/virtual/{activation['activation_id']}/status"
    refused(site.call("GET", path), 404, "not_found")


def test_the_short_way_says_what_the_long_way_says(site: Site) -> None:
    """A status from memory, given at the door, is the handler's answer word for word, with the same headers."""
    activation = site.call("POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6})[1][
        "activation"
    ]
    path = f"/api/v1/resell/virtual/{activation['activation_id']}/status"
    long_way = site.call("GET", path + "?wait=0")
    short_way = [site.call("GET", path) for _ in range(3)]
    for status, body, head in short_way:
        assert (status, body) == long_way[:2]
        changing = {"x-request-id", "date"}
        assert {name.lower() for name in head} == {name.lower() for name in long_way[2]}
        assert all(head[name] == value for name, value in long_way[2].items() if name.lower() not in changing)
