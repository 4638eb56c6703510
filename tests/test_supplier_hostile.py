"""Whatever a supplier sends, an adapter says one of three things: not sent, refused, unknown."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet.suppliers.port import (
    REF_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    Cell,
    Held,
    NotSent,
    OutcomeUnknown,
    Port,
    Refused,
    Rented,
)
from ringlet.suppliers.protocols import PROTOCOLS
from ringlet.suppliers.wire import Answer
from tests.fakes.canned import ACCOUNT, CannedLine, canned, wanted

ASKS: dict[str, Callable[[Port], Awaitable[Any]]] = {
    "rent": lambda port: port.rent(wanted(excluded_prefixes=["6281"])),
    "look": lambda port: port.look("7"),
    "held": lambda port: port.held(["7"]),
    "cancel": lambda port: port.cancel("7"),
    "finish": lambda port: port.finish("7"),
    "again": lambda port: port.again("7"),
    "balance": lambda port: port.balance(),
    "cells": lambda port: port.cells(),
    "names": lambda port: port.names(),
}

ORDER = {
    "id": 7, "phone": "+6281234567", "operator": "tsel", "product": "ig", "price": 0.1, "status": "RECEIVED",
    "expires": "2025-11-08T22:10:34.123456789Z", "created_at": "2025-11-08T21:50:34.123456789Z", "country": "6",
    "sms": [{"created_at": "2025-11-08T21:51:00Z", "sender": "Ig", "text": "code 0042", "code": "0042"}],
}  # fmt: skip
ACTIVATION = {
    "id": 7, "activation_id": "7", "phone": "6281234567", "state": "received", "amount_paid": 0.1, "country": 6,
    "date_created": "2025-11-08 21:50:34", "expires_at": "2025-11-08T22:10:34Z", "reference": "ref-1", "service": "ig",
    "operator": "any", "messages": [{"id": 1, "sender": "Ig", "text": "code 0042", "code": "0042"}],
}  # fmt: skip
HANDLER = (
    {"activationId": 7, "phoneNumber": "6281234567", "activationCost": 0.1, "activationOperator": "any"},
    {"status": "success", "activeActivations": [{"activationId": 7, "phoneNumber": "6281234567"}]},
    {"6": {"ig": {"cost": 0.1, "count": 5}}},
)
#: Good answers of every protocol, to be spoiled in places.
GOOD: dict[str, tuple[Any, ...]] = {
    "handler-api": HANDLER,
    "handler-api-http": HANDLER,
    "fivesim": (
        ORDER,
        {"Data": [ORDER], "Total": 1},
        {"6": {"ig": {"any": {"cost": 0.1, "count": 5, "rate": 99.9}}}},
        {"6": {}},
        {"balance": 10.5},
    ),
    "ringlet": (
        {"success": True, "activation": ACTIVATION},
        {"data": [ACTIVATION], "meta": {"next_cursor": None}},
        {"prices": {"6": {"ig": {"base_price": 0.05, "sell_price": 0.1, "available": 5}}}},
        {"success": False, "code": "cancel_rejected", "message": "No.", "retry_after": 5},
        {"success": False, "code": "max_price_exceeded", "message": "No.", "min_price": 0.5},
        {"balance": 10.5, "held": 0},
    ),
    "agent": (
        {"status": "SUCCESS", "number": 6281234567, "activationId": 7},
        {"status": "SUCCESS", "countryList": [{"country": "6", "operatorMap": {"any": {"ig": 5}}}]},
        {"status": "ERROR", "error": "no"},
    ),
}
TEXTS = (
    "no free phones", "order not found", "order has sms", "ACCESS_NUMBER:7:6281234567", "STATUS_OK:0042",
    "STATUS_WAIT_CODE", "ACCESS_BALANCE:10.5", "ACCESS_CANCEL", "NO_NUMBERS", "BAD_KEY", "null", "[]", "{}", "",
)  # fmt: skip

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**18, -(2**63), 1e300, "NaN", "\u0000", "../..", "1" * 5000, "x" * 20_000, [[]] * 3])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8
)  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, protocol: str) -> Any:
    """A good answer of this protocol in which one place holds something else, or is missing."""
    body = draw(st.sampled_from(GOOD[protocol]))
    path: list[Any] = draw(st.sampled_from(list(places(body))))
    return put(body, path, draw(JSON)) if draw(st.booleans()) else drop(body, path)


def places(body: Any) -> Iterable[list[Any]]:
    yield []
    pairs = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, inner in pairs:
        yield from ([key, *path] for path in places(inner))


def put(body: Any, path: list[Any], value: Any) -> Any:
    if not path:
        return value
    copy = body.copy()
    copy[path[0]] = put(body[path[0]], path[1:], value)
    return copy


def drop(body: Any, path: list[Any]) -> Any:
    if not path:
        return None
    copy = body.copy()
    if len(path) > 1:
        copy[path[0]] = drop(body[path[0]], path[1:])
    else:
        del copy[path[0]]
    return copy


BODIES = (
    st.binary(max_size=200)
    | st.sampled_from([text.encode() for text in TEXTS])
    | JSON.map(msgspec.json.encode)
    | st.sampled_from(
        [b"[" * 100_000, b'{"a":' * 5_000, b'"\xff"', b'{"balance":1e9999999999999999999}', b"9" * 6_000]
    )
)
STATUSES = st.sampled_from([200, 201, 204, 301, 400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 502, 503])


def answers(protocol: str) -> st.SearchStrategy[list[Answer]]:
    """Half of them nearly good, with a status that goes with it; the rest is anything."""
    nearly = st.builds(
        Answer, st.sampled_from([200, 200, 200, 409]), st.booleans(), spoiled(protocol).map(msgspec.json.encode)
    )  # fmt: skip
    return st.lists(nearly | st.builds(Answer, STATUSES, st.booleans(), BODIES), min_size=1, max_size=3)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data(), ask=st.sampled_from(sorted(ASKS)))
@settings(max_examples=300, deadline=None)
async def test_nothing_else_escapes(protocol: str, data: st.DataObject, ask: str) -> None:
    """Bytes, texts and half-right JSON of any status: every method answers soundly or says what it does not know."""
    port = PROTOCOLS[protocol](CannedLine(data.draw(answers(protocol))), ACCOUNT)
    with contextlib.suppress(NotSent, OutcomeUnknown, Refused):
        check(await ASKS[ask](port))


def check(answer: Any) -> None:
    """What came through is of the size and shape that the rest of the program counts on."""
    match answer:
        case Rented():
            assert answer.phone.isascii()
            assert answer.phone.isdigit()
            assert 5 <= len(answer.phone) <= 15
            assert 0 < len(answer.ref) <= REF_LENGTH_MAX
            assert answer.cost is None or answer.cost >= 0
        case Held():
            for news in answer.messages:
                assert 0 < len(news.key) <= REF_LENGTH_MAX
                assert len(news.text) <= TEXT_LENGTH_MAX
                assert len(news.code or "") <= 64
                assert "\0" not in news.text + news.sender + (news.code or "")
        case Cell():
            assert answer.cost.is_finite()
            assert answer.available is None or answer.available >= 0
        case Decimal():
            assert answer.is_finite()
        case list() | tuple():
            for each in answer:
                check(each)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_good_answers_are_understood(protocol: str) -> None:
    """What is spoiled above means something as it stands; otherwise the spoiling would test nothing."""
    for body in GOOD[protocol]:
        understood = 0
        for ask, status in itertools.product(ASKS, (200, 409)):
            line = CannedLine([canned(body, status)])
            try:
                understood += await ASKS[ask](PROTOCOLS[protocol](line, ACCOUNT)) not in (None, [])
            except Refused:
                understood += bool(line.asked)
            except OutcomeUnknown:
                continue
        assert understood, body
