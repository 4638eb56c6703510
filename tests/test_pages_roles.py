"""Every page × every role × somebody else's object, made from the routes themselves: a new page is in here by being there."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import pytest

from ringlet import pricing
from ringlet.activations import buy
from ringlet.activations.choose import Order
from ringlet.acts import CLI
from ringlet.backoffice import brands
from ringlet.backoffice.brands import Profile
from ringlet.customers import KeyTerms, add_key
from ringlet.desk import Desk
from ringlet.payments import book
from ringlet.topups import begin, demo_pay, look
from ringlet.topups.store import Topup
from ringlet.web.pages.routes import router
from ringlet.webhooks import endpoints, log
from tests.pages_rig import Got, Person, serving, sign
from tests.site import Shop

#: for everybody, also signed out; a one-time token in the address is its own proof
OPEN = {
    "/", "/static/{name}", "/favicon.svg", "/sign-up", "/sign-up/sent", "/sign-in", "/forgot", "/forgot/sent",
    "/brand/{name}", "/r/{code}", "/terms", "/privacy", "/imprint",
    "/acceptable-use", "/report", "/report/sent", "/work",
    "/confirm/{token}", "/email/{token}", "/reset/{token}", "/docs", "/docs/api", "/docs/countries",
    "/docs/services", "/docs/{page}", "/language", "/passkey", "/passkey/options", "/sign-out", "/mail",
}  # fmt: skip
#: open besides to who has shown a password and not yet the second factor
HALF = {"/second-factor"}
#: enough that no form is refused for what it lacks
FIELDS = {
    "do": "cancel", "name": "theirs", "url": "https://shop.example.com/other", "overlap_s": "0", "overlap": "0",
    "scopes": "prices:read", "description": "theirs", "enabled": "no", "since": "2026-01-01T00:00", "sure": "yes",
    "confirm": "yes", "form": "standard", "types": "activation.message",
}  # fmt: skip


def routes() -> list[tuple[str, str]]:
    """(method, address) of every page."""
    found = {(method, route.path_format) for route in router.routes for method in route.methods}
    return sorted((str(method), path) for method, path in found if method in {"GET", "POST"})


OWNED = [each for each in routes() if "{" in each[1] and each[1] not in OPEN]
CLOSED = [each for each in routes() if each[1] not in OPEN and each[1] not in HALF]


@dataclass
class Town:
    """Alice with one of everything, Bob with money and nothing else, and somebody who is halfway in."""

    desk: Desk
    guest: Person
    alice: Person
    bob: Person
    half: Person
    objects: Mapping[str, str]

    def filled(self, path: str) -> str:
        """The address of what is Alice's."""
        for name, value in self.objects.items():
            path = path.replace("{" + name + "}", value)
        assert "{" not in path, f"what is {path}? Add one of Alice's to `objects`"
        return path

    async def state(self) -> str:
        """What must not change when strangers knock."""
        digest = hashlib.sha256()
        async with self.desk.db.connection() as tx:
            for table in (
                "activation",
                "posting",
                "api_key",
                "webhook_endpoint",
                "passkey",
                "ledger_account",
            ):
                rows = await (await tx.execute(f"select to_jsonb(t) from {table} t order by id")).fetchall()
                digest.update(json.dumps(rows, sort_keys=True, default=str).encode())
            rows = await (await tx.execute("select id, ended_at from person_session order by id")).fetchall()
        return digest.hexdigest() + str(rows)


@pytest.fixture
async def town(desk: Desk, shop: Shop) -> AsyncIterator[Town]:
    async with serving(desk) as guest:
        alice, bob = await sign(guest, desk, shop.alice), await sign(guest, desk, shop.bob)
        half = await sign(guest, desk, shop.alice)
        objects = await _of_alice(desk, shop)
        async with desk.db.transaction() as tx:
            await tx.execute(
                "update person_session set awaits_second_factor = true where id = (select max(id) from person_session)"
            )
        for each in (alice, bob, half, guest):
            await each.get("/docs")
        yield Town(desk, guest, alice, bob, half, objects)


async def _of_alice(desk: Desk, shop: Shop) -> dict[str, str]:
    bought = await buy.buy(desk, shop.alice, Order(service="ig", country=6))
    new = endpoints.NewEndpoint(
        url="https://shop.example.com/hook", description="", form="standard", types=()
    )
    made = await endpoints.create(desk, shop.alice.id, new)
    sent = await log.send_test(desk, shop.alice.id, made.endpoint.public_id)
    topup = await _paid(desk, shop)
    brand_id = await brands.add(desk, CLI, Profile(name="hers", hosts=["alice.example"]), "alice@example.org")
    await desk.refresh_brands()
    async with desk.db.transaction() as tx:
        rule_id = await pricing.set_rule(
            tx,
            customer_id=None,
            country=None,
            service=None,
            kind="markup",
            value=Decimal(1),
            brand_id=brand_id,
        )
        key = await add_key(
            tx, desk.settings.secret, KeyTerms(wallet_id=shop.alice.id, mode="live", name="hers")
        )
        first = "select min(s.id), min(p.id) from person_session s join person p on p.id = s.person_id where p.customer_id = %s"
        row = await (await tx.execute(first, [shop.alice.customer_id])).fetchone()
        assert row is not None
        values = [row[1], b"id", b"key"]
        passkey = await (await tx.execute(_PASSKEY, values)).fetchone()
        assert passkey is not None
    return {
        "activation_id": str(bought.activation.public_id), "webhook_id": made.endpoint.public_id,
        "delivery_id": str(sent.delivery_id), "key_id": str(key.id), "session_id": str(row[0]),
        "passkey_id": str(passkey[0]), "brand_id": str(brand_id), "rule_id": str(rule_id),
        "topup_id": topup.public_id, "external_id": str(topup.external_id),
    }  # fmt: skip


async def _paid(desk: Desk, shop: Shop) -> Topup:
    """A payment of hers that is credited, so that every page about it is there."""
    async with desk.db.transaction() as tx:
        new = book.New("demo", "Demo", "live", {}, 1_000_000, 100_000_000, is_on=True)
        gateway_id = await book.add(tx, desk.settings.secret, new)
    topup = await begin.begin(desk, shop.alice.id, gateway_id, 5_000_000, "hers")
    await demo_pay.act(desk, shop.alice.id, str(topup.external_id), "pay")
    await look.look_due(desk)
    return topup


_PASSKEY = "insert into passkey (person_id, credential_id, public_key, sign_count, name) values (%s, %s, %s, 0, 'hers') returning id"


async def _knock(person: Person, method: str, path: str) -> tuple[Got, str]:
    """The last answer and where it came from: a page may only point to another one."""
    got = await (person.get(path) if method == "GET" else person.post(path, **FIELDS))
    while got.status == 303:
        path = got.headers["Location"]
        got = await person.get(path)
    return got, path


async def test_somebody_elses_object(town: Town) -> None:
    """Bob finds none of Alice's things, by any page, and changes none of them."""
    before = await town.state()
    found = {}
    for method, path in OWNED:
        got, _ = await _knock(town.bob, method, town.filled(path))
        if got.status not in {403, 404}:
            found[f"{method} {path}"] = got.status
    assert found == {}
    assert await town.state() == before


async def test_the_owner_does_find_them(town: Town) -> None:
    """The same addresses are there for Alice, or the test above would prove nothing."""
    pages = [path for method, path in OWNED if method == "GET"]
    missing = [
        path for path in pages if (await _knock(town.alice, "GET", town.filled(path)))[0].status != 200
    ]
    assert missing == []


@pytest.mark.parametrize("role", ["guest", "half"])
async def test_who_is_not_signed_in_goes_there_first(town: Town, role: str) -> None:
    """Every page that is somebody's sends a stranger to the door, and does nothing."""
    before, found = await town.state(), {}
    person = town.guest if role == "guest" else town.half
    for method, path in CLOSED:
        got, at = await _knock(person, method, town.filled(path))
        is_sent = at.startswith(("/sign-in", "/second-factor")) or at.partition("?")[0] == "/"
        if not is_sent and got.status not in {204, 401, 403}:
            found[f"{method} {path}"] = got.status
    assert found == {}
    assert await town.state() == before


async def test_a_form_without_its_token(town: Town) -> None:
    """Every form of every page is refused without the token, with a guest's and with somebody else's."""
    before, found = await town.state(), {}
    for token in ("", town.guest.token, town.bob.token):
        for method, path in routes():
            if method != "POST":
                continue
            filled = path.replace("{token}", "x").replace("{page}", "x").replace("{name}", "x")
            got = await town.alice.post(town.filled(filled), token=token, **FIELDS)
            if got.status != 403:
                found[f"{path} with {token[:6]!r}"] = got.status
    assert found == {}
    assert await town.state() == before
