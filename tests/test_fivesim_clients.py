"""Published 5sim clients, unchanged and pointed at our address, do their whole job."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import fivesim
import pyfivesim
import pyfivesim.exceptions
import pytest
from api5simbiz import main as api5simbiz
from FiveSimApi import fivesim as fivesimapi
from PanjSim import PanjSim
from PanjSim.errors import ErrorJSONDecode, ServerError

from tests.contract import running_site
from tests.databases import DemoHome
from tests.fivesim_site import FiveSimSite
from tests.site import Site

PRICE = 0.1114892  # of instagram in the demo
CHARGED = 0.111489


@pytest.fixture(scope="module")
def site(cluster: str, demo_home: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("clients"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


@pytest.fixture(scope="module")
def five(site: Site) -> FiveSimSite:
    return FiveSimSite(site)


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    return str(site.demo["api_key"])


def pointed(client: fivesim.FiveSim, five: FiveSimSite) -> fivesim.FiveSim:
    """This client keeps its address to itself: it is told another one."""
    for part in ("user", "guest", "vendor"):
        getattr(client, part)._APIRequest__endpoint = f"{five.v1}/{part}/"
    return client


def test_fivesim_buys_and_finishes(five: FiveSimSite, key: str) -> None:
    """fivesim: profile, prices, countries, buy, code, finish, reuse, inbox, history, and its own words for a no."""
    client = pointed(fivesim.FiveSim(key), five)
    country, product = fivesim.Country.INDONESIA, fivesim.ActivationProduct.INSTAGRAM
    balance = client.user.get_profile_data().balance
    prices = client.guest.get_prices(country, product)
    assert {line.price for line in prices[country][product].values()} == {PRICE}
    assert client.guest.get_products(country, fivesim.Operator.ANY_OPERATOR)[product].price == PRICE
    assert client.guest.get_countries()[country].iso == "id"
    order = client.user.buy_number(country, fivesim.Operator.THREE, product, reuse=True)
    assert (order.status, order.product, order.country) == (fivesim.Status.PENDING, product, country)
    with pytest.raises(fivesim.FiveSimError) as refused:
        client.user.order(fivesim.OrderAction.FINISH, order)
    assert refused.value.get_error() is fivesim.ErrorType.ORDER_NO_SMS
    code = five.push(order.phone)
    checked = client.user.order(fivesim.OrderAction.CHECK, order)
    assert (checked.status, checked.sms[0].activation_code) == (fivesim.Status.RECEIVED, code)
    assert client.user.get_sms_inbox_list(order)[0].activation_code == code
    assert client.user.order(fivesim.OrderAction.FINISH, order).status is fivesim.Status.FINISHED
    client.user.reuse_number(product, order.phone.lstrip("+"))
    history = client.user.get_orders_history(fivesim.Category.ACTIVATION, 2, 0, "id", reverse_order=True)
    reused, finished = history.data
    assert (reused.phone, finished.id) == (order.phone, order.id)
    assert client.user.order(fivesim.OrderAction.CANCEL, reused).status is fivesim.Status.CANCELED
    assert client.user.get_profile_data().balance == pytest.approx(balance - CHARGED)
    assert client.user.get_payments_history().data == []


def test_fivesim_understands_our_no(five: FiveSimSite, key: str) -> None:
    """fivesim: every refusal arrives as the error that it has for it."""
    kinds = fivesim.ErrorType
    client = pointed(fivesim.FiveSim(key), five)
    anywhere = fivesim.Operator.ANY_OPERATOR
    england, instagram = fivesim.Country.ENGLAND, fivesim.ActivationProduct.INSTAGRAM
    refusals = [
        (kinds.NO_FREE_PHONES, lambda: client.user.buy_number(england, anywhere, instagram)),
        (kinds.MISSING_PRODUCT, lambda: client.user.buy_number(
            fivesim.Country.INDONESIA, anywhere, fivesim.HostingProduct.ONE_DAY)),
        (kinds.ORDER_NOT_FOUND, lambda: client.user.order(
            fivesim.OrderAction.CHECK, fivesim.Order.from_order_id(1))),
        (kinds.INCORRECT_PRODUCT, lambda: client.guest.get_prices(england, instagram)),
        (kinds.INVALID_API_KEY, pointed(fivesim.FiveSim("nonsense"), five).user.get_profile_data),
    ]  # fmt: skip
    for kind, ask in refusals:
        with pytest.raises(fivesim.FiveSimError) as refused:
            ask()
        assert refused.value.get_error() is kind


def test_pyfivesim_buys_and_finishes(five: FiveSimSite, key: str) -> None:
    """PyFiveSim, which checks every field: profile, all four price lists, buy with a limit, code, finish, history."""
    client = pyfivesim.PyFiveSimSync(key, base_url=five.v1)
    profile = client.get_user_profile()
    assert profile.email == five.site.demo["client_email"]
    assert "indonesia" in {country.name for country in client.get_countries_list()}
    assert client.get_prices()[0].name == "indonesia"
    assert {p.name for p in client.get_prices(country="indonesia").products} >= {"instagram", "telegram"}
    assert client.get_prices(product="instagram").countries[0].name == "indonesia"
    (price, *_) = client.get_prices(country="indonesia", product="instagram")
    assert price.operator_info.price == PRICE
    assert {each.name for each in client.get_available_products("indonesia", "any")} >= {"instagram"}
    order = client.buy_number("instagram", "indonesia", max_price=CHARGED, reuse=True, ref="mine")
    code = five.push(order.phone)
    found = client.get_order_info(order.id)
    assert (found.status, found.sms.code) == ("RECEIVED", code)
    assert client.action_with_order("finish", order.id).status == "FINISHED"
    assert client.get_user_orders("activation", limit=1, reverse=True).data.id == order.id
    assert client.get_user_profile().last_order.service == "instagram"
    assert client.reuse_number("instagram", order.phone.lstrip("+"))
    reused = client.get_user_orders("activation", limit=1, reverse=True).data
    assert client.action_with_order("finish", reused.id).status == "CANCELED"
    assert client.get_user_profile().balance == pytest.approx(profile.balance - CHARGED)
    assert client.get_user_payments().total == 0
    assert client.get_user_price_limits() == []
    assert not client.action_with_user_price_limits("create", "instagram", 1)


def test_pyfivesim_understands_our_no(five: FiveSimSite, key: str) -> None:
    """PyFiveSim: every refusal arrives as its own exception."""
    client, known = pyfivesim.PyFiveSimSync(key, base_url=five.v1), pyfivesim.exceptions
    refusals = [
        (known.FiveSimNoFreePhones, lambda: client.buy_number("instagram", "england")),
        (known.FiveSimNoFreePhones, lambda: client.buy_number("instagram", "indonesia", max_price=0.01)),
        (known.FiveSimInvalidCountry, lambda: client.buy_number("instagram", "atlantis")),
        (known.FiveSimInvalidProduct, lambda: client.buy_number("nosuchproduct", "indonesia")),
        (known.FiveSimInvalidOperator, lambda: client.buy_number("instagram", "indonesia", "nosuch")),
        (known.FiveSimOrderNotFound, lambda: client.get_order_info(1)),
        (known.FiveSimInvalidAPIKey,
         lambda: pyfivesim.PyFiveSimSync("nonsense", base_url=five.v1).get_user_profile()),
        (known.FiveSimUnknownError, client.get_vendor_wallets),
    ]  # fmt: skip
    for kind, ask in refusals:
        with pytest.raises(kind):
            ask()


async def test_pyfivesim_works_asynchronously(five: FiveSimSite, key: str) -> None:
    """PyFiveSim's other half, on aiohttp."""
    client = pyfivesim.PyFiveSimAsync(key, base_url=five.v1)
    order = await client.buy_number("telegram", "indonesia")
    code = await asyncio.to_thread(five.push, order.phone, "Telegram")
    assert (await client.get_order_info(order.id)).sms.code == code
    assert (await client.action_with_order("finish", order.id)).status == "FINISHED"
    with pytest.raises(pyfivesim.exceptions.FiveSimNoFreePhones):
        await client.buy_number("telegram", "england")


async def test_fivesimapi_buys_and_finishes(five: FiveSimSite, key: str) -> None:
    """fivesimapi: it sends the key as it is given, so it is given the whole header."""
    client = fivesimapi.FiveSim(f"Bearer {key}")
    client.api_url = five.v1
    balance = (await client.get_profile())["balance"]
    assert (await client.get_prices())["indonesia"]["instagram"]["three"]["cost"] == PRICE
    assert (await client.product_details("indonesia"))["instagram"]["Price"] == PRICE
    order = await client.buy_activation_number("indonesia", "any", "instagram")
    code = await asyncio.to_thread(five.push, order["phone"])
    assert (await client.check_order(order["id"]))["sms"][0]["code"] == code
    assert (await client.finish_order(order["id"]))["status"] == "FINISHED"
    other = await client.buy_activation_number("indonesia", "any", "instagram")
    assert (await client.cancel_order(other["id"]))["status"] == "CANCELED"
    assert (await client.order_history("activation"))["Data"][0]["id"] == other["id"]
    assert (await client.get_profile())["balance"] == pytest.approx(balance - CHARGED)
    with pytest.raises(fivesimapi.InvalidInput):
        await client.check_order("1")
    client.api_key = "Bearer nonsense"
    with pytest.raises(fivesimapi.InvalidApiKey):
        await client.get_profile()


def test_panjsim_buys_and_finishes(five: FiveSimSite, key: str) -> None:
    """PanjSim: it sends its key to guests' lists too, and finds the lowest price."""
    client: Any = PanjSim(key)
    client.session._HttpClient__BASE_URL = five.site.url
    lowest = client.find_low_price("instagram", limit=1)
    assert (lowest["cost"], lowest["contry"]) == (PRICE, "indonesia")
    assert client.get_countries_list()["indonesia"]["prefix"] == {"+62": 1}
    assert client.get_notification("en") == {"text": ""}
    purchase = client.Purchase()
    order = purchase.buy_activation_number(lowest["contry"], lowest["operator"], "instagram", reuse=1)
    code = five.push(order["phone"])
    assert purchase.check_order(order["id"])["sms"][0]["code"] == code
    assert purchase.finish_order(order["id"])["status"] == "FINISHED"
    assert purchase.get_sms_inbox(order["id"])["Total"] == 1
    again = purchase.rebuy_number("instagram", order["phone"].lstrip("+"))
    assert purchase.ban_order(again["id"])["status"] == "BANNED"
    with pytest.raises(ErrorJSONDecode, match="no free phones"):
        purchase.buy_activation_number("england", "any", "instagram")
    with pytest.raises(ServerError, match="order expired"):
        purchase.cancel_order(again["id"])


def test_api5simbiz_buys_and_finishes(five: FiveSimSite, key: str) -> None:
    """api5simbiz: text in, text out."""
    client = api5simbiz.fivesim(key)
    client.base_url = f"{five.v1}/"
    assert client.get_profile().startswith("Баланс: ")
    assert json.loads(client.prices_by_country_and_product("indonesia", "instagram"))
    order = json.loads(client.get_number("indonesia", "any", "instagram", maxPrice=CHARGED))
    code = five.push(order["phone"])
    assert json.loads(client.get_sms(order["id"]))["sms"][0]["code"] == code
    assert json.loads(client.complete_order(order["id"]))["status"] == "FINISHED"
    history = json.loads(client.order_history("activation", limit=1, reverse="true"))
    assert history["Data"][0]["id"] == order["id"]
    other = json.loads(client.get_number("indonesia", "any", "instagram"))
    assert json.loads(client.cancel_order(other["id"]))["status"] == "CANCELED"
    assert client.get_number("england", "any", "instagram") == "no free phones"
    assert client.max_prices() == "[]"
