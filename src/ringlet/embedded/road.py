"""How the user who runs the server reaches its programs and its data.

Root's server runs as a user without rights, who may be unable to pass through the folders above the data
or the programs (/root is 0700). Those folders stay as they are: the server then gets a mount namespace of
its own, in which both appear under one folder that it can enter.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ringlet.embedded.errors import FolderError, ProgramsMissingError
from ringlet.embedded.layout import Layout
from ringlet.embedded.wheel import Wheel

# Existing folders PostgreSQL itself has no use for; the server sees ours in place of one of them.
_MOUNT_POINTS = ("/mnt", "/media", "/srv", "/opt")

# "slave": nothing mounted here is seen outside, and what is unmounted outside does not stay busy in here.
_UNSHARE = ("unshare", "--mount", "--propagation", "slave", "--", "sh", "-c")

_MOUNTS = """
set -e
how=$1 point=$2 folder=$3 site=$4 install=$5 libraries=$6; shift 6
umask 022
mount -t tmpfs -o mode=0755,nosuid,nodev,size=128m ringlet "$point"
mkdir "$point/postgres"
mount --bind "$folder" "$point/postgres"
for part in "$install" "$libraries"; do
    mkdir -p "$point/site/$part"
    if [ "$how" = bind ]; then
        mount --bind "$site/$part" "$point/site/$part"
    else
        cp -RL "$site/$part/." "$point/site/$part"
        chmod -R a+rX "$point/site/$part"
    fi
done
exec "$@"
"""

_PROBE = """
"$1" --version && "$2" --version && test -r "$3" && test -x "$4" && test -r "$5"
"""

# Nothing else of our environment: it may hold secrets, and PG* variables would change the server.
ENVIRONMENT = {"PATH": os.environ.get("PATH") or os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Road:
    """Put `prefix` before a command; it then sees the programs and home/postgres at these paths."""

    prefix: tuple[str, ...]
    wheel: Wheel
    folder: Path


def choose(layout: Layout, wheel: Wheel) -> Road:
    """The plainest road that the server's user can go. Refuses: FolderError, ProgramsMissingError."""
    _need("setsid")
    if os.geteuid() != 0:
        return Road((), wheel, layout.folder)
    for program in ("setpriv", "unshare"):
        _need(program)
    direct, *mounted = _roads_for_root(layout, wheel)
    for road in (direct, *mounted):
        complaint = _complaint(road)
        if not complaint:
            return road
    if _passable_once_opened(layout.home, direct):
        return direct
    raise FolderError(
        f"PostgreSQL does not run as root, and the user {layout.user.pw_name}, as whom Ringlet runs it "
        f"instead, cannot reach {layout.folder} or {wheel.install}; a mount namespace is not permitted here "
        f"({complaint}). Set RINGLET_HOME to a folder others can pass through such as /var/lib/ringlet, "
        "run Ringlet as a normal user, or set DATABASE_URL."
    )


def _need(program: str) -> None:
    if shutil.which(program, path=ENVIRONMENT["PATH"]) is None:
        raise ProgramsMissingError(f"The program {program} is missing; it is part of the package util-linux.")


def _roads_for_root(layout: Layout, wheel: Wheel) -> list[Road]:
    user = layout.user
    as_user = (
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
        "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--",
    )  # fmt: skip
    roads = [Road(as_user, wheel, layout.folder)]
    point = _mount_point(layout, wheel)
    for how in ("bind", "copy"):
        # A copy is for programs whose own modes keep others out, as a umask of 077 leaves them.
        parts = [str(part.relative_to(wheel.site)) for part in (wheel.install, wheel.libraries)]
        places = (str(point), str(layout.folder), str(wheel.site), *parts)
        mounts = (*_UNSHARE, _MOUNTS, "ringlet", how, *places)
        roads.append(Road((*mounts, *as_user), Wheel(point / "site"), point / "postgres"))
    return roads


def _mount_point(layout: Layout, wheel: Wheel) -> Path:
    needed = (layout.folder, wheel.site)
    for name in _MOUNT_POINTS:
        point = Path(name)
        # Not a folder that holds what we are about to show in it.
        if point.is_dir() and not point.is_symlink() and not any(p.is_relative_to(point) for p in needed):
            return point
    return Path("/mnt")


def _complaint(road: Road) -> str:
    """Why the server's user does not get through on this road; "" when it does."""
    probe = subprocess.run(  # noqa: S603 (our own command line, no shell)
        _probe(road), check=False, env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL,
        capture_output=True, text=True,
    )  # fmt: skip
    return "" if probe.returncode == 0 else probe.stderr.strip() or "no reason given"


def _passable_once_opened(home: Path, direct: Road) -> bool:
    """Let others pass through home, though not look into it, if that is all that was missing."""
    before = stat.S_IMODE(home.stat().st_mode)
    if home == Path(pwd.getpwuid(0).pw_dir):
        return False  # root's own folder holds more than ours
    home.chmod(before | 0o011)
    if not _complaint(direct):
        return True
    home.chmod(before)
    return False


def _probe(road: Road) -> tuple[str, ...]:
    wheel = road.wheel
    rules = road.folder / "settings" / "pg_hba.conf"
    paths = (wheel.initdb, wheel.postgres, wheel.catalog, road.folder, rules)
    return (*road.prefix, "sh", "-c", _PROBE, "ringlet", *map(str, paths))
