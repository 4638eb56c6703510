"""`ringlet supplier`: numbers rented upstream."""

import sys
from collections.abc import Coroutine
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from ringlet import canon, money
from ringlet.acts import CLI
from ringlet.cli import terms
from ringlet.cli.account import AMOUNT
from ringlet.cli.output import as_json_option, console, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.desk import Desk
from ringlet.errors import RingletError
from ringlet.suppliers.protocols import PROTOCOLS
from ringlet.supplying import codes, enlist, known, survey
from ringlet.supplying import money as purses
from ringlet.supplying import sync as syncs
from ringlet.supplying.enlist import Changes, Conditions, Enlisted
from ringlet.supplying.survey import Checked

T = TypeVar("T")


@click.group()
def supplier() -> None:
    """Numbers rented upstream: add, check, sync, list, and the money there."""


@supplier.command()
@click.argument("name")
@click.option(
    "--kind", required=True, type=click.Choice(sorted(PROTOCOLS)), help="The protocol that it speaks."
)
@click.option("--url", required=True, help="Where it is reached, without the key.")
@terms.key_option
@terms.key_file_option
@terms.condition_options
@click.option("--no-check", is_flag=True, help="Do not ask it now.")
@as_json_option
def add(
    name: str, kind: str, url: str, key: str | None, key_file: Path | None, no_check: bool, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Add a supplier called NAME. It is sold after its first sync."""
    given = terms.read_key(key, key_file)
    if given is None:
        if not sys.stdin.isatty():
            raise click.UsageError("give the key: --key-file FILE, or --key KEY")
        given = click.prompt("Key", hide_input=True)
    made, checked = at_desk(
        lambda desk: _add(desk, name, kind, url, str(given), terms.conditions(options), not no_check)
    )
    if as_json:
        emit_json({**_enlisted(made), "check": None if checked is None else _checked(checked)})
    else:
        _tell_enlisted(made)
        if checked is not None:
            _tell_checked(checked)
        click.echo(
            f"Next: ringlet supplier {'sync' if not checked or not checked.problems else 'check'} {name}"
        )


async def _add(
    desk: Desk, name: str, kind: str, url: str, key: str, conditions: Conditions, is_checked: bool
) -> tuple[Enlisted, Checked | None]:
    made = await enlist.add(desk, name, kind, url, key, **conditions)
    return made, await survey.check(desk, made.name) if is_checked else None


def _enlisted(made: Enlisted) -> dict[str, object]:
    return {
        "id": made.source_id, "name": made.name, "hint_token": made.hint_token, "agent_key": made.agent_key,
        "notes": made.notes,
    }  # fmt: skip


def _tell_enlisted(made: Enlisted) -> None:
    click.echo(f"{made.name} is added. Its hints come with this token, shown once:\n  {made.hint_token}")
    if made.agent_key:
        click.echo(f"It pushes messages to /agent/api/sms with this key, shown once:\n  {made.agent_key}")
    for note in made.notes:
        click.echo(f"Note: {note}", err=True)


@supplier.command()
@click.argument("name")
@as_json_option
def check(name: str, as_json: bool) -> None:
    """Ask NAME now: is it reached, with what balance and price list; exit 1 when something is wrong."""
    checked = at_desk(lambda desk: survey.check(desk, name))
    if as_json:
        emit_json(_checked(checked))
    else:
        _tell_checked(checked)
    sys.exit(1 if checked.problems else 0)


def _checked(checked: Checked) -> dict[str, object]:
    return {
        "name": checked.name, "protocol": checked.protocol, "host": checked.host, "ok": not checked.problems,
        "latency_ms": checked.latency_ms, "balance": checked.balance and Decimal(checked.balance),
        "cells": checked.cells, "can": checked.can, "problems": checked.problems,
    }  # fmt: skip


def _tell_checked(checked: Checked) -> None:
    latency = "" if checked.latency_ms is None else f"answers in {checked.latency_ms} ms"
    rows = [
        ("reached", checked.host, latency),
        ("balance", "none in this protocol" if checked.balance is None else checked.balance, "in its money"),
        ("price list", "unknown" if checked.cells is None else f"{checked.cells} lines", ""),
        *(("can", text, "") for text in checked.can),
        *(("WRONG", text, "") for text in checked.problems),
    ]
    emit_table(("part", "finding", ""), rows, empty="")


@supplier.command()
@click.argument("name")
@as_json_option
def sync(name: str, as_json: bool) -> None:
    """Take over NAME's price list now."""
    with nullcontext() if as_json else console.status("asking for the price list …"):
        synced = at_desk(lambda desk: _sync(desk, name))
    if as_json:
        emit_json(synced)
    elif synced is None:
        click.echo("A worker has taken over its price list at this moment.")
    else:
        click.echo(
            f"{synced.cells} offers: {synced.new} new, {synced.changed} changed, {synced.gone} no longer listed"
            f" ({synced.seconds:.1f} s)"
        )
        if synced.left_out:
            click.echo(f"{synced.left_out} lines left out: no price, count or operator that makes sense")
        if synced.unmapped:
            click.echo(
                f"{synced.unmapped} of its words have no name of ours: ringlet supplier unmapped {name}"
            )


async def _sync(desk: Desk, name: str) -> syncs.Synced | None:
    found = await known.reach(desk, name)
    return await _told(desk, name, syncs.sync(desk, found))


async def _told(desk: Desk, name: str, question: Coroutine[None, None, T]) -> T:
    """The answer to a question; what goes wrong is a sentence for people."""
    try:
        return await question
    except known.TROUBLE as error:
        async with desk.db.connection() as tx:
            row = await known.terms(tx, name)
        raise RingletError(f"{name}: {known.sentence(desk, row, error)}") from None


@supplier.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Every supplier with its state, our money there and what it has on offer."""
    lines = at_desk(survey.lines)
    rows = [
        {
            "name": x.name, "protocol": x.protocol, "host": x.host, "state": x.state,
            "balance": _amount(x.balance_micros), "exposure": _amount(x.exposure_micros),
            "rentals": x.rentals_open, "offers": x.cells_on_offer, "unmapped": x.unmapped,
            "synced_s_ago": x.sync_age_s, "last_error": x.sync_error,
        }
        for x in lines
    ]  # fmt: skip
    if as_json:
        emit_json(rows)
        return
    columns = ("name", "protocol", "state", "balance", "exposure", "offers")
    emit_table(
        (*columns, "synced"),
        [[*(row[name] for name in columns), _ago(row["synced_s_ago"])] for row in rows],
        empty="No suppliers yet: ringlet supplier add NAME --kind handler-api --url URL --key-file FILE",
    )
    for x in lines:
        if x.sync_error:
            click.echo(f"{x.name} at {x.host}: {x.sync_error}")
        if x.unmapped:
            click.echo(
                f"{x.name}: {x.unmapped} words have no name of ours: ringlet supplier unmapped {x.name}"
            )


def _ago(seconds: object) -> str:
    return "" if seconds is None else f"{seconds} s ago"


def _amount(micros: int | None) -> Decimal | None:
    return None if micros is None else money.to_amount(micros)


@supplier.command("set")
@click.argument("name")
@click.option("--url", help="A new address.")
@terms.key_option
@terms.key_file_option
@terms.condition_options
@as_json_option
def set_(
    name: str, url: str | None, key: str | None, key_file: Path | None, as_json: bool, **options: Any
) -> None:
    """Change the terms with NAME; what is not named stays. `none` takes a cap, an alert or a cost away."""
    changes: Changes = terms.conditions(options)
    given = terms.read_key(key, key_file)
    if url is not None:
        changes["url"] = url
    if given is not None:
        changes["key"] = given
    if not changes:
        raise click.UsageError("name something to change")
    notes = at_desk(lambda desk: enlist.change(desk, name, **changes))
    if as_json:
        emit_json({"changed": sorted(changes), "notes": notes})
        return
    click.echo("The terms are in force.")
    if changes.keys() & {"url", "currency_rate", "unit_cost"}:
        click.echo(
            f"Its prices may be others now; it is sold after its next sync: ringlet supplier sync {name}"
        )
    for note in notes:
        click.echo(f"Note: {note}", err=True)


@supplier.command()
@click.argument("name")
@as_json_option
def pause(name: str, as_json: bool) -> None:
    """Sell nothing more of NAME; what is rented goes on."""
    at_desk(lambda desk: enlist.pause(desk, name))
    _say({"name": name, "paused": True}, f"{name} is paused; ringlet supplier resume {name}", as_json)


@supplier.command()
@click.argument("name")
@as_json_option
def resume(name: str, as_json: bool) -> None:
    """Sell numbers of NAME again."""
    at_desk(lambda desk: enlist.resume(desk, name))
    _say({"name": name, "paused": False}, f"{name} is sold again once its prices are fresh", as_json)


def _say(document: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        emit_json(document)
    else:
        click.echo(text)


@supplier.command()
@click.argument("name")
@as_json_option
def unmapped(name: str, as_json: bool) -> None:
    """Countries and services of NAME that have no name of ours, and so are not sold."""
    words = at_desk(lambda desk: codes.unmapped(desk, name))
    if as_json:
        emit_json(words)
    else:
        emit_table(
            ("kind", "their word", "decided"),
            [(word.kind, word.theirs, "not sold" if word.is_decided else "") for word in words],
            empty="Every word of this supplier that we have seen has a name of ours.",
        )


@supplier.command("map")
@click.argument("name")
@click.argument("kind", type=click.Choice(codes.KINDS))
@click.argument("theirs")
@click.argument("ours")
@as_json_option
def map_(name: str, kind: str, theirs: str, ours: str, as_json: bool) -> None:
    """Decide which country or service of ours NAME means by THEIRS; OURS may be `none`."""
    code = None if ours == terms.NONE else ours
    mapped = at_desk(lambda desk: codes.map_code(desk, name, kind, theirs, code))
    if as_json:
        emit_json(mapped)
        return
    click.echo(f"{theirs} is {'not sold' if code is None else _known_as(kind, code)}")
    if mapped.lost:
        click.echo(f"{mapped.lost} had that name before and has none now")
    click.echo(f"Its offers come with the next sync: ringlet supplier sync {name}")


def _known_as(kind: str, code: str) -> str:
    return canon.countries()[int(code)].name if kind == codes.COUNTRY else canon.services()[code].name


@supplier.command()
@click.argument("name")
@as_json_option
def balance(name: str, as_json: bool) -> None:
    """Our money at NAME: its figure, ours, and what is in flight."""
    found = at_desk(lambda desk: _told(desk, name, purses.compare(desk, name)))
    figures = {
        "theirs": _amount(found.theirs_micros), "ours": _amount(found.ours_micros),
        "difference": _amount(found.difference_micros), "in_flight": _amount(found.in_flight_micros),
        "unexplained": _amount(found.unexplained_micros),
    }  # fmt: skip
    if as_json:
        emit_json(figures)
        return
    emit_table(("money", "amount"), list(figures.items()), empty="")
    if found.unexplained_micros:
        click.echo(
            f"Paid in there? ringlet supplier deposit {name} {figures['unexplained']} --reason …\n"
            f"Otherwise accept its figure: ringlet supplier settle {name} --reason …"
        )


@supplier.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why the figures differ; kept with the posting.")
@as_json_option
def settle(name: str, reason: str, as_json: bool) -> None:
    """Accept NAME's figure: what nothing explains is booked to suspense."""
    micros = at_desk(lambda desk: _told(desk, name, purses.settle(desk, name, reason, CLI)))
    text = (
        f"{money.to_amount(micros)} booked to suspense" if micros else "Nothing to settle: the figures agree."
    )
    _say({"name": name, "settled": money.to_amount(micros)}, text, as_json)


@supplier.command()
@click.argument("name")
@click.argument("amount_micros", metavar="AMOUNT", type=AMOUNT)
@click.option("--reason", required=True, help="Such as the receipt's number; kept with the posting.")
@as_json_option
def deposit(name: str, amount_micros: int, reason: str, as_json: bool) -> None:
    """Book that we paid AMOUNT in at NAME, in our money (below zero: took out; write: -- NAME -5)."""
    at_desk(lambda desk: purses.deposit(desk, name, amount_micros, reason, CLI))
    amount = money.to_amount(amount_micros)
    _say({"name": name, "deposited": amount}, f"{amount} booked as paid in at {name}", as_json)
