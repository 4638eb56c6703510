"""Whatever bytes a supplier of the handler API sends, they break nothing."""

import itertools
import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ringlet.suppliers.handler_api import HandlerApi
from ringlet.suppliers.port import Held, NotSent, OutcomeUnknown, Refused, Rented
from ringlet.suppliers.wire import Answer
from tests.test_handler_api import ADAPTERS, WANTED, made

KEYS = st.sampled_from(
    [
        "activationId",
        "phoneNumber",
        "activationCost",
        "activationTime",
        "activationEndTime",
        "activationOperator",
        "activationStatus",
        "smsCode",
        "smsText",
        "countryCode",
        "serviceCode",
        "verificationType",
        "sms",
        "call",
        "data",
        "code",
        "text",
        "from",
        "phoneFrom",
        "status",
        "error",
        "title",
        "info",
        "min",
        "minActivationTime",
        "msg",
        "activeActivations",
        "6",
        "ig",
        "cost",
        "count",
        "physicalCount",
    ]
)
WORDS = st.sampled_from(
    [
        "ACCESS_NUMBER",
        "ACCESS_BALANCE",
        "ACCESS_CANCEL",
        "STATUS_OK",
        "STATUS_WAIT_CODE",
        "STATUS_WAIT_RETRY",
        "STATUS_CANCEL",
        "NO_ACTIVATIONS",
        "NO_ACTIVATION",
        "BAD_ACTION",
        "BAD_STATUS",
        "WRONG_MAX_PRICE",
        "EARLY_CANCEL_DENIED",
        "BANNED",
        "NO_NUMBERS",
        "OTP_RECEIVED",
        "ACTIVATION_NOT_ACTIVE",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**18, 10**70, -1, 0, 1, 8])
    | st.floats()
    | st.text(max_size=20)
    | WORDS
    | st.sampled_from(["79584000000", "123", "0.5", "NaN", "1e99", "\ud800", "0001-01-01T00:00:00+23:59"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
BODIES = (
    st.binary(max_size=200)
    | VALUES.map(json.dumps).map(str.encode)
    | VALUES.map(json.dumps).map(str.encode).map(lambda body: body[: len(body) * 2 // 3])
    | st.builds(lambda word, rest: word.encode() + b":" + rest, WORDS, st.binary(max_size=30))
    | WORDS.map(str.encode)
)
ANSWERS = st.builds(
    Answer,
    st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 404, 409, 429, 500, 999]),
    st.booleans(),
    BODIES,
)


ASKS = (
    lambda port: port.rent(WANTED),
    lambda port: port.look("1"),
    lambda port: port.held(["1"]),
    lambda port: port.cancel("1"),
    lambda port: port.finish("1"),
    lambda port: port.again("1"),
    lambda port: port.balance(),
    lambda port: port.cells(),
)


@pytest.mark.parametrize("adapter", ADAPTERS)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=3))
@example(answers=[Answer(200, is_json=True, body=b"[" * 100_000)])
@example(answers=[Answer(200, is_json=True, body=b'{"6":' * 100_000)])
@example(
    answers=[Answer(200, is_json=True, body=b'[{"activationId":1,"activationStatus":' + b"9" * 5000 + b"}]")]
)
@example(answers=[Answer(200, is_json=True, body=b'{"6":{"ig":{"cost":' + b"9" * 5000 + b"}}}")])
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_no_bytes_of_a_supplier_break_us(adapter: type[HandlerApi], answers: list[Answer]) -> None:
    """Whatever a supplier sends to whichever question, we get an answer of ours or one of three failures."""
    for ask in ASKS:
        turns = itertools.cycle(answers)
        port, _ = made(lambda _, turns=turns: next(turns), adapter)
        with suppress(NotSent, OutcomeUnknown, Refused):
            check(await ask(port))


def check(got: object) -> None:
    """What came through is of our shapes: digits, and text that a database takes."""
    match got:
        case Rented():
            assert got.phone.isdecimal()
            assert got.cost is None or got.cost >= 0
        case Held():
            assert got.phone is None or got.phone.isdecimal()
            for news in got.messages:
                assert "\0" not in news.text + (news.code or "") + news.sender
                assert (news.text + (news.code or "") + news.sender).encode()
        case list():
            for each in got:
                check(each)
