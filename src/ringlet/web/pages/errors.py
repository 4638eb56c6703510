"""What went wrong, as a page: for people, in their words, with what happened to the money."""

from typing import Any

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send

from ringlet.errors import InternalError, Refusal, ServiceUnavailable
from ringlet.web import refusals
from ringlet.web.pages import faults, render, visit
from ringlet.web.pages.visit import Req, SeeOther

log = structlog.get_logger("ringlet.web")


class ErrorPage(Response[bytes]):
    """The page of a refusal, a redirect, or of what nobody foresaw.

    Litestar calls those who handle exceptions without waiting for them, and this page has to ask who looks at it.
    """

    def __init__(self, request: Req, error: Exception) -> None:
        super().__init__(b"")
        self._asked = request, error

    def to_asgi_response(self, *_: Any, **_more: Any) -> Any:
        """What the framework sends: made when it is sent."""
        request, error = self._asked

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            made = await _made(request, error)
            await made.to_asgi_response(app=None, request=request)(scope, receive, send)

        return serve


async def _made(request: Req, error: Exception) -> Response[str]:
    if isinstance(error, SeeOther):
        return render.render_see_other(request, error)
    refusal = refusals.as_refusal(error)
    request_id = str(request.scope["state"].get("request_id", ""))
    if isinstance(refusal, InternalError):
        log.error("unforeseen", request_id=request_id, exc_info=error)
    try:
        seen = await visit.begin(request, is_refusal=True)
    except ServiceUnavailable:
        return _plain(refusal)
    title, sentence = faults.say(refusal, seen.words)
    if visit.is_swap(request):
        made = render.part(seen, "parts/refusal.html", refusal.status, sentence=sentence)
        made.headers["HX-Retarget"] = "#said"
        return made
    return await render.page(
        request, seen, "error.html", refusal.status, title=title, sentence=sentence, number=refusal.status,
        request_id=request_id if isinstance(refusal, InternalError) else "",
    )  # fmt: skip


def _plain(refusal: Refusal) -> Response[str]:
    """The database is away, and with it the visitor, the balance and the language."""
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Back in a moment</title>'
        "<h1>Back in a moment</h1><p>The shop cannot be reached right now. Your money and your numbers are safe."
    )
    return Response(
        text,
        status_code=refusal.status,
        media_type=render.HTML,
        headers={**render.HEADERS, "Retry-After": "2"},
    )


def is_for_people(request: Req, error: Exception) -> bool:
    """Whether this address that we do not have was asked for by a browser."""
    is_page = isinstance(error, HTTPException | Refusal) and "text/html" in request.headers.get("accept", "")
    return is_page and not request.scope["path"].startswith(
        ("/api/", "/v1/", "/stubs/", "/agent/", "/static/")
    )
