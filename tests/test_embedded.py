"""The embedded PostgreSQL server keeps its data, starts by itself and lets nobody else in.

Real servers throughout. Run as root or as a normal user: each run asserts what holds for its own kind.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from ringlet.embedded import (
    EmbeddedServer,
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
from ringlet.embedded.stop import stop

AS_ROOT = os.geteuid() == 0
STRANGER = 65533

# A process that uses the server until its standard input closes.
USER_PROCESS = """
import pathlib, sys
from ringlet.embedded import acquire, processes
server = acquire(pathlib.Path(sys.argv[1]))
print(processes.postmaster(server._layout), flush=True)
sys.stdin.read()
server.release()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home below a folder that only we can enter, as pytest's own are; its server is stopped after."""
    path = tmp_path / "home"
    yield path
    stop_any(path)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped home to copy, which takes a tenth of the time of making one."""
    home = tmp_path_factory.mktemp("made") / "home"
    acquire(home).release()
    return home


@pytest.fixture
def made_home(home: Path, made_once: Path) -> Path:
    """A home that was used before; its server is stopped."""
    subprocess.run(["cp", "-a", str(made_once), str(home)], check=True)
    return home


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home that others can reach."""
    parent = Path(tempfile.mkdtemp(prefix="ringlet-"))
    parent.chmod(0o711)
    yield parent / "home"
    stop_any(parent / "home")
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server for the tests that only look at it."""
    home = tmp_path_factory.mktemp("shared") / "home"
    yield acquire(home)
    stop_any(home)


def stop_any(home: Path) -> None:
    if (home / "postgres").exists():
        stop(layout.prepare(home))


def query(server: EmbeddedServer, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


def execute(server: EmbeddedServer, sql: str) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute(sql.encode())


def postmaster(home: Path) -> int | None:
    return processes.postmaster(layout.prepare(home))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def spawn(home: Path, *prefix: str, script: str = USER_PROCESS) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> str:
    """Let a user process end by itself; what it said on standard error."""
    return process.communicate(timeout=30)[1]


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_alone(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    process.communicate()


def until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.001)


def as_user(uid: int, attempt: Callable[[], object]) -> str:
    """What `attempt` says when another user of this machine makes it; "" when it succeeds."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = ""
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            attempt()
        except BaseException as error:  # noqa: BLE001 (the child has nobody to raise to)
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


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
    assert first_line(fine) == str(postmaster(open_home))
    assert (mode(open_home), mode(home)) == (0o711, 0o700)
    assert finish(fine) == ""
