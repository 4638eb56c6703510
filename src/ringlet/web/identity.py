"""Where the operator's own service says who somebody is. Signed: see `webhooks/identity.py`."""

from typing import Any

from litestar import Request, Response, post

from ringlet.web import wire
from ringlet.web.api import office
from ringlet.webhooks import identity


@post("/hooks/identity", include_in_schema=False, status_code=200)
async def take_answer(request: Request[Any, Any, Any]) -> Response[Any]:
    """Refuses: Unauthorized, ValidationFailed, NotFound, ServiceUnavailable."""
    await identity.answer(office(request).desk, await request.body(), request.headers)
    return wire.encoded(b'{"success":true}')
