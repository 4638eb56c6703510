"""OpenAPI 3.1 of everything public, made from the handlers and the types of what goes in and out.

The handlers give the addresses and the parameters, msgspec the schemas, `errors.py` the refusals and
`data/openapi_examples.json` the examples. It is made once per process, when the application is.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import License, Server, Tag
from litestar.types import ControllerRouterHandler

from ringlet import __version__, errors
from ringlet.errors import Refusal
from ringlet.web import agent, bodies, webhook_wire, wire
from ringlet.web.documents import Document, respond
from ringlet.web.openapi_parts import (
    EVENTS_EXAMPLE,
    EVERYWHERE,
    HEADERS,
    HEADERS_OF,
    LINKS,
    PARAMETER_EXAMPLES,
    PARAMETERS,
    PATH_PATTERNS,
    Json,
)

DESCRIPTION = """\
Lease a phone number for one verification message and read the code that comes to it.

Every refusal is `{"success": false, "code", "message", "request_id"}`, with `errors` when the request was not \
valid. Switch on `code`: the text may change. Answers may gain fields, so ignore what you do not know.

Send an `Idempotency-Key` with every POST and repeat it with the same key when no answer came: what was done \
under a key is done once. A wrong method is refused with 405 `method_not_allowed` and the header `Allow`, an \
unknown address with 404 `not_found`, a body above 64 KiB with 422 `validation_failed`. Unknown query \
parameters and body fields are ignored.

Keys that begin with `rl_test_` work on a test balance and a simulator: every service delivers a code after \
about two seconds, and `test_no_numbers`, `test_never`, `test_slow`, `test_two_codes`, `test_late`, \
`test_no_code`, `test_unavailable`, `test_timeout` and `test_insufficient_balance` rehearse what can go wrong.

Instead of asking you can be told: by webhooks, or on one open connection by server-sent events, \
`GET /api/v1/events` (`text/event-stream`; `Last-Event-ID` resumes).
"""

TAGS = {
    "Prices": "What a number costs and how many there are",
    "Activations": "Buy, wait for the code, ask for another message, give back",
    "Account": "Your money",
    "Codes": "The canonical codes of countries, services and operators",
    "Webhooks": "Be told what happens, signed by Standard Webhooks",
    "Number owners": "Where owners of SIM cards push their messages (agent protocol)",
}

#: operation → what it takes as its body
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "buy": bodies.BuyBody,
    "resend": bodies.ResendBody,
    "cancel": bodies.CancelBody,
    "pushSms": agent.PushSms,
    "createWebhook": webhook_wire.WebhookBody,
    "changeWebhook": webhook_wire.WebhookChanges,
    "recoverWebhook": webhook_wire.RecoverBody,
}

#: operations that an Idempotency-Key makes once
ONCE = {
    "buy", "resend", "cancel",
    "createWebhook", "rotateWebhookSecret", "testWebhook", "replayDelivery", "recoverWebhook",
}  # fmt: skip

#: operations that answer with events until one of both sides ends it
STREAMS = {"listen"}

#: what the door and the machine room can answer to every request of the API
ANYWHERE: tuple[type[Refusal], ...] = (
    errors.Unauthorized, errors.Forbidden, errors.RateLimited, errors.InternalError, errors.ServiceUnavailable,
)  # fmt: skip
_ONCE = (errors.IdempotencyInProgress, errors.IdempotencyMismatch, errors.ValidationFailed)

#: operation → what it refuses besides
REFUSALS: Mapping[str, tuple[type[Refusal], ...]] = {
    "getPrice": (errors.NotFound, errors.ValidationFailed),
    "getPrices": (errors.ValidationFailed,),
    "buy": (errors.InsufficientBalance, errors.NotFound, errors.NoNumbers, errors.MaxPriceExceeded, *_ONCE),
    "getStatus": (errors.NotFound, errors.ValidationFailed),
    "resend": (errors.InsufficientBalance, errors.NotFound, errors.ResendRejected, *_ONCE),
    "cancel": (errors.NotFound, errors.CancelRejected, *_ONCE),
    "listActivations": (errors.ValidationFailed,),
    "listen": (errors.ValidationFailed,),
    "getStatistics": (errors.ValidationFailed,),
    "listOperators": (errors.NotFound, errors.ValidationFailed),
    "createWebhook": (errors.WebhookRejected, *_ONCE),
    "getWebhook": (errors.NotFound,),
    "changeWebhook": (errors.NotFound, errors.WebhookRejected, errors.ValidationFailed),
    "deleteWebhook": (errors.NotFound,),
    "rotateWebhookSecret": (errors.NotFound, errors.WebhookRejected, *_ONCE),
    "testWebhook": (errors.NotFound, errors.WebhookRejected, *_ONCE),
    "listDeliveries": (errors.NotFound, errors.ValidationFailed),
    "replayDelivery": (errors.NotFound, errors.WebhookRejected, *_ONCE),
    "recoverWebhook": (errors.NotFound, errors.WebhookRejected, *_ONCE),
}

#: operations whose answers are kept in memory and carry an ETag
DOCUMENTS = {"getPrices", "listCountries", "listServices", "listOperators"}

#: what the owners' protocol answers instead of the contract's failure
AGENT_REFUSALS = {
    400: "Not a message that can be taken; repeating it does not help",
    401: "No such agent key",
    503: "Not kept: the database is out of reach. Repeat it",
}


def handler(public: Sequence[ControllerRouterHandler]) -> HTTPRouteHandler:
    """`/openapi.json` for these handlers, answered from memory."""
    made = Document(msgspec.json.encode(document(public)), 0)

    @get("/openapi.json", include_in_schema=False)
    async def get_openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await respond(request, made)

    return get_openapi


def document(public: Sequence[ControllerRouterHandler]) -> Json:
    """The whole description. A second application reads the handlers; it serves nothing."""
    reader = Litestar(public, openapi_config=_config(), logging_config=None)
    answers = _answers(reader)
    examples = msgspec.json.decode(files("ringlet.data").joinpath("openapi_examples.json").read_bytes())
    whole: Json = msgspec.json.decode(msgspec.json.encode(reader.openapi_schema.to_schema()))
    for methods in whole["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            if name in STREAMS:
                _describe_stream(operation)
            else:
                _describe(operation, answers[name], examples.get(name, {}))
    whole["security"] = [{"apiKey": []}]
    whole["components"] = _components(answers)
    adjusted: Json = _adjusted(whole)
    return adjusted


def _config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Ringlet",
        version=__version__,
        description=DESCRIPTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        servers=[Server(url="/", description="This installation")],
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        use_handler_docstrings=True,
    )


def _answers(reader: Litestar) -> dict[str, type[msgspec.Struct]]:
    """Operation → the type of its answer, as the handler's signature says it."""
    return {
        str(each.operation_id): each.parsed_fn_signature.return_type.inner_types[0].annotation
        for route in reader.routes
        for each in getattr(route, "route_handlers", ())
        if isinstance(each, HTTPRouteHandler) and each.operation_id and each.operation_id not in STREAMS
    }


def _describe_stream(operation: Json) -> None:
    """What a client that knows server-sent events needs; their JSON is described in docs/events.md."""
    operation.pop("deprecated", None)
    operation["parameters"] = [
        {"$ref": "#/components/parameters/LastEventId"},
        {"$ref": "#/components/parameters/LastEventIdQuery"},
    ]
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": EVENTS_EXAMPLE}}
    operation["responses"] = {
        "200": _response("Events from now on, without end", content),
        **_refusals(operation["operationId"]),
    }


def _describe(operation: Json, answer: type[msgspec.Struct], examples: Json) -> None:
    name: str = operation["operationId"]
    operation.pop("deprecated", None)
    operation["parameters"] = [_parameter(each) for each in operation.get("parameters", [])]
    if name in BODIES:
        operation["requestBody"] = {
            "required": True,
            "content": _content(BODIES[name], examples["requests"]),
        }
    if name in DOCUMENTS:
        operation["parameters"].append({"$ref": "#/components/parameters/IfNoneMatch"})
    if answer is agent.PushAnswer:
        operation["security"] = []
        operation["responses"] = _agent_responses(answer, examples)
        return
    headers: tuple[str, ...] = ("ETag",) if name in DOCUMENTS else ()
    if name in ONCE:
        operation["parameters"].append({"$ref": "#/components/parameters/IdempotencyKey"})
        headers = ("Idempotent-Replayed",)
    operation["responses"] = {
        "200": _response(operation["summary"], _content(answer, examples["answers"]), headers),
        **(
            {"304": _response("What you have is still the answer", None, headers)}
            if name in DOCUMENTS
            else {}
        ),
        **_refusals(name),
    }
    if name in {"buy", "resend"}:
        operation["responses"]["200"]["links"] = {
            each: {"$ref": f"#/components/links/{each}"} for each in LINKS
        }


def _parameter(made: Json) -> Json:
    """Litestar's parameter without what says nothing; what may be left out is not `null` for that."""
    schema = made["schema"]
    kept = [each for each in schema.pop("oneOf", []) if each != {"type": "null"}]
    schema = {**(kept[0] if kept else {}), **schema}
    text = made.get("description") or schema.get("description", "")
    schema.pop("description", None)
    if made["in"] == "path":
        schema["pattern"] = PATH_PATTERNS.get(made["name"], "^[0-9]{1,18}$")
    return {
        "name": made["name"],
        "in": made["in"],
        "required": made["required"],
        "description": text,
        "schema": schema,
        "example": PARAMETER_EXAMPLES[made["name"]],
    }


def _content(kind: type[msgspec.Struct], examples: Mapping[str, object]) -> Json:
    return {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{kind.__name__}"},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }
    }


def _response(description: str, content: Json | None, more_headers: Sequence[str] = ()) -> Json:
    names = (*EVERYWHERE, *more_headers)
    response: Json = {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    if content is not None:
        response["content"] = content
    return response


def _refusals(operation: str) -> Json:
    """Every status that this operation may refuse with, and the codes that it then carries."""
    by_status: dict[int, list[type[Refusal]]] = {}
    for refusal in sorted((*ANYWHERE, *REFUSALS.get(operation, ())), key=lambda each: each.status):
        by_status.setdefault(refusal.status, []).append(refusal)
    return {
        str(status): _response(
            "; ".join(f"`{each.code}`: {each.message}" for each in kinds),
            _content(wire.Failure, {each.code: _failure_example(each) for each in kinds}),
            HEADERS_OF.get(status, ()),
        )
        for status, kinds in by_status.items()
    }


def _failure_example(kind: type[Refusal]) -> Json:
    more: Json = {}
    if kind is errors.ValidationFailed:
        more = {"errors": [{"field": "country", "message": kind.message}]}
    if kind is errors.MaxPriceExceeded:
        more = {"min_price": 0.1114892}
    return {
        "success": False,
        "code": kind.code,
        "message": kind.message,
        **more,
        "request_id": "5f2c9d1e8a7b6034",
    }


def _agent_responses(answer: type[msgspec.Struct], examples: Json) -> Json:
    responses = {"200": _response("It is kept; never push it again", _content(answer, examples["answers"]))}
    for status, text in AGENT_REFUSALS.items():
        responses[str(status)] = _response(
            text, _content(answer, {"refused": {"status": "ERROR", "error": text}})
        )
    failure = {"internal_error": _failure_example(errors.InternalError)}
    responses["500"] = _response(errors.InternalError.message, _content(wire.Failure, failure))
    for response in responses.values():
        response["headers"] = {"X-Request-Id": response["headers"]["X-Request-Id"]}
    return responses


def _components(answers: Mapping[str, type[msgspec.Struct]]) -> Json:
    template = "#/components/schemas/{name}"
    _, taken = msgspec.json.schema_components(BODIES.values(), ref_template=template, schema_hook=_own_types)
    _, given = msgspec.json.schema_components([*answers.values(), wire.Failure], ref_template=template)
    for schema in given.values():
        _always_there(schema)
    return {
        "schemas": {**taken, **given},
        "headers": dict(HEADERS),
        "parameters": dict(PARAMETERS),
        "links": dict(LINKS),
        "securitySchemes": {
            "apiKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key: `rl_live_…`, or `rl_test_…` for test mode",
            }
        },
    }


def _own_types(kind: type) -> Json:
    assert kind is bodies.Price, f"no schema for {kind}"
    return {"type": "number"}


def _always_there(schema: Json) -> None:
    """What we answer with a default is in every answer, and `success` has only one value there."""
    for name, field in schema["properties"].items():
        default = field.pop("default", None)
        if default is not None:
            schema["required"].append(name)
        if name == "success":
            field["const"] = default


def _adjusted(part: Any) -> Any:
    """What the makers of the parts spell differently: money is a JSON number, and a bound is a whole number."""
    if isinstance(part, list):
        return [_adjusted(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("format") == "decimal":
        part = {**{name: value for name, value in part.items() if name != "format"}, "type": "number"}
    return {name: _adjusted_value(name, value) for name, value in part.items()}


def _adjusted_value(name: str, value: Any) -> Any:
    if name in {"minimum", "maximum"} and isinstance(value, float) and value.is_integer():
        return int(value)
    if name == "pattern" and isinstance(value, str):
        return re.sub(
            r"\\Z$", "$", value
        )  # Python's end of text; JSON Schema's `$` is not before a last newline
    return _adjusted(value)
