"""What the tests of the public contract share: an installation for a whole file, and the shape of a refusal."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.databases import DemoHome
from tests.site import Site

Answer = tuple[int, Any, dict[str, str]]

#: every code of the contract with its HTTP status
CODES = {
    "unauthorized": 401,
    "forbidden": 403,
    "service_not_allowed": 403,
    "insufficient_balance": 402,
    "not_found": 404,
    "method_not_allowed": 405,
    "no_numbers": 409,
    "max_price_exceeded": 409,
    "cancel_rejected": 409,
    "resend_rejected": 409,
    "webhook_rejected": 409,
    "idempotency_in_progress": 409,
    "idempotency_mismatch": 422,
    "validation_failed": 422,
    "rate_limited": 429,
    "service_unavailable": 503,
}


@contextlib.contextmanager
def running_site(folder: Path, cluster: str, demo_home: DemoHome, **environment: str) -> Iterator[Site]:
    """A demo installation on a database of its own, for all tests of a file."""
    with demo_home.site(folder, cluster, **environment) as site:
        site.start()
        yield site


def execute(site: Site, statement: str, *values: object) -> None:
    """Change the site's database where no command of ours does it yet, and tell the processes."""
    with psycopg.connect(site.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement, values)  # type: ignore[arg-type]
        connection.execute("select pg_notify('ringlet', 'keys ')")
    time.sleep(0.3)  # the news travels


def account(site: Site, email: str, balance: str = "100") -> dict[str, Any]:
    """A customer of the site: id, api_key, test_key."""
    made = site.ringlet("account", "create", email, "--balance", balance, "--json")
    assert made.returncode == 0, made.stderr
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def refused(answer: Answer, status: int, code: str) -> Any:
    """The body of an answer that must be exactly this refusal."""
    body = refusal(answer)
    assert (answer[0], body["code"]) == (status, code), body
    return body


def refusal(answer: Answer) -> Any:
    """The body of an answer that must be a refusal of the contract, whichever it is."""
    status, body, head = answer
    assert isinstance(body, dict), (status, body)
    assert body["success"] is False, body
    assert CODES.get(body["code"]) == status, (status, body)
    assert isinstance(body["message"], str)
    assert body["message"]
    assert body["request_id"] == head["x-request-id"]
    assert head["content-type"] == "application/json"
    if body["code"] == "validation_failed":
        assert body["errors"]
        assert all(set(each) == {"field", "message"} for each in body["errors"]), body
    return body


def raw(site: Site, request: bytes, *, then_close: bool = False) -> Answer:
    """Bytes as they are; the answer to the first request in them. Status 0: the connection was closed."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            if then_close:
                connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while not _is_whole(received, has_body=not request.startswith(b"HEAD ")) and (
                part := connection.recv(65536)
            ):
                received += part
    return _parse(received)


def _is_whole(received: bytes, *, has_body: bool) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found or not has_body:
        return bool(found)
    length = next(
        (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
    )
    return len(body) >= int(length.partition(b":")[2])


def _parse(received: bytes) -> Answer:
    if not received:
        return 0, b"", {}
    top, _, body = received.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    head = {name.strip().lower(): value.strip() for name, _, value in pairs}
    try:
        return int(first.split()[1]), json.loads(body), head
    except ValueError:
        return int(first.split()[1]), body, head
