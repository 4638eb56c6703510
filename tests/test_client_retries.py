"""The client against a server that drops, delays, refuses and lies: what it repeats, and what it never does twice."""

import json
import logging
import pickle
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from ringlet.client import (
    BadAnswer,
    CancelRejected,
    CodeTimeout,
    IdempotencyInProgress,
    InternalError,
    MaxPriceExceeded,
    NoNumbers,
    RateLimited,
    Refused,
    RingletError,
    ServiceUnavailable,
    Unreachable,
    ValidationFailed,
)
from ringlet.client.patience import pause_before
from tests.driven import KINDS, Driven
from tests.fakes.flaky import RESET, Flaky, Turn, refusal

KEY = "rl_test_secretsecretsecretsecretsecretsecre123456"
ACTIVATION = {
    "id": 1, "phone": "6289", "activation_id": "43", "msg": "Waiting Sms", "date_created": "2025-11-08 21:50:34",
    "amount_paid": 0.111489, "status": 1, "state": "waiting", "service": "ig", "country": 6, "operator": "any",
    "code": None, "messages": [], "expires_at": "2025-11-08T22:10:34Z", "reference": None, "resent_from": None,
    "something_new": {"from": "a later version"},
}  # fmt: skip
BOUGHT = Turn(body={"success": True, "activation": ACTIVATION})
BALANCE = Turn(body={"success": True, "balance": 1.5, "held": 0, "currency": "USD"})
ORDERING = refusal(503, "service_unavailable", activation={**ACTIVATION, "state": "ordering", "phone": None})
WAITING = Turn(body={"success": True, "status": "waiting", "code": None, "activation": ACTIVATION})
CODE = Turn(
    body={
        "success": True,
        "status": "completed",
        "code": "0042",
        "activation": {**ACTIVATION, "code": "0042"},
    }
)


@pytest.fixture(params=KINDS, ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def client(kind: Any, flaky: Flaky, retry_for_s: float = 10.0, timeout_s: float = 5.0) -> Driven:
    return Driven(kind, KEY, flaky.url, retry_for_s=retry_for_s, timeout_s=timeout_s)


@pytest.mark.parametrize(
    "trouble",
    [
        RESET,
        Turn(is_cut=True, body=BOUGHT.body),
        Turn(502, b"<html>Bad Gateway</html>"),
        Turn(504, b""),
        refusal(503, "service_unavailable"),
        refusal(429, "rate_limited"),
        refusal(409, "idempotency_in_progress"),
    ],
    ids=["reset", "cut", "502", "504", "503", "429", "in progress"],
)
def test_a_buy_is_repeated_under_its_key(kind: Any, trouble: Turn) -> None:
    """What may fare better is asked again, with the same key and body, so that it is bought once."""
    with Flaky(trouble, trouble, BOUGHT) as flaky, client(kind, flaky) as ringlet:
        assert ringlet.buy("ig", 6, max_price="0.12").activation_id == "43"
    assert len(flaky.seen) == 3
    assert len({(each.headers["idempotency-key"], each.body) for each in flaky.seen}) == 1
    assert len(flaky.seen[0].headers["idempotency-key"]) >= 20
    assert json.loads(flaky.seen[0].body) == {"service": "ig", "country": 6, "max_price": 0.12}


def test_every_post_has_a_key_of_its_own(kind: Any) -> None:
    """Two purchases are two; a cancel and a resend carry a key too, and a caller's own key is used."""
    with Flaky(BOUGHT) as flaky, client(kind, flaky) as ringlet:
        for _ in range(2):
            bought = ringlet.buy("ig", 6)
        ringlet.resend(bought)
        flaky.script = [Turn(body={"success": True, "code": "cancel_accepted", "message": "done"})]
        ringlet.cancel(bought)
        assert len({each.headers["idempotency-key"] for each in flaky.seen}) == 4
        ringlet.cancel("43", idempotency_key="mine")
        assert flaky.seen[-1].headers["idempotency-key"] == "mine"


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (refusal(409, "no_numbers"), NoNumbers),
        (refusal(500, "internal_error"), InternalError),
        (refusal(409, "cancel_rejected", retry_after=95), CancelRejected),
        (refusal(418, "teapot"), Refused),
        (Turn(404, b"<html>nginx</html>"), BadAnswer),
        (Turn(200, b"<html>log in to this network</html>"), BadAnswer),
        (Turn(200, b'{"success": true}'), BadAnswer),
        (Turn(302, b"", {"Location": "http://example.org/"}), BadAnswer),
    ],
)
def test_a_no_is_a_no(kind: Any, turn: Turn, error: type[RingletError]) -> None:
    """What will not change is asked once; a redirection is not followed with our key."""
    with Flaky(turn) as flaky, client(kind, flaky) as ringlet, pytest.raises(error) as raised:
        ringlet.buy("ig", 6)
    assert len(flaky.seen) == 1
    assert type(raised.value) is error
    assert raised.value.status == turn.status


def test_an_error_says_all_that_the_answer_said(kind: Any) -> None:
    """Exact money, what is wrong with which field, what the operator can find it by, and the key of the request."""
    script = [
        refusal(409, "max_price_exceeded", min_price=0.1114892),
        refusal(422, "validation_failed", errors=[{"field": "country", "message": "a whole number"}]),
    ]
    with Flaky(*script) as flaky, client(kind, flaky) as ringlet:
        with pytest.raises(MaxPriceExceeded) as dear:
            ringlet.buy("ig", 6, max_price=Decimal("0.1"), idempotency_key="mine")
        with pytest.raises(ValidationFailed) as wrong:
            ringlet.prices(country=6)
    assert dear.value.min_price == Decimal("0.1114892")
    assert (dear.value.request_id, dear.value.idempotency_key) == ("r-1", "mine")
    assert str(dear.value) == "max_price_exceeded: it is max_price_exceeded (request r-1)"
    assert (wrong.value.errors[0].field, wrong.value.idempotency_key) == ("country", None)
    assert pickle.loads(pickle.dumps(dear.value)).min_price == dear.value.min_price


def test_an_unknown_outcome_is_an_activation(kind: Any) -> None:
    """503 with an activation is not repeated and not raised: the caller goes on with it instead of buying another."""
    with Flaky(ORDERING, WAITING, CODE) as flaky, client(kind, flaky) as ringlet:
        bought = ringlet.buy("ig", 6)
        assert (bought.state, bought.phone, bought.is_open) == ("ordering", None, True)
        assert ringlet.wait_for_code(bought, 10) == "0042"
    assert [each.method for each in flaky.seen] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("turn", [RESET, refusal(503, "service_unavailable"), Turn(502, b"")])
def test_patience_has_an_end(kind: Any, turn: Turn) -> None:
    """After `retry_for_s` the last trouble is raised, with the key under which one may go on."""
    with Flaky(turn) as flaky, client(kind, flaky, retry_for_s=1.0) as ringlet:
        began = time.monotonic()
        with pytest.raises((Unreachable, ServiceUnavailable)) as raised:
            ringlet.buy("ig", 6)
        assert time.monotonic() - began < 2.5
        assert raised.value.idempotency_key == flaky.seen[0].headers["idempotency-key"]
    assert 2 <= len(flaky.seen) <= 12


def test_nobody_there(kind: Any) -> None:
    """A port where nobody listens is Unreachable."""
    with Flaky(BALANCE) as gone:
        pass
    with client(kind, gone, retry_for_s=0.3) as ringlet, pytest.raises(Unreachable, match="unreachable"):
        ringlet.balance()


def test_the_server_says_when(kind: Any) -> None:
    """Retry-After is kept to, as seconds and as a date; one beyond our patience ends it at once."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    script = [
        refusal(429, "rate_limited", retry_after_header=1),
        refusal(429, "rate_limited", retry_after_header=soon),
        refusal(429, "rate_limited", retry_after_header="soonish"),
        BALANCE,
    ]
    with Flaky(*script) as flaky, client(kind, flaky) as ringlet:
        assert ringlet.balance().balance == Decimal("1.5")
        assert flaky.seen[1].at_s - flaky.seen[0].at_s >= 1
        flaky.script = [refusal(429, "rate_limited", retry_after_header=3600)]
        began = time.monotonic()
        with pytest.raises(RateLimited) as raised:
            ringlet.balance()
        assert time.monotonic() - began < 1
        assert raised.value.retry_after == 3600


@pytest.mark.parametrize(
    "turn", [Turn(delay_s=3, body=BALANCE.body), Turn(is_dripping=True, body=BALANCE.body)]
)
def test_no_answer_takes_for_ever(kind: Any, turn: Turn) -> None:
    """Neither a silent server nor one that drips holds a caller longer than `timeout_s`."""
    with Flaky(turn) as flaky, client(kind, flaky, retry_for_s=0, timeout_s=0.5) as ringlet:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            ringlet.balance()
        assert time.monotonic() - began < 2


def test_waiting_goes_on_through_trouble(kind: Any) -> None:
    """A restart in the middle of a long poll is not the end of waiting, and its end is the caller's."""
    trouble = [RESET, Turn(502, b""), refusal(503, "service_unavailable"), WAITING, RESET, CODE]
    with Flaky(*trouble) as flaky, client(kind, flaky, retry_for_s=0) as ringlet:
        assert ringlet.wait_for_code("43", 20) == "0042"
        assert flaky.seen[0].path.startswith("/api/v1/resell/virtual/43/status?wait=")
        flaky.script = [WAITING]
        began = time.monotonic()
        with pytest.raises(CodeTimeout) as raised:
            ringlet.wait_for_code("43", 1)
        assert 0.9 < time.monotonic() - began < 2.5
        assert raised.value.activation.activation_id == "43"


def test_what_is_not_exact_is_refused_before_it_is_sent(kind: Any) -> None:
    """A float is no price, and a time without a zone is no time."""
    with Flaky(BOUGHT) as flaky, client(kind, flaky) as ringlet:
        with pytest.raises(TypeError):
            ringlet.buy("ig", 6, max_price=0.12)
        for nonsense in ("lots", "NaN", Decimal("Infinity")):
            with pytest.raises(ValueError, match="not an amount"):
                ringlet.buy("ig", 6, max_price=nonsense)
        with pytest.raises(ValueError, match="zone"):
            ringlet.activations(since=datetime(2025, 1, 1))  # noqa: DTZ001 - that is the point
    assert flaky.seen == []


def test_an_id_stays_in_its_place(kind: Any) -> None:
    """What is given as an id cannot become another path."""
    with Flaky(WAITING) as flaky, client(kind, flaky) as ringlet:
        ringlet.status("../../balance?x=")
    assert flaky.seen[0].path == "/api/v1/resell/virtual/..%2F..%2Fbalance%3Fx%3D/status"


def test_the_key_is_never_shown(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not in what a client or an error looks like, and not in the log of any library."""
    with caplog.at_level(logging.DEBUG), Flaky(RESET, refusal(401, "unauthorized")) as flaky:
        ringlet = client(kind, flaky)
        with ringlet, pytest.raises(RingletError) as raised:
            ringlet.balance()
    assert flaky.seen[0].headers["authorization"] == f"Bearer {KEY}"
    shown = repr(ringlet.client) + repr(raised.value) + str(vars(raised.value)) + caplog.text
    assert KEY not in shown
    assert KEY not in repr(vars(ringlet.client)["_access"])


def test_pauses_grow_and_differ() -> None:
    """Twice as long each time up to a limit, never the same for all callers, and never before the server's word."""
    longest = [max(pause_before(tries, None) for _ in range(200)) for tries in (0, 1, 2, 3, 30)]
    assert longest == sorted(longest)
    assert longest[-1] <= 5
    assert len({pause_before(3, None) for _ in range(50)}) > 40
    assert pause_before(0, 7.0) > 7
    assert isinstance(IdempotencyInProgress("x"), Refused)
