"""Who may call, what for and how often: keys, scopes, modes, other people's activations, rate limits."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract import account, execute, refused, running_site
from tests.databases import DemoHome
from tests.site import Site

BALANCE = "/api/v1/balance"
ORDER = {"service": "ig", "country": 6}
NEEDS = {
    "prices:read": [("GET", "/api/v1/prices"), ("GET", "/api/v1/resell/price?service=ig&country=6"),
                    ("GET", "/api/v1/countries"), ("GET", "/api/v1/services"), ("GET", "/api/v1/operators?country=6")],
    "activations:read": [("GET", "/api/v1/resell/activations"), ("GET", "/api/v1/resell/virtual/1/status")],
    "activations:write": [("POST", "/api/v1/resell/virtual/buy"), ("POST", "/api/v1/resell/virtual/resend"),
                          ("POST", "/api/v1/resell/virtual/cancel")],
    "balance:read": [("GET", BALANCE)],
}  # fmt: skip


@pytest.fixture(scope="module")
def site(demo_site: Site) -> Iterator[Site]:
    """The demo that files share; each test has customers of its own."""
    yield demo_site
    assert demo_site.audit() == ""


@pytest.fixture
def customer(site: Site) -> dict[str, Any]:
    """A customer of this test's own."""
    return account(site, f"{secrets.token_hex(8)}@example.org")


def buy(site: Site, key: str, **more: Any) -> Any:
    status, body, _ = site.call("POST", "/api/v1/resell/virtual/buy", {**ORDER, **more}, key=key)
    assert status == 200, body
    return body["activation"]


def change_key(site: Site, customer: dict[str, Any], change: str, *values: object) -> None:
    execute(
        site,
        f"update api_key set {change} where wallet_id in (select id from wallet where customer_id = %s)",
        *values,
        customer["id"],
    )


def asks_for(site: Site, activation: Any, key: str) -> list[tuple[int, Any, dict[str, str]]]:
    """Everything that can be asked about one activation."""
    body = {"activation_id": activation["activation_id"]}
    return [
        site.call("GET", f"/api/v1/resell/virtual/{activation['activation_id']}/status", key=key),
        site.call("GET", f"/api/v1/resell/virtual/{activation['activation_id']}/status?wait=1", key=key),
        site.call("POST", "/api/v1/resell/virtual/cancel", body, key=key),
        site.call("POST", "/api/v1/resell/virtual/resend", body, key=key),
        site.call("POST", "/api/v1/resell/virtual/cancel", body, key=key, headers={"Idempotency-Key": "k"}),
    ]


def test_other_peoples_activations_are_not_found(site: Site, customer: dict[str, Any]) -> None:
    """Nobody learns that it exists, and nothing happens to it, even when the owner's answer is in memory."""
    activation = buy(site, customer["api_key"])
    path = f"/api/v1/resell/virtual/{activation['activation_id']}/status"
    assert site.call("GET", path, key=customer["api_key"])[1]["status"] == "waiting"
    for answer in asks_for(site, activation, site.demo["api_key"]):
        refused(answer, 404, "not_found")
    assert site.call("GET", path, key=customer["api_key"])[1]["status"] == "waiting"
    others = site.call("GET", "/api/v1/resell/activations?per_page=100")[1]["data"]
    assert activation["id"] not in [each["id"] for each in others]


def test_test_and_live_do_not_see_each_other(site: Site, customer: dict[str, Any]) -> None:
    """The same customer's two modes are two worlds: activations, lists and money."""
    live, test = customer["api_key"], customer["test_key"]
    bought, rehearsed = buy(site, live), buy(site, test)
    for answer in asks_for(site, bought, test) + asks_for(site, rehearsed, live):
        refused(answer, 404, "not_found")
    for key, own in ((live, bought), (test, rehearsed)):
        listed = site.call("GET", "/api/v1/resell/activations", key=key)[1]
        assert [each["id"] for each in listed["data"]] == [own["id"]]
        assert listed["meta"]["total"] == 1
    assert site.call("GET", BALANCE, key=live)[1]["balance"] == 99.888511
    assert site.call("GET", BALANCE, key=test)[1]["balance"] == 999.888511


@pytest.mark.parametrize("scope", NEEDS)
def test_a_key_does_what_its_scopes_say(site: Site, customer: dict[str, Any], scope: str) -> None:
    """Without the scope every endpoint that needs it is forbidden, whatever is sent; the others are open."""
    change_key(site, customer, "scopes = array_remove(scopes, %s)", scope)
    for needed, endpoints in NEEDS.items():
        for method, path in endpoints:
            answer = site.call(method, path, {} if method == "POST" else None, key=customer["api_key"])
            if needed == scope:
                assert scope in refused(answer, 403, "forbidden")["message"]
            else:
                assert answer[0] in {200, 404, 422}, answer


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now()"])
def test_a_key_that_has_ended_opens_nothing(site: Site, customer: dict[str, Any], change: str) -> None:
    """From one request to the next, though the key was known to the process."""
    assert site.call("GET", BALANCE, key=customer["api_key"])[0] == 200
    change_key(site, customer, change)
    refused(site.call("GET", BALANCE, key=customer["api_key"]), 401, "unauthorized")


def test_revoking_by_the_command_line_is_at_once(site: Site, customer: dict[str, Any]) -> None:
    """The operator's command ends every key of the account; a new one opens it again."""
    listed = site.ringlet("account", "list", "--json").stdout
    email = next(each["email"] for each in json.loads(listed) if each["id"] == customer["id"])
    assert site.ringlet("account", "revoke", email).returncode == 0
    for key in (customer["api_key"], customer["test_key"]):
        refused(site.call("GET", BALANCE, key=key), 401, "unauthorized")
    fresh = json.loads(site.ringlet("account", "key", email, "--json").stdout)["api_key"]
    assert site.call("GET", BALANCE, key=fresh)[0] == 200


def test_a_frozen_account_is_forbidden_everything(site: Site, customer: dict[str, Any]) -> None:
    """The key is right, so it is told why."""
    execute(site, "update customer set frozen_at = now() where id = %s", customer["id"])
    for method, path in (("GET", BALANCE), ("POST", "/api/v1/resell/virtual/buy")):
        answer = site.call(method, path, ORDER if method == "POST" else None, key=customer["api_key"])
        refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("addresses", "status"),
    [
        (["127.0.0.1/32"], 200),
        (["10.0.0.0/8", "127.0.0.0/8"], 200),
        (["10.0.0.0/8"], 403),
        (["::1/128"], 403),
        ([], 403),
    ],
)
def test_a_key_for_certain_addresses(
    site: Site, customer: dict[str, Any], addresses: list[str], status: int
) -> None:
    """From another address it is forbidden; a header that a client can make up does not help."""
    change_key(site, customer, "allowed_addresses = %s::cidr[]", addresses)
    claimed = {"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3", "X-Real-Ip": "10.1.2.3"}
    answer = site.call("GET", BALANCE, key=customer["api_key"], headers=claimed)
    assert answer[0] == status
    if status == 403:
        refused(answer, 403, "forbidden")


def test_the_rate_limit_is_for_each_key(
    tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome
) -> None:
    """Five a second: the rest is refused with when to come again, and another key is not touched."""
    folder = tmp_path_factory.mktemp("rate-limit")
    with running_site(folder, cluster, demo_home, RINGLET_RATE_LIMIT="5") as site:
        first = site.call("GET", BALANCE)
        with ThreadPoolExecutor(8) as crowd:
            answers = [first, *crowd.map(lambda _: site.call("GET", BALANCE), range(60))]
        fine = [head for status, _, head in answers if status == 200]
        over = [answer for answer in answers if answer[0] == 429]
        assert len(fine) >= 5
        assert over
        for _, _, head in answers:
            assert (head["ratelimit-limit"], head["ratelimit-reset"]) == ("5", "1")
        assert first[2]["ratelimit-remaining"] == "4"
        for answer in over:
            refused(answer, 429, "rate_limited")
            assert (answer[2]["retry-after"], answer[2]["ratelimit-remaining"]) == ("1", "0")
        assert site.call("GET", BALANCE, key=site.demo["test_key"])[0] == 200
        refused(site.call("GET", BALANCE, key=None), 401, "unauthorized")


def test_without_a_limit_no_limit_is_told(site: Site) -> None:
    """The headers are there when they mean something."""
    assert not [name for name in site.call("GET", BALANCE)[2] if name.startswith("ratelimit")]
