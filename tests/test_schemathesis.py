"""schemathesis reads /openapi.json and tries what it says and what it forbids, against a whole installation."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import account, running_site
from tests.databases import DemoHome
from tests.site import Site

SEED = 4390520873
EXAMPLES = {"live": 25, "test": 10}
CONFIG = """\
hooks = {hooks!r}
[auth.openapi.apiKey]
bearer = {key!r}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation; whatever was tried, its books balance in the end and nothing was unforeseen."""
    with running_site(tmp_path_factory.mktemp("schemathesis"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""
        assert '"unforeseen"' not in running.log.read_text()


@pytest.mark.parametrize("mode", ["live", "test"])
def test_every_answer_is_in_the_document(site: Site, tmp_path: Path, mode: str) -> None:
    """Examples, limits, noise and sequences: no server error, no answer outside the schema, no bad data taken."""
    keys = account(site, f"{mode}@example.org", "100000")
    config = tmp_path / "schemathesis.toml"
    hooks = str(Path(__file__).with_name("schemathesis_hooks.py"))
    key = keys["api_key" if mode == "live" else "test_key"]
    config.write_text(CONFIG.format(hooks=hooks, key=key))
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config),
        "run", f"{site.url}/openapi.json", "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(EXAMPLES[mode]), "--seed", str(SEED), "--continue-on-failure", "--no-color",
        "--generation-database", "none", "--no-shrink", "--warnings", "off",
        "--exclude-operation-id", "listen",  # a stream has no end that a tester of answers could wait for
    ]  # fmt: skip
    environment = {**os.environ, "AGENT_KEY": site.demo["agent_key"]}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path, env=environment
    )
    print(f"seed {SEED}\n{done.stdout[-20000:]}\n{done.stderr[-2000:]}")
    assert done.returncode == 0
