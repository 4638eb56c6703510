"""The vendors' own examples, brought about on an installation of ours: the same words, the same names, the same types.

The examples are not ours and lie beside the repository, in `shared/reference`; VENDOR_EXAMPLES names another place,
and whoever has none goes without this comparison.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ringlet.web.handler.actions import ACTIONS
from tests.contract import account, execute, running_site
from tests.databases import DemoHome
from tests.handler_program import Program
from tests.site import Site

ROOT = Path(__file__).parent.parent
EXAMPLES = os.environ.get("VENDOR_EXAMPLES") or str(
    ROOT.parent / "shared" / "reference" / "handler-api-examples.json"
)
BESIDE = pytest.mark.skipif(
    not Path(EXAMPLES).exists(),
    reason="the vendors' examples are theirs and not beside this checkout: set VENDOR_EXAMPLES to their place",
)
Case = tuple[str, str, Any]  # vendor, action, example

#: (action, beginning of the example) → why nothing of ours is like it. "*" is every action.
DIFFERENT: dict[tuple[str, str], str] = {
    ("getBalance", "ACCESS_NUMBER"): "the vendor's document has the wrong example",
    ("*", "CHANNELS_LIMIT"): "said of too many requests with one key: tests/test_handler_door_key.py",
    ("*", "ERROR_SQL"): "said without a database: tests/test_handler_door_key.py",
    ("*", "BANNED"): "said of frozen accounts: tests/test_handler_door_key.py",
    ("getNumber", "BAD_ACTION"): "said of actions that there are not, and this is one",
    ("*", "BAD_ACTION"): "said of actions that there are not, and these are some",
    ("*", "NO_BALANCE_FORWARD"): "calls are not forwarded",
    ("getStatus", "STATUS_WAIT_RESEND"): "wire rule 5: programs do not know it",
    ("setStatus", "BAD_SERVICE"): "nothing there names a service",
    ("setStatus", "WRONG_ACTIVATION_ID"): "NO_ACTIVATION says it",
    (
        "getActiveActivations",
        '{"status": "error", "error": "NO_ACTIVATIONS"',
    ): "wire rule 6: empty lists are lists",
    ("getExtraActivation", '{"status": "error", "msg": "Message", "error": "SIM_OFFLINE"'): "not told apart",
    (
        "checkExtraActivation",
        '{"status": "error", "msg": "Message", "error": "SIM_OFFLINE"',
    ): "not told apart",
    ("getExtraActivation", "NEW_ACTIVATION_IMPOSSIBLE"): "RENEW_ACTIVATION_NOT_AVAILABLE says it",
    ("getListOfTopCountriesByService", '{"status": "error"'): "the vendor's other form of the same word",
    ("getPricesVerification", '{"'): "calls are not sold: always {}",
    ("returnMoneyActivation", "{"): "partners' software is not sold: tests/test_handler_door_prices.py",
    ("manageActivationFailures", "{"): "partners' software is not sold: tests/test_handler_door_prices.py",
}
NOT_SOLD = re.compile(
    r".*Rent.*|parseCall|getIncomingCallStatus|getAdditionalService|buyPartnerProduct|getPricesVerification"
)
#: what lists of theirs are with us: wire rule 6, and the object keyed by country that programs read
KEYED = {
    "getCountries",
    "getPrices",
    "getPricesExtended",
    "getTopCountriesByService",
    "getTopCountriesByServiceRank",
}
#: examples of calls show them filled; ours are always null
NULL_HERE = {"call"}


def _cases() -> list[Case]:
    if not Path(EXAMPLES).exists():
        return []
    found: dict[str, Case] = {}
    for vendor, actions in json.loads(Path(EXAMPLES).read_text(encoding="utf-8")).items():
        for action, about in actions.items():
            for examples in about["responses"].values() if isinstance(about, dict) else ():
                for each in examples:
                    value = each["value"] if isinstance(each, dict) and "value" in each else each
                    found.setdefault(f"{action} {json.dumps(value, sort_keys=True)}", (vendor, action, value))
    return list(found.values())


def _spelled(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)


def _is_different(action: str, example: Any) -> bool:
    if NOT_SOLD.fullmatch(action) and example not in ("NO_KEY", "BAD_KEY"):
        return True
    text = _spelled(example)
    return any(name in (action, "*") and text.startswith(begin) for name, begin in DIFFERENT)


CASES = [case for case in _cases() if case[1] in ACTIONS and not _is_different(case[1], case[2])]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation that has sold enough for its rates to be told."""
    with running_site(tmp_path_factory.mktemp("examples"), cluster, demo_home) as running:
        execute(
            running,
            "insert into success_tally values (1, 6, 'ig', 'any', date_trunc('hour', now()), 150, 100, 60)",
        )
        running.stop()
        running.start()
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


@pytest.fixture(scope="module")
def program(site: Site) -> Program:
    return Program(site, account(site, "examples@example.org")["api_key"])


IG = {"service": "ig", "country": 6}


def _retrying(program: Program) -> str:
    one = program.received()
    program.set(one, 3)
    return one


def _cancelled(program: Program) -> str:
    one = program.buy()
    program.set(one, 8)
    return one


def _denied(program: Program) -> Any:
    """An order of which nothing is known yet cannot be cancelled yet."""
    demo = Program(program.site, program.site.demo["test_key"])
    order = f"early{time.monotonic_ns()}"
    demo.say("getNumber", service="test_timeout", country=6, orderId=order)
    listed = program.site.call("GET", f"/api/v1/resell/activations?reference={order}", key=demo.key)[1][
        "data"
    ]
    return demo.set(listed[0]["activation_id"], 8)


def _poor(program: Program, action: str, **given: Any) -> Any:
    """A customer who has a finished number and no money left."""
    site = program.site
    made = account(site, f"poor{time.monotonic_ns()}@example.org", "0.12")
    poor = Program(site, made["api_key"])
    return poor.say(action, **{"activationId": poor.done(), **given})


def _broke(program: Program, action: str, **given: Any) -> Any:
    """A customer with money for one number, not for two."""
    made = account(program.site, f"broke{time.monotonic_ns()}@example.org", "0.12")
    return Program(program.site, made["api_key"]).say(action, **given)


def _twice(program: Program, action: str) -> Any:
    order = {**IG, "orderId": str(time.monotonic_ns())}
    program.say(action, **order)
    return program.say(action, **order)


#: (action, beginning of the example) → what brings ours about
BRINGS: dict[tuple[str, str], Callable[[Program], Any]] = {
    ("getNumber", "ACCESS_NUMBER"): lambda p: p.say("getNumber", **IG),
    ("getNumberV2", "{"): lambda p: p.say("getNumberV2", **IG),
    ("getNumberV2", "ORDER_ALREADY_EXISTS"): lambda p: _twice(p, "getNumberV2"),
    ("getMultiServiceNumber", "[{"): lambda p: p.say("getMultiServiceNumber", multiService="go,ig", country=6),
    ("getMultiServiceNumber", "NO_NUMBERS"): lambda p: p.say("getMultiServiceNumber", multiService="ig,wa"),
    ("getMultiServiceNumber", "NO_BALANCE"): lambda p: _broke(
        p, "getMultiServiceNumber", multiService="ig,wa", country=6
    ),
    ("getMultiServiceNumber", "BAD_SERVICE"): lambda p: p.say("getMultiServiceNumber", multiService="zzzz9"),
    ("setStatus", "ACCESS_READY"): lambda p: p.set(p.buy(), 1),
    ("setStatus", "ACCESS_RETRY_GET"): lambda p: p.set(p.received(), 3),
    ("setStatus", "ACCESS_ACTIVATION"): lambda p: p.set(p.received(), 6),
    ("setStatus", "ACCESS_CANCEL"): lambda p: p.set(p.buy(), 8),
    ("setStatus", "EARLY_CANCEL_DENIED"): _denied,
    ("setStatus", "BAD_STATUS"): lambda p: p.set(p.buy(), 7),
    ("setStatus", "NO_ACTIVATION"): lambda p: p.set("1", 8),
    ("getStatus", "STATUS_WAIT_CODE"): lambda p: p.status(p.buy()),
    ("getStatus", "STATUS_WAIT_RETRY"): lambda p: p.status(_retrying(p)),
    ("getStatus", "STATUS_CANCEL"): lambda p: p.status(_cancelled(p)),
    ("getStatus", "STATUS_OK"): lambda p: p.status(p.received()),
    ("getStatusV2", "STATUS_CANCEL"): lambda p: p.say("getStatusV2", id=_cancelled(p)),
    ("getStatusV2", "{"): lambda p: p.say("getStatusV2", id=p.received()),
    ("getActiveActivations", "{"): lambda p: (p.received(), p.say("getActiveActivations", limit=1))[1],
    ("getHistory", "["): lambda p: (p.done(), p.say("getHistory"))[1],
    ("getExtraActivation", "ACCESS_NUMBER"): lambda p: p.say("getExtraActivation", activationId=p.done()),
    ("getExtraActivation", "NO_BALANCE"): lambda p: _poor(p, "getExtraActivation"),
    ("checkExtraActivation", '{"status": "success"'): lambda p: p.say("checkExtraActivation", id=p.done()),
    ("getListOfTopCountriesByService", "["): lambda p: p.say("getListOfTopCountriesByService", service="ig"),
    ("getListOfTopCountriesByService", "WRONG_SERVICE"): lambda p: p.say("getListOfTopCountriesByService"),
    ("getOperators", "OPERATORS_NOT_FOUND"): lambda p: p.say("getOperators", country=7),
    ("*", '{"status": "false", "msg": "service'): lambda p: p.say("getPrices", service="zzzz9"),
    ("*", '{"status": "false", "msg": "country'): lambda p: p.say("getPrices", country="9998"),
    ("*", '{"status": "error", "msg": "Message", "error": "WRONG'): lambda p: p.say("getExtraActivation", id=1),
    ("*", '{"status": "error", "msg": "Message", "error": "RENEW'): lambda p: p.say("getExtraActivation", id=p.buy()),
    ("*", "NO_NUMBERS"): lambda p: p.say("getNumber", service="ig", country=7),
    ("*", "BAD_SERVICE"): lambda p: p.say("getNumber", service="zzzz9", country=6),
    ("*", "WRONG_MAX_PRICE"): lambda p: p.say("getNumber", **IG, maxPrice="0.01"),
    ("*", "WRONG_EXCEPTION_PHONE"): lambda p: p.say("getNumber", **IG, phoneException="x"),
    ("*", "NO_ACTIVATION"): lambda p: p.say("getStatusV2", id="1"),
}  # fmt: skip


def _ours(program: Program, action: str, example: Any) -> Any:
    if example in ("NO_KEY", "BAD_KEY"):
        return Program(program.site, None if example == "NO_KEY" else "x").say(action)
    text = _spelled(example)
    for (name, begin), bring in BRINGS.items():
        if name in (action, "*") and text.startswith(begin):
            return bring(program)
    has_service = "ig" if action.startswith("getTop") and not _is_of_all(example) else ""
    more = {"freePrice": "true"} if "freePriceMap" in text else {}
    return program.say(action, country=6, service=has_service, **more)


def _is_of_all(example: Any) -> bool:
    return isinstance(example, list) and list(example[0]) == ["ig"]


@pytest.mark.parametrize(
    ("vendor", "action", "example"), CASES, ids=[f"{case[1]}-{_spelled(case[2])[:40]}" for case in CASES]
)
def test_ours_is_like_the_vendors(program: Program, vendor: str, action: str, example: Any) -> None:
    """Text: the same word with as many parts. JSON: every name of theirs is there, with a value of the same kind."""
    ours = _ours(program, action, example)
    if isinstance(example, str):
        assert isinstance(ours, str), ours
        _same_text(example, ours)
    else:
        if action in KEYED and isinstance(example, list):
            assert isinstance(ours, dict), ours
            example, ours = _first(example), _first(ours)
            if action in {"getPrices", "getPricesExtended"}:
                example = _first(example)
                ours = _first(ours)
            elif _is_keyed_twice(example):
                example, ours = _first(_first(example)), _first(ours)
        _same_shape(example, ours, action)


def _is_keyed_twice(example: Any) -> bool:
    return isinstance(example, dict) and list(example) == ["ig"]


def _first(value: Any) -> Any:
    return next(iter(value.values() if isinstance(value, dict) else value))


def _same_text(example: str, ours: str) -> None:
    theirs, mine = example.split(":"), ours.split(":")
    assert (mine[0], len(mine)) == (theirs[0], len(theirs))
    assert all(mine)


def _same_shape(example: Any, ours: Any, at: str) -> None:
    if isinstance(example, dict):
        assert isinstance(ours, dict), (at, ours)
        if all(
            re.fullmatch(r"[0-9.]+|[a-z]{2,3}_\d", name) for name in example
        ):  # a map: other names, same kind
            _same_shape(_first(example), _first(ours), f"{at}.*")
            return
        for name, value in example.items():
            assert name in ours, f"{at} lacks {name}"
            if name in NULL_HERE:
                assert ours[name] is None
            else:
                _same_shape(value, ours[name], f"{at}.{name}")
    elif isinstance(example, list):
        assert isinstance(ours, list), (at, ours)
        assert ours, at
        for each in ours:
            _same_shape(example[0], each, f"{at}[]")
    else:
        assert _kind(example) == _kind(ours), (at, example, ours)
        if isinstance(example, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", example):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", ours), (at, ours)


def _kind(value: Any) -> str:
    """JSON has one kind of number; a flag is not one."""
    return (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    )


@BESIDE
def test_the_examples_are_there() -> None:
    """All of them were read: none is silently left out."""
    assert len(CASES) > 70


@BESIDE
def test_every_difference_is_one() -> None:
    """What is listed as different is in the examples: the list does not outgrow them."""
    cases = [(action, _spelled(example)) for _, action, example in _cases() if action in ACTIONS]
    for name, begin in DIFFERENT:
        assert any(name in (action, "*") and text.startswith(begin) for action, text in cases), (name, begin)
