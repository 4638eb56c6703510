"""`ringlet pricing`: what customers pay."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import click
import msgspec

from ringlet import canon, customers, money
from ringlet import pricing as rules
from ringlet.acts import CLI
from ringlet.backoffice import pricing_change, pricing_history
from ringlet.backoffice.pricing_plan import Drop, Put
from ringlet.backoffice.pricing_rules import Asked, Line, Owner
from ringlet.backoffice.pricing_why import why
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.cli.stock import PRICE
from ringlet.desk import Desk
from ringlet.errors import NotFound

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
    async with desk.db.connection() as tx:
        customer_id = (await customers.by_email(tx, scope.account)).id if scope.account is not None else None
        group_id = (await customers.group_by_name(tx, scope.group)).id if scope.group is not None else None
    wish = Put(
        owner=Owner(customer_id, group_id), countries=(scope.country,), services=(scope.service,), values=values,
        starts_at=scope.starts_at, ends_at=scope.ends_at,
    )  # fmt: skip
    done = await pricing_change.apply(desk, CLI, wish)
    return [line for line in await _lines(desk) if line.rule.id in done.rule_ids]


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
            [
                (
                    *_scope(x.rule, x.account, x.group, x.brand),
                    _moment(x.rule.starts_at),
                    _moment(x.rule.ends_at),
                    x.state,
                )
                for x in found
            ],
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
    await pricing_change.apply(desk, CLI, Drop(Asked(rule_id=rule_id, state="any")))


@pricing.command()
@as_json_option
def history(as_json: bool) -> None:
    """Who changed prices when, newest first: the last changes, by the pages and by this command."""
    found = at_desk(pricing_history.changes)
    if as_json:
        emit_json(found)
        return
    emit_table(
        ("change", "when", "who", "what", "rules", "reason"),
        [(str(x.id), _moment(x.at), x.actor, _act(x), str(x.rules), x.reason) for x in found],
        empty="No price was changed yet.",
    )


def _act(change: pricing_history.Change) -> str:
    undoes = f"undoes {change.undoes}" if change.undoes is not None else change.act
    return undoes if change.undone_by is None else f"{undoes}, undone by {change.undone_by}"


@pricing.command()
@click.argument("change_id", metavar="CHANGE", type=click.IntRange(1, 2**63 - 1))
@as_json_option
def undo(change_id: int, as_json: bool) -> None:
    """Put back what a CHANGE replaced; refused when somebody has changed one of its rules since."""
    made = at_desk(lambda desk: pricing_change.undo(desk, CLI, change_id))
    if as_json:
        emit_json({"undone": change_id, "change": made})
    else:
        click.echo(f"Change {change_id} is undone by change {made}.")


@pricing.command()
@click.option("--service", required=True)
@click.option("--country", type=int, required=True)
@account_option
@click.option("--cost", type=PRICE, help="As if a number cost this; otherwise for what is on offer.")
@as_json_option
def explain(service: str, country: int, account: str | None, cost: Decimal | None, as_json: bool) -> None:
    """Which rules made a price: each that fits the cell, general first, and the price up to it."""
    found = at_desk(lambda desk: why(desk, country, service, account, cost))
    if as_json:
        emit_json({"quote": found.quote, "cases": found.cases, "rules": found.fitting})
        return
    if not found.cases:
        _emit_steps(found.fitting, found.lines)
        click.echo("Nobody offers this now; --cost 0.02 shows what it would sell for.")
    for case in found.cases:
        offers = ", ".join(case.offers[:OFFERS_NAMED]) + (", …" if len(case.offers) > OFFERS_NAMED else "")
        click.echo(f"cost {money.plain(case.cost)}" + (f"  ({offers})" if offers else ""))
        _emit_steps(case.steps, found.lines)
        click.echo(f"sell price {money.plain(case.sell_price)}  base price {money.plain(case.base_price)}\n")


def _emit_steps(steps: Sequence[rules.Step], names: Mapping[int, Line]) -> None:
    rows = []
    for step in steps:
        if step.rule is None:
            scope: tuple[object, ...] = ("", "everybody", "any", "any", "never below cost")
        else:  # a rule that is newer than the names is shown without them
            line = names.get(step.rule.id)
            scope = _scope(step.rule, line.account, line.group, line.brand) if line else _scope(step.rule)
        rows.append((*scope, _effect(step), "" if step.price is None else str(money.plain(step.price))))
    emit_table((*SCOPE, "", "price so far"), rows, empty="No rule fits: customers pay the cost.")


def _effect(step: rules.Step) -> str:
    if step.overruled_by is not None:
        return f"overruled by {step.overruled_by}"
    return "◀ decides" if step.applies else "changes nothing"


def _scope(
    rule: rules.PriceRule, account: str | None = None, group: str | None = None, brand: str | None = None
) -> tuple[object, ...]:
    owner = account or (f"group {group}" if group else "") or (f"brand {brand}" if brand else "everybody")
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
