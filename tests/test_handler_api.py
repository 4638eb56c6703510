"""The handler API's answers, word by word: what each means, and that none of them breaks us."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from ringlet.suppliers import handler_api
from ringlet.suppliers.handler_api import HandlerApi
from ringlet.suppliers.handler_api_http import HandlerApiHttp
from ringlet.suppliers.port import Account, OutcomeUnknown, Reason, Refused, Standing, Wanted
from ringlet.suppliers.wire import Answer, Line

WANTED = Wanted("6", "ig", Decimal("0.10"), "order-1")
ADAPTERS = (HandlerApi, HandlerApiHttp)
Script = Mapping[str, Any] | Callable[[Mapping[str, str]], Any]


class StubLine(Line):
    """Answers by action: text, JSON, bytes, an Answer, or what a function makes of the query."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[dict[str, str]] = []

    async def ask(self, *_: Any, query: Mapping[str, str] | None = None, **__: Any) -> Answer:
        assert query is not None
        self.asked.append(dict(query))
        said = self.script(query) if callable(self.script) else self.script[query["action"]]
        if isinstance(said, Answer):
            return said
        body = said if isinstance(said, bytes) else said.encode() if isinstance(said, str) else encode(said)
        return Answer(200, is_json=False, body=body)


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def status(code: int, title: str, **info: Any) -> Answer:
    return Answer(code, is_json=True, body=encode({"title": title, "details": "It says so.", "info": info}))


def made(script: Script, adapter: type[HandlerApi] = HandlerApi) -> tuple[HandlerApi, StubLine]:
    line = StubLine(script)
    return adapter(line, Account("k")), line


V2 = {"activationId": 635468024, "phoneNumber": "79584000000", "activationCost": 12.50}


async def test_a_rent_asks_for_what_was_wanted() -> None:
    """Price limit, order id, operators and prefixes go out, and empty ones are left out."""
    adapter, line = made({"getNumberV2": V2})
    await adapter.rent(WANTED)
    await adapter.rent(Wanted("6", "ig", Decimal("1E+1"), "order-2", ("axis", "byu"), ("62811", "62812")))
    assert line.asked[0] == {
        "api_key": "k",
        "action": "getNumberV2",
        "service": "ig",
        "country": "6",
        "maxPrice": "0.10",
        "orderId": "order-1",
    }
    assert line.asked[1]["operator"] == "axis,byu"
    assert line.asked[1]["phoneException"] == "62811,62812"
    assert line.asked[1]["maxPrice"] == "10"


async def test_a_supplier_without_v2_is_asked_the_old_way_from_then_on() -> None:
    """BAD_ACTION is a plain refusal, so the older action may follow; it is learned once."""
    adapter, line = made(
        {
            "getNumberV2": "BAD_ACTION",
            "getNumber": "ACCESS_NUMBER:12:79584000000",
            "getStatusV2": status(404, "BAD_ACTION"),
            "getStatus": "STATUS_OK:'1234'",
        }
    )
    for _ in range(2):
        rented = await adapter.rent(WANTED)
        assert (rented.ref, rented.phone, rented.cost) == ("12", "79584000000", None)
        assert (await adapter.look("12")).messages[0].code == "1234"
    actions = [asked["action"] for asked in line.asked]
    assert actions == ["getNumberV2", "getNumber", "getStatusV2", "getStatus", "getNumber", "getStatus"]


async def test_the_lease_and_the_operator_are_read() -> None:
    """Suppliers that say how long the lease is are believed, and those that say nonsense are not."""
    told = V2 | {"activationOperator": "mtt", "activationTime": "2022-06-01 17:30:57"}
    for end, lease_s in (("2022-06-01 17:50:57", 1200), ("2022-06-01 17:30:57", None), ("soon", None)):
        adapter, _ = made({"getNumberV2": told | {"activationEndTime": end}})
        rented = await adapter.rent(WANTED)
        assert (rented.operator, rented.lease_s, rented.cost) == ("mtt", lease_s, Decimal("12.5"))


@pytest.mark.parametrize(
    "said",
    [
        {},
        V2 | {"activationId": None},
        V2 | {"activationId": "../etc"},
        V2 | {"activationId": "7" * 65},
        V2 | {"phoneNumber": "79584******"},
        V2 | {"phoneNumber": "1234"},
        V2 | {"phoneNumber": "1" * 16},
        V2 | {"activationId": None, "error": "NO_NUMBERS"},
        "ACCESS_NUMBER:12",
        "ACCESS_NUMBER:12:",
        "ACCESS_NUMBER::79584000000",
        "ACCESS_NUMBER:12:79584000000:9",
        "ORDER_ALREADY_EXISTS",
        "ERROR_SQL",
        "no numbers, sorry",
        "NO_NUMBERS<br>",
        "EARLY_CANCEL_DENIED",
        "",
        b"\xff\xfe",
        b'{"activationId":1,"phoneNumber":"795',
        [V2],
        Answer(302, is_json=False, body=b""),
        Answer(404, is_json=False, body=b"<h1>Not Found</h1>"),
        Answer(403, is_json=False, body=b"ACCESS_NUMBER:12:79584000000"),
        Answer(404, is_json=True, body=encode(V2)),
        Answer(500, is_json=True, body=b'{"title":"NO_NUMBERS"}'),
        Answer(503, is_json=False, body=b"NO_NUMBERS"),
        Answer(204, is_json=False, body=b""),
    ],
    ids=str,
)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_what_cannot_be_read_is_an_unknown_outcome(adapter: type[HandlerApi], said: object) -> None:
    """A number may be ours behind every answer that is neither a clear yes nor a clear no."""
    port, line = made({"getNumberV2": said}, adapter)
    with pytest.raises(OutcomeUnknown):
        await port.rent(WANTED)
    assert len(line.asked) == 1


@pytest.mark.parametrize("cost", [-1, "NaN", float("1e300"), None, [], {}, "12,5", 10**30, True])
async def test_an_absurd_cost_is_no_cost(cost: object) -> None:
    """A number with an unreadable price is still ours; its price is unknown."""
    port, _ = made({"getNumberV2": V2 | {"activationCost": cost}})
    assert (await port.rent(WANTED)).cost is None


REFUSALS = [
    ("NO_NUMBERS", Reason.NO_NUMBERS),
    ("NO_BALANCE", Reason.NO_BALANCE),
    ("NO_BALANCE_FORWARD", Reason.NO_BALANCE),
    ("BAD_KEY", Reason.ACCOUNT),
    ("NO_KEY", Reason.ACCOUNT),
    ("ACCOUNT_INACTIVE", Reason.ACCOUNT),
    ("BANNED:'2026-11-23 10-00-00'", Reason.ACCOUNT),
    ("BAD_SERVICE", Reason.NOT_SOLD),
    ("BAD_COUNTRY", Reason.NOT_SOLD),
    ("WRONG_SERVICE", Reason.NOT_SOLD),
    ("SERVICE_NOT_AVAILABLE", Reason.NOT_SOLD),
    ("WHATSAPP_NOT_AVAILABLE", Reason.NOT_SOLD),
    ("CHANNELS_LIMIT", Reason.LIMITED),
    ('{"status":"error","error":"NO_NUMBERS"}', Reason.NO_NUMBERS),
    ('"NO_NUMBERS"', Reason.NO_NUMBERS),
    (Answer(429, is_json=False, body=b"<h1>slow down</h1>"), Reason.LIMITED),
    (Answer(401, is_json=False, body=b"who are you?"), Reason.ACCOUNT),
    (Answer(402, is_json=False, body=b"NO_BALANCE"), Reason.NO_BALANCE),
    (status(403, "BANNED"), Reason.ACCOUNT),
    (status(403, "CHANNELS_LIMIT"), Reason.LIMITED),
    (status(422, "UNPROCESSABLE_ENTITY"), Reason.NOT_SOLD),
]


@pytest.mark.parametrize(("said", "reason"), REFUSALS, ids=str)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_every_refusal_has_its_reason(adapter: type[HandlerApi], said: object, reason: Reason) -> None:
    """Whichever way a supplier spells its no, it is one of ours."""
    port, _ = made({"getNumberV2": said}, adapter)
    with pytest.raises(Refused) as caught:
        await port.rent(WANTED)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "said", ["WRONG_MAX_PRICE:0.025", status(400, "WRONG_MAX_PRICE", min=0.025)], ids=str
)
async def test_a_price_refusal_says_the_price(said: object) -> None:
    """The lowest price that a supplier names is known exactly."""
    port, _ = made({"getNumberV2": said})
    with pytest.raises(Refused) as caught:
        await port.rent(WANTED)
    assert (caught.value.reason, caught.value.price) == (Reason.PRICE, Decimal("0.025"))


@pytest.mark.parametrize(
    ("said", "standing", "codes"),
    [
        ("STATUS_WAIT_CODE", Standing.ACTIVE, []),
        ("STATUS_WAIT_RESEND", Standing.ACTIVE, []),
        ("STATUS_OK:12:34", Standing.ACTIVE, ["12:34"]),
        ("STATUS_OK:", Standing.ACTIVE, []),
        ("STATUS_WAIT_RETRY:1234", Standing.ACTIVE, ["1234"]),
        ("STATUS_CANCEL", Standing.CANCELLED, []),
        ({"verificationType": 0, "sms": None, "call": None}, Standing.ACTIVE, []),
        ({"verificationType": 0, "sms": {"code": 1234, "text": "It is 1234"}}, Standing.ACTIVE, ["1234"]),
        ({"verificationType": 2, "sms": [], "call": {"from": "7", "code": "1"}}, Standing.ACTIVE, ["1"]),
        ({"verificationType": "sms", "data": {"code": "1", "phoneFrom": "G"}}, Standing.ACTIVE, ["1"]),
    ],
    ids=str,
)
async def test_every_status_is_read(said: object, standing: Standing, codes: list[str]) -> None:
    """All the shapes of a status that suppliers give say the same thing to us."""
    port, _ = made({"getStatusV2": said})
    held = await port.look("1")
    assert (held.standing, [news.code for news in held.messages]) == (standing, codes)


async def test_a_message_is_one_message_in_every_shape() -> None:
    """Its key comes from its code, however much of it an answer tells; a code too long to be one is text."""
    row = {"activationId": "1", "smsCode": "1234", "smsText": "It is 1234", "activationStatus": "2"}
    shapes = (
        made({"getStatusV2": "STATUS_OK:1234"}),
        made({"getStatusV2": {"verificationType": 0, "sms": {"code": " 1234\0", "text": "It is 1234"}}}),
        made({"getStatusV2": {"verificationType": "sms", "data": {"code": "1234", "text": None}}}),
    )
    keys = {(await port.look("1")).messages[0].key for port, _ in shapes}
    for listed in (row, row | {"smsCode": ["1234"], "smsText": ["It is 1234"]}):
        port, _ = made({"getActiveActivations": {"status": "success", "data": [listed]}})
        keys |= {news.key for held in await port.held([]) for news in held.messages}
    assert len(keys) == 1
    port, _ = made({"getStatusV2": "STATUS_OK:" + "a link " * 100})
    [news] = (await port.look("1")).messages
    assert (news.code, news.text[:6]) == (None, "a link")


@pytest.mark.parametrize(
    ("said", "refs"),
    [
        ("NO_ACTIVATIONS", []),
        ({"status": "error", "error": "NO_ACTIVATIONS"}, []),
        (status(404, "NO_ACTIVATIONS"), []),
        ([], []),
        ({"status": "success", "activeActivations": [], "data": []}, []),
        ([{"activationId": 1}], ["1"]),
        ({"status": "success", "activeActivations": [{"activationId": "1"}, {"id": 2}, None]}, ["1"]),
    ],
    ids=str,
)
async def test_every_list_of_active_rentals_is_read(said: object, refs: list[str]) -> None:
    """Lists come under two names, bare, and empty in five ways; a row without a reference is left out."""
    port, line = made({"getActiveActivations": said})
    assert [held.ref for held in await port.held([])] == refs
    assert len(line.asked) == 1


async def test_a_list_given_whole_is_asked_for_once() -> None:
    """A supplier that knows no pages gives everything; a hundred rows exactly are asked about once more."""
    for count, asked in ((99, 1), (100, 2), (101, 1), (250, 1)):
        port, line = made({"getActiveActivations": [{"activationId": each} for each in range(count)]})
        assert len(await port.held([])) == count
        assert len(line.asked) == asked


async def test_an_endless_list_is_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a list would make the other rentals look as if they were over."""
    monkeypatch.setattr(handler_api, "PAGES_MAX", 3)
    port, line = made(lambda query: [{"activationId": int(query["start"]) + each} for each in range(100)])
    with pytest.raises(OutcomeUnknown):
        await port.held([])
    assert len(line.asked) == 3


@pytest.mark.parametrize(
    ("said", "status_said", "outcome"),
    [
        ("ACCESS_CANCEL", None, None),
        ("STATUS_CANCEL", None, None),
        ("BAD_STATUS", "STATUS_CANCEL", None),
        ("NO_ACTIVATION", "STATUS_CANCEL", None),
        ("EARLY_CANCEL_DENIED", None, Reason.TOO_EARLY),
        ("BAD_STATUS", "STATUS_WAIT_CODE", Reason.TOO_EARLY),
        ("BAD_STATUS", "STATUS_OK:1", Reason.HAS_CODE),
        ("ACCESS_ACTIVATION", "STATUS_WAIT_RETRY:1", Reason.HAS_CODE),
        ("NO_ACTIVATION", "NO_ACTIVATION", Reason.OVER),
        (status(409, "OTP_RECEIVED"), None, Reason.HAS_CODE),
        ("ERROR_SQL", None, OutcomeUnknown),
        ("BAD_STATUS", "ERROR_SQL", OutcomeUnknown),
    ],
    ids=str,
)
async def test_a_cancel_is_believed_only_when_it_is_clear(said: object, status_said: object, outcome) -> None:
    """Money back is what the supplier says plainly; anything else is settled by the status."""
    port, _ = made({"setStatus": said, "getStatus": status_said})
    if outcome is None:
        await port.cancel("1")
    elif outcome is OutcomeUnknown:
        with pytest.raises(OutcomeUnknown):
            await port.cancel("1")
    else:
        with pytest.raises(Refused) as caught:
            await port.cancel("1")
        assert caught.value.reason is outcome
        assert (caught.value.retry_after_s is not None) == (outcome is Reason.TOO_EARLY)


async def test_too_early_says_how_long_if_the_supplier_does() -> None:
    """The supplier's own time is taken, within reason."""
    for told, pause_s in ((120, 120), (0, 1), (7200, 3600), ("soon", 30), (None, 30)):
        port, _ = made(
            {"cancelActivation": status(409, "EARLY_CANCEL_DENIED", minActivationTime=told)}, HandlerApiHttp
        )
        with pytest.raises(Refused) as caught:
            await port.cancel("1")
        assert caught.value.retry_after_s == pause_s


async def test_ends_fall_back_to_the_older_action() -> None:
    """A supplier of the later dialect may lack the newer ends."""
    script = {"cancelActivation": status(404, "BAD_ACTION"), "finishActivation": status(404, "BAD_ACTION")}
    port, _ = made({**script, "setStatus": "ACCESS_CANCEL"}, HandlerApiHttp)
    await port.cancel("1")
    port, _ = made({**script, "setStatus": "ACCESS_ACTIVATION"}, HandlerApiHttp)
    await port.finish("1")


async def test_a_debt_is_a_balance() -> None:
    """A supplier may let an account run below zero."""
    for said, amount in (("ACCESS_BALANCE:100.00", "100"), ("ACCESS_BALANCE:-1.5", "-1.5")):
        port, _ = made({"getBalance": said})
        assert await port.balance() == Decimal(amount)
    for said in ("ACCESS_BALANCE:", "ACCESS_BALANCE:NaN", "ACCESS_BALANCE:--1"):
        port, _ = made({"getBalance": said})
        with pytest.raises(OutcomeUnknown):
            await port.balance()


async def test_malformed_cells_are_left_out() -> None:
    """One bad line does not hide the price list, and no bad price gets into it."""
    good = {"cost": 0.08, "count": 25370, "physicalCount": 14528}
    port, _ = made(
        {
            "getPrices": {
                "6": {
                    "ig": good,
                    "wa": {"cost": "0.5", "count": "3000000"},
                    "a": {"cost": -1, "count": 1},
                    "b": {"count": 1},
                    "c": [],
                    "d": None,
                    "e": "x",
                    "f/../g": good,
                    "h": {"cost": 1, "count": -5},
                },
                "7": [],
                "..;": {"ig": good},
            }
        }
    )
    cells = [(cell.country, cell.service, cell.cost, cell.available) for cell in await port.cells()]
    assert cells == [
        ("6", "ig", Decimal("0.08"), 14528),
        ("6", "wa", Decimal("0.5"), 3_000_000),
        ("6", "h", Decimal(1), None),
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"status": "false", "msg": "service is incorrect"},
        {"6": 1},
        [{"ig": {"cost": 1, "count": 1}}],
        "<html>",
        b'{"6":{"ig":{"cost":0.08,"count":2',
        b'{"6":{"ig":{"cost":0.08,"count":2]}}',
        "",
    ],
    ids=str,
)
async def test_a_malformed_price_list_is_not_an_empty_one(said: object) -> None:
    """An empty list would take a supplier's offers off sale; only a list that says so is empty."""
    port, _ = made({"getPrices": said})
    with pytest.raises(OutcomeUnknown):
        await port.cells()
    for empty in ({}, []):
        port, _ = made({"getPrices": empty})
        assert await port.cells() == []
