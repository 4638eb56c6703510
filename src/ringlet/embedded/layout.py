"""The folders and files under home/postgres, who owns them and who may enter.

home/               0700; as root 0711 where nothing else lets the server's user pass (road.py)
  postgres/         0700; as root 0710 with the server's group: it may pass, nobody else may
    data/  run/     0700, the server's: its data, its socket
    data.new/       0700, initdb at work; renamed to data/ when complete
    settings/       ours; the server may read its rules but not change them
    server.log  start.lock  users.lock  server.lock      0600, ours
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from ringlet.embedded.errors import FolderError


@dataclass(frozen=True)
class Layout:
    """Paths below one home, and the user as whom the server runs."""

    home: Path
    user: pwd.struct_passwd

    @property
    def folder(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def data_new(self) -> Path:
        return self.folder / "data.new"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def settings(self) -> Path:
        return self.folder / "settings"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def start_lock(self) -> Path:
        return self.folder / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.folder / "users.lock"

    @property
    def server_lock(self) -> Path:
        return self.folder / "server.lock"


def prepare(home: Path) -> Layout:
    """Make home and home/postgres when they are missing. Refuses: FolderError, OSError."""
    home = home.resolve()
    home.mkdir(mode=0o700, exist_ok=True)
    layout = Layout(home, _server_user(home))
    _make_folder(layout)
    return layout


def make_server_folder(layout: Layout, path: Path) -> None:
    """A folder that belongs to the server alone."""
    path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(path, layout.user.pw_uid, layout.user.pw_gid, follow_symlinks=False)
    path.chmod(0o700)


def open_ours(layout: Layout, path: Path, flags: int) -> int:
    """Open a file of home/postgres that the server's user may not change, creating it when missing."""
    fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    _give_to_owner_of(layout.folder, fd)
    return fd


def _server_user(home: Path) -> pwd.struct_passwd:
    """Ourselves; as root whoever owns the data or the folders already, else a user without rights."""
    if os.geteuid() != 0:
        return _user(os.geteuid())
    for path in (home / "postgres" / "data", home / "postgres", home):
        if path.exists() and path.stat().st_uid != 0:
            return _user(path.stat().st_uid)
    try:
        return pwd.getpwnam("ringlet")
    except KeyError:
        return pwd.getpwnam("nobody")


def _user(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise FolderError(
            f"The user with the number {uid} has no name on this machine, and PostgreSQL needs one. "
            "Run Ringlet as a user listed in /etc/passwd, or set DATABASE_URL."
        ) from None


def _make_folder(layout: Layout) -> None:
    as_root = os.geteuid() == 0
    if not layout.folder.exists():
        layout.folder.mkdir(mode=0o700, exist_ok=True)
        if as_root:
            os.chown(layout.folder, layout.home.stat().st_uid, layout.user.pw_gid)
    of_root = as_root and layout.folder.stat().st_uid == 0
    if of_root:
        os.chown(layout.folder, 0, layout.user.pw_gid)
    wanted = 0o710 if of_root else 0o700
    if stat.S_IMODE(layout.folder.stat().st_mode) != wanted:
        layout.folder.chmod(wanted)


def _give_to_owner_of(folder: Path, fd: int) -> None:
    # Root looking into the home of another user must not leave files there which that user cannot open.
    owner = folder.stat().st_uid
    if os.geteuid() == 0 and os.fstat(fd).st_uid != owner:
        os.fchown(fd, owner, -1)
