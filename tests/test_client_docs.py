"""What docs/client.md shows is run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import Site

TEXT = (Path(__file__).parent.parent / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def site(demo_site: Site) -> Site:
    """The demo that files share for all that is shown."""
    return demo_site


def environment(site: Site) -> dict[str, str]:
    """As a newcomer has it: the key of test mode and the address."""
    mine = {"RINGLET_API_KEY": site.demo["test_key"], "RINGLET_URL": site.url}
    return {name: value for name, value in os.environ.items() if not name.startswith("RINGLET_")} | mine


def test_every_example_runs(site: Site) -> None:
    """Each Python block by itself, in a fresh interpreter, with the warnings of the language as errors."""
    assert len(BLOCKS) >= 6
    for block in BLOCKS:
        done = subprocess.run([sys.executable, "-W", "error", "-c", block], env=environment(site),
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stderr}"


@pytest.mark.parametrize("line", re.findall(r"^ringlet (buy [^#\n]*?) *(?:#.*)?$", TEXT, re.MULTILINE))
def test_every_command_runs(site: Site, line: str) -> None:
    """Each line of the terminal's block."""
    done = subprocess.run([sys.executable, "-m", "ringlet", *line.split()], env=environment(site),
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr
