"""Signing up: work once, domains that last, rules that were read. And the rules again when they change."""

import base64
import dataclasses
import json
from collections.abc import AsyncIterator

import altcha
import pytest

from ringlet.acts import CLI
from ringlet.app import open_desk
from ringlet.backoffice import privacy
from ringlet.desk import Desk
from ringlet.errors import NotFound, RateLimited, ValidationFailed
from ringlet.people import acceptable_use, disposable, forget, proof_of_work, sign_up
from ringlet.settings import Settings
from tests.pages_rig import serving, sign
from tests.people_rig import PASSWORD, execute, letters_to
from tests.site import Shop

HERE = "192.0.2.7"


@pytest.fixture
async def asking(settings: Settings, database_url: str) -> AsyncIterator[Desk]:
    """A shop as it is installed: browsers work."""
    async with open_desk(dataclasses.replace(settings, proof_of_work=True), database_url) as opened:
        yield opened


def solve(challenge: dict[str, object]) -> str:
    """What the widget does."""
    asked = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(asked)
    assert solution is not None
    return altcha.Payload(asked, solution).to_base64()


async def enter(desk: Desk, name: str, proof: str = "", address: str = HERE) -> None:
    await sign_up.sign_up(desk, f"{name}@example.org", PASSWORD, agreed=1, proof=proof, address=address)


async def test_who_works_signs_up_often_and_who_does_not_a_few_times(asking: Desk) -> None:
    """Without scripts there is a way in, and it is narrow; with the work done the wide one is open."""
    for index in range(3):
        await enter(asking, f"plain{index}")
    with pytest.raises(RateLimited):
        await enter(asking, "plain3")
    await enter(asking, "plain4", address="192.0.2.8")
    proof = solve(proof_of_work.challenge(asking))
    await enter(asking, "worker", proof)
    assert len(await letters_to(asking, "worker@example.org")) == 1
    with pytest.raises(RateLimited):  # the same solution again is none
        await enter(asking, "parasite", proof)


async def test_only_our_own_challenges_count_and_not_for_ever(
    asking: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged, an easier, an old and a broken one are worth as much as none."""
    good = solve(proof_of_work.challenge(asking))
    opened = json.loads(base64.b64decode(good))
    easier = altcha.create_challenge("PBKDF2/SHA-256", 1, key_prefix="", hmac_secret=b"x" * 32).to_dict()
    opened["challenge"]["parameters"]["cost"] = 1
    monkeypatch.setattr(proof_of_work, "GOOD_FOR_S", -1)
    old = solve(proof_of_work.challenge(asking))
    monkeypatch.undo()
    bad = [
        solve(easier),
        base64.b64encode(json.dumps(opened).encode()).decode(),
        old,
        "x",
        "bnVsbA==",
        "[]" * 9_000,
    ]
    bad += [
        base64.b64encode(json.dumps(each).encode()).decode()
        for each in ([], {"challenge": 1}, {"challenge": {}})
    ]
    for index, proof in enumerate(bad):
        address = f"198.51.100.{index}"
        for attempt in ("", "", proof):
            await proof_of_work.pay(asking, proof_of_work.SIGN_UP, attempt, address)
        with pytest.raises(RateLimited):
            await proof_of_work.pay(asking, proof_of_work.SIGN_UP, "", address)
    await enter(asking, "good", good)


async def test_the_operator_turns_the_work_off(asking: Desk) -> None:
    """Then everybody goes the wide way, and the pages load no widget."""
    async with serving(asking) as guest:
        page = await guest.get("/sign-up")
        assert "altcha-widget" in page.text
        challenge = json.loads((await guest.get("/work")).text)
        await privacy.keep(asking, CLI, "7", "30", asks_for_work=False)
        assert "altcha-widget" not in (await guest.get("/sign-up")).text
    assert challenge["parameters"]["cost"] == proof_of_work.COST
    for index in range(5):
        await enter(asking, f"plain{index}")


async def test_mailboxes_for_an_hour_are_refused(desk: Desk) -> None:
    """By domain and by those above it; what the operator says of the nearest one comes first."""
    assert 400 < len(disposable.known()) < 2_000
    for email in ("ann@mailinator.com", "ann@deep.below.yopmail.com", "ANN@Guerrillamail.com"):
        with pytest.raises(ValidationFailed, match="only for a short time"):
            await sign_up.sign_up(desk, email, PASSWORD, agreed=1)
    await sign_up.sign_up(desk, "ann@notmailinator.example", PASSWORD, agreed=1)
    await privacy.decide_domain(desk, CLI, "@Yopmail.com", is_refused=False)
    await privacy.decide_domain(desk, CLI, "bad.yopmail.com", is_refused=True)
    await sign_up.sign_up(desk, "ann@yopmail.com", PASSWORD, agreed=1)
    with pytest.raises(ValidationFailed):
        await sign_up.sign_up(desk, "ann@x.bad.yopmail.com", PASSWORD, agreed=1)
    await privacy.leave_domain(desk, CLI, "yopmail.com")
    with pytest.raises(ValidationFailed):
        await sign_up.sign_up(desk, "bob@yopmail.com", PASSWORD, agreed=1)
    with pytest.raises(NotFound):
        await privacy.leave_domain(desk, CLI, "yopmail.com")
    for wrong in ("", "com", "a b.example", "x" * 300 + ".example"):
        with pytest.raises(ValidationFailed):
            await privacy.decide_domain(desk, CLI, wrong, is_refused=True)


async def test_the_rules_are_accepted_in_the_version_that_was_shown(desk: Desk) -> None:
    """Without it nobody signs up; with it, version and time are kept."""
    async with serving(desk) as guest:
        page = await guest.get("/sign-up")
        assert 'name="agreed" value="1"' in page.text
        sent = {"email": "ann@example.org", "password": PASSWORD}
        for wrong in ({}, {"agreed": ""}, {"agreed": "2"}, {"agreed": "x"}):
            got = await guest.post("/sign-up", **sent, **wrong)
            assert (got.status, "rules of use" in got.text) == (422, True)
        assert (await guest.post("/sign-up", **sent, agreed="1")).status == 303
    async with desk.db.connection() as tx:
        rows = await (await tx.execute("select version, accepted_at <= now() from acceptance")).fetchall()
    assert rows == [(1, True)]


async def test_new_rules_come_before_the_next_purchase_on_the_pages(desk: Desk, shop: Shop) -> None:
    """Whoever has accepted the old ones is led there and back; programs with keys go on."""
    async with serving(desk) as guest:
        alice = await sign(guest, desk, shop.alice)
        order = {"service": "ig", "country": "6", "once": "x" * 20, "quantity": "1"}
        first = await alice.post("/buy", **order)
        assert first.headers["Location"] == "/"
        assert await privacy.raise_rules(desk, CLI, "Be good.", after=1) == 2
        led = await alice.post("/buy", **{**order, "once": "y" * 20})
        swapped = await alice.post("/buy", **{**order, "once": "y" * 20}, swap=True)
        assert (led.status, led.headers["Location"]) == (303, "/acceptable-use")
        assert swapped.headers["HX-Redirect"] == "/acceptable-use"
        page = await alice.get("/acceptable-use")
        assert "Be good." in page.text
        assert (await alice.post("/acceptable-use", agreed="1")).status == 422
        accepted = await alice.post("/acceptable-use", agreed="2", next="/")
        assert (accepted.status, accepted.headers["Location"]) == (303, "/")
        again = await alice.post("/buy", **{**order, "once": "z" * 20})
        body, head = {"service": "ig", "country": 6}, {"Authorization": f"Bearer {shop.bob_key}"}
        url = f"{guest.url}/api/v1/resell/virtual/buy"
        async with guest.http.post(url, json=body, headers=head) as answer:
            assert answer.status == 200
    assert again.headers["Location"] == "/"
    async with desk.db.connection() as tx:
        row = await (await tx.execute("select count(*) from activation")).fetchone()
    assert row == (3,)


async def test_two_who_edit_the_rules_do_not_overwrite_each_other(desk: Desk) -> None:
    """Whoever comes second sees first what has changed; and what is the same is no new version."""
    await privacy.raise_rules(desk, CLI, "Be good.", after=1)
    for text, after in (("Be bad.", 1), ("Be good.", 2), ("", 2), ("x" * 20_001, 2)):
        with pytest.raises(ValidationFailed):
            await privacy.raise_rules(desk, CLI, text, after=after)
    assert (await acceptable_use.shown(desk)).version == 2


async def test_solutions_are_forgotten_when_they_are_too_old_anyway(asking: Desk) -> None:
    """The table of those that were handed in does not grow for ever."""
    await enter(asking, "worker", solve(proof_of_work.challenge(asking)))
    assert await execute(asking, "update work_done set ends_at = now() - interval '2 minutes'") == 1
    await forget.forget_old(asking)
    assert await execute(asking, "update work_done set ends_at = now()") == 0
