"""`ringlet voucher`: codes that are money."""

import secrets

import click

from ringlet import money
from ringlet.acts import CLI
from ringlet.backoffice import vouchers
from ringlet.backoffice.vouchers import Batch, Wish
from ringlet.cli.account import AMOUNT
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.desk import Desk


@click.group()
def voucher() -> None:
    """Codes that customers redeem for credit: make, list, revoke."""


@voucher.command()
@click.argument("count", type=click.IntRange(1, vouchers.COUNT_MAX))
@click.argument("amount_micros", metavar="AMOUNT", type=AMOUNT)
@click.option(
    "--days",
    type=click.IntRange(1, vouchers.DAYS_MAX),
    default=365,
    show_default=True,
    help="How long they are good.",
)
@click.option("--note", required=True, help="What they are for; only staff see it.")
@as_json_option
def make(count: int, amount_micros: int, days: int, note: str, as_json: bool) -> None:
    """Make COUNT codes worth AMOUNT each, and write them as CSV, now and never again."""
    wish = Wish(count, amount_micros, days, note, secrets.token_urlsafe(12))
    made = at_desk(lambda desk: vouchers.make(desk, CLI, wish))
    amount = money.to_amount(amount_micros)
    if as_json:
        emit_json({"id": made.id, "amount": amount, "currency": made.currency, "codes": made.codes})
        return
    click.echo("code,amount,currency")
    for code in made.codes:
        click.echo(f"{code},{amount:f},{made.currency}")
    click.echo(f"Batch {made.id}. Keep the codes: they are not shown again.", err=True)


@voucher.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """The newest batches and how many of their codes were redeemed."""
    rows = [
        {
            "id": each.id, "note": each.note, "count": each.count, "redeemed": each.redeemed,
            "amount": money.to_amount(each.amount_micros), "currency": each.currency, "state": each.state,
            "expires_at": each.expires_at, "made_by": each.made_by,
        }
        for each in at_desk(_batches)
    ]  # fmt: skip
    if as_json:
        emit_json(rows)
    else:
        columns = ("id", "note", "count", "redeemed", "amount", "currency", "state")
        emit_table(columns, [[row[name] for name in columns] for row in rows],
                   empty="No vouchers yet: ringlet voucher make COUNT AMOUNT --note TEXT")  # fmt: skip


async def _batches(desk: Desk) -> list[Batch]:
    async with desk.db.connection() as tx:
        return (await vouchers.batches(tx))[: vouchers.PART]


@voucher.command()
@click.argument("batch_id", metavar="ID", type=int)
@as_json_option
def revoke(batch_id: int, as_json: bool) -> None:
    """What nobody has redeemed of batch ID is worth nothing any more."""
    left = at_desk(lambda desk: vouchers.revoke(desk, CLI, batch_id))
    if as_json:
        emit_json({"id": batch_id, "revoked": left})
    else:
        click.echo(f"{left} codes are worth nothing any more.")
