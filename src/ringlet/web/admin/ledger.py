"""The ledger, posting by posting: filtered by the address, a wallet's with what was left after each, exported."""

import base64
import hmac
import re
from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet import money
from ringlet.backoffice import explorer, exported
from ringlet.backoffice.explorer import Part, Row, Sought
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import Selection, amount_micros, row_id
from ringlet.web.pages import export, render
from ringlet.web.pages.records import day, midnight
from ringlet.web.pages.visit import Req, Visit

_CURSOR = re.compile(r"([0-9]{1,18})(?:\.(-?[0-9]{1,18})\.([A-Za-z0-9_-]{12}))?")
HEAD = (
    "created_utc", "posting_id", "wallet_id", "customer_id", "email", "mode", "kind", "from", "to", "amount", "currency",
    "activation_id", "actor", "reason",
)  # fmt: skip


class Asked(Selection, frozen=True):
    """The filters of the list's address."""

    wallet: str = ""
    order: str = ""
    kind: str = ""
    account: str = ""
    amount: str = ""
    since: str = ""
    until: str = ""

    def sought(self, time_zone: str) -> Sought:
        """The same for the use case; a day ends where the next one begins, in the reader's time zone."""
        return Sought(
            wallet_id=int(self.wallet) if self.wallet else None, order=int(self.order) if self.order else None,
            kind=self.kind or None, account=self.account or None, amount_micros=amount_micros(self.amount),
            since=midnight(self.since, time_zone) if self.since else None,
            until=midnight(self.until, time_zone, days=1) if self.until else None,
        )  # fmt: skip


def _asked(request: Req) -> Asked:
    found = request.query_params
    kind, account, amount = (
        found.get("kind", ""),
        found.get("account", ""),
        found.get("amount", "").replace(",", "."),
    )
    return Asked(
        wallet=row_id(found.get("wallet", "")), order=row_id(found.get("order", "")),
        kind=kind if kind in explorer.KINDS else "", account=account if account in explorer.ACCOUNTS else "",
        amount=amount if amount_micros(amount) is not None else "", since=day(found.get("from", "")),
        until=day(found.get("to", "")),
    )  # fmt: skip


@get("/admin/ledger", include_in_schema=False, opt=wants(Right.SEE))
async def get_ledger(request: Req) -> Response[str]:
    """A part of the postings, newest first."""
    seen = gate.begin(request)
    asked = _asked(request)
    sought = asked.sought(seen.signed_in().time_zone)
    before, left_micros = _read_cursor(seen, asked, request.query_params.get("before", ""))
    part = await explorer.part(seen.desk, sought, before, left_micros=left_micros)
    return await render.page(
        request, seen, "admin/ledger.html", part=part, asked=asked, kinds=explorer.KINDS, accounts=explorer.ACCOUNTS,
        older=_write_cursor(seen, asked, part), is_first=before is None,
    )  # fmt: skip


def _write_cursor(seen: Visit, asked: Asked, part: Part) -> str:
    """Where the next part begins and what was left there, signed: nobody's link shows a false balance."""
    if part.older is None or part.left_micros is None:
        return "" if part.older is None else str(part.older)
    return f"{part.older}.{part.left_micros}.{_signature(seen, asked, f'{part.older}.{part.left_micros}')}"


def _read_cursor(seen: Visit, asked: Asked, text: str) -> tuple[int | None, int | None]:
    found = _CURSOR.fullmatch(text)
    if found is None:
        return None, None
    before, left, signature = found.groups()
    is_ours = left and hmac.compare_digest(signature, _signature(seen, asked, f"{before}.{left}"))
    return int(before), int(left) if is_ours else None


def _signature(seen: Visit, asked: Asked, text: str) -> str:
    told = f"ledger {asked.query()} {text}".encode()
    made = hmac.digest(seen.desk.settings.secret, told, "sha256")
    return base64.urlsafe_b64encode(made[:9]).decode()


@get("/admin/ledger.csv", include_in_schema=False, opt=wants(Right.MONEY))
async def get_ledger_csv(request: Req) -> Stream:
    """The selection as CSV; that it was taken is in the log."""
    seen = gate.begin(request)
    asked = _asked(request)
    filters = {"wallet": asked.wallet, "order": asked.order, "kind": asked.kind, "account": asked.account,
               "amount": asked.amount, "since": asked.since, "until": asked.until}  # fmt: skip
    await exported.note(seen.desk, gate.actor(request, seen), "ledger", filters)
    batches = explorer.batches(seen.desk, asked.sought(seen.signed_in().time_zone))

    async def text() -> AsyncIterator[str]:
        yield export.MARK + export.lines([HEAD])
        async for batch in batches:
            yield export.lines(_line(each) for each in batch)

    return export.stream(text(), "ledger")


def _line(row: Row) -> tuple[object, ...]:
    return (
        export.at(row.created_at), row.id, row.wallet_id, row.customer_id, export.safe(row.email), row.mode, row.kind,
        row.giver, row.taker, money.to_amount(row.amount_micros), row.currency, row.order_id or "",
        export.safe(row.actor), export.safe(row.reason),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_ledger, get_ledger_csv]
