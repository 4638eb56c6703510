"""`ringlet staff`: who runs the shop."""

import click

from ringlet.acts import CLI
from ringlet.backoffice import staff as people
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.errors import NotFound
from ringlet.people.roles import ROLES


@click.group()
def staff() -> None:
    """Who runs the shop: list, appoint, dismiss."""


@staff.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Everybody with a role."""
    rows = [
        {
            "email": each.email,
            "role": each.role,
            "second_factor": each.has_second_factor,
            "since": each.created_at,
        }
        for each in at_desk(people.everybody)
    ]
    if as_json:
        emit_json(rows)
    else:
        columns = ("email", "role", "second_factor", "since")
        emit_table(columns, [[row[name] for name in columns] for row in rows],
                   empty="Nobody yet: ringlet staff appoint EMAIL --role owner")  # fmt: skip


@staff.command()
@click.argument("email")
@click.option("--role", type=click.Choice(list(ROLES)), default="owner", show_default=True)
@as_json_option
def appoint(email: str, role: str, as_json: bool) -> None:
    """Give the person of this account a role."""
    at_desk(lambda desk: people.appoint(desk, CLI, email, role))
    if as_json:
        emit_json({"email": email, "role": role})
    else:
        click.echo(f"{email} is {role} now; without a second factor the admin pages stay shut")


@staff.command()
@click.argument("email")
@as_json_option
def dismiss(email: str, as_json: bool) -> None:
    """Take the role away; the account stays, its sessions end."""
    found = next((each for each in at_desk(people.everybody) if each.email == email), None)
    if found is None:
        raise NotFound("Nobody of the staff has this address")
    at_desk(lambda desk: people.dismiss(desk, CLI, found.person_id))
    if as_json:
        emit_json({"email": email, "role": None})
    else:
        click.echo(f"{email} has no role any more")
