"""Bad input of every kind, as bytes where clients would not send it: always a clear refusal, never a 500."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import Answer, raw, refused, running_site
from tests.databases import DemoHome
from tests.site import Site

BUY = "/api/v1/resell/virtual/buy"
RESEND = "/api/v1/resell/virtual/resend"
CANCEL = "/api/v1/resell/virtual/cancel"
AGENT = "/agent/api/sms"
GETS = ["/resell/price?service=ig&country=6", "/prices", "/resell/virtual/4390520873/status",
        "/resell/activations", "/balance", "/countries", "/services", "/operators?country=6"]  # fmt: skip
DEEP = 10_000
HUGE = "9" * 10_000
SMS_IDS = itertools.count(1_000)

#: bodies that are not JSON, or not the object that is asked for
NOT_A_BODY = {
    "nothing": b"",
    "spaces": b"  \r\n",
    "no JSON": b"{nope",
    "half": b'{"service":"ig","country":',
    "more after it": b'{"service":"ig","country":6} {}',
    "an array": b"[]",
    "text": b'"ig"',
    "a number": b"6",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a field": b'{"service":"ig","country":6,"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"service":"ig","country":6,"activation_id":"1"}',
    "bad UTF-8": b'{"service":"\xff\xfe","country":6,"activation_id":"\xff"}',
    "a surrogate in UTF-8": b'{"service":"\xed\xa0\x80","country":6,"activation_id":"\xed\xa0\x80"}',
    "overlong UTF-8": b'{"service":"\xc0\xaf","country":6,"activation_id":"\xc0\xaf"}',
    "UTF-16": '{"service":"ig","country":6}'.encode("utf-16"),
    "a form": b"service=ig&country=6",
    "NUL": b"\0",
    "10 MB": b'{"service":"ig","country":6,"activation_id":"1","x":"' + b"x" * 10_000_000 + b'"}',
}

#: what stands for a JSON value in place of a field's
ANY_WRONG = ["null", "[]", "{}", "true", '""', '"\\u0000"', '"\\ud800"', "1e400", "-1e400", HUGE, "1." + HUGE,
             "1e9999999999999999999", "NaN", "Infinity", "-Infinity", '" "', '"i\\u0000g"', '"' + "x" * 40_000 + '"'
             ]  # fmt: skip
#: and what is wrong for one field
WRONG: dict[str, list[str]] = {
    "service": [*ANY_WRONG, "6", '"IG"', '"ig\\n"', '"../etc"', '"' + "a" * 33 + '"', '"ıg"'],
    "country": [*ANY_WRONG, '"6"', '"six"', "-1", "10000", "6.5", "1" + "0" * 30, "-0.1"],
    "max_price": [*(each for each in ANY_WRONG if each not in {"null", "1." + HUGE}), "-1", '"0.5"', "1000001", "-0.0000001"],
    "operator": [*(each for each in ANY_WRONG if each != "null"), "5", '"a b"', '"' + "a" * 256 + '"'],
    "exclude_prefixes": ["{}", "true", '"62"', "[62]", "[null]", '["+62"]', '[""]', '["62\\n"]', '["٦٢"]',
                         json.dumps(["1"] * 51), '["' + "1" * 16 + '"]'],
    "reference": ["[]", "{}", "true", "5", '""', '"a\\u0000b"', '"a\\n"', '"\\ud800"', '"' + "x" * 256 + '"'],
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; after all of it nothing was unforeseen and its books balance."""
    with running_site(tmp_path_factory.mktemp("bad-input"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


def send(site: Site, path: str, body: bytes, *headers: str, method: str = "POST", key: str = "") -> Answer:
    """A request as written: HTTP/1.1, the demo's key, a true Content-Length."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: ringlet.test",
        f"Authorization: Bearer {key or site.demo['api_key']}",
        f"Content-Length: {len(body)}",
        *(headers or ("Content-Type: application/json",)),
    ]
    return raw(site, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def get(site: Site, path: str, *headers: str) -> Answer:
    return send(site, path, b"", *headers, method="GET")


def agent_error(answer: Answer, *statuses: int) -> Any:
    """What an owner's program is told: not SUCCESS, and why."""
    status, body, head = answer
    assert status in statuses, (status, body)
    assert body["status"] == "ERROR"
    assert body["error"]
    assert head["content-type"] == "application/json"
    return body


@pytest.mark.parametrize("path", [BUY, RESEND, CANCEL])
@pytest.mark.parametrize("body", NOT_A_BODY.values(), ids=NOT_A_BODY.keys())
def test_what_is_no_body(site: Site, path: str, body: bytes) -> None:
    """Not JSON, not an object, too deep, too large: not valid, with a word why."""
    refused(send(site, path, body), 422, "validation_failed")


@pytest.mark.parametrize("body", NOT_A_BODY.values(), ids=NOT_A_BODY.keys())
def test_what_is_no_message(site: Site, body: bytes) -> None:
    """The owners' door tells it in the form of its protocol."""
    agent_error(send(site, AGENT, body), 400)


@pytest.mark.parametrize("field", WRONG)
def test_wrong_fields_of_an_order(site: Site, field: str) -> None:
    """Each wrong value of each field is refused, and the refusal names the field when the JSON could be read."""
    for wrong in WRONG[field]:
        order = {"service": '"ig"', "country": "6", field: wrong}
        text = "{" + ",".join(f'"{name}":{value}' for name, value in order.items()) + "}"
        body = refused(send(site, BUY, text.encode()), 422, "validation_failed")
        named = body["errors"][0]["field"].partition("[")[0]
        assert named in {field, "body"}, (wrong[:40], body)
        assert named == field or "JSON" in body["message"], (wrong[:40], body)


@pytest.mark.parametrize("path", [RESEND, CANCEL])
def test_wrong_activation_ids(site: Site, path: str) -> None:
    """Whatever is no string of digits is not valid; a string of digits that is nobody's is not found."""
    for wrong in [
        *ANY_WRONG,
        "4390520873",
        '"-1"',
        '"1.5"',
        '"1e3"',
        '"12\\n"',
        '"١٢"',
        '"' + "1" * 19 + '"',
    ]:
        refused(send(site, path, b'{"activation_id":%s}' % wrong.encode()), 422, "validation_failed")
    for unknown in ("0", "1", "9" * 18, "0" * 18):
        refused(send(site, path, b'{"activation_id":"%s"}' % unknown.encode()), 404, "not_found")
    refused(send(site, path, b"{}"), 422, "validation_failed")


@pytest.mark.parametrize("wrong", ["null", "1", '"true"', "[]"])
def test_wrong_when_allowed(site: Site, wrong: str) -> None:
    """A yes or no is true or false."""
    body = b'{"activation_id":"1","when_allowed":%s}' % wrong.encode()
    refused(send(site, CANCEL, body), 422, "validation_failed")


def test_missing_fields_are_named(site: Site) -> None:
    """The first one that is missing stands in `errors`."""
    body = refused(send(site, BUY, b'{"country":6}'), 422, "validation_failed")
    assert body["errors"] == [{"field": "service", "message": "this field is required"}]
    body = refused(send(site, BUY, b'{"service":"ig"}'), 422, "validation_failed")
    assert body["errors"][0]["field"] == "country"


def test_unknown_fields_and_parameters_are_ignored(site: Site) -> None:
    """Tomorrow's clients work with today's server; a name that comes twice counts the last time."""
    status, body, _ = send(site, BUY, b'{"service":"zz","colour":[1],"service":"ig","country":6,"":null}')
    assert (status, body["activation"]["service"]) == (200, "ig")
    many = "&".join(f"p{index}={index}" for index in range(500))
    assert get(site, f"/api/v1/balance?{many}&p1=again&=&&;")[0] == 200


WRONG_MESSAGES = {
    "action": ['"GET_NUMBER"', "null", '""', "5"],
    "key": ["null", "5", '""', '"x"', '"\\u0000"', '"ключ"'],
    "smsId": ["null", '"1"', "-1", "1.5", str(2**63), HUGE, "true", "1e400"],
    "phone": ["null", '"79281234567"', "-7928", "1", "1.5", HUGE, "10000000000000000", "[]"],
    "phoneFrom": ["5", "[]", '"' + "x" * 256 + '"', '"\\ud800"'],
    "text": ["null", "5", "[]", '"' + "x" * 16_001 + '"', '"\\ud800"'],
}


@pytest.mark.parametrize("field", WRONG_MESSAGES)
def test_wrong_fields_of_a_message(site: Site, field: str) -> None:
    """Types are strict as in the protocol: numbers are numbers."""
    for wrong in WRONG_MESSAGES[field]:
        message = {"action": '"PUSH_SMS"', "key": f'"{site.demo["agent_key"]}"', "smsId": "1",
                   "phone": "79281234567", "phoneFrom": '"Vk"', "text": '"code 1234"', field: wrong}  # fmt: skip
        text = "{" + ",".join(f'"{name}":{value}' for name, value in message.items()) + "}"
        agent_error(send(site, AGENT, text.encode()), 401 if field == "key" and wrong[0] == '"' else 400)


STRANGE_TEXTS = [
    "a\0b",
    "\0",
    "\u202eevil",
    "\x1b[31m",
    "\U0001f4a9" * 4_000,
    "",
    "\r\nX: y",
    "\ufeff",
    "\ud83d\ude00",
]


@pytest.mark.parametrize("text", STRANGE_TEXTS, ids=range(len(STRANGE_TEXTS)))
def test_strange_texts_arrive_whole(site: Site, text: str) -> None:
    """What people receive can hold anything; only what PostgreSQL cannot hold is replaced, and visibly."""
    bought = send(site, BUY, b'{"service":"go","country":6}')[1]["activation"]
    message = {"action": "PUSH_SMS", "key": site.demo["agent_key"], "smsId": next(SMS_IDS),
               "phone": int(bought["phone"]), "phoneFrom": text[:200], "text": text}  # fmt: skip
    assert send(site, AGENT, json.dumps(message).encode())[:2] == (200, {"status": "SUCCESS"})
    mine = get(site, "/api/v1/resell/activations?per_page=100")[1]["data"]
    came = [each["text"] for lease in mine if lease["phone"] == bought["phone"] for each in lease["messages"]]
    assert came[-1] == json.loads(json.dumps(text)).replace("\0", "\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                                          "application/xml", "application/jsonx", "json", "", "\xff/\xfe"])  # fmt: skip
def test_wrong_content_types(site: Site, content_type: str) -> None:
    """Only JSON is read as JSON: a web page cannot make a browser order by a plain form."""
    body = b'{"service":"ig","country":6,"activation_id":"1"}'
    for path in (BUY, RESEND, CANCEL):
        refused(send(site, path, body, f"Content-Type: {content_type}"), 422, "validation_failed")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"]
)
def test_right_content_types(site: Site, content_type: str) -> None:
    """Parameters and capitals do not matter."""
    assert send(site, BUY, b'{"service":"ig","country":6}', f"Content-Type: {content_type}")[0] == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "HEAD", "QUERY"])
def test_wrong_methods(site: Site, method: str) -> None:
    """405 with what is allowed, for methods that are there for others and for made-up ones."""
    for path, allowed in (
        (BUY, "POST"),
        (CANCEL, "POST"),
        ("/api/v1/balance", "GET"),
        ("/openapi.json", "GET"),
    ):
        status, body, head = send(site, path, b"", method=method)
        assert status == 405, (method, path, status)
        assert allowed in head["allow"]
        if method != "HEAD":
            refused((status, body, head), 405, "method_not_allowed")


def test_get_for_post_and_post_for_get(site: Site) -> None:
    """The two that are mistaken most often."""
    for path in (BUY, RESEND, CANCEL):
        assert "POST" in _refused_method(send(site, path, b"", method="GET"))
    for path in GETS:
        assert "GET" in _refused_method(send(site, "/api/v1" + path, b"{}"))
    assert "POST" in _refused_method(send(site, AGENT, b"", method="GET"))


def _refused_method(answer: Answer) -> str:
    refused(answer, 405, "method_not_allowed")
    return answer[2]["allow"]
