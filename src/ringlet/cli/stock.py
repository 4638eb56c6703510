"""`ringlet stock`: own numbers."""

import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ringlet import money, stocktaking
from ringlet.cli.output import as_json_option, console, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.desk import Desk
from ringlet.stocktaking import BadRow, NumberRow

SHOWN_BAD_ROWS = 20


class Price(click.ParamType[Decimal]):
    """A price from 0 to a million with at most seven decimal places."""

    name = "price"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """An exact decimal."""
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            found = Decimal("NaN")
        if not (found.is_finite() and 0 <= found <= money.PRICE_MAX and found == money.price(found)):
            self.fail(f"{value!r} is not a price with at most 7 decimal places", param, ctx)
        return found


PRICE = Price()


@click.group()
def stock() -> None:
    """Own numbers: what is on the shelves."""


@stock.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--owner", required=True, help="Whose SIM cards these are.")
@click.option("--base-price", type=PRICE, required=True, help="What the owner gets for each.")
@as_json_option
def load(file: Path, owner: str, base_price: Decimal, as_json: bool) -> None:
    """Put the numbers of a CSV file on sale.

    Columns: phone, country, operator, services (codes with spaces between, or *). Rows that cannot be right are
    left out and named; loading a file again adds what is missing.
    """
    bad: list[BadRow] = []
    row_count = sum(1 for _ in file.open("rb")) - 1
    totals, agent_key = at_desk(
        lambda desk: _load(desk, file, row_count, owner, base_price, bad, quiet=as_json)
    )
    if as_json:
        emit_json({**totals, "rejected": bad, "agent_key": agent_key})
        return
    for row in bad[:SHOWN_BAD_ROWS]:
        click.echo(f"line {row.line}: {row.why}", err=True)
    if len(bad) > SHOWN_BAD_ROWS:
        click.echo(f"… and {len(bad) - SHOWN_BAD_ROWS} more rows left out", err=True)
    click.echo("{added} numbers added, {known} known, {elsewhere} belong to another owner".format(**totals))
    if agent_key:
        click.echo(f"{owner} pushes messages to /agent/api/sms with this key, shown once:\n  {agent_key}")


async def _load(
    desk: Desk, file: Path, row_count: int, owner: str, base_price: Decimal, bad: list[BadRow], *, quiet: bool
) -> tuple[dict[str, int], str | None]:
    totals = {"added": 0, "known": 0, "elsewhere": 0}
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as progress:
        task = progress.add_task("numbers", total=row_count)
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            rows = _good(csv.DictReader(lines, restkey="too_many"), bad)
            async for loaded in stocktaking.load(desk, owner, rows, base_price):
                totals["added"] += loaded.added
                totals["known"] += loaded.known
                totals["elsewhere"] += loaded.elsewhere
                progress.update(task, completed=sum(totals.values()) + len(bad))
    has_key = await stocktaking.has_agent_key(desk, owner)
    return totals, None if has_key or not sum(totals.values()) else await stocktaking.issue_agent_key(
        desk, owner
    )


def _good(reader: "csv.DictReader[str]", bad: list[BadRow]) -> Iterator[NumberRow]:
    missing = {"phone", "country", "services"} - set(reader.fieldnames or ())
    if missing:
        raise click.ClickException(f"the file lacks the columns: {', '.join(sorted(missing))}")
    for row in stocktaking.read_rows(reader):
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            yield row


@stock.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@as_json_option
def list_(limit: int, as_json: bool) -> None:
    """The fullest shelves."""
    lines = at_desk(lambda desk: stocktaking.list_shelves(desk, limit))
    if as_json:
        emit_json(lines)
    else:
        emit_table(
            ("owner", "country", "operator", "service", "base price", "free"),
            [
                (x.owner, x.country, x.operator, x.service, money.plain(x.base_price), x.available)
                for x in lines
            ],
            empty="No numbers yet: ringlet stock load numbers.csv --owner NAME --base-price 0.02",
        )


@stock.command("agent-key")
@click.argument("owner")
@as_json_option
def agent_key(owner: str, as_json: bool) -> None:
    """A new key with which OWNER pushes messages; the old one ends now."""
    token = at_desk(lambda desk: stocktaking.issue_agent_key(desk, owner))
    if as_json:
        emit_json({"agent_key": token})
    else:
        click.echo(token)
