"""Every admin page × every role, made from the routes themselves: a new page is in here by being there."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from ringlet.backoffice import staff
from ringlet.desk import Desk
from ringlet.people.roles import ROLES, Right, may
from ringlet.web.admin.gate import RIGHT
from ringlet.web.admin.routes import router
from tests.office_rig import employ
from tests.pages_rig import Got, Person, serving, sign
from tests.site import Shop

#: enough that no form is refused for what it lacks, before its right is asked
FIELDS = {"email": "nobody@example.org", "role": "readonly", "reason": "because", "sure": "yes"}
#: what stands for a parameter of an address; 404 is an answer too, for whoever may ask
OBJECTS: dict[str, str] = {}


def routes() -> list[tuple[str, str, Right]]:
    """(method, address, right) of every admin page."""
    return sorted(
        (
            (str(method), route.path_format, handler.opt.get(RIGHT))
            for route in router.routes
            for handler in route.route_handlers
            for method in handler.http_methods & {"GET", "POST"}
        ),
        key=str,
    )


@dataclass
class House:
    """One of each role, with a second factor and without, a customer, and a stranger."""

    desk: Desk
    guest: Person
    customer: Person
    bare: Person
    by_role: dict[str, Person] = field(default_factory=dict)

    async def state(self) -> str:
        """What must not change when somebody without the right knocks: every table but the clocks of sessions and processes."""
        digest = hashlib.sha256()
        async with self.desk.db.connection() as tx:
            tables = await (await tx.execute(_TABLES)).fetchall()
            for (table,) in tables:
                rows = await (
                    await tx.execute(f'select to_jsonb(t) from "{table}" t order by 1'.encode())
                ).fetchall()
                digest.update(json.dumps(rows, sort_keys=True, default=str).encode())
        return digest.hexdigest()


_TABLES = """
select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'
    and table_name not in ('person_session', 'throttle', 'process_seen') order by 1
"""


@pytest.fixture
async def house(desk: Desk, shop: Shop) -> AsyncIterator[House]:
    async with serving(desk) as guest:
        made = House(desk, guest, await sign(guest, desk, shop.alice), guest)
        for role in ROLES:
            made.by_role[role], _ = await employ(desk, guest, role)
        made.bare, _ = await employ(desk, guest, "owner", has_factor=False)
        for each in (guest, made.customer, made.bare, *made.by_role.values()):
            await each.get("/docs")
        yield made


async def knock(person: Person, method: str, path: str) -> Got:
    for name, value in OBJECTS.items():
        path = path.replace("{" + name + "}", value)
    filled = path if "{" not in path else _numbered(path)
    return await (person.get(filled) if method == "GET" else person.post(filled, **FIELDS))


def _numbered(path: str) -> str:
    """Parameters without an object of their own become an id that nothing has."""
    head, _, rest = path.partition("{")
    while rest:
        _, _, tail = rest.partition("}")
        head += "999999"
        between, _, rest = tail.partition("{")
        head += between
    return head


def test_every_page_names_its_right() -> None:
    """A page that says nothing would be shut for everybody; better it is never made."""
    assert [each for each in routes() if not isinstance(each[2], Right)] == []


async def test_a_role_sees_what_it_may_and_nothing_else(house: House) -> None:
    """403 exactly where the role lacks the right."""
    wrong = {}
    for role, person in house.by_role.items():
        for method, path, right in routes():
            if method == "POST" and may(role, right):
                continue  # it would be done; the pages' own tests do it
            got = await knock(person, method, path)
            if may(role, right) != (got.status in {200, 404}) or (not may(role, right) and got.status != 403):
                wrong[f"{role} {method} {path}"] = got.status
    assert wrong == {}


async def test_for_everybody_else_there_are_no_such_pages(house: House) -> None:
    """A customer finds nothing, a guest signs in first, and an owner without a second factor gets one first."""
    before, wrong = await house.state(), {}
    for method, path, _ in routes():
        stranger = await knock(house.guest, method, path)
        if stranger.status != 303 or not stranger.headers["Location"].startswith("/sign-in"):
            wrong[f"guest {method} {path}"] = stranger.status
        if (got := await knock(house.customer, method, path)).status != 404:
            wrong[f"customer {method} {path}"] = got.status
        bare = await knock(house.bare, method, path)
        if bare.status != 303 or not bare.headers["Location"].startswith("/profile/security"):
            wrong[f"bare owner {method} {path}"] = bare.status
    assert wrong == {}
    assert await house.state() == before


async def test_a_form_without_its_token_does_nothing(house: House) -> None:
    """Also for the owner."""
    before, wrong = await house.state(), {}
    owner = house.by_role["owner"]
    for token in ("", house.guest.token, house.customer.token):
        for method, path, _ in routes():
            if method == "POST":
                got = await owner.post(_numbered(path), token=token, **FIELDS)
                if got.status != 403:
                    wrong[path] = got.status
    assert wrong == {}
    assert await house.state() == before


async def test_staff_are_signed_out_sooner(house: House) -> None:
    """Half an hour without a request ends a session of the staff, not of a customer."""
    async with house.desk.db.connection() as tx:
        await tx.execute("update person_session set seen_at = now() - interval '31 minutes'")
    owner = house.by_role["owner"]
    for _ in range(2):
        assert (await owner.get("/admin")).headers.get("Location", "").startswith("/sign-in")
    assert (await house.customer.get("/live")).status == 200


@pytest.mark.usefixtures("shop")
async def test_the_last_owner_stays(house: House) -> None:
    """Somebody must be left who may appoint others."""
    owner = house.by_role["owner"]
    everybody = await staff.everybody(house.desk)
    owners = [each.person_id for each in everybody if each.role == "owner"]
    assert len(owners) == 2
    answers = [(await owner.post(f"/admin/staff/{each}/dismiss")).status for each in sorted(owners)]
    assert 303 in answers
    assert sum(each.role == "owner" for each in await staff.everybody(house.desk)) == 1
