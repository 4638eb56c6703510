"""The search: the table and the panel of the chosen row, as parts of the buy screen."""

import secrets
from collections.abc import Mapping
from typing import Any

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from ringlet import favourites, ledger
from ringlet.errors import NotFound
from ringlet.favourites import Cell
from ringlet.web.api import office
from ringlet.web.pages import asked, render, visit
from ringlet.web.pages.asked import QUANTITY_MAX, SORTS, Asked
from ringlet.web.pages.counter import Counter, Row
from ringlet.web.pages.visit import Req, Visit


async def open_counter(request: Req, seen: Visit) -> Counter:
    """The shop for this visitor, by four indexed queries. Refuses: ServiceUnavailable; SeeOther when signed out."""
    person = seen.signed_in()
    async with seen.desk.db.connection() as tx:
        wallet = await ledger.wallet(tx, person.wallet_id)
        purse = await ledger.balance(tx, person.wallet_id)
        starred = await favourites.starred(tx, person.person_id)
        recent = await favourites.recent(tx, person.wallet_id)
    return Counter(seen, wallet, purse, starred, recent, await office(request).figures.days())


async def context(counter: Counter, wanted: Asked) -> dict[str, Any]:
    """What the table's template needs."""
    shown = await counter.find(wanted)
    rows = list(shown.rows)
    if wanted.pick is not None and wanted.pick not in {(row.service, row.country) for row in rows}:
        rows[:0] = counter.rows([wanted.pick])
    chosen = next(
        (row for row in rows if (row.service, row.country) == wanted.pick), rows[0] if rows else None
    )
    return {
        "asked": wanted, "shown": shown, "rows": rows, "chosen": chosen, "once": once(),
        "currency": counter.wallet.currency, "sorts": SORTS, "is_test": counter.wallet.mode == "test",
        **panel(counter, chosen),
    }  # fmt: skip


def panel(
    counter: Counter, row: Row | None, *, quantity: int = 1, operator: str = "", most: str = ""
) -> dict[str, Any]:
    """What the panel of the chosen row needs: its operators, the total, and what is left afterwards."""
    total = 0 if row is None else row.micros * quantity
    return {
        "operators": [] if row is None else counter.operators(row.service, row.country), "operator": operator,
        "most": most, "quantity": quantity, "quantity_max": QUANTITY_MAX, "total_micros": total,
        "after_micros": counter.purse.available_micros - total, "purse": counter.purse,
    }  # fmt: skip


def chosen_panel(
    counter: Counter, pick: Cell | None, sent: Mapping[str, str]
) -> tuple[Row | None, dict[str, Any]]:
    """The row with the options that an address or a form has, and its panel."""
    operator, most = sent.get("operator", "")[:64], sent.get("most", "")[:20]
    row = None if pick is None else counter.row(*pick, operator)
    quantity = asked.count(sent.get("quantity", ""))
    return row, panel(counter, row, quantity=quantity, operator=operator, most=most)


def once() -> str:
    """An idempotency key that nobody has used."""
    return secrets.token_urlsafe(16)


@get("/find", include_in_schema=False)
async def get_find(request: Req) -> Response[str]:
    """The table for what stands in the box; the address of the page follows."""
    seen = await visit.begin(request)
    wanted = asked.read(request.query_params)
    if not visit.is_swap(request):
        return render.redirect(request, wanted.url(), seen.cookies)
    counter = await open_counter(request, seen)
    made = render.part(seen, "parts/offers.html", **(await context(counter, wanted)))
    made.headers["HX-Replace-Url"] = wanted.url()
    return made


@get("/offer", include_in_schema=False)
async def get_offer(request: Req) -> Response[str]:
    """The panel of one offer. Refuses: NotFound."""
    seen = await visit.begin(request)
    wanted = asked.read(request.query_params)
    if not visit.is_swap(request):
        return render.redirect(request, wanted.url(pick=request.query_params.get("pick", "")), seen.cookies)
    counter = await open_counter(request, seen)
    row, found = chosen_panel(counter, wanted.pick, request.query_params)
    if row is None:
        raise NotFound
    return render.part(
        seen, "parts/buy_panel.html", asked=wanted, chosen=row, once=once(), currency=counter.wallet.currency,
        is_test=counter.wallet.mode == "test", tells=True, **found,
    )  # fmt: skip


HANDLERS: list[ControllerRouterHandler] = [get_find, get_offer]
