"""Where gateways say that something has happened to a payment. Verified by `topups/notices.py`, answered at once."""

from typing import Any

from litestar import Request, Response, post
from litestar.params import FromPath

from ringlet.topups import notices
from ringlet.web import wire
from ringlet.web.api import office

#: the largest that any of them sends is a tenth of this
NOTICE_BYTES_MAX = 256 * 1024


@post(
    "/payments/{kind:str}/{gateway_id:int}",
    include_in_schema=False,
    status_code=200,
    request_max_body_size=NOTICE_BYTES_MAX,
)
async def take_notice(
    request: Request[Any, Any, Any], kind: FromPath[str], gateway_id: FromPath[int]
) -> Response[Any]:
    """Refuses: NotFound, Unauthorized, ServiceUnavailable."""
    await notices.take(office(request).desk, kind, gateway_id, await request.body(), request.headers)
    return wire.encoded(b'{"success":true}')
