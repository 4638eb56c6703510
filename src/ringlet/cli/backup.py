"""`ringlet backup` and `ringlet restore`."""

import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from ringlet import audit, money
from ringlet.app import Base
from ringlet.backoffice import archive, reconcile
from ringlet.backoffice import backup as backups
from ringlet.backoffice import restore as restores
from ringlet.backoffice.backup import Made, Tell
from ringlet.backoffice.reconcile import Odd, Reconciled
from ringlet.backoffice.restore import Restored
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk, installation
from ringlet.errors import StartupError
from ringlet.settings import Settings

passphrase_option = click.option(
    "--passphrase-file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file that holds the passphrase which seals the backup.",
)  # fmt: skip
WARNING = """\
This file holds everything: customers, numbers, messages, and the installation's secret, which opens the suppliers'
keys. {}"""
ODDITIES = {
    Odd.UNKNOWN_HERE: "rented there, not in our books (sold after the backup): the worker cancels it, or a code came",
    Odd.OVER_HERE: "active there, over in our books: cancel it there if no code came",
    Odd.OVER_THERE: "open in our books, over there: the worker ends it, and refunds if no code came",
    Odd.UNKNOWN_THERE: "open in our books, and it knows nothing of it: it expires and is refunded",
}


@click.command()
@click.argument("to", type=click.Path(path_type=Path))
@passphrase_option
@as_json_option
def backup(to: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Write the whole installation to one file, or to a new one in the folder TO. Sales go on meanwhile."""
    passphrase = _passphrase(passphrase_file)
    with installation() as (settings, base):
        made = backups.make(base.conninfo, settings, to, passphrase, _progress("written"))
    if as_json:
        emit_json({**msgspec.structs.asdict(made), "file": str(made.file)})
    else:
        _say_made(made)


def _say_made(made: Made) -> None:
    click.echo(f"{made.file}: {made.rows} rows of {made.tables} tables, {made.bytes / 1e6:.1f} MB")
    care = "It is sealed: without the passphrase nobody opens it, you neither." if made.is_sealed else (
        "Only you can read it here (0600): keep it like a key, or seal it with --passphrase-file."
    )  # fmt: skip
    click.echo(WARNING.format(care), err=True)


def _passphrase(file: Path | None) -> str | None:
    if file is None:
        return None
    text = file.read_text(encoding="utf-8").strip()
    if not text:
        raise StartupError(f"{file} is empty: a passphrase is needed")
    return text


def _progress(verb: str) -> Tell:
    """A line per table for people who look on; nothing in a log."""
    if not sys.stderr.isatty():
        return lambda _table, _rows: None
    return lambda table, rows: click.echo(f"{rows:>12,} rows of {table} {verb}", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@passphrase_option
@click.option("--replace", is_flag=True, help="Give up what this installation holds now.")
@click.option("--yes", is_flag=True, help="Do not ask before replacing.")
@click.option("--no-suppliers", is_flag=True, help="Do not compare with suppliers afterwards.")
@as_json_option
def restore(
    file: Path, passphrase_file: Path | None, replace: bool, yes: bool, no_suppliers: bool, as_json: bool
) -> None:
    """Put the backup FILE into this installation, which is empty; audit it, and compare with the suppliers."""
    if replace and not yes:
        click.confirm("Everything in this installation is lost then. Go on?", abort=True)
    passphrase = _asked(file, passphrase_file)
    with installation() as (settings, base):
        done = _restored(settings, base, file, passphrase, replace=replace)
        breaches = audit.run(base.conninfo)
    # The secret may be another one now: what follows reads the settings anew.
    found = [] if no_suppliers else at_desk(reconcile.reconcile)
    if as_json:
        emit_json({"restored": done, "breaches": breaches, "suppliers": found})
    else:
        _say_restored(done, breaches, found, was_asked=not no_suppliers)
    sys.exit(1 if breaches else 0)


def _asked(file: Path, passphrase_file: Path | None) -> str | None:
    with file.open("rb") as opened:
        is_sealed = archive.is_sealed(opened)
    if passphrase_file is None and is_sealed and sys.stdin.isatty():
        return str(click.prompt("Passphrase", hide_input=True))
    return _passphrase(passphrase_file)


def _restored(
    settings: Settings, base: Base, file: Path, passphrase: str | None, *, replace: bool
) -> Restored:
    tell = _progress("read")
    return restores.restore(base.conninfo, settings, file, passphrase, replace=replace, tell=tell)


def _say_restored(
    done: Restored, breaches: list[audit.Breach], found: list[Reconciled], *, was_asked: bool
) -> None:
    click.echo(f"{done.rows} rows are back, as they were at {done.head.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    for name in done.migrated:
        click.echo(f"applied {name}")
    emit_table(("invariant", "promise", "breach"), [(x.invariant, x.promise, x.what) for x in breaches],
               empty=f"{len(audit.CHECKS)} checks, no breach: the books balance.")  # fmt: skip
    if not was_asked:
        click.echo("Suppliers were not asked: ringlet supplier balance NAME compares the money.")
    for each in found:
        say_reconciled(each, click.echo)
    click.echo(
        "What happened after the backup is lost: sales, payments, keys made or revoked. Everybody signs in anew."
    )


def say_reconciled(each: Reconciled, say: Callable[[str], None]) -> None:
    """One supplier's part of the report."""
    if each.trouble:
        say(f"{each.supplier}: not compared: {each.trouble}")
        return
    if each.agrees:
        say(f"{each.supplier}: agrees with our books.")
    for difference in each.differences:
        say(f"{each.supplier}: {difference.ref}: {ODDITIES[difference.odd]}"
            f" (there {difference.theirs}, here {difference.ours})")  # fmt: skip
    if each.money and each.money.unexplained_micros:
        say(f"{each.supplier}: balance {money.to_amount(each.money.theirs_micros)}, our books"
            f" {money.to_amount(each.money.ours_micros)}; unexplained {money.to_amount(each.money.unexplained_micros)}:"
            f" ringlet supplier settle {each.supplier} --reason 'restored'")  # fmt: skip
