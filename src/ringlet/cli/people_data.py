"""`ringlet account export` and `erase`: a person's data."""

import sys

import click

from ringlet.acts import CLI
from ringlet.backoffice import people_data
from ringlet.cli.output import as_json_option, emit_json
from ringlet.cli.running import at_desk
from ringlet.desk import Desk


@click.command()
@click.argument("email")
def export(email: str) -> None:
    """Print everything that is kept of an account, as JSON."""

    async def write(desk: Desk) -> None:
        async for piece in people_data.export(desk, await people_data.by_email(desk, email)):
            sys.stdout.write(piece)

    at_desk(write)


@click.command()
@click.argument("email")
@click.option("--reason", required=True, help="Why; kept in the log of what staff did.")
@click.option("--give-up-balance", is_flag=True, help="What is left on the account is lost.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@as_json_option
def erase(email: str, reason: str, give_up_balance: bool, yes: bool, as_json: bool) -> None:
    """Forget an account for good; the ledger keeps the amounts."""
    if not yes:
        click.confirm(f"Forget {email} for good? This cannot be taken back", abort=True)

    async def forget(desk: Desk) -> int:
        customer_id = await people_data.by_email(desk, email)
        left = await people_data.left(desk, customer_id)
        gives_up_micros = left.available_micros if give_up_balance else 0
        await people_data.erase(desk, CLI, customer_id, reason, gives_up_micros=gives_up_micros)
        return customer_id

    customer_id = at_desk(forget)
    if as_json:
        emit_json({"erased": customer_id})
    else:
        click.echo(f"Account {customer_id} is erased; its amounts stay in the ledger.")
