"""The Python client against a real installation, synchronous and with asyncio."""

import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

import ringlet.client
from ringlet import errors
from ringlet.client import (
    ActivationOver,
    AsyncRinglet,
    CancelRejected,
    CodeTimeout,
    IdempotencyMismatch,
    InsufficientBalance,
    MaxPriceExceeded,
    NoCode,
    NoNumbers,
    NotConfigured,
    NotFound,
    NotVerified,
    RateLimited,
    Refused,
    ResendRejected,
    Ringlet,
    RingletError,
    ServiceUnavailable,
    Unauthorized,
    ValidationFailed,
    WebhookRejected,
    verify_webhook,
)
from ringlet.client.errors import BY_CODE
from tests.contract import running_site
from tests.databases import DemoHome
from tests.driven import KINDS, Driven
from tests.site import Site

SECRET = "whsec_" + "c2VjcmV0" * 5


@pytest.fixture(params=KINDS, ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation for all tests that leave it standing."""
    with running_site(tmp_path_factory.mktemp("client"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


@pytest.fixture
def live(kind: Any, shared: Site) -> Iterator[Driven]:
    """A client with the demo's key: real numbers, whose owner is `shared.push`."""
    with Driven(kind, shared.demo["api_key"], shared.url) as driven:
        yield driven


@pytest.fixture
def rehearsal(kind: Any, shared: Site) -> Iterator[Driven]:
    """A client with the test key."""
    with Driven(kind, shared.demo["test_key"], shared.url) as driven:
        yield driven


_sms_ids = iter(range(1, 10**6))


def test_a_whole_purchase(live: Driven, shared: Site) -> None:
    """Price, purchase, long poll, code, another message on the same number; the balance follows exactly."""
    before = live.balance()
    price = live.price("ig", 6)
    assert (price.sell_price, price.country) == (Decimal("0.1114892"), 6)
    bought = live.buy("ig", 6, max_price=price.sell_price, operator="telkomsel", reference="order 7",
                      exclude_prefixes=["628951"])  # fmt: skip
    assert (bought.state, bought.operator, bought.reference, bought.code) == (
        "waiting",
        "telkomsel",
        "order 7",
        None,
    )
    assert (bought.amount_paid, bought.created_at.tzinfo) == (Decimal("0.111489"), UTC)
    assert live.balance().held - before.held == bought.amount_paid
    text = "0042 is your code — κωδικός"
    pushing = threading.Timer(0.5, shared.push, (bought.phone, text, next(_sms_ids)))
    pushing.start()
    assert live.wait_for_code(bought, timeout_s=20) == "0042"
    pushing.join()
    seen = live.status(bought.activation_id)
    assert (seen.status, seen.activation.messages[0].text, seen.resend_price) == ("completed", text, 0)
    again = live.resend(bought)
    assert (again.phone, again.resent_from) == (bought.phone, bought.activation_id)
    assert live.cancel(again).code == "cancel_accepted"
    assert before.balance - live.balance().balance == bought.amount_paid


def test_what_is_sold(live: Driven) -> None:
    """The lists and the table of prices, typed."""
    table = live.prices(country=6)
    assert set(table[6]) == {"ig", "wa", "tg", "go"}
    assert live.prices("ig", 6)[6]["ig"].sell_price == Decimal("0.1114892")
    assert next(each for each in live.countries() if each.id == 6).iso == "ID"
    assert next(each for each in live.services() if each.code == "ig").name
    assert {"telkomsel", "axis"} <= {each.name for each in live.operators(6)}
    assert isinstance(live.statistics("ig", 6), list)


def test_the_same_key_is_the_same_purchase(live: Driven) -> None:
    """Once under one key, also when asked by another process; another order under it is refused."""
    key = f"mine-{time.monotonic_ns()}"
    bought = live.buy("wa", 6, idempotency_key=key)
    assert live.buy("wa", 6, idempotency_key=key).activation_id == bought.activation_id
    with pytest.raises(IdempotencyMismatch):
        live.buy("tg", 6, idempotency_key=key)
    live.cancel(bought)
    assert live.buy("wa", 6).activation_id != bought.activation_id


def test_pages_are_followed_to_the_end(live: Driven) -> None:
    """Every activation once, newest first, however small the pages; filters narrow it."""
    reference = f"list {time.monotonic_ns()}"
    bought = [live.buy("go", 6, reference=reference).activation_id for _ in range(5)]
    for per_page in (1, 2, 5, 100):
        found = live.activations(reference=reference, per_page=per_page)
        assert [each.activation_id for each in found] == bought[::-1]
    since, until = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    narrow = {"service": "go", "country": 6, "status": "waiting", "reference": reference}
    assert len(live.activations(**narrow, since=since, until=until)) == 5
    assert live.activations(**narrow, since=until) == []


def test_each_refusal_has_its_class(live: Driven, rehearsal: Driven, kind: Any, shared: Site) -> None:
    """What the installation says is what the caller catches."""
    code_came = rehearsal.buy("ig", 6)
    with pytest.raises(MaxPriceExceeded) as dear:
        live.buy("ig", 6, max_price="0.01")
    assert dear.value.min_price == Decimal("0.1114892")
    refused = [
        (NotFound, lambda: live.price("ig", 9_998)),
        (NotFound, lambda: live.status("999")),
        (ValidationFailed, lambda: live.status("43", wait_s=61)),
        (NoNumbers, lambda: rehearsal.buy("test_no_numbers", 6)),
        (InsufficientBalance, lambda: rehearsal.buy("test_insufficient_balance", 6)),
        (ResendRejected, lambda: rehearsal.resend(over)),
    ]
    over = rehearsal.buy("test_never", 6)
    rehearsal.cancel(over)
    for error, call in refused:
        with pytest.raises(error) as raised:
            call()
        assert raised.value.request_id
    with (
        Driven(kind, shared.demo["test_key"], shared.url, retry_for_s=0.5) as hasty,
        pytest.raises(ServiceUnavailable),
    ):
        hasty.buy("test_unavailable", 6)
    with Driven(kind, "rl_live_nonsense", shared.url) as stranger, pytest.raises(Unauthorized):
        stranger.balance()
    assert rehearsal.wait_for_code(code_came, 10)
    with pytest.raises(CancelRejected) as late:
        rehearsal.cancel(code_came, when_allowed=True)
    assert late.value.retry_after is None


def test_waiting_ends_with_the_truth(rehearsal: Driven) -> None:
    """No code in time leaves it open; one that is cancelled or expires is over; both are NoCode."""
    never = rehearsal.buy("test_never", 6)
    with pytest.raises(CodeTimeout) as slow:
        rehearsal.wait_for_code(never, 1)
    assert slow.value.activation.is_open
    rehearsal.cancel(never)
    with pytest.raises(ActivationOver) as over:
        rehearsal.wait_for_code(never.activation_id)
    assert (over.value.activation.state, over.value.activation.refunded) == ("cancelled", True)
    assert isinstance(over.value, NoCode)


def test_an_unknown_outcome_is_waited_for(rehearsal: Driven) -> None:
    """The supplier's answer is outstanding: an activation in state ordering, and its code comes all the same."""
    bought = rehearsal.buy("test_timeout", 6)
    assert (bought.state, bought.phone) == ("ordering", None)
    assert len(rehearsal.wait_for_code(bought, 20)) == 6


def test_a_server_killed_in_the_middle_of_a_buy(site: Site, breaches: None) -> None:
    """Killed and started again while clients buy: every call returns an activation of its own, none buys twice."""
    found: list[str] = []

    def shop(kind: Any) -> None:
        with Driven(kind, site.demo["api_key"], site.url, retry_for_s=60) as driven:
            found.extend(driven.buy("ig", 6, reference="killed").activation_id for _ in range(12))

    shoppers = [threading.Thread(target=shop, args=(kind,)) for kind in KINDS * 2]
    for shopper in shoppers:
        shopper.start()
    for _ in range(2):
        time.sleep(0.15)
        site.kill()
        site.start()
    for shopper in shoppers:
        shopper.join(90)
    with Ringlet(site.demo["api_key"], site.url) as client:
        bought = [each.activation_id for each in client.activations(reference="killed")]
    assert len(found) == 48
    assert sorted(found) == sorted(bought)


def test_waiting_survives_a_restart(site: Site) -> None:
    """Killed and started again in the middle of a long poll: the code comes to whoever waits."""
    codes: list[str] = []
    with Ringlet(site.demo["api_key"], site.url) as client:
        bought = client.buy("ig", 6)

    def wait(kind: Any) -> None:
        with Driven(kind, site.demo["api_key"], site.url) as driven:
            codes.append(driven.wait_for_code(bought, 60))

    waiting = [threading.Thread(target=wait, args=(kind,)) for kind in KINDS]
    for each in waiting:
        each.start()
    time.sleep(0.7)
    site.kill()
    site.start()
    assert bought.phone is not None
    site.push(bought.phone, "Your code is 7788", 1)
    for each in waiting:
        each.join(60)
    assert codes == ["7788", "7788"]


def test_too_many_requests_wait_for_their_turn(tmp_path: Path, database_url: str) -> None:
    """With a limit of three a second eight calls take their time and all succeed; without patience: RateLimited."""
    site = Site(tmp_path / "home", database_url, RINGLET_RATE_LIMIT="3")
    site.start()
    try:
        for kind in KINDS:
            with Driven(kind, site.demo["api_key"], site.url) as driven:
                assert len([driven.balance() for _ in range(8)]) == 8
            with (
                Driven(kind, site.demo["api_key"], site.url, retry_for_s=0) as driven,
                pytest.raises(RateLimited) as raised,
            ):
                [driven.balance() for _ in range(30)]
            assert raised.value.retry_after == 1
    finally:
        site.stop()


def test_events_come_and_are_resumed(rehearsal: Driven) -> None:
    """A stream tells a purchase as it happens; from any event on it is told again, in order."""
    access = rehearsal.client._access
    with Ringlet(access.api_key, access.url) as other:
        buying = threading.Timer(1, other.buy, ("ig", 6))
        buying.start()
        first = rehearsal.take("events", 3)
        buying.join()
    assert [each.type for each in first] == [
        "activation.created",
        "activation.message",
        "activation.completed",
    ]
    assert first[2].data.activation.code == first[1].data.message.code
    again = rehearsal.take("events", 2, after=first[0].id)
    assert [each.id for each in again] == [each.id for each in first[1:]]


def test_webhooks_from_end_to_end(live: Driven) -> None:
    """Made, shown, changed, tried, rotated and deleted; the secret is shown once and not in any repr."""
    url = f"https://example.org/{time.monotonic_ns()}"
    made = live.webhooks__create(url, ["activation.completed"], description="mine")
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    name = made.webhook.id
    with pytest.raises(WebhookRejected):
        live.webhooks__create(url)
    assert live.webhooks__get(name) in live.webhooks__list()
    changed = live.webhooks__change(name, description="", types=[])
    assert (changed.types, changed.description, changed.url) == ((), "", url)
    delivery = live.webhooks__test(name)
    assert [each.id for each in live.webhooks__deliveries(name)] == [delivery]
    assert live.webhooks__replay(name, delivery) == delivery
    assert live.webhooks__recover(name, datetime.now(UTC)) == 0
    assert live.webhooks__rotate(name).secret != made.secret
    live.webhooks__delete(name)
    with pytest.raises(NotFound):
        live.webhooks__get(name)


def test_a_webhook_is_verified() -> None:
    """Signed with our secret and young it is believed; forged, changed, old or mangled it is not."""
    body, now = b'{"type":"webhook.test","data":{}}', datetime.now(UTC)

    def signed(at: datetime) -> dict[str, str]:
        return {"Webhook-Id": "evt_1", "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": "v1,AAAA " + Webhook(SECRET).sign("evt_1", at, body.decode())}  # fmt: skip

    good = signed(now)
    assert verify_webhook(body, good, SECRET)["type"] == "webhook.test"
    assert verify_webhook(body.decode(), good, SECRET)["data"] == {}
    for headers in (
        {}, signed(now - timedelta(minutes=6)), signed(now + timedelta(minutes=6)),
        {**good, "webhook-signature": "nonsense"}, {**good, "webhook-signature": "v1,é"},
        {**good, "webhook-timestamp": "nan"}, {**good, "Webhook-Id": "evt_2"},
    ):  # fmt: skip
        with pytest.raises(NotVerified):
            verify_webhook(body, headers, SECRET)
    for other in (body + b" ", b"\xff"):
        with pytest.raises(NotVerified):
            verify_webhook(other, good, SECRET)
    with pytest.raises(NotConfigured):
        verify_webhook(body, good, "whsec_")


@pytest.mark.parametrize(
    ("key", "url"),
    [("", "http://x"), ("two words", "http://x"), ("k\n", "http://x"), ("ключ", "http://x"), ("k", "ftp://x"), ("k", "x"),
     ("k", "http://user:pw@x"), ("k", "http://x:99999"), ("k", "http://x?y=1")],
)  # fmt: skip
def test_what_cannot_work_is_said_at_once(kind: Any, key: str, url: str) -> None:
    """A key or an address that is none never reaches the network."""
    with pytest.raises(NotConfigured):
        kind(key, url)


def test_the_environment(kind: Any, tmp_path: Path) -> None:
    """RINGLET_API_KEY or a file that holds it, and RINGLET_URL with or without the API's path."""
    (tmp_path / "key").write_text("rl_live_file\n")
    for url in (
        "https://x.example",
        "https://x.example/",
        "https://x.example/api/v1",
        "https://x.example/api/v1/",
    ):
        made = kind.from_env({"RINGLET_API_KEY_FILE": str(tmp_path / "key"), "RINGLET_URL": url})
        assert repr(made) == f"{kind.__name__}(url='https://x.example')"
    assert "8080" in repr(kind.from_env({"RINGLET_API_KEY": "rl_live_x"}))
    for nothing in ({}, {"RINGLET_API_KEY": " "}, {"RINGLET_API_KEY_FILE": str(tmp_path / "none")}):
        with pytest.raises(NotConfigured):
            kind.from_env(nothing)


def below(kind: type[Any]) -> set[type[Any]]:
    return {each for child in kind.__subclasses__() for each in {child, *below(child)}}


def test_every_public_code_has_its_class() -> None:
    """Each code of the server is an exception here, exported and in the tree at the top of errors.py."""
    assert {each.code for each in below(errors.Refusal)} <= set(BY_CODE)
    assert below(Refused) == set(BY_CODE.values())
    for each in below(RingletError):
        assert each.__name__ in ringlet.client.__all__
        assert each.__name__ in (sys.modules["ringlet.client.errors"].__doc__ or "")


def test_both_clients_are_the_same() -> None:
    """The same methods with the same parameters; only how they are awaited differs."""

    def methods(kind: type[Any]) -> dict[str, list[tuple[str, Any]]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: [(each.name, each.default) for each in inspect.signature(method).parameters.values()
                       if each.name not in {"http", "hold"}]
                for name, method in found if not name.startswith("_")}  # fmt: skip

    assert methods(Ringlet) == methods(AsyncRinglet)
    webhooks = [type(kind("k").webhooks) for kind in KINDS]
    assert methods(webhooks[0]) == methods(webhooks[1])


def test_the_client_stands_alone() -> None:
    """Importing it loads nothing else of this program, so that it can be a package of its own."""
    code = "import sys, ringlet.client; print([m for m in sys.modules if m.startswith('ringlet')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    names = {name for name in eval(loaded) if not name.startswith("ringlet.client")}
    assert names == {"ringlet"}
