"""`ringlet buy`: what a script gets, what a person reads, and what becomes of the money when it ends early."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringlet.cli.buy import find_access
from ringlet.client import NotConfigured, Ringlet
from ringlet.settings import load
from tests.contract import running_site
from tests.databases import DemoHome
from tests.fakes.flaky import RESET, Flaky, Turn, refusal
from tests.site import Site
from tests.test_client_retries import ACTIVATION, BOUGHT, CODE, ORDERING, WAITING

CANCELLED = Turn(body={"success": True, "code": "cancel_accepted", "message": "done"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation for all; every test ends with its money accounted for."""
    with running_site(tmp_path_factory.mktemp("buy"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


def start(*arguments: str, url: str, key: str, home: Path | None = None) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RINGLET_")}
    environment |= {
        "RINGLET_API_KEY": key,
        "RINGLET_URL": url,
        "RINGLET_HOME": str(home or "/does/not/exist"),
    }
    # A shell that puts the tests into the background has them ignore Ctrl-C, and whatever they start.
    heeding = ["env", "--default-signal=INT"]
    command = [*heeding, sys.executable, "-m", "ringlet", "buy", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(*arguments: str, url: str, key: str = "rl_test_x") -> tuple[int, str, str]:
    process = start(*arguments, url=url, key=key)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert key not in out + err
    return process.returncode, out, err


def test_a_script_gets_the_code_and_nothing_else(site: Site) -> None:
    """`CODE=$(ringlet buy ig 6 --wait --quiet)`: six digits, and silence on standard error."""
    code, out, err = run("ig", "6", "--wait", "--quiet", url=site.url, key=site.demo["test_key"])
    assert (code, err) == (0, "")
    assert out.strip().isdigit()
    assert out.count("\n") == 1


def test_the_number_is_shown_before_the_code_comes(site: Site) -> None:
    """A person has to type the number somewhere first: it is on standard error at once."""
    process = start("wa", "6", "--wait", url=site.url, key=site.demo["api_key"])
    assert process.stderr is not None
    phone = process.stderr.readline().split()[0]
    site.push(phone, "WhatsApp code 123-456", time.monotonic_ns() % 10**9)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "123456\n")


def test_without_wait_it_is_the_number_and_its_id(site: Site) -> None:
    """For a script that asks for the code later."""
    code, out, _ = run("ig", "6", "--reference", "mine", "--max-price", "1", url=site.url,
                       key=site.demo["test_key"])  # fmt: skip
    phone, activation_id = out.split()
    with Ringlet(site.demo["test_key"], site.url) as ringlet:
        seen = ringlet.status(activation_id).activation
    assert (code, seen.phone, seen.reference) == (0, phone, "mine")


def test_machines_get_json(site: Site) -> None:
    """A line at once and one at the end; a refusal is a line too."""
    key = site.demo["test_key"]
    code, out, err = run("test_timeout", "6", "--wait", "--json", url=site.url, key=key)
    bought, found = map(json.loads, out.splitlines())
    assert (code, err, bought["activation"]["state"]) == (0, "", "waiting")
    assert found["code"].isdigit()
    code, out, err = run("test_no_numbers", "6", "--json", url=site.url, key=key)
    assert (code, err, json.loads(out)["code"]) == (1, "", "no_numbers")


def test_no_code_in_time_is_refunded(site: Site) -> None:
    """Exit code 2, nothing on standard output, and the money is back when it ends."""
    key = site.demo["test_key"]
    code, out, err = run("test_never", "6", "--wait", "--timeout", "1", url=site.url, key=key)
    assert (code, out) == (2, "")
    assert "cancelled and refunded" in err
    with Ringlet(key, site.url) as ringlet:
        assert next(ringlet.activations(service="test_never")).refunded
    assert run("test_late", "6", "--wait", url=site.url, key=key)[0] == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_gives_the_number_back(site: Site, number: signal.Signals) -> None:
    """Ctrl-C, and `timeout` in front of it: cancelled, refunded, and said so."""
    process = start("test_never", "6", "--wait", url=site.url, key=site.demo["test_key"])
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "interrupted: cancelled and refunded" in err
    with Ringlet(site.demo["test_key"], site.url) as ringlet:
        assert next(ringlet.activations(service="test_never")).state == "cancelled"


def test_an_interrupt_in_the_middle_of_the_order() -> None:
    """The order may have arrived: the same one is asked for again, under its key, and cancelled."""
    with Flaky(Turn(delay_s=3, body=BOUGHT.body), BOUGHT, CANCELLED) as flaky:
        process = start("ig", "6", "--wait", url=flaky.url, key="rl_test_x")
        while not flaky.seen:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "cancelled and refunded" in err
    assert [each.path.rpartition("/")[2] for each in flaky.seen] == ["buy", "buy", "cancel"]
    assert flaky.seen[0].headers["idempotency-key"] == flaky.seen[1].headers["idempotency-key"]


FAILED = {**ACTIVATION, "state": "failed", "phone": None, "refunded": True}
NOT_HAD = Turn(body={"success": True, "status": "cancelled", "code": None, "activation": FAILED})
SCHEDULED = Turn(body={"success": True, "code": "cancel_scheduled", "message": "later", "retry_after": 95})
REJECTED = refusal(409, "cancel_rejected")
TOO_EARLY = refusal(409, "cancel_rejected", retry_after=0)


@pytest.mark.parametrize(
    ("buy", "status", "cancel", "code", "says"),
    [
        (BOUGHT, WAITING, [TOO_EARLY, CANCELLED], 2, "cancelled and refunded"),
        (BOUGHT, WAITING, [SCHEDULED], 2, "refunded in about 95 s"),
        (BOUGHT, WAITING, [TOO_EARLY], 1, "not cancelled yet; without a code it is refunded by itself"),
        (BOUGHT, WAITING, [refusal(401, "unauthorized")], 1, "could not be cancelled"),
        (ORDERING, NOT_HAD, [], 1, "nothing is charged"),
        (BOUGHT, RESET, [], 1, "out of reach"),
        (refusal(409, "max_price_exceeded", min_price=0.2), WAITING, [], 1, "cheapest costs 0.2"),
        (refusal(403, "\x1b[2Jgone"), WAITING, [], 1, "[2Jgone"),
    ],
    ids=["too early", "scheduled", "never", "revoked", "no number", "away", "dear", "escape"],
)
def test_every_end_is_told_as_it_is(
    buy: Turn, status: Turn, cancel: list[Turn], code: int, says: str
) -> None:
    """Whatever happens: the exit code, nothing for a script to mistake, and a sentence for people."""
    with Flaky(buy) as flaky:
        flaky.by_verb = {"status": [status], "cancel": list(cancel)}
        done = run("ig", "6", "--wait", "--timeout", "1", url=flaky.url)
    assert done[:2] == (code, "")
    assert says in done[2]
    assert "\x1b[2J" not in done[2]


def test_a_code_that_is_quicker_than_the_cancel() -> None:
    """The cancel is refused because the code came in that moment: that is the result after all."""
    slow = Turn(body=WAITING.body, delay_s=1.1)
    with Flaky(BOUGHT) as flaky:
        flaky.by_verb = {"status": [slow, CODE], "cancel": [REJECTED]}
        done = run("ig", "6", "--wait", "--timeout", "1", url=flaky.url)
    assert done[:2] == (0, "0042\n")


@pytest.mark.parametrize(
    "arguments", [("ig",), ("ig", "x"), ("ig", "6", "--max-price", "lots"), ("ig", "6", "--timeout", "0"),
                  ("ig", "6", "--nonsense"), ("ig", "6", "--key", "a", "--key-file", __file__)],
)  # fmt: skip
def test_what_is_typed_wrongly_is_not_a_missing_code(arguments: tuple[str, ...]) -> None:
    """2 means that no code came in time; a typing error is 1."""
    code, out, err = run(*arguments, url="http://127.0.0.1:9")
    assert (code, out) == (1, "")
    assert "Usage: ringlet buy" in err


def test_where_it_buys(tmp_path: Path) -> None:
    """The key that is given, else the environment, else this machine's demo, whose key goes nowhere else."""
    home = {"RINGLET_HOME": str(tmp_path)}
    with pytest.raises(NotConfigured, match="RINGLET_API_KEY"):
        find_access(None, None, home)
    (tmp_path / "demo.json").write_text('{"api_key": "rl_live_demo", "base_url": "http://127.0.0.1:9"}')
    found = find_access(None, None, home)
    assert (found.api_key, found.url) == ("rl_live_demo", "http://127.0.0.1:9")
    assert find_access(None, "http://127.0.0.1:9/", home) == found
    with pytest.raises(NotConfigured):
        find_access(None, "https://elsewhere.example", home)
    with pytest.raises(NotConfigured):
        find_access(None, None, {**home, "RINGLET_URL": "https://elsewhere.example"})
    found = find_access(
        None, "http://127.0.0.1:7", {**home, "RINGLET_API_KEY": "rl_live_env", "RINGLET_URL": "http://x"}
    )
    assert (found.api_key, found.url) == ("rl_live_env", "http://127.0.0.1:7")
    assert (
        find_access("rl_live_arg", None, {**home, "RINGLET_API_KEY": "rl_live_env"}).api_key == "rl_live_arg"
    )


def test_its_variables_do_not_stop_the_server(tmp_path: Path) -> None:
    """A machine that has the client's variables set can still run an installation."""
    variables = {"RINGLET_API_KEY": "x", "RINGLET_API_KEY_FILE": "/does/not/exist", "RINGLET_URL": "http://x"}
    assert load({"RINGLET_HOME": str(tmp_path), **variables}).rate_limit == 100
