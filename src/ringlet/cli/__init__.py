"""The command line: `ringlet COMMAND`. Each command's module is imported when it is called."""

import importlib
import sys

import click

from ringlet import __version__
from ringlet.errors import RingletError

#: command → (module, one line of help); the help is here so that `ringlet --help` imports nothing
COMMANDS = {
    "serve": ("serve", "All in one: database, web and worker."),
    "web": ("web", "One web process."),
    "worker": ("worker", "One worker process."),
    "migrate": ("operate", "Bring the database to this version's schema."),
    "audit": ("operate", "Check every invariant of the books; exit 1 on a breach."),
    "doctor": ("operate", "Say what is wrong with this installation and how to mend it."),
    "account": ("account", "Customers: create, list, key, revoke, adjust, group."),
    "staff": ("staff", "Who runs the shop: list, appoint, dismiss."),
    "stock": ("stock", "Own numbers: load, list, agent-key."),
    "supplier": ("supplier", "Numbers rented upstream: add, check, sync, list, and the money there."),
    "pricing": ("pricing", "What customers pay: set, list, remove, explain."),
    "gateway": ("gateway", "Ways to pay: list, add, set, check, on, off."),
    "voucher": ("voucher", "Codes that customers redeem for credit: make, list, revoke."),
    "policy": ("policy", "What is sold, to whom and how fast: list, allow, deny, limits, freeze, explain."),
    "buy": ("buy", "A number, and the code that comes for it."),
    "backup": ("backup", "Everything in one file: the data and the secret."),
    "restore": ("backup", "A backup into an empty installation, audited and compared with the suppliers."),
    "inbox": ("operate", "Messages for numbers that nobody had leased."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ringlet.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """One line each, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ringlet")
def ringlet() -> None:
    """Lease phone numbers for one verification message and deliver the code in it."""


def main() -> None:
    """Entry point: what we refuse is one sentence on standard error and exit code 1."""
    try:
        ringlet(prog_name="ringlet")
    except RingletError as error:
        click.echo(f"ringlet: {error}", err=True)
        sys.exit(1)
