"""What the contract promises beyond single answers: once per key, lists that add up, waits, late codes."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract import account, refused, running_site
from tests.databases import DemoHome
from tests.site import Site

BUY = "/api/v1/resell/virtual/buy"
CANCEL = "/api/v1/resell/virtual/cancel"
RESEND = "/api/v1/resell/virtual/resend"
LIST = "/api/v1/resell/activations"
ORDER = {"service": "ig", "country": 6}
_sms_ids = itertools.count(1)
_names = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("promises"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


@pytest.fixture
def key(site: Site) -> str:
    """The live key of a new customer with 100.00."""
    return str(account(site, f"customer{next(_names)}@example.org")["api_key"])


def buy(site: Site, key: str, once: str | None = None, **more: Any) -> tuple[Any, dict[str, str]]:
    headers = {} if once is None else {"Idempotency-Key": once}
    status, body, head = site.call("POST", BUY, {**ORDER, **more}, key=key, headers=headers)
    assert status == 200, body
    return body["activation"], head


def balance(site: Site, key: str) -> tuple[float, float]:
    body = site.call("GET", "/api/v1/balance", key=key)[1]
    return body["balance"], body["held"]


def look(site: Site, activation: Any, key: str, wait: int = 0) -> Any:
    path = f"/api/v1/resell/virtual/{activation['activation_id']}/status?wait={wait}"
    status, body, _ = site.call("GET", path, key=key)
    assert status == 200, body
    return body


def push(site: Site, activation: Any, text: str) -> None:
    assert site.push(activation["phone"], text, next(_sms_ids)) == {"status": "SUCCESS"}


def test_an_order_repeated_with_its_key_is_one_order(site: Site, key: str) -> None:
    """The same activation, said to be a replay, and charged once."""
    first, head = buy(site, key, "order-1")
    assert "idempotent-replayed" not in head
    again, head = buy(site, key, "order-1")
    assert (again, head["idempotent-replayed"]) == (first, "true")
    assert balance(site, key) == (99.888511, 0.111489)


def test_a_key_is_for_one_request(site: Site, key: str) -> None:
    """Another body or another endpoint under the same key is a mistake and changes nothing."""
    bought, _ = buy(site, key, "order-1")
    once = {"Idempotency-Key": "order-1"}
    other = {"service": "wa", "country": 6}
    refused(site.call("POST", BUY, other, key=key, headers=once), 422, "idempotency_mismatch")
    body = {"activation_id": bought["activation_id"]}
    refused(site.call("POST", CANCEL, body, key=key, headers=once), 422, "idempotency_mismatch")
    assert balance(site, key) == (99.888511, 0.111489)


def test_two_customers_may_use_the_same_key(site: Site, key: str) -> None:
    """Each gets a number of his own."""
    stranger = account(site, f"customer{next(_names)}@example.org")
    ours, _ = buy(site, key, "order-1")
    theirs, head = buy(site, stranger["api_key"], "order-1")
    assert theirs["activation_id"] != ours["activation_id"]
    assert "idempotent-replayed" not in head
    rehearsed, _ = buy(site, stranger["test_key"], "order-1")
    assert rehearsed["activation_id"] != theirs["activation_id"]


def test_a_refusal_does_not_use_the_key_up(site: Site, key: str) -> None:
    """What changed nothing may be tried again under the same key."""
    once, nothing = {"Idempotency-Key": "order-1"}, {**ORDER, "operator": "nobody"}
    for _ in range(2):
        refused(site.call("POST", BUY, nothing, key=key, headers=once), 409, "no_numbers")
    buy(site, key, "order-1")


def test_cancel_and_resend_are_done_once_per_key(site: Site, key: str) -> None:
    """Repeated they answer the same instead of being rejected."""
    bought, _ = buy(site, key)
    body = {"activation_id": bought["activation_id"]}
    resent = [site.call("POST", RESEND, body, key=key, headers={"Idempotency-Key": "r"}) for _ in range(2)]
    assert [status for status, _, _ in resent] == [200, 200]
    assert resent[0][1] == resent[1][1]
    body = {"activation_id": resent[0][1]["activation"]["activation_id"]}
    cancelled = [site.call("POST", CANCEL, body, key=key, headers={"Idempotency-Key": "c"}) for _ in range(2)]
    assert [answer["code"] for _, answer, _ in cancelled] == ["cancel_accepted"] * 2
    assert [head.get("idempotent-replayed") for _, _, head in resent + cancelled] == [None, "true"] * 2
    assert balance(site, key) == (100, 0)


def test_ten_at_once_with_one_key_are_one_order(site: Site, key: str) -> None:
    """Whoever comes second gets the same activation, or is told that the first is still running."""
    once = {"Idempotency-Key": "order-1"}
    with ThreadPoolExecutor(10) as crowd:
        answers = list(crowd.map(lambda _: site.call("POST", BUY, ORDER, key=key, headers=once), range(10)))
    bought = {body["activation"]["activation_id"] for status, body, _ in answers if status == 200}
    assert len(bought) == 1
    for answer in answers:
        if answer[0] != 200:
            refused(answer, 409, "idempotency_in_progress")
            assert answer[2]["retry-after"] == "1"
    assert balance(site, key) == (99.888511, 0.111489)


def listed(site: Site, key: str, query: str) -> tuple[list[str], Any]:
    """The references on this page, newest first, and its meta."""
    status, body, _ = site.call("GET", f"{LIST}?{query}", key=key)
    assert status == 200, body
    return [each["reference"] for each in body["data"]], body["meta"]


def test_filters_of_the_list(site: Site, key: str) -> None:
    """Each alone and all together; the total counts what the filter leaves."""
    buy(site, key, reference="a")
    done, _ = buy(site, key, service="tg", reference="b")
    push(site, done, "Telegram code 55555")
    gone, _ = buy(site, key, reference="c")
    site.call("POST", CANCEL, {"activation_id": gone["activation_id"]}, key=key)
    past = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for query, wanted in {
        "": ["c", "b", "a"],
        "service=ig": ["c", "a"],
        "country=6": ["c", "b", "a"],
        "country=7": [],
        "status=waiting": ["a"],
        "status=completed": ["b"],
        "status=received": ["b"],
        "status=cancelled": ["c"],
        "status=expired": [],
        "reference=b": ["b"],
        "reference=x": [],
        f"from={past}": ["c", "b", "a"],
        f"to={past}": [],
        f"from={past}&service=ig&country=6&status=waiting&reference=a": ["a"],
    }.items():
        references, meta = listed(site, key, query)
        assert (references, meta["total"]) == (wanted, len(wanted)), query


def test_pages_and_cursors_visit_everything_once(site: Site, key: str) -> None:
    """By pages or by `next_cursor`, with or without a filter; behind the end there is nothing."""
    for number in range(7):
        buy(site, key, reference=str(number))
    newest_first = [str(number) for number in reversed(range(7))]
    for more in ("", "&service=ig"):
        pages = [listed(site, key, f"page={page}&per_page=3{more}") for page in (1, 2, 3, 4)]
        assert [reference for references, _ in pages for reference in references] == newest_first
        assert all((meta["total"], meta["last_page"]) == (7, 3) for _, meta in pages)
        seen, cursor = [], ""
        while cursor is not None:
            references, meta = listed(
                site, key, f"per_page=3{more}" + (f"&cursor={cursor}" if cursor else "")
            )
            seen += references
            cursor = meta["next_cursor"]
        assert seen == newest_first


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_wait_answers_when_something_changes(site: Site, key: str, status: str) -> None:
    """A client that waits a minute hears of the code at once, and of a cancel just so."""
    bought, _ = buy(site, key)

    def change() -> None:
        if status == "completed":
            push(site, bought, "Your code is 4711")
        else:
            site.call("POST", CANCEL, {"activation_id": bought["activation_id"]}, key=key)

    later = threading.Timer(1, change)
    later.start()
    began = time.monotonic()
    assert look(site, bought, key, wait=60)["status"] == status
    assert 0.5 < time.monotonic() - began < 30
    later.join()


def test_wait_holds_until_its_time_is_up(site: Site, key: str) -> None:
    """Without a change the answer comes late, says so, and a finished activation is not waited for."""
    bought, _ = buy(site, key)
    began = time.monotonic()
    assert look(site, bought, key, wait=2)["status"] == "waiting"
    assert time.monotonic() - began > 1.9
    push(site, bought, "Your code is 4711")
    began = time.monotonic()
    assert look(site, bought, key, wait=60)["code"] == "4711"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("service", "status", "code"),
    [
        ("test_no_numbers", 409, "no_numbers"),
        ("test_unavailable", 503, "service_unavailable"),
        ("test_insufficient_balance", 402, "insufficient_balance"),
    ],
)
def test_refusals_that_can_be_rehearsed(site: Site, service: str, status: int, code: str) -> None:
    """By the magic services of test mode, which do not exist for a live key."""
    order = {"service": service, "country": 6}
    answer = site.call("POST", BUY, order, key=site.demo["test_key"])
    refused(answer, status, code)
    assert (answer[2].get("retry-after") is not None) == (status == 503)
    refused(site.call("POST", BUY, order), 404, "not_found")


def until(site: Site, activation: Any, key: str, seconds: float, holds: Any) -> Any:
    end = time.monotonic() + seconds
    while not holds(seen := look(site, activation, key)) and time.monotonic() < end:
        time.sleep(0.2)
    return seen


def test_deliveries_that_can_be_rehearsed(site: Site) -> None:
    """Side by side: an ordinary code, none, a slow one, two, a late one, a message without a code."""
    key = str(account(site, f"customer{next(_names)}@example.org")["test_key"])
    services = ("ig", "test_never", "test_slow", "test_two_codes", "test_late", "test_no_code")
    bought = {service: buy(site, key, service=service)[0] for service in services}
    began = time.monotonic()
    assert until(site, bought["ig"], key, 15, lambda seen: seen["code"])["status"] == "completed"
    time.sleep(max(0, 3 - (time.monotonic() - began)))
    if time.monotonic() - began < 13:
        assert look(site, bought["test_slow"], key)["status"] == "waiting"
    bare = until(site, bought["test_no_code"], key, 15, lambda seen: seen["activation"]["messages"])
    assert (bare["status"], bare["code"], len(bare["activation"]["messages"])) == ("waiting", None, 1)
    two = until(
        site, bought["test_two_codes"], key, 15, lambda seen: len(seen["activation"]["messages"]) == 2
    )
    assert two["code"] == two["activation"]["messages"][-1]["code"]
    late = until(site, bought["test_late"], key, 25, lambda seen: seen["activation"]["messages"])
    assert (late["status"], late["activation"]["refunded"]) == ("expired", True)
    assert [message["late"] for message in late["activation"]["messages"]] == [True]
    assert late["code"] is None
    assert look(site, bought["test_never"], key)["status"] == "waiting"
    spendable, held = balance(site, key)
    paid = sum(bought[service]["amount_paid"] for service in ("ig", "test_two_codes"))
    assert round(spendable + held, 6) in {
        round(1000 - paid, 6),
        round(1000 - paid - bought["test_slow"]["amount_paid"], 6),
    }


def test_an_outcome_that_is_not_known_yet(site: Site) -> None:
    """The buy says so with the activation; a repeat with the same key finds it; then the code comes."""
    key = str(account(site, f"customer{next(_names)}@example.org")["test_key"])
    order, once = {"service": "test_timeout", "country": 6}, {"Idempotency-Key": "order-1"}
    body = refused(site.call("POST", BUY, order, key=key, headers=once), 503, "service_unavailable")
    activation = body["activation"]
    assert (activation["state"], activation["status"], activation["phone"]) == ("ordering", 5, None)
    cancel = {"activation_id": activation["activation_id"]}
    early = site.call("POST", CANCEL, cancel, key=key)
    assert early[0] == 200 or refused(early, 409, "cancel_rejected")["retry_after"] > 0
    found = until(site, activation, key, 15, lambda seen: seen["status"] != "ordering")
    assert found["activation"]["phone"].startswith("62")
    again, head = buy(site, key, "order-1", service="test_timeout")
    assert (again["id"], head["idempotent-replayed"]) == (activation["id"], "true")
    assert until(site, activation, key, 15, lambda seen: seen["code"])["status"] == "completed"
