"""The handler API's doors: who may ask, how it is asked, and that no key is ever written down."""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ringlet import errors
from ringlet.web.handler import absent, words
from ringlet.web.handler.actions import ACTIONS
from tests.contract import execute, raw, running_site
from tests.databases import DemoHome
from tests.handler_program import CLASSIC, LATER, Program, own_account
from tests.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; when all is done nothing was unforeseen and its books balance."""
    with running_site(tmp_path_factory.mktemp("handler-key"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


@pytest.fixture
def customer(site: Site) -> dict[str, Any]:
    """An account of this test's own."""
    return own_account(site)


@pytest.fixture
def program(site: Site, customer: dict[str, Any]) -> Program:
    """At the classic door."""
    return Program(site, customer["api_key"])


@pytest.mark.parametrize(
    "action", [None, "", "getbalance", "nothing", "getUn1", "__class__", "x" * 5_000, "\0", "é"]
)
def test_actions_that_there_are_not(site: Site, action: str | None) -> None:
    """BAD_ACTION, whatever was typed."""
    assert Program(site, site.demo["api_key"]).say(action) == "BAD_ACTION"
    assert Program(site, site.demo["api_key"], LATER).no(action) == (404, "BAD_ACTION")


@pytest.mark.parametrize("action", sorted([*ACTIONS, "nothing"]))
def test_every_action_needs_a_key(site: Site, action: str) -> None:
    """NO_KEY without, BAD_KEY with one that we never made; 401 at the later door."""
    assert Program(site, None).say(action) == Program(site, "").say(action) == "NO_KEY"
    for key in ("x", "rl_live_" + "x" * 43, "é\0'\"", site.demo["api_key"][:-1] + "\n" + "x"):
        assert Program(site, key).say(action) == "BAD_KEY"
    assert Program(site, None, LATER).no(action) == Program(site, "x", LATER).no(action) == (401, "BAD_KEY")


def test_get_and_post_are_the_same(program: Program) -> None:
    """In the query, in a form of either kind, in any letter case of the names; a body of another kind is ignored."""
    said = "ACCESS_BALANCE:100.00"
    key = program.key
    assert program.ask("getBalance", method="POST").body == said
    body = f"api_key={key}&action=getBalance".encode()
    assert program.send("", method="POST", form=(body, "application/x-www-form-urlencoded")).body == said
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("api_key", key), ("Action", "getBalance"))
    )
    multipart = ((parts + "--b--\r\n").encode(), "multipart/form-data; boundary=b")
    assert program.send("", method="POST", form=multipart).body == said
    for names in (
        "API_KEY={}&ACTION=getBalance",
        "Api_Key={}&action=getBalance&x",
        "api_key=x&api_key={}&action=getBalance",
    ):
        assert program.send("?" + names.format(key)).body == said
    for kind in ("application/json", "text/plain", "nonsense"):
        assert program.ask("getBalance", method="POST", form=(b'{"action": 1', kind)).body == said


@pytest.mark.parametrize(
    "form",
    [
        (b"x=1" * 30_000, "application/x-www-form-urlencoded"),
        (b"&".join([b"x=1"] * 5_000), "application/x-www-form-urlencoded"),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b"),
        (b"--b\r\n", "multipart/form-data"),
        (b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nx\r\n--b--\r\n', "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=nope\r\n\r\nx\r\n--b--\r\n',
         "multipart/form-data; boundary=b"),
        (b"\xff\xfe=%ff%00&%", "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
def test_bodies_that_are_none(program: Program, form: Any) -> None:
    """Answered in the protocol's words: what can be read is, the rest is refused."""
    said = program.ask("getBalance", method="POST", form=form)
    assert said.status == 200
    assert said.body in {"ACCESS_BALANCE:100.00", "ERROR_SQL"}


@pytest.mark.parametrize(
    "query", ["?%", "?&&&===", "?%ff=%fe", "?action", "?=x", "?" + "a=1&" * 5_000, "?api_key=%00&action=%00"]
)
def test_queries_that_are_none(site: Site, query: str) -> None:
    """No failure, whatever stands behind the question mark."""
    said = Program(site, None).send(query)
    assert (said.status, said.body in {"NO_KEY", "BAD_KEY", "ERROR_SQL"}) == (200, True)


def test_other_methods_are_refused(site: Site) -> None:
    """Only GET and POST: the other words get the installation's 405."""
    for method in ("PUT", "DELETE", "PATCH"):
        assert Program(site, None).send("", method=method).status == 405


def test_a_frozen_account_is_banned(site: Site, customer: dict[str, Any]) -> None:
    """With a date behind it, as programs expect; 403 at the later door."""
    execute(site, "update customer set frozen_at = now() where id = %s", customer["id"])
    said = Program(site, customer["api_key"]).say("getBalance")
    assert re.fullmatch(r"BANNED:'\d{4}-\d\d-\d\d \d\d-\d\d-\d\d'", said)
    assert Program(site, customer["api_key"], LATER).no("getNumber") == (403, "BANNED")


def test_keys_with_less_than_everything(site: Site, customer: dict[str, Any]) -> None:
    """Scopes and addresses hold here too."""
    program, later = Program(site, customer["api_key"]), Program(site, customer["api_key"], LATER)
    mine = "update api_key set {} where wallet_id in (select id from wallet where customer_id = %s)"
    execute(site, mine.format("scopes = '{balance:read}'"), customer["id"])
    assert program.say("getBalance") == "ACCESS_BALANCE:100.00"
    for action in ("getNumber", "setStatus", "getStatus", "getPrices", "getRentNumber"):
        assert program.say(action) == "BAD_KEY"
        assert later.no(action) == (403, "ACCOUNT_INACTIVE")
    execute(site, mine.format("allowed_addresses = '{10.0.0.0/8}'"), customer["id"])
    assert program.say("getBalance") == "BAD_KEY"
    execute(site, mine.format("allowed_addresses = null, revoked_at = now()"), customer["id"])
    assert program.say("getBalance") == "BAD_KEY"
    assert later.no("getBalance") == (401, "BAD_KEY")


@pytest.mark.parametrize("path", [CLASSIC, LATER])
def test_no_key_ever_reaches_the_log(site: Site, customer: dict[str, Any], path: str) -> None:
    """Good and bad requests, heads that are too long and no HTTP at all: the log has the route, never the query."""
    program = Program(site, customer["api_key"], path)
    key = customer["api_key"]
    for action in (*ACTIONS, "nothing"):
        program.ask(action, service="ig", country=6, id="1")
    program.send(f"?api_key={key}&action=getBalance", method="DELETE")
    program.send(f"/{key}?api_key={key}")
    program.send(f"?api_key={key}&" + "x=1&" * 500)
    raw(site, f"GET {path}?api_key={key} HTTP/9.9\r\nHost: x\r\n\r\n".encode())
    raw(
        site,
        f"GET {path}?api_key={key}&x={'x' * 70_000} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        then_close=True,
    )
    log = site.log.read_text()
    assert f'"route":"{path}"' in log
    assert key not in log
    assert key[8:30] not in log


def test_too_many_requests_and_no_database(
    tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome
) -> None:
    """CHANNELS_LIMIT over the key's rate and ERROR_SQL without a database: 200 at the old door, 429 and 500 else."""
    with running_site(tmp_path_factory.mktemp("limits"), cluster, demo_home, RINGLET_RATE_LIMIT="5") as site:
        program, later = Program(site, site.demo["api_key"]), Program(site, site.demo["api_key"], LATER)
        said = [program.ask("getBalance") for _ in range(12)]
        assert {each.status for each in said} == {200}
        limited = [each for each in said if each.body == "CHANNELS_LIMIT"]
        assert limited
        assert limited[0].head["retry-after"] == "1"
        assert later.no("getBalance") == (429, "CHANNELS_LIMIT")
        with _away(site, cluster):
            broken = program.ask("getBalance")
            assert (broken.status, broken.body) == (200, "ERROR_SQL")
            assert later.no("getBalance") == (500, "SERVER_ERROR")
        lines = [line for line in site.log.read_text().splitlines() if line.startswith("{")]
        assert any("out_of_reach" in line for line in lines)
        assert not any(site.demo["api_key"][8:30] in line for line in lines)


@contextlib.contextmanager
def _away(site: Site, cluster: str) -> Iterator[None]:
    """The site's database takes no connections."""
    name = site.environment["DATABASE_URL"].partition("?")[0].rpartition("/")[2]
    allow = "alter database {} with allow_connections {}"
    with psycopg.connect(cluster.format("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(allow).format(sql.Identifier(name), sql.SQL("false")))
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
        )
        time.sleep(0.5)
        try:
            yield
        finally:
            connection.execute(sql.SQL(allow).format(sql.Identifier(name), sql.SQL("true")))


def test_every_refusal_has_a_word() -> None:
    """No refusal of a use case can surprise this door, and no word is said that it does not know."""
    assert {each.code for each in errors.Refusal.__subclasses__()} <= set(words.BY_CODE)
    assert {*words.BY_CODE.values(), *words.CLASSIC} <= set(words.WORDS)
    assert {word for word, _ in absent.REFUSED.values()} <= set(words.WORDS)
