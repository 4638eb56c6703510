"""How commands speak: tables for people, one JSON document for machines."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

as_json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")

console = Console()
_encode = msgspec.json.Encoder(decimal_format="number").encode


def emit_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(_encode(value).decode())


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table; `empty` is the sentence for none, saying what to do next. Texts are shown as they are."""
    if not rows:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        figures = all(isinstance(row[index], (int, float, Decimal)) for row in rows)
        table.add_column(column, justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _plain(cell: object) -> str:
    """What comes from outside may not speak to the terminal: no markup, no control characters."""
    text = "" if cell is None else f"{cell}"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).replace("[", r"\[")
