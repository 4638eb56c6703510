"""The OpenAPI document: valid, whole, with examples that are true, and served from memory."""

import gzip
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from ringlet.web import agent, api, listen, openapi, statistics, webhooks
from tests.contract import CODES, refused
from tests.site import Site

REFERENCE = {
    "/api/v1/resell/price": "get",
    "/api/v1/prices": "get",
    "/api/v1/resell/virtual/buy": "post",
    "/api/v1/resell/virtual/{activation_id}/status": "get",
    "/api/v1/resell/virtual/resend": "post",
    "/api/v1/resell/virtual/cancel": "post",
    "/api/v1/resell/activations": "get",
}


@pytest.fixture(scope="module")
def document() -> Any:
    public = [api.router, listen.router, statistics.router, webhooks.router, agent.push_sms]
    return json.loads(json.dumps(openapi.document(public)))


@pytest.fixture(scope="module")
def site(demo_site: Site) -> Site:
    """The demo that files share: here it is only read."""
    return demo_site


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def parts(part: Any) -> Iterator[Any]:
    """Every object in it."""
    if isinstance(part, dict):
        yield part
        for each in part.values():
            yield from parts(each)
    elif isinstance(part, list):
        for each in part:
            yield from parts(each)


def follow(document: Any, reference: str) -> Any:
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def conforms(document: Any, schema: Any, value: Any) -> None:
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def test_the_document_is_openapi_3_1(document: Any) -> None:
    """By the rules of OpenAPI 3.1, and every schema in it by the rules of JSON Schema 2020-12."""
    assert document["openapi"].startswith("3.1")
    jsonschema.Draft202012Validator(OPENAPI_31).validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert document["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def test_a_client_can_be_made_from_it(document: Any) -> None:
    """Every reference leads somewhere; every operation has a name of its own, a text and a typed success."""
    for part in parts(document):
        if "$ref" in part:
            assert follow(document, part["$ref"])
    found = list(operations(document))
    names = [operation["operationId"] for _, _, operation in found]
    assert len(names) == len(set(names)) >= 12
    for path, method, operation in found:
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}
        success = operation["responses"]["200"]["content"]
        if operation["operationId"] in openapi.STREAMS:
            assert set(success) == {"text/event-stream"}
        else:
            assert "$ref" in success["application/json"]["schema"], (path, method)
        assert ("requestBody" in operation) == (operation["operationId"] in openapi.BODIES)
        assert not (method in {"get", "delete"} and "requestBody" in operation)


def test_every_endpoint_of_the_reference_is_there(document: Any) -> None:
    """At the addresses and with the methods that customers program against."""
    for path, method in REFERENCE.items():
        assert method in document["paths"][path]


def test_every_example_is_true_to_its_schema(document: Any) -> None:
    """What a reader copies from the document works."""
    count = 0
    for part in parts(document["paths"]):
        for example in part.get("examples", {}).values() if "schema" in part else ():
            conforms(document, part["schema"], example["value"])
            count += 1
        if "example" in part and "schema" in part:
            conforms(document, part["schema"], part["example"])
            count += 1
    assert count > 60


def test_every_refusal_is_documented_with_its_status(document: Any) -> None:
    """The codes of the contract stand in the document under the status with which they are answered."""
    seen = {}
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            for code in response.get("content", {}).get("application/json", {}).get("examples", {}):
                if code in CODES:
                    assert CODES[code] == int(status)
                    seen[code] = status
    later = {"service_not_allowed"}  # policies of the operator come with a later version
    by_address_only = {"method_not_allowed"}  # belongs to no operation; the introduction explains it
    assert set(seen) == set(CODES) - later - by_address_only


def test_the_event_stream_is_there_with_what_resumes_it(document: Any) -> None:
    """Its type says that it is one; header and parameter are named as clients send them."""
    operation = document["paths"]["/api/v1/events"]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"text/event-stream"}
    parameters = [follow(document, each["$ref"]) for each in operation["parameters"]]
    named = {(each["in"], each["name"]) for each in parameters}
    assert named == {("header", "Last-Event-ID"), ("query", "last_event_id")}
    assert {"200", "401", "403", "422", "429", "503"} <= set(operation["responses"])


def test_money_is_a_number_and_time_has_a_format(document: Any) -> None:
    """Nothing of how we compute shows: no decimals as text, no nullable oddities of our tools."""
    schemas = document["components"]["schemas"]
    assert schemas["PriceAnswer"]["properties"]["sell_price"] == {"type": "number"}
    assert schemas["PublicActivation"]["properties"]["expires_at"]["format"] == "date-time"
    assert schemas["BuyAnswer"]["properties"]["success"] == {"type": "boolean", "const": True}
    assert not [part for part in parts(document) if part.get("format") == "decimal"]


def test_the_api_needs_the_bearer_key_and_the_owners_door_does_not(document: Any) -> None:
    """An owner's key is in the body of the message."""
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    for path, _, operation in operations(document):
        needed = operation.get("security", document["security"])
        assert needed == ([] if path.startswith("/agent/") else [{"apiKey": []}])


def test_it_is_served_from_memory_with_an_etag(site: Site, document: Any) -> None:
    """To everybody, compressed for who takes it, and 304 to who has it."""
    status, body, head = site.call("GET", "/openapi.json", key=None)
    assert status == 200
    assert body == document
    again = site.call("GET", "/openapi.json", key=None, headers={"If-None-Match": head["etag"]})
    assert again[0] == 304
    request = urllib.request.Request(f"{site.url}/openapi.json", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.loads(gzip.decompress(answer.read())) == document


@pytest.mark.parametrize(
    "path", ["/schema", "/schema/openapi.json", "/_openapi", "/_openapi/swagger", "/redoc"]
)
def test_no_page_of_the_framework_is_reachable(site: Site, path: str) -> None:
    """Litestar's pages would load their scripts from elsewhere."""
    refused(site.call("GET", path, key=None), 404, "not_found")
