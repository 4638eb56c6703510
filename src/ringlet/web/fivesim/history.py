"""/v1/user/orders and /v1/user/payments: what was."""

from typing import Any

from litestar import Request, Response, get

from ringlet.activations import browse
from ringlet.activations.browse import Seen, Wanted
from ringlet.desk import Desk
from ringlet.web.api import caller, office
from ringlet.web.fivesim import orders
from ringlet.web.wire import encode, encoded

Req = Request[Any, Any, Any]
LIMIT = 15
LIMIT_MAX = 100
OFFSET_MAX = 10_000_000


@get("/orders")
async def get_orders(request: Req) -> Response[Any]:
    """Newest first; with `reverse=false` oldest first. Whatever they are ordered by, it is the id."""
    wallet = caller(request, "activations:read").wallet
    if request.query_params.get("category") == "hosting":
        return encoded(encode(_history([], 0)))
    limit = _number(request, "limit", LIMIT, LIMIT_MAX) or LIMIT
    offset = _number(request, "offset", 0, OFFSET_MAX)
    is_ascending = request.query_params.get("reverse", "").lower() in {"false", "0"}
    desk = office(request).desk
    rows, total = await (_oldest if is_ascending else _newest)(desk, wallet.id, offset, limit)
    return encoded(encode(_history([orders.spell(orders.of_seen(seen)) for seen in rows], total)))


def _history(rows: list[orders.Order], total: int) -> dict[str, object]:
    return {"Data": rows, "ProductNames": [], "Statuses": [], "Total": total}


async def _newest(desk: Desk, wallet_id: int, offset: int, limit: int) -> tuple[list[Seen], int]:
    """A part of the list, newest first: from one page or two neighbours."""
    page, skipped = divmod(offset, limit)
    found = await browse.browse(desk, wallet_id, Wanted(page=page + 1, per_page=limit))
    rows = list(found.rows)
    if skipped and len(rows) == limit:
        before_id = rows[-1].activation.id
        rows += (await browse.browse(desk, wallet_id, Wanted(before_id=before_id, per_page=skipped))).rows
    return rows[skipped:], found.total


async def _oldest(desk: Desk, wallet_id: int, offset: int, limit: int) -> tuple[list[Seen], int]:
    """The same list from its other end."""
    total = (await browse.browse(desk, wallet_id, Wanted(per_page=1))).total
    end = total - offset
    if end <= 0:
        return [], total
    rows, _ = await _newest(desk, wallet_id, max(0, end - limit), min(limit, end))
    return rows[::-1], total


def _number(request: Req, name: str, otherwise: int, largest: int) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(largest))):
        return otherwise
    return min(int(text), largest)


@get("/payments")
async def get_payments(request: Req) -> Response[Any]:
    """Money comes in by the operator's own ways; none of them is listed here."""
    caller(request, "balance:read")
    return encoded(encode({"Data": [], "PaymentTypes": [], "PaymentProviders": [], "Total": 0}))
