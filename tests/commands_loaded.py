"""What a command may import, imported once (see `commands.py`)."""

import importlib

from ringlet.cli import COMMANDS

for module, _ in COMMANDS.values():
    importlib.import_module(f"ringlet.cli.{module}")
