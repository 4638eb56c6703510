"""The server's settings: written anew before each start, in a folder the server cannot write."""

import os
import pwd
from pathlib import Path

from ringlet.embedded.layout import Layout, open_ours
from ringlet.embedded.road import Road

ROLE = "ringlet"
DATABASE = "ringlet"
PORT = 5432  # never listened on: it is only the end of the socket's name
SOCKET = f".s.PGSQL.{PORT}"

_SETTINGS = """\
# Written by Ringlet before each start. Your own tuning: ALTER SYSTEM SET ..., which overrides this file.
max_connections = 200
shared_buffers = 128MB
# Not in /dev/shm: it is small in containers, and systemd empties it when a user logs out.
dynamic_shared_memory_type = mmap
min_dynamic_shared_memory = 16MB
fsync = on
full_page_writes = on
synchronous_commit = on
wal_level = replica
max_wal_size = 2GB
checkpoint_completion_target = 0.9
jit = off
password_encryption = scram-sha-256
timezone = UTC
log_timezone = UTC
lc_messages = C

# Statements and their parameters hold codes and tokens: nothing of them reaches the log. Errors go to the
# client alone ("log" ranks above "error" here); what concerns the server itself is kept.
log_min_messages = log
log_min_error_statement = panic
log_statement = none
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
log_autovacuum_min_duration = -1
logging_collector = off
"""

_WHO_MAY_CONNECT = """\
# Written by Ringlet before each start. The kernel says who is at the other end of the socket.
local all ringlet peer map=ringlet
local all all reject
"""


def write(layout: Layout) -> None:
    """Write the settings, and who may connect: root and the user who owns home/postgres."""
    layout.settings.mkdir(mode=0o700, exist_ok=True)
    owner = layout.folder.stat()
    if os.geteuid() == 0:
        os.chown(layout.settings, owner.st_uid, layout.user.pw_gid)
    layout.settings.chmod(0o750)
    allowed = dict.fromkeys([pwd.getpwuid(0).pw_name, pwd.getpwuid(owner.st_uid).pw_name])
    _write(layout, "postgresql.conf", _SETTINGS)
    _write(layout, "pg_hba.conf", _WHO_MAY_CONNECT)
    _write(layout, "pg_ident.conf", "".join(f'ringlet "{name}" {ROLE}\n' for name in allowed))


def command(road: Road) -> tuple[str, ...]:
    """The server's command line: what must not be overridden by ALTER SYSTEM stands here."""
    files = road.folder / "settings"
    fixed = {
        "config_file": files / "postgresql.conf",
        "hba_file": files / "pg_hba.conf",
        "ident_file": files / "pg_ident.conf",
        "listen_addresses": "",
        "port": PORT,
        # Relative to the data folder: the full path may be longer than a socket's address can be.
        "unix_socket_directories": Path("../run"),
        "unix_socket_permissions": "0700",
    }
    options = [part for name, value in fixed.items() for part in ("-c", f"{name}={value}")]
    return (str(road.wheel.postgres), "-D", str(road.folder / "data"), *options)


def _write(layout: Layout, name: str, text: str) -> None:
    fd = open_ours(layout, layout.settings / name, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        if os.geteuid() == 0:
            os.fchown(fd, -1, layout.user.pw_gid)
        os.fchmod(fd, 0o640)
        file.write(text)
