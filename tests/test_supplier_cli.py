"""`ringlet supplier`: an operator's way from an address and a key to numbers on offer."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.supplier import KEY
from tests.site import Site, free_port

CELLS = [["6", "ig", "any", "0.02", 100], ["6", "wa", "any", "0.05", 3], ["6", "q9q", "any", "0.01", 5]]


class Fake:
    """A fake supplier in a process of its own."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/stubs/handler_api.php"
        self._set = f"http://127.0.0.1:{port}/_set"

    def put(self, **values: Any) -> None:
        """Steer it."""
        request = urllib.request.Request(self._set, json.dumps(values).encode(), method="POST")
        urllib.request.urlopen(request, timeout=5).close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    port = free_port()
    command = [sys.executable, "-m", "tests.fakes.supplier", "--dialect", "handler-api", "--port", str(port)]
    root = Path(__file__).parent.parent
    process = subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    made, until = Fake(port), time.monotonic() + 20
    while True:
        try:
            made.put(cells=CELLS)
            break
        except OSError:
            assert time.monotonic() < until, "the fake does not answer"
            time.sleep(0.05)
    yield made
    process.kill()
    process.wait()


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Site:
    """An installation of which only the command line is used."""
    return Site(tmp_path / "home", database_url)


def run(office: Site, *arguments: str, code: int = 0) -> str:
    done = office.ringlet("supplier", *arguments)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert KEY not in said
    return done.stdout if code == 0 else said


def ask(office: Site, *arguments: str) -> Any:
    return json.loads(run(office, *arguments, "--json"))


def test_from_an_address_to_numbers_on_offer(office: Site, fake: Fake, tmp_path: Path) -> None:
    """Add, sync, look, map, pause and resume: each says what comes next, and no answer holds the key."""
    key_file = tmp_path / "key"
    key_file.write_text(KEY + "\n")
    said = run(office, "add", "up", "--kind", "handler-api", "--url", fake.url, "--key-file", str(key_file))
    assert "Next: ringlet supplier sync up" in said
    assert "10000" in said
    assert ask(office, "check", "up")["ok"] is True
    assert "never synced" in run(office, "list")
    synced = ask(office, "sync", "up")
    assert (synced["cells"], synced["new"], synced["unmapped"]) == (2, 2, 1)
    assert "0 new, 0 changed" in run(office, "sync", "up")
    (line,) = ask(office, "list")
    assert (line["state"], line["offers"], line["unmapped"]) == ("offered", 2, 1)
    assert "q9q" in run(office, "unmapped", "up")
    assert "fb" not in run(office, "map", "up", "service", "q9q", "fb")
    assert ask(office, "sync", "up")["new"] == 1
    assert "has a name of ours" in run(office, "unmapped", "up")
    run(office, "pause", "up")
    assert ask(office, "list")[0]["state"] == "paused"
    assert ask(office, "resume", "up") == {"name": "up", "paused": False}


def test_money_at_a_supplier(office: Site, fake: Fake) -> None:
    """Balance, deposit and settling; the audit calls a difference a breach until then."""
    run(office, "add", "up", "--kind", "handler-api", "--url", fake.url, "--key", KEY, "--no-check")
    assert ask(office, "balance", "up")["theirs"] == 10_000
    fake.put(balance="10012.5")
    said = run(office, "balance", "up")
    assert "12.5" in said
    assert "ringlet supplier settle up" in said
    assert office.ringlet("audit").returncode == 1
    run(office, "deposit", "up", "10", "--reason", "receipt 7")
    assert ask(office, "settle", "up", "--reason", "bonus")["settled"] == 2.5
    assert "Nothing to settle" in run(office, "settle", "up", "--reason", "again")
    assert office.audit() == ""


def test_terms_are_set_and_taken_away(office: Site, fake: Fake) -> None:
    """What is named changes; `none` takes a cap away; a rate takes the prices off the list."""
    made = ask(
        office, "add", "up", "--kind", "handler-api", "--url", fake.url, "--key", KEY, "--exposure-cap", "50",
        "--rate", "0.5",
    )  # fmt: skip
    assert made["hint_token"].startswith("rl_hint_")
    assert made["check"]["ok"] is True
    run(office, "sync", "up")
    assert ask(office, "set", "up", "--exposure-cap", "none", "--weight", "2")["changed"] == [
        "exposure_cap_micros", "weight",
    ]  # fmt: skip
    assert ask(office, "list")[0]["state"] == "offered"
    assert "ringlet supplier sync up" in run(office, "set", "up", "--rate", "2")
    assert ask(office, "list")[0]["state"] == "never synced"


def test_what_goes_wrong_is_one_clear_sentence(office: Site, fake: Fake) -> None:
    """No trace, a non-zero exit code, and what to do instead."""
    run(office, "add", "up", "--kind", "handler-api", "--url", fake.url, "--key", "bad-one", "--no-check")
    assert "key is wrong" in run(office, "check", "up", code=1)
    for arguments in (("sync", "up"), ("balance", "up"), ("settle", "up", "--reason", "x")):
        said = run(office, *arguments, code=1)
        assert "key is wrong" in said
        assert "bad-one" not in said
    assert "key is wrong" in run(office, "list")
    for arguments, code, says in (
        (("check", "nobody"), 1, "No supplier is called"),
        (("add", "up", "--kind", "handler-api", "--url", fake.url, "--key", "x", "--no-check"), 1, "already"),
        (("add", "x", "--kind", "handler-api", "--url", "ftp://x", "--key", "x"), 1, "must be an address"),
        (("add", "x", "--kind", "handler-api", "--url", fake.url), 2, "give the key"),
        (("add", "x", "--kind", "gopher", "--url", fake.url), 2, "gopher"),
        (("set", "up"), 2, "name something to change"),
        (("set", "up", "--rate", "0"), 2, "above zero"),
        (("map", "up", "service", "ig", "ig"), 1, "has not named"),
    ):
        assert says in run(office, *arguments, code=code)
