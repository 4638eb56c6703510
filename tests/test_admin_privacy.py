"""The pages of staff about people's data: what the owner changes holds, and every change is in the log."""

from collections.abc import AsyncIterator

import pytest

from ringlet import acts
from ringlet.backoffice import privacy, reports
from ringlet.desk import Desk
from tests.office_rig import employ
from tests.pages_rig import Person, serving
from tests.people_rig import execute


@pytest.fixture
async def owner(desk: Desk) -> AsyncIterator[Person]:
    async with serving(desk) as guest:
        yield (await employ(desk, guest, "owner"))[0]


async def _done(desk: Desk) -> list[str]:
    """What was done on pages, the newest first."""
    async with desk.db.connection() as tx:
        return [each.act for each in await acts.search(tx, limit=20) if each.actor != "cli"]


async def test_the_owner_decides_how_long_things_are_kept(desk: Desk, owner: Person) -> None:
    """What makes no sense is said at its field and changes nothing."""
    page = "/admin/privacy"
    for days in (("0", "30"), ("91", "99"), ("x", "30"), ("7", "366"), ("20", "10"), ("7", "")):
        got = await owner.post(f"{page}/keep", text_days=days[0], number_days=days[1])
        assert (got.status, 'aria-invalid="true"' in got.text) == (422, True), days
    assert (await owner.post(f"{page}/keep", text_days="3", number_days="10")).status == 303
    kept = (await privacy.decided(desk)).kept
    assert (kept.text_days, kept.number_days, kept.asks_for_work) == (3, 10, False)
    await owner.post(f"{page}/keep", text_days="3", number_days="10", asks_for_work="yes")
    assert (await privacy.decided(desk)).kept.asks_for_work
    assert await _done(desk) == ["privacy.set", "privacy.set"]


async def test_rules_domains_and_the_hook(desk: Desk, owner: Person) -> None:
    """Each from its form; the secret of the hook is on one answer and on no page after it."""
    page = "/admin/privacy"
    assert (await owner.post(f"{page}/rules", rules="Be good.", agreed="7")).status == 422
    assert (await owner.post(f"{page}/rules", rules="Be good.", agreed="1")).status == 303
    assert (await owner.post(f"{page}/domains", domain="evil.example", do="refuse")).status == 303
    assert (await owner.post(f"{page}/domains", domain="nodot", do="refuse")).status == 422
    assert "evil.example" in (await owner.get(page)).text
    assert (await owner.post(f"{page}/domains", domain="evil.example", do="leave")).status == 303
    assert (await owner.post(f"{page}/identity", url="http://10.0.0.1/")).status == 422
    made = await owner.post(f"{page}/identity", url="https://identity.example.org/ask")
    assert (made.status, "whsec_" in made.text) == (200, True)
    after = await owner.get(page)
    assert ("whsec_" in after.text, "https://identity.example.org/ask" in after.text) == (False, True)
    async with desk.db.connection() as tx:
        row = await (
            await tx.execute("select position('whsec_'::bytea in identity_secret) from privacy")
        ).fetchone()
    assert row == (0,)
    assert (await owner.post(f"{page}/identity", do="drop")).status == 303
    assert await _done(desk) == [
        "identity_hook.dropped", "identity_hook.set", "mail_domain.left", "mail_domain.set", "rules.raised",
    ]  # fmt: skip


async def test_a_change_asks_who_sends_it(desk: Desk, owner: Person) -> None:
    """An old session proves first who sits there."""
    await execute(desk, "update person_session set proven_at = now() - interval '2 hours'")
    got = await owner.post("/admin/privacy/keep", text_days="3", number_days="10")
    assert got.headers["Location"].startswith("/prove")
    assert (await privacy.decided(desk)).kept.text_days == 7


async def test_others_of_the_staff_look_and_change_nothing(desk: Desk, owner: Person) -> None:
    """They see how it is, without a button that would be refused."""
    reader = (await employ(desk, owner, "readonly"))[0]
    page = await reader.get("/admin/privacy")
    assert (page.status, "Make it the new version" in page.text) == (200, False)


async def test_staff_deal_with_reports(desk: Desk, owner: Person) -> None:
    """Done, blocked, and allowed again; a story is text and never markup."""
    first = await reports.report(desk, "628954062003", "<script>alert(1)</script>", "eve@example.org")
    second = await reports.report(desk, "628954062004", "He lied", "")
    page = await owner.get("/admin/reports")
    assert ("&lt;script&gt;" in page.text, "<script>alert" in page.text) == (True, False)
    assert (await owner.post(f"/admin/reports/{first}", do="block")).status == 303
    assert (await owner.post(f"/admin/reports/{second}", do="done")).status == 303
    assert "data-report" not in (await owner.get("/admin/reports")).text
    done = await owner.get("/admin/reports?done")
    assert sorted(done.names("data-report")) == sorted([str(first), str(second)])
    assert [each.is_blocked for each in await reports.listed(desk, is_done=True)] == [False, True]
    assert (await owner.post(f"/admin/reports/{first}", do="unblock")).status == 303
    assert (await owner.post(f"/admin/reports/{first}", do="unblock")).status == 404
    assert (await owner.get("/admin/reports?before=x&done")).status == 200
