"""The documents say what the program does."""

import re
from pathlib import Path

from ringlet import errors
from ringlet.activations.states import State
from ringlet.cli import COMMANDS
from ringlet.suppliers import simulator
from ringlet.web import api, listen, statistics, webhooks, wire

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def refusals(kind: type[errors.Refusal] = errors.Refusal) -> set[type[errors.Refusal]]:
    return {each for below in kind.__subclasses__() for each in {below, *refusals(below)}}


def test_every_refusal_is_documented() -> None:
    """docs/api.md has each code with its HTTP status, and the tree in errors.py too."""
    text, tree = read("docs/api.md"), errors.__doc__ or ""
    for refusal in refusals():
        assert re.search(rf"`{refusal.code}` \| {refusal.status} ", text), refusal
        assert refusal.__name__ in tree
        assert f"{refusal.status} {refusal.code}" in tree


def test_every_route_is_documented() -> None:
    """docs/api.md names every address of the API."""
    text = read("docs/api.md")
    routers = (api.router, listen.router, statistics.router, webhooks.router)
    for route in (route for router in routers for route in router.routes):
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path.removeprefix("/api/v1"))
        assert f"{path}`" in text or f"{path}?" in text, path


def test_every_state_is_documented() -> None:
    """docs/api.md has the numbers and words of every state."""
    text = read("docs/api.md")
    for state in State:
        status, msg = wire.STATUS[state]
        assert f"| {status} | {msg} | {state} | {wire.STATUS_WORD[state]} |" in text


def test_every_magic_service_is_documented() -> None:
    """docs/test-mode.md says what each rehearses."""
    text = read("docs/test-mode.md")
    for service in simulator.MAGIC:
        assert f"`{service}`" in text


def test_every_command_is_in_the_help() -> None:
    """Each command has its one line, and the README names only commands that there are."""
    named = set(re.findall(r"^ringlet (\w+)", read("README.md"), re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_every_make_target_is_real() -> None:
    """What README and CONTRIBUTING tell to type exists."""
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        assert set(re.findall(r"^make (\w+)", read(name), re.MULTILINE)) <= targets


def test_links_between_documents_hold() -> None:
    """No document points at one that is not there."""
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "bench").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_decisions_are_one_page_and_say_what_holds_them() -> None:
    """Numbered without gaps, under 60 lines, and every test file that one names exists."""
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.count("\n") < 60
        for named in re.findall(r"`(tests/[\w/]+\.py)`", text):
            assert (ROOT / named).exists(), f"{page.name}: {named}"
