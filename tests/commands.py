"""`ringlet COMMAND` in a process of its own that has been imported before: each is a fork of one that waits.

What a command does and says is the same as from a shell; the second that Python takes to begin is saved, hundreds of
times.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

WITHIN_S = 120.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.commands_loaded"])


def run(
    arguments: Sequence[str], environment: Mapping[str, str], typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `typed` is what it reads on standard input."""
    with tempfile.TemporaryDirectory() as folder:
        given, out, err = (Path(folder) / name for name in ("given", "out", "err"))
        given.write_text(typed, encoding="utf-8")
        process = _context.Process(target=_become, args=(list(arguments), dict(environment), given, out, err))
        process.start()
        process.join(WITHIN_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), WITHIN_S)
        said = [path.read_text(encoding="utf-8") for path in (out, err)]
    return subprocess.CompletedProcess(list(arguments), process.exitcode, *said)


def _become(arguments: list[str], environment: dict[str, str], given: Path, out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in ((0, given), (1, out), (2, err)):
        opened = os.open(path, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # a child of a fork has none of its own
    sys.argv = ["ringlet", *arguments]
    from ringlet.cli import main  # noqa: PLC0415 - in the child

    main()
