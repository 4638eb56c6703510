"""Staff who look through a customer's eyes see the client's pages and change nothing, whatever they ask for."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ringlet.activations.buy import buy
from ringlet.activations.choose import Order
from ringlet.backoffice import impersonate
from ringlet.desk import Desk
from ringlet.web.pages import eyes
from ringlet.web.pages.visit import LOOK
from tests.office_rig import Office, member, opened
from tests.pages_rig import Person, sign
from tests.site import Shop
from tests.test_admin_roles import House
from tests.test_pages_roles import FIELDS, _of_alice, routes

TEXT = "WhatsApp: your secret word is 482913"
#: pages that ask nobody who looks; they show nothing of anybody's
NOBODYS = {"/static/{name}", "/favicon.svg", "/profile/keys", "/work"}
#: pieces of a page that is shown
PIECES = {"/find"}


@dataclass
class Looking:
    """Support, who looks through alice's eyes; alice herself; and what is hers."""

    office: Office
    support: Person
    alice: Person
    objects: dict[str, str]

    def filled(self, path: str) -> str:
        """The address of what is alice's, or of something that there is not."""
        for name, value in self.objects.items():
            path = path.replace("{" + name + "}", value)
        return (
            path.replace("{token}", "x")
            .replace("{page}", "api")
            .replace("{name}", "x")
            .replace("{kind}", "terms")
            .replace("{", "")
            .replace("}", "")
        )


@pytest.fixture
async def looking(desk: Desk, shop: Shop) -> AsyncIterator[Looking]:
    async with opened(desk) as office:
        support = await office.employ("support")
        alice = await sign(office.guest, desk, shop.alice)
        objects = dict(await _of_alice(desk, shop))
        made = (await buy(desk, shop.alice, Order(service="wa", country=6))).activation
        await shop.push(desk, made, TEXT)
        objects["activation_id"] = str(made.public_id)
        begun = await support.post(f"/admin/customers/{shop.alice.customer_id}/look", reason="ticket 7")
        assert (begun.status, begun.headers["Location"]) == (303, "/")
        yield Looking(office, support, alice, objects)


async def state(desk: Desk) -> str:
    return await House.state(House(desk, None, None, None))  # type: ignore[arg-type]


async def test_every_form_of_every_page_is_refused(desk: Desk, looking: Looking) -> None:
    """Made from the routes: a page that is added later is in here by being there. Nothing at all is written."""
    await looking.support.get("/")
    before, wrong = await state(desk), {}
    tokens = (looking.support.token, looking.alice.token, looking.office.guest.token)
    for method, path in routes():
        if method != "POST":
            continue
        for token in tokens:
            got = await looking.support.post(looking.filled(path), token=token, **FIELDS)
            if got.status != 403:
                wrong[path] = got.status
    assert wrong == {}
    assert await state(desk) == before


async def test_pages_are_shown_by_name_only(looking: Looking) -> None:
    """What is not on the list is refused, keys, factors and sessions among it; what is on it is alice's, with a banner
    and without what messages say.
    """
    wrong = {}
    for method, path in routes():
        if method != "GET":
            continue
        got = await looking.support.get(looking.filled(path), swap=path in PIECES)
        is_shown = path in eyes.PAGES
        is_hers = "alice@example.org" in got.text and "/admin/look/leave" in got.text
        if is_shown and (got.status != 200 or not (is_hers or path in PIECES)):
            wrong[path] = got.status
        if not is_shown and path not in NOBODYS and got.status != 403:
            wrong[path] = got.status
        if "secret word" in got.text or "482913" in got.text or "482 913" in got.text:
            wrong[path] = "a message is read"
    assert wrong == {}
    assert {path for _, path in routes()} >= eyes.PAGES


async def test_no_button_looks_as_if_it_could_be_pressed(looking: Looking) -> None:
    """Every form that sends something is inert, but for the one that ends the look; a search is none of them."""
    for path in ("/", "/wallet", "/history"):
        text = (await looking.support.get(path)).text
        posting = [each for each in re.findall("<form[^>]*>", text) if 'method="post"' in each]
        alive = [each for each in posting if "inert" not in each]
        assert len(posting) > 1
        assert [re.findall('action="([^"]*)"', each) for each in alive] == [["/admin/look/leave"]], path
    assert "inert" not in (await looking.alice.get("/")).text
    assert re.search('<form inert[^>]*role="search"', (await looking.support.get("/")).text) is None


async def test_what_is_never_shown(looking: Looking) -> None:
    """Word for word, beside what is made from the routes."""
    never = (
        "/profile",
        "/profile/keys/1",
        "/profile/security",
        "/webhooks/new",
        "/history.csv",
        "/live/events",
        "/docs",
    )
    assert {path: (await looking.support.get(path)).status for path in never} == dict.fromkeys(never, 403)


async def test_alice_would_see_her_words(looking: Looking) -> None:
    """The same pages tell her what came, or the tests above would prove nothing; and she was not signed out."""
    for path in ("/", "/live", "/history", f"/history/{looking.objects['activation_id']}"):
        got = await looking.alice.get(path)
        assert got.status == 200
        assert "482913" in got.text or "482</span><span>913" in got.text, path
        assert "/admin/look/leave" not in got.text
    part = await looking.support.get("/live", swap=True)
    assert part.status == 200
    assert "482913" not in part.text


async def test_the_other_methods(looking: Looking) -> None:
    """No way around the forms by another verb."""
    support = looking.support
    for verb in ("put", "patch", "delete"):
        for path in ("/", "/buy", "/wallet", "/profile/keys"):
            async with getattr(support.http, verb)(support.url + path, headers=support._head) as answer:
                assert answer.status in {403, 404, 405}


async def test_leaving_and_back(desk: Desk, looking: Looking) -> None:
    """One button, back where it began, with an act at each end; a form of the customer's page does nothing afterwards."""
    support = looking.support
    page = await support.get("/")
    theirs = support.token
    named = 'action="/admin/look/leave"><input type="hidden" name="form_token" value'
    (leave,) = set(page.names(named))
    assert (await support.post("/admin/look/leave", token=theirs)).status == 403
    left = await support.post("/admin/look/leave", token=leave)
    assert left.status == 303
    assert left.headers["Location"].startswith("/admin/customers/")
    assert support.cookies[LOOK] == ""
    del support.cookies[LOOK]
    before = await state(desk)
    assert (await support.post("/buy", token=theirs, service="wa", country="6", once="x" * 16)).status == 403
    assert await state(desk) == before
    own = await support.get("/")
    assert "alice@example.org" not in own.text
    (begun,), (ended,) = (
        await looking.office.acts("impersonation.begun"),
        await looking.office.acts("impersonation.ended"),
    )
    assert (begun.reason, begun.customer_id, begun.about) == ("ticket 7", ended.customer_id, ended.about)
    assert ended.after == {"by": "button"}


async def test_after_an_hour_it_is_over(desk: Desk, looking: Looking) -> None:
    """The next page says so and shows nothing of hers; the worker notes the end once."""
    async with desk.db.connection() as tx:
        await tx.execute("update impersonation set ends_at = now()")
    support = looking.support
    got = await support.get("/")
    assert (got.status, got.headers["Location"]) == (303, "/admin/look/over")
    assert (await support.post("/favourite", service="wa", country="6")).status in {303, 403}
    assert (await support.get("/admin/look/over")).status == 200
    assert support.cookies[LOOK] == ""
    assert [await impersonate.end_due(desk), await impersonate.end_due(desk)] == [1, 0]
    (ended,) = await looking.office.acts("impersonation.ended")
    assert ended.after == {"by": "time"}


async def _sees_nothing(person: Person) -> None:
    for path in ("/", "/history", "/wallet"):
        assert "alice@example.org" not in (await person.get(path)).text
    assert (await person.post("/theme", theme="dark")).status in {303, 403}


async def test_the_look_is_good_with_its_session_only(desk: Desk, shop: Shop, looking: Looking) -> None:
    """A made-up token and somebody else's cookie open nothing; a second look, the role and the session end it."""
    support, good = looking.support, looking.support.cookies[LOOK]
    support.cookies[LOOK] = good[:-1] + ("0" if good[-1] != "0" else "1")
    await _sees_nothing(support)
    thief = await looking.office.employ("support")
    thief.cookies[LOOK] = good
    await _sees_nothing(thief)
    support.cookies[LOOK] = good
    assert "alice@example.org" in (await support.get("/")).text
    async with desk.db.connection() as tx:
        await tx.execute("update staff set role = 'readonly' where role = 'support'")
        await _sees_nothing(support)
        await tx.execute("update staff set role = 'support' where role = 'readonly'")
    support.cookies[LOOK] = good
    await support.get("/admin")
    await support.post(f"/admin/customers/{shop.bob.customer_id}/look", reason="another")
    assert "bob@example.org" in (await support.get("/")).text
    second, support.cookies[LOOK] = support.cookies[LOOK], good
    await _sees_nothing(support)
    support.cookies[LOOK] = second
    async with desk.db.connection() as tx:
        await tx.execute("update person_session set ended_at = now()")
    assert "bob@example.org" not in (await support.get("/")).text


async def test_who_may_look_at_whom(desk: Desk, shop: Shop) -> None:
    """Support may, with a reason, and never through the eyes of the staff."""
    owner = await member(desk, "owner")
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select customer_id from person where id = %s", [owner.person_id])
        ).fetchone()
    assert row is not None
    async with opened(desk) as office:
        support, finance = await office.employ("support"), await office.employ("finance")
        page = f"/admin/customers/{shop.alice.customer_id}/look"
        assert (await finance.post(page, reason="curious")).status == 403
        assert (await support.post(page, reason="")).status == 422
        assert (await support.post(f"/admin/customers/{row[0]}/look", reason="boss")).status == 403
        assert (await support.post("/admin/customers/999999/look", reason="nobody")).status == 404
        assert await office.acts("impersonation.begun") == []


async def test_a_customer_with_such_a_cookie_is_himself(looking: Looking) -> None:
    """It is nothing without a session of the staff; the browser forgets it."""
    looking.alice.cookies[LOOK] = looking.support.cookies[LOOK]
    got = await looking.alice.get("/")
    assert got.status == 200
    assert "/admin/look/leave" not in got.text
    assert looking.alice.cookies[LOOK] == ""
