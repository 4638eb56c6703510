"""How a purchase speaks: results to standard output, words for people to standard error."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ringlet.cli.output import emit_json
from ringlet.client import Activation, RingletError


class Voice:
    """`is_quiet`: only results, and why there is none. `as_json`: one document a line."""

    def __init__(self, *, is_quiet: bool, as_json: bool) -> None:
        self._is_quiet = is_quiet
        self._as_json = as_json
        self._console = Console(stderr=True)

    def bought(self, activation: Activation, *, is_result: bool) -> None:
        """The number is there; `is_result`: nobody waits for a code."""
        if self._as_json:
            emit_json({"success": True, "activation": activation})
        else:
            self.say(f"{activation.phone}  for {activation.service}, {activation.amount_paid} held, "
                     f"until {activation.expires_at.astimezone():%H:%M:%S}")  # fmt: skip
            if is_result:
                click.echo(f"{activation.phone} {activation.activation_id}")

    def code(self, activation: Activation, code: str) -> None:
        """What it was all for."""
        if self._as_json:
            emit_json({"success": True, "code": code, "activation_id": activation.activation_id})
        else:
            click.secho(_printable(code), bold=True)

    def none(self, activation: Activation, code: str, why: str) -> None:
        """There is no code; `code` is the word for it."""
        if self._as_json:
            emit_json(
                {"success": False, "code": code, "message": why, "activation_id": activation.activation_id}
            )
        self.complain(f"{why} (activation {activation.activation_id})")

    def refused(self, error: RingletError) -> None:
        """It cannot be done."""
        if self._as_json:
            emit_json({"success": False, "code": error.code, "message": error.message,
                       "request_id": error.request_id})  # fmt: skip
        asked = f" (the cheapest costs {error.min_price})" if error.min_price is not None else ""
        self.complain(f"{error}{asked}")

    def say(self, text: str) -> None:
        """A word for people."""
        if not self._is_quiet and not self._as_json:
            click.echo(_printable(text), err=True)

    def complain(self, text: str) -> None:
        """Why there is no result; also when quiet."""
        if not self._as_json:
            click.echo(f"ringlet: {_printable(text)}", err=True)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A line that shows that we are alive, where somebody can see it."""
        is_off = self._is_quiet or self._as_json or not self._console.is_terminal
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True, disable=is_off) as progress:
            progress.add_task(what, total=None)
            yield


def _printable(text: str) -> str:
    """What comes from outside may not speak to the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
