"""Published clients of OpenAPI documents, unchanged: each is made from ours and does a customer's whole job.

Two make a client of the document, one holds every request and every answer against it, and two read the stream.
"""

import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiopenapi3
import httpx
import httpx2
import httpx_sse
import pytest
import requests
import sseclient
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse

from tests.contract import running_site
from tests.databases import DemoHome
from tests.handler_program import own_account
from tests.site import Site

_sms_ids = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation for all of them; its books balance when they are through."""
    with running_site(tmp_path_factory.mktemp("rest"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


@pytest.fixture
def key(site: Site) -> str:
    """A customer of this test's own."""
    return str(own_account(site)["api_key"])


def sms(site: Site, phone: str, text: str) -> dict[str, Any]:
    """What the number's owner pushes, with an id that he has not used."""
    return {
        "action": "PUSH_SMS", "key": site.demo["agent_key"], "smsId": next(_sms_ids), "phone": int(phone),
        "phoneFrom": "Example", "text": text,
    }  # fmt: skip


@pytest.fixture(scope="module")
def generated(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """What openapi-python-client makes of our document, with nothing left out: a warning would be in what it says."""
    folder = tmp_path_factory.mktemp("generated")
    command = [
        str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--url", f"{site.url}/openapi.json",
        "--meta", "none", "--output-path", str(folder / "made_client"), "--config", str(folder / "config.json"),
    ]  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"post_hooks": []}))  # it would only format the files
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module("made_client")
    sys.path.remove(str(folder))


def test_openapi_python_client(site: Site, generated: ModuleType, key: str) -> None:
    """A client that is written as files with a type for everything: the whole job, without one untyped answer."""
    models = importlib.import_module("made_client.models")

    def call(group: str, name: str, *values: Any, **given: Any) -> Any:
        module = importlib.import_module(f"made_client.api.{group}.{name}")
        return module.sync(*values, client=client, **given)

    def push(phone: str, text: str) -> None:
        body = models.PushSms.from_dict(sms(site, phone, text))
        assert call("number_owners", "push_sms", body=body).status == "SUCCESS"

    with generated.AuthenticatedClient(
        base_url=site.url, token=key, raise_on_unexpected_status=True
    ) as client:
        assert call("account", "get_balance").balance == 100
        prices = call("prices", "get_prices", service="ig", country=6).prices
        assert prices["6"]["ig"].sell_price == 0.1114892
        order = models.BuyBody(service="ig", country=6, max_price=0.2, reference="order-1")
        one = call("activations", "buy", body=order, idempotency_key="one").activation
        again = call("activations", "buy", body=order, idempotency_key="one").activation
        assert again.activation_id == one.activation_id
        push(one.phone, "Your code is 1234")
        came = call("activations", "get_status", one.activation_id, wait=5)
        assert (came.status, came.code) == (models.StatusAnswerStatus.COMPLETED, "1234")
        assert came.activation.expires_at.tzinfo is not None
        two = call("activations", "resend", body=models.ResendBody(one.activation_id)).activation
        assert two.resent_from == one.activation_id
        push(one.phone, "Your code is 9876")
        assert call("activations", "get_status", two.activation_id, wait=5).code == "9876"
        three = call("activations", "buy", body=models.BuyBody("wa", 6)).activation
        waiting = call("activations", "list_activations", status=models.ListActivationsStatus.WAITING)
        assert [each.activation_id for each in waiting.data] == [three.activation_id]
        done = call("activations", "cancel", body=models.CancelBody(three.activation_id))
        assert done.code is models.CancelAnswerCode.CANCEL_ACCEPTED
        everything = call("activations", "list_activations")
        assert everything.meta.total == 3
        assert [each.state for each in everything.data] == ["cancelled", "received", "finished"]
        refused = call("activations", "buy", body=models.BuyBody("ig", 7))
        assert isinstance(refused, models.Failure)
        assert refused.code == "no_numbers"
        assert call("account", "get_balance").balance == 99.888511


def test_aiopenapi3(site: Site, key: str) -> None:
    """A client that reads the document when it starts, and takes no answer that is not in it."""
    api = aiopenapi3.OpenAPI.load_sync(f"{site.url}/openapi.json", session_factory=httpx2.Client)
    api.authenticate(apiKey=key)

    def push(phone: str, text: str) -> None:
        assert api._.pushSms(data=sms(site, phone, text)).status == "SUCCESS"

    assert api._.getBalance().balance == 100
    assert api._.getPrice(parameters={"service": "ig", "country": 6}).sell_price == 0.1114892
    order = {"service": "ig", "country": 6}
    one = api._.buy(data=order, parameters={"Idempotency-Key": "one"}).activation
    push(one.phone, "Your code is 1234")
    came = api._.getStatus(parameters={"activation_id": one.activation_id, "wait": 5})
    assert (came.status, came.code) == ("completed", "1234")
    two = api._.resend(data={"activation_id": one.activation_id}).activation
    push(one.phone, "Your code is 9876")
    assert api._.getStatus(parameters={"activation_id": two.activation_id, "wait": 5}).code == "9876"
    three = api._.buy(data={**order, "service": "wa"}).activation
    waiting = api._.listActivations(parameters={"status": "waiting"})
    assert [each.activation_id for each in waiting.data] == [three.activation_id]
    assert api._.cancel(data={"activation_id": three.activation_id}).code == "cancel_accepted"
    everything = api._.listActivations(parameters={"per_page": 2})
    assert (everything.meta.total, everything.meta.last_page, len(everything.data)) == (3, 2, 2)
    hook = api._.createWebhook(data={"url": "https://example.org/hook"}).webhook
    assert [each.id for each in api._.listWebhooks().data] == [hook.id]
    assert api._.getBalance().balance == 99.888511
    with pytest.raises(aiopenapi3.errors.HTTPClientError) as refused:
        api._.buy(data={**order, "country": 7})
    assert refused.value.data.code == "no_numbers"


class Checked:
    """requests with openapi-core between: whatever is sent or answered outside the document is an error."""

    def __init__(self, site: Site, key: str) -> None:
        self.site = site
        self.document = OpenAPI.from_dict(
            requests.get(f"{site.url}/openapi.json", timeout=10).json(), base_uri=f"{site.url}/openapi.json"
        )
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        request = requests.Request(method, self.site.url + path, json=body, headers={**headers})
        request.headers.update(self.session.headers)
        seen = RequestsOpenAPIRequest(request)
        self.document.validate_request(seen)
        response = self.session.send(self.session.prepare_request(request), timeout=30)
        self.document.validate_response(seen, RequestsOpenAPIResponse(response))
        return response.json()

    def push(self, phone: str, text: str) -> None:
        assert self.call("POST", "/agent/api/sms", sms(self.site, phone, text)) == {"status": "SUCCESS"}


def test_openapi_core(site: Site, key: str) -> None:
    """requests, with every request and every answer of a whole job validated against the document."""
    checked = Checked(site, key)
    with checked.session:
        assert checked.call("GET", "/api/v1/balance")["balance"] == 100
        assert checked.call("GET", "/api/v1/prices?country=6")["prices"]["6"]["ig"]["sell_price"] == 0.1114892
        order = {"service": "ig", "country": 6, "operator": "any"}
        one = checked.call("POST", "/api/v1/resell/virtual/buy", order, **{"Idempotency-Key": "one"})
        bought = one["activation"]
        id_ = bought["activation_id"]
        checked.push(bought["phone"], "Your code is 1234")
        came = checked.call("GET", f"/api/v1/resell/virtual/{id_}/status?wait=5")
        assert (came["status"], came["code"]) == ("completed", "1234")
        two = checked.call("POST", "/api/v1/resell/virtual/resend", {"activation_id": id_})["activation"]
        checked.push(bought["phone"], "Your code is 9876")
        again = checked.call("GET", f"/api/v1/resell/virtual/{two['activation_id']}/status?wait=5")
        assert again["code"] == "9876"
        three = checked.call("POST", "/api/v1/resell/virtual/buy", {**order, "service": "wa"})["activation"]
        waiting = checked.call("GET", "/api/v1/resell/activations?status=waiting")["data"]
        assert [each["activation_id"] for each in waiting] == [three["activation_id"]]
        given_back = {"activation_id": three["activation_id"]}
        assert checked.call("POST", "/api/v1/resell/virtual/cancel", given_back)["code"] == "cancel_accepted"
        assert checked.call("POST", "/api/v1/resell/virtual/cancel", given_back)["code"] == "cancel_rejected"
        assert checked.call("GET", "/api/v1/resell/activations")["meta"]["total"] == 3
        for path in ("countries", "services", "operators?country=6", "statistics", "webhooks"):
            assert checked.call("GET", f"/api/v1/{path}")["success"] is True
        assert checked.call("GET", "/api/v1/balance")["balance"] == 99.888511


def buy_by(client: httpx.Client) -> str:
    answer = client.post("/api/v1/resell/virtual/buy", json={"service": "ig", "country": 6}).json()
    return str(answer["activation"]["activation_id"])


def told(stream: httpx_sse.EventSource) -> httpx_sse.ServerSentEvent:
    """The first event with data: httpx-sse also reports a block that only says `retry`."""
    return next(each for each in stream.iter_sse() if each.data)


def test_httpx_sse(site: Site, key: str) -> None:
    """Hears a purchase and what came before it, and resumes behind the last id that it had."""
    with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as client:
        with httpx_sse.connect_sse(client, "GET", "/api/v1/events") as stream:
            bought = buy_by(client)
            first = told(stream)
        assert first.event == "activation.created"
        assert first.json()["data"]["activation"]["activation_id"] == bought
        given_back = {"activation_id": bought}
        assert client.post("/api/v1/resell/virtual/cancel", json=given_back).status_code == 200
        resumed = {"Last-Event-ID": first.id}
        with httpx_sse.connect_sse(client, "GET", "/api/v1/events", headers=resumed) as stream:
            second = told(stream)
        assert second.event == "activation.cancelled"
        assert int(second.id) > int(first.id)


def test_sseclient_py(site: Site, key: str) -> None:
    """The same over requests; `last_event_id=0` brings all that is kept."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        url = f"{site.url}/api/v1/events"
        with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {key}"}) as client:
            with session.get(url, stream=True, timeout=20):
                bought = buy_by(client)
            answer = session.get(url, params={"last_event_id": "0"}, stream=True, timeout=20)
            with answer:
                heard = next(iter(sseclient.SSEClient(answer).events()))  # type: ignore[arg-type]
        assert heard.event == "activation.created"
        assert json.loads(heard.data)["data"]["activation"]["activation_id"] == bought
