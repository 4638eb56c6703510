"""`ringlet gateway`: ways to pay."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import click

from ringlet import money
from ringlet.acts import CLI
from ringlet.backoffice import gateways
from ringlet.backoffice.gateways import CHOICES, MODES, Conditions, Line
from ringlet.cli.account import AMOUNT
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.cli.stock import PRICE
from ringlet.desk import Desk
from ringlet.payments.kinds import KINDS
from ringlet.topups import probe
from ringlet.topups.probe import Answer

STDIN = "-"


@click.group()
def gateway() -> None:
    """Ways to pay: list, add, set, check, on, off."""


@gateway.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Every gateway with its state, limits, and what settled within 30 days."""
    rows = [_row(each) for each in at_desk(_lines)]
    if as_json:
        emit_json(rows)
        return
    columns = (
        "id",
        "label",
        "kind",
        "mode",
        "state",
        "min",
        "max",
        "settled_30d",
        "payments_30d",
        "compared",
    )
    emit_table(columns, [[row[name] for name in columns] for row in rows],
               empty="No way to pay yet: ringlet gateway add KIND --label NAME")  # fmt: skip


async def _lines(desk: Desk) -> list[Line]:
    async with desk.db.connection() as tx:
        return await gateways.lines(tx)


def _row(line: Line) -> dict[str, Any]:
    state = "off" if not line.is_on else "fails" if line.failing_since else "on"
    found = line.compared
    return {
        "id": line.id, "label": line.label, "kind": line.kind, "mode": line.mode, "state": state,
        "min": money.to_amount(line.min_micros), "max": money.to_amount(line.max_micros),
        "surcharge_percent": money.plain(line.surcharge_percent), "surcharge": money.to_amount(line.surcharge_micros),
        "on_over": line.on_over, "on_under": line.on_under, "on_late": line.on_late,
        "settled_30d": money.to_amount(line.settled_micros), "payments_30d": line.settled_count,
        "compared": "" if found is None else found["error"] or f"{found['differing']} differences",
        "failure": line.failure,
    }  # fmt: skip


_OPTIONS = (
    click.option("--label", help="What payers call it."),
    click.option("--min", "min_micros", type=AMOUNT, help="The least payment (5)."),
    click.option("--max", "max_micros", type=AMOUNT, help="The largest payment (500)."),
    click.option("--surcharge-percent", type=PRICE, help="What the payer pays above the credit, in percent (0)."),
    click.option("--surcharge", "surcharge_micros", type=AMOUNT, help="The same, a fixed part (0)."),
    click.option("--on-over", type=click.Choice(CHOICES), help="When more comes (credit)."),
    click.option("--on-under", type=click.Choice(CHOICES), help="When less comes (credit)."),
    click.option("--on-late", type=click.Choice(CHOICES), help="When it comes late (review)."),
    click.option("--field", "fields", multiple=True, metavar="NAME=VALUE",
                 help="What is no secret; @FILE reads the value from a file."),
    click.option("--secret", "secrets", multiple=True, metavar="NAME=FILE",
                 help="A key, from a file, or from standard input when FILE is -."),
)  # fmt: skip
FRESH = Conditions(
    label="", min_micros=5_000_000, max_micros=500_000_000, surcharge_percent=Decimal(0), surcharge_micros=0,
    on_over="credit", on_under="credit", on_late="review",
)  # fmt: skip


def _options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _conditions(options: dict[str, Any]) -> Conditions:
    return cast("Conditions", {name: value for name, value in options.items() if value is not None})


def _given(kind: str, fields: Sequence[str], secrets: Sequence[str]) -> dict[str, str]:
    """What was entered for the fields of a kind."""
    known = {each.name: each for each in KINDS[kind].fields}
    found = {}
    for is_secret, pairs in ((False, fields), (True, secrets)):
        for pair in pairs:
            name, _, value = pair.partition("=")
            if name not in known:
                raise click.UsageError(f"{kind} has no {name!r}: it has {', '.join(known) or 'no fields'}")
            if known[name].is_secret and not is_secret:
                raise click.UsageError(
                    f"{name} is a secret: --secret {name}=FILE, or {name}=- for standard input"
                )
            found[name] = _read(value) if is_secret else _read(value[1:]) if value.startswith("@") else value
    return found


def _read(file: str) -> str:
    if file == STDIN:
        return sys.stdin.read().strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read {file}: {error}") from None


@gateway.command()
@click.argument("kind", type=click.Choice(sorted(each.kind for each in KINDS.values() if each.can.asks)))
@click.option("--mode", type=click.Choice(MODES), default="live", show_default=True, help="Chosen once.")
@_options
@as_json_option
def add(
    kind: str, mode: str, fields: Sequence[str], secrets: Sequence[str], as_json: bool, **options: Any
) -> None:
    """Add a gateway of a KIND, still off."""
    given = _given(kind, fields, secrets)
    conditions = cast("Conditions", {**FRESH, "label": KINDS[kind].name, **_conditions(options)})
    gateway_id = at_desk(lambda desk: gateways.add(desk, CLI, kind, mode, conditions, given))
    if as_json:
        emit_json({"id": gateway_id})
    else:
        click.echo(
            f"Gateway {gateway_id} is added. Next: ringlet gateway check {gateway_id}, then: gateway on {gateway_id}"
        )


@gateway.command("set")
@click.argument("gateway_id", metavar="ID", type=int)
@_options
@as_json_option
def set_(
    gateway_id: int, fields: Sequence[str], secrets: Sequence[str], as_json: bool, **options: Any
) -> None:
    """Change the terms or the keys of gateway ID; what is not named stays."""
    conditions = _conditions(options)
    if not (conditions or fields or secrets):
        raise click.UsageError("name something to change")
    changed = at_desk(lambda desk: _set(desk, gateway_id, conditions, fields, secrets))
    if as_json:
        emit_json({"id": gateway_id, "terms": sorted(conditions), "keys": changed})
    else:
        click.echo("Saved.")


async def _set(
    desk: Desk, gateway_id: int, conditions: Conditions, fields: Sequence[str], secrets: Sequence[str]
) -> Sequence[str]:
    async with desk.db.connection() as tx:
        line = await gateways.line(tx, gateway_id)
    given = _given(line.kind, fields, secrets)
    if conditions:
        await gateways.change(desk, CLI, gateway_id, conditions)
    return await gateways.set_keys(desk, CLI, gateway_id, given) if given else []


@gateway.command()
@click.argument("gateway_id", metavar="ID", type=int)
@as_json_option
def check(gateway_id: int, as_json: bool) -> None:
    """Ask gateway ID now whether its keys are good; exit 1 when they are not."""
    answer: Answer = at_desk(lambda desk: probe.check(desk, gateway_id))
    if as_json:
        emit_json({"ok": answer.is_good, "said": answer.said})
    else:
        click.echo(f"{'good' if answer.is_good else 'WRONG'}: {answer.said}")
    sys.exit(0 if answer.is_good else 1)


@gateway.command()
@click.argument("gateway_id", metavar="ID", type=int)
@as_json_option
def on(gateway_id: int, as_json: bool) -> None:
    """Offer gateway ID to payers."""
    _switch(gateway_id, as_json, is_on=True)


@gateway.command()
@click.argument("gateway_id", metavar="ID", type=int)
@as_json_option
def off(gateway_id: int, as_json: bool) -> None:
    """Offer gateway ID no more; what was begun by it goes on."""
    _switch(gateway_id, as_json, is_on=False)


def _switch(gateway_id: int, as_json: bool, *, is_on: bool) -> None:
    at_desk(lambda desk: gateways.switch(desk, CLI, gateway_id, is_on=is_on))
    if as_json:
        emit_json({"id": gateway_id, "on": is_on})
    else:
        click.echo(f"Gateway {gateway_id} is {'on' if is_on else 'off'}.")
