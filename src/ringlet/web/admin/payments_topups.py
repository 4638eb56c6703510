"""Every customer's payments: found by id or address, filtered by the address, exported."""

from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet import money
from ringlet.backoffice import exported, gateways, payments
from ringlet.backoffice.payments import STATES, Line, Sought
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import Selection, cell, row_id
from ringlet.web.pages import export, records, render
from ringlet.web.pages.records import day, midnight
from ringlet.web.pages.visit import Req

HEAD = (
    "created_utc", "payment_id", "customer_id", "email", "mode", "gateway", "gateway_payment_id", "state", "why", "currency",
    "amount", "charge", "settled", "credited", "bonus", "fee", "refunded", "taken_back",
)  # fmt: skip


class Asked(Selection, frozen=True):
    """The filters of the list's address."""

    q: str = ""
    state: str = ""
    gateway: str = ""
    since: str = ""
    until: str = ""

    def sought(self, time_zone: str) -> Sought:
        """The same for the use case; a day ends where the next one begins, in the reader's time zone."""
        return Sought(
            text=self.q, state=self.state or None, gateway_id=int(self.gateway) if self.gateway else None,
            since=midnight(self.since, time_zone) if self.since else None,
            until=midnight(self.until, time_zone, days=1) if self.until else None,
        )  # fmt: skip


def _asked(request: Req) -> Asked:
    found = request.query_params
    state = found.get("state", "")
    return Asked(
        q=cell(found.get("q", ""), payments.TEXT_LENGTH_MAX), state=state if state in STATES else "",
        gateway=row_id(found.get("gateway", "")), since=day(found.get("from", "")), until=day(found.get("to", "")),
    )  # fmt: skip


@get("/admin/payments/top-ups", include_in_schema=False, opt=wants(Right.SEE))
async def get_topups(request: Req) -> Response[str]:
    """A part of the list, newest first."""
    seen = gate.begin(request)
    asked, before = _asked(request), records.cursor(request, "before")
    part = await payments.part(seen.desk, asked.sought(seen.signed_in().time_zone), before)
    async with seen.desk.db.connection() as tx:
        ways = await gateways.lines(tx)
    return await render.page(
        request, seen, "admin/payments_topups.html", part=part, asked=asked, ways=ways, states=STATES,
        is_first=before is None,
    )  # fmt: skip


@get("/admin/payments/top-ups.csv", include_in_schema=False, opt=wants(Right.MONEY))
async def get_topups_csv(request: Req) -> Stream:
    """The selection as CSV; that it was taken is in the log."""
    seen = gate.begin(request)
    asked = _asked(request)
    filters = {"text": bool(asked.q), "state": asked.state, "gateway": asked.gateway, "since": asked.since,
               "until": asked.until}  # fmt: skip
    await exported.note(seen.desk, gate.actor(request, seen), "payments", filters)
    batches = payments.batches(seen.desk, asked.sought(seen.signed_in().time_zone))

    async def text() -> AsyncIterator[str]:
        yield export.MARK + export.lines([HEAD])
        async for batch in batches:
            yield export.lines(_row(each) for each in batch)

    return export.stream(text(), "payments")


def _row(line: Line) -> tuple[object, ...]:
    amounts = (
        line.amount_micros, line.charge_micros, line.settled_micros, line.credited_micros, line.bonus_micros,
        line.fee_micros, line.refunded_micros, line.returned_micros,
    )  # fmt: skip
    return (
        export.at(line.created_at), line.public_id, line.customer_id, export.safe(line.email), line.mode,
        export.safe(line.label), export.safe(line.external_id), line.state, line.why, line.currency,
        *(money.to_amount(each) for each in amounts),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_topups, get_topups_csv]
