"""The command line: for people a table or a sentence, for machines one JSON document."""

import json
from pathlib import Path

import psycopg
import pytest

from ringlet.cli import COMMANDS
from tests.site import Site


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Site:
    """An installation of which only the command line is used."""
    return Site(tmp_path / "home", database_url)


def run(office: Site, *arguments: str, code: int = 0) -> str:
    done = office.ringlet(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(office: Site, command: str) -> None:
    """`--help` says what a command does, without an installation."""
    assert "Usage: ringlet" in run(office, command, "--help")


def test_an_operators_first_hour(office: Site, tmp_path: Path) -> None:
    """Account, stock, margin, price, audit: each as table and as JSON, in the order of the README."""
    made = json.loads(run(office, "account", "create", "Op@Example.org", "--balance", "100", "--json"))
    assert set(made) == {"id", "api_key", "test_key"}
    assert "op@example.org" in run(office, "account", "list")
    assert json.loads(run(office, "account", "list", "--json"))[0]["balance"] == 100

    numbers = tmp_path / "numbers.csv"
    numbers.write_text(
        "phone,country,operator,services\n62895406203932,6,telkomsel,ig wa\n123,6,x,ig\n+62 895 4062 03933,6,,*\n"
    )
    loaded = json.loads(
        run(office, "stock", "load", str(numbers), "--owner", "me", "--base-price", "0.02", "--json")
    )
    assert (loaded["added"], loaded["rejected"][0]["line"]) == (2, 3)
    assert loaded["agent_key"].startswith("rl_agent_")
    assert "telkomsel" in run(office, "stock", "list", "--limit", "5000")

    run(office, "pricing", "set", "--markup", "30%")
    run(office, "pricing", "set", "--price", "0.5", "--service", "wa", "--country", "6")
    explained = json.loads(run(office, "pricing", "explain", "--service", "ig", "--country", "6", "--json"))
    assert explained["quote"]["sell_price"] == 0.026
    assert "0.5" in run(office, "pricing", "explain", "--service", "wa", "--country", "6")

    run(office, "account", "adjust", "op@example.org", "5.25", "--reason", "gift")
    assert json.loads(run(office, "account", "list", "--json"))[0]["balance"] == 105.25
    assert json.loads(run(office, "account", "revoke", "op@example.org", "--json")) == {"revoked": 2}
    assert run(office, "account", "key", "op@example.org").startswith("rl_live_")
    assert "No orphans" in run(office, "inbox")
    assert "no breach" in run(office, "audit")
    assert json.loads(run(office, "doctor", "--json"))["healthy"] is True


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("account", "create", "nobody"), "no e-mail address"),
        (("account", "key", "nobody@example.org"), "No account"),
        (("account", "adjust", "nobody@example.org", "1e99", "--reason", "x"), "not an amount"),
        (("pricing", "set"), "either --markup or --price"),
        (("pricing", "set", "--markup", "lots"), "not a markup"),
        (("pricing", "set", "--markup", "5%", "--country", "999"), "no country"),
        (("pricing", "set", "--markup", "5%", "--service", "full"), "no service"),
        (("stock", "load", "/does/not/exist", "--owner", "me", "--base-price", "1"), "does not exist"),
        (("nonsense",), "No such command"),
    ],
)
def test_what_cannot_be_done_is_one_clear_sentence(
    office: Site, arguments: tuple[str, ...], says: str
) -> None:
    """No trace, a non-zero exit code, and what to do instead."""
    done = office.ringlet(*arguments)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_breach_is_printed_and_exits_1(office: Site, database_url: str) -> None:
    """The audit is a gate: a breach fails whoever calls it."""

    run(office, "account", "create", "op@example.org", "--balance", "1")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "update ledger_account set balance_micros = balance_micros + 1 where kind = 'available'"
        )
    assert "I3" in run(office, "audit", code=1)
    assert json.loads(run(office, "audit", "--json", code=1))["breaches"]


def test_a_setting_that_makes_no_sense_stops_the_start(office: Site) -> None:
    """One sentence on standard error, no trace."""
    office.environment["RINGLET_RATE_LIMIT"] = "many"
    done = office.ringlet("audit")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "RINGLET_RATE_LIMIT" in done.stderr
