"""5sim's REST API at our own door: every call, good and bad, on a whole installation."""

import re
from collections.abc import Iterator

import pytest

from ringlet.suppliers import wire
from ringlet.suppliers.fivesim import FiveSim
from ringlet.suppliers.port import Account, Reason, Refused, Standing, Wanted
from ringlet.suppliers.wire import Line
from tests.contract import running_site
from tests.databases import DemoHome
from tests.fivesim_site import FiveSimSite
from tests.site import Site

PRICE = 0.1114892  # of instagram in the demo
CHARGED = 0.111489
NINE_PLACES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


@pytest.fixture(scope="module")
def site(cluster: str, demo_home: DemoHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("fivesim"), cluster, demo_home) as running:
        yield running
        assert running.audit() == ""


@pytest.fixture(scope="module")
def five(site: Site) -> FiveSimSite:
    return FiveSimSite(site)


@pytest.fixture(scope="module")
def rehearsal_key(site: Site) -> str:
    return str(site.demo["test_key"])


def test_an_order_lives_from_buy_to_finish(five: FiveSimSite) -> None:
    """Bought, paid for when the code comes, finished: every field as programs expect it."""
    before = five.free()
    order = five.buy()
    assert order["phone"].startswith("+62")
    assert (order["operator"], order["product"], order["country"]) == ("telkomsel", "instagram", "indonesia")
    assert (order["status"], order["sms"], order["price"]) == ("PENDING", None, CHARGED)
    assert (order["forwarding"], order["forwarding_number"]) == (False, "")
    assert 0 < order["id"] < 2**53
    assert NINE_PLACES.fullmatch(order["created_at"])
    assert NINE_PLACES.fullmatch(order["expires"])
    assert five.good(f"/user/check/{order['id']}") == order
    code = five.push(order["phone"])
    received = five.until(order["id"], "RECEIVED")
    (sms,) = received["sms"]
    assert (sms["code"], sms["sender"]) == (code, "Instagram")
    assert code in sms["text"]
    assert NINE_PLACES.fullmatch(sms["created_at"])
    assert sms["date"] == sms["created_at"]
    assert five.get(f"/user/cancel/{order['id']}") == (400, "order has sms")
    finished = five.good(f"/user/finish/{order['id']}")
    assert finished == received | {"status": "FINISHED"}
    assert five.good(f"/user/finish/{order['id']}") == finished
    assert five.free() == pytest.approx(before - CHARGED)


@pytest.mark.parametrize(("verb", "status"), [("cancel", "CANCELED"), ("ban", "BANNED")])
def test_what_is_given_back_is_paid_back(five: FiveSimSite, verb: str, status: str) -> None:
    """The money is there when the answer comes, and what is over cannot be ended twice."""
    before = five.free()
    order = five.buy()
    assert five.get(f"/user/finish/{order['id']}") == (400, "order no sms")
    assert five.good(f"/user/{verb}/{order['id']}") == order | {"status": status}
    assert five.free() == before
    assert five.good(f"/user/check/{order['id']}")["status"] == "CANCELED"
    for again in ("cancel", "ban", "finish"):
        assert five.get(f"/user/{again}/{order['id']}") == (400, "order expired")


def test_a_message_without_a_code_is_shown_and_finishes_nothing(five: FiveSimSite) -> None:
    """Only a code is charged: its text is there with an empty code, the order stays PENDING and can be cancelled."""
    order = five.buy()
    five.site.push(order["phone"].lstrip("+"), "Welcome to Instagram!", next(five.sms_ids), "Instagram")
    pending = five.good(f"/user/check/{order['id']}")
    assert (pending["status"], [sms["code"] for sms in pending["sms"]]) == ("PENDING", [""])
    assert five.get(f"/user/finish/{order['id']}") == (400, "order no sms")
    assert five.good(f"/user/cancel/{order['id']}")["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/user/buy/activation/atlantis/any/instagram", 400, "bad country"),
        ("/user/buy/activation/indonesia/nosuch/instagram", 400, "bad operator"),
        ("/user/buy/activation/indonesia/no%20such/instagram", 400, "bad operator"),
        ("/user/buy/activation/indonesia/any/nosuchproduct", 400, "no product"),
        ("/user/buy/activation/indonesia/any/test_never", 400, "no product"),
        ("/user/buy/activation/indonesia/any/full", 400, "no product"),
        ("/user/buy/activation/england/any/instagram", 200, "no free phones"),
        ("/user/buy/activation/any/any/uber", 200, "no free phones"),
        ("/user/buy/activation/indonesia/any/instagram?maxPrice=0.111", 200, "no free phones"),
        ("/user/buy/activation/indonesia/telkomsel/instagram?maxPrice=0.05", 200, "no free phones"),
        ("/user/buy/activation/indonesia/any/instagram?maxPrice=lots", 400, "maxPrice is incorrect"),
        ("/user/buy/activation/indonesia/any/instagram?maxPrice=-1", 400, "maxPrice is incorrect"),
        ("/user/buy/activation/indonesia/any/instagram?maxPrice=NaN", 400, "maxPrice is incorrect"),
        ("/user/buy/hosting/indonesia/any/1day", 400, "no product"),
        ("/user/check/1", 400, "order not found"),
        ("/user/check/abc", 400, "order not found"),
        ("/user/check/99999999999999999999", 400, "order not found"),
        ("/user/finish/1", 400, "order not found"),
        ("/user/cancel/1", 400, "order not found"),
        ("/user/ban/-1", 400, "order not found"),
        ("/user/sms/inbox/1", 400, "order not found"),
        ("/user/reuse/instagram/628", 400, "reuse not possible"),
        ("/user/reuse/nosuchproduct/628", 400, "product is incorrect"),
        ("/guest/prices?country=atlantis", 400, "country is incorrect"),
        ("/guest/prices?product=nosuchproduct", 400, "product is incorrect"),
        ("/guest/products/atlantis/any", 400, "country is incorrect"),
        ("/user/vendor", 400, {}),
        ("/vendor/wallets", 400, {}),
        ("/vendor/orders?category=activation", 400, {}),
        ("/vendor/payments", 400, {}),
    ],
)
def test_a_no_is_said_in_the_protocols_words(five: FiveSimSite, path: str, status: int, text: object) -> None:
    """Plain text, exactly these words, with exactly this status: programs compare them."""
    assert five.get(path) == (status, text)


def test_refusals_are_plain_text_and_answers_are_plain_json(five: FiveSimSite) -> None:
    """Programs tell one from the other by the content type, which some compare letter by letter."""
    for path, kind in (("/user/check/1", "text/plain; charset=utf-8"), ("/user/profile", "application/json")):
        assert five.site.call("GET", f"/v1{path}")[2]["content-type"] == kind


@pytest.mark.parametrize("query", ["maxPrice=0.1114892", "maxPrice=0.111489", "maxPrice=&ref=&reuse=&voice=",
                                   "reuse=1&voice=1&forwarding=true&number=79001234567&ref=abc"])  # fmt: skip
def test_a_limit_that_is_the_price_suffices_and_the_rest_does_not_disturb(
    five: FiveSimSite, query: str
) -> None:
    """The listed price and the charged one both pass as a limit; what we do not have is ignored, the ref is kept."""
    order = five.good(f"/user/buy/activation/indonesia/any/instagram?{query}")
    assert order["price"] == CHARGED
    if "ref=abc" in query:
        listed = five.site.call("GET", "/api/v1/resell/activations?reference=abc")[1]
        assert [each["activation_id"] for each in listed["data"]] == [str(order["id"])]
    five.good(f"/user/cancel/{order['id']}")


@pytest.mark.parametrize(
    "path", ["any/any/instagram", "6/any/ig", "ID/telkomsel/Instagram", "indonesia/ANY/threads"]
)
def test_names_of_ours_are_understood_too(five: FiveSimSite, path: str) -> None:
    """Number, ISO code and service code of the other doors, another name of a service, and any country at all."""
    order = five.good(f"/user/buy/activation/{path}")
    assert (order["country"], order["product"]) == ("indonesia", "instagram")
    five.good(f"/user/cancel/{order['id']}")


def test_the_inbox_lists_messages_with_their_ids(five: FiveSimSite) -> None:
    """Every message of an order, oldest first, counted."""
    order = five.buy("telegram")
    assert five.good(f"/user/sms/inbox/{order['id']}") == {"Data": [], "Total": 0}
    codes = [five.push(order["phone"], "Telegram") for _ in range(2)]
    inbox = five.good(f"/user/sms/inbox/{order['id']}")
    assert (inbox["Total"], [sms["code"] for sms in inbox["Data"]]) == (2, codes)
    assert inbox["Data"][0]["ID"] < inbox["Data"][1]["ID"]
    assert (inbox["Data"][0]["is_wave"], inbox["Data"][0]["wave_uuid"]) == (False, "")
    assert len(five.good(f"/user/check/{order['id']}")["sms"]) == 2


def test_an_order_keeps_its_id_when_another_door_asks_for_another_message(five: FiveSimSite) -> None:
    """What our own API makes a new activation of is one order here, and finishing it ends the whole."""
    order = five.buy("whatsapp")
    first = five.push(order["phone"], "WhatsApp")
    five.until(order["id"], "RECEIVED")
    status, body, _ = five.site.call(
        "POST", "/api/v1/resell/virtual/resend", {"activation_id": str(order["id"])}
    )
    assert status == 200, body
    again = five.good(f"/user/check/{order['id']}")
    assert (again["id"], again["status"], again["price"]) == (order["id"], "RECEIVED", order["price"])
    assert five.get(f"/user/cancel/{order['id']}") == (400, "order has sms")
    second = five.push(order["phone"], "WhatsApp")
    assert [sms["code"] for sms in five.good(f"/user/check/{order['id']}")["sms"]] == [first, second]
    assert five.good(f"/user/finish/{order['id']}")["status"] == "FINISHED"


def test_finishing_an_order_that_waits_for_another_message_ends_it(five: FiveSimSite) -> None:
    """Its code had come and was paid for; the further message costs nothing, and nothing is paid back."""
    order = five.buy("whatsapp")
    five.push(order["phone"], "WhatsApp")
    five.site.call("POST", "/api/v1/resell/virtual/resend", {"activation_id": str(order["id"])})
    before = five.free()
    assert five.good(f"/user/finish/{order['id']}")["status"] == "FINISHED"
    assert five.free() == before


def test_a_number_is_reused_as_a_new_order(five: FiveSimSite) -> None:
    """After its lease the number is leased again at today's price; the old order stays as it was."""
    old = five.buy()
    five.push(old["phone"])
    finished = five.good(f"/user/finish/{old['id']}")
    before = five.free()
    assert five.get(f"/user/reuse/telegram/{old['phone'].lstrip('+')}") == (400, "reuse not possible")
    fresh = five.good(f"/user/reuse/instagram/{old['phone'].lstrip('+')}")
    assert (fresh["phone"], fresh["status"], fresh["sms"]) == (old["phone"], "PENDING", None)
    assert (fresh["id"] != old["id"], fresh["price"]) == (True, CHARGED)
    assert five.free() == pytest.approx(before - CHARGED)
    code = five.push(fresh["phone"])
    assert [sms["code"] for sms in five.until(fresh["id"], "RECEIVED")["sms"]] == [code]
    assert five.good(f"/user/check/{old['id']}") == finished
    assert five.good(f"/user/finish/{fresh['id']}")["status"] == "FINISHED"


def test_a_cancelled_number_is_not_reused(five: FiveSimSite) -> None:
    """Only a number that has brought its code is known to work."""
    order = five.buy()
    five.good(f"/user/cancel/{order['id']}")
    assert five.get(f"/user/reuse/instagram/{order['phone'].lstrip('+')}") == (400, "reuse not possible")


def test_history_is_read_from_both_ends(five: FiveSimSite) -> None:
    """Newest first or oldest first, any offset and limit, with the total; nothing for hostings."""
    for _ in range(5):
        five.good(f"/user/cancel/{five.buy()['id']}")
    whole = five.good("/user/orders?category=activation&limit=100&order=id&reverse=true")
    ids = [order["id"] for order in whole["Data"]]
    assert whole["Total"] == len(ids) >= 5
    assert (whole["ProductNames"], whole["Statuses"]) == ([], [])
    assert whole["Data"][0] == five.good(f"/user/check/{ids[0]}")
    for limit, offset in ((2, 0), (2, 1), (3, 2), (3, 5), (1, 4), (100, 3), (4, len(ids) - 2), (4, len(ids))):
        query = f"/user/orders?category=activation&limit={limit}&offset={offset}"
        assert [o["id"] for o in five.good(query)["Data"]] == ids[offset : offset + limit]
        ascending = [order["id"] for order in five.good(f"{query}&order=id&reverse=false")["Data"]]
        assert ascending == ids[::-1][offset : offset + limit]
    assert five.good("/user/orders?category=hosting")["Total"] == 0
    for odd in ("limit=&offset=&order=&reverse=", "limit=x&offset=-1", "limit=0&offset=99999999999999999999"):
        assert len(five.good(f"/user/orders?category=activation&{odd}")["Data"]) == min(15, len(ids))


def test_the_profile_has_all_that_programs_ask_for(five: FiveSimSite) -> None:
    """Balance and what is held, the last order in five parts, and how many are open."""
    idle = five.good("/user/profile")
    order = five.buy()
    profile = five.good("/user/profile")
    assert (profile["email"], profile["rating"]) == (five.site.demo["client_email"], 96)
    assert profile["frozen_balance"] - idle["frozen_balance"] == pytest.approx(CHARGED)
    assert profile["total_active_orders"] - idle["total_active_orders"] == 1
    assert (profile["did_order"], profile["last_top_idx"]) == (True, 0)
    assert profile["last_order"].split(":") == ["indonesia", "instagram", "telkomsel", "2", "0.111489"]
    assert profile["last_top_orders"] == f"[{profile['last_order']}]"
    assert profile["default_country"] == {"name": "indonesia", "iso": "id", "prefix": "+62"}
    assert profile["default_operator"] == {"name": ""}
    assert {"id", "vendor", "default_forwarding_number"} <= profile.keys()
    five.good(f"/user/cancel/{order['id']}")


def test_what_we_do_not_keep_is_empty_or_refused(five: FiveSimSite) -> None:
    """Payments and price limits are empty in shape; a limit that nobody would watch is not accepted."""
    shape = {"Data": [], "PaymentTypes": [], "PaymentProviders": [], "Total": 0}
    assert five.good("/user/payments") == shape
    assert five.good("/user/max-prices") == []
    for method in ("POST", "DELETE"):
        body = {"product_name": "instagram", "price": 1}
        assert five.site.call(method, "/v1/user/max-prices", body)[:2] == (400, b"not supported")
    assert five.site.call("POST", "/v1/vendor/withdraw", {})[:2] == (400, {})


def test_rehearsal_keys_play_with_the_simulator(five: FiveSimSite, rehearsal_key: str) -> None:
    """Any country, a code after two seconds, and neither side sees the other's orders."""
    order = five.good("/user/buy/activation/england/any/facebook", rehearsal_key)
    assert order["country"] == "england"
    assert five.get(f"/user/check/{order['id']}") == (400, "order not found")
    assert re.fullmatch(r"\d{6}", five.until(order["id"], "RECEIVED", rehearsal_key)["sms"][0]["code"])


@pytest.mark.parametrize(
    ("product", "status", "text"),
    [
        ("test_no_numbers", 200, "no free phones"),
        ("test_insufficient_balance", 400, "not enough user balance"),
        ("test_unavailable", 400, "server offline"),
    ],
)
def test_what_can_go_wrong_is_rehearsed(
    five: FiveSimSite, rehearsal_key: str, product: str, status: int, text: str
) -> None:
    """The magic services refuse in this protocol's words."""
    assert five.get(f"/user/buy/activation/indonesia/any/{product}", rehearsal_key) == (status, text)


def test_an_outcome_that_is_not_known_yet_is_pending(five: FiveSimSite, rehearsal_key: str) -> None:
    """The order is there without a phone and cannot be cancelled yet; then the number turns up and the code comes."""
    order = five.buy("test_timeout", key=rehearsal_key)
    assert (order["status"], order["phone"], order["product"]) == ("PENDING", "", "test_timeout")
    assert five.get(f"/user/cancel/{order['id']}", rehearsal_key) == (400, "you need to wait time")
    received = five.until(order["id"], "RECEIVED", rehearsal_key)
    assert received["phone"].startswith("+")


def test_a_lease_that_ran_out_is_a_timeout(five: FiveSimSite, rehearsal_key: str) -> None:
    """Paid back; what comes late is shown and changes nothing, and what is over stays so."""
    order = five.buy("test_late", key=rehearsal_key)
    assert five.until(order["id"], "TIMEOUT", rehearsal_key)["price"] == order["price"]
    for verb in ("cancel", "finish", "ban"):
        assert five.get(f"/user/{verb}/{order['id']}", rehearsal_key) == (400, "order expired")


async def test_our_own_supplier_adapter_buys_here(five: FiveSimSite) -> None:
    """One installation of Ringlet sells to another in this protocol: names, prices, buy, code, finish, cancel."""
    async with wire.open_session() as session:
        port = FiveSim(Line(session, five.v1, per_s=100), Account(five.site.demo["api_key"]))
        countries, products = await port.names()
        assert "indonesia" in {each.word for each in countries}
        assert "instagram" in {each.word for each in products}
        cell = next(each for each in await port.cells() if each.service == "instagram")
        assert float(cell.cost) == PRICE
        assert await port.balance() > 0
        wanted = Wanted("indonesia", "instagram", cell.cost, "r1")
        rented = await port.rent(wanted)
        assert float(rented.cost or 0) == CHARGED
        assert rented.lease_s == pytest.approx(1200, abs=1)
        code = five.push(rented.phone)
        (held,) = [each for each in await port.held([rented.ref]) if each.ref == rented.ref]
        assert held == await port.look(rented.ref)
        assert ([news.code for news in held.messages], held.standing) == ([code], Standing.ACTIVE)
        with pytest.raises(Refused) as refused:
            await port.cancel(rented.ref)
        assert refused.value.reason is Reason.HAS_CODE
        await port.finish(rented.ref)
        await port.finish(rented.ref)
        assert (await port.look(rented.ref)).standing is Standing.FINISHED
        other = await port.rent(wanted)
        await port.cancel(other.ref)
        await port.cancel(other.ref)
        assert (await port.look(other.ref)).standing is Standing.CANCELLED
