"""The two addresses. Whatever happens is answered in the protocol's words; nothing of a query is ever logged."""

from typing import Any

import structlog
from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.types import ControllerRouterHandler

from ringlet.errors import Refusal, ServiceUnavailable
from ringlet.web.api import office
from ringlet.web.handler import answers, asking, key, words
from ringlet.web.handler.actions import ACTIONS
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.words import No

Req = Request[Any, Any, Any]

log = structlog.get_logger("ringlet.handler")


@route("/stubs/handler_api.php", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
async def handler_api(request: Req) -> Response[bytes]:
    """The classic dialect: always HTTP 200."""
    return await _answer(request, is_later=False)


@route("/stubs/handler_api_v2.php", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
async def handler_api_v2(request: Req) -> Response[bytes]:
    """The same with refusals as statuses of HTTP."""
    return await _answer(request, is_later=True)


HANDLERS: list[ControllerRouterHandler] = [handler_api, handler_api_v2]


async def _answer(request: Req, *, is_later: bool) -> Response[bytes]:
    try:
        return await answers.respond(request, await _serve(request, is_later=is_later))
    except No as no:
        return answers.refuse(no, is_later=is_later)
    except Refusal as refusal:
        if isinstance(refusal, ServiceUnavailable) and refusal.__cause__ is not None:
            _log(request).warning("out_of_reach", cause=type(refusal.__cause__).__name__)
        return answers.refuse(words.of(refusal), is_later=is_later)
    except Exception as error:  # noqa: BLE001 - the last line of the door
        _log(request).error("unforeseen", exc_info=error)
        return answers.refuse(No("ERROR_SQL"), is_later=is_later)


async def _serve(request: Req, *, is_later: bool) -> Answer:
    given = await asking.read(request)
    ours = office(request)
    caller = await key.let_in(request, ours, given)
    action = ACTIONS.get(given.text("action"))
    if action is None:
        raise No("BAD_ACTION")
    key.must_have(caller, action.scope)
    return await action.do(Ask(request, ours, caller.wallet, caller.key, given, is_later))


def _log(request: Req) -> Any:
    return log.bind(request_id=str(request.scope["state"].get("request_id", "")))
