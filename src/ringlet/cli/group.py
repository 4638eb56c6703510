"""`ringlet account group`: accounts that share price rules."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from ringlet import acts, customers
from ringlet.acts import CLI
from ringlet.backoffice import standing
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.feed import announce

NO_GROUP = "none"
T = TypeVar("T")

SHOWS = click.Choice(["cost", "list"])
SHOWS_HELP = "What the members see as base_price: what a number costs you, or the price for everybody."


@click.group()
def group() -> None:
    """Account groups: accounts that share price rules."""


@group.command()
@click.argument("name")
@click.option("--base-price-shows", "shows", type=SHOWS, default="cost", show_default=True, help=SHOWS_HELP)
@as_json_option
def create(name: str, shows: str, as_json: bool) -> None:
    """Make a group; accounts come in with: ringlet account group set EMAIL NAME."""
    name = name.strip()
    if not 1 <= len(name) <= 64 or not name.isprintable() or name == NO_GROUP:  # noqa: PLR2004 - as the table says
        raise click.BadParameter("a name has 1 to 64 printable characters and is not 'none'")

    async def work(tx: Tx) -> int:
        made = await customers.add_group(tx, name, shows)
        await acts.write(
            tx, CLI, "group.added", f"group {made}", after={"name": name, "base_price_shows": shows}
        )
        return made

    group_id = at_desk(lambda desk: _change(desk, work))
    if as_json:
        emit_json({"id": group_id, "name": name, "base_price_shows": shows})
    else:
        click.echo(f"Group {name} is there. Its prices: ringlet pricing set --markup 20% --group {name}")


@group.command()
@click.argument("name")
@click.option("--base-price-shows", "shows", type=SHOWS, required=True, help=SHOWS_HELP)
@as_json_option
def change(name: str, shows: str, as_json: bool) -> None:
    """Change what the members of a group see as base_price."""

    async def work(tx: Tx) -> None:
        before = await customers.group_by_name(tx, name)
        await customers.change_group(tx, before.id, shows)
        await acts.write(
            tx, CLI, "group.changed", f"group {before.id}", before={"base_price_shows": before.base_price_shows},
            after={"base_price_shows": shows},
        )  # fmt: skip

    at_desk(lambda desk: _change(desk, work))
    if as_json:
        emit_json({"name": name, "base_price_shows": shows})
    else:
        click.echo(f"base_price shows the {shows} to {name}.")


@group.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Every group with the number of its accounts."""
    found = at_desk(_groups)
    if as_json:
        emit_json(found)
    else:
        emit_table(
            ("group", "accounts", "base_price shows"),
            [(each.name, each.accounts, each.base_price_shows) for each in found],
            empty="No groups yet: ringlet account group create NAME",
        )


@group.command("set")
@click.argument("email")
@click.argument("name")
@as_json_option
def set_(email: str, name: str, as_json: bool) -> None:
    """Put an account into the group NAME, or with NAME none into no group."""

    async def work(desk: Desk) -> None:
        async with desk.db.connection() as tx:
            group_id = None if name == NO_GROUP else (await customers.group_by_name(tx, name)).id
            customer_id = (await customers.by_email(tx, email)).id
        await standing.put_in_group(desk, CLI, customer_id, group_id)

    at_desk(work)
    if as_json:
        emit_json({"email": email, "group": None if name == NO_GROUP else name})
    else:
        click.echo(f"{email} is in no group." if name == NO_GROUP else f"{email} is in group {name}.")


async def _groups(desk: Desk) -> list[customers.Group]:
    async with desk.db.connection() as tx:
        return await customers.list_groups(tx)


async def _change(desk: Desk, work: Callable[[Tx], Awaitable[T]]) -> T:
    """In one transaction; processes that run take it over at once."""
    async with desk.db.transaction() as tx:
        done = await work(tx)
        await announce(tx, "catalogue")
        return done
