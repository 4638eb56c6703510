"""A key's daily spending cap, at the desk and at every door that sells."""

import asyncio

import pytest

from ringlet import accounts, customers, ledger
from ringlet.activations import capped
from ringlet.activations.choose import Order
from ringlet.app import open_desk
from ringlet.customers import KeyTerms
from ringlet.demo import EMAIL
from ringlet.desk import Desk
from ringlet.errors import InsufficientBalance, Refusal
from ringlet.idempotency import Once
from ringlet.settings import load
from tests.site import PRICE_MICROS, Shop, Site

IG = Order(service="ig", country=6)


@pytest.fixture(scope="module")
def site(demo_site: Site) -> Site:
    """The demo that files share; each door has a key of its own."""
    return demo_site


async def _key(desk: Desk, wallet: ledger.Wallet, cap_micros: int) -> customers.ApiKey:
    terms = KeyTerms(wallet_id=wallet.id, mode="live", name="capped", daily_cap_micros=cap_micros)
    async with desk.db.transaction() as tx:
        issued = await customers.add_key(tx, desk.settings.secret, terms)
        key = await customers.key_by_token(tx, desk.settings.secret, issued.token)
    assert key is not None
    return key


async def _spent(desk: Desk, key: customers.ApiKey) -> int:
    async with desk.db.connection() as tx:
        return await customers.spent_today(tx, key.id)


@pytest.mark.usefixtures("breaches")
async def test_thirty_at_once_within_a_cap_for_three(desk: Desk, shop: Shop) -> None:
    """Exactly three are sold, however many ask at once."""
    key = await _key(desk, shop.alice, 3 * PRICE_MICROS + 5)
    asked = [capped.buy(desk, shop.alice, IG, None, key) for _ in range(30)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, InsufficientBalance) for each in answers) == 27
    assert await _spent(desk, key) == 3 * PRICE_MICROS


async def test_a_repetition_is_not_counted_twice(desk: Desk, shop: Shop) -> None:
    """The same idempotency key answers again, also when the cap is reached."""
    key = await _key(desk, shop.alice, PRICE_MICROS)
    once = Once(shop.alice.id, "k", b"f")
    first = await capped.buy(desk, shop.alice, IG, once, key)
    again = await capped.buy(desk, shop.alice, IG, once, key)
    assert again.activation.id == first.activation.id
    assert again.replayed
    assert await _spent(desk, key) == PRICE_MICROS


async def test_a_repetition_of_several_is_named_when_the_cap_is_reached(desk: Desk, shop: Shop) -> None:
    """One number for two services: the same key names what it bought, and nothing more is counted."""
    key = await _key(desk, shop.alice, 2 * PRICE_MICROS)
    once, orders = Once(shop.alice.id, "k", b"f"), [IG, Order(service="wa", country=6)]
    first = await capped.several(desk, shop.alice, orders, once, key)
    again = await capped.several(desk, shop.alice, orders, once, key)
    assert again.replayed
    assert again.activations[0].id == first.activations[0].id
    assert await _spent(desk, key) == 2 * PRICE_MICROS


async def test_what_is_refused_is_given_back(desk: Desk, shop: Shop) -> None:
    """Who cannot pay has spent nothing."""
    async with desk.db.transaction() as tx:
        await ledger.debit(tx, shop.alice, 100_000_000, actor="test", reason="all of it")
    key = await _key(desk, shop.alice, 10 * PRICE_MICROS)
    with pytest.raises(InsufficientBalance):
        await capped.buy(desk, shop.alice, IG, None, key)
    assert await _spent(desk, key) == 0


async def test_what_is_not_on_sale_counts_nothing(desk: Desk, shop: Shop) -> None:
    """A refusal before the sale leaves the cap alone."""
    key = await _key(desk, shop.alice, 10 * PRICE_MICROS)
    with pytest.raises(Refusal):
        await capped.buy(desk, shop.alice, Order(service="ig", country=7), None, key)
    assert await _spent(desk, key) == 0


@pytest.mark.parametrize("door", ["rest", "handler", "fivesim"])
def test_every_door_keeps_to_the_cap(site: Site, door: str) -> None:
    """One number fits under the cap, the second does not, and the account's money is untouched by that."""
    made = asyncio.run(_capped_token(site, 2 * PRICE_MICROS - 1))
    assert _buys(site, door, made)[0]
    sold, said = _buys(site, door, made)
    assert not sold
    assert said in {"insufficient_balance", "NO_BALANCE", "not enough user balance"}


async def _capped_token(site: Site, cap_micros: int) -> str:
    settings = load({**site.environment})
    async with open_desk(settings, site.environment["DATABASE_URL"]) as desk, desk.db.transaction() as tx:
        customer = await customers.by_email(tx, EMAIL)
        wallet_id = await accounts.wallet_id(tx, customer.id, "live")
        terms = KeyTerms(wallet_id=wallet_id, mode="live", name="capped", daily_cap_micros=cap_micros)
        return (await customers.add_key(tx, settings.secret, terms)).token


def _buys(site: Site, door: str, token: str) -> tuple[bool, str]:
    if door == "rest":
        wanted = {"service": "ig", "country": 6}
        status, body, _ = site.call("POST", "/api/v1/resell/virtual/buy", wanted, key=token)
        return status == 200, str(body.get("code"))
    if door == "handler":
        asked = f"/stubs/handler_api.php?api_key={token}&action=getNumber&service=ig&country=6"
    else:
        asked = "/v1/user/buy/activation/indonesia/any/instagram"
    _, body, _ = site.call("GET", asked, key=token)
    text = body.decode() if isinstance(body, bytes) else str(body)
    return text.startswith("ACCESS_NUMBER") or "phone" in text, text
