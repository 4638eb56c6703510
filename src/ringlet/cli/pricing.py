"""`ringlet pricing`: what customers pay."""

from decimal import Decimal, InvalidOperation

import click

from ringlet import canon, customers, money
from ringlet import pricing as rules
from ringlet.activations import quote
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.cli.stock import PRICE
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.feed import announce

service_option = click.option("--service", help="Only this service code.")
country_option = click.option("--country", type=int, help="Only this country number.")
account_option = click.option("--account", metavar="EMAIL", help="Only this customer.")


class Markup(click.ParamType[Decimal]):
    """A percentage such as 30%, as a fraction."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """30% → 0.30."""
        try:
            found = Decimal(str(value).removesuffix("%")) / 100
        except InvalidOperation:
            found = Decimal("NaN")
        if not (found.is_finite() and 0 <= found <= 1000):  # noqa: PLR2004 - a hundred thousand percent
            self.fail(f"{value!r} is not a markup such as 30%", param, ctx)
        return found


@click.group()
def pricing() -> None:
    """What customers pay: the most particular rule wins."""


@pricing.command("set")
@click.option("--markup", type=Markup(), help="On top of the base price, such as 30%.")
@click.option("--price", type=PRICE, help="A price of its own instead.")
@country_option
@service_option
@account_option
@as_json_option
def set_(
    markup: Decimal | None, price: Decimal | None, country: int | None, service: str | None, account: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Put a rule in force; it replaces the one of the same scope. Processes that run take it over at once."""
    if (markup is None) == (price is None):
        raise click.UsageError("give either --markup or --price")
    _check(country, service)
    kind, value = ("markup", markup) if markup is not None else ("price", price)
    assert value is not None
    at_desk(lambda desk: _set(desk, country, service, account, kind, value))
    if as_json:
        emit_json({"kind": kind, "value": value, "country": country, "service": service, "account": account})
    else:
        click.echo("The rule is in force.")


async def _set(
    desk: Desk, country: int | None, service: str | None, account: str | None, kind: str, value: Decimal
) -> None:
    async with desk.db.transaction() as tx:
        customer_id = (await customers.by_email(tx, account)).id if account else None
        await rules.set_rule(
            tx, customer_id=customer_id, country=country, service=service, kind=kind, value=value
        )
        await announce(tx, "catalogue")


@pricing.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Every rule, general first."""
    found = at_desk(_rules)
    if as_json:
        emit_json(found)
    else:
        emit_table(
            ("country", "service", "customer", "rule"),
            [_line(rule) for rule in found],
            empty="No rules: customers pay the base price. ringlet pricing set --markup 30%",
        )


async def _rules(desk: Desk) -> list[rules.PriceRule]:
    return list(desk.prices.rules.rules)


@pricing.command()
@click.option("--service", required=True)
@click.option("--country", type=int, required=True)
@account_option
@as_json_option
def explain(service: str, country: int, account: str | None, as_json: bool) -> None:
    """Which rules fit a cell, and which one makes the price."""
    _check(country, service)
    found, explained = at_desk(lambda desk: _explain(desk, country, service, account))
    if as_json:
        applied = [{"rule": rule, "applies": wins} for rule, wins in explained]
        emit_json({"quote": found, "rules": applied})
        return
    emit_table(
        ("country", "service", "customer", "rule", "applies"),
        [(*_line(rule), "◀" if wins else "") for rule, wins in explained],
        empty="No rule fits: customers pay the base price.",
    )
    if found is None:
        click.echo("Nobody offers this now.")
    else:
        click.echo(f"base price {money.plain(found.base_price)}  sell price {money.plain(found.sell_price)}")


async def _explain(
    desk: Desk, country: int, service: str, account: str | None
) -> tuple[quote.Quote | None, list[tuple[rules.PriceRule, bool]]]:
    customer_id = 0
    if account:
        async with desk.db.connection() as tx:
            customer_id = (await customers.by_email(tx, account)).id
    view = desk.prices.rules.view(customer_id)
    found = quote.best(desk.prices.rules, view, desk.prices.shop.cell(country, service))
    return found, desk.prices.rules.explain(view, country, service)


def _line(rule: rules.PriceRule) -> tuple[object, object, object, str]:
    value = f"{money.plain(rule.value)}" if rule.kind == "price" else f"+{money.plain(rule.value * 100)} %"
    return (
        rule.country if rule.country is not None else "any",
        rule.service or "any",
        rule.customer_id or "any",
        value,
    )


def _check(country: int | None, service: str | None) -> None:
    if country is not None and country not in canon.countries():
        raise NotFound(f"{country} is no country of the code table")
    if service is not None and service not in canon.services():
        raise NotFound(f"{service!r} is no service of the code table")
