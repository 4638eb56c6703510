"""The API's reference, made from the same description as /openapi.json."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from ringlet.web import agent, api, listen, openapi, statistics, webhooks
from ringlet.web.openapi_parts import Json
from ringlet.web.pages.docs_samples import Call

#: what is shown of the parameters that may be left out
SHOWN: Mapping[str, Mapping[str, object]] = {
    "getPrices": {"country": 6},
    "getStatus": {"wait": 30},
    "getStatistics": {"service": "ig", "country": 6},
    "listActivations": {"per_page": 25},
}
FIRST = ("Activations", "Prices", "Account", "Codes", "Webhooks", "Number owners")


class Field(msgspec.Struct, frozen=True):
    """A parameter, or a field of a body or an answer. `place`: path, query, header or body."""

    name: str
    place: str
    kind: str
    is_required: bool
    text: str
    example: str = ""


class Example(msgspec.Struct, frozen=True):
    """A named example, written as it travels."""

    name: str
    text: str


class Refused(msgspec.Struct, frozen=True):
    """What an operation may refuse with."""

    status: int
    code: str
    text: str


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One request that the API takes."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    text: str
    fields: tuple[Field, ...]
    requests: tuple[Example, ...]
    answers: tuple[Example, ...]
    shape: str
    refusals: tuple[Refused, ...]
    call: Call

    @property
    def can_be_tried(self) -> bool:
        """Not what needs another key than ours, and not what never ends."""
        return self.call.has_key and not self.call.is_stream

    @property
    def place_fields(self) -> tuple[Field, ...]:
        """What stands in the address."""
        return tuple(each for each in self.fields if each.place in {"path", "query"})


class Shape(msgspec.Struct, frozen=True):
    """A type that answers are made of."""

    name: str
    text: str
    fields: tuple[Field, ...]


@cache
def described() -> Json:
    """The whole description, as /openapi.json answers it. Takes a quarter of a second, once."""
    return openapi.document([api.router, listen.router, statistics.router, webhooks.router, agent.push_sms])


@cache
def operations() -> Mapping[str, Operation]:
    """Operations by their id, group by group."""
    document = described()
    found = [
        _operation(document, method.upper(), path, each)
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    ]
    found.sort(key=lambda each: FIRST.index(each.tag))  # stable: in a group as they are written
    return {each.id: each for each in found}


@cache
def groups() -> Mapping[str, tuple[str, tuple[Operation, ...]]]:
    """Tag → what it is about, and its operations."""
    texts = {each["name"]: each["description"] for each in described()["tags"]}
    return {
        tag: (texts[tag], tuple(each for each in operations().values() if each.tag == tag)) for tag in FIRST
    }


@cache
def shapes() -> tuple[Shape, ...]:
    """The types that answers name, in the order of their first use."""
    document = described()
    names: dict[str, None] = {}
    for operation in operations().values():
        for name in _named(document, operation.shape):
            names.setdefault(name)
    return tuple(_shape(document, name) for name in names)


def _named(document: Json, name: str) -> Iterator[str]:
    """This type and those within it."""
    if name:
        yield name
        for schema in document["components"]["schemas"][name].get("properties", {}).values():
            for inner in _references(schema):
                yield from _named(document, inner)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield _last(schema["$ref"])
        for value in schema.values():
            yield from _references(value)
    if isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _shape(document: Json, name: str) -> Shape:
    schema = document["components"]["schemas"][name]
    return Shape(name, schema.get("description", ""), tuple(_fields(document, name, "")))


def _operation(document: Json, method: str, path: str, made: Json) -> Operation:
    parameters = [_resolved(document, each) for each in made["parameters"]]
    content = made.get("requestBody", {}).get("content", {}).get("application/json", {})
    answer = made["responses"]["200"].get("content", {})
    kind: Json = next(iter(answer.values()), {})
    body = _last(content["schema"]["$ref"]) if content else ""
    fields = [_parameter(each) for each in parameters] + list(_fields(document, body, "body"))
    requests = _examples(content)
    return Operation(
        id=made["operationId"], method=method, path=path, tag=made["tags"][0], summary=made["summary"],
        text=made.get("description", ""), fields=tuple(fields), requests=requests, answers=_examples(kind),
        shape=_last(kind.get("schema", {}).get("$ref", "")), refusals=tuple(_refusals(made)),
        call=_call(made, method, path, parameters, json.loads(requests[0].text) if requests else None),
    )  # fmt: skip


def _call(made: Json, method: str, path: str, parameters: list[Json], body: Any) -> Call:
    name = made["operationId"]
    values = {each["name"]: each.get("example") for each in parameters}
    asked = [each["name"] for each in parameters if each["in"] == "query" and each["required"]]
    for each in parameters:
        if each["in"] == "path":
            path = path.replace("{" + each["name"] + "}", str(values[each["name"]]))
    return Call(
        operation=name,
        method=method,
        path=path,
        query={each: values[each] for each in asked} | dict(SHOWN.get(name, {})),
        body=body,
        has_key=made.get("security") != [],
        once=any(each["name"] == "Idempotency-Key" for each in parameters),
        is_stream=name in openapi.STREAMS,
    )


def _parameter(made: Json) -> Field:
    example = made.get("example", "")
    return Field(
        made["name"], made["in"], _kind(made["schema"]), made["required"], made["description"], str(example)
    )


def _fields(document: Json, name: str, place: str) -> Iterator[Field]:
    schema = document["components"]["schemas"].get(name, {})
    for field, each in schema.get("properties", {}).items():
        text = each.get("description", "")
        yield Field(field, place, _kind(each), field in schema.get("required", ()), text)


def _kind(schema: Json) -> str:
    """A type in a few words."""
    found = next((name for name in _KINDS if name in schema), None)
    if found is not None:
        return _KINDS[found](schema[found])
    kind = schema.get("type", "any")
    if kind == "array":
        inner = _kind(schema.get("items", {}))
        return f"list of {inner}s" if inner in _SIMPLE else f"list of {inner}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return f"{kind}, {schema['format']}" if "format" in schema else str(kind)


_SIMPLE = {"string", "integer", "number", "boolean", "object"}
_KINDS: Mapping[str, Callable[[Any], str]] = {
    "$ref": lambda reference: reference.rpartition("/")[2],
    "anyOf": lambda kinds: " or ".join(map(_kind, kinds)),
    "enum": lambda values: " | ".join(map(str, values)),
    "const": json.dumps,
}


def _examples(content: Json) -> tuple[Example, ...]:
    if "example" in content:
        return (Example("", content["example"].strip()),)
    return tuple(
        Example(name, json.dumps(each["value"], indent=2, ensure_ascii=False))
        for name, each in content.get("examples", {}).items()
    )


def _refusals(made: Json) -> Iterator[Refused]:
    for status, response in made["responses"].items():
        if int(status) >= 400:  # noqa: PLR2004 - from here on HTTP refuses
            for code, each in response["content"]["application/json"]["examples"].items():
                value = each["value"]
                yield Refused(int(status), code, value.get("message") or value.get("error", ""))


def _resolved(document: Json, made: Json) -> Json:
    if "$ref" not in made:
        return made
    found: Json = document["components"]["parameters"][_last(made["$ref"])]
    return found


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
