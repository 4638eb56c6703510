"""`ringlet account`: customers."""

from decimal import Decimal, InvalidOperation

import click

from ringlet import accounts, money
from ringlet.cli import people_data
from ringlet.cli.group import group
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.webhooks import alerts


class Amount(click.ParamType[int]):
    """An amount of money with at most six decimal places, as micro-units."""

    name = "amount"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Micro-units from text such as 12.50."""
        try:
            return money.to_micros(Decimal(str(value)))
        except (InvalidOperation, ValueError, OverflowError):
            self.fail(f"{value!r} is not an amount with at most 6 decimal places", param, ctx)


AMOUNT = Amount()


@click.group()
def account() -> None:
    """Customers: their accounts, balances and keys."""


account.add_command(group)
account.add_command(people_data.export)
account.add_command(people_data.erase)


@account.command()
@click.argument("email")
@click.option(
    "--balance", "balance_micros", type=AMOUNT, default="0", show_default=True, help="First balance."
)
@as_json_option
def create(email: str, balance_micros: int, as_json: bool) -> None:
    """Open an account; its keys are shown once."""
    if balance_micros < 0:
        raise click.BadParameter("cannot be below zero", param_hint="--balance")
    made = at_desk(lambda desk: accounts.open_account(desk, email, balance_micros, actor="cli"))
    if as_json:
        emit_json(made)
    else:
        click.echo(f"Account {made.id} for {email}\n  api key   {made.api_key}\n  test key  {made.test_key}")
        click.echo("Keep the keys: they are not shown again.")


@account.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """The newest accounts with their balances."""
    lines = at_desk(accounts.list_accounts)
    rows = [
        {
            "id": line.customer.id,
            "email": line.customer.email,
            "balance": money.to_amount(line.balance.available_micros),
            "held": money.to_amount(line.balance.held_micros),
            "currency": line.balance.currency,
            "created_at": line.customer.created_at,
        }
        for line in lines
    ]
    if as_json:
        emit_json(rows)
    else:
        columns = ("id", "email", "balance", "held", "currency")
        emit_table(columns, [[row[name] for name in columns] for row in rows],
                   empty="No accounts yet: ringlet account create EMAIL --balance 100")  # fmt: skip


@account.command()
@click.argument("email")
@click.option("--test", "is_test", is_flag=True, help="A key for test mode.")
@as_json_option
def key(email: str, is_test: bool, as_json: bool) -> None:
    """Make one more key; the others stay good."""
    token = at_desk(lambda desk: accounts.issue_key(desk, email, "test" if is_test else "live"))
    if as_json:
        emit_json({"api_key": token})
    else:
        click.echo(token)


@account.command()
@click.argument("email")
@as_json_option
def revoke(email: str, as_json: bool) -> None:
    """End every key of an account at once."""
    ended = at_desk(lambda desk: accounts.revoke_keys(desk, email))
    if as_json:
        emit_json({"revoked": ended})
    else:
        click.echo(f"{ended} keys of {email} are revoked; make a new one with: ringlet account key {email}")


@account.command()
@click.argument("email")
@click.argument("amount_micros", metavar="AMOUNT", type=AMOUNT)
@click.option("--reason", required=True, help="Why; kept with the posting.")
@as_json_option
def adjust(email: str, amount_micros: int, reason: str, as_json: bool) -> None:
    """Credit an account, or debit it with an AMOUNT below zero (write: -- EMAIL -5)."""
    at_desk(lambda desk: accounts.adjust(desk, email, amount_micros, actor="cli", reason=reason))
    if as_json:
        emit_json({"email": email, "amount": money.to_amount(amount_micros)})
    else:
        click.echo(f"{money.to_amount(amount_micros)} posted to {email}")


@account.command()
@click.argument("email")
@click.argument("amount_micros", metavar="AMOUNT", type=AMOUNT)
@as_json_option
def alert(email: str, amount_micros: int, as_json: bool) -> None:
    """Tell an account's webhooks (`balance.low`) when its balance falls below AMOUNT; 0 = never."""
    if amount_micros < 0:
        raise click.BadParameter("cannot be below zero", param_hint="AMOUNT")
    at_desk(lambda desk: alerts.set_mark(desk, email, amount_micros or None))
    amount = money.to_amount(amount_micros)
    if as_json:
        emit_json({"email": email, "low_balance": amount})
    else:
        click.echo(
            f"{email} is told when the balance is below {amount}" if amount else f"{email} is not told"
        )
