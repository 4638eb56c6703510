"""Every customer's orders: found by number, id, reference or customer, filtered by the address, exported."""

import re
from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from ringlet import canon, money
from ringlet.backoffice import exported, orders
from ringlet.backoffice.orders import Line, Sought
from ringlet.people.roles import Right
from ringlet.web.admin import gate
from ringlet.web.admin.gate import wants
from ringlet.web.admin.selection import Selection, cell, row_id
from ringlet.web.pages import export, records, render
from ringlet.web.pages.records import STATES, Names, day, midnight
from ringlet.web.pages.visit import Req

_SERVICE = re.compile(r"[a-z0-9_]{1,32}")
_COUNTRY = re.compile(r"[0-9]{1,4}")
HEAD = (
    "created_utc", "activation_id", "customer_id", "email", "mode", "service", "country", "operator", "source", "phone",
    "state", "price", "currency", "reference",
)  # fmt: skip


class Asked(Selection, frozen=True):
    """The filters of the list's address."""

    q: str = ""
    customer: str = ""
    state: str = ""
    service: str = ""
    country: str = ""
    since: str = ""
    until: str = ""

    @property
    def is_more(self) -> bool:
        """Whether something is filtered that is folded away."""
        return bool(self.service or self.country or self.since or self.until)

    def sought(self, time_zone: str) -> Sought:
        """The same for the use case; a day ends where the next one begins, in the reader's time zone."""
        return Sought(
            text=self.q, customer_id=int(self.customer) if self.customer else None, service=self.service or None,
            country=int(self.country) if self.country else None, states=STATES.get(self.state, ()),
            since=midnight(self.since, time_zone) if self.since else None,
            until=midnight(self.until, time_zone, days=1) if self.until else None,
        )  # fmt: skip


def _asked(request: Req) -> Asked:
    found = request.query_params
    service, country, state = found.get("service", ""), found.get("country", ""), found.get("state", "")
    return Asked(
        q=cell(found.get("q", ""), orders.TEXT_LENGTH_MAX), customer=row_id(found.get("customer", "")),
        state=state if state in STATES else "", service=service if _SERVICE.fullmatch(service) else "",
        country=country if _COUNTRY.fullmatch(country) else "", since=day(found.get("from", "")),
        until=day(found.get("to", "")),
    )  # fmt: skip


@get("/admin/orders", include_in_schema=False, opt=wants(Right.SEE))
async def get_orders(request: Req) -> Response[str]:
    """A part of the list, newest first."""
    seen = gate.begin(request)
    asked, before = _asked(request), records.cursor(request, "before")
    part = await orders.part(seen.desk, asked.sought(seen.signed_in().time_zone), before)
    return await render.page(
        request, seen, "admin/orders.html", part=part, asked=asked, names=Names(seen.words), is_first=before is None,
        states=tuple(STATES), services=canon.services(), countries=canon.countries(),
    )  # fmt: skip


@get("/admin/orders.csv", include_in_schema=False, opt=wants(Right.SUPPORT))
async def get_orders_csv(request: Req) -> Stream:
    """The selection as CSV, without codes and texts; that it was taken is in the log."""
    seen = gate.begin(request)
    asked = _asked(request)
    filters = {"text": bool(asked.q), "customer": asked.customer, "state": asked.state, "service": asked.service,
               "country": asked.country, "since": asked.since, "until": asked.until}  # fmt: skip
    await exported.note(seen.desk, gate.actor(request, seen), "orders", filters)
    batches = orders.batches(seen.desk, asked.sought(seen.signed_in().time_zone))

    async def text() -> AsyncIterator[str]:
        yield export.MARK + export.lines([HEAD])
        async for batch in batches:
            yield export.lines(_row(each) for each in batch)

    return export.stream(text(), "orders")


def _row(line: Line) -> tuple[object, ...]:
    row = line.activation
    return (
        export.at(row.created_at), row.public_id, line.customer_id, export.safe(line.email), line.mode, row.service,
        row.country, export.safe(row.operator), export.safe(line.source), f"'+{row.phone}" if row.phone else "",
        str(row.state), money.to_amount(row.amount_micros), line.currency, export.safe(row.reference),
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_orders, get_orders_csv]
