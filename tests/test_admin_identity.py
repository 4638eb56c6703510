"""Identity checks by the buttons of a customer's page: asked for and decided, with a reason, by who may."""

import pytest

from ringlet.acts import CLI
from ringlet.desk import Desk
from ringlet.people import identity
from ringlet.webhooks import identity as hook
from tests.office_rig import Office, opened
from tests.pages_rig import Got, Person
from tests.site import Shop


async def press(person: Person, shop: Shop, state: str, reason: str = "papers came by post") -> Got:
    return await person.post(f"/admin/customers/{shop.alice.customer_id}/identity/{state}", reason=reason)


async def shown(person: Person, shop: Shop) -> str:
    """The part of the page that says who the customer is."""
    page = await person.get(f"/admin/customers/{shop.alice.customer_id}")
    return page.text.split('id="identity"')[1].split("</section>")[0]


async def said(office: Office, act: str) -> list[tuple[str, str, str]]:
    """(who, the new state, why) in the log, the newest first."""
    return [(each.role, each.after["state"], each.reason) for each in await office.acts(act)]


async def test_staff_ask_and_decide(desk: Desk, shop: Shop) -> None:
    """Asked once, decided either way and back; the page shows how it stands, and the log who said so and why."""
    await hook.set_hook(desk, CLI, "https://checks.example.org/ask")
    async with opened(desk) as office:
        support = await office.employ("support")
        assert "Never asked" in await shown(support, shop)
        assert (await press(support, shop, "pending", "first large top-up")).status == 303
        assert "Under way" in await shown(support, shop)
        assert "Ask for a check" not in await shown(support, shop)
        got = await press(support, shop, "pending")
        assert (got.status, "A check of this customer is under way already" in got.text) == (422, True)
        for state, word in (("verified", "Verified"), ("refused", "Refused")):
            assert (await press(support, shop, state)).status == 303
            assert word in (await shown(support, shop)).split("deeds")[0]
        assert await said(office, "identity.asked") == [("support", "pending", "first large top-up")]
        assert await said(office, "identity.set") == [
            ("support", "refused", "papers came by post"), ("support", "verified", "papers came by post"),
        ]  # fmt: skip


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
async def test_a_reason_is_needed(desk: Desk, shop: Shop, reason: str) -> None:
    """Said beside its field, and nothing is decided."""
    async with opened(desk) as office:
        support = await office.employ("support")
        got = await press(support, shop, "verified", reason)
        assert (got.status, "A reason of 1 to 200 characters" in got.text) == (422, True)
    assert (await identity.look(desk, shop.alice.customer_id)).state == "none"


async def test_what_cannot_be_is_refused(desk: Desk, shop: Shop) -> None:
    """No service to ask, no such state, no such customer, and no right to it."""
    async with opened(desk) as office:
        support, finance = await office.employ("support"), await office.employ("finance")
        got = await press(support, shop, "pending")
        assert (got.status, "No service for identity checks is set" in got.text) == (422, True)
        assert (await press(support, shop, "none")).status == 404
        assert (await support.post("/admin/customers/999999/identity/verified", reason="why")).status == 404
        assert (await press(finance, shop, "verified")).status == 403
        assert "/identity/" not in await shown(finance, shop)
    assert (await identity.look(desk, shop.alice.customer_id)).state == "none"
