"""The embedded server lets nobody else in and runs without rights.

Run as root or as a normal user: each run asserts what holds for its own kind.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from ringlet.embedded import (
    EmbeddedServer,
    acquire,
    processes,
)
from tests.embedded.rig import (
    AS_ROOT,
    STRANGER,
    as_user,
    execute,
    mode,
    query,
)

# Who may enter


def test_a_new_home_is_closed_and_its_parents_stay_as_they_were(tmp_path: Path, home: Path) -> None:
    """Everything of ours is closed to others, and no folder above is changed to get there."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    above = {path: path.stat() for path in (closed, *closed.parents)}
    server = acquire(closed / "home")
    try:
        assert {path: (mode(path), path.stat().st_uid, path.stat().st_gid) for path in above} == {
            path: (stat.S_IMODE(was.st_mode), was.st_uid, was.st_gid) for path, was in above.items()
        }
        folder = closed / "home" / "postgres"
        assert mode(closed / "home") == 0o700
        assert mode(folder) == (0o710 if AS_ROOT else 0o700)
        assert [mode(folder / name) for name in ("data", "run", "settings")] == [0o700, 0o700, 0o750]
        files = ("server.log", "start.lock", "users.lock", "server.lock")
        assert [mode(folder / name) for name in files] == [0o600] * 4
        assert {(folder / name).stat().st_uid for name in ("settings", *files)} == {os.geteuid()}
        servers = {(folder / name).stat().st_uid for name in ("data", "run")}
        assert servers == {server._layout.user.pw_uid}
        assert 0 not in servers
        assert [path.name for path in closed.iterdir()] == ["home"]
        assert [path.name for path in (closed / "home").iterdir()] == ["postgres"]
    finally:
        server.release()


def test_the_server_runs_without_rights(shared: EmbeddedServer) -> None:
    """A hole in PostgreSQL gives an attacker a user without rights, never root."""
    pid = processes.postmaster(shared._layout)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    uid = str(shared._layout.user.pw_uid)
    assert uid != "0"
    assert status["Uid"].split() == [uid] * 4
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    if AS_ROOT:
        assert status["Gid"].split() == [str(shared._layout.user.pw_gid)] * 4
        assert status["Groups"].strip() == ""
        assert int(status["CapBnd"], 16) == int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
        assert status["NoNewPrivs"] == "1"


def test_no_tcp_and_no_trust(shared: EmbeddedServer) -> None:
    """The server listens on one Unix socket alone and believes only the kernel about who is there."""
    assert query(shared, "SHOW listen_addresses") == [("",)]
    pid = processes.postmaster(shared._layout)
    open_sockets = {
        str(fd.readlink()).removeprefix("socket:[").removesuffix("]")
        for fd in Path(f"/proc/{pid}/fd").iterdir()
        if str(fd.readlink()).startswith("socket:")
    }
    listed = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    assert open_sockets
    assert open_sockets.isdisjoint(line.split()[9] for lines in listed for line in lines)
    rules = query(shared, "SELECT type, auth_method FROM pg_hba_file_rules ORDER BY rule_number")
    assert rules == [("local", "peer"), ("local", "reject")]
    for path in shared._layout.folder.rglob("*.conf"):
        assert "trust" not in path.read_text()


def test_only_root_and_ourselves_are_in_the_map(shared: EmbeddedServer) -> None:
    """The user as whom root's server runs is itself not let in as a client."""
    names = {row[0] for row in query(shared, "SELECT sys_name FROM pg_ident_file_mappings")}
    assert names == ({"root"} if AS_ROOT else {"root", shared._layout.user.pw_name})


def test_another_user_of_the_machine_cannot_connect(open_home: Path) -> None:
    """Even with a home that anybody can pass through, another user does not reach the server."""
    if AS_ROOT:
        open_home.mkdir()
        open_home.chmod(0o711)
    server = acquire(open_home)
    try:
        if AS_ROOT:
            assert "Permission denied" in as_user(STRANGER, lambda: psycopg.connect(server.dsn))
            assert "PermissionError" in as_user(STRANGER, lambda: list((open_home / "postgres").iterdir()))
            own = as_user(server._layout.user.pw_uid, lambda: psycopg.connect(server.dsn))
            assert "Peer authentication failed" in own
        else:
            assert mode(open_home) == mode(open_home / "postgres") == 0o700
    finally:
        server.release()


def test_secrets_in_statements_do_not_reach_the_log(shared: EmbeddedServer) -> None:
    """A failing statement, its parameters and the values it touched stay out of server.log."""
    execute(shared, "CREATE TABLE codes (code text PRIMARY KEY)")
    with psycopg.connect(shared.dsn, autocommit=True) as connection:
        for _ in range(2):
            with suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO codes VALUES (%s)", ["s3cret"])
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("SELECT 's3cret'::int")
    assert "s3cret" not in shared._layout.log.read_text()
