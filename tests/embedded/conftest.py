"""Homes of the embedded server, stopped after each test."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringlet.embedded import (
    EmbeddedServer,
    acquire,
)
from tests.embedded.rig import (
    stop_any,
)


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
