"""`ringlet policy`: what is sold, to whom, where and how fast."""

from collections.abc import Awaitable, Callable

import click
import msgspec

from ringlet import limits as limits_shipped
from ringlet.acts import CLI
from ringlet.backoffice import policy as office
from ringlet.backoffice import standing
from ringlet.backoffice.policy import Answer, Scope
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk
from ringlet.desk import Desk
from ringlet.policy import CATEGORIES, SWITCHES, RuleLine
from ringlet.supplying import enlist

NO_LIMIT = "none"

reason_option = click.option("--reason", required=True, help="Why: it stands in the log.")
account_option = click.option("--account", metavar="EMAIL", help="Only this customer.")
service_option = click.option("--service", help="A service code.")
category_option = click.option("--category", type=click.Choice(CATEGORIES), help="A category of the list.")
country_option = click.option("--country", type=int, help="A country number.")


@click.group()
def policy() -> None:
    """What is sold, to whom, where and how fast: list, allow, deny, remove, limits, freeze, thaw, explain."""


@policy.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Your rules, and the services that are frozen; the list of what is refused anyway is not in here."""

    async def work(desk: Desk) -> tuple[list[RuleLine], office.Stopped]:
        return await office.rules(desk), await office.stopped(desk)

    lines, stopped = at_desk(work)
    rows = [{**_rule(line), "account": line.account, "reason": line.reason} for line in lines]
    rows += [{"service": each.service, "sold": "frozen", "reason": each.reason} for each in stopped.services]
    if as_json:
        emit_json(rows)
    else:
        columns = ("id", "service", "category", "country", "account", "sold", "reason")
        emit_table(columns, [[row.get(name) for name in columns] for row in rows],
                   empty="No rules: everything is sold but the services of the list; ringlet policy allow --help")  # fmt: skip


def _rule(line: RuleLine) -> dict[str, object]:
    found = msgspec.structs.asdict(line.rule)
    return {"id": line.rule.id, "sold": "yes" if line.rule.is_allowed else "no"} | {
        name: found[name] for name in ("service", "category", "country")
    }


def _scoped(command: Callable[..., None]) -> Callable[..., None]:
    for option in (reason_option, account_option, country_option, category_option, service_option):
        command = option(command)
    return command


@policy.command()
@_scoped
@as_json_option
def allow(as_json: bool, reason: str, account: str | None, **named: object) -> None:
    """Sell this, also when it is on the list of what is refused."""
    _set(as_json, reason, account, named, is_allowed=True)


@policy.command()
@_scoped
@as_json_option
def deny(as_json: bool, reason: str, account: str | None, **named: object) -> None:
    """Do not sell this: a service, a category, a country, or a service in a country."""
    _set(as_json, reason, account, named, is_allowed=False)


def _set(
    as_json: bool, reason: str, account: str | None, named: dict[str, object], *, is_allowed: bool
) -> None:
    async def work(desk: Desk) -> int:
        customer_id = None if account is None else await office.account(desk, account)
        scope = msgspec.convert({**named, "customer_id": customer_id}, Scope)
        return await office.set_rule(desk, CLI, scope, reason, is_allowed=is_allowed)

    rule_id = at_desk(work)
    _say(
        {"id": rule_id, "sold": is_allowed},
        f"Rule {rule_id} is in force; ringlet policy remove {rule_id}",
        as_json,
    )


@policy.command()
@click.argument("rule_id", type=int)
@reason_option
@as_json_option
def remove(rule_id: int, reason: str, as_json: bool) -> None:
    """Take a rule back."""
    at_desk(lambda desk: office.drop_rule(desk, CLI, rule_id, reason))
    _say({"id": rule_id, "removed": True}, f"Rule {rule_id} is gone", as_json)


@policy.command()
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
@account_option
@click.option("--reason", default="", help="Why: needed with a change.")
@as_json_option
def limits(changes: tuple[str, ...], account: str | None, reason: str, as_json: bool) -> None:
    """Show the limits, or set some: key_minute=100, account_day=none, services_listed_only=1."""
    numbers = dict(_number(each) for each in changes)

    async def work(desk: Desk) -> office.Shown:
        customer_id = None if account is None else await office.account(desk, account)
        if numbers:
            await office.set_numbers(desk, CLI, numbers, reason, customer_id=customer_id)
        return await office.shown(desk, customer_id)

    shown = at_desk(work)
    found = msgspec.structs.asdict(shown.limits) | {name: int(name in shown.switches) for name in SWITCHES}
    if as_json:
        emit_json(found)
    else:
        rows = [(name, NO_LIMIT if value is None else value) for name, value in found.items()]
        emit_table(("limit", "value"), rows, empty="")


def _number(text: str) -> tuple[str, int | None]:
    """NAME=VALUE."""
    name, found, value = text.partition("=")
    if not found or name not in (*limits_shipped.NAMES, *SWITCHES):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE with one of {', '.join(limits_shipped.NAMES)}")
    if value != NO_LIMIT and not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f"{value!r} is neither a whole number nor {NO_LIMIT!r}")
    return name, None if value == NO_LIMIT else int(value)


def _one_of(service: str | None, account: str | None, supplier: str | None) -> None:
    if sum(each is not None for each in (service, account, supplier)) != 1:
        raise click.UsageError("name one of --service, --account, --supplier")


def _stopping(command: Callable[..., None]) -> Callable[..., None]:
    supplier_option = click.option("--supplier", metavar="NAME", help="A supplier.")
    for option in (reason_option, supplier_option, account_option, service_option):
        command = option(command)
    return command


@policy.command()
@_stopping
@as_json_option
def freeze(as_json: bool, reason: str, **named: str | None) -> None:
    """Stop a service, an account or a supplier at once."""
    _stop(as_json, reason, named, office.freeze, standing.freeze, enlist.pause, "frozen")


@policy.command()
@_stopping
@as_json_option
def thaw(as_json: bool, reason: str, **named: str | None) -> None:
    """Let it go on."""
    _stop(as_json, reason, named, office.thaw, standing.thaw, enlist.resume, "no longer frozen")


Stop = Callable[..., Awaitable[None]]


def _stop(
    as_json: bool, reason: str, named: dict[str, str | None], of_service: Stop, of_account: Stop, of_supplier: Stop,
    word: str,
) -> None:  # fmt: skip
    service, account, supplier = named["service"], named["account"], named["supplier"]
    _one_of(service, account, supplier)

    async def work(desk: Desk) -> None:
        if service is not None:
            await of_service(desk, CLI, service, reason)
        elif account is not None:
            await of_account(desk, CLI, await office.account(desk, account), reason)
        else:
            await of_supplier(desk, supplier, CLI, reason)

    at_desk(work)
    what = service or account or supplier
    _say({"what": what, "now": word}, f"{what} is {word}", as_json)


@policy.command()
@click.argument("service")
@click.argument("country", type=int)
@account_option
@as_json_option
def explain(service: str, country: int, account: str | None, as_json: bool) -> None:
    """Would this sale be allowed, and what decides?"""

    async def work(desk: Desk) -> Answer:
        customer_id = None if account is None else await office.account(desk, account)
        return await office.ask(desk, customer_id, service, country)

    answer = at_desk(work)
    rule = None if answer.verdict.rule is None else answer.verdict.rule.id
    if as_json:
        emit_json(
            {"allowed": answer.is_allowed, "reasons": answer.reasons, "why": answer.verdict.why, "rule": rule}
        )
    else:
        decides = f"rule {rule}" if rule is not None else answer.verdict.why
        click.echo(
            f"{'sold' if answer.is_allowed else 'refused'}: {', '.join(answer.reasons) or decides} ({decides})"
        )


def _say(value: object, sentence: str, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        click.echo(sentence)
