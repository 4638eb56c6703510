"""Bad requests around the body: paths, queries, headers, lengths, encodings. Bytes by hand."""

from collections.abc import Iterator

import pytest

from tests.contract import Answer, raw, refusal, refused, running_site
from tests.databases import DemoHome
from tests.site import Site

API = "/api/v1"
BUY = f"{API}/resell/virtual/buy"
ORDER = b'{"service":"ig","country":6}'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; after all of it nothing was unforeseen and it is still ready."""
    with running_site(tmp_path_factory.mktemp("bad-requests"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.is_ready()
        assert running.audit() == ""


def send(site: Site, head: str, *headers: str | bytes, body: bytes = b"", key: str = "") -> Answer:
    """`head` is method and path; everything else as given, with the demo's key unless `key` is "-"."""
    lines = [f"{head} HTTP/1.1".encode("latin-1"), b"Host: ringlet.test"]
    if key != "-":
        lines.append(f"Authorization: Bearer {key or site.demo['api_key']}".encode("latin-1"))
    lines += [each if isinstance(each, bytes) else each.encode("latin-1") for each in headers]
    return raw(site, b"\r\n".join(lines) + b"\r\n\r\n" + body)


def order(site: Site, *headers: str | bytes, body: bytes = ORDER) -> Answer:
    length = f"Content-Length: {len(body)}"
    return send(site, f"POST {BUY}", "Content-Type: application/json", length, *headers, body=body)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing", "/resell", "/resell/virtual", "/resell/virtual/1", "/resell/virtual//status",
     "/resell/virtual/1/status/more", "/resell/virtual/1%2F2/status", "/../../etc/passwd", "/%00", "/%ff%fe",
     "/prices/ig", "/PRICES", "/resell/virtual/1/Status", "/prices;x=1", "//prices"],
)  # fmt: skip
def test_unknown_addresses(site: Site, path: str) -> None:
    """404 in the contract's form, wherever under the API."""
    refused(send(site, f"GET {API}{path}"), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/v2/prices",
        "/%ff",
        "/agent",
        "/agent/api",
        "/.env",
        "/schema",
        "//api/v1/balance",
        "/api//v1/balance",
        "/api/v1//balance",
    ],
)
def test_unknown_addresses_outside_of_the_api(site: Site, path: str) -> None:
    """The same form without a key: no page, no trace."""
    refused(send(site, f"GET {path}", key="-"), 404, "not_found")


@pytest.mark.parametrize("path", ["/balance/", "/prices/", "/countries//", "/resell/virtual/1/status/"])
def test_trailing_slashes_change_nothing(site: Site, path: str) -> None:
    """With or without: the same answer, or a refusal of the contract."""
    with_slash, without = send(site, f"GET {API}{path}"), send(site, f"GET {API}{path.rstrip('/')}")
    assert with_slash[0] == without[0] or refusal(with_slash)["code"] == "not_found"


@pytest.mark.parametrize("activation_id", ["abc", "-1", "1.5", "%00", "%ff", "1%0a", "%D9%A1", "null", "1" * 19, "1" * 4_000,
                                           "+1", "0x10", "1e3", "%2e%2e", "''", "%20", "1;drop"])  # fmt: skip
def test_status_of_what_is_no_activation_id(site: Site, activation_id: str) -> None:
    """Not found, like an activation that is not ours."""
    refused(send(site, f"GET {API}/resell/virtual/{activation_id}/status"), 404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["", "service=ig", "country=6", "service=ig&country=", "service=&country=6", "service=ig&country=6.5",
     "service=ig&country=-1", "service=ig&country=10000", "service=ig&country=" + "9" * 5_000,
     "service=ig&country=null", "service=ig&country=%206", "service=ig&country=%EF%BC%96", "service=ig&country=1_0",
     "service=ig&country=NaN", "service=ig&country=0x6", "service=ig&country=%00", "service=ig&country=%ff",
     "service=IG&country=6", "service=i%00g&country=6", "service=%ff&country=6", "service=ig%0a&country=6",
     "service=" + "a" * 33 + "&country=6", "service=i'g&country=6", "service[]=ig&country=6", "service&country",
     "SERVICE=ig&country=6", "%ff=%fe", "&&&===", "%", "service=%zz&country=6"],
)  # fmt: skip
def test_bad_queries_of_the_price(site: Site, query: str) -> None:
    """Missing, empty, of the wrong type or not text at all: not valid."""
    refused(send(site, f"GET {API}/resell/price?{query}"), 422, "validation_failed")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("page", ["0", "-1", "x", "", "null", "1.5", "100001", "9" * 400, "%00", "true"]),
        ("per_page", ["0", "101", "x", "", "null", "%ff"]),
        ("service", ["", "IG", "%00", "ig%0a", "a" * 33, "%ff"]),
        ("country", ["", "x", "-1", "null", "6.0", "10000", "%00", "%EF%BC%96"]),
        ("status", ["", "WAITING", "null", "done", "%00", "waiting,expired"]),
        ("from", ["", "null", "5", "yesterday", "2025-11-08", "2025-11-08T00:00:00", "2025-13-01T00:00:00Z",
                  "99999999999999", "%00", "0000-00-00T00:00:00Z"]),
        ("to", ["", "null", "1e9", "2025-11-08T25:00:00Z", "2025-11-08T00:00:00+99:00"]),
        ("reference", ["", "%00", "%0a", "a%0a", "%1b", "x" * 256]),
        ("cursor", ["", "null", "-1", "1.5", "%00", "1" * 19]),
    ],
)  # fmt: skip
def test_bad_filters_of_the_list(site: Site, field: str, values: list[str]) -> None:
    """Each filter is checked, and the refusal names it as the customer spelled it."""
    for value in values:
        body = refused(send(site, f"GET {API}/resell/activations?{field}={value}"), 422, "validation_failed")
        assert body["errors"][0]["field"] == field, (value[:40], body)


@pytest.mark.parametrize("value", ["-1", "61", "x", "null", "1.5", "", "%00", "9" * 30])
def test_bad_waits(site: Site, value: str) -> None:
    """From 0 to 60 whole seconds."""
    refused(send(site, f"GET {API}/resell/virtual/1/status?wait={value}"), 422, "validation_failed")


@pytest.mark.parametrize("query", ["from=0001-01-01T00:00:00%2B23:59", "to=9999-12-31T23:59:59-23:59", "cursor=" + "9" * 18,
                                   "page=100000&per_page=100", "reference=%F0%9F%92%A9", "reference=null", "reference=%ff",
                                   "from=2025-11-08T00:00:00.123456789Z", "country=9999", "service=ig&service=wa",
                                   "reference=%27%20or%201=1", "cursor=0"])  # fmt: skip
def test_filters_at_their_limits(site: Site, query: str) -> None:
    """Allowed, and nothing there."""
    status, body, _ = send(site, f"GET {API}/resell/activations?{query}")
    assert status == 200, body
    assert body["data"] == []


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "bearer {key", "Basic ZGVtbzpkZW1v", "Bearer  {key}", "Bearer {key} x", "{key}", "Bearer {key}{key}",
     "Bearer {changed}", "Bearer {lower}", "Bearer rl_live_" + "x" * 10_000, "Bearer rl_test_", "Bearer \xff\xfe", "Bearer rl_live_\xe9",
     "Token {key}", "Bearer\t{key}", "Bearer null", "Bearer undefined", 'Bearer "{key}"', "Bearer {key},Bearer {key}"],
)  # fmt: skip
def test_bad_authorization(site: Site, authorization: str) -> None:
    """No key that is wrong in any way opens anything."""
    key = site.demo["api_key"]
    changed = key[:-10] + ("a" if key[-10] != "a" else "b") + key[-9:]
    text = authorization.replace("{key}", key).replace("{changed}", changed).replace("{lower}", key.lower())
    refused(send(site, f"GET {API}/balance", f"Authorization: {text}", key="-"), 401, "unauthorized")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(site: Site, scheme: str) -> None:
    """As HTTP says."""
    answer = send(site, f"GET {API}/balance", f"Authorization: {scheme} {site.demo['api_key']}", key="-")
    assert answer[0] == 200


def test_two_authorizations_do_not_add_up(site: Site) -> None:
    """The first one counts: a good key behind a bad one opens nothing."""
    good = f"Authorization: Bearer {site.demo['api_key']}"
    refused(send(site, f"GET {API}/balance", "Authorization: Bearer x", good, key="-"), 401, "unauthorized")


@pytest.mark.parametrize("key", ["", " ", "\t", "a\tb", "ключ".encode(), b"\xff", b"a" * 256, b"k" * 8_000])
def test_bad_idempotency_keys(site: Site, key: str | bytes) -> None:
    """1 to 255 printable ASCII characters, or the order is not taken."""
    written = key if isinstance(key, bytes) else key.encode("latin-1")
    refused(order(site, b"Idempotency-Key: " + written), 422, "validation_failed")


@pytest.mark.parametrize("key", ["1", "a" * 255, "a b", "!~", "'; drop table activation; --"])
def test_good_idempotency_keys(site: Site, key: str) -> None:
    """Taken as they are, and the second time it is the first answer."""
    first, again = order(site, f"Idempotency-Key: {key}"), order(site, f"Idempotency-Key: {key}")
    assert (first[0], again[0]) == (200, 200)
    assert again[1] == first[1]
    assert again[2]["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "tag", ["", "*x", '"', "W/", 'W/"', ",,,", '"a","b"', "\xff", "x" * 8_000, '""', "null"]
)
def test_if_none_match_of_any_kind(site: Site, tag: str) -> None:
    """What is no tag of ours gets the whole answer."""
    assert send(site, f"GET {API}/countries", f"If-None-Match: {tag}")[0] == 200


@pytest.mark.parametrize("tag", ["{tag}", "W/{tag}", '"x", {tag}', "*"])
def test_if_none_match_that_matches(site: Site, tag: str) -> None:
    """Weak, in a list or anything at all: nothing new, and no body."""
    own = send(site, f"GET {API}/countries")[2]["etag"]
    status, body, _ = send(site, f"GET {API}/countries", "If-None-Match: " + tag.replace("{tag}", own))
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("", None), ("identity", None), ("*", None), ("x", None), ("gzip", "gzip"), ("GZIP;q=0.5", "gzip"), ("gzip;q=0", None),
     ("gzip ; q=0.000", None), ("br", "br"), ("zstd, br, gzip", "zstd"), ("\xff", None), ("gzip;" * 500, "gzip"), (",;q=,=", None)],
)  # fmt: skip
def test_accept_encoding_of_any_kind(site: Site, accepted: str, encoding: str | None) -> None:
    """Compressed only as the client says that it can read it."""
    status, _, head = send(site, f"GET {API}/countries", f"Accept-Encoding: {accepted}")
    assert (status, head.get("content-encoding")) == (200, encoding)


def test_chunked_bodies(site: Site) -> None:
    """Read without a length; too much of it is refused and not read to its end."""
    start = [f"POST {BUY}", "Content-Type: application/json", "Transfer-Encoding: chunked"]
    assert send(site, *start, body=b"1c\r\n" + ORDER + b"\r\n0\r\n\r\n")[0] == 200
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    refused(send(site, *start, body=chunk * 160 + b"0\r\n\r\n"), 422, "validation_failed")


def test_lengths_that_lie(site: Site) -> None:
    """Too long and the rest never comes: the connection ends without an order. Too much at once: refused."""
    start = [f"POST {BUY}", "Content-Type: application/json"]
    before = send(site, f"GET {API}/resell/activations")[1]["meta"]["total"]
    lines = [*start, "Content-Length: 1000"]
    head = "\r\n".join([f"{lines[0]} HTTP/1.1", f"Authorization: Bearer {site.demo['api_key']}", *lines[1:]])
    status, body, headers = raw(site, head.encode() + b"\r\n\r\n" + ORDER, then_close=True)
    assert status == 0 or refusal((status, body, headers))
    assert send(site, f"GET {API}/resell/activations")[1]["meta"]["total"] == before
    refused(send(site, *start, "Content-Length: 99999999999", body=ORDER), 422, "validation_failed")
    assert send(site, *start, "Content-Length: 10", body=ORDER)[0] in {400, 422}  # what follows is no request
    assert send(site, f"GET {API}/resell/activations")[1]["meta"]["total"] == before


@pytest.mark.parametrize(
    "request_bytes",
    [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\0\0\0\0",
     b"GET /api/v1/balance HTTP/1.1\r\nX: a\0b\r\n\r\n", b"GET /api/v1/balance HTTP/1.1\r\nBad Header: x\r\n\r\n",
     b"POST /api/v1/resell/virtual/buy HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n",
     b"POST /agent/api/sms HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
     b"POST /agent/api/sms HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"POST /agent/api/sms HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_what_is_not_http(site: Site, request_bytes: bytes) -> None:
    """The server says 400 or hangs up, and goes on serving others."""
    status, _, _ = raw(site, request_bytes, then_close=True)
    assert status < 500
    assert site.is_ready()


def test_long_addresses_and_many_headers(site: Site) -> None:
    """Answered or refused, and never by a fault of ours."""
    assert send(site, f"GET {API}/balance?x={'y' * 30_000}")[0] in {200, 400, 414, 431}
    refused(send(site, f"GET {API}/{'a/' * 2_000}"), 404, "not_found")
    assert send(site, f"GET {API}/balance", *(f"X-{index}: y" for index in range(200)))[0] in {200, 431}
    assert send(site, f"GET {API}/balance?" + "&".join(["page=1"] * 2_000))[0] in {200, 400}


def test_nothing_that_is_sent_comes_back_as_a_header(site: Site) -> None:
    """No answer can be split, no id can be chosen by the client."""
    for answer in (
        send(site, f"GET {API}/balance?x=%0d%0aSet-Cookie:%20a=b", "X-Request-Id: mine\x0b"),
        send(site, f"GET {API}/nothing%0d%0aSet-Cookie:%20a=b"),
        order(site, "Idempotency-Key: a%0d%0aSet-Cookie: a=b"),
    ):
        assert "set-cookie" not in answer[2]
        assert len(answer[2].get("x-request-id", "0" * 16)) == 16


def test_options_tells_the_methods_and_nothing_else(site: Site) -> None:
    """No page of another origin is invited."""
    for path in (BUY, f"{API}/balance", "/agent/api/sms"):
        status, _, head = send(site, f"OPTIONS {path}", "Origin: https://evil.example")
        assert status in {204, 405}
        assert "OPTIONS" in head["allow"] or status == 405
        assert not [name for name in head if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 100) for n in range(2_000))
        + b"\r\n",
        b"this is no HTTP\r\n\r\n",
    ],
    ids=["long address", "many headers", "no HTTP"],
)
def test_a_head_without_end_or_sense(site: Site, request_bytes: bytes) -> None:
    """A head is bounded, before any key was seen, and what is no HTTP is refused in the contract's form."""
    status, body, _ = raw(site, request_bytes)
    assert (status, body["code"], body["success"]) == (400, "validation_failed", False)
