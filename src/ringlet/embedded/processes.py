"""Find the server's processes: those of its user which stand in its data folder."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from ringlet.embedded.layout import Layout


def postmaster(layout: Layout) -> int | None:
    """The pid of the running postmaster. The pid file alone proves nothing: the number may be reused."""
    try:
        first_line = (layout.data / "postmaster.pid").read_text().split("\n", 1)[0]
        pid = int(first_line)
    except (OSError, ValueError):
        return None
    return pid if _is_ours(layout, pid) else None


def send(layout: Layout, sig: signal.Signals) -> bool:
    """Signal the postmaster; False when there is none."""
    pid = postmaster(layout)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, sig)
    return True


def kill_all(layout: Layout) -> None:
    """Kill what is left of the server, as a power cut would: the log replays what was committed."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    for pid in pids:
        if _is_ours(layout, pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_ours(layout: Layout, pid: int) -> bool:
    proc = Path("/proc") / str(pid)
    try:
        same_folder = os.path.samestat((proc / "cwd").stat(), layout.data.stat())
        return same_folder and proc.stat().st_uid == layout.user.pw_uid and _is_postgres(proc)
    except OSError:
        return False


def _is_postgres(proc: Path) -> bool:
    # A shell whose user went to look at the data stands in the folder too.
    return (proc / "comm").read_text().strip() == "postgres"
