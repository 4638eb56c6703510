"""`/api/v1/webhooks` as customers use it, on a whole installation with its own worker."""

import asyncio
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract import account, execute, refused, running_site
from tests.databases import DemoHome
from tests.fakes.receiver import Receiver
from tests.hooks import ALLOWED
from tests.site import Site

HOOKS = "/api/v1/webhooks"
ORDER = {"service": "ig", "country": 6}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation whose webhooks may go to this machine; each test has a customer of its own."""
    with running_site(tmp_path_factory.mktemp("hooks"), cluster, demo_home, **ALLOWED) as running:
        yield running
        assert running.audit() == ""
        assert '"unforeseen"' not in running.log.read_text()


@pytest.fixture
def customer(site: Site, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A customer of this test's own."""
    return account(site, f"{request.node.name}@example.org".replace("[", "-").replace("]", ""))


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a thread of its own, because the tests of this file wait for answers."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    receiver = Receiver()
    asyncio.run_coroutine_threadsafe(receiver.up(), loop).result(5)
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(receiver.down(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def until(what: Any, within_s: float = 10) -> Any:
    end = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class Customer:
    """Calls with one key."""

    def __init__(self, site: Site, key: str) -> None:
        self._site = site
        self._key = key

    def __call__(
        self, method: str, path: str, body: Any = None, once: str | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        headers = None if once is None else {"Idempotency-Key": once}
        return self._site.call(method, path, body, key=self._key, headers=headers)

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, answer, _ = self(method, path, body)
        assert (status, answer["success"]) == (200, True), answer
        return answer


def test_the_life_of_a_webhook(site: Site, customer: dict[str, Any]) -> None:
    """Made, seen, changed, tested, rotated, replayed, recovered, deleted; the secret is shown twice only."""
    call = Customer(site, customer["api_key"])
    with receiving() as receiver:
        made = call.ok("POST", HOOKS, {"url": receiver.url("/a"), "description": "the shop"})
        hook, secret = made["webhook"], made["secret"]
        path = f"{HOOKS}/{hook['id']}"
        assert call.ok("GET", path)["webhook"] == hook
        assert call.ok("GET", HOOKS)["data"] == [hook]
        assert "secret" not in call.ok("GET", path)

        test = call.ok("POST", f"{path}/test")["delivery"]
        until(lambda: receiver.heard)
        assert receiver.heard[0].payload["type"] == "webhook.test"
        assert receiver.heard[0].is_signed_by(secret)
        (sent,) = until(lambda: [e for e in call.ok("GET", f"{path}/deliveries")["data"] if e["attempts"]])
        assert (sent["id"], sent["state"], sent["attempts"][0]["status"]) == (test, "delivered", 200)
        assert sent["attempts"][0]["answer"] == "thanks"
        assert sent["webhook_id"] == receiver.heard[0].webhook_id

        renewed = call.ok("POST", f"{path}/rotate")["secret"]
        call.ok("POST", f"{path}/deliveries/{test}/replay")
        until(lambda: len(receiver.heard) == 2)
        assert receiver.heard[1].webhook_id == receiver.heard[0].webhook_id
        assert [receiver.heard[1].is_signed_by(each) for each in (secret, renewed)] == [True, True]

        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        assert call.ok("POST", f"{path}/recover", {"since": since})["recovered"] == 0
        changed = call.ok("PATCH", path, {"types": ["activation.completed"], "enabled": False})["webhook"]
        assert (changed["types"], changed["enabled"], changed["disabled_reason"]) == (
            ["activation.completed"], False, "disabled by you",
        )  # fmt: skip
        refused(call("POST", f"{path}/test"), 409, "webhook_rejected")
        call.ok("DELETE", path)
        refused(call("GET", path), 404, "not_found")


def twice(call: Customer, path: str, body: Any = None) -> Any:
    """A POST and its repetition under the same key: the same answer, which says that it is one."""
    key = secrets.token_hex(8)
    first = call("POST", path, body, once=key)
    again = call("POST", path, body, once=key)
    assert (first[0], again[0]) == (200, 200), first
    assert again[1] == first[1]
    assert "idempotent-replayed" not in first[2]
    assert again[2]["idempotent-replayed"] == "true"
    return first[1]


def test_every_post_is_done_once_under_a_key(site: Site, customer: dict[str, Any]) -> None:
    """Create, rotate, test, replay and recover: whoever repeats gets the same secret and causes nothing twice."""
    call = Customer(site, customer["api_key"])
    with receiving() as receiver:
        made = twice(call, HOOKS, {"url": receiver.url("/a")})
        path = f"{HOOKS}/{made['webhook']['id']}"
        assert len(call.ok("GET", HOOKS)["data"]) == 1
        renewed = twice(call, f"{path}/rotate")["secret"]
        test = twice(call, f"{path}/test")["delivery"]
        until(lambda: receiver.heard)
        assert [receiver.heard[0].is_signed_by(each) for each in (made["secret"], renewed)] == [True, True]
        until(lambda: call.ok("GET", f"{path}/deliveries")["data"][0]["attempts"])
        twice(call, f"{path}/deliveries/{test}/replay")
        until(lambda: len(receiver.heard) == 2)
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        assert twice(call, f"{path}/recover", {"since": since})["recovered"] == 0
        assert len(call.ok("GET", f"{path}/deliveries")["data"]) == 1
        assert len(receiver.heard) == 2


def test_one_key_is_for_one_request(site: Site, customer: dict[str, Any]) -> None:
    """Another body, another webhook and a purchase share one namespace; a refusal keeps no key."""
    call, url = Customer(site, customer["api_key"]), "https://shop.example.com/hook"
    first = call("POST", HOOKS, {"url": url}, once="one")
    path = f"{HOOKS}/{first[1]['webhook']['id']}"
    refused(call("POST", HOOKS, {"url": f"{url}/2"}, once="one"), 422, "idempotency_mismatch")
    refused(call("POST", f"{path}/rotate", once="one"), 422, "idempotency_mismatch")
    refused(call("POST", "/api/v1/resell/virtual/buy", ORDER, once="one"), 422, "idempotency_mismatch")
    assert call("POST", "/api/v1/resell/virtual/buy", ORDER, once="two")[0] == 200
    refused(call("POST", f"{path}/rotate", once="two"), 422, "idempotency_mismatch")
    refused(call("POST", HOOKS, {"url": url}, once="three"), 409, "webhook_rejected")
    call.ok("DELETE", path)
    assert (
        call("POST", HOOKS, {"url": url}, once="one")[1] == first[1]
    )  # what was done is still what was done
    assert call("POST", HOOKS, {"url": url}, once="three")[0] == 200
    refused(call("POST", HOOKS, {"url": url}, once=" "), 422, "validation_failed")


def test_two_at_once_under_one_key_are_one(site: Site, customer: dict[str, Any]) -> None:
    """The second waits for the first and answers the same."""
    call, url = Customer(site, customer["api_key"]), "https://shop.example.com/hook"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call("POST", HOOKS, {"url": url}, once="at once"), range(8)))
    assert {each[0] for each in answers} == {200}
    assert len({each[1]["secret"] for each in answers}) == 1
    assert len([each for each in answers if "idempotent-replayed" not in each[2]]) == 1


def test_a_purchase_is_told_within_a_second(site: Site, customer: dict[str, Any]) -> None:
    """Over HTTP at both ends, through the worker's own process: the first try of each event."""
    call = Customer(site, customer["api_key"])
    with receiving() as receiver:
        secret = call.ok("POST", HOOKS, {"url": receiver.url("/a"), "types": ["activation.message"]})[
            "secret"
        ]
        bought = [call.ok("POST", "/api/v1/resell/virtual/buy", ORDER)["activation"] for _ in range(20)]
        took = []
        for number, activation in enumerate(bought, start=1):
            began = time.time()
            site.push(activation["phone"], "Your Instagram code is 123456", 10_000 + number, "Instagram")
            until(lambda count=number: len(receiver.heard) == count)
            took.append(receiver.heard[-1].at - began)
            data = receiver.heard[-1].payload["data"]
            assert data["activation"]["activation_id"] == activation["activation_id"]
            assert data["message"]["code"] == "123456"
            assert receiver.heard[-1].is_signed_by(secret)
        took.sort()
        print(f"site: push to webhook p50 {took[10] * 1000:.1f} ms, p95 {took[18] * 1000:.1f} ms")
        assert took[18] < 1


def test_others_see_and_do_nothing(site: Site, customer: dict[str, Any]) -> None:
    """Not another customer, not the same customer's test key, and not a key without the scope."""
    call, url = Customer(site, customer["api_key"]), "https://shop.example.com/hook"
    hook = call.ok("POST", HOOKS, {"url": url})["webhook"]
    delivery = call.ok("POST", f"{HOOKS}/{hook['id']}/test")["delivery"]
    acts = [
        ("GET", "", None), ("PATCH", "", {"enabled": False}), ("DELETE", "", None), ("POST", "/rotate", None),
        ("POST", "/test", None), ("GET", "/deliveries", None), ("POST", f"/deliveries/{delivery}/replay", None),
        ("POST", "/recover", {"since": "2026-01-01T00:00:00Z"}),
    ]  # fmt: skip
    for key in (customer["test_key"], site.demo["api_key"]):
        for method, path, body in acts:
            other = Customer(site, key)
            refused(other(method, f"{HOOKS}/{hook['id']}{path}", body), 404, "not_found")
            assert hook["id"] not in str(other("GET", HOOKS)[1])
    execute(
        site,
        "update api_key set scopes = '{prices:read}' where wallet_id in"
        " (select id from wallet where customer_id = %s)",
        customer["id"],
    )
    for method, path, body in [
        ("POST", "", {"url": url}),
        *((m, f"/{hook['id']}{p}", b) for m, p, b in acts),
    ]:
        refused(call(method, HOOKS + path, body), 403, "forbidden")


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "url"), ({"url": 5}, "url"), ({"url": "ftp://shop.example.com/"}, "url"),
     ({"url": "http://10.0.0.1/"}, "url"), ({"url": "http://169.254.169.254/latest"}, "url"),
     ({"url": "http://u:p@shop.example.com/"}, "url"), ({"url": "https://a.example/", "types": ["x"]}, "types[0]"),
     ({"url": "https://a.example/", "form": "xml"}, "form"),
     ({"url": "https://a.example/", "description": "two\nlines"}, "description")],
)  # fmt: skip
def test_bad_bodies_are_refused(site: Site, customer: dict[str, Any], body: Any, field: str) -> None:
    """Each with the name of what is wrong."""
    found = refused(Customer(site, customer["api_key"])("POST", HOOKS, body), 422, "validation_failed")
    assert found["errors"][0]["field"] == field


def test_the_methods_are_named(site: Site, customer: dict[str, Any]) -> None:
    """OPTIONS and 405 say what an address takes."""
    call = Customer(site, customer["api_key"])
    for path, methods in (("", "GET, OPTIONS, POST"), ("/wh_x", "DELETE, GET, OPTIONS, PATCH")):
        assert call("OPTIONS", HOOKS + path)[2]["allow"] == methods
        refused(call("PUT", HOOKS + path, {}), 405, "method_not_allowed")


def test_the_same_url_is_not_made_twice(site: Site, customer: dict[str, Any]) -> None:
    """A creation whose answer was lost is found in the list; in the other form it is another webhook."""
    call, url = Customer(site, customer["api_key"]), "https://shop.example.com/hook"
    call.ok("POST", HOOKS, {"url": url})
    refused(call("POST", HOOKS, {"url": url}), 409, "webhook_rejected")
    other = call.ok("POST", HOOKS, {"url": url, "form": "field"})["webhook"]
    refused(
        call("PATCH", f"{HOOKS}/{other['id']}", {"url": "http://127.0.0.1:1/\0"}), 422, "validation_failed"
    )
    assert len(call.ok("GET", HOOKS)["data"]) == 2


def test_an_alert_is_set_by_the_operator(site: Site, customer: dict[str, Any]) -> None:
    """`ringlet account alert`: the customer hears of a low balance within seconds."""
    call = Customer(site, customer["api_key"])
    email = "test_an_alert_is_set_by_the_operator@example.org"
    with receiving() as receiver:
        call.ok("POST", HOOKS, {"url": receiver.url("/a"), "types": ["balance.low"]})
        assert site.ringlet("account", "alert", email, "100").returncode == 0
        call.ok("POST", "/api/v1/resell/virtual/buy", ORDER)
        until(lambda: receiver.heard)
        assert receiver.heard[0].payload["data"]["account"]["mark"] == 100
