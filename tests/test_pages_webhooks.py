"""Webhooks by hand over HTTP: made, tried, read in the log, sent again, and nobody else's."""

import re
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from ringlet.desk import Desk
from ringlet.settings import Settings
from ringlet.webhooks import endpoints, record
from ringlet.webhooks.post import Outcome
from tests.fakes.receiver import Receiver
from tests.hooks import complete, fetch, listen, settings_for, settle
from tests.pages_rig import Got, Person, sign
from tests.site import Shop

SCRIPT = "<script>alert(1)</script>"
PUBLIC = "https://shop.example.com/hook"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path, database_url)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


def secret(got: Got) -> str:
    """What is shown once."""
    assert got.status == 200, got.text[:500]
    found = re.search(r"data-secret>(whsec_[^<]+)<", got.text)
    assert found is not None, got.text[:2000]
    return found[1].replace("&#43;", "+")


def badges(got: Got) -> list[str]:
    """The states of the deliveries in the log."""
    return re.findall(r'class="badge (\w+)">[^<]*<svg', got.text.partition('id="log"')[2])


async def make(ann: Person, url: str, **fields: Any) -> tuple[str, str]:
    """By the form; its address and its secret."""
    form = await ann.get("/webhooks/new")
    nonce = re.search(r'name="nonce" value="([^"]+)"', form.text)
    assert nonce is not None
    made = await ann.post("/webhooks/new", **{"url": url, "form": "standard", "nonce": nonce[1], **fields})
    shown = secret(made)
    return next(each for each in made.names("href") if each.startswith("/webhooks/wh_")), shown


async def test_from_a_new_webhook_to_its_replay(
    ann: Person, desk: Desk, shop: Shop, receiver: Receiver
) -> None:
    """Create, send a test, read what came back, send it once more: signed by the secret that was shown."""
    assert "No webhooks yet" in (await ann.get("/webhooks")).text
    here, shown = await make(ann, receiver.url("/a"), description=SCRIPT)
    page = await ann.get(here)
    assert shown not in page.text
    assert "<script>alert" not in page.text
    assert "Nothing sent yet" in page.text
    assert (await ann.post(f"{here}/test")).headers["location"] == f"{here}#log"
    waiting = await ann.get(here)
    assert badges(waiting) == ["waiting"]
    assert 'hx-trigger="load delay:1500ms"' in waiting.text
    await settle(desk)
    assert receiver.heard[0].is_signed_by(shown)
    log = await ann.get(f"{here}/log", swap=True)
    assert badges(log) == ["good"]
    assert "hx-trigger" not in log.text
    delivery = next(each for each in log.names("href") if "/deliveries/" in each)
    detail = await ann.get(delivery)
    assert "&#34;webhook.test&#34;" in detail.text
    assert receiver.heard[0].webhook_id in detail.text
    assert ">thanks</pre>" in detail.text
    assert (await ann.post(delivery)).headers["location"] == f"{here}#log"
    await settle(desk)
    assert [each.webhook_id for each in receiver.heard] == [receiver.heard[0].webhook_id] * 2
    assert badges(await ann.get(here)) == ["good"]


async def test_what_failed_can_be_recovered(ann: Person, desk: Desk, shop: Shop, receiver: Receiver) -> None:
    """The log has the answer as text, the next attempt, and after an outage everything goes out once more."""
    receiver.behave("/a", "500")
    here, _ = await make(ann, receiver.url("/a"), types="activation.completed")
    activation = await complete(desk, shop)
    await settle(desk)
    page = await ann.get(here)
    assert badges(page) == ["waiting"]
    assert "500" in page.text
    assert "next in" in page.text
    assert "Failing" in page.text
    about = await ann.get(f"/history/{activation.public_id}")
    assert "activation.completed" in about.text
    delivery = next(each for each in about.names("href") if "/deliveries/" in each)
    assert str(activation.public_id) in (await ann.get(delivery)).text
    for enabled in ("no", "yes"):
        assert (await ann.post(f"{here}/enabled", enabled=enabled)).status == 303
    assert badges(await ann.get(here)) == ["bad"]
    receiver.behave("/a")
    for since in ("", "x", "9999-12-31T23:59", "0001-01-01T00:00"):
        said = await ann.post(f"{here}/recover", since=since)
        assert said.status == 303
    await settle(desk)
    assert badges(await ann.get(here)) == ["bad"]
    await ann.post(f"{here}/recover", since="2026-01-01T00:00")
    await settle(desk)
    assert badges(await ann.get(here)) == ["good"]


@pytest.mark.parametrize(
    ("url", "why"),
    [("", "must begin with https://"), ("javascript:alert(1)", "must begin with https://"),
     ("http://169.254.169.254/latest", "must lead to a public address"), ("https://10.0.0.1/x", "public address"),
     ("https://u:p@shop.example.com/", "without user and password"), ("https://ex ample.com/", "printable"),
     ("https://[::1]/", "public address"), ("https://shop.example.com/#x", "no fragment"), (f"https://{'a' * 2000}.com/", "2000")],
)  # fmt: skip
async def test_refused_addresses_are_explained(
    ann: Person, desk: Desk, shop: Shop, url: str, why: str
) -> None:
    """Under the field, with what was typed kept, and nothing is made; the same for a change."""
    await ann.get("/webhooks/new")
    got = await ann.post("/webhooks/new", url=url, form="standard", description="kept")
    assert got.status == 422
    assert why in got.text
    assert 'value="kept"' in got.text
    assert await endpoints.list_endpoints(desk, shop.alice.id) == []
    here, _ = await make(ann, PUBLIC)
    changed = await ann.post(here, url=url, description="")
    assert changed.status == 422
    assert why in changed.text
    assert [each.url for each in await endpoints.list_endpoints(desk, shop.alice.id)] == [PUBLIC]


@pytest.mark.parametrize(
    "fields", [{"form": "x"}, {"form": ""}, {"types": "x"}, {"description": "two\nlines"}, {"description": "x" * 256}]
)  # fmt: skip
async def test_what_no_form_of_ours_sends_is_refused(
    ann: Person, desk: Desk, shop: Shop, fields: dict[str, Any]
) -> None:
    """Unknown forms and events, a description of two lines: an answer that says so, and no webhook."""
    got = await ann.post("/webhooks/new", **({"url": PUBLIC, "form": "standard"} | fields))
    assert got.status == 422
    assert await endpoints.list_endpoints(desk, shop.alice.id) == []


async def test_a_form_that_is_sent_twice_makes_one(ann: Person, desk: Desk, shop: Shop) -> None:
    """The same form again shows the same secret; another one with that address is refused with a sentence."""
    nonce = "n" * 24
    await ann.get("/webhooks/new")
    first = secret(await ann.post("/webhooks/new", url=PUBLIC, form="standard", nonce=nonce))
    assert secret(await ann.post("/webhooks/new", url=PUBLIC, form="standard", nonce=nonce)) == first
    assert len(await endpoints.list_endpoints(desk, shop.alice.id)) == 1
    other = await ann.post("/webhooks/new", url=PUBLIC, form="standard")
    assert other.status == 409
    assert "You have a webhook with this url already" in other.text


async def test_settings_secret_and_end(ann: Person, desk: Desk, shop: Shop) -> None:
    """Changed, rotated (the old secret signs a day longer), switched off and on, deleted."""
    here, shown = await make(ann, PUBLIC)
    assert (await ann.post(here, url=PUBLIC, description="mine", types="balance.low")).status == 303
    (one,) = await endpoints.list_endpoints(desk, shop.alice.id)
    assert (one.description, one.types) == ("mine", ["balance.low"])
    nonce = re.search(r'name="nonce" value="([^"]+)"', (await ann.get(here)).text)
    assert nonce is not None
    renewed = secret(await ann.post(f"{here}/rotate", nonce=nonce[1]))
    assert secret(await ann.post(f"{here}/rotate", nonce=nonce[1])) == renewed != shown
    assert len(await fetch(desk, "select from webhook_secret")) == 2
    await ann.post(f"{here}/enabled", enabled="no")
    off = await ann.get(here)
    assert "Nothing is sent there" in off.text
    assert (await ann.post(f"{here}/test")).status == 303
    assert "This webhook is disabled" in (await ann.get(here)).text
    await ann.post(f"{here}/enabled", enabled="yes")
    assert (await ann.post(f"{here}/delete")).headers["location"] == "/webhooks"
    assert (await ann.get(here)).status == 404


async def test_the_unsigned_form_has_no_secret(ann: Person, desk: Desk, shop: Shop) -> None:
    """It tells of messages only, and its pages speak of no secret and no events."""
    form = await ann.post("/webhooks/new", url=PUBLIC, form="field")
    assert "not signed" in form.text
    assert "whsec_" not in form.text
    (one,) = await endpoints.list_endpoints(desk, shop.alice.id)
    page = await ann.get(f"/webhooks/{one.public_id}")
    assert "whsec_" not in page.text
    assert 'name="types"' not in page.text


async def test_nobody_touches_the_webhooks_of_another(
    stranger: Person, ann: Person, desk: Desk, shop: Shop, receiver: Receiver
) -> None:
    """Every page and every form of alice's: bob and her own test mode find nothing, strangers sign in, nothing changes."""
    made = await listen(desk, shop.alice, receiver)
    activation = await complete(desk, shop)
    await settle(desk)
    here = f"/webhooks/{made.endpoint.public_id}"
    delivery = f"{here}/deliveries/{(await fetch(desk, 'select min(id) from delivery'))[0][0]}"
    posts: tuple[tuple[str, dict[str, Any]], ...] = (
        (here, {"url": PUBLIC}), (f"{here}/enabled", {"enabled": "no"}), (f"{here}/rotate", {}), (f"{here}/delete", {}),
        (f"{here}/test", {}), (f"{here}/recover", {"since": "2026-01-01T00:00"}), (delivery, {}),
    )  # fmt: skip
    state = "select e::text, (select count(*) from webhook_secret), (select count(*) from delivery) from webhook_endpoint e"
    before = await fetch(desk, state)
    for other in (await sign(stranger, desk, shop.bob), await sign(stranger, desk, shop.rehearsal)):
        assert made.endpoint.url not in (await other.get("/webhooks")).text
        for path in (here, delivery):
            assert (await other.get(path)).status == 404, path
        assert (await other.get(f"{here}/log", swap=True)).status == 404
        assert (await other.get(f"/history/{activation.public_id}")).status == 404
        for path, fields in posts:
            assert (await other.post(path, **fields)).status == 404, path
    for path, fields in posts:
        assert (await ann.post(path, token="", **fields)).status == 403, path
    for path in ("/webhooks", "/webhooks/new", here, f"{here}/log", delivery):
        assert (await stranger.get(path)).headers["location"].startswith("/sign-in"), path
    assert await fetch(desk, state) == before
    for path in (
        "/webhooks/x",
        "/webhooks/wh_" + "é" * 22,
        f"{here}/deliveries/x",
        f"{here}/deliveries/{10**18 - 1}",
    ):
        assert (await ann.get(path)).status == 404, path


async def test_a_frozen_account_changes_nothing(ann: Person, desk: Desk, shop: Shop) -> None:
    """It may look, and that is all."""
    here, _ = await make(ann, PUBLIC)
    async with desk.db.connection() as tx:
        await tx.execute("update customer set frozen_at = now()")
    assert (await ann.get(here)).status == 200
    for path in ("/webhooks/new", here, f"{here}/rotate", f"{here}/delete", f"{here}/test"):
        assert (await ann.post(path, url=PUBLIC, form="standard")).status == 403, path
    assert len(await endpoints.list_endpoints(desk, shop.alice.id)) == 1


def test_each_reason_of_the_end_has_its_words() -> None:
    """Why nothing is sent any more is written down in English; the page has a sentence for each in every language."""
    known = (files("ringlet.templates") / "parts" / "webhook_words.html").read_text(encoding="utf-8")
    gone = record._why_over(Outcome(took_ms=1, status=410), fails_too_long=False)
    failing = record._why_over(Outcome(took_ms=1, status=500), fails_too_long=True)
    for why in ("disabled by you", gone, failing):
        assert f'"{why}": _("{why}")' in known
