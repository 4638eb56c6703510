"""Suppliers that send webhooks tell us here that something has come. Nothing they say is believed: these messages are
unsigned in most of the field. A hint makes the watcher ask the supplier now instead of in some seconds.
"""

import time
from typing import Annotated, Any

from litestar import Request, Response, post
from litestar.params import PathParameter

from ringlet import tokens
from ringlet.activations import hints
from ringlet.errors import NotFound
from ringlet.suppliers import book
from ringlet.web import wire
from ringlet.web.api import office

#: one process passes on no more than that, however often somebody calls
PAUSE_S = 0.25

_given_at: dict[int, float] = {}


@post("/inbound/hint/{token:str}", include_in_schema=False, status_code=200)
async def take_hint(
    request: Request[Any, Any, Any], token: Annotated[str, PathParameter(description="The supplier's own")]
) -> Response[Any]:
    """Whatever the body says; the address is the supplier's own. Refuses: NotFound, ServiceUnavailable."""
    desk = office(request).desk
    if not tokens.is_well_formed(token):
        raise NotFound("No such address")
    async with desk.db.connection() as tx:
        source_id = await book.source_by_hint(tx, tokens.fingerprint(desk.settings.secret, token))
        if source_id is None:
            raise NotFound("No such address")
        now = time.monotonic()
        if now - _given_at.get(source_id, float("-inf")) > PAUSE_S:
            _given_at[source_id] = now
            await hints.give(tx, source_id)
    return wire.encoded(b'{"success":true}')
