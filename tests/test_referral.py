"""Bringing customers: whose link counts, and what everybody sees of it."""

from decimal import Decimal

import pytest

from ringlet.acts import CLI
from ringlet.backoffice import gifts, staff
from ringlet.desk import Desk
from ringlet.errors import Forbidden, ValidationFailed
from ringlet.people import referrals, sign_up
from ringlet.people.referrals import Terms
from ringlet.people.sessions import find
from ringlet.web.pages.referral import VIA
from tests.brands_rig import Branded, open_shop
from tests.hooks import fetch
from tests.office_rig import opened
from tests.pages_rig import Person, serving, sign
from tests.people_rig import PASSWORD
from tests.referral_rig import FIVE, brought, code_of, enter
from tests.site import Shop


class TestSigningUp:
    """Whose link counts, and whose does not."""

    async def test_a_code_counts_for_one_who_is_new(self, desk: Desk, shop: Shop) -> None:
        """Once: whoever has an account is brought by nobody any more."""
        code = await code_of(desk, shop.alice)
        carl = await enter(desk, "carl@example.org", code)
        await sign_up.sign_up(desk, "carl@example.org", PASSWORD, agreed=1, via=code)
        await sign_up.sign_up(desk, "bob@example.org", PASSWORD, agreed=1, via=code)
        assert await brought(desk) == [(carl.customer_id, shop.alice.customer_id)]
        assert (await fetch(desk, "select brought from referrer"))[0][0] == 1

    @pytest.mark.parametrize("code", ["", "x", "0" * 10, "'; drop table referral; --", "٠" * 10, "A" * 5_000])
    async def test_a_code_that_is_none_does_nothing(self, desk: Desk, shop: Shop, code: str) -> None:
        """The account is opened all the same."""
        await code_of(desk, shop.alice)
        await enter(desk, "carl@example.org", code)
        assert await brought(desk) == []

    @pytest.mark.parametrize(
        "email", ["alice+2@example.org", "a.l.i.c.e@example.org", "al.ice+x.y@example.org"]
    )
    async def test_nobody_brings_himself(self, desk: Desk, shop: Shop, email: str) -> None:
        """Under another name of the same mailbox."""
        await enter(desk, email, await code_of(desk, shop.alice))
        assert await brought(desk) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "update customer set frozen_at = now() where id = %s returning 1",
            "update referral_terms set percent = 0 where %s > 0 returning 1",
            "update wallet set currency = 'EUR' where customer_id = %s returning 1",
        ],
    )
    async def test_some_bring_nobody(self, desk: Desk, shop: Shop, statement: str) -> None:
        """Who is frozen, when nothing is offered, and who has money of another kind."""
        code = await code_of(desk, shop.alice)
        await fetch(desk, statement, shop.alice.customer_id)
        await enter(desk, "carl@example.org", code)
        assert await brought(desk) == []

    async def test_staff_bring_nobody(self, desk: Desk, shop: Shop) -> None:
        """It is their work."""
        code = await code_of(desk, shop.alice)
        await staff.appoint(desk, CLI, "alice@example.org", "support")
        await enter(desk, "carl@example.org", code)
        assert await brought(desk) == []

    async def test_a_resellers_shop_has_no_part_in_it(self, desk: Desk, shop: Shop) -> None:
        """Its prices are the reseller's, so a share of them could be more than the operator gets."""
        code = await code_of(desk, shop.alice)
        resold = await open_shop(desk)
        await desk.refresh_brands()
        theirs = desk.wearing(desk.brands.get(resold.brand_id))
        await enter(theirs, "carl@example.org", code)
        assert await brought(desk) == []
        async with serving(desk) as guest:
            person = await sign(guest, desk, resold.customer)
            visitor = await find(theirs, person.session)
            assert visitor is not None
            with pytest.raises(ValidationFailed):
                await referrals.make_code(theirs, desk.brands.get(resold.brand_id), visitor)
            shopper = Branded(person.url, person.http, person.session)
            got = await shopper.get("/referral")
        assert got.status == 200
        assert "Nothing at the moment" in got.text

    async def test_who_may_not_has_no_link(self, desk: Desk, shop: Shop) -> None:
        """A frozen account, and an address that nobody has confirmed."""
        await gifts.set_terms(desk, CLI, FIVE)
        async with serving(desk) as guest:
            person = await sign(guest, desk, shop.alice)
        for statement in (
            "update person set confirmed_at = null returning 1",
            "update customer set frozen_at = now() returning 1",
        ):
            await fetch(desk, statement)
            visitor = await find(desk, person.session)
            assert visitor is not None
            with pytest.raises(Forbidden):
                await referrals.make_code(desk, desk.brands.get(desk.brand_id), visitor)


class TestPages:
    """The link, from page to page."""

    async def test_from_the_link_to_the_share(self, desk: Desk, shop: Shop) -> None:
        """A stranger opens it, signs up, buys; who brought him sees that somebody came, and not who."""
        await gifts.set_terms(desk, CLI, Terms(Decimal("7.50"), 90))
        async with serving(desk) as guest:
            ann = await sign(guest, desk, shop.alice)
            assert "within 90 days" in (await ann.get("/referral")).text
            assert (await ann.post("/referral")).status == 303
            got = await ann.get("/referral")
            (link,) = got.names("data-copy")
            path = link.removeprefix(desk.settings.public_url)
            assert path.startswith("/r/")
            for address in (path, "/?via=" + path.removeprefix("/r/")):
                carl = Person(guest.url, guest.http)
                got = await carl.get(address)
                assert (got.status, got.headers["Location"]) == (303, "/")
                kept = got.headers.getall("Set-Cookie")  # type: ignore[attr-defined]
                kept = next(each.lower() for each in kept if each.startswith(VIA))
                assert all(each in kept for each in ("samesite=lax", "httponly", "secure", "max-age=2592000"))
            await carl.get("/sign-up")
            got = await carl.post("/sign-up", email="carl@example.org", password=PASSWORD, agreed="1")
            assert got.headers["Location"] == "/sign-up/sent"
            assert carl.cookies[VIA] == ""
            text = (await ann.get("/referral")).text
            assert "data-brought>1<" in text
            assert "carl" not in text
            assert "/referral" in (await ann.get("/wallet")).text
        assert len(await brought(desk)) == 1

    async def test_who_has_an_account_was_brought_by_nobody(self, desk: Desk, shop: Shop) -> None:
        """Signed in, the link leads to the shop and leaves nothing behind; nonsense does neither."""
        code = await code_of(desk, shop.alice)
        async with serving(desk) as guest:
            bob = await sign(guest, desk, shop.bob)
            assert (await bob.get(f"/r/{code}")).status == 303
            assert (await guest.get("/r/" + "x" * 11)).status == 303
            assert (await guest.get("/?via=%00")).status == 303
        assert VIA not in {**bob.cookies, **guest.cookies}

    async def test_finance_sets_the_share_and_stops_one(self, desk: Desk, shop: Shop) -> None:
        """With an act for each; what cannot be is explained under its field."""
        await code_of(desk, shop.alice)
        customer_id = shop.alice.customer_id
        async with opened(desk) as office:
            finance = await office.employ("finance")
            for name, value in (
                ("share", "51"),
                ("share", "-1"),
                ("share", "x"),
                ("days", "0"),
                ("days", "x"),
            ):
                got = await finance.post("/admin/gifts/referral", **{"share": "5", name: value})  # type: ignore[arg-type]
                assert got.status == 422, (name, value)
                assert f'id="{name}-help"><svg' in got.text
            assert (await finance.post("/admin/gifts/referral", share="7,5", days="90")).status == 303
            seen = (await finance.get("/admin/gifts")).text
            assert "alice@example.org" in seen
            assert 'value="7.5"' in seen
            stop = f"/admin/gifts/referrers/{customer_id}/stop"
            assert (await finance.post(stop, reason="")).status == 422
            assert (await finance.post(stop, reason="fraud")).status == 303
            assert (await finance.post(stop, reason="fraud")).status == 404
            assert "Stopped" in (await finance.get("/admin/gifts")).text
            (stopped,), (set_, _) = (
                await office.acts("referrer.stopped"),
                await office.acts("referral_terms.set"),
            )
        assert (stopped.about, stopped.reason) == (f"customer {customer_id}", "fraud")
        assert set_.about == "referral terms"
