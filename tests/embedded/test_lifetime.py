"""The embedded server keeps its data and starts by itself, whatever was killed and when."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from ringlet.embedded import (
    FolderError,
    MajorVersionError,
    ProgramsMissingError,
    acquire,
    layout,
    locks,
    log,
    processes,
    wheel,
)
from tests.embedded.rig import (
    AS_ROOT,
    execute,
    finish,
    first_line,
    kill_alone,
    kill_group,
    mode,
    postmaster,
    query,
    spawn,
    stop_any,
    until,
)

# Sharing


def test_the_last_user_stops_the_server_and_one_of_two_does_not(made_home: Path) -> None:
    """The server runs exactly as long as somebody uses it."""
    server = acquire(made_home)
    other = spawn(made_home)
    assert first_line(other) == str(postmaster(made_home))
    server.release()
    server.release()
    assert postmaster(made_home) is not None
    assert finish(other) == ""
    assert postmaster(made_home) is None
    assert not locks.server_runs(layout.prepare(made_home))


def test_a_child_does_not_keep_the_server_running(made_home: Path) -> None:
    """Programs we start do not count as users of the server."""
    server = acquire(made_home)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        server.release()
        assert postmaster(made_home) is None
    finally:
        child.kill()
        child.wait()


def test_processes_that_start_together_share_one_server(home: Path) -> None:
    """Several processes calling acquire at the same moment get one postmaster."""
    together = [spawn(home) for _ in range(5)]
    assert {first_line(process) for process in together} == {str(postmaster(home))}
    assert [finish(process) for process in together] == [""] * 5
    assert postmaster(home) is None
    assert (home / "postgres" / "server.log").read_text().count("starting PostgreSQL") == 1


# Deaths


def test_the_server_outlives_a_killed_process_group_and_is_adopted(made_home: Path) -> None:
    """kill -9 of everything of ours leaves the server running for the next start."""
    killed = spawn(made_home)
    pid = int(first_line(killed))
    kill_group(killed)
    server = acquire(made_home)
    assert postmaster(made_home) == pid
    server.release()
    assert postmaster(made_home) is None


@pytest.mark.parametrize("kill", [kill_group, kill_alone])
def test_killed_during_initdb(home: Path, kill: Callable[[subprocess.Popen[str]], object]) -> None:
    """A half-made data folder is made again, also when initdb itself lives on for a while."""
    killed = spawn(home)
    until((home / "postgres" / "data.new" / "PG_VERSION").exists)
    kill(killed)
    assert not (home / "postgres" / "data").exists()
    server = acquire(home)
    assert query(server, "SELECT 1") == [(1,)]
    assert not (home / "postgres" / "data.new").exists()
    server.release()


def test_killed_while_starting(made_home: Path) -> None:
    """Whatever the moment of the kill, the next start ends with one server that answers."""
    for delay_s in (0, 0.005, 0.01, 0.02, 0.04):
        killed = spawn(made_home)
        until(lambda: locks.server_runs(layout.prepare(made_home)))
        time.sleep(delay_s)
        kill_group(killed)
        server = acquire(made_home)
        assert query(server, "SELECT 1") == [(1,)]
        server.release()


def test_the_database_made_but_not_its_contents(made_home: Path) -> None:
    """A kill between initdb and CREATE DATABASE is made good by the next start."""
    server = acquire(made_home)
    with psycopg.connect(server.dsn, dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE ringlet")
    again = acquire(made_home)
    assert query(again, "SELECT current_database()::text, current_user::text") == [("ringlet", "ringlet")]
    again.release()
    server.release()


def test_a_killed_postmaster_with_a_busy_backend_is_replaced_within_five_seconds(made_home: Path) -> None:
    """kill -9 of the postmaster alone: the backend left behind is cleared away and nothing is lost."""
    server = acquire(made_home)
    execute(server, "CREATE TABLE kept AS SELECT 1 AS x")
    busy = psycopg.connect(server.dsn)

    def work() -> None:
        with suppress(psycopg.OperationalError):
            busy.execute("SELECT count(*) FROM generate_series(1, 1e15::bigint) AS n")

    thread = threading.Thread(target=work)
    thread.start()
    backend = Path(f"/proc/{busy.info.backend_pid}")
    pid = postmaster(made_home)
    assert pid is not None
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    until(lambda: postmaster(made_home) is None)
    assert backend.exists()
    begun_at = time.monotonic()
    server.ensure()
    assert time.monotonic() - begun_at < 5
    thread.join()
    busy.close()
    assert query(server, "SELECT x FROM kept") == [(1,)]
    server.release()


def test_all_of_postgres_killed(made_home: Path) -> None:
    """kill -9 of every server process: what was committed is there again within five seconds."""
    server = acquire(made_home)
    execute(server, "CREATE TABLE kept AS SELECT 1 AS x")
    processes.kill_all(layout.prepare(made_home))
    begun_at = time.monotonic()
    again = acquire(made_home)
    assert time.monotonic() - begun_at < 5
    assert query(server, "SELECT x FROM kept") == query(again, "SELECT x FROM kept") == [(1,)]
    again.release()
    server.release()


def test_a_stale_pid_file_whose_number_now_belongs_to_another(made_home: Path) -> None:
    """After a power cut the old pid may be anybody's: it is neither believed nor killed."""
    server = acquire(made_home)
    user, data, run = server._layout.user, made_home / "postgres" / "data", made_home / "postgres" / "run"
    lines = (data / "postmaster.pid").read_text().splitlines()
    server.release()
    stranger = subprocess.Popen(["sleep", "60"], user=user.pw_uid if AS_ROOT else None)
    try:
        text = "\n".join([str(stranger.pid), *lines[1:]]) + "\n"
        for path in (data / "postmaster.pid", run / ".s.PGSQL.5432.lock"):
            path.write_text(text)
            os.chown(path, user.pw_uid, user.pw_gid)
        server = acquire(made_home)
        assert postmaster(made_home) not in (None, stranger.pid)
        server.release()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


# Odd folders


def test_long_and_odd_paths(tmp_path: Path) -> None:
    """A home deeper than a socket's address can be long works, whatever characters its name holds."""
    home = tmp_path / 'it\'s, a \\ long "one"' / ("x" * 120)
    home.parent.mkdir()
    server = acquire(home)
    try:
        assert query(server, "SELECT 1") == [(1,)]
        server.release()
        assert postmaster(home) is None
    finally:
        stop_any(home)


def test_data_of_another_major_version_is_refused(made_home: Path) -> None:
    """An upgraded wheel does not touch the data of the earlier one and says what to do."""
    version = made_home / "postgres" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(
        MajorVersionError, match=r"written by PostgreSQL 17; this Ringlet carries PostgreSQL 18"
    ):
        acquire(made_home)
    version.write_text("18\n")
    acquire(made_home).release()


def test_a_damaged_data_folder_is_refused_and_kept(made_home: Path) -> None:
    """Data that lost its PG_VERSION is never replaced by an empty database; an empty folder is."""
    data = made_home / "postgres" / "data"
    (data / "PG_VERSION").unlink()
    with pytest.raises(FolderError, match="PG_VERSION is missing"):
        acquire(made_home)
    assert (data / "global" / "pg_control").exists()
    shutil.rmtree(data)
    data.mkdir()
    acquire(made_home).release()


def test_a_start_that_fails_shows_the_log(made_home: Path) -> None:
    """The error carries PostgreSQL's own last words."""
    (made_home / "postgres" / "data" / "postgresql.auto.conf").write_text("max_wal_senders = -7\n")
    with pytest.raises(Exception, match=r"(?s)PostgreSQL did not start.*server\.log.*max_wal_senders"):
        acquire(made_home)


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    """A missing parent is not created on the sly: the error names the folder."""
    with pytest.raises(FolderError, match="missing"):
        acquire(tmp_path / "missing" / "home")
    assert not (tmp_path / "missing").exists()


def test_the_log_stays_short(made_home: Path) -> None:
    """A log beyond 10 MB keeps its end and begins again."""
    server = acquire(made_home)
    path = made_home / "postgres" / "server.log"
    with path.open("ab") as file:
        file.write(b"x" * log.MAX_BYTES + b"the end\n")
    acquire(made_home).release()
    assert path.stat().st_size < 1_000
    assert path.with_suffix(".log.1").read_bytes().endswith(b"the end\n")
    server.release()


# Programs


def test_programs_only_we_can_read(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment made with a umask of 077 serves, and its modes stay."""
    found = wheel.find()
    private = wheel.Wheel(tmp_path / "site")
    for name in ("bin", "lib", "share"):
        shutil.copytree(found.install / name, private.install / name, symlinks=True)
    shutil.copytree(found.libraries, private.libraries)
    subprocess.run(["chmod", "-R", "go-rwx", str(private.site)], check=True)
    monkeypatch.setattr(wheel, "find", lambda: private)
    server = acquire(home)
    assert query(server, "SELECT count(*) > 300 FROM pg_timezone_names") == [(True,)]
    assert mode(private.postgres) == 0o700
    server.release()


def test_missing_programs(made_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the error says how to go on."""
    monkeypatch.setattr(wheel, "PACKAGE", "ringlet_no_such_package")
    with pytest.raises(ProgramsMissingError, match="DATABASE_URL"):
        acquire(made_home)


def test_where_mounting_is_not_permitted(home: Path, open_home: Path) -> None:
    """A container's root lets the server pass through home alone, or is told where home should be."""
    if not AS_ROOT:
        server = acquire(home)
        assert query(server, "SELECT 1") == [(1,)]
        server.release()
        return
    as_in_a_container = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--")
    said = finish(spawn(home, *as_in_a_container))
    assert "FolderError" in said
    assert "Set RINGLET_HOME to a folder others can pass through" in said
    fine = spawn(open_home, *as_in_a_container)
    if not all(folder.stat().st_mode & 0o001 for folder in Path(sys.prefix).parents):
        # The programs lie in a checkout that only we can enter: then home alone does not help.
        assert "FolderError" in finish(fine)
        return
    assert first_line(fine) == str(postmaster(open_home))
    assert (mode(open_home), mode(home)) == (0o711, 0o700)
    assert finish(fine) == ""
