"""The terms with a supplier as options of the command line."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import click

from ringlet.cli.account import AMOUNT
from ringlet.cli.stock import PRICE

F = TypeVar("F", bound=Callable[..., Any])
NONE = "none"


class OrNone(click.ParamType[Any]):
    """A value of another type, or the word none."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self._inner = inner
        self.name = f"{inner.name}|{NONE}"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """The word stays what it is: None is an option that was not given."""
        return NONE if value == NONE else self._inner.convert(value, param, ctx)


class Factor(click.ParamType[Decimal]):
    """A decimal above zero."""

    name = "factor"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """An exact decimal."""
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            found = Decimal("NaN")
        if not (found.is_finite() and found > 0):
            self.fail(f"{value!r} is not a number above zero", param, ctx)
        return found


#: option → the condition that it sets
CONDITIONS = {
    "unit_cost": "unit_cost", "rate": "currency_rate", "weight": "weight", "exposure_cap": "exposure_cap_micros",
    "balance_alert": "balance_alert_micros", "deadline": "deadline_s", "requests_per_second": "requests_per_s",
    "sync_every": "sync_every_s", "stale_after": "stale_after_s",
}  # fmt: skip
_OPTIONS = (
    click.option("--unit-cost", type=OrNone(PRICE), help="What a number costs where the protocol names no prices."),
    click.option("--rate", type=Factor(), help="One unit of its money in ours (1)."),
    click.option("--weight", type=Factor(), help="2 makes it look half as dear in the choice (1)."),
    click.option("--exposure-cap", type=OrNone(AMOUNT), help="Rent no more while so much is open there."),
    click.option("--balance-alert", type=OrNone(AMOUNT), help="Warn when our balance there falls below."),
    click.option("--deadline", type=click.IntRange(1, 60), help="Seconds for one request (15)."),
    click.option("--requests-per-second", type=click.IntRange(1, 1_000), help="At most (20)."),
    click.option("--sync-every", type=click.IntRange(5, 86_400), help="Seconds between two price lists (90)."),
    click.option("--stale-after", type=click.IntRange(10, 604_800), help="Seconds that a price list is good (900)."),
)  # fmt: skip


def condition_options(command: F) -> F:
    """The options of `add` and `set`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


key_option = click.option("--key", help="The key of our account there; better from a file.")
key_file_option = click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds the key.",
)


def conditions(options: dict[str, Any]) -> Any:
    """The options that were given, by condition."""
    given = {CONDITIONS[option]: value for option, value in options.items() if value is not None}
    return {condition: None if value == NONE else value for condition, value in given.items()}


def read_key(key: str | None, key_file: Path | None) -> str | None:
    """The key as it was given, None when it was not."""
    if key is not None and key_file is not None:
        raise click.UsageError("give either --key or --key-file")
    return key if key_file is None else key_file.read_text(encoding="utf-8").strip()
