"""The customers: found, listed, exported."""

from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet import customers, money
from ringlet.backoffice import directory, exported
from ringlet.backoffice.directory import Line, Sought
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import Selection, cell, row_id
from ringlet.web.pages import export, records, render
from ringlet.web.pages.visit import Req

HEAD = ("id", "created_utc", "email", "state", "group", "balance", "held", "currency")


class Asked(Selection, frozen=True):
    """The filters of the list's address."""

    q: str = ""
    group: str = ""
    state: str = ""

    @property
    def sought(self) -> Sought:
        """The same for the use case."""
        return Sought(self.q, int(self.group) if self.group else None, self.state)


def _asked(request: Req) -> Asked:
    found = request.query_params
    state = found.get("state", "")
    return Asked(
        q=cell(found.get("q", ""), directory.TEXT_LENGTH_MAX), group=row_id(found.get("group", "")),
        state=state if state in directory.STATES else "",
    )  # fmt: skip


@get("/admin/customers", include_in_schema=False, opt=wants(Right.SEE))
async def get_customers(request: Req) -> Response[str]:
    """A part of the list, newest first."""
    seen = gate.begin(request)
    asked, before = _asked(request), records.cursor(request, "before")
    part = await directory.part(seen.desk, asked.sought, before)
    async with seen.desk.db.connection() as tx:
        groups = await customers.list_groups(tx)
    return await render.page(
        request, seen, "admin/customers.html", part=part, asked=asked, groups=groups, is_first=before is None,
        states=directory.STATES,
    )  # fmt: skip


@get("/admin/customers.csv", include_in_schema=False, opt=wants(Right.SUPPORT))
async def get_customers_csv(request: Req) -> Stream:
    """The selection as CSV; that it was taken is in the log."""
    seen = gate.begin(request)
    asked = _asked(request)
    filters = {"text": bool(asked.q), "group": asked.group, "state": asked.state}
    await exported.note(seen.desk, gate.actor(request, seen), "customers", filters)

    async def text() -> AsyncIterator[str]:
        yield export.MARK + export.lines([HEAD])
        async for batch in directory.batches(seen.desk, asked.sought):
            yield export.lines(_row(each) for each in batch)

    return export.stream(text(), "customers")


def _row(line: Line) -> tuple[object, ...]:
    return (
        line.id, export.at(line.created_at), export.safe(line.email), "frozen" if line.frozen_at else "open",
        export.safe(line.group), money.to_amount(line.available_micros), money.to_amount(line.held_micros), line.currency,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_customers, get_customers_csv]
