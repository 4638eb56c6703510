"""What is shipped for running Ringlet elsewhere names commands, options and settings that there are.

No container is built here: the files are read as their programs would read them, and that is all that is claimed.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ringlet.backoffice.settings_shown import documented
from ringlet.cli import COMMANDS, LazyGroup

ROOT = Path(__file__).parent.parent
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").iterdir())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
VARIABLES = {variable for variable, _ in documented().values()}
PROBES = {"/healthz", "/readyz"}


def is_setting(name: str) -> bool:
    return name in VARIABLES or name.removesuffix("_FILE") in VARIABLES


def check_command(words: list[str]) -> None:
    """`ringlet COMMAND --option …`: the command is there and knows each option."""
    assert words[0].rpartition("/")[2] == "ringlet", words
    assert words[1] in COMMANDS, words
    command = LazyGroup().get_command(click.Context(click.Group()), words[1])
    assert command is not None
    known = {option for each in command.params for option in each.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= known, words


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for each in yaml.safe_load_all(path.read_text()):
            yield path.name, each


def containers(each: Any) -> Iterator[dict[str, Any]]:
    """Every container below, however deep."""
    if isinstance(each, dict):
        for key, value in each.items():
            if key in {"containers", "initContainers"}:
                yield from value
            else:
                yield from containers(value)
    elif isinstance(each, list):
        for one in each:
            yield from containers(one)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_start_what_there_is(path: Path) -> None:
    """Each ExecStart is a command of ours with options that it knows; each variable is a setting."""
    text = path.read_text()
    for line in re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE):
        check_command(line.split())
    for name in re.findall(r"^Environment=(\w+)=", text, re.MULTILINE):
        assert is_setting(name), name
    for unit in re.findall(r"^(?:Requires|Unit)=(\S+)$", text, re.MULTILINE):
        assert (ROOT / "deploy" / "systemd" / unit).exists()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_understands_the_units(path: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing in them but that this machine has no Ringlet at /opt."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd on this machine")
    for each in UNITS:
        (tmp_path / each.name).write_text(each.read_text().replace("/opt/ringlet/bin/ringlet", "/bin/true"))
    name = path.name.replace("@.", "@8081.")
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "ringlet" in line]
    assert said == []


def test_compose_starts_what_there_is() -> None:
    """Commands, settings, volumes, secrets and conditions of every service are named somewhere."""
    for name, service in COMPOSE["services"].items():
        if name == "database":
            continue
        command = service["command"]
        words = command if command[0] == "ringlet" else command[-1].split("exec ")[-1].split()
        check_command(words)
        for variable in service["environment"]:
            assert is_setting(variable), variable
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
        assert {each.partition(":")[0] for each in service["volumes"]} <= set(COMPOSE["volumes"])
        assert set(service["depends_on"]) <= set(COMPOSE["services"])


def test_kubernetes_starts_what_there_is() -> None:
    """The same, and every probe asks an address of ours; who selects pods finds some."""
    labels = []
    for name, each in objects():
        assert {"apiVersion", "kind", "metadata"} <= each.keys(), name
        for container in containers(each):
            check_command(container["command"])
            assert all(is_setting(variable["name"]) for variable in container["env"])
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            probes = [value for key, value in container.items() if key.endswith("Probe")]
            assert {probe["httpGet"]["path"] for probe in probes} <= PROBES
        if each["kind"] == "ConfigMap":
            assert all(map(is_setting, each["data"]))
        if each["kind"] == "Deployment":
            assert each["spec"]["selector"]["matchLabels"] == each["spec"]["template"]["metadata"]["labels"]
            labels.append(each["spec"]["template"]["metadata"]["labels"])
    (service,) = [each for _, each in objects() if each["kind"] == "Service"]
    assert service["spec"]["selector"] in labels


def test_every_mount_has_its_volume() -> None:
    """A pod whose container mounts what it does not have never starts."""
    for _, each in objects():
        template = each.get("spec", {}).get("template") or each.get("spec", {}).get("jobTemplate", {}).get(
            "spec", {}
        ).get("template")
        if template is not None:
            volumes = {volume["name"] for volume in template["spec"]["volumes"]}
            for container in containers(template):
                assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_image_runs_a_command_of_ours_and_not_as_root() -> None:
    """The last user of the Dockerfile is none with rights; it asks itself whether it is ready."""
    text = (ROOT / "Dockerfile").read_text()
    command = re.findall(r"^CMD \[(.+)\]$", text, re.MULTILINE)[-1]
    check_command([word.strip(' "') for word in command.split(",")])
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE)[-1] == "ringlet"
    assert "/readyz" in text
    for name in re.findall(r"^COPY (?!--from)(.+) \./$", text, re.MULTILINE):
        assert all((ROOT / each).exists() for each in name.split())
    for name in re.findall(r"RINGLET_\w+", text):
        assert is_setting(name), name


def test_proxies_pass_on_what_we_need() -> None:
    """Host name, sender and scheme arrive; /metrics does not leave; streams are not held back."""
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    for wanted in (
        "proxy_set_header Host $host",
        "X-Forwarded-For $remote_addr",
        "proxy_buffering off",
        "/metrics",
    ):
        assert wanted in nginx
    caddy = (ROOT / "deploy" / "Caddyfile").read_text()
    for wanted in ("reverse_proxy", "flush_interval -1", "/metrics"):
        assert wanted in caddy
    assert nginx.count("{") == nginx.count("}")
    assert caddy.count("{") == caddy.count("}")


def test_the_guide_names_what_there_is() -> None:
    """docs/operating.md speaks of settings, commands and files that exist."""
    text = (ROOT / "docs" / "operating.md").read_text()
    for name in re.findall(r"RINGLET_[A-Z_]+", text):
        assert is_setting(name), name
    for name in re.findall(r"`ringlet ([a-z]+)", text):
        assert name in COMMANDS, name
    for name in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / "docs" / name).resolve().exists(), name
