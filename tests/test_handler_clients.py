"""Published programs' libraries of this protocol, unchanged: each does a customer's whole job at our doors.

Only the address is ours, set where each library lets its user set it, or in the attribute that holds it.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import grizzly_sms
import herosms
import pysmshub
import pytest
import smsactivateru
import smsbower
from herosms.exceptions import ActivationNotFoundError, AuthenticationError, BadRequestError, ConflictError
from pysmshub.exceptions import SmsHubApiException
from smsactivate.api import SMSActivateAPI

from ringlet.suppliers import handler_api, handler_api_http, wire
from ringlet.suppliers.port import Account, Reason, Refused, Standing
from ringlet.suppliers.wire import Line
from tests.contract import running_site
from tests.databases import DemoHome
from tests.fakes.canned import wanted
from tests.handler_program import CLASSIC, LATER, Program, own_account
from tests.site import Site

#: these libraries leave their sockets to the collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: str, demo_home: DemoHome) -> Iterator[Site]:
    """One installation for all of them; its books balance when they are through."""
    with running_site(tmp_path_factory.mktemp("clients"), cluster, demo_home) as running:
        yield running
        assert '"unforeseen"' not in running.log.read_text()
        assert running.audit() == ""


@pytest.fixture
def owner(site: Site) -> Program:
    """A customer of this test's own; through him the number's owner pushes messages."""
    return Program(site, own_account(site)["api_key"])


def push(owner: Program, phone: object, text: str) -> None:
    owner.numbers["it"] = str(phone).lstrip("+")
    owner.push("it", text)


@pytest.fixture
def smsactivate(owner: Program) -> SMSActivateAPI:
    """smsactivate 1.5, the vendor's own: its address is a private attribute."""
    client = SMSActivateAPI(owner.key)
    client._SMSActivateAPI__api_url = owner.site.url + CLASSIC
    return client


def test_smsactivate(smsactivate: SMSActivateAPI, owner: Program) -> None:
    """The late vendor's own library: prices, both buys, code, another, done, cancel, list, errors."""
    sa = smsactivate
    assert sa.getBalance() == {"balance": "100.00"}
    assert sa.getPrices("ig", 6)["6"]["ig"]["cost"] == 0.1114892
    assert sa.getNumbersStatus(6)["ig_0"] > 9_000
    assert sa.getCountries()["6"]["eng"] == "Indonesia"
    assert "axis" in sa.getOperators(6)["countryOperators"]["6"]
    assert sa.getTopCountriesByService("ig")["6"]["price"] == 0.1114892
    bought = sa.getNumber(service="ig", country=6, maxPrice=0.2, operator="any", ref="1")
    one = bought["activation_id"]
    assert sa.setStatus(one, status=1) == "ACCESS_READY"
    assert sa.getStatus(one) == "STATUS_WAIT_CODE"
    push(owner, bought["phone"], "Your code is 1234")
    assert sa.getStatus(one) == "STATUS_OK:1234"
    assert sa.getFullSms(one) == "FULL_SMS:Your code is 1234"
    assert sa.setStatus(one, status=3) == "ACCESS_RETRY_GET"
    assert sa.getStatus(one) == "STATUS_WAIT_RETRY:1234"
    push(owner, bought["phone"], "Your code is 9876")
    assert sa.getStatus(one) == "STATUS_OK:9876"
    assert [row["activationId"] for row in sa.getActiveActivations()["activeActivations"]] == [str(one)]
    assert sa.setStatus(one, status=6) == "ACCESS_ACTIVATION"
    other = sa.getNumberV2(service="wa", country=6)
    assert sa.setStatus(other["activationId"], status=8) == "ACCESS_CANCEL"
    assert sa.getStatus(other["activationId"])["error"] == "STATUS_CANCEL"
    assert sa.getNumber(service="ig", country=7)["error"] == "NO_NUMBERS"
    assert sa.getNumber(service="zzzz9", country=6)["error"] == "BAD_SERVICE"
    assert sa.getStatus(1)["error"] == "NO_ACTIVATION"
    assert sa.getRentNumber("full")["message"] == "NO_NUMBERS"
    assert sa.getBalance() == {"balance": "99.888511"}


def test_smsactivateru(owner: Program) -> None:
    """The oldest of them: cancels with -1, knows free slots by `_0` and `_1`, finishes by itself."""
    wrapper = smsactivateru.Sms(owner.key)
    wrapper.url = owner.site.url + CLASSIC
    indonesia = smsactivateru.SmsTypes.Country.ID
    assert smsactivateru.GetBalance().request(wrapper) == 100.0
    slots = smsactivateru.GetFreeSlots(country=indonesia).request(wrapper)
    assert slots.Instagram.count > 9_000
    service = smsactivateru.SmsService().Instagram
    one = smsactivateru.GetNumber(service=service, country=indonesia, operator="any").request(wrapper)
    one.was_sent()
    push(owner, one.phone_number, "Your code is 1234")
    assert one.wait_code(timeout=5) == "1234"
    assert owner.active() == {}
    other = smsactivateru.GetNumber(service=service, country=indonesia).request(wrapper)
    assert other.cancel() == {"status": "ACCESS_CANCEL"}
    assert owner.status(other.id) == "STATUS_CANCEL"
    with pytest.raises(Exception, match="NO_NUMBERS"):
        smsactivateru.GetNumber(service=service, country="7").request(wrapper)


@pytest.mark.parametrize("path", [CLASSIC, LATER])
async def test_herosms(owner: Program, path: str) -> None:
    """Speaks getStatusV2 and getAllSms and waits with them; both doors suit it."""
    async with herosms.HeroSMSClient(
        owner.key, base_url=owner.site.url + path, retry_wait=0, poll_interval=0.1
    ) as client:
        assert (await client.get_balance()).amount == 100.0
        prices = await client.get_prices(service="ig", country=6)
        assert prices["6"]["ig"].count > 9_000
        assert any(country.eng == "Indonesia" for country in await client.get_countries())
        # its own model of this one fits no vendor's answer
        services = await client.get_services(country=6, response_format="json")
        assert {service["code"] for service in services["services"]} == {"ig", "wa", "tg", "go"}
        assert "axis" in (await client.get_operators(country=6))["6"]
        assert (await client.get_top_countries(service="ig"))["6"]["country"] == 6
        one = await client.activations.create(service="ig", country=6, max_price=0.2, operator="axis")
        await one.request_sms()
        push(owner, one.phone, "Your code is 1234")
        seen = await one.wait_for_sms(timeout=5)
        assert (seen.code, seen.sms.text) == ("1234", "Your code is 1234")
        await one.request_sms()
        push(owner, one.phone, "Your code is 9876")
        assert (await one.wait_for_sms(timeout=5)).code == "9876"
        assert [each.code for each in await one.get_all_sms()] == ["1234", "9876"]
        (active,) = await client.activations.list_active()
        assert (active.activation_id, active.sms_code, active.activation_status) == (one.id, "9876", "2")
        await one.complete()
        again = await one.reactivate()
        assert again.phone == one.phone
        await client.activations.cancel(again.id)
        two = await client.activations.create(service="wa", country=6)
        await two.cancel()
        history = await client.activations.get_history(size=10)
        assert [(each.id, each.status) for each in history] == [
            (str(two.id), "8"), (str(again.id), "8"), (str(one.id), "6"),
        ]  # fmt: skip


async def test_herosms_and_refusals(owner: Program) -> None:
    """At the later door it knows them by their statuses."""
    url = owner.site.url + LATER
    async with herosms.HeroSMSClient("wrong", base_url=url) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.get_balance()
    async with herosms.HeroSMSClient(owner.key, base_url=url) as client:
        with pytest.raises(ActivationNotFoundError):
            await client.activations.finish(1)
        with pytest.raises(BadRequestError):
            await client.activations.create(service="ig", country=6, max_price=0.01)
        one = await client.activations.create(service="ig", country=6)
        push(owner, one.phone, "Your code is 1234")
        with pytest.raises(ConflictError):
            await one.cancel()
        await client.activations.finish(one.id)


def test_smsbower(owner: Program) -> None:
    """Its three shapes of prices, and errors by their words."""
    with smsbower.SmsBowerClient(owner.key, base_url=owner.site.url) as client:
        assert client.get_balance() == 100.0
        assert client.get_prices("ig", 6)["6"]["ig"]["cost"] == 0.1114892
        assert client.get_prices_v2("ig", 6)["6"]["ig"]["0.1114892"] > 9_000
        assert client.get_prices_v3("ig", 6)["6"]["ig"]["1"]["price"] == 0.1114892
        assert len(client.get_services_list()) > 500
        assert client.get_countries()["6"].eng == "Indonesia"
        assert client.get_top_countries_by_service("ig")["6"]["count"] > 9_000
        one = client.get_number("ig", 6, max_price=0.2, provider_ids=["1"], user_id=7)
        assert client.get_status(one.id).status == "STATUS_WAIT_CODE"
        push(owner, one.number, "Your code is 1234")
        assert client.get_status(one.id).code == "1234"
        assert client.set_status(one.id, 3) == "ACCESS_RETRY_GET"
        assert client.get_status(one.id).status == "STATUS_WAIT_RETRY"
        push(owner, one.number, "Your code is 9876")
        assert client.get_status(one.id).code == "9876"
        assert client.set_status(one.id, 6) == "ACCESS_ACTIVATION"
        other = client.get_number_v2("wa", 6)
        assert client.set_status(other["activationId"], 8) == "ACCESS_CANCEL"
        with pytest.raises(smsbower.SmsBowerError) as refused:
            client.get_number("ig", 7)
        assert refused.value.code == "NO_NUMBERS"


def test_grizzly(owner: Program) -> None:
    """Any country, another code, waiting. Its active list is a bare one, which wire rule 6 is not: it says so."""
    with grizzly_sms.GrizzlySms(owner.key, base_url=owner.site.url) as client:
        assert client.get_balance() == 100.0
        (quote,) = client.find_prices(service="ig", max_price=1, min_count=10)
        assert (quote.country, quote.cost) == ("6", 0.1114892)
        assert client.get_prices_v3(service="ig")["6"]["ig"]
        assert any(each.eng == "Indonesia" for each in client.get_countries())
        assert any(each.code == "ig" for each in client.get_services())
        one = client.get_number("ig", country="any", max_price=1, phone_exception=["6281", "6282"])
        client.ready(one.activation_id)
        push(owner, one.phone_number, "Your code is 1234")
        assert client.wait_for_code(one.activation_id, interval_ms=50, timeout_ms=5_000).code == "1234"
        assert client.request_another_code(one.activation_id) == "ACCESS_RETRY_GET"
        push(owner, one.phone_number, "Your code is 9876")
        assert client.wait_for_code(one.activation_id, interval_ms=50, timeout_ms=5_000).code == "9876"
        assert client.get_status_v2(one.activation_id)["sms"]["code"] == "9876"
        assert client.complete(one.activation_id) == "ACCESS_ACTIVATION"
        other = client.get_number_v2("wa", country=6)
        assert other.can_get_another_sms
        assert client.cancel(other.activation_id, -1) == "ACCESS_CANCEL"
        with pytest.raises(grizzly_sms.GrizzlySmsError) as refused:
            client.get_number("ig", country=6, max_price=0.01)
        assert (refused.value.code, refused.value.raw) == ("WRONG_MAX_PRICE", "WRONG_MAX_PRICE:0.1114892")
        with pytest.raises(grizzly_sms.GrizzlySmsError, match="UNEXPECTED_RESPONSE"):
            client.get_active_activations()


def test_pysmshub(owner: Program) -> None:
    """Reads a balance only with its decimals; statuses as numbers."""
    client = pysmshub.SyncSmsHubApi(owner.key)
    client.base_url = owner.site.url + CLASSIC
    assert client.get_balance() == 100.0
    assert client.get_prices("ig", 6)["6"]["ig"]["cost"] == 0.1114892
    assert client.get_numbers_status(6)["ig_0"] > 9_000
    one, phone = client.get_number("ig", country=6, max_price=1)
    status = pysmshub.Status
    assert client.get_status(one) == (status.WAIT, None)
    push(owner, phone, "Your code is 1234")
    assert client.get_status(one) == (status.SENT, "1234")
    assert client.set_status(one, status.REPEAT) == "ACCESS_RETRY_GET"
    assert client.get_status(one) == (status.REPEAT, "1234")
    push(owner, phone, "Your code is 9876")
    assert client.get_status(one) == (status.SENT, "9876")
    assert client.set_status(one, status.SUCCESS) == "ACCESS_ACTIVATION"
    other, _ = client.get_number("wa", country=6)
    assert client.set_status(other, status.CANCEL) == "ACCESS_CANCEL"
    assert client.get_status(other) == (status.CANCEL, None)
    with pytest.raises(SmsHubApiException) as refused:
        client.get_number("ig", country=7)
    assert refused.value.response == "NO_NUMBERS"


async def test_pysmshub_beside_an_event_loop(owner: Program) -> None:
    """Its other half, by aiohttp."""
    client = pysmshub.AsyncSmsHubApi(owner.key)
    client.base_url = owner.site.url + CLASSIC
    assert await client.get_balance() == 100.0
    one, phone = await client.get_number("ig", country="6")
    push(owner, phone, "Your code is 1234")
    assert await client.get_status(one) == (pysmshub.Status.SENT, "1234")
    assert await client.set_status(one, pysmshub.Status.SUCCESS) == "ACCESS_ACTIVATION"


@pytest.fixture
async def ring(owner: Program) -> AsyncIterator[Callable[..., Any]]:
    """Our own buying side, at either door of another installation."""
    async with wire.open_session() as session:
        yield lambda make, path: make(
            Line(session, owner.site.url + path, deadline_s=5.0, per_s=1_000), Account(str(owner.key))
        )


@pytest.mark.parametrize(
    ("make", "path"), [(handler_api.HandlerApi, CLASSIC), (handler_api_http.HandlerApiHttp, LATER)]
)
async def test_a_ringlet_buys_from_a_ringlet(
    owner: Program, ring: Callable[..., Any], make: type[Any], path: str
) -> None:
    """The supplier's side and the customer's side of the protocol understand each other in everything."""
    port = ring(make, path)
    assert await port.balance() == 100
    assert {cell.service for cell in await port.cells()} == {"ig", "wa", "tg", "go"}
    rented = await port.rent(wanted(operators=("axis",), excluded_prefixes=["6281"]))
    assert (str(rented.cost), rented.operator, rented.lease_s) == ("0.111489", "axis", 1200.0)
    assert not (await port.look(rented.ref)).messages
    push(owner, rented.phone, "Your code is 1234")
    (news,) = (await port.look(rented.ref)).messages[:1]
    assert (news.code, news.text) == ("1234", "Your code is 1234")
    await port.again(rented.ref)
    await port.again(rented.ref)
    assert (await port.look(rented.ref)).standing == Standing.ACTIVE
    (held,) = await port.held([rented.ref])
    assert (held.ref, held.phone, held.service) == (rented.ref, rented.phone, "ig")
    push(owner, rented.phone, "Your code is 9876")
    assert (await port.look(rented.ref)).messages[0].code == "9876"
    with pytest.raises(Refused) as refused:
        await port.cancel(rented.ref)
    assert refused.value.reason == Reason.HAS_CODE
    await port.finish(rented.ref)
    await port.finish(rented.ref)
    other = await port.rent(wanted(service="wa", reference="ref-2", cost_max=Decimal("0.2")))
    await port.cancel(other.ref)
    await port.cancel(other.ref)
    assert (await port.look(other.ref)).standing == Standing.CANCELLED
    for changes, reason in (({"country": "7"}, Reason.NO_NUMBERS), ({"service": "zzzz9"}, Reason.NOT_SOLD)):
        with pytest.raises(Refused) as refused:
            await port.rent(wanted(reference=str(time.monotonic_ns()), **changes))
        assert refused.value.reason == reason
