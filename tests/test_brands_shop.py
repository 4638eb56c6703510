"""A reseller looks after his shop by its pages: prices that stand in the history as his, and his own customers."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ringlet.backoffice import pricing_history
from ringlet.backoffice import shop as shops
from ringlet.desk import Desk
from ringlet.ledger import Wallet
from tests.brands_rig import MILLION, ResellersShop, open_shop, wallet_of
from tests.pages_rig import Person, serving, sign
from tests.people_rig import execute
from tests.site import Shop

pytestmark = pytest.mark.usefixtures("breaches")


@dataclass
class Counter:
    """The shop of rita, and another reseller's."""

    desk: Desk
    ritas: ResellersShop
    ottos: ResellersShop
    guest: Person

    async def person(self, wallet: Wallet) -> Person:
        """A browser in which this customer is signed in."""
        person = await sign(self.guest, self.desk, wallet)
        await person.get("/docs")
        return person


@pytest.fixture
async def counter(desk: Desk, shop: Shop) -> AsyncIterator[Counter]:
    assert shop
    ritas = await open_shop(desk)
    ottos = await open_shop(desk, host="otto.example", owner="otto")
    async with serving(desk) as guest:
        await desk.refresh_brands()
        yield Counter(desk, ritas, ottos, guest)


async def test_a_resellers_prices_are_in_the_history(counter: Counter) -> None:
    """Set and removed by whom it was, not by the machine."""
    desk, shop_id = counter.desk, counter.ritas.brand_id
    rita = await counter.person(counter.ritas.owner)
    assert (await rita.post(f"/shop/{shop_id}/prices", kind="markup", value="50", service="ig")).status == 303
    rule = (await shops.shop(desk, counter.ritas.owner.customer_id, shop_id)).rules[-1]
    assert (await rita.post(f"/shop/{shop_id}/prices/{rule.id}/remove")).status == 303
    newest = (await pricing_history.changes(desk))[:2]
    assert [(each.actor, each.act, each.rules) for each in newest] == [
        ("rita@example.org", "removed", 1), ("rita@example.org", "set", 1),
    ]  # fmt: skip


async def test_a_reseller_sees_his_own_customers(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, balance, state and since when, part by part, and never one of another shop's."""
    monkeypatch.setattr(shops, "PART", 2)
    desk, shop_id = counter.desk, counter.ritas.brand_id
    for index in range(3):
        await wallet_of(desk, f"c{index}@rita.example", shop_id, (index + 1) * MILLION)
    await execute(desk, "update customer set frozen_at = now() where email = 'c1@rita.example'")
    rita = await counter.person(counter.ritas.owner)
    assert f'/shop/{shop_id}/customers">4<' in (await rita.get("/shop")).text
    first = await rita.get(f"/shop/{shop_id}/customers")
    older = re.search(r'href="(/shop/[0-9]+/customers\?before=[0-9]+)"', first.text)
    assert older is not None
    second = await rita.get(older[1])
    assert [re.findall(r"<bdi>(c[^<]+)</bdi>", page.text) for page in (first, second)] == [
        ["c2@rita.example", "c1@rita.example"], ["c0@rita.example", "carl@rita.example"],
    ]  # fmt: skip
    assert ("$3.00" in first.text, "Frozen" in first.text, "?before=" in second.text) == (True, True, False)
    assert "otto" not in first.text + second.text


async def test_nobody_elses_customers(counter: Counter) -> None:
    """Not by another reseller, not by a customer, not of the operator's own shop."""
    otto, carl = [await counter.person(each) for each in (counter.ottos.owner, counter.ritas.customer)]
    answers = [
        (await person.get(f"/shop/{brand_id}/customers")).status
        for person in (otto, carl)
        for brand_id in (counter.ritas.brand_id, 1, 999_999)
    ]
    assert answers == [404, 404, 404, 303, 303, 303]
