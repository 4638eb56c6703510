"""Identity checks: asked by a signed request, answered by one, and nothing believed that is not signed."""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from ringlet import acts, identities
from ringlet.acts import CLI
from ringlet.app import open_desk
from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.people import identity
from ringlet.settings import Settings
from ringlet.webhooks import endpoints
from ringlet.webhooks import identity as hook
from tests.pages_rig import Got, Person, serving
from tests.people_rig import execute
from tests.site import Shop, fill_shop


@pytest.fixture
async def house(settings: Settings, database_url: str) -> AsyncIterator[Desk]:
    """A shop that may reach this machine."""
    near = dataclasses.replace(settings, webhook_http=True, webhook_allowed_networks="127.0.0.0/8")
    async with open_desk(near, database_url) as opened:
        yield opened


@dataclasses.dataclass
class Service:
    """The operator's own, which keeps what it was asked."""

    url: str = ""
    status: int = 200
    asked: list[tuple[dict[str, str], str]] = dataclasses.field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.asked.append((dict(request.headers), await request.text()))
        return web.Response(status=self.status)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    app = web.Application()
    app.router.add_post("/ask", made.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ask"
    yield made
    await runner.cleanup()


async def _state(desk: Desk, customer_id: int) -> str:
    async with desk.db.connection() as tx:
        return await identities.state(tx, customer_id)


async def _answer(guest: Person, secret: str, said: object, *, at: datetime | None = None) -> Got:
    body, now = json.dumps(said), at or datetime.now(UTC)
    head = {
        "webhook-id": "a1", "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("a1", now, body),
    }  # fmt: skip
    async with guest.http.post(f"{guest.url}/hooks/identity", data=body, headers=head) as got:
        return Got(got.status, await got.text(), got.headers)


async def test_asked_and_answered(house: Desk, service: Service) -> None:
    """The whole way: pending when it is asked, signed both ways, and what was answered holds."""
    shop: Shop = await fill_shop(house, numbers=1)
    alice = shop.alice.customer_id
    assert await _state(house, alice) == "none"
    with pytest.raises(ValidationFailed, match="No service"):
        await identity.ask(house, CLI, alice)
    secret = await hook.set_hook(house, CLI, service.url)
    await identity.ask(house, CLI, alice, "first top-up")
    with pytest.raises(ValidationFailed, match="under way already"):
        await identity.ask(house, CLI, alice)
    assert await hook.ask_due(house) == 1
    assert await hook.ask_due(house) == 0
    ((head, body),) = service.asked
    assert Webhook(secret).verify(body, head)["data"] == {
        "customer_id": str(alice),
        "email": "alice@example.org",
    }
    async with serving(house) as guest:
        good = {"customer_id": str(alice), "state": "verified"}
        for _ in range(2):
            assert (await _answer(guest, secret, good)).status == 200
        other = endpoints.new_secret()
        refused = [await _answer(guest, other, {**good, "state": "refused"}),
                   await _answer(guest, secret, good, at=datetime(2026, 1, 1, tzinfo=UTC)),
                   await _answer(guest, secret, {**good, "customer_id": "99999999"}),
                   await _answer(guest, secret, {**good, "customer_id": "-1"}),
                   await _answer(guest, secret, {**good, "state": "king"}),
                   await _answer(guest, secret, {**good, "more": 1}), await _answer(guest, secret, [])]  # fmt: skip
    assert [each.status for each in refused] == [401, 401, 404, 404, 422, 422, 422]
    assert await _state(house, alice) == "verified"
    async with house.db.connection() as tx:
        lines = await acts.search(tx, about=f"customer {alice}")
    assert [(each.act, each.actor) for each in lines] == [
        ("identity.set", "identity service"),
        ("identity.asked", "cli"),
    ]


async def test_a_service_that_is_away_is_asked_again(house: Desk, service: Service) -> None:
    """Later and later, and then staff decide; an answer that comes meanwhile ends it."""
    shop: Shop = await fill_shop(house, numbers=1)
    await hook.set_hook(house, CLI, service.url)
    await identity.ask(house, CLI, shop.alice.customer_id)
    service.status = 503
    for _ in range(len(hook.PAUSES_S) + 1):
        assert await hook.ask_due(house) == 1
        assert await hook.ask_due(house) == 0
        await execute(house, "update identity_check set due_at = now() where due_at is not null")
    assert await hook.ask_due(house) == 0
    seen = await identity.look(house, shop.alice.customer_id)
    assert (seen.state, seen.error) == ("pending", "the answer was 503")
    assert len({head["webhook-id"] for head, _ in service.asked}) == 1
    await identity.decide(house, CLI, shop.alice.customer_id, "refused", "looked at the papers")
    assert (await identity.look(house, shop.alice.customer_id)).state == "refused"
    with pytest.raises(NotFound):
        await identity.decide(house, CLI, 999_999, "verified")


async def test_nobody_answers_where_nobody_is_asked(desk: Desk) -> None:
    """Without a hook there is no such address, and an address inside is none that may be asked."""
    async with serving(desk) as guest:
        assert (
            await _answer(guest, endpoints.new_secret(), {"customer_id": "1", "state": "verified"})
        ).status == 404
    for url in ("http://example.org/", "https://127.0.0.1/", "https://[::1]/", "nonsense", ""):
        with pytest.raises(ValidationFailed):
            await hook.set_hook(desk, CLI, url)
