"""Answers on the wire: bare text, JSON, or nothing, in either dialect."""

from typing import Any

from litestar import Request, Response
from msgspec import Struct

from ringlet.web import documents
from ringlet.web.documents import Document
from ringlet.web.handler.words import WORDS, No
from ringlet.web.wire import encode

NO_CONTENT = 204


class Answer(Struct, frozen=True):
    """What an action answers: text, or anything that becomes JSON. `is_silent`: nothing at all, with 204."""

    body: object
    is_silent: bool = False


DONE = Answer(None, is_silent=True)


async def respond(request: Request[Any, Any, Any], answer: Answer) -> Response[bytes]:
    """A success, the same in both dialects."""
    if answer.is_silent:
        return Response(b"", status_code=NO_CONTENT, headers=NOT_KEPT)
    if isinstance(answer.body, Document):
        return await documents.respond(request, answer.body)
    return _response(answer.body)


def refuse(no: No, *, is_later: bool) -> Response[bytes]:
    """A refusal as the dialect says it."""
    if not is_later or no.is_plain:
        return _response(no.text if no.classic is None or is_later else no.classic, no=no)
    meaning = WORDS[no.word]
    title = meaning.title or no.word
    body = {"title": title, "details": no.details or title, "info": no.info}
    return _response(body, meaning.status, no)


NOT_KEPT = {"Cache-Control": "no-store"}


def _response(body: object, status: int = 200, no: No | None = None) -> Response[bytes]:
    headers = dict(NOT_KEPT)
    if no is not None and no.retry_after_s is not None:
        headers["Retry-After"] = str(no.retry_after_s)
    if isinstance(body, str):
        return Response(body.encode(), status_code=status, media_type="text/plain", headers=headers)
    return Response(encode(body), status_code=status, media_type="application/json", headers=headers)
