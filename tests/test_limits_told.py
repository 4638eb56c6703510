"""A limit that is reached is told in the visitor's language on pages, and in English by the API."""

from collections.abc import Iterator

import pytest

from ringlet import velocity
from ringlet.activations import buy
from ringlet.activations.choose import Order
from ringlet.desk import Desk
from ringlet.errors import RateLimited
from ringlet.web.pages import faults
from ringlet.web.pages.words import words
from tests import catalogues
from tests.pages_rig import serving, sign
from tests.site import Shop
from tests.test_pages_buy import form_of
from tests.test_velocity import age, limit

pytestmark = pytest.mark.usefixtures("breaches")
RESTS = "This account rests: of %(orders)s numbers %(codes)s brought a code. Its owner can end the rest on the page /resting"
OTHERS = (
    "At most %(most)s activations may be open at once", "A new account may not spend that much in its first day", RESTS,
)  # fmt: skip
DAY = "At most %(most)s purchases in a day for one account"


@pytest.fixture
def spanish() -> Iterator[None]:
    """A translation of one of them, whatever the catalogue has."""
    catalogue = words("es")._catalog
    known = catalogue.get(DAY) or catalogue.add(DAY)
    before, known.string = known.string, "Como mucho %(most)s compras al día y cuenta"
    yield
    known.string = before


@pytest.mark.parametrize("sentence", [*velocity.REACHED.values(), *OTHERS])
def test_every_limit_can_be_translated(sentence: str) -> None:
    """The catalogues find it in the sources, whole and with its placeholders."""
    assert catalogues.found().get(sentence) is not None


@pytest.mark.usefixtures("spanish")
def test_numbers_are_written_as_the_visitor_does() -> None:
    """In the pattern's place, and not in the message that programs read."""
    refusal = RateLimited(DAY, values={"most": 10_000}, retry_after=5)
    assert str(refusal) == refusal.message == "At most 10000 purchases in a day for one account"
    assert "Como mucho 10.000 compras al día y cuenta." in faults.say(refusal, words("es"))[1]
    assert faults.say(RateLimited(), words("en"))[0] == "Too fast"


@pytest.mark.usefixtures("spanish")
async def test_a_limit_on_the_page(desk: Desk, shop: Shop) -> None:
    """Who buys too fast reads which limit it is, in his language; the same refusal is English to a program."""
    await age(desk, shop.alice, 48)
    await limit(desk, shop.alice, account_day=1)
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        await buy.buy(desk, shop.alice, Order("ig", 6))
        with pytest.raises(RateLimited, match="At most 1 purchases in a day for one account"):
            await buy.buy(desk, shop.alice, Order("ig", 6))
        page = await alice.get("/?lang=es")
        told = await alice.post("/buy?lang=es", swap=True, **form_of(page, "ig-6"))
        assert (told.status, "Como mucho 1 compras al día y cuenta." in told.text) == (429, True)


async def test_a_rest_on_the_page(desk: Desk, shop: Shop) -> None:
    """With how many numbers brought a code, and where the rest is ended."""
    await age(desk, shop.alice, 48)
    async with desk.db.transaction() as tx:
        await tx.execute(_REST, [shop.alice.customer_id])
    desk.standings.forget()
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        page = await alice.get("/")
        told = await alice.post("/buy", swap=True, **form_of(page, "ig-6"))
    assert told.status == 429
    assert (
        "This account rests: of 20 numbers 1 brought a code. Its owner can end the rest on the page /resting."
        in told.text
    )


_REST = """
insert into purchase_pause (customer_id, ends_at, orders, codes) values (%s, now() + interval '1 hour', 20, 1)
"""
