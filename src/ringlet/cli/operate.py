"""Commands for whoever runs the place: migrate, audit, doctor, inbox."""

import sys
from typing import LiteralString

import click
import psycopg

from ringlet import audit as audits
from ringlet import migrations
from ringlet.activations import receive
from ringlet.backoffice.welcome import waiting_code
from ringlet.cli.output import as_json_option, emit_json, emit_table
from ringlet.cli.running import at_desk, installation
from ringlet.desk import Desk
from ringlet.web.health import metrics_key


@click.command()
@as_json_option
def migrate(as_json: bool) -> None:
    """Bring the database to this version's schema. Safe to repeat and to run beside what runs."""
    with installation() as (_, base):
        applied = migrations.migrate(base.conninfo)
    if as_json:
        emit_json({"applied": applied})
    else:
        click.echo("\n".join(f"applied {name}" for name in applied) or "The schema is up to date.")


@click.command()
@as_json_option
def audit(as_json: bool) -> None:
    """Check every invariant of the ledger and the state machine; prints each breach, exits 1 if there is one."""
    with installation() as (_, base):
        breaches = audits.run(base.conninfo)
    if as_json:
        emit_json({"checks": len(audits.CHECKS), "breaches": breaches})
    else:
        emit_table(
            ("invariant", "promise", "breach"),
            [(each.invariant, each.promise, each.what) for each in breaches],
            empty=f"{len(audits.CHECKS)} checks, no breach: the books balance.",
        )
    sys.exit(1 if breaches else 0)


@click.command()
@as_json_option
def doctor(as_json: bool) -> None:
    """Say what is wrong with this installation and how to mend it."""
    found: list[dict[str, str]] = []
    with installation() as (settings, base), psycopg.connect(base.conninfo, autocommit=True) as connection:
        version = connection.info.server_version
        kind = "embedded" if settings.database_url is None else "outside"
        found.append(_finding("database", f"PostgreSQL {version // 10_000} ({kind})", ""))
        pending = migrations.pending(connection)
        found.append(
            _finding("schema", ", ".join(pending) or "up to date", "ringlet migrate" if pending else "")
        )
        if not pending:
            found += _stock_and_accounts(connection)
        mode = settings.home.stat().st_mode & 0o077
        readable = mode & 0o066
        found.append(
            _finding("data folder", str(settings.home), f"chmod go-rw {settings.home}" if readable else "")
        )
        found.append(_finding("metrics key", metrics_key(settings), ""))
        if not pending and (code := waiting_code(base.conninfo, settings)) is not None:
            where = f"{settings.public_url}/admin/welcome"
            found.append(_finding("staff", f"nobody yet: {where} with the setup code {code}", ""))
    wrong = [each for each in found if each["mend"]]
    if as_json:
        emit_json({"findings": found, "healthy": not wrong})
    else:
        emit_table(("part", "finding", "how to mend it"), [tuple(each.values()) for each in found], empty="")
    sys.exit(1 if wrong else 0)


def _finding(part: str, finding: str, mend: str) -> dict[str, str]:
    return {"part": part, "finding": finding, "mend": mend}


def _stock_and_accounts(connection: psycopg.Connection[tuple[object, ...]]) -> list[dict[str, str]]:
    def number(statement: LiteralString) -> int:
        row = connection.execute(statement).fetchone()
        return int(str(row[0])) if row else 0

    customers = number("select count(*) from customer")
    numbers = number("select count(*) from number")
    overdue = number("select count(*) from activation where due_at < now() - interval '1 minute'")
    orphans = number("select count(*) from message where activation_id is null")
    return [
        _finding("customers", str(customers), "" if customers else "ringlet account create EMAIL --balance 100"),
        _finding("own numbers", str(numbers), "" if numbers else "ringlet stock load FILE --owner NAME --base-price 0.02"),
        _finding("overdue activations", str(overdue), "start a worker: ringlet serve or ringlet worker" if overdue else ""),
        _finding("orphan messages", f"{orphans}; ringlet inbox shows them", ""),
    ]  # fmt: skip


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@as_json_option
def inbox(limit: int, as_json: bool) -> None:
    """Messages for numbers that nobody had leased, newest first."""

    async def read(desk: Desk) -> list[receive.Orphan]:
        async with desk.db.connection() as tx:
            return await receive.orphans(tx, limit)

    found = at_desk(read)
    if as_json:
        emit_json(found)
    else:
        emit_table(
            ("received", "owner", "number", "from", "text"),
            [(f"{x.received_at:%Y-%m-%d %H:%M:%S}", x.source, x.phone, x.sender, x.text) for x in found],
            empty="No orphans: every message found its activation.",
        )
