"""`ringlet pricing`: what customers pay."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import click
import msgspec

from ringlet import canon, customers, money
from ringlet import pricing as rules
from ringlet.activations import quote
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.cli.stock import PRICE
from ringlet.db import Tx
from ringlet.desk import Desk
from ringlet.errors import NotFound
from ringlet.feed import announce

OFFERS_NAMED = 6
SCOPE = ("id", "for", "country", "service", "rule")

service_option = click.option("--service", help="Only this service code.")
country_option = click.option("--country", type=int, help="Only this country number.")
account_option = click.option("--account", metavar="EMAIL", help="Only this customer.")
group_option = click.option("--group", metavar="NAME", help="Only this account group.")


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


class Moment(click.ParamType[datetime]):
    """A date or a time such as 2026-11-27T18:00; without an offset it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time in UTC."""
        try:
            found = datetime.fromisoformat(str(value))
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time such as 2026-11-27T18:00", param, ctx)


class Scope(msgspec.Struct, frozen=True):
    """For whom and where rules count, and when; None means any, or always."""

    country: int | None
    service: str | None
    account: str | None
    group: str | None
    starts_at: datetime | None
    ends_at: datetime | None


class Case(msgspec.Struct, frozen=True):
    """What a number of this cost is sold for, and how that came about; the offers that cost this."""

    offers: list[str]
    cost: Decimal
    base_price: Decimal
    sell_price: Decimal
    steps: list[rules.Step]


@click.group()
def pricing() -> None:
    """What customers pay: for each part of a price the most particular rule decides."""


@pricing.command("set")
@click.option("--markup", type=Markup(), help="On top of the cost, such as 30%.")
@click.option("--price", type=PRICE, help="A price of its own instead.")
@click.option("--fixed", type=PRICE, metavar="AMOUNT", help="An amount on top of the markup.")
@click.option("--min-margin", type=PRICE, metavar="AMOUNT", help="Sell for at least so much above the cost.")
@click.option("--rounding", type=PRICE, metavar="AMOUNT", help="Round up to a multiple of this; 0 for none.")
@click.option("--allow-loss/--forbid-loss", default=None, help="Whether a sale may be below its cost.")
@country_option
@service_option
@account_option
@group_option
@click.option("--from", "starts_at", type=Moment(), help="When it begins, in UTC; otherwise now.")
@click.option("--until", "ends_at", type=Moment(), help="When it ends, in UTC; otherwise never.")
@as_json_option
def set_(
    markup: Decimal | None, price: Decimal | None, fixed: Decimal | None, min_margin: Decimal | None,
    rounding: Decimal | None, allow_loss: bool | None, country: int | None, service: str | None,
    account: str | None, group: str | None, starts_at: datetime | None, ends_at: datetime | None, as_json: bool,
) -> None:  # fmt: skip
    """Put rules in force; each replaces the one of the same scope. Processes that run take them over at once.

    A rule with an end stands before the one without: that one counts again afterwards.
    """
    loss = None if allow_loss is None else Decimal(int(allow_loss))
    given = {"markup": markup, "price": price, "fixed": fixed, "min_margin": min_margin, "rounding": rounding,
             "below_cost": loss}  # fmt: skip
    values = {kind: value for kind, value in given.items() if value is not None}
    scope = Scope(country, service, account, group, starts_at, ends_at)
    _check_rules(values, scope)
    _check_cell(country, service)
    made = at_desk(lambda desk: _set(desk, values, scope))
    if as_json:
        emit_json({"rules": made})
        return
    for line in made:
        since = f"from {line.rule.starts_at:%Y-%m-%d %H:%M}" if line.state == "pending" else "in force"
        click.echo(f"Rule {line.rule.id}: {_words(line.rule)}, {since}.")


def _check_rules(values: dict[str, Decimal], scope: Scope) -> None:
    """Raises UsageError for what contradicts itself."""
    if not values:
        raise click.UsageError("give either --markup or --price, or another part of a price: see --help")
    if "price" in values and "markup" in values:
        raise click.UsageError("give either --markup or --price, not both")
    if "price" in values and "fixed" in values:
        raise click.UsageError("--fixed comes on top of a markup; add it to the --price yourself")
    if scope.account is not None and scope.group is not None:
        raise click.UsageError("give either --account or --group, not both")
    if scope.ends_at is not None and scope.ends_at <= (scope.starts_at or datetime.now(UTC)):
        raise click.UsageError("--until must be later than --from and later than now")


async def _set(desk: Desk, values: dict[str, Decimal], scope: Scope) -> list[rules.RuleLine]:
    async with desk.db.transaction() as tx:
        customer_id = (await customers.by_email(tx, scope.account)).id if scope.account is not None else None
        group_id = (await customers.group_by_name(tx, scope.group)).id if scope.group is not None else None
        starts_at = scope.starts_at
        if starts_at is None and scope.ends_at is not None:
            starts_at = await _now(tx)  # beside the rule without times, which it would replace otherwise
        made = {
            await rules.set_rule(
                tx, customer_id=customer_id, group_id=group_id, country=scope.country, service=scope.service,
                kind=kind, value=value, starts_at=starts_at, ends_at=scope.ends_at,
            )
            for kind, value in values.items()
        }  # fmt: skip
        await announce(tx, "catalogue")
        return [line for line in await rules.list_rules(tx) if line.rule.id in made]


async def _now(tx: Tx) -> datetime:
    row = await (await tx.execute("select now()")).fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


@pricing.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Every rule, general first, with the times between which it counts."""
    found = at_desk(_lines)
    if as_json:
        emit_json(found)
    else:
        emit_table(
            (*SCOPE, "from", "until", ""),
            [(*_scope(x), _moment(x.rule.starts_at), _moment(x.rule.ends_at), x.state) for x in found],
            empty="No rules: customers pay the cost. ringlet pricing set --markup 30%",
        )


async def _lines(desk: Desk) -> list[rules.RuleLine]:
    async with desk.db.connection() as tx:
        return await rules.list_rules(tx)


@pricing.command()
@click.argument("rule_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@as_json_option
def remove(rule_id: int, as_json: bool) -> None:
    """Take a rule away; ID is what `pricing list` shows. Processes that run do without it at once."""
    at_desk(lambda desk: _remove(desk, rule_id))
    if as_json:
        emit_json({"removed": rule_id})
    else:
        click.echo(f"Rule {rule_id} is gone.")


async def _remove(desk: Desk, rule_id: int) -> None:
    async with desk.db.transaction() as tx:
        await rules.remove_rule(tx, rule_id)
        await announce(tx, "catalogue")


@pricing.command()
@click.option("--service", required=True)
@click.option("--country", type=int, required=True)
@account_option
@click.option("--cost", type=PRICE, help="As if a number cost this; otherwise for what is on offer.")
@as_json_option
def explain(service: str, country: int, account: str | None, cost: Decimal | None, as_json: bool) -> None:
    """Which rules made a price: each that fits the cell, general first, and the price up to it."""
    _check_cell(country, service)
    found, cases, fitting, lines = at_desk(lambda desk: _explain(desk, country, service, account, cost))
    if as_json:
        emit_json({"quote": found, "cases": cases, "rules": fitting})
        return
    names = {line.rule.id: line for line in lines}
    if not cases:
        _emit_steps(fitting, names)
        click.echo("Nobody offers this now; --cost 0.02 shows what it would sell for.")
    for case in cases:
        offers = ", ".join(case.offers[:OFFERS_NAMED]) + (", …" if len(case.offers) > OFFERS_NAMED else "")
        click.echo(f"cost {money.plain(case.cost)}" + (f"  ({offers})" if offers else ""))
        _emit_steps(case.steps, names)
        click.echo(f"sell price {money.plain(case.sell_price)}  base price {money.plain(case.base_price)}\n")


async def _explain(
    desk: Desk, country: int, service: str, account: str | None, cost: Decimal | None
) -> tuple[quote.Quote | None, list[Case], list[rules.Step], list[rules.RuleLine]]:
    async with desk.db.connection() as tx:
        customer_id = (await customers.by_email(tx, account)).id if account is not None else 0
        lines = await rules.list_rules(tx)
        sources = dict(await (await tx.execute("select id, name from source")).fetchall())
    view, offers = desk.prices.rules.view(customer_id), desk.prices.shop.cell(country, service)
    by_cost: dict[Decimal, list[str]] = {} if cost is None else {cost: []}
    for offer in sorted(offers, key=lambda offer: (offer.base_price, offer.id)) if cost is None else ():
        by_cost.setdefault(offer.base_price, []).append(f"{sources.get(offer.source_id)}/{offer.operator}")
    cases = [_case(desk, view, country, service, *each) for each in by_cost.items()]
    found = quote.best(desk, view, offers)
    if cost is not None:
        found = quote.Quote(cases[0].base_price, cases[0].sell_price, cost, None)
    return found, cases, desk.prices.rules.explain(view, country, service), lines


def _case(desk: Desk, view: rules.View, country: int, service: str, cost: Decimal, offers: list[str]) -> Case:
    prices = desk.prices.rules
    return Case(
        offers=offers,
        cost=cost,
        base_price=prices.shown_base_price(view, country, service, cost),
        sell_price=prices.sell_price(view, country, service, cost),
        steps=prices.explain(view, country, service, cost),
    )


def _emit_steps(steps: Sequence[rules.Step], names: dict[int, rules.RuleLine]) -> None:
    rows = []
    for step in steps:
        if step.rule is None:
            scope: tuple[object, ...] = ("", "everybody", "any", "any", "never below cost")
        else:  # a rule that is newer than the names is shown without them
            scope = _scope(names.get(step.rule.id, rules.RuleLine(step.rule, None, None, "in force")))
        rows.append((*scope, _effect(step), "" if step.price is None else str(money.plain(step.price))))
    emit_table((*SCOPE, "", "price so far"), rows, empty="No rule fits: customers pay the cost.")


def _effect(step: rules.Step) -> str:
    if step.overruled_by is not None:
        return f"overruled by {step.overruled_by}"
    return "◀ decides" if step.applies else "changes nothing"


def _scope(line: rules.RuleLine) -> tuple[object, ...]:
    rule = line.rule
    owner = line.account or (f"group {line.group}" if line.group else "everybody")
    country = "any" if rule.country is None else str(rule.country)
    return str(rule.id), owner, country, rule.service or "any", _words(rule)


def _words(rule: rules.PriceRule) -> str:
    value = money.plain(rule.value)
    match rule.kind:
        case "markup":
            return f"+{money.plain(rule.value * 100)} %"
        case "fixed":
            return f"+{value}"
        case "price":
            return f"a price of {value}"
        case "min_margin":
            return f"at least {value} above cost"
        case "rounding":
            return f"up to multiples of {value}" if value else "no rounding"
        case _:
            return "a loss is allowed" if value else "no loss"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _check_cell(country: int | None, service: str | None) -> None:
    if country is not None and country not in canon.countries():
        raise NotFound(f"{country} is no country of the code table")
    if service is not None and service not in canon.services():
        raise NotFound(f"{service!r} is no service of the code table")
