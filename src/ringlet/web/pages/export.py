"""Tables as CSV: streamed in batches, harmless in a spreadsheet.

A cell that a spreadsheet would take for a formula begins with an apostrophe; so does every phone number, because it
would lose its digits as a number. Amounts and ids of ours are numbers and stay what they are.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from litestar import get
from litestar.response import Stream

from ringlet import ledger, money, statement
from ringlet.activations import history
from ringlet.activations.states import REFUNDED
from ringlet.activations.store import FORGOTTEN, Activation
from ringlet.desk import Desk
from ringlet.web.pages import records, render, visit
from ringlet.web.pages.records import Names
from ringlet.web.pages.visit import Req

MARK = "\ufeff"  # so that spreadsheets read UTF-8
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CSV = "text/csv"

HISTORY_HEAD = (
    "created_utc", "activation_id", "service", "service_name", "country", "country_name", "operator", "phone",
    "code", "state", "price", "currency", "returned", "reference",
)  # fmt: skip
STATEMENT_HEAD = (
    "created_utc", "posting_id", "kind", "change", "amount", "currency", "balance_after", "activation_id", "service",
    "country", "reference", "reason",
)  # fmt: skip


def safe(text: str | None) -> str:
    """A text of somebody else's as a cell that stays text."""
    return "'" + text if text and text.startswith(FORMULA) else text or ""


def lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows by RFC 4180."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


@get("/history.csv", include_in_schema=False)
async def get_history_csv(request: Req) -> Stream:
    """The history as filtered, all of it."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    names = Names(seen.words)
    wanted = records.asked(request).wanted(person.time_zone)
    currency = await _currency(seen.desk, person.wallet_id)
    batches = history.batches(seen.desk, person.wallet_id, wanted)

    async def text() -> AsyncIterator[str]:
        yield MARK + lines([HISTORY_HEAD])
        async for batch in batches:
            yield lines(_sale(row, names, currency) for row in batch)

    return stream(text(), "history")


def _sale(row: Activation, names: Names, currency: str) -> Sequence[Any]:
    return (
        at(row.created_at), row.public_id, row.service, safe(names.service(row.service)), row.country,
        safe(names.country(row.country)), safe(row.operator), f"'+{row.phone}" if row.phone else "", safe(FORGOTTEN if row.is_forgotten else row.code),
        str(row.state), money.to_amount(row.amount_micros), currency, "yes" if row.state in REFUNDED else "no",
        safe(row.reference),
    )  # fmt: skip


@get("/wallet.csv", include_in_schema=False)
async def get_wallet_csv(request: Req) -> Stream:
    """The statement, all of it or of one kind."""
    seen = await visit.begin(request)
    person = seen.signed_in()
    kind = request.query_params.get("kind", "")
    kinds = (kind,) if kind in statement.KINDS else statement.KINDS
    currency = await _currency(seen.desk, person.wallet_id)

    async def text() -> AsyncIterator[str]:
        yield MARK + lines([STATEMENT_HEAD])
        async for part in _parts(seen.desk, person.wallet_id, kinds):
            yield lines(_line(each, currency) for each in part)

    return stream(text(), "statement")


async def _parts(desk: Desk, wallet_id: int, kinds: Sequence[str]) -> AsyncIterator[Sequence[statement.Line]]:
    """The statement in batches; no connection is held between two."""
    before = left_micros = None
    while True:
        async with desk.db.connection() as tx:
            found = await statement.part(
                tx, wallet_id, kinds, before=before, left_micros=left_micros, limit=history.BATCH
            )
        yield found.lines
        if found.older is None:
            return
        before, left_micros = found.older, found.left_micros


def _line(line: statement.Line, currency: str) -> Sequence[Any]:
    left = "" if line.left_micros is None else money.to_amount(line.left_micros)
    return (
        at(line.created_at), line.id, line.kind, money.to_amount(line.change_micros),
        money.to_amount(line.amount_micros), currency, left, line.activation_id or "", line.service or "",
        "" if line.country is None else line.country, safe(line.reference), safe(line.reason),
    )  # fmt: skip


async def _currency(desk: Desk, wallet_id: int) -> str:
    async with desk.db.connection() as tx:
        return (await ledger.balance(tx, wallet_id)).currency


def at(moment: datetime) -> str:
    """A moment as a spreadsheet reads it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def stream(text: AsyncIterator[str], name: str) -> Stream:
    """A file of this name and day, sent while it is made."""
    file = f"{name}-{datetime.now(UTC):%Y-%m-%d}.csv"
    headers = {**render.HEADERS, "Content-Disposition": f'attachment; filename="{file}"'}
    return Stream(text, media_type=CSV, headers=headers)
