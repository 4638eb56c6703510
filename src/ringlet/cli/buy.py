"""`ringlet buy`: a number, and the code that comes for it.

Standard output has what a script wants and nothing else; what people read goes to standard error.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from ringlet.cli.purchase import Purchase
from ringlet.cli.voice import Voice
from ringlet.client import Access, NotConfigured, Ringlet, RingletError
from ringlet.client.access import DEFAULT_URL
from ringlet.settings import default_home

REFUSED = 1


class MistypedError(click.UsageError):
    exit_code = REFUSED


class BuyCommand(click.Command):
    """2 means that no code came: what was typed wrongly is 1."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As every command, with another exit code."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise MistypedError(error.format_message(), error.ctx) from error


class MaxPrice(click.ParamType[Decimal]):
    """An exact price."""

    name = "price"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """The decimal as it was typed."""
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            found = Decimal("NaN")
        if not (found.is_finite() and found >= 0):
            self.fail(f"{value!r} is not a price", param, ctx)
        return found


@click.command(cls=BuyCommand)
@click.argument("service")
@click.argument("country", type=click.IntRange(0, 9_999))
@click.option("--wait", "is_waiting", is_flag=True, help="Wait for the code and print it.")
@click.option(
    "--timeout",
    "timeout_s",
    default=300,
    show_default=True,
    type=click.IntRange(1, 86_400),
    help="Seconds to wait; then the number is given back.",
)
@click.option("--max-price", type=MaxPrice(), help="Refuse to pay more.")
@click.option("--operator", help="Of this operator; several with commas.")
@click.option("--reference", help="Your own, shown with the activation everywhere.")
@click.option(
    "--url", help="The installation (RINGLET_URL; else that of the demo, or this machine's port 8080)."
)
@click.option("--key", help="The API key (RINGLET_API_KEY); better from a file.")
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds the API key.",
)
@click.option(
    "--quiet", "-q", "is_quiet", is_flag=True, help="Nothing but the result, and why there is none."
)
@click.option(
    "--json", "as_json", is_flag=True, help="JSON for machines: a line at once, and one at the end."
)
@click.pass_context
def buy(
    ctx: click.Context, service: str, country: int, is_waiting: bool, timeout_s: int, max_price: Decimal | None,
    operator: str | None, reference: str | None, url: str | None, key: str | None, key_file: Path | None,
    is_quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Lease a number of COUNTRY for SERVICE (ringlet buy ig 6 --wait).

    Without --wait it prints PHONE and ACTIVATION_ID. With it the number is shown at once, on standard error, and the
    code is all that standard output gets. Ctrl-C gives the number back.

    Exit codes: 0 the code (or the number), 1 refused, 2 no code in time, 130 interrupted.
    """
    voice = Voice(is_quiet=is_quiet, as_json=as_json)
    order = {"max_price": max_price, "operator": operator, "reference": reference}
    try:
        access = find_access(_given(key, key_file), url)
        with Ringlet(access.api_key, access.url) as ringlet, _ends_as_interrupted():
            purchase = Purchase(ringlet, voice, service, country, order)
            ctx.exit(purchase.run(time.monotonic() + timeout_s, is_waiting=is_waiting))
    except RingletError as error:
        voice.refused(error)
        ctx.exit(REFUSED)


def find_access(key: str | None, url: str | None, environ: Mapping[str, str] = os.environ) -> Access:
    """What was given, else the environment, else this machine's demo. Raises NotConfigured.

    The demo's key goes to the demo and nowhere else.
    """
    url = url or environ.get("RINGLET_URL", "").strip() or None
    if key is not None:
        return Access(key, url or DEFAULT_URL)
    if environ.get("RINGLET_API_KEY") or environ.get("RINGLET_API_KEY_FILE"):
        return Access.from_env({**environ, "RINGLET_URL": url or DEFAULT_URL})
    demo = _demo(Path(environ.get("RINGLET_HOME") or default_home()).expanduser() / "demo.json")
    if demo is not None and (url is None or Access(demo.api_key, url).url == demo.url):
        return demo
    raise NotConfigured("no API key: give --key-file, or set RINGLET_API_KEY")


def _given(key: str | None, key_file: Path | None) -> str | None:
    if key is not None and key_file is not None:
        raise MistypedError("give either --key or --key-file")
    return key if key_file is None else key_file.read_text(encoding="utf-8", errors="replace").strip()


def _demo(path: Path) -> Access | None:
    try:
        keys: Any = json.loads(path.read_text(encoding="utf-8"))
        return Access(keys["api_key"], keys["base_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _ends_as_interrupted() -> Iterator[None]:
    """`timeout 60 ringlet buy …` ends us as Ctrl-C does: the number is given back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
